/* pipe/post.h - the post role's service: every letter enters the server here and passes the stages of pipe/letter.c.
 *
 * Edges ask it about senders and recipients and hand it letters; it asks store and scan. It holds no state that must
 * survive: what it said OK to is in store, in an account or in a queue lane, and a lane is read again whenever its
 * store comes back.
 */
#ifndef SALLYPORT_PIPE_POST_H
#define SALLYPORT_PIPE_POST_H

#include "base/log.h"
#include "co/sched.h"
#include "conf/conf.h"
#include "ipc/counters.h"
#include "ipc/peer.h"

struct post;

struct post_opts {
	struct sched *sched;
	struct log *log;
	const struct conf *conf;  /* borrowed, see post_configure */
	struct link *stores;      /* n_stores links, by shard; they and the scans' outlive the post */
	size_t n_stores;          /* at least 1 */
	struct link *scans;
	struct link *keys, *relay; /* keys NULL: nothing is signed */
	size_t n_scans;
	uint64_t budget_max;      /* bytes of letters rewritten here at once; 0: 256 MiB */
};

/* Starts the tasks that watch the queue lanes. */
struct post *post_new(const struct post_opts *opts);
/* From now on this configuration; the one before is not used any more when this returns. */
void post_configure(struct post *p, const struct conf *conf);
/* For channels from edges and commands. */
const struct ipc_service *post_service(struct post *p);
/* Ends the tasks of the lanes; letters that are being handled are finished. post_stopped: nothing runs any more. */
void post_stop(struct post *p);
bool post_stopped(const struct post *p);
void post_count(const struct post *p, struct counters *out);
void post_free(struct post *p); /* only when stopped */

#endif
