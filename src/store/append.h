/* store/append.h - several messages that come one after another and go in together (RFC 3502).
 *
 * A handle holds what came of them until the last is there; then all are staged in one batch, or none.
 */
#ifndef SALLYPORT_STORE_APPEND_H
#define SALLYPORT_STORE_APPEND_H

#include "store/deliver.h"

#define APPEND_PARTS_MAX 1000

struct held; /* struct handle.held */

/* Takes one more: number part, from 0, of those that the handle holds; 0 begins anew. l: body is a new letter. OK; BAD_STATE: not the
 * next; OVER_LIMIT: too many, or too large; NO_ROOM: too much is held already; TRY_LATER. After a failure nothing is held. */
enum outcome held_add(struct handle *h, struct shard *s, struct body_budget *budget, uint32_t part, const struct letter *l) MUST_USE;
/* Stages all of them in the mailbox of the first, takes them from the handle, and frees them in any case. out: of the first; the
 * others' uids follow. As letter_stage. */
SUSPENDS enum outcome held_stage(struct account *a, struct handle *h, struct placed *out) MUST_USE;
void held_drop(struct handle *h); /* harmless when nothing is held */

#endif
