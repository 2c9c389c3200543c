/* The queue's order: windows, turns, pauses, rates, priorities, times. Time is a number here. */
#include "queue/destination.h"
#include "queue/queue.h"
#include "queue/site.h"

#include "base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

struct world {
	struct conf *conf;
	struct queue q;
	int64_t ms, s;
	uint64_t id;
	unsigned n_asked;
};

static void world_open(struct world *w, const char *settings)
{
	char text[1000];
	struct conf_errors errs;

	snprintf(text, sizeof text, "hostname mx.demo.test\nlisten smtp { }\n%s\n", settings);
	*w = (struct world){ .ms = 1000000, .s = 5000000 };
	conf_errors_init(&errs);
	assert_true(conf_parse(str_z(text), "test", &w->conf, &errs));
	conf_errors_fini(&errs);
	queue_init(&w->q, w->conf, 7);
}

static void world_close(struct world *w)
{
	queue_fini(&w->q);
	conf_free(w->conf);
}

static void pass(struct world *w, int64_t s)
{
	w->ms += s * 1000;
	w->s += s;
}

static struct job *add(struct world *w, const char *to, struct job j)
{
	j.id = ++w->id;
	j.date_s = w->s;
	j.until_s = w->s + 432000;
	j.place = JOB_LATER;
	j.n_rcpts = j.n_rcpts ? j.n_rcpts : 1;
	j.due_s += w->s;
	j.priority = j.priority ? j.priority : PRIORITY_OF_NORMAL;
	return queue_add(&w->q, &j, (struct queue_to){ str_z(to), STR("") }, w->ms, w->s);
}

/* What relay says: "one.test" and "two.test" share hosts, every other domain has its own; "alone-" has a policy of its own. */
static void answer_all(struct world *w)
{
	for (struct destination *d; (d = queue_ask(&w->q));) {
		bool shared = str_ends(d->name, STR("one.test")) || str_ends(d->name, STR("two.test"));
		struct site_facts f = { .hosts = shared ? STR("mx.shared.test") : d->name, .secure = shared, .valid_ms = 3600000,
			.alone = str_starts(d->name, STR("alone-")) };

		w->n_asked++;
		queue_learn(&w->q, d, str_starts(d->name, STR("unknown")) ? NULL : &f, w->ms, w->s);
	}
}

static struct job *next(struct world *w, int64_t *look_ms)
{
	int64_t ignored;
	struct site *site;
	struct job *j = queue_next(&w->q, w->ms, w->s, &site, look_ms ? look_ms : &ignored);

	if (!j) { /* as the queue's task does */
		answer_all(w);
		j = queue_next(&w->q, w->ms, w->s, &site, look_ms ? look_ms : &ignored);
	}
	return j;
}

static void ended(struct world *w, struct job *j, int f)
{
	if (j->to->site)
		queue_connection_ended(&w->q, j->to->site, f, w->ms);
	queue_ended(&w->q, j, f, w->ms, w->s);
}

static void end(struct world *w, struct job *j, enum feedback f)
{
	ended(w, j, (int)f);
	queue_remove(&w->q, j);
}

/* Its site is known from then on. */
static struct site *site_of(struct world *w, const char *name)
{
	struct destination *d = destination_need(&w->q, (struct queue_to){ str_z(name), STR("") }, w->ms);

	if (!d->site)
		queue_learn(&w->q, d, &(struct site_facts){ .hosts = d->name, .valid_ms = 3600000 }, w->ms, w->s);
	return d->site;
}

static unsigned start_all(struct world *w, struct job **out, unsigned max)
{
	unsigned n = 0;
	struct job *j;

	while (n < max && (j = next(w, NULL)))
		out[n++] = j;
	return n;
}

static void test_due_and_look(void **state)
{
	struct world w;
	int64_t look;
	struct job *late, *soon;

	(void)state;
	world_open(&w, "");
	late = add(&w, "a.test", (struct job){ .due_s = 60 });
	soon = add(&w, "b.test", (struct job){ .due_s = 10 });
	assert_null(next(&w, &look));
	assert_int_equal(look, w.ms + 10000);
	pass(&w, 10);
	assert_ptr_equal(next(&w, &look), soon);
	assert_null(next(&w, &look));
	assert_int_equal(look, w.ms + 50000);
	pass(&w, 50);
	assert_ptr_equal(next(&w, NULL), late);
	world_close(&w);
}

