/* queue/heap.c - the jobs of a destination in their order. See heap.h. */
#include "queue/heap.h"

static bool before(const struct job_heap *h, const struct job *a, const struct job *b)
{
	if (h->by_priority && a->priority != b->priority)
		return a->priority > b->priority;
	if (a->due_s != b->due_s)
		return a->due_s < b->due_s;
	return a->id != b->id ? a->id < b->id : a->group < b->group;
}

static void put(struct job_heap *h, size_t at, struct job *j)
{
	h->jobs.v[at] = j;
	j->at = (uint32_t)at;
}

static void rise(struct job_heap *h, size_t at)
{
	struct job *j = h->jobs.v[at];

	while (at > 0 && before(h, j, h->jobs.v[(at - 1) / 2])) {
		put(h, at, h->jobs.v[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	put(h, at, j);
}

static void sink(struct job_heap *h, size_t at)
{
	struct job *j = h->jobs.v[at];

	for (size_t child; (child = 2 * at + 1) < h->jobs.n; at = child) {
		if (child + 1 < h->jobs.n && before(h, h->jobs.v[child + 1], h->jobs.v[child]))
			child++;
		if (!before(h, h->jobs.v[child], j))
			break;
		put(h, at, h->jobs.v[child]);
	}
	put(h, at, j);
}

void heap_push(struct job_heap *h, struct job *j)
{
	*vec_push(&h->jobs) = j;
	put(h, h->jobs.n - 1, j);
	rise(h, h->jobs.n - 1);
}

struct job *heap_top(const struct job_heap *h)
{
	return h->jobs.n ? h->jobs.v[0] : NULL;
}

void heap_remove(struct job_heap *h, struct job *j)
{
	size_t at = j->at;
	struct job *last = h->jobs.v[--h->jobs.n];

	if (last != j) {
		put(h, at, last);
		rise(h, at);
		sink(h, last->at);
	}
	if (h->jobs.n == 0)
		vec_free(&h->jobs); /* most destinations have few */
}
