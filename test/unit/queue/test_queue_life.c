/* test/unit/queue/test_queue_life.c - a queue in which everything that can happen happens at random, and its invariants after each round.
 *
 * Domains are asked about and answered later, hosts change, routes come and go, jobs are held, taken away for a while, rerouted and removed, places are
 * reserved and given back, and long times pass. QUEUE_LIFE_SEED=N runs one world of that seed; QUEUE_LIFE_ROUNDS=N makes it longer.
 */
#include "queue/destination.h"
#include "queue/queue.h"
#include "queue/site.h"

#include "base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DOMAINS 40
#define HOSTS 8
#define OURS_MAX 400 /* jobs of one kind that the test holds */
#define CONFS 4
#define GROUPS_MAX 4

struct running {
	struct job *job;
	struct site *site; /* NULL: it goes along */
};

struct life {
	struct conf *confs[CONFS];
	struct queue q;
	uint64_t seed;
	int64_t ms, s;
	uint64_t id;
	struct running running[OURS_MAX];
	struct job *nowhere[OURS_MAX], *held[OURS_MAX];
	struct destination *asked[OURS_MAX];
	struct site *reserved[OURS_MAX];
	unsigned n_running, n_nowhere, n_held, n_asked, n_reserved;
	uint64_t n_done, n_along, n_learned;
};

static uint64_t pick(struct life *l, uint64_t n)
{
	return rng_step(&l->seed) % n;
}

static const char *const settings[CONFS] = {
	"queue { connections 20; connections_destination 4 }",
	"queue { connections 12; connections_destination 3; destination_rate 30 }\n"
	"route d1.test { next_hop [192.0.2.1]:25; connections 2 }\nroute d2.test { next_hop [192.0.2.1]:25; connections 2 }",
	"queue { connections 20; connections_destination 6; account_rate 50 }\n"
	"route d2.test { next_hop [192.0.2.1]:25 }\nroute d1.test { tls require }\nroute d3.test { next_hop [192.0.2.2]:25; rate 20 }",
	"queue { connections 8 }\nroute d1.test d2.test d3.test d4.test { next_hop host0.test }",
};

static struct conf *conf_of(const char *more)
{
	char text[1000];
	struct conf_errors errs;
	struct conf *conf;

	snprintf(text, sizeof text, "hostname mx.demo.test\nlisten smtp { }\n%s\n", more);
	conf_errors_init(&errs);
	if (!conf_parse(str_z(text), "test", &conf, &errs))
		fail_msg("the settings are not understood: %s", more);
	conf_errors_fini(&errs);
	return conf;
}

/* ---- invariants */

static void check_heap(const struct heap *h, const char *what)
{
	for (size_t i = 0; i < h->all.n; i++) {
		void *e = h->all.v[i];

		if (*(uint32_t *)(void *)((char *)e + h->kind->at) != i)
			fail_msg("%s: an element does not know its index", what);
		if (i && h->kind->before(e, h->all.v[(i - 1) / 2]))
			fail_msg("%s: element %zu of %zu is before its parent", what, i, h->all.n);
	}
}

static bool is_in(const struct heap *h, const void *e, uint32_t at)
{
	return at < h->all.n && h->all.v[at] == e;
}

static void check_jobs(struct life *l)
{
	size_t at = 0, n[JOB_PLACES] = { 0 }, n_all = 0;
	struct job *j;

	while ((j = queue_each(&l->q, &at))) {
		n_all++;
		n[j->place]++;
		assert_ptr_equal(queue_find(&l->q, j->id, j->group), j);
		assert_ptr_equal(map_get(&l->q.destinations, j->to->key), j->to);
		if (j->place == JOB_LATER)
			assert_true(is_in(&j->to->later, j, j->at));
		if (j->place == JOB_READY)
			assert_true(is_in(&j->to->ready, j, j->at));
	}
	assert_int_equal(n_all, l->q.n_jobs);
	for (int p = 0; p < JOB_PLACES; p++)
		assert_int_equal(n[p], l->q.n_placed[p]);
	assert_int_equal(n[JOB_RUNNING], l->n_running);
	assert_int_equal(n[JOB_HELD], l->n_held);
	assert_int_equal(n[JOB_NOWHERE], l->n_nowhere);
}

