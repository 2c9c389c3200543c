/* queue/destination.h - a domain that letters go to, or the way that a command has chosen for some: its jobs, and its site. Inside queue/ only. */
#ifndef SALLYPORT_QUEUE_DESTINATION_H
#define SALLYPORT_QUEUE_DESTINATION_H

#include "queue/queue.h"

struct destination *destination_need(struct queue *q, struct queue_to to, int64_t now_ms);
void destination_free(struct destination *d);
/* Forgets those of which nothing is to be remembered. */
void destinations_prune(struct queue *q, int64_t now_ms);
/* Where its jobs stand, and when to look again, has to be decided anew. */
void destination_look(struct queue *q, struct destination *d, int64_t now_ms, int64_t now_s);
/* Those whose time has come are looked at. Returns when the next one's comes. */
int64_t destinations_wake(struct queue *q, int64_t now_ms, int64_t now_s);
void destination_learn(struct queue *q, struct destination *d, enum feedback f, int64_t now_ms);
/* Its route by the configuration, and with it the site, may be another. */
void destination_configure(struct queue *q, struct destination *d, int64_t now_ms);

struct job *destination_first(const struct destination *d); /* of those that are due; NULL: there is none */
/* A job that is due leaves; the site is looked at when that happens the next time. */
void destination_leave(struct destination *d, struct job *j);
/* Something of it was started: in its site the other destinations come first now. */
void destination_served(struct destination *d);

extern const struct heap_kind standing_kind; /* of struct site's standing */

#endif
