/* move/mbox_read.h - the letters of an mbox, one after another: pure, over the whole file's bytes. */
#ifndef SALLYPORT_MOVE_MBOX_READ_H
#define SALLYPORT_MOVE_MBOX_READ_H

#include "move/mbox.h"

struct mbox_letter {
	size_t at;	    /* of its From_ line in the file */
	struct str from;    /* that line, without its end */
	int64_t date_s;
	struct str header;  /* lines, with the empty one that ends them */
	struct str body;    /* without the empty line before the next From_ line */
	bool by_length;	    /* Content-Length gave its end: nothing in it is quoted */
	struct mbox_meta meta; /* views into header */
};

/* The letter at *at, which moves to the next. False: there is none. Bytes before the first From_ line are a letter without one: from is empty. */
bool mbox_next(struct str file, size_t *at, struct mbox_letter *out);
/* Its bytes as they were before they were put into the mbox, piece by piece. */
void mbox_unpack(const struct mbox_letter *l, void (*add)(void *ctx, struct str piece), void *ctx);

#endif