/* settled: queue_next has just said that nothing is to be started now. */
static void check_destination(struct life *l, struct destination *d, bool settled)
{
	unsigned n_running = 0, n_aside = 0;
	bool pauses = d->paused_until_ms > l->ms;

	for (unsigned i = 0; i < l->n_running; i++)
		n_running += l->running[i].job->to == d;
	for (unsigned i = 0; i < l->n_held; i++)
		n_aside += l->held[i]->to == d;
	for (unsigned i = 0; i < l->n_nowhere; i++)
		n_aside += l->nowhere[i]->to == d;
	assert_int_equal(d->n_running, n_running);
	assert_int_equal(d->n_aside, n_aside);
	check_heap(&d->later, "later");
	check_heap(&d->ready, "ready");
	if (d->stands)
		assert_true(d->site && is_in(&d->site->standing, d, d->stand_at) && d->ready.all.n);
	if (d->wake.ms != QUEUE_NEVER_MS)
		assert_true(is_in(&l->q.destination_wakes, &d->wake, d->wake.at));
	if (d->ready.all.n && !d->site && !d->asked && list_empty(&d->asking))
		fail_msg("%.*s has something to send and is lost: no site, and nobody asks", STR_ARG(d->name));
	if (!settled)
		return;
	if (d->site && d->stands != (d->ready.all.n && !pauses)) /* D1 */
		fail_msg("%.*s: stands %d, ready %zu, pauses %d", STR_ARG(d->name), d->stands, d->ready.all.n, pauses);
	if (d->ready.all.n && pauses) /* D2 */
		assert_true(d->wake.ms <= d->paused_until_ms);
	if (d->later.all.n)
		assert_true(d->wake.ms <= l->ms + (((struct job *)heap_top(&d->later))->due_s - l->s) * 1000);
}

static void check_site(struct life *l, struct site *s, bool settled)
{
	unsigned n_running = 0, n_destinations = 0;
	struct destination *first = heap_top(&s->standing);
	struct str key;
	size_t at = 0;
	void *v;

	for (unsigned i = 0; i < l->n_running; i++)
		n_running += l->running[i].site == s;
	for (unsigned i = 0; i < l->n_reserved; i++)
		n_running += l->reserved[i] == s;
	assert_int_equal(s->n_running, n_running);
	while (map_next(&l->q.destinations, &at, &key, &v))
		n_destinations += ((struct destination *)v)->site == s;
	assert_int_equal(s->n_destinations, n_destinations);
	check_heap(&s->standing, "standing");
	for (size_t i = 0; i < s->standing.all.n; i++)
		assert_true(((struct destination *)s->standing.all.v[i])->site == s && ((struct destination *)s->standing.all.v[i])->stands);
	if (s->wake.ms != QUEUE_NEVER_MS)
		assert_true(is_in(&l->q.site_wakes, &s->wake, s->wake.at));
	if (!settled || !first)
		return;
	if (site_open(&l->q, s, l->ms) && s->turn_priority < 0) /* S1 */
		fail_msg("%.*s may start something, and has no turn", STR_ARG(s->key));
	if (!site_open(&l->q, s, l->ms) && s->n_running < (unsigned)s->window && s->wake.ms == QUEUE_NEVER_MS) /* S2 */
		fail_msg("%.*s waits for time alone, and nothing wakes it", STR_ARG(s->key));
}

static void check(struct life *l, bool settled)
{
	struct str key;
	unsigned n = 0;
	size_t at;
	void *v;

	check_heap(&l->q.destination_wakes, "wakes of destinations");
	check_heap(&l->q.site_wakes, "wakes of sites");
	check_jobs(l);
	for (at = 0; map_next(&l->q.destinations, &at, &key, &v);)
		check_destination(l, v, settled);
	for (at = 0; map_next(&l->q.sites, &at, &key, &v);)
		check_site(l, v, settled);
	for (unsigned i = 0; i < l->n_running; i++)
		n += l->running[i].site != NULL;
	assert_int_equal(l->q.n_running, n + l->n_reserved);
}

/* ---- what happens */

static struct str domain_of(struct life *l, char room[32])
{
	snprintf(room, 32, "d%u.test", (unsigned)pick(l, DOMAINS));
	return str_z(room);
}