static void test_window_grows_and_shrinks(void **state)
{
	struct job *run[40];
	struct world w;

	(void)state;
	world_open(&w, "queue { connections_destination 5 }");
	for (int i = 0; i < 40; i++)
		add(&w, "a.test", (struct job){ 0 });
	assert_int_equal(start_all(&w, run, 40), 2); /* a new destination is tried with few */
	end(&w, run[0], FEEDBACK_FINE);
	end(&w, run[1], FEEDBACK_FINE);
	assert_int_equal(start_all(&w, run, 40), 4);
	for (int i = 0; i < 4; i++)
		end(&w, run[i], FEEDBACK_FINE);
	assert_int_equal(start_all(&w, run, 40), 5); /* the setting */
	end(&w, run[0], FEEDBACK_SLOW);
	for (int i = 1; i < 5; i++)
		ended(&w, run[i], -1);
	assert_int_equal(start_all(&w, run, 40), 2); /* half of it */
	world_close(&w);
}

static void test_one_down_does_not_slow_the_others(void **state)
{
	struct job *down, *fine;
	struct world w;
	int64_t look;

	(void)state;
	world_open(&w, "");
	down = add(&w, "down.test", (struct job){ 0 });
	assert_ptr_equal(next(&w, NULL), down);
	ended(&w, down, FEEDBACK_DOWN);
	queue_place(&w.q, down, JOB_LATER, w.ms, w.s); /* due now, but its destination pauses */
	fine = add(&w, "fine.test", (struct job){ 0 });
	assert_ptr_equal(next(&w, &look), fine);
	assert_null(next(&w, &look));
	assert_int_equal(look, w.ms + 30000);
	pass(&w, 30);
	assert_ptr_equal(next(&w, NULL), down);
	ended(&w, down, FEEDBACK_DOWN);
	queue_place(&w.q, down, JOB_LATER, w.ms, w.s);
	assert_null(next(&w, &look));
	assert_int_equal(look, w.ms + 60000); /* twice as long */
	world_close(&w);
}

static void test_those_that_fail_together_are_one_failure(void **state)
{
	struct job *run[40];
	struct world w;
	int64_t look;
	unsigned n;

	(void)state;
	world_open(&w, "");
	for (int i = 0; i < 3; i++) {
		add(&w, "a.test", (struct job){ 0 });
		add(&w, "a.test", (struct job){ 0 });
		n = start_all(&w, run, 40);
		for (unsigned k = 0; k < n; k++)
			end(&w, run[k], FEEDBACK_FINE);
	}
	for (int i = 0; i < 5; i++)
		add(&w, "a.test", (struct job){ 0 });
	assert_int_equal(n = start_all(&w, run, 40), 5);
	for (unsigned k = 0; k < n; k++)
		end(&w, run[k], FEEDBACK_DOWN);
	add(&w, "a.test", (struct job){ 0 });
	assert_null(next(&w, &look));
	assert_int_equal(look, w.ms + 30000);
	pass(&w, 30);
	add(&w, "a.test", (struct job){ 0 });
	assert_int_equal(start_all(&w, run, 40), 1); /* one looks whether it is back */
	end(&w, run[0], FEEDBACK_FINE);
	assert_int_equal(start_all(&w, run, 40), 1);
	world_close(&w);
}

static void test_destinations_take_turns(void **state)
{
	struct job *run[10];
	struct world w;

	(void)state;
	world_open(&w, "queue { connections 3 }");
	for (int i = 0; i < 10; i++)
		add(&w, "much.test", (struct job){ 0 });
	add(&w, "little.test", (struct job){ 0 });
	assert_int_equal(start_all(&w, run, 10), 3); /* all connections together */
	assert_true(str_eq(run[0]->to->name, STR("much.test")));
	assert_true(str_eq(run[1]->to->name, STR("little.test")));
	world_close(&w);
}

