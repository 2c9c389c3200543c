/* queue/heap.c - see the header. */
#include "queue/heap.h"

static uint32_t *index_of(const struct heap *h, void *e)
{
	return (uint32_t *)(void *)((char *)e + h->kind->at);
}

static void put(struct heap *h, size_t at, void *e)
{
	h->all.v[at] = e;
	*index_of(h, e) = (uint32_t)at;
}

static void rise(struct heap *h, size_t at)
{
	void *e = h->all.v[at];

	while (at > 0 && h->kind->before(e, h->all.v[(at - 1) / 2])) {
		put(h, at, h->all.v[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	put(h, at, e);
}

static void sink(struct heap *h, size_t at)
{
	void *e = h->all.v[at];

	for (size_t child; (child = 2 * at + 1) < h->all.n; at = child) {
		if (child + 1 < h->all.n && h->kind->before(h->all.v[child + 1], h->all.v[child]))
			child++;
		if (!h->kind->before(h->all.v[child], e))
			break;
		put(h, at, h->all.v[child]);
	}
	put(h, at, e);
}

void *heap_top(const struct heap *h)
{
	return h->all.n ? h->all.v[0] : NULL;
}

void heap_push(struct heap *h, void *e)
{
	*vec_push(&h->all) = e;
	put(h, h->all.n - 1, e);
	rise(h, h->all.n - 1);
}

void heap_moved(struct heap *h, void *e)
{
	rise(h, *index_of(h, e));
	sink(h, *index_of(h, e));
}

void heap_remove(struct heap *h, void *e)
{
	size_t at = *index_of(h, e);
	void *last = h->all.v[--h->all.n];

	if (last != e) {
		put(h, at, last);
		heap_moved(h, last);
	}
	if (h->all.n == 0)
		heap_free(h);
}

void heap_free(struct heap *h)
{
	vec_free(&h->all);
}
