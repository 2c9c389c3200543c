/* unit/store/test_undelete.c - what was expunged comes back until its time is over; so do mailboxes and accounts. */
#include "unit/store/fixture.h"

static struct ipc_addr alice(void)
{
	return (struct ipc_addr){ STR("alice"), STR("x.test") };
}

static enum outcome undelete_of(struct fx *f, const char *mailbox, int64_t since_s, uint32_t *n)
{
	struct ipc_undelete q = { .address = alice(), .mailbox = str_z(mailbox), .since_s = since_s };
	struct ipc_undelete_reply r = { 0 };

	*n = 0;
	do {
		enum outcome o = ipc_undelete(&f->ctl, &q, &r, &f->a);

		if (o != OK)
			return o;
		*n += r.n;
		q.after = r.next;
	} while (r.more);
	return OK;
}

static uint32_t undelete(struct fx *f, const char *mailbox, int64_t since_s)
{
	uint32_t n;

	assert_int_equal(undelete_of(f, mailbox, since_s, &n), OK);
	return n;
}

static size_t listed(struct fx *f, struct str *first)
{
	struct ipc_deleted_list q = { .address = alice() };
	struct ipc_deleted_list_reply r = { 0 };
	size_t n = 0;

	do {
		assert_int_equal(ipc_deleted_list(&f->ctl, &q, &r, &f->a), OK);
		if (n == 0 && r.n_lines && first)
			*first = r.lines[0];
		n += r.n_lines;
		q.after = r.next;
	} while (r.more);
	return n;
}

static void deliver_many(struct fx *f, int n, const char *mailbox)
{
	char id[32];

	for (int i = 0; i < n; i++) {
		snprintf(id, sizeof id, "%s%d", mailbox, i);
		assert_int_equal(fx_deliver_to(f, f->account, id, mailbox, fx_letter(f, id, 300), NULL), OK);
	}
}

static void make_mailbox(struct fx *f, const char *name)
{
	struct ipc_mailbox_create q = { .handle = f->handle, .name = str_z(name) };
	struct ipc_mailbox_create_reply r = { 0 };

	assert_int_equal(ipc_mailbox_create(&f->edge[0], &q, &r, &f->a), OK);
}

static void delete_mailbox(struct fx *f, const char *name)
{
	struct ipc_mailbox_delete q = { .handle = f->handle, .name = str_z(name) };

	assert_int_equal(ipc_mailbox_delete(&f->edge[0], &q), OK);
}

static void add_keyword(struct fx *f, uint32_t sel, uint32_t uid, struct str keyword)
{
	struct ipc_range set = { uid, uid };
	struct ipc_set_flags q = { .handle = f->handle,
		.sel = sel,
		.by_uid = 1,
		.set = &set,
		.n_set = 1,
		.mode = 1,
		.flags = MSG_FLAGGED | MSG_DELETED,
		.keywords = &keyword,
		.n_keywords = 1 };
	struct ipc_set_flags_reply r = { 0 };

	assert_int_equal(ipc_set_flags(&f->edge[0], &q, &r, &f->a), OK);
}

/* ---- the cases */

static void comes_back(struct fx *f)
{
	struct ipc_select_reply sel;
	struct ipc_fetch_reply r;
	struct str line = STR("");

	fx_account(f);
	deliver_many(f, 3, "");
	sel = fx_select(f, "INBOX");
	add_keyword(f, sel.sel, 2, STR("$Later"));
	assert_int_equal(fx_expunge(f, sel.sel, 2, 2), 1);
	fx_sync(f, sel.sel, true);
	fx_verified(f);
	assert_int_equal(fx_status(f, "INBOX").messages, 2);
	assert_int_equal(listed(f, &line), 1);
	assert_true(str_starts(line, STR("INBOX\t2\t")));
	assert_int_equal(undelete(f, "", 0), 1);
	assert_int_equal(listed(f, NULL), 0);
	fx_verified(f);
	assert_int_equal(fx_sync(f, sel.sel, true).messages, 3);
	r = fx_fetch(f, sel.sel, true, 4, 4, WANT_BODY | WANT_INDEX);
	assert_int_equal(r.n_rows, 1);
	assert_int_equal(r.rows[0].flags & ~(uint32_t)MSG_RECENT, MSG_FLAGGED);
	assert_int_equal(r.rows[0].keywords, 1);
	assert_int_equal(r.rows[0].date_s, 1795341600);
	assert_true(r.rows[0].body_n > 300 && r.rows[0].index.n > 0);
	assert_int_equal(undelete(f, "", 0), 0);
	fx_reopen(f);
	fx_verified(f);
}

