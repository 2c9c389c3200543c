/* unit/auth/test_guard.c - delays and bans: counted before the answer, passing, bounded, and not against the owner. */
#include "auth/guard.h"

#include "base/die.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const struct guard_rules rules = { .address_max = 5, .login_max = 8, .window_ms = 60000, .ban_ms = 300, .delay_ms = 10, .delay_max_ms = 60 };

struct world {
	struct sched *sched;
	struct guard g;
	void (*test)(struct world *w);
	int64_t last_ban_ms;
	char last_ban[CIDR_TEXT_SIZE];
	unsigned n_bans, n_logins_banned, n_in, n_inside, n_most;
};

static void on_ban(void *ctx, const struct cidr *n, struct str what, int64_t ms)
{
	struct world *w = ctx;

	if (!n) {
		w->n_logins_banned++;
		return;
	}
	w->n_bans++;
	w->last_ban_ms = ms;
	cidr_text(n, w->last_ban);
	assert_true(str_eq(what, str_z(w->last_ban)));
}

static enum outcome attempt(struct world *w, const char *ip, const char *user, enum outcome how, int64_t *wait)
{
	struct guard_try t;
	enum outcome o = guard_enter(&w->g, str_z(ip), str_z(user), &t);
	int64_t ms = o == OK ? guard_leave(&w->g, &t, how) : 0;

	if (wait)
		*wait = ms;
	return o;
}

static void address_banned(struct world *w)
{
	int64_t wait, before = 0;

	for (int i = 0; i < 5; i++) {
		char user[20];

		snprintf(user, sizeof user, "user%d", i);
		assert_int_equal(attempt(w, "2001:db8:0:1::5", user, DENIED, &wait), OK);
		assert_true(wait >= before);
		before = wait;
	}
	assert_int_equal(before, 20); /* twice as long behind the third */
	assert_int_equal(w->n_bans, 1);
	assert_string_equal(w->last_ban, "2001:db8:0:1::/64");
	assert_int_equal(w->last_ban_ms, 300);
	assert_int_equal(attempt(w, "2001:db8:0:1:ffff::1", "other", OK, NULL), OVER_LIMIT); /* the same /64 */
	assert_int_equal(attempt(w, "2001:db8:0:2::1", "other", OK, NULL), OK);
	task_sleep(w->sched, 310);
	assert_int_equal(attempt(w, "2001:db8:0:1::5", "other", OK, NULL), OK);
}

static void owner_stays_in(struct world *w)
{
	char ip[20];

	assert_int_equal(attempt(w, "192.0.2.1", "alice@x.test", OK, NULL), OK);
	for (int i = 0; i < 8; i++) {
		snprintf(ip, sizeof ip, "203.0.113.%d", i);
		assert_int_equal(attempt(w, ip, "Alice@X.test", DENIED, NULL), OK);
	}
	assert_int_equal(w->n_bans, 0); /* of an address */
	assert_int_equal(w->n_logins_banned, 1);
	assert_int_equal(attempt(w, "203.0.113.99", "alice@x.test", DENIED, NULL), OVER_LIMIT);
	assert_int_equal(attempt(w, "203.0.113.99", "bob@x.test", DENIED, NULL), OK);
	assert_int_equal(attempt(w, "192.0.2.1", "ALICE@x.test", OK, NULL), OK);
	assert_true(guard_lift(&w->g, STR("alice@x.test")));
	assert_int_equal(attempt(w, "203.0.113.99", "alice@x.test", DENIED, NULL), OK);
}

static void right_ones_do_not_count(struct world *w)
{
	for (int i = 0; i < 50; i++)
		assert_int_equal(attempt(w, "192.0.2.1", "alice", i % 13 ? OK : TRY_LATER, NULL), OK);
	assert_int_equal(w->n_bans, 0);
}

static void parallel_one(void *arg)
{
	struct world *w = arg;
	struct guard_try t;

	if (guard_enter(&w->g, STR("192.0.2.1"), STR("alice"), &t) != OK)
		return;
	w->n_in++;
	if (++w->n_inside > w->n_most)
		w->n_most = w->n_inside;
	task_sleep(w->sched, 5);
	w->n_inside--;
	guard_leave(&w->g, &t, DENIED);
}

/* A hundred at once are let in no further than one after another would be. */
static void parallel(struct world *w)
{
	for (int i = 0; i < 100; i++)
		task_spawn(w->sched, "try", parallel_one, w);
	task_sleep(w->sched, 100);
	assert_int_equal(w->n_in, 5);
	assert_true(w->n_most <= 5);
	assert_int_equal(w->n_bans, 1);
}

