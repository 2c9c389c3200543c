/* queue/queue.c - the jobs by number, and which of them is next. See the header.
 * Invariants  Q1 a job is in its destination's `ready` or `later`, or running, or held, as its place says. Q2 every job is in the table once.
 */
#include "queue/queue.h"

#include "base/rng.h"
#include "queue/destination.h"
#include "queue/site.h"

#include <string.h>

#define TABLE_FIRST 256
#define HOUR_MS 3600000
#define ACCOUNTS_PRUNE_FIRST 1000
#define LEAST_FIRST 8 /* of so many starts one is of the least priority that there is: no flood of others keeps it back for good */

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
		destination_leave(d, j);
	d->n_aside -= j->place == JOB_HELD || j->place == JOB_NOWHERE;
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
	d->n_aside += place == JOB_HELD || place == JOB_NOWHERE;
	j->place = (uint8_t)place;
	q->n_placed[place]++;
}

void queue_place(struct queue *q, struct job *j, enum job_place place, int64_t now_ms, int64_t now_s)
{
	leave(q, j);
	enter(q, j, place, now_s);
	destination_look(q, j->to, now_ms, now_s);
}

static void count_running(struct queue *q, struct job *j, int64_t now_ms)
{
	account_take(q, j->account, j->n_rcpts, now_ms);
	j->to->n_running++;
	j->to->used_ms = now_ms;
}

struct job *queue_add(struct queue *q, const struct job *j, struct queue_to to, int64_t now_ms, int64_t now_s)
{
	struct job *copy = mem_new(struct job);

	*copy = *j;
	copy->to = destination_need(q, to, now_ms);
	copy->to->used_ms = now_ms;
	table_make_room(q);
	table_put(q, copy);
	q->n_jobs++;
	enter(q, copy, (enum job_place)j->place, now_s);
	if (j->place == JOB_RUNNING)
		count_running(q, copy, now_ms);
	destination_look(q, copy->to, now_ms, now_s);
	return copy;
}

