/* unit/store/test_mail.c - deliver, select, fetch, flags, expunge, copy, sync over channels, on both engines. */
#include "unit/store/fixture.h"

static void deliver_and_read(struct fx *f)
{
	struct ipc_select_reply sel;
	struct ipc_fetch_reply r;
	struct str letter;

	fx_account(f);
	assert_int_equal(fx_deliver(f, "d1", "first"), 1);
	assert_int_equal(fx_deliver(f, "d2", "second"), 2);
	assert_int_equal(fx_deliver(f, "d1", "first again"), 1);
	sel = fx_select(f, "inbox");
	assert_int_equal(sel.messages, 2);
	assert_int_equal(sel.recent, 2);
	assert_int_equal(sel.first_unseen, 1);
	assert_int_equal(sel.uidnext, 3);
	r = fx_fetch(f, sel.sel, false, 1, 0, WANT_INDEX | WANT_BODY);
	assert_int_equal(r.n_rows, 2);
	letter = fx_letter(f, "second", 500);
	assert_int_equal(r.rows[1].uid, 2);
	assert_int_equal(r.rows[1].seq, 2);
	assert_int_equal(r.rows[1].size, letter.n + fx_prefix().n);
	assert_int_equal(r.rows[1].prefix_n, fx_prefix().n);
	assert_int_equal(r.rows[1].body_n, r.rows[1].body.n);
	assert_true(str_starts(r.rows[1].body, fx_prefix()));
	assert_true(str_eq(str_from(r.rows[1].body, fx_prefix().n), letter));
	assert_true(str_eq(r.rows[1].index, fx_index(f, letter)));
	assert_true(r.rows[1].flags & MSG_RECENT);
	r = fx_fetch(f, sel.sel, true, 2, 2, WANT_HEADER);
	assert_int_equal(r.n_rows, 1);
	assert_int_equal(r.rows[0].body_n, r.rows[0].header_n);
	assert_true(str_ends(r.rows[0].body, STR("\r\n\r\n")));
	fx_verified(f);
}

static void large_letters(struct fx *f)
{
	struct str letter;
	struct ipc_select_reply sel;
	struct ipc_fetch_reply r;
	struct ipc_read_body q = { 0 };
	struct ipc_read_body_reply b;
	uint32_t uid;
	struct buf whole;

	fx_account(f);
	letter = fx_letter(f, "large", 3 << 20);
	assert_int_equal(fx_deliver_to(f, f->account, "big", "INBOX", letter, &uid), OK);
	assert_int_equal(fx_deliver_to(f, f->account, "small", "INBOX", fx_letter(f, "s", 300), &uid), OK);
	sel = fx_select(f, "INBOX");
	r = fx_fetch(f, sel.sel, false, 1, 2, WANT_BODY);
	assert_int_equal(r.n_rows, 2); /* the first is cut, and leaves room for the second */
	assert_false(r.more);
	assert_int_equal(r.rows[0].body_n, r.rows[0].size);
	assert_true(r.rows[0].body.n > 150000);
	buf_init(&whole, 8 << 20);
	buf_add(&whole, r.rows[0].body);
	q = (struct ipc_read_body){ .handle = f->handle, .sel = sel.sel, .uid = 1, .n = 150000 };
	while (whole.n < r.rows[0].size) {
		q.at = (uint32_t)whole.n;
		assert_int_equal(ipc_read_body(&f->edge[0], &q, &b, &f->a), OK);
		assert_true(b.bytes.n > 0);
		buf_add(&whole, b.bytes);
	}
	assert_true(str_eq(str_from(buf_str(&whole), fx_prefix().n), letter));
	buf_fini(&whole);
	fx_verified(f);
}

static void flags_and_expunge(struct fx *f)
{
	struct ipc_select_reply a, b;
	struct ipc_sync_reply s;
	uint64_t other;
	char id[8];

	fx_account(f);
	for (int i = 1; i <= 5; i++) {
		snprintf(id, sizeof id, "d%d", i);
		fx_deliver(f, id, "x");
	}
	assert_int_equal(fx_login(f, "Alice@X.test", 1, &other), OK);
	a = fx_select(f, "INBOX");
	b = fx_select_as(f, 1, other, "INBOX", false);
	assert_int_equal(a.recent, 5);
	assert_int_equal(b.recent, 0);
	assert_int_equal(fx_flags(f, a.sel, 2, 4, 1, MSG_DELETED), 3);
	assert_int_equal(fx_flags(f, a.sel, 2, 4, 1, MSG_DELETED), 0);
	fx_settle(f);
	assert_int_equal(f->n_changed, 2);
	s = fx_sync_as(f, 1, other, b.sel, true);
	assert_int_equal(s.n_changes, 3);
	assert_int_equal(s.changes[0].seq, 2);
	assert_int_equal(s.changes[0].flags, MSG_DELETED);
	assert_int_equal(fx_expunge(f, a.sel, 2, 3), 2);
	s = fx_sync_as(f, 1, other, b.sel, false);
	assert_int_equal(s.messages, 5);
	assert_int_equal(s.n_expunged, 0);
	s = fx_sync_as(f, 1, other, b.sel, true);
	assert_int_equal(s.messages, 3);
	assert_int_equal(s.n_expunged, 2);
	assert_int_equal(s.expunged[0], 3);
	assert_int_equal(s.expunged[1], 2);
	s = fx_sync(f, a.sel, true);
	assert_int_equal(s.messages, 3);
	assert_int_equal(s.n_expunged, 2);
	assert_int_equal(s.n_changes, 1); /* of the three it flagged, the one that is left */
	assert_int_equal(fx_status(f, "INBOX").messages, 3);
	assert_int_equal(fx_status(f, "INBOX").deleted, 1);
	fx_deliver(f, "d6", "new");
	s = fx_sync_as(f, 1, other, b.sel, true);
	assert_int_equal(s.messages, 4);
	assert_int_equal(s.recent, 1);
	s = fx_sync(f, a.sel, true);
	assert_int_equal(s.messages, 4);
	assert_int_equal(s.recent, 3);
	fx_verified(f);
}

