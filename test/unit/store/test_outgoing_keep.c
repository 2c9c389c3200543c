/* unit/store/test_outgoing_keep.c - what is kept of letters that leave: history as long as it shall be, and letters of a backup. */
#include "unit/store/fixture.h"

#include "store/garbage.h"
#include "store/lane.h"
#include "store/outgoing_find.h"
#include "store/outgoing_history.h"

#define DAY_MS ((int64_t)86400 * 1000)

static const char body[] = "Subject: x\r\n\r\nHello\r\n";

static uint64_t put(struct fx *f, const char *trace, uint8_t again)
{
	struct str domains[2] = { STR("far.test"), STR("near.test") };
	struct ipc_out_rcpt rcpts[2] = { { .to = fx_addr("a@far.test") }, { .to = fx_addr("b@near.test"), .group = 1 } };
	struct ipc_queue_send q = { .facts = { .trace = str_z(trace), .from = fx_addr("alice@x.test"), .size = sizeof body }, .domains = domains,
		.n_domains = 2, .rcpts = rcpts, .n_rcpts = 2, .attempt = 1, .prefix = STR("X: y\r\n"), .body = body_of(str_of(body, sizeof body - 1)) };
	struct ipc_queue_send_reply r = { 0 };

	assert_int_equal(ipc_queue_send(&f->post, &q, &r, &f->a), OK);
	assert_int_equal(r.again, again);
	return r.id;
}

static void settle(struct fx *f, uint64_t id, uint32_t group)
{
	struct ipc_rcpt_result v = { .number = group, .state = RCPT_SENT, .code = 250 };
	struct ipc_queue_settle q = { .id = id, .group = group, .attempt = 1, .delivery = { .rcpts = &v, .n_rcpts = 1 } };
	struct ipc_queue_settle_reply r = { 0 };

	assert_int_equal(ipc_queue_settle(&f->post, &q, &r, &f->a), OK);
	assert_int_equal(r.left, 0);
}

static void expire(struct fx *f)
{
	for (bool more = true; more;)
		history_expire_step(&f->store->shard, &more);
}

static size_t events(struct fx *f, const char *trace)
{
	struct ipc_history_find q = { .filter.trace = str_z(trace) };
	struct ipc_history_find_reply r = { 0 };

	assert_int_equal(ipc_history_find(&f->ctl, &q, &r, &f->a), OK);
	return r.n_entries;
}

static struct ipc_queue_load_reply load(struct fx *f)
{
	struct ipc_queue_load q = { 0 };
	struct ipc_queue_load_reply r = { 0 };

	assert_int_equal(ipc_queue_load(&f->post, &q, &r, &f->a), OK);
	return r;
}

/* ---- history */

static void as_long_as_said(struct fx *f)
{
	uint64_t one, two;

	f->store->limits.keep_history_ms = 7 * DAY_MS;
	one = put(f, "one", 0);
	two = put(f, "two", 0);
	settle(f, one, 0);
	settle(f, one, 1);
	settle(f, two, 0); /* the other group stays in the queue */
	task_sleep(f->sched, 7 * DAY_MS - 5000);
	expire(f);
	assert_int_equal(events(f, "one"), 2);
	put(f, "one", 1);
	task_sleep(f->sched, 10000);
	expire(f);
	assert_int_equal(events(f, "one"), 0);
	assert_int_equal(events(f, "two"), 1); /* of a letter that is in the queue */
	put(f, "two", 1);
	fx_verified(f);
	assert_true(put(f, "one", 0) > two); /* forgotten: a letter like any other */
	settle(f, two, 1);
	task_sleep(f->sched, 7 * DAY_MS + 5000);
	expire(f); /* from where the last one ended */
	assert_int_equal(events(f, "two"), 0);
	fx_verified(f);
}

static void none_at_all(struct fx *f)
{
	uint64_t id = put(f, "one", 0);

	settle(f, id, 0);
	settle(f, id, 1);
	assert_int_equal(events(f, "one"), 0);
	task_sleep(f->sched, (int64_t)(TRACE_KEEP_S - 5) * 1000);
	expire(f);
	put(f, "one", 1);
	task_sleep(f->sched, 10000);
	expire(f);
	put(f, "one", 0);
	fx_verified(f);
}

static void a_step_is_bounded(struct fx *f)
{
	char trace[20];
	unsigned n_steps = 0;

	f->store->limits.keep_history_ms = DAY_MS;
	for (int i = 0; i < 450; i++) {
		uint64_t id;

		snprintf(trace, sizeof trace, "t%d", i);
		id = put(f, trace, 0);
		settle(f, id, 0);
		settle(f, id, 1);
	}
	task_sleep(f->sched, DAY_MS + 5000);
	for (bool more = true; more; n_steps++)
		history_expire_step(&f->store->shard, &more);
	assert_true(n_steps >= 3);
	for (int i = 0; i < 450; i += 149) {
		snprintf(trace, sizeof trace, "t%d", i);
		assert_int_equal(events(f, trace), 0);
	}
	fx_verified(f);
}

