/* queue/site.c - windows, pauses and rates of sites, and the order in which they take turns.
 * Invariants  S1 a site is in a list of turns exactly when a destination of it stands there and it may start one. S2 otherwise it is among the wakes when
 *             time alone will change that. S3 in `standing` are exactly the destinations whose `stands` says so, by their first job.
 */
#include "queue/site.h"

#include "queue/destination.h"

#include <string.h>

#define WINDOW_FIRST 2.0
#define PAUSE_FIRST_MS 30000 /* at most: retry_first when that is shorter */
#define MINUTE_MS 60000
#define PRUNE_FIRST 1000

static uint32_t window_max(const struct queue *q, const struct site *s)
{
	return s->window_max ? s->window_max : q->conf->queue.connections_destination_max;
}

static uint32_t rate_max(const struct queue *q, const struct site *s)
{
	return s->rate_max ? s->rate_max : q->conf->queue.destination_rate_max;
}

void site_limits(struct queue *q, struct site *s, int route_number)
{
	const struct conf_route *r = route_number >= 0 ? &q->conf->routes[route_number] : NULL;

	s->window_max = r ? r->connections_max : 0;
	s->rate_max = r ? r->rate_max : 0;
	if (s->window > window_max(q, s))
		s->window = window_max(q, s);
}

/* ---- may it start something */

double bucket_fill(double tokens, int64_t *since_ms, double max, int64_t period_ms, int64_t now_ms)
{
	tokens += max * (double)(now_ms - *since_ms) / (double)period_ms;
	*since_ms = now_ms;
	return tokens < max ? tokens : max;
}

/* When it has a token; now_ms or earlier: it has one. */
static int64_t token_ms(struct queue *q, struct site *s, int64_t now_ms)
{
	uint32_t max = rate_max(q, s);

	if (!max)
		return 0;
	s->tokens = bucket_fill(s->tokens, &s->tokens_ms, max, MINUTE_MS, now_ms);
	return s->tokens >= 1 ? 0 : now_ms + 1 + (int64_t)((1 - s->tokens) * MINUTE_MS / max);
}

bool site_open(struct queue *q, struct site *s, int64_t now_ms)
{
	return s->n_running < (unsigned)s->window && s->paused_until_ms <= now_ms && token_ms(q, s, now_ms) <= now_ms;
}

void site_take(struct queue *q, struct site *s)
{
	s->n_running++;
	s->tokens -= 1;
	q->n_running++;
}

void site_give(struct queue *q, struct site *s)
{
	s->n_running--;
	q->n_running--;
}

static void turn_set(struct queue *q, struct site *s, int priority)
{
	list_del(&s->turn);
	s->turn_priority = priority;
	if (priority >= 0)
		list_add_last(&q->turns[priority], &s->turn);
}

void site_turn_over(struct site *s)
{
	list_del(&s->turn);
	s->turn_priority = -1;
}

void site_look(struct queue *q, struct site *s, int64_t now_ms)
{
	const struct destination *first = heap_top(&s->standing);
	int64_t wake_ms = QUEUE_NEVER_MS, token;

	if (first && site_open(q, s, now_ms)) {
		int priority = destination_first(first)->priority;

		if (s->turn_priority != priority)
			turn_set(q, s, priority);
	} else {
		turn_set(q, s, -1);
		if (first && s->n_running < (unsigned)s->window) {
			token = token_ms(q, s, now_ms);
			wake_ms = s->paused_until_ms > token ? s->paused_until_ms : token;
		}
	}
	wake_set(&q->site_wakes, &s->wake, wake_ms);
}

int64_t sites_wake(struct queue *q, int64_t now_ms)
{
	int64_t next_ms;

	for (struct wake *w; (w = wake_due(&q->site_wakes, now_ms, &next_ms));) {
		site_look(q, list_entry(w, struct site, wake), now_ms);
		if (w->ms <= now_ms) /* not now */
			wake_set(&q->site_wakes, w, now_ms + 1);
	}
	return next_ms;
}

/* ---- learning */

int64_t queue_pause_ms(const struct queue *q, unsigned n)
{
	const struct conf_queue *c = &q->conf->queue;
	int64_t ms = c->retry_first_ms < PAUSE_FIRST_MS ? c->retry_first_ms : PAUSE_FIRST_MS;

	while (--n > 0 && ms < c->retry_max_ms)
		ms *= 2;
	return ms < c->retry_max_ms ? ms : c->retry_max_ms;
}

static void shrink(struct site *s)
{
	s->window = s->window / 2 > 1 ? s->window / 2 : 1;
	s->threshold = s->window;
}

