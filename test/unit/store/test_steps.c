/* unit/store/test_steps.c - changes in steps, conditional changes, what a search saves, flags told in passes: over channels, on both engines. */
#include "unit/store/fixture.h"

#include "store/message.h"

#define MANY 2500 /* more than a step changes or copies */

static struct account *account(struct fx *f)
{
	return map_get(&f->store->shard.accounts, MAP_KEY(f->account));
}

static enum outcome copy_of(struct fx *f, uint32_t sel, uint32_t hi, const char *to, bool move, struct ipc_copy_reply *r)
{
	struct ipc_range all = { 1, hi };
	struct ipc_copy q = { .handle = f->handle, .sel = sel, .set = &all, .n_set = 1, .to = str_z(to), .move = move };

	*r = (struct ipc_copy_reply){ 0 };
	return ipc_copy_within(&f->edge[0], &q, r, &f->a, 60000);
}

static enum outcome copy_to(struct fx *f, uint32_t sel, const char *to, bool move, struct ipc_copy_reply *r)
{
	return copy_of(f, sel, 0, to, move, r);
}

/* One letter, and copies of it. */
static void fill(struct fx *f, uint32_t n)
{
	struct ipc_copy_reply r;
	uint32_t sel, have = 1;

	fx_account(f);
	fx_deliver(f, "one", "x");
	sel = fx_select(f, "INBOX").sel;
	while (have < n) {
		uint32_t more = have < n - have ? have : n - have;

		assert_int_equal(copy_of(f, sel, more, "INBOX", false, &r), OK);
		fx_sync(f, sel, true);
		have += more;
	}
}

static void steps(struct fx *f)
{
	struct ipc_copy_reply r;
	struct ipc_select_reply sel;

	fill(f, MANY);
	sel = fx_select(f, "INBOX");
	assert_int_equal(fx_flags(f, sel.sel, 1, 0, 1, MSG_DELETED), MANY);
	assert_int_equal(fx_status(f, "INBOX").deleted, MANY);
	assert_int_equal(copy_to(f, sel.sel, "Archive", false, &r), OK);
	assert_int_equal(r.n_from_uids, 1);
	assert_int_equal(r.n_to_uids, 1);
	assert_int_equal(r.to_uids[0].hi, MANY);
	assert_int_equal(fx_status(f, "Archive").messages, MANY);
	assert_int_equal(copy_to(f, sel.sel, "INBOX", false, &r), OK); /* onto itself: what it makes is not copied again */
	assert_int_equal(fx_status(f, "INBOX").messages, 2 * MANY);
	assert_int_equal(fx_expunge(f, sel.sel, 1, MANY), MANY);
	assert_int_equal(fx_status(f, "INBOX").messages, MANY);
	fx_sync(f, sel.sel, true);
	assert_int_equal(copy_to(f, sel.sel, "Sent", true, &r), OK);
	assert_int_equal(r.from_uids[0].lo, MANY + 1);
	assert_int_equal(fx_status(f, "INBOX").messages, 0);
	assert_int_equal(fx_status(f, "Sent").messages, MANY);
	fx_verified(f);
}

/* What will not fit is refused whole, and says that it is the quota. */
static void copy_over_quota(struct fx *f)
{
	struct ipc_copy_reply r;
	struct ipc_select_reply sel;

	fill(f, 30);
	sel = fx_select(f, "INBOX");
	account(f)->quota_messages = 59;
	assert_int_equal(copy_to(f, sel.sel, "Archive", false, &r), OVER_QUOTA);
	assert_int_equal(fx_status(f, "Archive").messages, 0);
	account(f)->quota_messages = 60;
	assert_int_equal(copy_to(f, sel.sel, "Archive", false, &r), OK);
	fx_verified(f);
}

/* A copy that cannot go on behind its first step takes back what it made, and what came there meanwhile stays. */
static void copy_takes_back(struct fx *f)
{
	struct ipc_copy_reply r;
	struct ipc_select_reply sel;

	fill(f, MANY);
	assert_int_equal(fx_deliver_to(f, f->account, "there", "Archive", fx_letter(f, "x", 300), NULL), OK);
	sel = fx_select(f, "INBOX");
	mailbox_find(account(f), STR("Archive"))->uidnext = UINT32_MAX - MANY / 2; /* uids run out */
	assert_int_equal(copy_to(f, sel.sel, "Archive", false, &r), OVER_LIMIT);
	assert_int_equal(fx_status(f, "Archive").messages, 1);
	assert_int_equal(fx_status(f, "INBOX").messages, MANY);
	fx_verified(f);
}

static struct ipc_set_flags_reply set_if(struct fx *f, uint32_t sel, bool by_uid, uint64_t since, uint32_t flags)
{
	struct ipc_range all = { 1, 0 };
	struct ipc_set_flags q = { .handle = f->handle,
		.sel = sel,
		.by_uid = by_uid,
		.set = &all,
		.n_set = 1,
		.mode = 1,
		.silent = 1,
		.conditional = 1,
		.unchanged_since = since,
		.flags = flags };
	struct ipc_set_flags_reply r = { 0 };