/* A step that was not durable is done again. */
static void a_failed_step(struct fx *f)
{
	uint64_t id;
	bool more;

	f->store->limits.keep_history_ms = DAY_MS;
	id = put(f, "one", 0);
	settle(f, id, 0);
	settle(f, id, 1);
	task_sleep(f->sched, DAY_MS + 5000);
	engine_mem_fail_next(f->engine, 1, ENGINE_LOST);
	history_expire_step(&f->store->shard, &more);
	task_sleep(f->sched, 100);
	assert_int_equal(events(f, "one"), 2);
	expire(f);
	assert_int_equal(events(f, "one"), 0);
	fx_verified(f);
}

/* ---- pages */

/* A call looks at no more than so many rows, and says where to go on. */
static void looks_are_bounded(struct fx *f)
{
	struct ipc_queue_page q = { .filter.domain = STR("near.test") };
	struct ipc_queue_page_reply r;
	size_t n = 0, n_calls = 0;
	char trace[20];

	for (int i = 0; i < 3000; i++) {
		snprintf(trace, sizeof trace, "t%d", i);
		put(f, trace, 0);
		arena_reset(&f->a);
	}
	do {
		r = (struct ipc_queue_page_reply){ 0 };
		assert_int_equal(ipc_queue_page(&f->ctl, &q, &r, &f->a), OK);
		assert_true(r.n_entries <= IPC_QUEUE_PAGE_ENTRIES_MAX);
		for (size_t i = 0; i < r.n_entries; i++)
			assert_int_equal(r.entries[i].group, 1);
		n += r.n_entries;
		n_calls++;
		q.after_id = r.next_id;
		q.after_group = r.next_group;
	} while (r.more);
	assert_int_equal(n, 3000);
	q = (struct ipc_queue_page){ .filter.domain = STR("none.test") };
	for (n_calls = 0; n_calls == 0 || r.more; n_calls++) {
		r = (struct ipc_queue_page_reply){ 0 };
		assert_int_equal(ipc_queue_page(&f->ctl, &q, &r, &f->a), OK);
		assert_int_equal(r.n_entries, 0);
		q.after_id = r.next_id;
		q.after_group = r.next_group;
	}
	assert_int_equal(n_calls, 9000 / OUTGOING_LOOK_MAX + 1); /* a letter has three rows */
}

/* ---- a backup */

struct taken {
	struct VEC(struct str) keys, values;
};

static bool take(struct fx *f, struct taken *t)
{
	struct ipc_backup_begin b = { .dir = STR("0123456789abcdef") };
	struct ipc_backup_begin_reply begun;
	struct ipc_backup_rows q = { 0 };
	struct ipc_backup_rows_reply r = { 0 };
	struct cur c;

	assert_int_equal(ipc_backup_begin(&f->ctl, &b, &begun, &f->a), OK);
	q.partition = begun.lane;
	assert_int_equal(ipc_backup_rows(&f->ctl, &q, &r, &f->a), OK);
	assert_int_equal(r.more, 0);
	c = cur_of(r.rows);
	while (!cur_end(&c)) {
		uint16_t key_n = cur_le16(&c);
		uint32_t value_n = cur_le32(&c);

		*vec_push(&t->keys) = cur_bytes(&c, key_n);
		*vec_push(&t->values) = cur_bytes(&c, value_n);
	}
	return cur_done(&c) && ipc_backup_end(&f->ctl) == OK;
}

static void put_given(struct buf *out, struct str key, struct str value, uint64_t blob)
{
	put_u16(out, (uint16_t)key.n);
	put_u32(out, (uint32_t)value.n);
	put_u64(out, blob);
	buf_add(out, key);
	buf_add(out, value);
}

static uint64_t give_body(struct fx *f)
{
	struct ipc_restore_bodies_reply r = { 0 };
	struct ipc_restore_bodies q = { 0 };
	struct buf pack;

	buf_init(&pack, 1000);
	put_str(&pack, str_of(body, sizeof body - 1));
	q.pack = body_of(buf_str(&pack));
	assert_int_equal(ipc_restore_bodies(&f->ctl, &q, &r, &f->a), OK);
	buf_fini(&pack);
	return r.first;
}

static enum outcome give(struct fx *f, const struct taken *t, size_t from, size_t to, uint64_t blob)
{
	struct ipc_restore_outgoing q = { 0 };
	struct buf rows;
	enum outcome o;

	buf_init(&rows, 1 << 20);
	for (size_t i = from; i < to; i++)
		put_given(&rows, t->keys.v[i], t->values.v[i], t->keys.v[i].n == 9 && t->keys.v[i].p[0] == 'O' ? blob : 0);
	q.rows = buf_str(&rows);
	o = ipc_restore_outgoing(&f->ctl, &q);
	buf_fini(&rows);
	return o;
}