static void test_priority_first(void **state)
{
	struct job *low, *high, *normal;
	struct world w;

	(void)state;
	world_open(&w, "queue { connections 1 }");
	low = add(&w, "a.test", (struct job){ .priority = PRIORITY_OF_NORMAL - 4 });
	normal = add(&w, "a.test", (struct job){ 0 });
	high = add(&w, "b.test", (struct job){ .priority = PRIORITY_OF_NORMAL + 9 });
	assert_ptr_equal(next(&w, NULL), high);
	assert_null(next(&w, NULL));
	end(&w, high, FEEDBACK_FINE);
	assert_ptr_equal(next(&w, NULL), normal);
	end(&w, normal, FEEDBACK_FINE);
	assert_ptr_equal(next(&w, NULL), low);
	world_close(&w);
}

static void test_rates(void **state)
{
	struct job *run[100];
	struct world w;
	int64_t look;

	(void)state;
	world_open(&w, "queue { destination_rate 6; account_rate 20; connections_destination 100 }\nroute free.test { rate 1000 }");
	site_of(&w, "slow.test")->window = 100;
	for (int i = 0; i < 30; i++)
		add(&w, "slow.test", (struct job){ 0 });
	assert_int_equal(start_all(&w, run, 100), 6);
	assert_null(next(&w, &look));
	assert_in_range(look, w.ms + 9000, w.ms + 10002); /* the next of six a minute */
	pass(&w, 11);
	assert_int_equal(start_all(&w, run, 100), 1);
	site_of(&w, "free.test")->window = 100;
	for (int i = 0; i < 5; i++)
		add(&w, "free.test", (struct job){ .account = 7, .n_rcpts = 8 });
	assert_int_equal(start_all(&w, run, 100), 2); /* 16 of 20 recipients; another 8 are more than are left */
	assert_null(next(&w, &look));
	pass(&w, 1000); /* 20 an hour: 4 more were needed */
	assert_in_range(start_all(&w, run, 100), 1, 30);
	world_close(&w);
}

static void test_flush_hold_find(void **state)
{
	struct world w;
	struct job *a, *b;

	(void)state;
	world_open(&w, "");
	a = add(&w, "a.test", (struct job){ .due_s = 1000 });
	b = add(&w, "a.test", (struct job){ .due_s = 1000 });
	queue_place(&w.q, b, JOB_HELD, w.ms, w.s);
	assert_ptr_equal(queue_find(&w.q, a->id, 0), a);
	assert_null(queue_find(&w.q, a->id, 1));
	assert_int_equal(queue_flush(&w.q, STR("a.test"), w.ms, w.s), 1);
	assert_int_equal(queue_flush(&w.q, STR("b.test"), w.ms, w.s), 0);
	assert_ptr_equal(next(&w, NULL), a);
	assert_null(next(&w, NULL));
	pass(&w, 100000);
	assert_null(next(&w, NULL)); /* held until somebody lets it go */
	queue_place(&w.q, b, JOB_LATER, w.ms, w.s);
	assert_ptr_equal(next(&w, NULL), b);
	world_close(&w);
}

static struct site *reserve(struct world *w, const char *to)
{
	return queue_reserve(&w->q, (struct queue_to){ str_z(to), STR("") }, 0, 1, w->ms);
}

static void test_reserved_places_count(void **state)
{
	struct site *a, *b;
	struct world w;

	(void)state;
	world_open(&w, "");
	assert_null(reserve(&w, "a.test")); /* nobody knows where that is */
	site_of(&w, "a.test");
	a = reserve(&w, "a.test");
	b = reserve(&w, "a.test");
	assert_non_null(a);
	assert_ptr_equal(a, b);
	assert_null(reserve(&w, "a.test"));
	add(&w, "a.test", (struct job){ 0 });
	assert_null(next(&w, NULL));
	queue_connection_ended(&w.q, a, -1, w.ms);
	assert_non_null(next(&w, NULL));
	assert_null(reserve(&w, "a.test"));
	world_close(&w);
}

/* ---- sites */

