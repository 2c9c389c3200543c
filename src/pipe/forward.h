/* pipe/forward.h - what aliases send on to other servers, and the way back: rewritten senders (check/srs.h). */
#ifndef SALLYPORT_PIPE_FORWARD_H
#define SALLYPORT_PIPE_FORWARD_H

#include "check/srs.h"
#include "pipe/letter.h"

/* Whom a recipient in a domain of ours stands for that no mailbox or alias has: NO_SUCH when it is no rewritten sender of ours, or too old; out in the
 * arena. Only reports go that way (from_null): what else is sent to such an address is nobody's answer to a letter. */
SUSPENDS enum outcome post_reverse(struct post *p, const struct ipc_addr *rcpt, bool from_null, struct arena *a, struct ipc_addr *out) MUST_USE;
/* The same for a sender that we have rewritten ourselves, however old; the sender itself when it is none. TRY_LATER: store does not answer. */
SUSPENDS enum outcome post_sender_behind(struct post *p, const struct ipc_addr *from, struct arena *a, struct ipc_addr *out) MUST_USE;

/* Puts the letter into the queue once for each recipient that leads elsewhere. LMTP: what becomes of a recipient is in outcomes, and OK is returned.
 * EXISTS: it has been at that alias before. */
SUSPENDS enum outcome pipe_forward(struct pipe_letter *l) MUST_USE;

#endif
