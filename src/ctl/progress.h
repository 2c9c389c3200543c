/* ctl/progress.h - how far a long command is: one line that is written over, on a terminal; nothing elsewhere. */
#ifndef SALLYPORT_CTL_PROGRESS_H
#define SALLYPORT_CTL_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
	const char *what;
	uint64_t total; /* 0: unknown */
	uint64_t done, bytes;
	int64_t began_ms, shown_ms;
	bool on;
};

/* total: steps in all, of any kind. bytes are shown beside them. */
void progress_begin(struct progress *p, const char *what, uint64_t total);
void progress_add(struct progress *p, uint64_t steps, uint64_t bytes);
void progress_end(struct progress *p); /* the line is wiped */

#endif
