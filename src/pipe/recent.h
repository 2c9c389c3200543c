/* pipe/recent.h - what store said a moment ago of who submits and of domains that are not ours, inside pipe/ only.
 *
 * A letter asks the same at MAIL, at RCPT and at its end, and so does the next one over the same connection. At MAIL and RCPT an answer counts for
 * RECENT_MS; a letter is accepted by what store says then.
 */
#ifndef SALLYPORT_PIPE_RECENT_H
#define SALLYPORT_PIPE_RECENT_H

#include "base/map.h"
#include "co/sched.h"
#include "ipc_gen.h"

#define RECENT_MS 3000
#define RECENT_MAX 5000 /* of each kind; more are forgotten, all at once */

struct recent {
	struct map owners;  /* struct recent_owner, by edge, its life, handle and sender */
	struct map foreign; /* int64_t, by domain: when store said so */
};

struct post;
void recent_init(struct recent *r);
void recent_fini(struct recent *r);
/* An account's letters were refused for good: that it suppresses nothing is no longer true. */
void recent_forget_owners(struct recent *r);

/* As ipc_owns, whose answer this is; from that edge. post_owns_now asks store in any case: for what a letter is accepted by. */
SUSPENDS enum outcome post_owns_now(struct post *p, const struct ipc_owns *m, struct ipc_owns_reply *r) MUST_USE;
SUSPENDS enum outcome post_owns(struct post *p, const struct ipc_owns *m, struct ipc_owns_reply *r) MUST_USE;
/* As ipc_resolve, for a recipient that a user names: DENIED may be of a moment ago. */
SUSPENDS enum outcome post_resolve_users(struct post *p, const struct ipc_resolve *m, struct ipc_resolve_reply *r, struct arena *a) MUST_USE;

#endif
