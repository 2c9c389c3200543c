/* store/walk.h - a request over many messages in bounded steps, so that other accounts have their turn between them.
 *
 * A step visits some rows without a suspension; between steps what was staged becomes durable and everything is found anew. The numbers of a
 * selection do not change meanwhile: it is told of nothing while its request runs.
 */
#ifndef SALLYPORT_STORE_WALK_H
#define SALLYPORT_STORE_WALK_H

#include "store/service.h"

/* What a request names: a set, or what the selection's last search saved. */
struct named {
	bool by_uid, saved, all;
	const struct ipc_range *set;
	size_t n;
};

struct walk {
	struct session *x;
	struct named named;
	struct seqmap map; /* of this step */
	struct arena step; /* what lives as long as a step */
	struct spans spans;
	uint32_t after; /* uid of the last row visited */
	/* within a step */
	size_t span;
	uint32_t at;
	uint32_t left; /* rows that it may still visit */
	bool again;    /* walk_back was called */
};

#define WALK_ROWS 32768 /* visited in a step */
#define WALK_COST 32    /* a row that is changed counts so many: at most 1,024 changes, about 2 ms */

/* The first step begins; the named rows must outlive the walk. */
void walk_open(struct walk *w, struct session *x, const struct named *n);
void walk_close(struct walk *w);
/* The next row that is alive. False: the step, or the whole walk, is over. */
bool walk_next(struct walk *w, uint32_t *at) MUST_USE;
/* The row last visited was changed, or cost as much. */
void walk_cost(struct walk *w);
/* The next step begins behind this uid, one that was visited in this step. */
void walk_back(struct walk *w, uint32_t uid);
/* Waits for what is staged by then; OK and *more: the next step has begun. TRY_LATER, REVOKED: the walk is over. */
SUSPENDS enum outcome walk_step(struct walk *w, bool *more) MUST_USE;

/* The rows named, in an arena. */
struct spans named_spans(const struct session *x, const struct seqmap *map, const struct named *n, struct arena *a);

#endif
