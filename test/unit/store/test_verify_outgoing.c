/* unit/store/test_verify_outgoing.c - every invariant of letters that leave is damaged once, and verify names it. */
#include "unit/store/fixture.h"

#include "store/garbage.h"
#include "store/lane.h"
#include "store/outgoing_rows.h"

/* A letter with two groups that waits, number 1, and one that is through, number 2; history of both. */
static void letters(struct fx *f)
{
	struct str domains[2] = { STR("far.test"), STR("near.test") }, body = STR("Subject: x\r\n\r\nx\r\n");
	struct ipc_out_rcpt rcpts[3] = { { .to = fx_addr("a@far.test") }, { .to = fx_addr("b@far.test") }, { .to = fx_addr("c@near.test"), .group = 1 } };
	struct ipc_queue_send q = { .facts = { .trace = STR("first"), .from = fx_addr("alice@x.test"), .size = body.n }, .domains = domains,
		.n_domains = 2, .rcpts = rcpts, .n_rcpts = 3, .attempt = 1, .prefix = STR("X: y\r\n"), .body = body_of(body) };
	struct ipc_rcpt_result result = { .state = RCPT_FAILED, .report = REPORT_FAILURE, .code = 550, .text = STR("no") };
	struct ipc_queue_settle settle = { .id = 1, .attempt = 1, .at_s = 5, .delivery = { .rcpts = &result, .n_rcpts = 1 } };
	struct ipc_queue_settle_reply settled;
	struct ipc_queue_send_reply r = { 0 };

	f->store->limits.keep_history_ms = 86400000;
	assert_int_equal(ipc_queue_send(&f->post, &q, &r, &f->a), OK);
	assert_int_equal(r.id, 1);
	assert_int_equal(ipc_queue_settle(&f->post, &settle, &settled, &f->a), OK);
	assert_int_equal(settled.left, 2);
	q.facts.trace = STR("second");
	q.n_domains = q.n_rcpts = 1;
	assert_int_equal(ipc_queue_send(&f->post, &q, &r, &f->a), OK);
	assert_int_equal(r.id, 2);
	settle.id = 2;
	result.state = RCPT_SENT;
	result.report = REPORT_NONE;
	assert_int_equal(ipc_queue_settle(&f->post, &settle, &settled, &f->a), OK);
	assert_int_equal(settled.left, 0);
}

/* ---- changes of rows behind the store's back */

static uint64_t lane(struct fx *f)
{
	return lane_number(&f->store->shard);
}

static void damage(struct fx *f, struct engine_batch *b)
{
	b->version = b->partition ? engine_version(f->store->shard.port, b->partition) : 0;
	assert_true(commit_and_wait(&f->store->shard, b));
}

static void put_row(struct fx *f, struct key k, struct str v)
{
	struct engine_batch *b = engine_batch_new(lane(f), 0);

	engine_put(b, KEY_STR(k), v);
	damage(f, b);
}

static void del_row(struct fx *f, struct key k)
{
	struct engine_batch *b = engine_batch_new(lane(f), 0);

	engine_del(b, KEY_STR(k));
	damage(f, b);
}

static struct str row_of(struct fx *f, struct key k)
{
	struct str s;
	struct buf v;

	buf_init(&v, 10000);
	assert_true(engine_get(f->store->shard.port, NULL, lane(f), KEY_STR(k), &v));
	s = arena_dup(&f->a, buf_str(&v));
	buf_fini(&v);
	return s;
}

static void change_letter(struct fx *f, void (*change)(struct out_letter_row *))
{
	struct out_letter_row row;
	struct buf v;

	assert_true(out_letter_row_decode(row_of(f, key_out_letter(1)), &row));
	change(&row);
	buf_init(&v, 10000);
	out_letter_row_encode(&row, &v);
	put_row(f, key_out_letter(1), buf_str(&v));
	buf_fini(&v);
}

static void change_group(struct fx *f, void (*change)(struct out_group_row *))
{
	struct out_group_row row;
	struct buf v;

	assert_true(out_group_row_decode(row_of(f, key_out_group(1, 0)), &row));
	change(&row);
	buf_init(&v, 10000);
	out_group_row_encode_as(&row, &v);
	put_row(f, key_out_group(1, 0), buf_str(&v));
	buf_fini(&v);
}

static void other_count(struct out_letter_row *r)
{
	r->n_groups = 3;
}
static void other_size(struct out_letter_row *r)
{
	r->body_size++;
}
static void other_body(struct out_letter_row *r)
{
	r->blob = 99999;
}
static void other_trace(struct out_letter_row *r)
{
	r->facts.trace = STR("third");
}
static void other_waiting(struct out_group_row *r)
{
	r->n_waiting = 2;
}
static void other_owed(struct out_group_row *r)
{
	r->owed = 0;
}
static void settled_too_soon(struct out_group_row *r)
{
	r->settled = 2;
}
static void fewer(struct out_group_row *r)
{
	r->n_rcpts = 1;
}