	assert_int_equal(ipc_set_flags(&f->edge[0], &q, &r, &f->a), OK);
	return r;
}

static void conditional(struct fx *f)
{
	struct ipc_select_reply sel;
	struct ipc_set_flags_reply r;
	uint64_t since;

	fill(f, 6);
	sel = fx_select(f, "INBOX");
	since = sel.modseq;
	fx_flags(f, sel.sel, 2, 3, 1, MSG_SEEN);
	fx_flags(f, sel.sel, 5, 5, 1, MSG_SEEN);
	r = set_if(f, sel.sel, false, since, MSG_FLAGGED);
	assert_int_equal(r.n_changed, 3);
	assert_int_equal(r.n_modified, 2);
	assert_int_equal(r.modified[0].lo, 2);
	assert_int_equal(r.modified[0].hi, 3);
	assert_int_equal(r.modified[1].lo, 5);
	assert_true(r.before > since);
	r = set_if(f, sel.sel, true, 0, MSG_FLAGGED); /* 0 is before everything */
	assert_int_equal(r.n_changed, 0);
	assert_int_equal(r.n_modified, 1);
	assert_int_equal(r.modified[0].hi, 6);
	r = set_if(f, sel.sel, true, r.before, MSG_FLAGGED); /* as it is already: no change, and no new modseq */
	assert_int_equal(r.n_modified, 0);
	assert_int_equal(r.n_changed, 3);
	assert_int_equal(set_if(f, sel.sel, true, fx_select(f, "INBOX").modseq, MSG_FLAGGED).n_changed, 0);
	fx_verified(f);
}

/* More modified messages than can be named one by one: the work ends, and the rest is named as a whole. */
static void too_many_modified(struct fx *f)
{
	const uint32_t n = 2 * IPC_SET_FLAGS_MODIFIED_MAX + 20;
	struct ipc_select_reply sel;
	struct ipc_set_flags_reply r;
	struct mailbox *m;
	uint64_t since;

	fill(f, n);
	m = mailbox_find(account(f), STR("INBOX"));
	sel = fx_select(f, "INBOX");
	since = fx_select(f, "INBOX").modseq;
	for (uint32_t i = 1; i < n; i += 2)
		message_set(m->account, m, i, MSG_SEEN, 0);
	account_stage(m->account);
	r = set_if(f, sel.sel, false, since, MSG_FLAGGED);
	assert_int_equal(r.n_modified, IPC_SET_FLAGS_MODIFIED_MAX);
	assert_int_equal(r.modified[0].lo, 2);
	assert_int_equal(r.modified[r.n_modified - 1].lo, 2 * IPC_SET_FLAGS_MODIFIED_MAX);
	assert_int_equal(r.modified[r.n_modified - 1].hi, m->messages);
	assert_int_equal(r.n_changed, IPC_SET_FLAGS_MODIFIED_MAX);
}

static enum outcome search(struct fx *f, uint32_t sel, uint8_t op, uint8_t save, struct ipc_search_reply *r)
{
	struct ipc_range even[] = { { 2, 2 }, { 4, 4 }, { 6, 6 }, { 8, 8 }, { 10, 10 } };
	struct ipc_search_key keys[] = { { .op = op, .set = even, .n_set = save >> 4 } };
	struct ipc_search q = {
		.handle = f->handle, .sel = sel, .save = save & 15, .keys = keys, .n_keys = 1
	};

	*r = (struct ipc_search_reply){ 0 };
	return ipc_search(&f->edge[0], &q, r, &f->a);
}

static uint32_t n_saved(struct fx *f, uint32_t sel)
{
	struct ipc_search_reply r;
	uint32_t n = 0;

	assert_int_equal(search(f, sel, SEARCH_SAVED, 0, &r), OK);
	for (size_t i = 0; i < r.n_found; i++)
		n += r.found[i].hi - r.found[i].lo + 1;
	return n;
}

