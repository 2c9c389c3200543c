/* store/suppression.h - addresses that an account's letters are not sent to: they failed too often, or a command says so.
 *
 * A row counts the permanent failures of an address in a row, none longer ago than queue.suppress before the next; at queue.suppress_after of
 * them it is refused for queue.suppress. A delivery makes the count go. What a command has said stays until a command takes it back.
 */
#ifndef SALLYPORT_STORE_SUPPRESSION_H
#define SALLYPORT_STORE_SUPPRESSION_H

#include "store/directory.h"
#include "store/shard.h"

struct suppression_row {
	uint32_t failures;
	int64_t last_s;	 /* of the last failure; 0: none */
	int64_t until_s; /* 0: not refused; INT64_MAX: for ever */
	uint8_t by_command;
};
void suppression_row_encode(const struct suppression_row *r, struct buf *out);
bool suppression_row_decode(struct str v, struct suppression_row *out);

/* Until when the address is refused; 0: it is not. */
int64_t suppression_until(struct shard *s, uint64_t account, const struct ipc_addr *rcpt);
bool suppression_any(struct shard *s, uint64_t account); /* there is a row at all */
/* A letter failed for good, or was taken. An account that is gone has nothing noted. */
SUSPENDS enum outcome suppression_note(struct directory *d, const struct ipc_suppress_note *q) MUST_USE;
/* NO_SUCH account, or nothing of that address. */
SUSPENDS enum outcome suppression_add(struct directory *d, const struct ipc_suppression_add *q) MUST_USE;
SUSPENDS enum outcome suppression_delete(struct directory *d, const struct ipc_suppression_delete *q) MUST_USE;
enum outcome suppression_list(
	struct directory *d, const struct ipc_suppression_list *q, struct arena *a, struct ipc_suppression_list_reply *r) MUST_USE;

#endif
