/* auth/hasher.c - threads for work that takes long. See the header.
 * Owns        the list of jobs; a job lives on the stack of the task that waits for it.
 */
#include "auth/hasher.h"

#include "base/die.h"

struct job {
	struct node node;
	void (*fn)(void *arg);
	void *arg;
	bool done;
	struct gate gate;
};

static void *thread_main(void *arg)
{
	struct hasher *h = arg;

	pthread_mutex_lock(&h->lock);
	for (;;) {
		struct job *j;

		while (!h->quit && list_empty(&h->todo))
			pthread_cond_wait(&h->wake, &h->lock);
		if (h->quit)
			break;
		j = list_entry(h->todo.next, struct job, node);
		list_del(&j->node);
		pthread_mutex_unlock(&h->lock);
		j->fn(j->arg);
		pthread_mutex_lock(&h->lock);
		list_add_last(&h->finished, &j->node);
		bell_ring(&h->bell);
	}
	pthread_mutex_unlock(&h->lock);
	return NULL;
}

static void collect_main(void *arg)
{
	struct hasher *h = arg;

	while (bell_wait(&h->bell, NEVER_MS) == 0) {
		pthread_mutex_lock(&h->lock);
		list_each(it, nxt, &h->finished) {
			struct job *j = list_entry(it, struct job, node);

			list_del(&j->node);
			j->done = true;
			gate_open(h->sched, &j->gate);
		}
		pthread_mutex_unlock(&h->lock);
	}
	bell_close(&h->bell);
}

SUSPENDS void hasher_run(struct hasher *h, void (*fn)(void *arg), void *arg)
{
	struct job job = { .fn = fn, .arg = arg };
	struct gate *g = &job.gate;

	if (!h->n_threads) {
		sched_call(h->sched, fn, arg);
		return;
	}
	gate_init(&job.gate);
	pthread_mutex_lock(&h->lock);
	list_add_last(&h->todo, &job.node);
	pthread_cond_signal(&h->wake);
	pthread_mutex_unlock(&h->lock);
	while (!job.done) /* the thread writes to job: not even a cancelled task may leave before */
		if (task_wait(h->sched, &g, 1, NEVER_MS) == WAIT_STOP && !job.done)
			die("auth/hasher: cancelled while a password was hashed");
}

void hasher_init(struct hasher *h, struct sched *s, unsigned n_threads)
{
	*h = (struct hasher){ .sched = s, .n_wanted = n_threads < HASHER_THREADS_MAX ? n_threads : HASHER_THREADS_MAX };
	list_init(&h->todo);
	list_init(&h->finished);
	pthread_mutex_init(&h->lock, NULL);
	pthread_cond_init(&h->wake, NULL);
}

void hasher_start(struct hasher *h)
{
	h->n_threads = h->n_wanted;
	if (h->n_threads) {
		bell_open(&h->bell, h->sched);
		h->collector = task_spawn(h->sched, "hashes", collect_main, h);
	}
	for (unsigned i = 0; i < h->n_threads; i++)
		if (pthread_create(&h->threads[i], NULL, thread_main, h) != 0)
			die("auth/hasher: no thread for hashing");
}

void hasher_stop(struct hasher *h)
{
	pthread_mutex_lock(&h->lock);
	h->quit = true;
	pthread_cond_broadcast(&h->wake);
	pthread_mutex_unlock(&h->lock);
	for (unsigned i = 0; i < h->n_threads; i++)
		pthread_join(h->threads[i], NULL);
	if (h->collector)
		task_cancel(h->collector);
	h->collector = NULL;
}
