/* store/queue.h - the lane of letters that were acknowledged and are on their way into several accounts. */
#ifndef SALLYPORT_STORE_QUEUE_H
#define SALLYPORT_STORE_QUEUE_H

#include "ipc_gen.h"
#include "store/rows.h"
#include "store/shard.h"

/* OK: the letter is durable in the lane. */
SUSPENDS enum outcome queue_put(struct shard *s, const struct ipc_queue_put *q, uint64_t *id) MUST_USE;
/* A letter of a backup, whose body is there. Nobody has got it: whoever has remembers its delivery. */
SUSPENDS enum outcome queue_restore(struct shard *s, const struct queued_row *row) MUST_USE;
size_t queue_list(struct shard *s, uint64_t after, uint64_t *ids, size_t max);
/* Delivers to every recipient that has not got it. left: how many still have not. A letter that is not there any more has been delivered. */
SUSPENDS enum outcome queue_deliver(struct shard *s, uint64_t id, uint32_t *left) MUST_USE;

#endif