static void test_domains_of_the_same_hosts_are_one(void **state)
{
	struct job *run[10], *j, **shared = run;
	struct world w;
	int64_t look;

	(void)state;
	world_open(&w, "");
	for (int i = 0; i < 3; i++) {
		add(&w, "one.test", (struct job){ 0 });
		add(&w, "two.test", (struct job){ 0 });
	}
	add(&w, "other.test", (struct job){ 0 });
	assert_int_equal(start_all(&w, run, 10), 3); /* two at the hosts of both, and the other */
	assert_int_equal(w.n_asked, 3);
	for (int i = 0; i < 3; i++)
		if (!str_eq(run[i]->to->name, STR("other.test")))
			*shared++ = run[i];
	assert_ptr_equal(shared, run + 2);
	assert_ptr_not_equal(run[0]->to, run[1]->to); /* the domains take turns there */
	assert_ptr_equal(run[0]->to->site, run[1]->to->site);
	for (int i = 0; i < 2; i++) {
		ended(&w, run[i], FEEDBACK_DOWN);
		queue_place(&w.q, run[i], JOB_LATER, w.ms, w.s);
	}
	j = add(&w, "two.test", (struct job){ .priority = PRIORITY_OF_NORMAL + 9 });
	assert_null(next(&w, &look)); /* the hosts are down, whoever's mail it is */
	assert_int_equal(look, w.ms + 30000);
	queue_unpause(&w.q, j->to, w.ms, w.s);
	assert_ptr_equal(next(&w, NULL), j);
	world_close(&w);
}

static void test_what_is_of_a_domain_alone_pauses_it_alone(void **state)
{
	struct job *one, *two;
	struct world w;
	int64_t look;

	(void)state;
	world_open(&w, "");
	one = add(&w, "one.test", (struct job){ 0 });
	assert_ptr_equal(next(&w, NULL), one);
	ended(&w, one, FEEDBACK_DOMAIN);
	queue_place(&w.q, one, JOB_LATER, w.ms, w.s);
	two = add(&w, "two.test", (struct job){ 0 });
	assert_ptr_equal(next(&w, NULL), two);
	assert_null(next(&w, &look));
	assert_int_equal(look, w.ms + 30000);
	pass(&w, 30);
	assert_ptr_equal(next(&w, NULL), one);
	ended(&w, one, FEEDBACK_DOMAIN);
	queue_place(&w.q, one, JOB_LATER, w.ms, w.s);
	assert_null(next(&w, &look));
	assert_int_equal(look, w.ms + 60000);
	world_close(&w);
}

static void test_hosts_that_cannot_be_found_out_and_that_change(void **state)
{
	struct world w;
	struct destination *d;
	struct job *j;

	(void)state;
	world_open(&w, "");
	j = add(&w, "unknown.test", (struct job){ 0 });
	assert_ptr_equal(next(&w, NULL), j); /* it is tried all the same */
	d = j->to;
	assert_int_equal((queue_shares_hosts(d, w.ms) ? queue_known_hosts(d) : STR("")).n, 0);
	end(&w, j, FEEDBACK_FINE);
	pass(&w, 61);
	add(&w, "unknown.test", (struct job){ 0 });
	assert_non_null(next(&w, NULL)); /* what was known before serves */
	assert_ptr_equal(queue_ask(&w.q), d);
	assert_null(queue_ask(&w.q));
	queue_learn(&w.q, d, &(struct site_facts){ .hosts = STR("mx.new.test"), .valid_ms = 1000 }, w.ms, w.s);
	assert_true(str_eq(d->site->name, STR("mx.new.test")));
	assert_true(str_eq((queue_shares_hosts(d, w.ms) ? queue_known_hosts(d) : STR("")), STR("mx.new.test")));
	assert_false(queue_shares_hosts(d, w.ms + 1000));
	j = add(&w, "alone-.test", (struct job){ 0 });
	assert_ptr_equal(next(&w, NULL), j);
	assert_int_equal((queue_shares_hosts(j->to, w.ms) ? queue_known_hosts(j->to) : STR("")).n, 0);
	world_close(&w);
}

static struct job *add_group(struct world *w, const char *to, uint64_t id, uint32_t group)
{
	struct job j = { .id = id, .group = group, .date_s = w->s, .until_s = w->s + 1000, .due_s = w->s, .place = JOB_LATER, .n_rcpts = 1,
		.priority = PRIORITY_OF_NORMAL };

	return queue_add(&w->q, &j, (struct queue_to){ str_z(to), STR("") }, w->ms, w->s);
}