static void remove_and_forget(struct fx *f, uint64_t id)
{
	for (uint32_t group = 0; group < 2; group++) {
		struct ipc_queue_change q = { .id = id, .group = group, .what = QUEUE_DELETE };

		assert_int_equal(ipc_queue_change(&f->post, &q), OK);
	}
	task_sleep(f->sched, (int64_t)(TRACE_KEEP_S + 5) * 1000);
	expire(f);
	assert_int_equal(load(f).n_entries, 0);
}

/* Row by row, each in a call of its own: a restore that ends between two leaves what verify finds sound. */
static void come_back_held(struct fx *f)
{
	struct ipc_restore_begin all = { 1 };
	struct ipc_queue_read_reply r = { 0 };
	struct ipc_queue_read read = { 0 };
	struct ipc_queue_load_reply l;
	struct taken t = { 0 };
	uint64_t blob, id = put(f, "one", 0);

	assert_true(take(f, &t));
	remove_and_forget(f, id);
	assert_int_equal(ipc_restore_begin(&f->ctl, &all), OK);
	blob = give_body(f);
	for (size_t i = 0; i < t.keys.n; i++) {
		assert_int_equal(give(f, &t, i, i + 1, blob), OK);
		fx_verified(f);
	}
	assert_int_equal(ipc_restore_end(&f->ctl), OK);
	l = load(f);
	assert_int_equal(l.n_entries, 2);
	assert_true(l.entries[0].state == QUEUE_HELD && l.entries[1].state == QUEUE_HELD && l.entries[0].id > id);
	read.id = l.entries[1].id;
	read.group = 1;
	assert_int_equal(ipc_queue_read(&f->post, &read, &r, &f->a), OK);
	assert_true(str_eq(r.prefix, STR("X: y\r\n")) && str_eq(r.rcpts[0].to.local, STR("b")) && r.attempts == 1);
	assert_int_equal(put(f, "one", 1), read.id);
	f->store->limits.keep_expunged_ms = 0;
	store_collect(f->store);
	fx_verified(f);
	vec_free(&t.keys);
	vec_free(&t.values);
}

static void what_does_not_come_back(struct fx *f)
{
	struct ipc_restore_begin all = { 1 }, one = { 0 };
	struct taken t = { 0 };
	uint64_t id = put(f, "one", 0);

	assert_true(take(f, &t));
	assert_int_equal(give(f, &t, 0, t.keys.n, 1), REVOKED);
	assert_int_equal(ipc_restore_begin(&f->ctl, &one), OK);
	assert_int_equal(give(f, &t, 0, t.keys.n, 1), DENIED);
	assert_int_equal(ipc_restore_begin(&f->ctl, &all), OK);
	assert_int_equal(give(f, &t, 0, t.keys.n, give_body(f)), OK); /* it is here, and stays once */
	assert_int_equal(load(f).n_entries, 2);
	remove_and_forget(f, id);
	assert_int_equal(ipc_restore_begin(&f->ctl, &all), OK);
	assert_int_equal(give(f, &t, 0, t.keys.n, 0), OK); /* its body is lost */
	assert_int_equal(load(f).n_entries, 0);
	t.values.v[0] = STR("x"); /* of the counter, which is not given back */
	for (size_t i = 0; i < t.keys.n; i++)
		if (t.keys.v[i].p[0] == 'O')
			t.values.v[i] = STR("x");
	assert_int_equal(give(f, &t, 0, t.keys.n, give_body(f)), BAD_SYNTAX);
	assert_int_equal(load(f).n_entries, 0);
	fx_verified(f);
	vec_free(&t.keys);
	vec_free(&t.values);
}

/* In virtual time, on the memory engine. */
static void go(fx_test *test)
{
	struct fx *f = mem_new(struct fx);
	struct fx_run r = { f, test };

	fx_init(f, false);
	f->sched = sched_new(&(struct sched_opts){ .virtual_time = true, .wall_start_s = 1795341600 });
	task_spawn(f->sched, "test", fx_main, &r);
	sched_run(f->sched);
	sched_free(f->sched);
	fx_end(f);
}

#define IN_TIME(name) static void time_##name(void **state) { (void)state; go(name); }
IN_TIME(as_long_as_said)
IN_TIME(none_at_all)
IN_TIME(a_step_is_bounded)
IN_TIME(a_failed_step)
IN_TIME(looks_are_bounded)
IN_TIME(come_back_held)
IN_TIME(what_does_not_come_back)

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(time_as_long_as_said), cmocka_unit_test(time_none_at_all),
		cmocka_unit_test(time_a_step_is_bounded), cmocka_unit_test(time_a_failed_step), cmocka_unit_test(time_looks_are_bounded),
		cmocka_unit_test(time_come_back_held), cmocka_unit_test(time_what_does_not_come_back) };

	return cmocka_run_group_tests_name("store/outgoing_keep", tests, NULL, NULL);
}
