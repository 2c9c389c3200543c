/* queue/queue.h - which letter leaves next: destinations, their connections, limits, order and times. Pure: it is told the time, and
 * nothing here waits or asks.
 *
 * A job is one group of recipients of a letter, all at one destination. Jobs that are due stand in line at their destination, by
 * priority (RFC 6710) and then by when they became due. A destination has a window of connections, which grows as letters are
 * taken and shrinks as they are deferred; one that cannot be reached pauses, longer each time, and is then tried with one letter.
 * Destinations take turns.
 */
#ifndef SALLYPORT_QUEUE_QUEUE_H
#define SALLYPORT_QUEUE_QUEUE_H

#include "base/list.h"
#include "base/map.h"
#include "base/vec.h"
#include "conf/conf.h"
#include "ipc/words.h"

#define QUEUE_NEVER_MS INT64_MAX

struct destination;

/* NOWHERE: something else is being done with it. */
enum job_place { JOB_NOWHERE, JOB_LATER, JOB_READY, JOB_RUNNING, JOB_HELD, JOB_PLACES };

struct job {
	uint64_t id;
	uint64_t account; /* 0: nobody's */
	struct destination *to;
	int64_t date_s, due_s, until_s;
	uint32_t group;
	uint32_t at;	   /* index in the heap it is in */
	uint16_t attempts; /* begun; it stays at the most there are */
	uint16_t n_rcpts;
	uint8_t lane;
	uint8_t place;	  /* enum job_place */
	uint8_t priority; /* PRIORITY_OF_NORMAL and the MT-PRIORITY */
	bool owed : 1;	  /* a report about it is to be made */
	bool warned : 1;  /* its sender was told of the delay, or is not to be */
	bool untended : 1; /* what was to be done about it could not be: not again before due_s */
	bool lost : 1;	  /* not seen in the lane when it was read again */
};
_Static_assert(sizeof(struct job) == 64, "there may be a million of them");

/* The smaller comes first; elements know where they are. */
struct job_heap {
	struct VEC(struct job *) jobs;
	bool by_priority;
};

struct destination {
	struct str name; /* what follows it in memory */
	struct job_heap later, ready;
	unsigned n_running, n_held;
	double window;	  /* connections at once */
	double threshold; /* above it the window grows by one a round and not by one a letter */
	unsigned n_failures; /* in a row */
	int64_t paused_until_ms;
	int64_t used_ms; /* when it last had a job */
	double tokens; /* of its rate */
	int64_t tokens_ms;
	int64_t wake_ms; /* when it is looked at next; QUEUE_NEVER_MS: in `turns`, or idle */
	uint32_t wake_at; /* index in the heap of wakes */
	struct node turn;
	int turn_priority; /* the list it is in; -1: none */
	uint32_t window_max, rate_max; /* a route's; 0: the queue's */
};

#define QUEUE_PRIORITIES 20

struct account_rate {
	double tokens;
	int64_t tokens_ms;
};

struct queue {
	const struct conf *conf;
	struct map destinations; /* by name */
	size_t destinations_prune; /* when so many are there, those that have nothing to do are forgotten */
	struct map accounts;	 /* struct account_rate by number, of those that have sent lately */
	size_t accounts_prune;	 /* when so many are there, those that have not are forgotten */
	struct job **table;	 /* by id and group: open addressing */
	size_t n_jobs, table_size, n_dead;
	struct node turns[QUEUE_PRIORITIES]; /* destinations that may start something */
	struct VEC(struct destination *) wakes; /* a heap, by wake_ms */
	unsigned n_running;
	uint64_t seed; /* of the spread of times */
	size_t sweep_at; /* in the table */
	size_t n_placed[JOB_PLACES];
};

void queue_init(struct queue *q, const struct conf *conf, uint64_t seed);
void queue_fini(struct queue *q);
void queue_configure(struct queue *q, const struct conf *conf);

/* A copy of it. Its place follows from j->place: JOB_HELD, JOB_RUNNING, or else by due_s. */
struct job *queue_add(struct queue *q, const struct job *j, struct str destination, int64_t now_ms, int64_t now_s);
struct job *queue_find(const struct queue *q, uint64_t id, uint32_t group);
void queue_remove(struct queue *q, struct job *j);
/* All jobs in no order; *at starts at 0. The one it gave last may be removed. NULL: the end. */
struct job *queue_each(struct queue *q, size_t *at);
/* Moves a job that is not running: its due_s or place (JOB_HELD) has changed. */
void queue_place(struct queue *q, struct job *j, enum job_place place, int64_t now_ms, int64_t now_s);

/* The job to start now, which is running from then on; or NULL, and *look_ms is when to ask again (QUEUE_NEVER_MS: when something changes). */
struct job *queue_next(struct queue *q, int64_t now_ms, int64_t now_s, int64_t *look_ms);
/* A new letter to there could be started at once, and nobody stands in line before it. */
bool queue_may_start(struct queue *q, struct str destination, uint64_t account, uint32_t n_rcpts, int64_t now_ms);
/* A place for a job that is not there yet; it is given back by queue_unreserve, also when the job is added as a running one. */
struct destination *queue_reserve(struct queue *q, struct str destination, int64_t now_ms);
void queue_unreserve(struct queue *q, struct destination *d, int64_t now_ms, int64_t now_s);
/* A running job's attempt has ended so; f < 0: it was not made. Its place is then to be given (queue_place), or it is removed. */
void queue_ended(struct queue *q, struct job *j, int f, int64_t now_ms, int64_t now_s);
/* Forgets a pause: somebody knows that the destination is there again (ETRN, a command). All its waiting jobs become due. Returns how many. */
size_t queue_flush(struct queue *q, struct str destination, int64_t now_ms, int64_t now_s);
void queue_unpause(struct destination *d); /* the pause alone */

/* Jobs that wait and whose time is over, or whose sender is to be warned, among the next n of the table; each call goes on behind the one before. */
typedef void queue_sweep_fn(void *ctx, struct job *j);
void queue_sweep(struct queue *q, size_t n, int64_t now_s, queue_sweep_fn *fn, void *ctx);

/* How long after attempt number n the next one is, in seconds: conf's retry_first doubled n - 1 times, at most retry_max, spread by a quarter. */
int64_t queue_retry_s(struct queue *q, uint32_t n);

#endif
