/* queue/queue.c - the jobs by number, and which of them is next. See the header.
 * Invariants  Q1 a job is in its destination's `ready` or `later`, or running, or held, as its place says. Q2 every job is in the table once.
 */
#include "queue/queue.h"

#include "base/rng.h"
#include "queue/destination.h"
#include "queue/heap.h"

#include <string.h>

#define TABLE_FIRST 256
#define HOUR_MS 3600000
#define ACCOUNTS_PRUNE_FIRST 1000

static const struct job gone_job;
#define GONE ((struct job *)(uintptr_t)&gone_job) /* marks a place in the table that was used */

/* ---- the table */

static size_t place_of(const struct queue *q, uint64_t id, uint32_t group)
{
	uint64_t state = id * 257 + group;

	return (size_t)rng_step(&state) & (q->table_size - 1);
}

static void table_put(struct queue *q, struct job *j)
{
	size_t at = place_of(q, j->id, j->group);

	while (q->table[at] && q->table[at] != GONE)
		at = (at + 1) & (q->table_size - 1);
	q->n_dead -= q->table[at] == GONE;
	q->table[at] = j;
}

static void table_resize(struct queue *q, size_t size)
{
	struct job **old = q->table;
	size_t n = q->table_size;

	q->table = mem_array(size, sizeof(struct job *));
	q->table_size = size;
	q->n_dead = 0;
	for (size_t i = 0; i < n; i++)
		if (old[i] && old[i] != GONE)
			table_put(q, old[i]);
	q->sweep_at = 0;
	free(old);
}

static void table_make_room(struct queue *q)
{
	size_t size = TABLE_FIRST;

	if ((q->n_jobs + q->n_dead + 1) * 4 <= q->table_size * 3)
		return;
	while (size < q->n_jobs * 2 + 2)
		size *= 2;
	table_resize(q, size);
}

static size_t table_find(const struct queue *q, uint64_t id, uint32_t group)
{
	size_t at = place_of(q, id, group);

	for (const struct job *j; (j = q->table[at]); at = (at + 1) & (q->table_size - 1))
		if (j != GONE && j->id == id && j->group == group)
			return at;
	return SIZE_MAX;
}

struct job *queue_find(const struct queue *q, uint64_t id, uint32_t group)
{
	size_t at = table_find(q, id, group);

	return at == SIZE_MAX ? NULL : q->table[at];
}

/* ---- accounts */

static struct account_rate *account_of(struct queue *q, uint64_t account, int64_t now_ms)
{
	uint32_t max = q->conf->queue.account_rate_max;
	struct account_rate *r = map_get(&q->accounts, MAP_KEY(account));

	if (!r) {
		r = mem_new(struct account_rate);
		*r = (struct account_rate){ max, now_ms };
		map_put(&q->accounts, MAP_KEY(account), r);
	}
	r->tokens = bucket_fill(r->tokens, &r->tokens_ms, max, HOUR_MS, now_ms);
	return r;
}

static void accounts_prune(struct queue *q, int64_t now_ms)
{
	uint32_t max = q->conf->queue.account_rate_max;
	struct str key;
	size_t at = 0;
	void *v;

	if (q->accounts.n < q->accounts_prune)
		return;
	while (map_next(&q->accounts, &at, &key, &v)) {
		struct account_rate *r = v;

		if (bucket_fill(r->tokens, &(int64_t){ r->tokens_ms }, max, HOUR_MS, now_ms) >= max)
			free(map_del(&q->accounts, key));
	}
	q->accounts_prune = q->accounts.n * 2 > ACCOUNTS_PRUNE_FIRST ? q->accounts.n * 2 : ACCOUNTS_PRUNE_FIRST;
}

/* Seconds until the account may send to so many more; 0: now. One whose bucket is full may send to any number once. */
static int64_t account_wait_s(struct queue *q, uint64_t account, uint32_t n, int64_t now_ms)
{
	uint32_t max = q->conf->queue.account_rate_max;
	struct account_rate *r;
	double need;

	if (!account || !max)
		return 0;
	r = account_of(q, account, now_ms);
	need = n < max ? n : max;
	return r->tokens >= need ? 0 : 1 + (int64_t)((need - r->tokens) * HOUR_MS / max / 1000);
}

