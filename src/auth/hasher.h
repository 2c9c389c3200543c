/* auth/hasher.h - threads for work that takes long, as hashing does; who asks waits without holding the scheduler. */
#ifndef SALLYPORT_AUTH_HASHER_H
#define SALLYPORT_AUTH_HASHER_H

#include "base/list.h"
#include "co/sched.h"

#include <pthread.h>

#define HASHER_THREADS_MAX 16

struct hasher {
	struct sched *sched;
	unsigned n_wanted, n_threads; /* wanted 0: on the scheduler's own (under -X) */
	pthread_t threads[HASHER_THREADS_MAX];
	pthread_mutex_t lock; /* guards todo, finished, quit */
	pthread_cond_t wake;
	struct node todo, finished;
	bool quit;
	struct bell bell;
	struct task *collector;
};

void hasher_init(struct hasher *h, struct sched *s, unsigned n_threads);
void hasher_start(struct hasher *h); /* makes the threads: after the sandbox is closed, whose walls new threads inherit */
void hasher_stop(struct hasher *h);
/* Runs fn(arg) on a thread, which may use nothing but arg. */
SUSPENDS void hasher_run(struct hasher *h, void (*fn)(void *arg), void *arg);

#endif