/* fx_limits: four ranges may be saved. */
static void saving(struct fx *f)
{
	struct ipc_search_reply r;
	struct ipc_select_reply sel;
	struct ipc_expunge x = { .handle = f->handle, .saved = 1 };
	struct ipc_expunge_reply xr;

	fill(f, 12);
	sel = fx_select(f, "INBOX");
	assert_int_equal(n_saved(f, sel.sel), 0);
	assert_int_equal(search(f, sel.sel, SEARCH_SEQ, 4 << 4 | SAVE_ALL, &r), OK);
	assert_int_equal(n_saved(f, sel.sel), 4);
	assert_int_equal(r.first_modseq + 6, r.last_modseq);
	assert_int_equal(search(f, sel.sel, SEARCH_SEQ, 5 << 4 | SAVE_ALL, &r), NO_ROOM);
	assert_int_equal(n_saved(f, sel.sel), 0); /* a search that fails leaves none */
	assert_int_equal(search(f, sel.sel, SEARCH_ALL, SAVE_ALL, &r), OK); /* neighbours are one range */
	assert_int_equal(n_saved(f, sel.sel), 12);
	assert_int_equal(search(f, sel.sel, SEARCH_SEQ, 5 << 4 | SAVE_MIN | SAVE_MAX, &r), OK);
	assert_int_equal(n_saved(f, sel.sel), 2);
	assert_int_equal(search(f, sel.sel, SEARCH_SEQ, 5 << 4 | SAVE_MAX, &r), OK);
	assert_int_equal(search(f, sel.sel, SEARCH_SAVED, 0, &r), OK);
	assert_int_equal(r.found[0].lo, 10);
	assert_int_equal(search(f, sel.sel, SEARCH_SEQ, 3 << 4 | SAVE_ALL, &r), OK);
	x.handle = f->handle;
	x.sel = sel.sel;
	assert_int_equal(ipc_expunge(&f->edge[0], &x, &xr, &f->a), OK);
	assert_int_equal(xr.n, 3);
	assert_int_equal(n_saved(f, sel.sel), 0);
	assert_int_equal(ipc_expunge(&f->edge[0], &x, &xr, &f->a), OK); /* empty is none, not all */
	assert_int_equal(xr.n, 0);
	assert_int_equal(fx_status(f, "INBOX").messages, 9);
	fx_sync(f, sel.sel, true);
	assert_int_equal(search(f, sel.sel, SEARCH_ALL, SAVE_ALL, &r), OK); /* across the uids that are no more */
	assert_int_equal(n_saved(f, sel.sel), 9);
	fx_verified(f);
}

/* Another session's changes, more than one answer holds, each once and with its modseq. */
static void passes(struct fx *f)
{
	const uint32_t n = IPC_SYNC_CHANGES_MAX * 2 + 100;
	struct ipc_select_reply mine, other;
	struct ipc_sync_reply r;
	uint32_t told = 0, last = 0;

	fill(f, n);
	mine = fx_select(f, "INBOX");
	other = fx_select(f, "INBOX");
	assert_int_equal(fx_flags(f, other.sel, 1, 0, 1, MSG_FLAGGED), n);
	do {
		r = fx_sync(f, mine.sel, true);
		assert_true(r.n_changes <= IPC_SYNC_CHANGES_MAX);
		for (size_t i = 0; i < r.n_changes; i++) {
			assert_true(r.changes[i].seq > last && r.changes[i].modseq > mine.modseq);
			last = r.changes[i].seq;
		}
		told += r.n_changes;
		assert_int_equal(r.modseq == 0, r.more);
	} while (r.more);
	assert_int_equal(told, n);
	assert_int_equal(r.modseq, fx_status(f, "INBOX").modseq);
	assert_int_equal(fx_sync(f, mine.sel, true).n_changes, 0);
	/* What changes behind a pass is told by the next. */
	fx_flags(f, other.sel, 1, 0, 1, MSG_ANSWERED);
	assert_int_equal(fx_sync(f, mine.sel, true).more, 1);
	fx_flags(f, other.sel, 1, 1, 1, MSG_DRAFT);
	do
		r = fx_sync(f, mine.sel, true);
	while (r.more);
	r = fx_sync(f, mine.sel, true);
	assert_int_equal(r.n_changes, 1);
	assert_int_equal(r.changes[0].flags & MSG_DRAFT, MSG_DRAFT);
}

static void changed_since(struct fx *f)
{
	struct ipc_range all = { 1, 0 };
	struct ipc_fetch q = { .set = &all, .n_set = 1 };
	struct ipc_fetch_reply r = { 0 };
	struct ipc_select_reply sel;

	fill(f, 10);
	sel = fx_select(f, "INBOX");
	fx_flags(f, sel.sel, 3, 3, 1, MSG_SEEN);
	fx_flags(f, sel.sel, 7, 7, 1, MSG_SEEN);
	q.handle = f->handle;
	q.sel = sel.sel;
	q.changed_since = sel.modseq;
	assert_int_equal(ipc_fetch(&f->edge[0], &q, &r, &f->a), OK);
	assert_int_equal(r.n_rows, 2);
	assert_int_equal(r.rows[0].seq, 3);
	assert_int_equal(r.rows[1].seq, 7);
	q.changed_since = r.rows[0].modseq;
	assert_int_equal(ipc_fetch(&f->edge[0], &q, &r, &f->a), OK);
	assert_int_equal(r.n_rows, 1);
}

BOTH(steps)
BOTH(copy_over_quota)
BOTH(copy_takes_back)
BOTH(conditional)
ON(mem, too_many_modified)
BOTH(saving)
BOTH(passes)
BOTH(changed_since)

int main(void)
{
	const struct CMUnitTest tests[] = { TESTS(steps), TESTS(copy_over_quota), TESTS(copy_takes_back), TESTS(conditional),
		cmocka_unit_test(mem_too_many_modified), TESTS(saving), TESTS(passes), TESTS(changed_since) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