static void test_groups_of_a_letter_go_along_to_a_next_hop(void **state)
{
	struct job *j, *along;
	struct site *site;
	struct world w;
	int64_t look;

	(void)state;
	world_open(&w, "route x.test { }\nroute * { next_hop [192.0.2.1]:25 }");
	add_group(&w, "b.test", 7, 1);
	add_group(&w, "a.test", 7, 0);
	add_group(&w, "a.test", 8, 0);
	j = queue_next(&w.q, w.ms, w.s, &site, &look);
	assert_int_equal(j->id * 10 + j->group, 70);
	assert_true(str_eq(site->name, STR("[192.0.2.1]:25")));
	along = queue_next_along(&w.q, j, site, w.ms, w.s);
	assert_int_equal(along->id * 10 + along->group, 71);
	assert_null(queue_next_along(&w.q, j, site, w.ms, w.s)); /* the next letter is another */
	assert_int_equal(w.q.n_running, 1); /* one connection */
	queue_ended(&w.q, along, FEEDBACK_FINE, w.ms, w.s);
	queue_remove(&w.q, along);
	assert_int_equal(w.q.n_running, 1);
	queue_connection_ended(&w.q, site, FEEDBACK_FINE, w.ms);
	queue_ended(&w.q, j, FEEDBACK_FINE, w.ms, w.s);
	queue_remove(&w.q, j);
	assert_int_equal(w.q.n_running, 0);
	assert_int_equal(w.n_asked, 0); /* the operator has said where that is */
	world_close(&w);
}

static void test_groups_of_a_letter_go_apart_to_mx(void **state)
{
	struct job *j;
	struct site *site;
	struct world w;
	int64_t look;

	(void)state;
	world_open(&w, "");
	add_group(&w, "one.test", 7, 0);
	add_group(&w, "two.test", 7, 1);
	answer_all(&w);
	j = queue_next(&w.q, w.ms, w.s, &site, &look);
	assert_non_null(j);
	assert_null(queue_next_along(&w.q, j, site, w.ms, w.s));
	world_close(&w);
}

static void test_rerouted_jobs_are_elsewhere(void **state)
{
	struct job *j, *k;
	struct world w;

	(void)state;
	world_open(&w, "");
	j = add(&w, "a.test", (struct job){ 0 });
	k = add(&w, "a.test", (struct job){ 0 });
	queue_place(&w.q, j, JOB_NOWHERE, w.ms, w.s);
	queue_reroute(&w.q, j, STR("[192.0.2.1]:25"), w.ms);
	queue_place(&w.q, j, JOB_LATER, w.ms, w.s);
	assert_ptr_equal(next(&w, NULL), j);
	assert_true(str_eq(j->to->site->name, STR("[192.0.2.1]:25")));
	assert_true(str_eq(j->to->name, STR("a.test")));
	assert_ptr_equal(next(&w, NULL), k);
	assert_ptr_not_equal(k->to->site, j->to->site);
	ended(&w, j, -1);
	queue_reroute(&w.q, j, STR(""), w.ms);
	assert_ptr_equal(j->to, k->to);
	world_close(&w);
}

static struct conf *other_conf(const char *settings)
{
	struct world other;

	world_open(&other, settings);
	queue_fini(&other.q);
	return other.conf;
}

static void test_another_configuration_leads_elsewhere(void **state)
{
	struct conf *old;
	struct job *j;
	struct world w;

	(void)state;
	world_open(&w, "");
	j = add(&w, "one.test", (struct job){ .due_s = 10 });
	add(&w, "one.test", (struct job){ 0 });
	assert_non_null(next(&w, NULL));
	old = w.conf;
	w.conf = other_conf("route one.test { next_hop [192.0.2.1]:2525; connections 3 }");
	queue_configure(&w.q, w.conf, w.ms, w.s);
	conf_free(old);
	assert_true(str_eq(j->to->site->name, STR("[192.0.2.1]:2525")));
	assert_int_equal(j->to->site->window_max, 3);
	pass(&w, 10);
	assert_ptr_equal(next(&w, NULL), j);
	old = w.conf;
	w.conf = other_conf("");
	queue_configure(&w.q, w.conf, w.ms, w.s);
	conf_free(old);
	assert_null(j->to->site); /* it is asked about again when there is something for it */
	add(&w, "one.test", (struct job){ 0 });
	assert_non_null(next(&w, NULL));
	world_close(&w);
}