/* Some are written as hosts are that relay may name. */
static struct str route_of(struct life *l, char room[32])
{
	if (pick(l, 2))
		return STR("");
	snprintf(room, 32, pick(l, 2) ? "host%u.test" : "[192.0.2.%u]:25", (unsigned)pick(l, HOSTS));
	return str_z(room);
}

static struct job job_of(struct life *l, uint64_t id, uint32_t group, enum job_place place)
{
	return (struct job){ .id = id, .group = group, .account = pick(l, 3), .date_s = l->s, .until_s = l->s + 432000,
		.due_s = l->s + (int64_t)pick(l, 20) - 5,
		.n_rcpts = (uint16_t)(1 + pick(l, 5)), .priority = (uint8_t)(1 + pick(l, 19)), .place = (uint8_t)place };
}

/* Mostly the groups of a letter differ in where they go alone. */
static void add_letter(struct life *l)
{
	char domain[32], route[32];
	uint64_t id = ++l->id;
	uint32_t n = 1 + (uint32_t)pick(l, GROUPS_MAX);
	bool hold = pick(l, 10) == 0, routed = pick(l, 2);
	struct job like = job_of(l, id, 0, JOB_LATER);
	struct str way = pick(l, 8) ? STR("") : route_of(l, route);

	for (uint32_t i = 0; i < n; i++) {
		struct job j = pick(l, 4) ? like : job_of(l, id, i, JOB_LATER);
		struct job *added;

		j.group = i;
		j.place = hold && l->n_held < OURS_MAX ? JOB_HELD : JOB_LATER;
		if (routed)
			snprintf(domain, sizeof domain, "d%u.test", 1 + i);
		else
			domain_of(l, domain);
		added = queue_add(&l->q, &j, (struct queue_to){ str_z(domain), way }, l->ms, l->s);
		if (added->place == JOB_HELD)
			l->held[l->n_held++] = added;
	}
}

/* What becomes of one that is nowhere, or has ended. */
static void give_place(struct life *l, struct job *j)
{
	char route[32];
	uint64_t r = pick(l, 10);

	if (r < 4) {
		queue_remove(&l->q, j);
		l->n_done++;
		return;
	}
	if (r == 4)
		queue_reroute(&l->q, j, route_of(l, route), l->ms);
	if (r == 5 && l->n_held < OURS_MAX) {
		l->held[l->n_held++] = j;
		queue_place(&l->q, j, JOB_HELD, l->ms, l->s);
		return;
	}
	j->due_s = l->s + (pick(l, 4) ? (int64_t)pick(l, 10) : (int64_t)pick(l, 6000));
	queue_place(&l->q, j, JOB_LATER, l->ms, l->s);
}

static void end_one(struct life *l)
{
	struct running x;
	unsigned at;
	int f;

	if (!l->n_running)
		return;
	at = (unsigned)pick(l, l->n_running);
	x = l->running[at];
	l->running[at] = l->running[--l->n_running];
	f = (int)pick(l, FEEDBACK_NONE + 2) - 1;
	if (x.site)
		queue_connection_ended(&l->q, x.site, f, l->ms);
	queue_ended(&l->q, x.job, f, l->ms, l->s);
	give_place(l, x.job);
}

static bool settled(const struct life *l)
{
	return l->q.n_running < l->q.conf->queue.connections_max;
}

/* False: the test can hold no more. */
static bool start_all(struct life *l)
{
	int64_t look;
	struct site *site;
	struct job *j, *k;

	while (l->n_running + GROUPS_MAX < OURS_MAX && (j = queue_next(&l->q, l->ms, l->s, &site, &look))) {
		l->running[l->n_running++] = (struct running){ j, site };
		assert_ptr_equal(j->to->site, site);
		while ((k = queue_next_along(&l->q, j, site, l->ms, l->s))) {
			assert_true(k->id == j->id && k->to->site == site && site->joins);
			/* They are handed to relay with one domain and one route. */
			assert_int_equal(j->to->route_number, k->to->route_number);
			assert_true(str_eq(j->to->route, k->to->route));
			assert_true(k->to->route.n || k->to->route_number >= 0);
			l->running[l->n_running++] = (struct running){ k, NULL };
			l->n_along++;
		}
	}
	return l->n_running + GROUPS_MAX < OURS_MAX;
}

