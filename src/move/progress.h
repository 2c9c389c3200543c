/* move/progress.h - how far a long command is: a bar on a terminal, a line every few seconds elsewhere. */
#ifndef SALLYPORT_MOVE_PROGRESS_H
#define SALLYPORT_MOVE_PROGRESS_H

#include "base/buf.h"

struct progress {
	int fd;		 /* where it is shown; -1: nowhere */
	bool bar;	 /* it is a terminal */
	bool drawn;	 /* a bar stands in the last line */
	uint64_t letters, letters_all; /* all 0: not known */
	uint64_t bytes, bytes_all;
	uint64_t bytes_moved; /* without what was there already: for the rate */
	int64_t began_ms, shown_ms;
};

void progress_open(struct progress *p, int fd, int64_t now_ms);
/* Shows it, when it is time again. */
void progress_show(struct progress *p, int64_t now_ms);
/* The line's text without control characters: for tests too. */
void progress_text(const struct progress *p, int64_t now_ms, struct buf *out);
/* Before other lines are written to the terminal. */
void progress_clear(struct progress *p);

/* "812 B", "1.2 MB" */
void add_bytes_text(struct buf *out, uint64_t n);

#endif
