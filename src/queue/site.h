/* queue/site.h - what is known of the hosts that letters go to: their window, their pauses and their rate. Inside queue/ only. */
#ifndef SALLYPORT_QUEUE_SITE_H
#define SALLYPORT_QUEUE_SITE_H

#include "queue/queue.h"

/* Letters of another route to the same hosts are another site. route_number -1: none. */
struct site *site_need(struct queue *q, int route_number, struct str hosts, bool joins, int64_t now_ms);
void site_init(struct queue *q, struct site *s, int64_t now_ms); /* all but key and name */
void site_free(struct site *s);
void site_limits(struct queue *q, struct site *s, int route_number); /* as the configuration has them */
void sites_prune(struct queue *q, int64_t now_ms); /* forgets those of which nothing is to be remembered */

/* Whether it may start something, or when to look again, has to be decided anew. */
void site_look(struct queue *q, struct site *s, int64_t now_ms);
/* Those whose time has come are looked at. Returns when the next one's comes. */
int64_t sites_wake(struct queue *q, int64_t now_ms);
bool site_open(struct queue *q, struct site *s, int64_t now_ms); /* may start one more, as far as window, pause and rate go */
void site_take(struct queue *q, struct site *s); /* one more is started */
void site_give(struct queue *q, struct site *s); /* and ended */
void site_turn_over(struct site *s); /* the others first; site_look follows */
void site_learn(struct queue *q, struct site *s, enum feedback f, int64_t now_ms);

/* How long something is left alone after n failures in a row. */
int64_t queue_pause_ms(const struct queue *q, unsigned n);
/* A bucket of at most max tokens that fills up in period_ms. */
double bucket_fill(double tokens, int64_t *since_ms, double max, int64_t period_ms, int64_t now_ms);

#endif
