/* pipe/post_impl.h - the state of post, inside pipe/ only. */
#ifndef SALLYPORT_PIPE_POST_IMPL_H
#define SALLYPORT_PIPE_POST_IMPL_H

#include "base/map.h"
#include "base/vec.h"
#include "check/srs.h"
#include "ipc_gen.h"
#include "pipe/post.h"
#include "pipe/recent.h"

#define POST_LETTERS_MAX 2000 /* letters and appends under way; more are asked to come later */

/* A queued letter that is to be delivered to the accounts it names. */
struct queued {
	uint64_t id;
	int64_t due_ms;     /* on sched_now_ms */
	int64_t backoff_ms; /* before the next attempt, if this one fails */
};

struct signers;

/* One store shard's queue. */
struct lane {
	struct post *post;
	struct link *store;
	struct task *task;
	struct VEC(struct queued) waiting;
	unsigned n_running;
	struct gate wake; /* something was added, or an attempt has ended */
	bool listed;      /* the lane's rows have been read since the store came (back) */
	uint32_t life;    /* of the store process they were read from */
};

struct scan_slot {
	struct link *link;
	unsigned n_busy;
};

struct outgoing_state;
struct tls_reports;

struct post {
	struct sched *sched;
	struct log *log;
	const struct conf *conf;
	struct lane *lanes; /* by shard */
	size_t n_lanes;
	struct scan_slot *scans;
	size_t n_scans;
	struct link *keys;
	struct signers *signers; /* keys that sign letters */
	struct outgoing_state *outgoing; /* letters that leave */
	struct srs_key srs; /* of rewritten senders, once store was asked for it */
	bool has_srs;
	struct tls_reports *tls_reports;
	struct recent recent;
	struct body_budget budget;
	bool stopping;
	struct ipc_service service;
	ipc_handler *handlers[IPC_TYPE_COUNT];
	unsigned n_letters;                     /* under way */
	uint64_t n_accepted, n_refused, n_appended, n_moved, n_fanned; /* since the start */
};

/* The shard that serves an account, and the one that made a handle. */
struct link *post_store_of_account(struct post *p, uint64_t account);
struct link *post_store_of_handle(struct post *p, uint64_t handle);
/* The shard that answers for addresses. */
struct link *post_store_of_address(struct post *p, const struct ipc_addr *a);

/* An edge checks sizes too; one that was taken over may hand in a memfd of terabytes, whose reading would fill the memory. */
bool post_takes_size(const struct post *p, uint64_t size);

/* Whether a letter for an address that is not ours is taken: a user's; a stranger's when a route takes its domain from them. */
bool post_takes_elsewhere(const struct post *p, bool submission, const struct ipc_addr *rcpt);

/* The part index of a letter, by the least busy scan process; once more by another when that one dies. The index is in the
 * arena. TRY_LATER: none could. */
SUSPENDS enum outcome post_index(struct post *p, const struct body *body, struct arena *a, struct str *index) MUST_USE;

/* The same, and what signatures are made of where m has signers or signed_s. */
SUSPENDS enum outcome post_read(struct post *p, const struct ipc_index_letter *m, struct arena *a, struct ipc_index_letter_reply *r) MUST_USE;

/* A letter's way through the stages. */
SUSPENDS void post_letter(void *ctx, struct ipc_call *c, const void *msg);

/* A command's letters. */
SUSPENDS void post_import(void *ctx, struct ipc_call *c, const void *msg);
void post_import_gone(struct peer *p);

/* What commands do to the queue. */
SUSPENDS void post_queue_act(void *ctx, struct ipc_call *c, const void *msg);
void post_queue_sites(void *ctx, struct ipc_call *c, const void *msg);

void post_lane_open(struct lane *l, struct post *p, struct link *store);
void lane_stop(struct lane *l);
bool lane_stopped(const struct lane *l);
void lane_close(struct lane *l);
/* A letter was just put there: deliver it soon. */
void lane_add(struct lane *l, uint64_t id);

#endif