static void test_the_least_priority_gets_its_turn(void **state)
{
	struct world w;
	struct job *low;
	int n = 0;

	(void)state;
	world_open(&w, "queue { connections 1 }");
	low = add(&w, "low.test", (struct job){ .priority = 1 });
	for (struct job *j; n < 20; n++) {
		char name[32];

		snprintf(name, sizeof name, "high%d.test", n);
		add(&w, name, (struct job){ .priority = 19 });
		snprintf(name, sizeof name, "more%d.test", n);
		add(&w, name, (struct job){ .priority = 19 });
		j = next(&w, NULL);
		if (j == low)
			break;
		end(&w, j, FEEDBACK_FINE);
	}
	assert_in_range(n, 1, 8);
	world_close(&w);
}

/* How many letters of others are started at the same hosts before that one; each that ends makes room for another domain's. */
static int started_before(struct world *w, const struct job *waits, uint8_t priority)
{
	for (int n = 0; n < 1000; n++) {
		char name[32];
		struct job *j;

		snprintf(name, sizeof name, "new%d-one.test", n);
		add(w, name, (struct job){ .priority = priority });
		j = next(w, NULL);
		if (j == waits)
			return n;
		end(w, j, FEEDBACK_FINE);
	}
	return -1;
}

static void test_at_the_same_hosts_nobody_is_kept_back(void **state)
{
	struct world w;
	struct job *busy;

	(void)state;
	world_open(&w, "queue { connections 1 }");
	busy = add(&w, "old-one.test", (struct job){ 0 });
	assert_ptr_equal(next(&w, NULL), busy);
	end(&w, busy, FEEDBACK_FINE);
	busy = add(&w, "old-one.test", (struct job){ 0 });
	assert_in_range(started_before(&w, busy, PRIORITY_OF_NORMAL), 0, 3); /* beside ever new domains */
	end(&w, busy, FEEDBACK_FINE);
	busy = add(&w, "low-one.test", (struct job){ .priority = 1 });
	assert_in_range(started_before(&w, busy, PRIORITY_OF_NORMAL), 1, 200); /* beside letters that have priority */
	world_close(&w);
}

static void test_in_a_destination_waiting_makes_up_for_priority(void **state)
{
	struct world w;
	struct job *low, *high;

	(void)state;
	world_open(&w, "queue { connections 1 }");
	low = add(&w, "a.test", (struct job){ .priority = PRIORITY_OF_NORMAL - 1 });
	pass(&w, 299);
	high = add(&w, "a.test", (struct job){ 0 });
	assert_ptr_equal(next(&w, NULL), high);
	end(&w, high, FEEDBACK_FINE);
	pass(&w, 1);
	high = add(&w, "a.test", (struct job){ 0 });
	assert_ptr_equal(next(&w, NULL), low);
	world_close(&w);
}

static void test_retry_times(void **state)
{
	struct world w;

	(void)state;
	world_open(&w, "queue { retry_first 100s; retry_max 1000s }");
	for (int i = 0; i < 1000; i++) {
		assert_in_range(queue_retry_s(&w.q, (uint64_t)i, 1), 75, 125);
		assert_in_range(queue_retry_s(&w.q, (uint64_t)i, 3), 300, 500);
		assert_in_range(queue_retry_s(&w.q, (uint64_t)i, 100000), 750, 1250);
		assert_int_equal(queue_retry_s(&w.q, (uint64_t)i, 3), queue_retry_s(&w.q, (uint64_t)i, 3)); /* for all groups of a letter */
	}
	world_close(&w);
}

static void count_swept(void *ctx, struct job *j)
{
	++*(unsigned *)ctx;
	j->warned = true;
}

static void test_sweep(void **state)
{
	struct world w;
	unsigned n = 0;

	(void)state;
	world_open(&w, "queue { warn_after 100s }");
	for (int i = 0; i < 300; i++)
		add(&w, "a.test", (struct job){ .due_s = 200000 });
	queue_sweep(&w.q, 100000, w.s, count_swept, &n);
	assert_int_equal(n, 0);
	pass(&w, 100);
	for (int i = 0; i < 10; i++)
		queue_sweep(&w.q, w.q.table_size / 10 + 1, w.s, count_swept, &n);
	assert_int_equal(n, 300); /* each is warned of once */
	pass(&w, 432000);
	n = 0;
	queue_sweep(&w.q, w.q.table_size, w.s, count_swept, &n);
	assert_int_equal(n, 300); /* their time is over */
	world_close(&w);
}