static bool count_ban(void *arg, bool is_network, const char *what, int64_t left_ms)
{
	assert_true(is_network);
	assert_string_equal(what, "192.0.2.1/32");
	assert_true(left_ms > 0 && left_ms <= 300);
	++*(unsigned *)arg;
	return true;
}

static void listed_and_lifted(struct world *w)
{
	unsigned n = 0;

	for (int i = 0; i < 5; i++)
		assert_int_equal(attempt(w, "192.0.2.1", i % 2 ? "a" : "b", DENIED, NULL), OK);
	guard_bans(&w->g, count_ban, &n);
	assert_int_equal(n, 1);
	assert_false(guard_lift(&w->g, STR("192.0.2.2")));
	assert_true(guard_lift(&w->g, STR("192.0.2.1")));
	assert_int_equal(w->last_ban_ms, 0);
	assert_int_equal(attempt(w, "192.0.2.1", "a", DENIED, NULL), OK);
}

static void bounded(struct world *w)
{
	char ip[20];

	w->g.n_max = 100;
	for (int i = 0; i < 1000; i++) {
		snprintf(ip, sizeof ip, "10.0.%d.%d", i / 250, i % 250);
		assert_int_equal(attempt(w, ip, ip, DENIED, NULL), OK);
		assert_true(w->g.n <= 101);
	}
}

/* Who is banned cannot push the others out of the table by names without end. */
static void banned_makes_no_entries(struct world *w)
{
	char user[20];

	for (int i = 0; i < 5; i++)
		assert_int_equal(attempt(w, "192.0.2.1", "a", DENIED, NULL), OK);
	for (int i = 0; i < 50; i++) {
		snprintf(user, sizeof user, "user%d", i);
		assert_int_equal(attempt(w, "192.0.2.1", user, DENIED, NULL), OVER_LIMIT);
	}
	assert_int_equal(w->g.n, 2);
}

/* The login's entry is forgotten while a try from an address that it knows is under way, and made anew when that ends well. */
static void login_forgotten_meanwhile(struct world *w)
{
	struct guard_try t;
	char ip[20];

	w->g.n_max = 4;
	assert_int_equal(attempt(w, "192.0.2.1", "alice", OK, NULL), OK);
	assert_int_equal(guard_enter(&w->g, STR("192.0.2.1"), STR("alice"), &t), OK);
	for (int i = 0; i < 8; i++) {
		snprintf(ip, sizeof ip, "203.0.113.%d", i);
		assert_int_equal(attempt(w, ip, ip, DENIED, NULL), OK);
	}
	assert_true(guard_leave(&w->g, &t, OK) >= 0);
	assert_int_equal(attempt(w, "192.0.2.1", "alice", OK, NULL), OK);
}

static bool is_login(void *arg, bool is_network, const char *what, int64_t left_ms)
{
	assert_false(is_network);
	assert_string_equal(what, "192.0.2.0/24");
	assert_true(left_ms > 0);
	++*(unsigned *)arg;
	return true;
}

/* A name that is tried may look like a network: its ban is a login's. */
static void login_like_a_network(struct world *w)
{
	unsigned n = 0;
	char ip[20];

	for (int i = 0; i < 8; i++) {
		snprintf(ip, sizeof ip, "203.0.113.%d", i);
		assert_int_equal(attempt(w, ip, "192.0.2.0/24", DENIED, NULL), OK);
	}
	assert_int_equal(w->n_bans, 0);
	assert_int_equal(w->n_logins_banned, 1);
	guard_bans(&w->g, is_login, &n);
	assert_int_equal(n, 1);
}

static void main_task(void *arg)
{
	struct world *w = arg;

	guard_init(&w->g, w->sched, &rules);
	w->g.on_ban = on_ban;
	w->g.ctx = w;
	w->test(w);
	guard_fini(&w->g);
}

static void run(void **state)
{
	struct world w = { .test = (void (*)(struct world *))*state };

	w.sched = sched_new(NULL);
	task_spawn(w.sched, "test", main_task, &w);
	sched_run(w.sched);
	sched_free(w.sched);
}

#define TEST(fn) { #fn, run, NULL, NULL, (void *)(uintptr_t)fn }

int main(void)
{
	const struct CMUnitTest tests[] = { TEST(address_banned), TEST(owner_stays_in), TEST(right_ones_do_not_count), TEST(parallel),
		TEST(listed_and_lifted), TEST(bounded), TEST(banned_makes_no_entries), TEST(login_forgotten_meanwhile),
		TEST(login_like_a_network) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
