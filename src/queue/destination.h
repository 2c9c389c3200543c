/* queue/destination.h - what is known of a destination: its window, its pauses and its rate. Inside queue/ only. */
#ifndef SALLYPORT_QUEUE_DESTINATION_H
#define SALLYPORT_QUEUE_DESTINATION_H

#include "queue/queue.h"

struct destination *destination_need(struct queue *q, struct str name, int64_t now_ms);
/* Forgets those of which nothing is to be remembered. */
void destinations_prune(struct queue *q, int64_t now_ms);
void destination_free(struct destination *d);
/* Whether it may start something, or when to look again, has to be decided anew. */
void destination_look(struct queue *q, struct destination *d, int64_t now_ms, int64_t now_s);
/* Those whose time has come are looked at. Returns when the next one's comes. */
int64_t destination_wake(struct queue *q, int64_t now_ms, int64_t now_s);
bool destination_open(struct queue *q, struct destination *d, int64_t now_ms); /* may start one more, as far as window, pause and rate go */
void destination_take(struct destination *d); /* one more is started */
void destination_learn(struct queue *q, struct destination *d, enum feedback f, int64_t now_ms);
void destination_configure(struct queue *q, struct destination *d);

/* A bucket of at most max tokens that fills up in period_ms. */
double bucket_fill(double tokens, int64_t *since_ms, double max, int64_t period_ms, int64_t now_ms);

#endif
