/* store/outgoing_history.h - what became of letters that leave, kept for queue.keep_history after their end. */
#ifndef SALLYPORT_STORE_OUTGOING_HISTORY_H
#define SALLYPORT_STORE_OUTGOING_HISTORY_H

#include "store/outgoing_rows.h"
#include "store/shard.h"

#define TRACE_KEEP_S 3600 /* a trace is known at least so long after its letter's end, so that one that is sent again is not a second letter */

/* In the lane's batch: what happened to a group, whose n_events counts it. Nothing when no history is kept. */
void history_add(struct shard *s, uint64_t id, uint32_t group, struct out_group_row *g, const struct out_event_row *e);
/* In the lane's batch: the letter of a trace, and since when it is through (0: it is not). */
void trace_put(struct shard *s, struct str trace, uint64_t id, int64_t finished_s);
/* In the lane's batch: the letter is through, and what is kept of it ages from now on. */
void history_finish(struct shard *s, uint64_t id, struct str trace);
/* One bounded step over what is too old. *more: call again. */
SUSPENDS void history_expire_step(struct shard *s, bool *more);

#endif