static void copy_and_move(struct fx *f)
{
	struct ipc_range set = { 1, 0 };
	struct ipc_copy q = { .by_uid = 1, .set = &set, .n_set = 1, .to = STR("Archive") };
	struct ipc_copy_reply r = { 0 };
	struct ipc_select_reply sel;
	struct ipc_fetch_reply rows;
	char id[8];

	fx_account(f);
	for (int i = 1; i <= 3; i++) {
		snprintf(id, sizeof id, "d%d", i);
		fx_deliver(f, id, "x");
	}
	sel = fx_select(f, "INBOX");
	q.handle = f->handle;
	q.sel = sel.sel;
	assert_int_equal(ipc_copy(&f->edge[0], &q, &r, &f->a), OK);
	assert_int_equal(r.n_from_uids, 1);
	assert_int_equal(r.from_uids[0].hi, 3);
	assert_int_equal(r.to_uids[0].hi, 3);
	q.to = STR("Nowhere");
	assert_int_equal(ipc_copy(&f->edge[0], &q, &r, &f->a), NO_SUCH);
	set = (struct ipc_range){ 2, 2 };
	q.to = STR("Trash");
	q.move = 1;
	assert_int_equal(ipc_copy(&f->edge[0], &q, &r, &f->a), OK);
	assert_int_equal(fx_sync(f, sel.sel, true).n_expunged, 1);
	assert_int_equal(fx_status(f, "INBOX").messages, 2);
	assert_int_equal(fx_status(f, "Trash").messages, 1);
	assert_int_equal(fx_status(f, "Archive").messages, 3);
	sel = fx_select(f, "Trash");
	rows = fx_fetch(f, sel.sel, false, 1, 1, WANT_BODY);
	assert_int_equal(rows.n_rows, 1);
	assert_true(str_starts(rows.rows[0].body, fx_prefix()));
	fx_verified(f);
}

static void survives_reopening(struct fx *f)
{
	struct ipc_select_reply sel;

	fx_account(f);
	fx_deliver(f, "d1", "one");
	fx_deliver(f, "d2", "two");
	sel = fx_select(f, "INBOX");
	fx_flags(f, sel.sel, 1, 1, 0, MSG_SEEN | MSG_FLAGGED);
	fx_expunge(f, sel.sel, 2, 2);
	if (!f->rocks)
		return;
	fx_reopen(f);
	assert_int_equal(fx_login(f, "alice@x.test", 0, &f->handle), OK);
	assert_int_equal(fx_deliver(f, "d1", "one"), 1);
	sel = fx_select(f, "INBOX");
	assert_int_equal(sel.messages, 1);
	assert_int_equal(sel.recent, 0);
	assert_int_equal(sel.uidnext, 3);
	assert_int_equal(fx_fetch(f, sel.sel, false, 1, 1, WANT_BODY).rows[0].flags, MSG_SEEN | MSG_FLAGGED);
	fx_verified(f);
}

static void collects_garbage(struct fx *f)
{
	struct ipc_select_reply sel;
	struct engine_stats st;
	char id[8];

	fx_account(f);
	f->store->limits.keep_expunged_ms = 0;
	for (int i = 0; i < 40; i++) {
		snprintf(id, sizeof id, "d%d", i);
		assert_int_equal(fx_deliver_to(f, f->account, id, "", fx_letter(f, "x", 60000), NULL), OK);
	}
	sel = fx_select(f, "INBOX");
	fx_expunge(f, sel.sel, 1, 30);
	fx_sync(f, sel.sel, true);
	fx_verified(f);
	assert_int_equal(store_collect(f->store), 30);
	fx_verified(f);
	fx_deliver(f, "again", "wakes the committer");
	task_sleep(f->sched, 100);
	f->engine->ops->stats(f->engine, &st);
	assert_int_equal(st.n_blobs, 11);
	assert_true(!f->rocks || st.n_compacted > 0);
	assert_int_equal(fx_fetch(f, sel.sel, false, 1, 0, WANT_BODY).n_rows, 4);
	fx_verified(f);
}

BOTH(deliver_and_read)
BOTH(large_letters)
BOTH(flags_and_expunge)
BOTH(copy_and_move)
BOTH(survives_reopening)
BOTH(collects_garbage)

int main(void)
{
	const struct CMUnitTest tests[] = { TESTS(deliver_and_read), TESTS(large_letters), TESTS(flags_and_expunge),
		TESTS(copy_and_move), TESTS(survives_reopening), TESTS(collects_garbage) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