static void by_mailbox_and_time(struct fx *f)
{
	struct ipc_select_reply sel;
	int64_t now = sched_wall_us(f->sched) / 1000000;

	fx_account(f);
	deliver_many(f, 2, "");
	deliver_many(f, 2, "Archive");
	sel = fx_select(f, "INBOX");
	fx_expunge(f, sel.sel, 1, 2);
	sel = fx_select(f, "Archive");
	fx_expunge(f, sel.sel, 1, 2);
	assert_int_equal(listed(f, NULL), 4);
	assert_int_equal(undelete(f, "", now + 1000), 0);
	assert_int_equal(undelete(f, "Sent", 0), 0);
	assert_int_equal(undelete(f, "Archive", now - 5), 2);
	assert_int_equal(fx_status(f, "Archive").messages, 2);
	assert_int_equal(fx_status(f, "INBOX").messages, 0);
	assert_int_equal(undelete(f, "", 0), 2);
	assert_int_equal(fx_status(f, "INBOX").messages, 2);
	fx_verified(f);
}

static void of_a_mailbox_that_is_gone(struct fx *f)
{
	struct ipc_select_reply sel;

	fx_account(f);
	make_mailbox(f, "Trip/2026");
	deliver_many(f, 5, "Trip/2026");
	sel = fx_select(f, "Trip/2026");
	add_keyword(f, sel.sel, 1, STR("$Nice"));
	fx_expunge(f, sel.sel, 5, 5);
	delete_mailbox(f, "Trip/2026");
	fx_verified(f);
	assert_int_equal(listed(f, NULL), 5);
	assert_int_equal(undelete(f, "Trip/2026", 0), 5);
	fx_verified(f);
	assert_int_equal(fx_status(f, "Undeleted/Trip/2026").messages, 5);
	sel = fx_select(f, "Undeleted/Trip/2026");
	assert_int_equal(sel.n_keywords, 1);
	assert_true(str_eq(sel.keywords[0], STR("$Nice")));
	/* one of the same name that was made since takes them */
	fx_expunge(f, sel.sel, 1, 5);
	delete_mailbox(f, "Undeleted/Trip/2026");
	make_mailbox(f, "Undeleted/Trip/2026");
	assert_int_equal(undelete(f, "", 0), 5);
	assert_int_equal(fx_status(f, "Undeleted/Trip/2026").messages, 5);
	fx_verified(f);
}

static void a_move_deletes_nothing(struct fx *f)
{
	struct ipc_range set = { 1, 2 };
	struct ipc_copy q = { .set = &set, .n_set = 1, .by_uid = 1, .to = STR("Archive"), .move = 1 };
	struct ipc_copy_reply r = { 0 };

	fx_account(f);
	deliver_many(f, 2, "");
	q.handle = f->handle;
	q.sel = fx_select(f, "INBOX").sel;
	assert_int_equal(ipc_copy(&f->edge[0], &q, &r, &f->a), OK);
	assert_int_equal(listed(f, NULL), 0);
	assert_int_equal(undelete(f, "", 0), 0);
	fx_verified(f);
}

static void time_is_over(struct fx *f)
{
	struct ipc_select_reply sel;
	struct engine_blob_info info;

	fx_account(f);
	make_mailbox(f, "M");
	deliver_many(f, 250, "");
	deliver_many(f, 3, "M");
	sel = fx_select(f, "INBOX");
	fx_expunge(f, sel.sel, 1, 250);
	fx_sync(f, sel.sel, true);
	delete_mailbox(f, "M");
	assert_int_equal(store_collect(f->store), 0); /* an hour is not over */
	assert_int_equal(listed(f, NULL), 253);
	fx_verified(f);
	f->store->limits.keep_expunged_ms = 0;
	assert_int_equal(store_collect(f->store), 253);
	assert_int_equal(listed(f, NULL), 0);
	assert_int_equal(undelete(f, "", 0), 0);
	assert_false(engine_blob_next(f->store->shard.port, NULL, 0, &info));
	fx_verified(f);
}

static void kept_for_no_time(struct fx *f)
{
	fx_account(f);
	f->store->limits.keep_expunged_ms = 0;
	deliver_many(f, 1, "");
	fx_expunge(f, fx_select(f, "INBOX").sel, 1, 1);
	assert_int_equal(listed(f, NULL), 0);
	fx_verified(f);
}

static void within_the_quota(struct fx *f)
{
	uint32_t n;

	fx_account(f);
	deliver_many(f, 4, "");
	fx_expunge(f, fx_select(f, "INBOX").sel, 1, 3);
	f->store->shard.limits = &f->store->limits;
	((struct account *)map_get(&f->store->shard.accounts, MAP_KEY(f->account)))->quota_messages = 3;
	assert_int_equal(undelete_of(f, "", 0, &n), OVER_LIMIT);
	assert_int_equal(fx_status(f, "INBOX").messages, 1);
	((struct account *)map_get(&f->store->shard.accounts, MAP_KEY(f->account)))->quota_messages = 4;
	assert_int_equal(undelete(f, "", 0), 3);
	fx_verified(f);
}

