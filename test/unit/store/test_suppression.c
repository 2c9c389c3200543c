/* unit/store/test_suppression.c - addresses that an account's letters are not sent to. */
#include "unit/store/fixture.h"

#include "store/suppression.h"

static int64_t until(struct fx *f, const char *rcpt)
{
	struct ipc_suppressed q = { f->account, fx_addr(rcpt) };
	struct ipc_suppressed_reply r = { 0 };

	assert_int_equal(ipc_suppressed(&f->post, &q, &r, &f->a), OK);
	return r.until_s;
}

static void note(struct fx *f, const char *rcpt, bool failed)
{
	struct ipc_suppress_note q = { f->account, fx_addr(rcpt), failed };

	assert_int_equal(ipc_suppress_note(&f->post, &q), OK);
}

static struct ipc_suppression_list_reply list(struct fx *f, struct str after)
{
	struct ipc_suppression_list q = { fx_addr("alice@x.test"), after };
	struct ipc_suppression_list_reply r = { 0 };

	assert_int_equal(ipc_suppression_list(&f->ctl, &q, &r, &f->a), OK);
	return r;
}

static void limits(struct fx *f)
{
	fx_account(f);
	f->store->limits.suppress_after = 3;
	f->store->limits.suppress_ms = 3600 * 1000;
}

static void after_some_failures(struct fx *f)
{
	int64_t now;

	limits(f);
	note(f, "a@far.test", true);
	note(f, "A@Far.test", true);
	assert_int_equal(until(f, "a@far.test"), 0);
	note(f, "a@far.test", true);
	now = shard_now_s(&f->store->shard);
	assert_in_range(until(f, "a@FAR.test"), now + 3590, now + 3600);
	assert_int_equal(until(f, "b@far.test"), 0);
	assert_int_equal(list(f, STR("")).n_lines, 1);
	note(f, "a@far.test", false);
	assert_int_equal(until(f, "a@far.test"), 0);
	assert_int_equal(list(f, STR("")).n_lines, 0);
	note(f, "a@far.test", true); /* counts from the beginning */
	assert_int_equal(until(f, "a@far.test"), 0);
	fx_verified(f);
}

static void a_letter_that_was_taken(struct fx *f)
{
	struct str domain = STR("far.test");
	struct ipc_out_rcpt rcpt = { .to = fx_addr("A@far.test") };
	struct ipc_queue_send q = { .facts = { .trace = STR("t") }, .domains = &domain, .n_domains = 1, .rcpts = &rcpt, .n_rcpts = 1, .attempt = 1,
		.body = body_of(STR("x: y\r\n\r\n")) };
	struct ipc_rcpt_result taken = { .state = RCPT_SENT, .code = 250 };
	struct ipc_queue_settle settle = { .attempt = 1, .delivery = { .rcpts = &taken, .n_rcpts = 1 } };
	struct ipc_queue_settle_reply settled;
	struct ipc_queue_send_reply r = { 0 };

	limits(f);
	note(f, "a@far.test", true);
	note(f, "a@far.test", true);
	note(f, "b@far.test", true);
	q.facts.account = f->account;
	assert_int_equal(ipc_queue_send(&f->post, &q, &r, &f->a), OK);
	settle.id = r.id;
	assert_int_equal(ipc_queue_settle(&f->post, &settle, &settled, &f->a), OK);
	assert_int_equal(settled.left, 0);
	assert_int_equal(list(f, STR("")).n_lines, 1); /* the other's */
	note(f, "a@far.test", true);
	assert_int_equal(until(f, "a@far.test"), 0);
	fx_verified(f);
}

static void never(struct fx *f)
{
	limits(f);
	f->store->limits.suppress_after = 0;
	for (int i = 0; i < 10; i++)
		note(f, "a@far.test", true);
	assert_int_equal(until(f, "a@far.test"), 0);
	assert_int_equal(list(f, STR("")).n_lines, 0);
}