static void account_take(struct queue *q, uint64_t account, uint32_t n, int64_t now_ms)
{
	if (!account || !q->conf->queue.account_rate_max)
		return;
	account_of(q, account, now_ms)->tokens -= n;
	accounts_prune(q, now_ms);
}

/* ---- places */

static void leave(struct queue *q, struct job *j)
{
	struct destination *d = j->to;

	if (j->place == JOB_LATER)
		heap_remove(&d->later, j);
	else if (j->place == JOB_READY)
		heap_remove(&d->ready, j);
	d->n_held -= j->place == JOB_HELD;
	q->n_placed[j->place]--;
	j->place = JOB_NOWHERE;
}

static void enter(struct queue *q, struct job *j, enum job_place place, int64_t now_s)
{
	struct destination *d = j->to;

	if (place == JOB_LATER || place == JOB_READY) {
		place = j->due_s <= now_s ? JOB_READY : JOB_LATER;
		heap_push(place == JOB_READY ? &d->ready : &d->later, j);
	}
	d->n_held += place == JOB_HELD;
	j->place = (uint8_t)place;
	q->n_placed[place]++;
}

void queue_place(struct queue *q, struct job *j, enum job_place place, int64_t now_ms, int64_t now_s)
{
	leave(q, j);
	enter(q, j, place, now_s);
	destination_look(q, j->to, now_ms, now_s);
}

struct job *queue_add(struct queue *q, const struct job *j, struct str destination, int64_t now_ms, int64_t now_s)
{
	struct job *copy = mem_new(struct job);

	*copy = *j;
	copy->to = destination_need(q, destination, now_ms);
	copy->to->used_ms = now_ms;
	table_make_room(q);
	table_put(q, copy);
	q->n_jobs++;
	enter(q, copy, (enum job_place)j->place, now_s);
	if (j->place == JOB_RUNNING) {
		destination_take(copy->to);
		account_take(q, j->account, j->n_rcpts, now_ms);
		q->n_running++;
	}
	destination_look(q, copy->to, now_ms, now_s);
	return copy;
}

struct job *queue_each(struct queue *q, size_t *at)
{
	while (*at < q->table_size) {
		struct job *j = q->table[(*at)++];

		if (j && j != GONE)
			return j;
	}
	return NULL;
}

void queue_remove(struct queue *q, struct job *j)
{
	size_t at = table_find(q, j->id, j->group);

	leave(q, j);
	q->table[at] = GONE;
	q->n_dead++;
	q->n_jobs--;
	free(j);
}

/* ---- next */

static struct destination *whose_turn(struct queue *q)
{
	for (int i = QUEUE_PRIORITIES - 1; i >= 0; i--)
		if (!list_empty(&q->turns[i]))
			return list_first(&q->turns[i], struct destination, turn);
	return NULL;
}

static void start(struct queue *q, struct job *j, int64_t now_ms, int64_t now_s)
{
	struct destination *d = j->to;

	account_take(q, j->account, j->n_rcpts, now_ms);
	leave(q, j);
	enter(q, j, JOB_RUNNING, now_s);
	destination_take(d);
	q->n_running++;
	d->used_ms = now_ms;
	list_del(&d->turn); /* the others first */
	d->turn_priority = -1;
	destination_look(q, d, now_ms, now_s);
}

struct job *queue_next(struct queue *q, int64_t now_ms, int64_t now_s, int64_t *look_ms)
{
	struct destination *d;

	*look_ms = destination_wake(q, now_ms, now_s);
	if (q->n_running >= q->conf->queue.connections_max)
		return NULL;
	while ((d = whose_turn(q))) {
		struct job *j = heap_top(&d->ready);
		int64_t wait_s;

		if (!destination_open(q, d, now_ms)) { /* it was, when it was put there */
			destination_look(q, d, now_ms, now_s);
			continue;
		}
		wait_s = account_wait_s(q, j->account, j->n_rcpts, now_ms);
		if (wait_s == 0) {
			start(q, j, now_ms, now_s);
			return j;
		}
		j->due_s = now_s + wait_s;
		queue_place(q, j, JOB_LATER, now_ms, now_s);
	}
	*look_ms = destination_wake(q, now_ms, now_s);
	return NULL;
}

