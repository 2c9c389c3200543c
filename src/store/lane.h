/* store/lane.h - a queue lane's partition: what the letters to several accounts (store/queue.h) and those that leave (store/outgoing.h) share.
 *
 * The engine shows committed rows only. Rows of letters that leave are read again while an earlier change of them is still on its way; they
 * are put by lane_put and read by lane_get, which know what was staged. Whoever tells the world anything that rests on it waits first.
 */
#ifndef SALLYPORT_STORE_LANE_H
#define SALLYPORT_STORE_LANE_H

#include "store/rows.h"
#include "store/shard.h"

bool lane_open(struct shard *s) MUST_USE; /* false: its counter does not decode */
void lane_fini(struct shard *s);
/* False: an earlier commit failed and is not put in order yet; TRY_LATER. */
bool lane_ready(struct shard *s) MUST_USE;
uint64_t lane_number(const struct shard *s);
struct key lane_ref(const struct shard *s, uint64_t blob, uint64_t id); /* of a letter, either kind: they share their numbers */
struct engine_batch *lane_batch(struct shard *s);
/* What was added to the batch goes; OK when it is durable, else TRY_LATER. */
SUSPENDS enum outcome lane_commit(struct shard *s) MUST_USE;
/* Before lane_commit: a client waits for it, and more may come. */
void lane_hurry(struct shard *s);
/* The same for what no client waits for: while letters come in it goes with their commits, within LANE_LATER_MS. */
#define LANE_LATER_MS 5
SUSPENDS enum outcome lane_commit_later(struct shard *s) MUST_USE;
/* OK when all that was staged so far is durable, else TRY_LATER. */
SUSPENDS enum outcome lane_wait(struct shard *s) MUST_USE;

/* In the batch, and seen by lane_get from now on. The caller stages before it suspends. */
void lane_put(struct shard *s, struct key k, struct str value);
void lane_del(struct shard *s, struct key k);
/* Appends the value as of what is staged. False: no such row. */
bool lane_get(struct shard *s, struct key k, struct buf *out);

#endif
