/* queue/heap.h - a binary heap whose elements know where they are, so that any of them can be taken out. */
#ifndef SALLYPORT_QUEUE_HEAP_H
#define SALLYPORT_QUEUE_HEAP_H

#include "base/vec.h"

#include <stdbool.h>
#include <stdint.h>

/* How elements of one kind stand: what comes first, and where in an element its index (a uint32_t) is. */
struct heap_kind {
	bool (*before)(const void *a, const void *b);
	size_t at;
};

struct heap {
	const struct heap_kind *kind;
	struct VEC(void *) all; /* the first is before all others */
};

void *heap_top(const struct heap *h); /* NULL: it is empty */
void heap_push(struct heap *h, void *e);
/* e is in it. An empty heap holds no memory: most have few elements, and there are many heaps. */
void heap_remove(struct heap *h, void *e);
/* e is in it, and may stand elsewhere now. */
void heap_moved(struct heap *h, void *e);
void heap_free(struct heap *h);

#endif
