/* pipe/outgoing_impl.h - what the files of outgoing share, inside pipe/ only. */
#ifndef SALLYPORT_PIPE_OUTGOING_IMPL_H
#define SALLYPORT_PIPE_OUTGOING_IMPL_H

#include "pipe/outgoing.h"
#include "queue/queue.h"

#define ATTEMPT_ARENA_MAX ((size_t)16 << 20) /* a letter's recipients, and what is said of each */

struct source_rate {
	double tokens;
	int64_t tokens_ms;
};

/* A lane of store, as far as letters that leave are in it. */
struct outgoing_lane {
	struct link *store;
	bool loaded;
	uint32_t life; /* of the store process it was read from */
};

struct outgoing_state {
	struct post *post;
	struct queue queue;
	struct outgoing_lane *lanes; /* as many as post has */
	struct link *relay;
	struct task *task;
	struct gate wake;  /* something may be started that could not before */
	struct gate ended; /* an attempt, or what is done about a job otherwise */
	struct VEC(struct ipc_relay_job) settled; /* what relay may forget, to be told with the next attempt or a little later */
	int64_t settled_ms; /* since when */
	bool asked_relay;  /* what it still does for an earlier life of ours */
	unsigned n_tasks, n_tended, n_asking;
	uint16_t source_next;
	struct source_rate sources[CONF_SOURCES_MAX];
	uint64_t n_attempts, n_sent, n_deferred, n_failed, n_reports; /* recipients, but for attempts and reports; since the start */
	uint64_t n_locked[LOCK_COUNT]; /* deliveries by how their way was locked */
};

/* The bytes of a letter that several attempts share. */
struct shared_body {
	unsigned n_users;
	struct body_budget *budget;
	struct body body;
};
/* A copy; NULL: there is no room for it. */
struct shared_body *shared_body_new(struct body_budget *budget, const struct body *body);
void shared_body_put(struct shared_body *s);

struct joint;
enum attempt_kind {
	ATTEMPT_NEW,	/* to be begun */
	ATTEMPT_BEGUN,	/* recorded with the letter itself */
	ATTEMPT_RESUMED /* relay has it, from an earlier life of ours */
};

struct attempt {
	struct outgoing_state *out;
	struct joint *joint;
	struct job *job;   /* running, hence not freed by another */
	enum attempt_kind kind;
	struct arena *a;   /* the joint's */
	struct ipc_queue_read_reply letter; /* rcpts: those that wait */
	bool read;	   /* letter is filled */
	bool ready;	   /* relay may hear of it */
};

/* Attempts at groups of one letter that are handed to relay together: mostly it is one. Each has its own record before and afterwards. */
struct joint {
	struct outgoing_state *out;
	struct arena a;
	struct VEC(struct attempt *) all; /* NULL: ended */
	unsigned n_users;
	unsigned n_coming; /* attempts of which nobody knows yet whether they will be ready */
	struct attempt *leader; /* who is ready first speaks for all */
	struct site *site; /* that the connection counts as, until it is over */
	bool strayed;	   /* the domain's hosts are others since: that site learns nothing of what comes of it */
	struct gate changed;
	uint16_t source;   /* 0: any */
	bool sourced;	   /* it was chosen */
	bool reading;	   /* somebody reads the body */
	struct shared_body *body; /* NULL: to be read from store */
	bool done;	   /* relay has answered, or will not */
	enum outcome result;
	struct ipc_relay_send_reply reply;
};
/* site: taken for it. */
struct joint *joint_new(struct outgoing_state *out, struct site *site);
/* Another one, before joint_start. It ends by itself. */
struct attempt *joint_add(struct joint *joint, struct job *j, enum attempt_kind kind);
void joint_start(struct joint *joint);
/* x will not be ready, or has ended. */
void joint_leave(struct attempt *x);
/* The body, as the first who asks has read it. */
SUSPENDS enum outcome joint_body(struct attempt *x);
/* Relay's answer about all that are ready. */
SUSPENDS enum outcome joint_send(struct attempt *x);

SUSPENDS void attempt_main(void *attempt);
SUSPENDS enum outcome attempt_read_body(const struct attempt *x, struct shared_body **out);

/* Destinations of which nobody knows where their mail goes: relay is asked. */
void outgoing_ask_hosts(struct outgoing_state *out);

struct link *outgoing_store(struct outgoing_state *out, const struct job *j);
static inline int64_t outgoing_wall_s(const struct outgoing_state *out)
{
	return sched_wall_us(out->post->sched) / 1000000;
}
static inline int64_t outgoing_now_ms(const struct outgoing_state *out)
{
	return sched_now_ms(out->post->sched);
}

/* Makes what is owed to the sender, if anything: recipients of letter by their report. False: something is owed still. */
SUSPENDS bool outgoing_report(struct outgoing_state *out, const struct job *j, const struct ipc_queue_read_reply *letter);
/* A result of no attempt (expired, warned of delay) or of one, into store; tries until store answers. False: post is stopping, or the group is gone. */
SUSPENDS bool sending_settle(struct outgoing_state *out, const struct job *j, uint32_t attempt, int64_t due_s, const struct ipc_delivery *d,
	uint32_t *left);
/* Relay is told what it may forget; force: now, not only when it is time. Returns when it will be, NEVER_MS when there is nothing. */
int64_t outgoing_tell_settled(struct outgoing_state *out, bool force);
/* What a recipient's new state is owed, given that letter. */
uint8_t outgoing_owed(const struct outgoing_state *out, const struct ipc_queue_read_reply *letter, const struct ipc_queue_rcpt *r, uint8_t state);

/* Jobs whose time is over, whose sender is to be warned, or about whom a report is owed still. */
void outgoing_tend(struct outgoing_state *out);

/* The lanes are read again. */
void outgoing_reread(struct outgoing_state *out);

void outgoing_open(struct post *p, struct link *relay);
void outgoing_configure(struct outgoing_state *out);
void outgoing_stop(struct outgoing_state *out);
bool outgoing_stopped(const struct outgoing_state *out);
void outgoing_close(struct outgoing_state *out);

#endif
