/* store/outgoing.h - the queue of letters that leave: its rows, and each change of them. What post schedules with (store/service_outgoing.c).
 *
 * A letter has groups of recipients, one a destination. A group ends when none of its recipients waits and no report about one is owed, the
 * letter with its last group, in the same commit. What happened to a group is kept as history (store/outgoing_history.h).
 */
#ifndef SALLYPORT_STORE_OUTGOING_H
#define SALLYPORT_STORE_OUTGOING_H

#include "store/outgoing_rows.h"
#include "store/shard.h"

/* OK: the letter is durable. again: it was there, under that trace. BAD_SYNTAX: no recipients, an empty group, no trace. */
SUSPENDS enum outcome outgoing_send(struct shard *s, const struct ipc_queue_send *q, struct ipc_queue_send_reply *r) MUST_USE;
/* Groups behind q's cursor, which are durable. Views are in the arena. */
SUSPENDS enum outcome outgoing_load(
	struct shard *s, const struct ipc_queue_load *q, struct arena *a, struct ipc_queue_load_reply *r) MUST_USE;
SUSPENDS enum outcome outgoing_read(
	struct shard *s, const struct ipc_queue_read *q, struct arena *a, struct ipc_queue_read_reply *r) MUST_USE;
/* Appends n bytes of the body from at, fewer at its end. */
enum outcome outgoing_body(struct shard *s, const struct ipc_queue_body *q, struct arena *a, struct buf *out) MUST_USE;
/* The changes. Arenas are for work. left: recipients that are in the group still; a group that is gone has none. */
SUSPENDS enum outcome outgoing_begin(struct shard *s, const struct ipc_queue_begin *q, struct arena *a) MUST_USE;
SUSPENDS enum outcome outgoing_settle(
	struct shard *s, const struct ipc_queue_settle *q, struct arena *a, uint32_t *left) MUST_USE;
SUSPENDS enum outcome outgoing_reported(
	struct shard *s, const struct ipc_queue_reported *q, struct arena *a, uint32_t *left) MUST_USE;
SUSPENDS enum outcome outgoing_change(struct shard *s, const struct ipc_queue_change *q, struct arena *a) MUST_USE;

/* A letter's row as of what is staged; views are in the arena. */
bool outgoing_letter(struct shard *s, uint64_t id, struct arena *a, struct out_letter_row *out);

#endif