void site_learn(struct queue *q, struct site *s, enum feedback f, int64_t now_ms)
{
	switch (f) {
	case FEEDBACK_FINE:
		s->n_failures = 0;
		s->paused_until_ms = 0;
		s->window += s->window < s->threshold ? 1 : 1 / s->window;
		if (s->window > window_max(q, s))
			s->window = window_max(q, s);
		break;
	case FEEDBACK_SLOW:
		if (s->window < 2)
			s->paused_until_ms = now_ms + queue_pause_ms(q, 1);
		shrink(s);
		break;
	case FEEDBACK_DOWN:
		/* Those that were started together fail together: that is one failure. */
		if (s->paused_until_ms <= now_ms)
			s->paused_until_ms = now_ms + queue_pause_ms(q, ++s->n_failures);
		shrink(s);
		s->window = 1;
		break;
	case FEEDBACK_LOCAL: /* nothing about the hosts */
	case FEEDBACK_DOMAIN:
	case FEEDBACK_NONE:
		break;
	}
}

/* ---- life */

void site_init(struct queue *q, struct site *s, int64_t now_ms)
{
	s->standing.kind = &standing_kind;
	s->wake.ms = QUEUE_NEVER_MS;
	s->turn_priority = -1;
	s->tokens_ms = now_ms;
	list_init(&s->turn);
	s->window = WINDOW_FIRST;
	s->threshold = window_max(q, s);
	s->tokens = rate_max(q, s);
}

void site_free(struct site *s)
{
	heap_free(&s->standing);
	free(s);
}

struct site *site_need(struct queue *q, int route_number, struct str hosts, bool joins, int64_t now_ms)
{
	struct site *s;
	struct buf key;

	buf_init(&key, hosts.n + 32);
	buf_addf(&key, "%d %s", route_number, joins ? "by " : ""); /* a next hop may be spelled as hosts of MX records are */
	buf_add(&key, hosts);
	s = map_get(&q->sites, buf_str(&key));
	if (!s) {
		char *text;

		if (q->sites.n >= q->sites_prune)
			sites_prune(q, now_ms);

		s = mem_alloc(sizeof *s + key.n);
		text = (char *)(s + 1);
		memcpy(text, key.p, key.n);
		*s = (struct site){ .key = str_of(text, key.n), .name = str_of(text + key.n - hosts.n, hosts.n) };
		s->joins = joins;
		site_limits(q, s, route_number);
		site_init(q, s, now_ms);
		map_put(&q->sites, s->key, s);
	}
	buf_fini(&key);
	return s;
}

/* Something is worth remembering: it is in use, cannot be reached, or has used up some of its rate. */
static bool remembered(struct queue *q, struct site *s, int64_t now_ms)
{
	uint32_t rate = rate_max(q, s);

	if (s->n_destinations || s->n_running || s->paused_until_ms > now_ms)
		return true;
	return rate && bucket_fill(s->tokens, &(int64_t){ s->tokens_ms }, rate, MINUTE_MS, now_ms) < rate;
}

void sites_prune(struct queue *q, int64_t now_ms)
{
	struct str key;
	size_t at = 0;
	void *v;

	while (map_next(&q->sites, &at, &key, &v)) {
		struct site *s = v;

		if (remembered(q, s, now_ms))
			continue;
		turn_set(q, s, -1);
		wake_set(&q->site_wakes, &s->wake, QUEUE_NEVER_MS);
		map_del(&q->sites, key);
		site_free(s);
	}
	q->sites_prune = q->sites.n * 2 > PRUNE_FIRST ? q->sites.n * 2 : PRUNE_FIRST;
}

/* ---- for people */

static bool is_busy(const struct site *s, int64_t now_ms)
{
	return s->n_running || s->paused_until_ms > now_ms || heap_top(&s->standing);
}

static int by_key(const void *a, const void *b)
{
	return str_cmp((*(const struct site *const *)a)->key, (*(const struct site *const *)b)->key);
}

/* Twice as many as are wanted are gathered, then the better half is kept. */
size_t queue_busy_sites(const struct queue *q, struct str after, int64_t now_ms, const struct site **out, size_t max)
{
	struct VEC(const struct site *) all = { 0 };
	struct str key;
	size_t at = 0, n;
	void *v;

	while (map_next(&q->sites, &at, &key, &v)) {
		if (str_cmp(key, after) <= 0 || !is_busy(v, now_ms))
			continue;
		*vec_push(&all) = v;
		if (all.n < 2 * max)
			continue;
		qsort(all.v, all.n, sizeof(struct site *), by_key);
		all.n = max;
	}
	if (all.n)
		qsort(all.v, all.n, sizeof(struct site *), by_key);
	n = all.n < max ? all.n : max;
	if (n)
		memcpy(out, all.v, n * sizeof *out);
	vec_free(&all);
	return n;
}

size_t queue_site_due(const struct site *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->standing.all.n; i++)
		n += ((const struct destination *)s->standing.all.v[i])->ready.all.n;
	return n;
}
