/* queue/wake.c - see the header. */
#include "queue/wake.h"

static bool before(const void *a, const void *b)
{
	return ((const struct wake *)a)->ms < ((const struct wake *)b)->ms;
}

const struct heap_kind wake_kind = { before, offsetof(struct wake, at) };

void wake_set(struct heap *wakes, struct wake *w, int64_t ms)
{
	bool was = w->ms != QUEUE_NEVER_MS;

	if (ms == w->ms)
		return;
	if (ms == QUEUE_NEVER_MS)
		heap_remove(wakes, w);
	w->ms = ms;
	if (ms != QUEUE_NEVER_MS)
		(was ? heap_moved : heap_push)(wakes, w);
}

struct wake *wake_due(const struct heap *wakes, int64_t now_ms, int64_t *next_ms)
{
	struct wake *w = heap_top(wakes);

	*next_ms = w ? w->ms : QUEUE_NEVER_MS;
	return w && w->ms <= now_ms ? w : NULL;
}
