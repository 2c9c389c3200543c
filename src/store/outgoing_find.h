/* store/outgoing_find.h - what commands see of the letters that leave, and of what became of them. Each call looks at a bounded number of rows. */
#ifndef SALLYPORT_STORE_OUTGOING_FIND_H
#define SALLYPORT_STORE_OUTGOING_FIND_H

#include "ipc_gen.h"
#include "store/shard.h"

#define OUTGOING_LOOK_MAX 4000 /* rows a call looks at */

/* OK, or TRY_LATER: the lane is being put in order. Views are in the arena. */
enum outcome outgoing_page(
	struct shard *s, const struct ipc_queue_page *q, struct arena *a, struct ipc_queue_page_reply *r) MUST_USE;
enum outcome outgoing_history(
	struct shard *s, const struct ipc_history_find *q, struct arena *a, struct ipc_history_find_reply *r) MUST_USE;

#endif