static void take_away(struct life *l)
{
	size_t at = pick(l, l->q.table_size);
	struct job *j = queue_each(&l->q, &at);

	if (!j || l->n_nowhere == OURS_MAX || j->place == JOB_RUNNING || j->place == JOB_NOWHERE)
		return;
	for (unsigned i = 0; i < l->n_held; i++)
		if (l->held[i] == j)
			l->held[i] = l->held[--l->n_held];
	queue_place(&l->q, j, JOB_NOWHERE, l->ms, l->s);
	l->nowhere[l->n_nowhere++] = j;
}

static void bring_back(struct life *l)
{
	unsigned at;
	struct job *j;

	if (!l->n_nowhere)
		return;
	at = (unsigned)pick(l, l->n_nowhere);
	j = l->nowhere[at];
	l->nowhere[at] = l->nowhere[--l->n_nowhere];
	give_place(l, j);
}

static void ask(struct life *l)
{
	struct destination *d;

	if (l->n_asked < OURS_MAX && (d = queue_ask(&l->q)))
		l->asked[l->n_asked++] = d;
}

/* Hosts are those of the number, mostly; sometimes they have changed. */
static void answer(struct life *l)
{
	char hosts[32];
	struct site_facts f = { .secure = pick(l, 2), .alone = pick(l, 4) == 0, .valid_ms = 60000 + (int64_t)pick(l, 3600000) };
	unsigned at;
	struct destination *d;

	if (!l->n_asked)
		return;
	at = (unsigned)pick(l, l->n_asked);
	d = l->asked[at];
	l->asked[at] = l->asked[--l->n_asked];
	snprintf(hosts, sizeof hosts, "host%u.test", (unsigned)(pick(l, 10) ? str_hash(d->name, 0) % HOSTS : pick(l, HOSTS)));
	f.hosts = str_z(hosts);
	queue_learn(&l->q, d, pick(l, 8) ? &f : NULL, l->ms, l->s);
	l->n_learned++;
}

static void reserve(struct life *l)
{
	char domain[32];
	struct queue_to to = { domain_of(l, domain), STR("") };
	struct site *s;

	if (l->n_reserved == OURS_MAX || l->n_running == OURS_MAX || !(s = queue_reserve(&l->q, to, pick(l, 3), 1, l->ms)))
		return;
	l->reserved[l->n_reserved++] = s;
}

/* It is given back, or a letter that has come in meanwhile runs over it. */
static void use_reserved(struct life *l)
{
	char domain[32];
	struct site *s;
	unsigned at;

	if (!l->n_reserved)
		return;
	at = (unsigned)pick(l, l->n_reserved);
	s = l->reserved[at];
	l->reserved[at] = l->reserved[--l->n_reserved];
	if (pick(l, 2) && l->n_running < OURS_MAX) {
		struct job j = job_of(l, ++l->id, 0, JOB_RUNNING);

		l->running[l->n_running++] = (struct running){ queue_add(&l->q, &j, (struct queue_to){ domain_of(l, domain), STR("") }, l->ms, l->s), s };
	} else {
		queue_connection_ended(&l->q, s, -1, l->ms);
	}
}

static void tend_fn(void *ctx, struct job *j)
{
	struct life *l = ctx;

	if (l->n_nowhere == OURS_MAX)
		return;
	queue_place(&l->q, j, JOB_NOWHERE, l->ms, l->s);
	l->nowhere[l->n_nowhere++] = j;
}

static void pass(struct life *l)
{
	int64_t s = pick(l, 200) == 0 ? (int64_t)pick(l, 8000) : (int64_t)pick(l, 3);

	l->s += s;
	l->ms += s * 1000 + (int64_t)pick(l, 999);
}

