/* The queue's order: windows, turns, pauses, rates, priorities, times. Time is a number here. */
#include "queue/destination.h"
#include "queue/queue.h"

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
	return queue_add(&w->q, &j, str_z(to), w->ms, w->s);
}

static struct job *next(struct world *w, int64_t *look_ms)
{
	int64_t ignored;

	return queue_next(&w->q, w->ms, w->s, look_ms ? look_ms : &ignored);
}

static void end(struct world *w, struct job *j, enum feedback f)
{
	queue_ended(&w->q, j, f, w->ms, w->s);
	queue_remove(&w->q, j);
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
		queue_ended(&w.q, run[i], -1, w.ms, w.s);
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
	queue_ended(&w.q, down, FEEDBACK_DOWN, w.ms, w.s);
	queue_place(&w.q, down, JOB_LATER, w.ms, w.s); /* due now, but its destination pauses */
	fine = add(&w, "fine.test", (struct job){ 0 });
	assert_ptr_equal(next(&w, &look), fine);
	assert_null(next(&w, &look));
	assert_int_equal(look, w.ms + 30000);
	pass(&w, 30);
	assert_ptr_equal(next(&w, NULL), down);
	queue_ended(&w.q, down, FEEDBACK_DOWN, w.ms, w.s);
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
	destination_need(&w.q, STR("slow.test"), w.ms)->window = 100;
	for (int i = 0; i < 30; i++)
		add(&w, "slow.test", (struct job){ 0 });
	assert_int_equal(start_all(&w, run, 100), 6);
	assert_null(next(&w, &look));
	assert_in_range(look, w.ms + 9000, w.ms + 10002); /* the next of six a minute */
	pass(&w, 11);
	assert_int_equal(start_all(&w, run, 100), 1);
	destination_need(&w.q, STR("free.test"), w.ms)->window = 100;
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

static void test_reserved_places_count(void **state)
{
	struct destination *d;
	struct world w;

	(void)state;
	world_open(&w, "");
	assert_true(queue_may_start(&w.q, STR("a.test"), 0, 1, w.ms));
	d = queue_reserve(&w.q, STR("a.test"), w.ms);
	assert_ptr_equal(queue_reserve(&w.q, STR("a.test"), w.ms), d);
	assert_false(queue_may_start(&w.q, STR("a.test"), 0, 1, w.ms));
	add(&w, "a.test", (struct job){ 0 });
	assert_null(next(&w, NULL));
	queue_unreserve(&w.q, d, w.ms, w.s);
	assert_non_null(next(&w, NULL));
	assert_false(queue_may_start(&w.q, STR("a.test"), 0, 1, w.ms));
	world_close(&w);
}

static void test_retry_times(void **state)
{
	struct world w;

	(void)state;
	world_open(&w, "queue { retry_first 100s; retry_max 1000s }");
	for (int i = 0; i < 1000; i++) {
		assert_in_range(queue_retry_s(&w.q, 1), 75, 125);
		assert_in_range(queue_retry_s(&w.q, 3), 300, 500);
		assert_in_range(queue_retry_s(&w.q, 100000), 750, 1250);
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
			snprintf(name, sizeof name, "d%u.test", (unsigned)(r >> 8) % 50);
			add(&w, name, (struct job){ .due_s = (int64_t)(r >> 20) % 20, .priority = (uint8_t)(1 + (r >> 30) % 19) });
		}
		if (r % 5 == 0 && n_run) {
			unsigned at = (unsigned)(r >> 16) % n_run;
			struct job *j = run[at];

			run[at] = run[--n_run];
			queue_ended(&w.q, j, (int)((r >> 40) % 5) - 1, w.ms, w.s);
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
			assert_in_range(run[i]->to->n_running, 1, 4);
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
		cmocka_unit_test(test_retry_times),
		cmocka_unit_test(test_sweep),
		cmocka_unit_test(test_random_life),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
