/* queue/destination.c - windows, pauses and rates of destinations, and the order in which they take turns.
 * Invariants  D1 a destination is in a list of turns exactly when it has a job that is due and may start one. D2 otherwise it is among the wakes when
 *             time alone will change that.
 */
#include "queue/destination.h"

#include "queue/heap.h"

#include <string.h>

#define WINDOW_FIRST 2.0
#define PAUSE_FIRST_MS 30000 /* at most: retry_first when that is shorter */
#define MINUTE_MS 60000
#define REMEMBER_MS (30 * MINUTE_MS) /* the window that has been found */
#define PRUNE_FIRST 1000

static uint32_t window_max(const struct queue *q, const struct destination *d)
{
	return d->window_max ? d->window_max : q->conf->queue.connections_destination_max;
}

static uint32_t rate_max(const struct queue *q, const struct destination *d)
{
	return d->rate_max ? d->rate_max : q->conf->queue.destination_rate_max;
}

void destination_configure(struct queue *q, struct destination *d)
{
	const struct conf_route *r = conf_route_find(q->conf, d->name);

	d->window_max = r ? r->connections_max : 0;
	d->rate_max = r ? r->rate_max : 0;
	if (d->window > window_max(q, d))
		d->window = window_max(q, d);
}

/* ---- the heap of wakes */

static void wake_put(struct queue *q, size_t at, struct destination *d)
{
	q->wakes.v[at] = d;
	d->wake_at = (uint32_t)at;
}