static void something(struct life *l)
{
	char domain[32];

	switch (pick(l, 24)) {
	case 0: case 1: case 2: case 3:
		if (l->q.n_jobs < 300)
			add_letter(l);
		break;
	case 4: case 5: case 6: case 7: case 8:
		end_one(l);
		break;
	case 9:
		take_away(l);
		break;
	case 10: case 11:
		bring_back(l);
		break;
	case 12: case 13:
		ask(l);
		break;
	case 14: case 15:
		answer(l);
		break;
	case 16:
		reserve(l);
		break;
	case 17:
		use_reserved(l);
		break;
	case 18:
		if (l->n_held) {
			struct job *j = l->held[--l->n_held];

			j->due_s = l->s;
			queue_place(&l->q, j, JOB_LATER, l->ms, l->s);
		}
		break;
	case 19:
		if (pick(l, 4) == 0)
			queue_flush(&l->q, domain_of(l, domain), l->ms, l->s);
		break;
	case 20:
		if (pick(l, 10) == 0)
			queue_configure(&l->q, l->confs[pick(l, CONFS)], l->ms, l->s);
		break;
	case 21:
		if (pick(l, 10) == 0)
			destinations_prune(&l->q, l->ms);
		break;
	case 22:
		queue_sweep(&l->q, 20, l->s, tend_fn, l);
		break;
	case 23:
		pass(l);
		break;
	}
}

static void open_life(struct life *l, uint64_t seed)
{
	*l = (struct life){ .seed = seed, .ms = 1000000, .s = 5000000 };
	for (int i = 0; i < CONFS; i++)
		l->confs[i] = conf_of(settings[i]);
	queue_init(&l->q, l->confs[0], seed);
}

/* All that was under way ends well, and with time all of it leaves. */
static void finish(struct life *l)
{
	while (l->n_reserved)
		queue_connection_ended(&l->q, l->reserved[--l->n_reserved], -1, l->ms);
	for (unsigned round = 0; l->q.n_jobs; round++) {
		if (round > 20000)
			fail_msg("%zu jobs never leave: %zu ready, %zu later", l->q.n_jobs, l->q.n_placed[JOB_READY], l->q.n_placed[JOB_LATER]);
		while (l->n_nowhere)
			queue_place(&l->q, l->nowhere[--l->n_nowhere], JOB_LATER, l->ms, l->s);
		while (l->n_held)
			queue_place(&l->q, l->held[--l->n_held], JOB_LATER, l->ms, l->s);
		ask(l);
		answer(l);
		start_all(l);
		check(l, settled(l));
		while (l->n_running) {
			struct running x = l->running[--l->n_running];

			if (x.site)
				queue_connection_ended(&l->q, x.site, FEEDBACK_FINE, l->ms);
			queue_ended(&l->q, x.job, FEEDBACK_FINE, l->ms, l->s);
			queue_remove(&l->q, x.job);
		}
		l->s += 5;
		l->ms += 5000;
	}
	while (l->n_asked)
		answer(l);
	l->s += 7 * 86400;
	l->ms += (int64_t)7 * 86400 * 1000;
	destinations_prune(&l->q, l->ms);
	assert_int_equal(l->q.destinations.n, 0);
	assert_int_equal(l->q.sites.n, 0);
	assert_int_equal(l->q.n_running, 0);
}

static void live(uint64_t seed, unsigned rounds)
{
	struct life *l = malloc(sizeof *l);

	open_life(l, seed);
	for (unsigned i = 0; i < rounds; i++) {
		something(l);
		if (pick(l, 2)) {
			bool all = start_all(l);

			if (all && i % 4 == 0)
				check(l, settled(l));
		} else if (i % 16 == 0) {
			check(l, false);
		}
	}
	finish(l);
	print_message("seed %llu: %llu done, %llu along, %llu learned\n", (unsigned long long)seed, (unsigned long long)l->n_done,
		(unsigned long long)l->n_along, (unsigned long long)l->n_learned);
	queue_fini(&l->q);
	for (int i = 0; i < CONFS; i++)
		conf_free(l->confs[i]);
	free(l);
}

static void test_lives(void **state)
{
	const char *seed = getenv("QUEUE_LIFE_SEED"), *rounds = getenv("QUEUE_LIFE_ROUNDS");
	unsigned n = rounds ? (unsigned)strtoul(rounds, NULL, 10) : 20000;

	(void)state;
	if (seed)
		live(strtoull(seed, NULL, 10), n);
	for (uint64_t i = 1; !seed && i <= 6; i++)
		live(i, n);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_lives) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