/* Whatever is done, each job is in one place, and running ones never pass the limits. */
static void test_random_life(void **state)
{
	struct job *run[64];
	struct world w;
	uint64_t seed = 99;
	unsigned n_run = 0, n_done = 0;
	char name[32];

	(void)state;
	world_open(&w, "queue { connections 20; connections_destination 4 }");
	for (int round = 0; round < 20000; round++) {
		uint64_t r = rng_step(&seed);

		if (r % 3 == 0) {
			snprintf(name, sizeof name, "d%u%s.test", (unsigned)(r >> 8) % 50, (r >> 14) % 2 ? "one" : "");
			add(&w, name, (struct job){ .due_s = (int64_t)(r >> 20) % 20, .priority = (uint8_t)(1 + (r >> 30) % 19) });
		}
		if (r % 5 == 0 && n_run) {
			unsigned at = (unsigned)(r >> 16) % n_run;
			struct job *j = run[at];

			run[at] = run[--n_run];
			ended(&w, j, (int)((r >> 40) % 6) - 1);
			if ((r >> 44) % 3) {
				queue_remove(&w.q, j);
				n_done++;
			} else {
				j->due_s = w.s + (int64_t)(r >> 50) % 10;
				queue_place(&w.q, j, JOB_LATER, w.ms, w.s);
			}
		}
		n_run += start_all(&w, run + n_run, 64 - n_run);
		assert_int_equal(n_run, w.q.n_running);
		assert_in_range(n_run, 0, 20);
		for (unsigned i = 0; i < n_run; i++)
			assert_in_range(run[i]->to->site->n_running, 1, 4);
		assert_int_equal(w.q.n_placed[JOB_RUNNING] + w.q.n_placed[JOB_READY] + w.q.n_placed[JOB_LATER], w.q.n_jobs);
		if (r % 7 == 0)
			pass(&w, (int64_t)(r >> 24) % 3);
	}
	for (int i = 0; i < 2000 && w.q.n_jobs; i++) { /* and all of it ends */
		while (n_run)
			end(&w, run[--n_run], FEEDBACK_FINE);
		pass(&w, 60);
		n_run = start_all(&w, run, 64);
	}
	while (n_run)
		end(&w, run[--n_run], FEEDBACK_FINE);
	assert_true(n_done > 1000);
	assert_int_equal(w.q.n_jobs, 0);
	pass(&w, 86400);
	destinations_prune(&w.q, w.ms);
	assert_int_equal(w.q.destinations.n, 0);
	assert_int_equal(w.q.sites.n, 0);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_due_and_look),
		cmocka_unit_test(test_window_grows_and_shrinks),
		cmocka_unit_test(test_one_down_does_not_slow_the_others),
		cmocka_unit_test(test_those_that_fail_together_are_one_failure),
		cmocka_unit_test(test_destinations_take_turns),
		cmocka_unit_test(test_priority_first),
		cmocka_unit_test(test_rates),
		cmocka_unit_test(test_flush_hold_find),
		cmocka_unit_test(test_reserved_places_count),
		cmocka_unit_test(test_domains_of_the_same_hosts_are_one),
		cmocka_unit_test(test_what_is_of_a_domain_alone_pauses_it_alone),
		cmocka_unit_test(test_hosts_that_cannot_be_found_out_and_that_change),
		cmocka_unit_test(test_groups_of_a_letter_go_along_to_a_next_hop),
		cmocka_unit_test(test_groups_of_a_letter_go_apart_to_mx),
		cmocka_unit_test(test_rerouted_jobs_are_elsewhere),
		cmocka_unit_test(test_another_configuration_leads_elsewhere),
		cmocka_unit_test(test_the_least_priority_gets_its_turn),
		cmocka_unit_test(test_at_the_same_hosts_nobody_is_kept_back),
		cmocka_unit_test(test_in_a_destination_waiting_makes_up_for_priority),
		cmocka_unit_test(test_retry_times),
		cmocka_unit_test(test_sweep),
		cmocka_unit_test(test_random_life),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
