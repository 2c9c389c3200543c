/* queue/wake.h - when something is to be looked at next. Inside queue/ only. */
#ifndef SALLYPORT_QUEUE_WAKE_H
#define SALLYPORT_QUEUE_WAKE_H

#include "queue/heap.h"

#define QUEUE_NEVER_MS INT64_MAX

/* Embedded in what is looked at. */
struct wake {
	int64_t ms;  /* QUEUE_NEVER_MS: time alone changes nothing */
	uint32_t at; /* index in the heap of those that have a time */
};

extern const struct heap_kind wake_kind;

void wake_set(struct heap *wakes, struct wake *w, int64_t ms);
/* The one whose time comes first, if it has come; else NULL, and *next_ms is when. */
struct wake *wake_due(const struct heap *wakes, int64_t now_ms, int64_t *next_ms);

#endif
