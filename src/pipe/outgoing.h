/* pipe/outgoing.h - letters that leave: into the queue, and steering it.
 *
 * A letter is in the queue when it is durable in a lane of store; what post knows of it beyond that can be made anew from there and
 * from relay, which keeps the result of each attempt until it was recorded.
 */
#ifndef SALLYPORT_PIPE_OUTGOING_H
#define SALLYPORT_PIPE_OUTGOING_H

#include "ipc_gen.h"
#include "pipe/post_impl.h"

struct outgoing {
	struct ipc_out_facts facts; /* trace at most 24 bytes; until_s 0: as the configuration says; size is filled in */
	const struct ipc_addr *rcpts;
	const struct ipc_rcpt_dsn *dsn; /* one for each of rcpts, or NULL */
	size_t n;
	struct str prefix; /* fields before the body */
	struct body body;
};
/* OK: durable, and on its way. The same trace is the same letter, whatever else is different. BAD_SYNTAX: no recipients, or too many. */
SUSPENDS enum outcome outgoing_put(struct post *p, const struct outgoing *o, struct arena *a) MUST_USE;

/* An operator's wish (QUEUE_HOLD ...); text: the route of QUEUE_REROUTE. NO_SUCH; IN_USE: an attempt is under way. */
SUSPENDS enum outcome sending_change(struct post *p, uint64_t id, uint32_t group, unsigned what, struct str text) MUST_USE;
/* All that waits for a destination is due now (RFC 1985). Returns how many groups. */
size_t outgoing_flush(struct post *p, struct str domain);

/* A line for status; and counters. */
struct counters;
struct str outgoing_status(const struct post *p, struct arena *a);
void outgoing_count(const struct post *p, struct counters *out);

#endif
