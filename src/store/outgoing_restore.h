/* store/outgoing_restore.h - letters that leave come back from a backup, held: whether they were sent meanwhile only an operator can judge. */
#ifndef SALLYPORT_STORE_OUTGOING_RESTORE_H
#define SALLYPORT_STORE_OUTGOING_RESTORE_H

#include "store/outgoing_rows.h"
#include "store/shard.h"

struct restored_letter {
	uint64_t old, now; /* its number in the backup, and here */
};

/* Of one restore. */
struct outgoing_restore {
	struct VEC(struct restored_letter) letters; /* in the order of both numbers */
	uint64_t old;				    /* of the letter whose groups come now; 0: none */
	uint64_t now;				    /* its number here; 0: none of its groups has come */
	uint64_t blob;
	struct buf letter; /* its row, as it was */
};

void outgoing_restore_init(struct outgoing_restore *r);
void outgoing_restore_fini(struct outgoing_restore *r);
/* Rows of a backup's lane in their order; those of other kinds, and of letters that are known here by their trace, are passed over. blob: the letter's body
 * here, 0: it is lost, and so is the letter. In the lane's batch, which the caller commits. False: the row does not decode. */
bool outgoing_restore_row(struct shard *s, struct outgoing_restore *r, struct str key, struct str value, uint64_t blob) MUST_USE;

#endif