static void of_nobody(struct fx *f)
{
	limits(f);
	f->account = 0; /* of a report, or a letter that was forwarded */
	note(f, "a@far.test", true);
	assert_int_equal(until(f, "a@far.test"), 0);
	f->account = 999;
	note(f, "a@far.test", true);
	assert_int_equal(until(f, "a@far.test"), 0);
}

static void old_failures_do_not_count(struct fx *f)
{
	struct suppression_row row = { .failures = 2, .last_s = shard_now_s(&f->store->shard) - 3601 };
	struct account *a;
	struct buf v;

	limits(f);
	buf_init(&v, 100);
	suppression_row_encode(&row, &v);
	assert_int_equal(account_get(&f->store->shard, f->account, &a), OK);
	engine_put(account_batch(a), STR("Na@far.test"), buf_str(&v));
	engine_put(account_batch(a), STR("Nz@far.test"), buf_str(&v));
	assert_true(account_wait(a, account_stage(a)));
	account_put(a);
	buf_fini(&v);
	assert_int_equal(list(f, STR("")).n_lines, 2);
	note(f, "a@far.test", true);
	assert_int_equal(until(f, "a@far.test"), 0);
	assert_int_equal(list(f, STR("")).n_lines, 1); /* the other said nothing any more */
}

static void by_command(struct fx *f)
{
	struct ipc_suppression_add q = { fx_addr("alice@x.test"), fx_addr("Bob@far.test"), 0 };
	struct ipc_suppression_delete d = { fx_addr("alice@x.test"), fx_addr("bob@far.test") };

	limits(f);
	assert_int_equal(ipc_suppression_delete(&f->ctl, &d), NO_SUCH);
	assert_int_equal(ipc_suppression_add(&f->ctl, &q), OK);
	assert_true(until(f, "bob@far.test") == INT64_MAX);
	note(f, "bob@far.test", false); /* only a command takes it back */
	assert_true(until(f, "bob@far.test") == INT64_MAX);
	assert_true(str_starts(list(f, STR("")).lines[0], STR("bob@far.test\trefused\tfor ever\t0\t-\tcommand")));
	assert_int_equal(ipc_suppression_delete(&f->ctl, &d), OK);
	assert_int_equal(until(f, "bob@far.test"), 0);
	q.until_s = 1;
	assert_int_equal(ipc_suppression_add(&f->ctl, &q), OK);
	assert_int_equal(until(f, "bob@far.test"), 0);
	q.rcpt = (struct ipc_addr){ STR(""), STR("far.test") };
	assert_int_equal(ipc_suppression_add(&f->ctl, &q), BAD_SYNTAX);
	q.address = fx_addr("nobody@x.test");
	q.rcpt = fx_addr("b@far.test");
	assert_int_equal(ipc_suppression_add(&f->ctl, &q), NO_SUCH);
}

static void long_lists(struct fx *f)
{
	struct ipc_suppression_list_reply r;
	char rcpt[40];

	limits(f);
	for (int i = 0; i < 101; i++) {
		snprintf(rcpt, sizeof rcpt, "u%d@far.test", i);
		note(f, rcpt, true);
	}
	r = list(f, STR(""));
	assert_true(r.n_lines == IPC_SUPPRESSION_LIST_LINES_MAX && r.more);
	r = list(f, r.next);
	assert_true(r.n_lines == 1 && !r.more);
}

BOTH(after_some_failures)
BOTH(a_letter_that_was_taken)
BOTH(never)
BOTH(of_nobody)
BOTH(old_failures_do_not_count)
BOTH(by_command)
BOTH(long_lists)

int main(void)
{
	const struct CMUnitTest tests[] = { TESTS(after_some_failures), TESTS(a_letter_that_was_taken), TESTS(never), TESTS(of_nobody),
		TESTS(old_failures_do_not_count),
		TESTS(by_command), TESTS(long_lists) };

	return cmocka_run_group_tests_name("store/suppression", tests, NULL, NULL);
}