static void account_comes_back(struct fx *f)
{
	struct ipc_account_delete d = { .address = alice() };
	struct ipc_account_undelete u = { .address = alice() };
	uint64_t handle, old;

	fx_account(f);
	old = f->account;
	deliver_many(f, 3, "");
	fx_expunge(f, fx_select(f, "INBOX").sel, 1, 1);
	assert_int_equal(ipc_account_undelete(&f->ctl, &u), EXISTS);
	assert_int_equal(ipc_account_delete(&f->ctl, &d), OK);
	fx_verified(f);
	assert_int_equal(fx_deliver_to(f, f->account, "x", "", fx_letter(f, "x", 300), NULL), NO_SUCH);
	assert_int_equal(fx_login(f, "alice@x.test", 0, &handle), NO_SUCH);
	assert_int_equal(ipc_account_undelete(&f->ctl, &u), OK);
	assert_int_equal(fx_login(f, "alice@x.test", 0, &f->handle), OK);
	assert_int_equal(fx_status(f, "INBOX").messages, 2);
	assert_int_equal(undelete(f, "", 0), 1);
	fx_verified(f);
	/* the address is another's meanwhile */
	assert_int_equal(ipc_account_delete(&f->ctl, &d), OK);
	f->account = fx_add_account(f, "alice@x.test");
	assert_true(f->account != old);
	assert_int_equal(ipc_account_undelete(&f->ctl, &u), EXISTS);
	d.now = 1;
	assert_int_equal(ipc_account_delete(&f->ctl, &d), OK);
	if (f->rocks)
		fx_reopen(f);
	assert_int_equal(ipc_account_undelete(&f->ctl, &u), OK);
	f->account = old;
	assert_int_equal(fx_login(f, "alice@x.test", 0, &f->handle), OK);
	assert_int_equal(fx_status(f, "INBOX").messages, 3);
	fx_verified(f);
}

static void account_is_over(struct fx *f)
{
	struct ipc_account_delete d = { .address = alice() };
	struct ipc_account_undelete u = { .address = alice() };

	fx_account(f);
	deliver_many(f, 3, "");
	fx_expunge(f, fx_select(f, "INBOX").sel, 1, 1);
	assert_int_equal(ipc_account_delete(&f->ctl, &d), OK);
	assert_int_equal(store_collect(f->store), 0);
	fx_verified(f);
	f->store->limits.keep_expunged_ms = -1000; /* a second has passed */
	store_collect(f->store);
	directory_sweep(&f->store->directory);
	assert_int_equal(ipc_account_undelete(&f->ctl, &u), NO_SUCH);
	assert_int_equal(store_collect(f->store), 3);
	fx_verified(f);
}

/* Commits that are lost or of unknown end, one after another, in every step of a deletion and its undoing. */
static void commits_fail(struct fx *f, enum engine_result how)
{
	for (unsigned skip = 0; skip < 6; skip++) {
		struct ipc_select_reply sel;
		uint32_t n;

		assert_int_equal(fx_login(f, "alice@x.test", 0, &f->handle), OK);
		deliver_many(f, 3, "");
		sel = fx_select(f, "INBOX");
		engine_mem_fail_after(f->engine, skip, 1, how);
		for (uint32_t uid = sel.uidnext - 1; uid + 3 >= sel.uidnext && uid > 0; uid--) {
			struct ipc_range set = { uid, uid };
			struct ipc_expunge q = { .handle = f->handle, .sel = sel.sel, .uids = &set, .n_uids = 1 };
			struct ipc_expunge_reply r = { 0 };

			if (ipc_expunge(&f->edge[0], &q, &r, &f->a) != OK)
				break;
		}
		while (undelete_of(f, "", 0, &n) == TRY_LATER)
			task_sleep(f->sched, 5);
		fx_settle(f);
		engine_mem_fail_next(f->engine, 0, how);
		assert_int_equal(listed(f, NULL), 0);
		fx_verified(f);
	}
}

static void failing(struct fx *f)
{
	fx_account(f);
	commits_fail(f, ENGINE_LOST);
	commits_fail(f, ENGINE_UNKNOWN);
}

BOTH(comes_back)
BOTH(by_mailbox_and_time)
BOTH(of_a_mailbox_that_is_gone)
BOTH(a_move_deletes_nothing)
BOTH(time_is_over)
BOTH(kept_for_no_time)
BOTH(within_the_quota)
BOTH(account_comes_back)
BOTH(account_is_over)
ON(mem, failing)

int main(void)
{
	const struct CMUnitTest tests[] = { TESTS(comes_back), TESTS(by_mailbox_and_time),
		TESTS(of_a_mailbox_that_is_gone), TESTS(a_move_deletes_nothing), TESTS(time_is_over),
		TESTS(kept_for_no_time), TESTS(within_the_quota), TESTS(account_comes_back), TESTS(account_is_over),
		cmocka_unit_test(mem_failing) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