bool queue_may_start(struct queue *q, struct str destination, uint64_t account, uint32_t n_rcpts, int64_t now_ms)
{
	struct destination *d = destination_need(q, destination, now_ms);

	return q->n_running < q->conf->queue.connections_max && !d->ready.jobs.n && destination_open(q, d, now_ms) &&
		account_wait_s(q, account, n_rcpts, now_ms) == 0;
}

struct destination *queue_reserve(struct queue *q, struct str destination, int64_t now_ms)
{
	struct destination *d = destination_need(q, destination, now_ms);

	d->n_running++;
	q->n_running++;
	return d;
}

void queue_unreserve(struct queue *q, struct destination *d, int64_t now_ms, int64_t now_s)
{
	d->n_running--;
	q->n_running--;
	destination_look(q, d, now_ms, now_s);
}

void queue_ended(struct queue *q, struct job *j, int f, int64_t now_ms, int64_t now_s)
{
	die_unless(j->place == JOB_RUNNING, "the end of an attempt that was not made");
	if (f >= 0)
		destination_learn(q, j->to, (enum feedback)f, now_ms);
	leave(q, j);
	enter(q, j, JOB_NOWHERE, now_s);
	queue_unreserve(q, j->to, now_ms, now_s);
}

void queue_unpause(struct destination *d)
{
	d->paused_until_ms = 0;
}

size_t queue_flush(struct queue *q, struct str destination, int64_t now_ms, int64_t now_s)
{
	struct destination *d = map_get(&q->destinations, destination);
	if (!d)
		return 0;
	queue_unpause(d);
	for (struct job *j; (j = heap_top(&d->later));) {
		leave(q, j);
		j->due_s = now_s;
		enter(q, j, JOB_READY, now_s);
	}
	destination_look(q, d, now_ms, now_s);
	return d->ready.jobs.n;
}

int64_t queue_retry_s(struct queue *q, uint32_t n)
{
	const struct conf_queue *c = &q->conf->queue;
	int64_t ms = c->retry_first_ms;

	while (n-- > 1 && ms < c->retry_max_ms)
		ms *= 2;
	if (ms > c->retry_max_ms)
		ms = c->retry_max_ms;
	ms += (int64_t)(rng_step(&q->seed) % (uint64_t)(ms / 2 + 1)) - ms / 4;
	return ms < 1000 ? 1 : ms / 1000;
}

void queue_sweep(struct queue *q, size_t n, int64_t now_s, queue_sweep_fn *fn, void *ctx)
{
	int64_t warn_s = q->conf->queue.warn_after_ms / 1000;

	if (n > q->table_size)
		n = q->table_size;
	for (; n > 0; n--) {
		struct job *j = q->table[q->sweep_at];

		q->sweep_at = (q->sweep_at + 1) & (q->table_size - 1);
		if (!j || j == GONE || (j->place != JOB_READY && j->place != JOB_LATER))
			continue;
		if (j->owed || j->until_s <= now_s || (!j->warned && j->date_s + warn_s <= now_s))
			fn(ctx, j);
	}
}

/* ---- life */

void queue_init(struct queue *q, const struct conf *conf, uint64_t seed)
{
	*q = (struct queue){ .conf = conf, .seed = seed, .accounts_prune = ACCOUNTS_PRUNE_FIRST };
	map_init(&q->destinations, seed);
	map_init(&q->accounts, seed);
	for (int i = 0; i < QUEUE_PRIORITIES; i++)
		list_init(&q->turns[i]);
	table_resize(q, TABLE_FIRST);
	destinations_prune(q, 0);
}

void queue_fini(struct queue *q)
{
	struct str name;
	void *v;

	for (size_t i = 0; i < q->table_size; i++)
		if (q->table[i] != GONE)
			free(q->table[i]);
	free(q->table);
	for (size_t at = 0; map_next(&q->destinations, &at, &name, &v);)
		destination_free(v);
	for (size_t at = 0; map_next(&q->accounts, &at, &name, &v);)
		free(v);
	map_fini(&q->destinations);
	map_fini(&q->accounts);
	vec_free(&q->wakes);
}

void queue_configure(struct queue *q, const struct conf *conf)
{
	struct str name;
	size_t at = 0;
	void *v;

	q->conf = conf;
	while (map_next(&q->destinations, &at, &name, &v))
		destination_configure(q, v);
}