static void wake_move(struct queue *q, size_t at)
{
	struct destination *d = q->wakes.v[at];

	while (at > 0 && d->wake_ms < q->wakes.v[(at - 1) / 2]->wake_ms) {
		wake_put(q, at, q->wakes.v[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	for (size_t child; (child = 2 * at + 1) < q->wakes.n; at = child) {
		if (child + 1 < q->wakes.n && q->wakes.v[child + 1]->wake_ms < q->wakes.v[child]->wake_ms)
			child++;
		if (d->wake_ms <= q->wakes.v[child]->wake_ms)
			break;
		wake_put(q, at, q->wakes.v[child]);
	}
	wake_put(q, at, d);
}

static void wake_set(struct queue *q, struct destination *d, int64_t wake_ms)
{
	bool was = d->wake_ms != QUEUE_NEVER_MS;

	if (wake_ms == d->wake_ms)
		return;
	d->wake_ms = wake_ms;
	if (wake_ms == QUEUE_NEVER_MS) {
		struct destination *last = q->wakes.v[--q->wakes.n];

		if (last != d) {
			wake_put(q, d->wake_at, last);
			wake_move(q, last->wake_at);
		}
		return;
	}
	if (!was) {
		*vec_push(&q->wakes) = d;
		d->wake_at = (uint32_t)q->wakes.n - 1;
	}
	wake_move(q, d->wake_at);
}

/* ---- may it start something */

double bucket_fill(double tokens, int64_t *since_ms, double max, int64_t period_ms, int64_t now_ms)
{
	tokens += max * (double)(now_ms - *since_ms) / (double)period_ms;
	*since_ms = now_ms;
	return tokens < max ? tokens : max;
}

/* When it has a token; now_ms or earlier: it has one. */
static int64_t token_ms(struct queue *q, struct destination *d, int64_t now_ms)
{
	uint32_t max = rate_max(q, d);

	if (!max)
		return 0;
	d->tokens = bucket_fill(d->tokens, &d->tokens_ms, max, MINUTE_MS, now_ms);
	return d->tokens >= 1 ? 0 : now_ms + 1 + (int64_t)((1 - d->tokens) * MINUTE_MS / max);
}

bool destination_open(struct queue *q, struct destination *d, int64_t now_ms)
{
	return d->n_running < (unsigned)d->window && d->paused_until_ms <= now_ms && token_ms(q, d, now_ms) <= now_ms;
}

void destination_take(struct destination *d)
{
	d->n_running++;
	d->tokens -= 1;
}

static void turn_set(struct queue *q, struct destination *d, int priority)
{
	list_del(&d->turn);
	d->turn_priority = priority;
	if (priority >= 0)
		list_add_last(&q->turns[priority], &d->turn);
}

static int64_t later_of(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static void become_ready(struct queue *q, struct destination *d, int64_t now_s)
{
	for (struct job *j; (j = heap_top(&d->later)) && j->due_s <= now_s;) {
		heap_remove(&d->later, j);
		heap_push(&d->ready, j);
		q->n_placed[JOB_LATER]--;
		q->n_placed[JOB_READY]++;
		j->place = JOB_READY;
	}
}

void destination_look(struct queue *q, struct destination *d, int64_t now_ms, int64_t now_s)
{
	struct job *ready, *later;
	int64_t wake_ms = QUEUE_NEVER_MS;

	become_ready(q, d, now_s);
	ready = heap_top(&d->ready);
	later = heap_top(&d->later);
	if (ready && destination_open(q, d, now_ms)) {
		if (d->turn_priority != ready->priority)
			turn_set(q, d, ready->priority);
		wake_set(q, d, QUEUE_NEVER_MS);
		return;
	}
	turn_set(q, d, -1);
	if (ready && d->n_running < (unsigned)d->window)
		wake_ms = later_of(d->paused_until_ms, token_ms(q, d, now_ms));
	if (later && now_ms + (later->due_s - now_s) * 1000 < wake_ms)
		wake_ms = now_ms + (later->due_s - now_s) * 1000;
	wake_set(q, d, wake_ms);
}

int64_t destination_wake(struct queue *q, int64_t now_ms, int64_t now_s)
{
	while (q->wakes.n && q->wakes.v[0]->wake_ms <= now_ms) {
		struct destination *d = q->wakes.v[0];

		destination_look(q, d, now_ms, now_s);
		if (d->wake_ms <= now_ms) /* of a clock that was set back: not now */
			wake_set(q, d, now_ms + 1);
	}
	return q->wakes.n ? q->wakes.v[0]->wake_ms : QUEUE_NEVER_MS;
}

/* ---- learning */

static int64_t pause_ms(const struct queue *q, unsigned n)
{
	const struct conf_queue *c = &q->conf->queue;
	int64_t ms = c->retry_first_ms < PAUSE_FIRST_MS ? c->retry_first_ms : PAUSE_FIRST_MS;

	while (--n > 0 && ms < c->retry_max_ms)
		ms *= 2;
	return ms < c->retry_max_ms ? ms : c->retry_max_ms;
}

static void shrink(struct destination *d)
{
	d->window = d->window / 2 > 1 ? d->window / 2 : 1;
	d->threshold = d->window;
}

void destination_learn(struct queue *q, struct destination *d, enum feedback f, int64_t now_ms)
{
	switch (f) {
	case FEEDBACK_FINE:
		d->n_failures = 0;
		d->paused_until_ms = 0;
		d->window += d->window < d->threshold ? 1 : 1 / d->window;
		if (d->window > window_max(q, d))
			d->window = window_max(q, d);
		break;
	case FEEDBACK_SLOW:
		if (d->window < 2)
			d->paused_until_ms = now_ms + pause_ms(q, 1);
		shrink(d);
		break;
	case FEEDBACK_DOWN:
		/* Those that were started together fail together: that is one failure. */
		if (d->paused_until_ms <= now_ms)
			d->paused_until_ms = now_ms + pause_ms(q, ++d->n_failures);
		shrink(d);
		d->window = 1;
		break;
	case FEEDBACK_LOCAL:
		d->paused_until_ms = now_ms + pause_ms(q, 1);
		break;
	}
}

void destination_free(struct destination *d)
{
	vec_free(&d->later.jobs);
	vec_free(&d->ready.jobs);
	free(d);
}

/* Something is worth remembering: it is in use, was lately, cannot be reached, or has used up some of its rate. */
static bool remembered(struct queue *q, struct destination *d, int64_t now_ms)
{
	uint32_t rate = rate_max(q, d);

	if (d->later.jobs.n || d->ready.jobs.n || d->n_running || d->n_held)
		return true;
	if (d->paused_until_ms > now_ms || d->used_ms + REMEMBER_MS > now_ms)
		return true;
	return rate && bucket_fill(d->tokens, &d->tokens_ms, rate, MINUTE_MS, now_ms) < rate;
}

void destinations_prune(struct queue *q, int64_t now_ms)
{
	struct str name;
	size_t at = 0;
	void *v;

	while (map_next(&q->destinations, &at, &name, &v)) {
		struct destination *d = v;

		if (remembered(q, d, now_ms))
			continue;
		turn_set(q, d, -1);
		wake_set(q, d, QUEUE_NEVER_MS);
		map_del(&q->destinations, name);
		destination_free(d);
	}
	q->destinations_prune = q->destinations.n * 2 > PRUNE_FIRST ? q->destinations.n * 2 : PRUNE_FIRST;
}

struct destination *destination_need(struct queue *q, struct str name, int64_t now_ms)
{
	struct destination *d = map_get(&q->destinations, name);
	char *text;

	if (d)
		return d;
	if (q->destinations.n >= q->destinations_prune)
		destinations_prune(q, now_ms);
	d = mem_alloc(sizeof *d + name.n);
	text = (char *)(d + 1);
	memcpy(text, name.p, name.n);
	*d = (struct destination){ .name = str_of(text, name.n), .ready = { .by_priority = true }, .wake_ms = QUEUE_NEVER_MS, .turn_priority = -1,
		.tokens_ms = now_ms };
	list_init(&d->turn);
	d->window = WINDOW_FIRST;
	destination_configure(q, d);
	d->threshold = window_max(q, d);
	d->tokens = rate_max(q, d);
	map_put(&q->destinations, name, d);
	return d;
}
