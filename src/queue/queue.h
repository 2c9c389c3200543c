/* queue/queue.h - which letter leaves next: sites, their connections, limits, order and times. Pure: it is told the time, and
 * nothing here waits or asks.
 *
 * A job is one group of recipients of a letter, all at one destination: a domain, or what a command has chosen in its place. Destinations whose
 * mail goes to the same hosts are one site: that of a route with next hops is known by the configuration, others are asked about (queue_ask,
 * queue_learn). A site has a window of connections, which grows as letters are taken and shrinks as they are deferred; one that cannot be
 * reached pauses, longer each time, and is then tried with one letter. What goes wrong with a destination alone (its DNS, its demands
 * on TLS) pauses it alone. Sites take turns, and in a site destinations do, by their letters' priority (RFC 6710) and how long they
 * have been due.
 */
#ifndef SALLYPORT_QUEUE_QUEUE_H
#define SALLYPORT_QUEUE_QUEUE_H

#include "base/list.h"
#include "base/map.h"
#include "base/vec.h"
#include "conf/conf.h"
#include "ipc/words.h"
#include "queue/wake.h"

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

/* What is known of the hosts that a destination's mail goes to. */
struct site_facts {
	struct str hosts;  /* in one spelling for all who have the same ones */
	bool secure;	   /* the answer that says so was */
	bool alone;	   /* something that is said of this destination alone decides how the way is locked (MTA-STS) */
	int64_t valid_ms;  /* for so long */
};

/* Hosts that letters go to. */
struct site {
	struct str key, name; /* what follows it in memory; name, for people, is the end of key */
	struct heap standing; /* destinations that have a job that is due */
	bool joins;	      /* a letter's groups that go there may go in one transaction: it is a next hop of our operator's */
	uint64_t round;	      /* the highest turn of a destination that had it */
	unsigned n_destinations;
	unsigned n_running;
	double window;	  /* connections at once */
	double threshold; /* above it the window grows by one a round and not by one a letter */
	unsigned n_failures; /* in a row */
	int64_t paused_until_ms;
	double tokens; /* of its rate */
	int64_t tokens_ms;
	struct wake wake; /* never: in `turns`, or idle */
	struct node turn;
	int turn_priority; /* the list it is in; -1: none */
	uint32_t window_max, rate_max; /* a route's; 0: the queue's */
};

struct destination {
	struct str key, name, route; /* what follows it in memory; key: both */
	struct heap later, ready;
	struct site *site; /* NULL: it is not known */
	bool found;	   /* the site is of hosts that somebody found out */
	bool secure, alone; /* as struct site_facts has it */
	int64_t known_until_ms;
	bool asked;	   /* somebody is finding out */
	struct node asking; /* in queue.unknown or unknown_again, when it is to be asked about */
	int route_number;  /* of the configuration; -1: none */
	unsigned n_running, n_aside; /* jobs; aside: held, or nowhere */
	unsigned n_failures; /* in a row, of its own */
	int64_t paused_until_ms;
	int64_t used_ms;   /* when it last had a job */
	uint64_t turn;	   /* in its site: the lower number first */
	bool stands;	   /* in site->standing */
	uint32_t stand_at;
	struct wake wake;
};

#define QUEUE_PRIORITIES 20

struct account_rate {
	double tokens;
	int64_t tokens_ms;
};

struct queue {
	const struct conf *conf;
	struct map destinations; /* by key */
	size_t destinations_prune; /* when so many are there, those that have nothing to do are forgotten, and sites with them */
	struct map sites;	 /* by key */
	size_t sites_prune;	 /* as destinations_prune: a domain's hosts may be others each time */
	struct map accounts;	 /* struct account_rate by number, of those that have sent lately */
	size_t accounts_prune;	 /* when so many are there, those that have not are forgotten */
	struct job **table;	 /* by id and group: open addressing */
	size_t n_jobs, table_size, n_dead;
	struct node turns[QUEUE_PRIORITIES]; /* sites that may start something */
	unsigned n_turns;	 /* since the start: now and then the least goes first */
	struct node unknown;	 /* destinations that are to be asked about */
	struct node unknown_again; /* after those: of letters that were tried before, of which there may be thousands that nobody takes */
	struct heap destination_wakes, site_wakes; /* of struct wake */
	struct site elsewhere;	 /* what runs of an earlier life of ours is counted here */
	unsigned n_running;
	uint64_t seed; /* of the spread of times */
	size_t sweep_at; /* in the table */
	size_t n_placed[JOB_PLACES];
};