static void d_letter(struct fx *f)
{
	put_row(f, key_out_letter(1), STR("x"));
}
static void d_count(struct fx *f)
{
	change_letter(f, other_count);
}
static void d_size(struct fx *f)
{
	change_letter(f, other_size);
}
static void d_body(struct fx *f)
{
	change_letter(f, other_body);
}
static void d_ref(struct fx *f)
{
	struct engine_batch *b = engine_batch_new(0, 0);
	struct out_letter_row row;

	assert_true(out_letter_row_decode(row_of(f, key_out_letter(1)), &row));
	engine_ref_del(b, KEY_STR(lane_ref(&f->store->shard, row.blob, 1)));
	damage(f, b);
}
static void d_prefix(struct fx *f)
{
	del_row(f, key_out_prefix(1));
}
static void d_lost_group(struct fx *f)
{
	del_row(f, key_out_group(1, 1));
}
static void d_lost_letter(struct fx *f)
{
	del_row(f, key_out_letter(1));
}
static void d_group(struct fx *f)
{
	put_row(f, key_out_group(1, 0), STR("x"));
}
static void d_waiting(struct fx *f)
{
	change_group(f, other_waiting);
}
static void d_owed(struct fx *f)
{
	change_group(f, other_owed);
}
static void d_settled(struct fx *f)
{
	change_group(f, settled_too_soon);
}
static void d_fewer(struct fx *f)
{
	change_group(f, fewer);
}
static void d_trace(struct fx *f)
{
	change_letter(f, other_trace);
}
static void d_no_trace(struct fx *f)
{
	del_row(f, key_out_trace(STR("first")));
}
static void d_stray_trace(struct fx *f)
{
	put_row(f, key_out_trace(STR("stray")), row_of(f, key_out_trace(STR("first"))));
}
static void d_bad_trace(struct fx *f)
{
	put_row(f, key_out_trace(STR("first")), STR("x"));
}
static void d_finished(struct fx *f)
{
	put_row(f, key_out_finished(5, 1), STR("first"));
}
static void d_not_finished(struct fx *f)
{
	struct out_trace_row t;

	assert_true(out_trace_row_decode(row_of(f, key_out_trace(STR("second"))), &t));
	del_row(f, key_out_finished(t.finished_s, t.id));
}
static void d_event(struct fx *f)
{
	put_row(f, key_out_event(1, 0, 0), STR("x"));
}
static void d_stray_event(struct fx *f)
{
	put_row(f, key_out_event(77, 0, 0), row_of(f, key_out_event(1, 0, 0)));
}

static const struct {
	const char *rule;
	void (*damage)(struct fx *f);
} damages[] = {
	{ "V19", d_letter },
	{ "V19", d_count },
	{ "V19", d_size },
	{ "V19", d_body },
	{ "V19", d_ref },
	{ "V19", d_prefix },
	{ "V19", d_lost_group },
	{ "V20", d_lost_letter },
	{ "V5", d_lost_letter },
	{ "V20", d_group },
	{ "V20", d_waiting },
	{ "V20", d_owed },
	{ "V20", d_settled },
	{ "V20", d_fewer },
	{ "V21", d_trace },
	{ "V21", d_no_trace },
	{ "V21", d_stray_trace },
	{ "V21", d_bad_trace },
	{ "V21", d_finished },
	{ "V21", d_not_finished },
	{ "V22", d_event },
	{ "V22", d_stray_event },
};

static bool names_rule(struct fx *f, const char *rule)
{
	struct str after = STR(""), want = arena_fmt(&f->a, "%s ", rule);
	bool found = false;

	for (bool more = true; more;) {
		struct ipc_verify_step q = { .after = after };
		struct ipc_verify_step_reply r = { 0 };

		assert_int_equal(ipc_verify_step(&f->ctl, &q, &r, &f->a), OK);
		for (size_t i = 0; i < r.n_lines; i++)
			found |= str_starts(r.lines[i], want);
		after = r.next;
		more = r.more;
	}
	return found;
}

static void each(struct fx *f)
{
	size_t i = f->seed; /* the case's number: the engine itself is reliable */

	letters(f);
	fx_verified(f);
	damages[i].damage(f);
	if (!names_rule(f, damages[i].rule))
		fail_msg("damage %zu: %s is not named", i, damages[i].rule);
}

static void each_damage(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
		struct fx *f = mem_new(struct fx);

		fx_init(f, true);
		f->seed = i;
		fx_run_all(f, each);
	}
}

static void put_many(struct fx *f, unsigned n)
{
	struct str domain = STR("far.test");
	struct ipc_out_rcpt rcpt = { .to = fx_addr("a@far.test") };
	struct ipc_rcpt_result result = { .state = RCPT_SENT, .code = 250 };
	char trace[32];

	f->store->limits.keep_history_ms = 86400000;
	for (unsigned i = 0; i < n; i++) {
		struct ipc_queue_send q = { .domains = &domain, .n_domains = 1, .rcpts = &rcpt, .n_rcpts = 1, .attempt = 1,
			.body = body_of(STR("x: y\r\n\r\n")) };
		struct ipc_queue_settle settle = { .attempt = 1, .delivery = { .rcpts = &result, .n_rcpts = 1 } };
		struct ipc_queue_settle_reply settled;
		struct ipc_queue_send_reply r = { 0 };

		/* Many share their first 16 bytes. */
		snprintf(trace, sizeof trace, i % 2 ? "the-same-beginning-%u" : "%u-%u", i, i * 7919);
		q.facts.trace = str_z(trace);
		assert_int_equal(ipc_queue_send(&f->post, &q, &r, &f->a), OK);
		settle.id = r.id;
		if (i % 3)
			assert_int_equal(ipc_queue_settle(&f->post, &settle, &settled, &f->a), OK);
		arena_reset(&f->a);
	}
}

/* More than one step of each kind. */
static void many(struct fx *f)
{
	put_many(f, 6500);
	fx_verified(f);
}

ON(mem, many)

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(each_damage), cmocka_unit_test(mem_many) };

	return cmocka_run_group_tests_name("store/verify_outgoing", tests, NULL, NULL);
}