void queue_reroute(struct queue *q, struct job *j, struct str route, int64_t now_ms)
{
	struct destination *d;

	die_unless(j->place == JOB_NOWHERE, "another way for a job that is somewhere");
	d = destination_need(q, (struct queue_to){ j->to->name, route }, now_ms);
	j->to->n_aside--;
	j->to = d;
	d->n_aside++;
	d->used_ms = now_ms;
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

static int64_t wake(struct queue *q, int64_t now_ms, int64_t now_s)
{
	int64_t destinations = destinations_wake(q, now_ms, now_s), sites = sites_wake(q, now_ms);

	return destinations < sites ? destinations : sites;
}

/* ---- next */

static struct site *whose_turn(struct queue *q)
{
	bool least = ++q->n_turns % LEAST_FIRST == 0;

	for (int i = 0; i < QUEUE_PRIORITIES; i++) {
		struct node *turns = &q->turns[least ? i : QUEUE_PRIORITIES - 1 - i];

		if (!list_empty(turns))
			return list_first(turns, struct site, turn);
	}
	return NULL;
}

static struct job *start(struct queue *q, struct job *j, int64_t now_ms, int64_t now_s)
{
	leave(q, j);
	enter(q, j, JOB_RUNNING, now_s);
	count_running(q, j, now_ms);
	destination_served(j->to);
	destination_look(q, j->to, now_ms, now_s);
	return j;
}

struct job *queue_next(struct queue *q, int64_t now_ms, int64_t now_s, struct site **site, int64_t *look_ms)
{
	struct site *s;

	*look_ms = wake(q, now_ms, now_s);
	if (q->n_running >= q->conf->queue.connections_max)
		return NULL;
	while ((s = whose_turn(q))) {
		const struct destination *d = heap_top(&s->standing);
		int64_t wait_s;
		struct job *j;

		if (!d || !site_open(q, s, now_ms)) { /* it was so when it was put there */
			site_look(q, s, now_ms);
			continue;
		}
		j = destination_first(d);
		wait_s = account_wait_s(q, j->account, j->n_rcpts, now_ms);
		if (wait_s == 0) {
			site_take(q, s);
			site_turn_over(s);
			*site = s;
			return start(q, j, now_ms, now_s);
		}
		j->due_s = now_s + wait_s;
		queue_place(q, j, JOB_LATER, now_ms, now_s);
	}
	*look_ms = wake(q, now_ms, now_s);
	return NULL;
}

struct job *queue_next_along(struct queue *q, const struct job *j, struct site *site, int64_t now_ms, int64_t now_s)
{
	const struct destination *d = site->joins ? heap_top(&site->standing) : NULL;
	struct job *k = d ? destination_first(d) : NULL;

	if (!k || k->id != j->id || account_wait_s(q, k->account, k->n_rcpts, now_ms) > 0)
		return NULL;
	return start(q, k, now_ms, now_s);
}

struct site *queue_reserve(struct queue *q, struct queue_to to, uint64_t account, uint32_t n_rcpts, int64_t now_ms)
{
	struct destination *d = destination_need(q, to, now_ms);
	struct site *s = d->site;

	if (!s || d->paused_until_ms > now_ms || d->known_until_ms <= now_ms || heap_top(&s->standing))
		return NULL;
	if (q->n_running >= q->conf->queue.connections_max || !site_open(q, s, now_ms) || account_wait_s(q, account, n_rcpts, now_ms) > 0)
		return NULL;
	d->used_ms = now_ms;
	site_take(q, s);
	return s;
}

struct site *queue_reserve_elsewhere(struct queue *q)
{
	site_take(q, &q->elsewhere);
	return &q->elsewhere;
}

void queue_connection_ended(struct queue *q, struct site *s, int f, int64_t now_ms)
{
	if (f >= 0)
		site_learn(q, s, (enum feedback)f, now_ms);
	site_give(q, s);
	site_look(q, s, now_ms);
}

struct site *queue_joining_site(struct queue *q, struct queue_to to, int64_t now_ms)
{
	struct site *s = destination_need(q, to, now_ms)->site;

	return s && s->joins ? s : NULL;
}

void queue_ended(struct queue *q, struct job *j, int f, int64_t now_ms, int64_t now_s)
{
	die_unless(j->place == JOB_RUNNING, "the end of an attempt that was not made");
	if (f >= 0)
		destination_learn(q, j->to, (enum feedback)f, now_ms);
	leave(q, j);
	enter(q, j, JOB_NOWHERE, now_s);
	j->to->n_running--;
	destination_look(q, j->to, now_ms, now_s);
}

void queue_unpause(struct queue *q, struct destination *d, int64_t now_ms, int64_t now_s)
{
	d->paused_until_ms = 0;
	if (d->site)
		d->site->paused_until_ms = 0;
	destination_look(q, d, now_ms, now_s);
}

size_t queue_flush(struct queue *q, struct str domain, int64_t now_ms, int64_t now_s)
{
	struct destination *d = map_get(&q->destinations, domain);

	if (!d)
		return 0;
	for (struct job *j; (j = heap_top(&d->later));) {
		leave(q, j);
		j->due_s = now_s;
		enter(q, j, JOB_READY, now_s);
	}
	queue_unpause(q, d, now_ms, now_s);
	return d->ready.all.n;
}

int64_t queue_retry_s(const struct queue *q, uint64_t id, uint32_t n)
{
	const struct conf_queue *c = &q->conf->queue;
	uint64_t state = q->seed ^ id;
	int64_t ms = c->retry_first_ms;

	state += n;
	while (n-- > 1 && ms < c->retry_max_ms)
		ms *= 2;
	if (ms > c->retry_max_ms)
		ms = c->retry_max_ms;
	ms += (int64_t)(rng_step(&state) % (uint64_t)(ms / 2 + 1)) - ms / 4;
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
	*q = (struct queue){ .conf = conf, .seed = seed, .accounts_prune = ACCOUNTS_PRUNE_FIRST,
		.destination_wakes = { .kind = &wake_kind }, .site_wakes = { .kind = &wake_kind } };
	map_init(&q->destinations, seed);
	map_init(&q->sites, seed);
	map_init(&q->accounts, seed);
	for (int i = 0; i < QUEUE_PRIORITIES; i++)
		list_init(&q->turns[i]);
	list_init(&q->unknown);
	list_init(&q->unknown_again);
	site_init(q, &q->elsewhere, 0);
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
	for (size_t at = 0; map_next(&q->sites, &at, &name, &v);)
		site_free(v);
	for (size_t at = 0; map_next(&q->accounts, &at, &name, &v);)
		free(v);
	map_fini(&q->destinations);
	map_fini(&q->sites);
	map_fini(&q->accounts);
	heap_free(&q->destination_wakes);
	heap_free(&q->site_wakes);
}

void queue_configure(struct queue *q, const struct conf *conf, int64_t now_ms, int64_t now_s)
{
	struct str key;
	size_t at = 0;
	void *v;

	q->conf = conf;
	while (map_next(&q->destinations, &at, &key, &v)) {
		destination_configure(q, v, now_ms);
		destination_look(q, v, now_ms, now_s);
	}
	sites_prune(q, now_ms);
}
