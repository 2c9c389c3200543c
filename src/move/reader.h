/* move/reader.h - the account's folders and letters, for ways out: the same calls that sessions read by. */
#ifndef SALLYPORT_MOVE_READER_H
#define SALLYPORT_MOVE_READER_H

#include "move/mover.h"

struct reader {
	struct mover *m;
	struct arena folders_arena;
	struct ipc_mailbox *folders; /* those that can be selected, or are only subscribed to */
	size_t n_folders;
	/* the folder that is open */
	uint32_t sel;
	struct arena folder_arena;
	struct ipc_select_reply box;
};

SUSPENDS bool reader_open(struct reader *r, struct mover *m); /* lists the folders, --folder alone when given */
void reader_close(struct reader *r);
SUSPENDS bool reader_select(struct reader *r, struct str name);
SUSPENDS void reader_unselect(struct reader *r);

struct letter_out {
	struct reader *r;
	const struct ipc_row *row;
};
/* Each letter in UID order; each returns false to end. False: the server does not answer any more (said). */
SUSPENDS bool reader_each(struct reader *r, bool (*each)(void *ctx, struct letter_out *l), void *ctx);
/* All its bytes. False: they cannot be had. */
SUSPENDS bool letter_bytes(struct letter_out *l, void (*add)(void *ctx, struct str piece), void *ctx);
/* Name of keyword i of the row's bits, or empty. */
struct str letter_keyword(const struct letter_out *l, unsigned i);

#endif