void queue_init(struct queue *q, const struct conf *conf, uint64_t seed);
void queue_fini(struct queue *q);
void queue_configure(struct queue *q, const struct conf *conf, int64_t now_ms, int64_t now_s);

/* Where to: a domain in A-labels and lower case, or an address literal; and what a command has chosen in place of the usual way, or empty. */
struct queue_to {
	struct str domain, route;
};
/* A copy of it. Its place follows from j->place: JOB_HELD, JOB_RUNNING (a connection was reserved, or is another's), or else by due_s. */
struct job *queue_add(struct queue *q, const struct job *j, struct queue_to to, int64_t now_ms, int64_t now_s);
struct job *queue_find(const struct queue *q, uint64_t id, uint32_t group);
void queue_remove(struct queue *q, struct job *j);
/* All jobs in no order; *at starts at 0. The one it gave last may be removed. NULL: the end. */
struct job *queue_each(struct queue *q, size_t *at);
/* Moves a job that is not running: its due_s or place (JOB_HELD) has changed. */
void queue_place(struct queue *q, struct job *j, enum job_place place, int64_t now_ms, int64_t now_s);
/* A job that is in no place goes another way from now on; empty: the usual one. */
void queue_reroute(struct queue *q, struct job *j, struct str route, int64_t now_ms);

/* The job to start now, which is running from then on, and whose connection it counts as; or NULL, and *look_ms is when to ask again
 * (QUEUE_NEVER_MS: when something changes). */
struct job *queue_next(struct queue *q, int64_t now_ms, int64_t now_s, struct site **site, int64_t *look_ms);
/* Another group of the same letter that goes along over j's connection, running from then on; or NULL. */
struct job *queue_next_along(struct queue *q, const struct job *j, struct site *site, int64_t now_ms, int64_t now_s);
/* A connection for a new letter to there could be had at once, and nobody stands in line before it: it is taken. NULL: no. */
struct site *queue_reserve(struct queue *q, struct queue_to to, uint64_t account, uint32_t n_rcpts, int64_t now_ms);
/* The same without asking whether: relay is at it already. */
struct site *queue_reserve_elsewhere(struct queue *q);
/* The connection that was taken (queue_next, queue_reserve) is over, with these news; f < 0: it was not made. */
void queue_connection_ended(struct queue *q, struct site *s, int f, int64_t now_ms);
/* A running job's attempt has ended so, for its destination; f < 0: it was not made. Its place is then to be given (queue_place), or it is removed. */
void queue_ended(struct queue *q, struct job *j, int f, int64_t now_ms, int64_t now_s);
/* Forgets a pause: somebody knows that the destination is there again (ETRN, a command). All its waiting jobs become due. Returns how many. */
size_t queue_flush(struct queue *q, struct str domain, int64_t now_ms, int64_t now_s);
void queue_unpause(struct queue *q, struct destination *d, int64_t now_ms, int64_t now_s); /* the pause alone */

/* A destination of which nobody knows where its mail goes, and that has something to send; asked about from then on. NULL: none. */
struct destination *queue_ask(struct queue *q);
/* What was found out of one that was asked about; NULL: nothing, and it stands for itself until it is asked about again. */
void queue_learn(struct queue *q, struct destination *d, const struct site_facts *f, int64_t now_ms, int64_t now_s);
/* What was found out of one that was asked about, the last time; or empty. */
struct str queue_known_hosts(const struct destination *d);
/* These hosts serve others too, over the same connections. */
bool queue_shares_hosts(const struct destination *d, int64_t now_ms);
/* Its hosts are others now: it is asked about again. */
void queue_forget_hosts(struct destination *d);
/* The site of a destination, when it is known and a letter's groups may go there together; else NULL. */
struct site *queue_joining_site(struct queue *q, struct queue_to to, int64_t now_ms);

/* Sites where something is due or running, or that pause: at most max of them, in the order of their keys, behind that one. */
size_t queue_busy_sites(const struct queue *q, struct str after, int64_t now_ms, const struct site **out, size_t max);
size_t queue_site_due(const struct site *s); /* jobs */

/* Jobs that wait and whose time is over, or whose sender is to be warned, among the next n of the table; each call goes on behind the one before. */
typedef void queue_sweep_fn(void *ctx, struct job *j);
void queue_sweep(struct queue *q, size_t n, int64_t now_s, queue_sweep_fn *fn, void *ctx);

/* How long after attempt number n the next one is, in seconds: conf's retry_first doubled n - 1 times, at most retry_max, spread by a quarter: for
 * all groups of a letter by the same. */
int64_t queue_retry_s(const struct queue *q, uint64_t id, uint32_t n);

#endif
