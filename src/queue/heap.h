/* queue/heap.h - the jobs of a destination in their order, inside queue/ only. */
#ifndef SALLYPORT_QUEUE_HEAP_H
#define SALLYPORT_QUEUE_HEAP_H

#include "queue/queue.h"

void heap_push(struct job_heap *h, struct job *j);
struct job *heap_top(const struct job_heap *h); /* NULL: there is none */
void heap_remove(struct job_heap *h, struct job *j); /* it is in there */

#endif
