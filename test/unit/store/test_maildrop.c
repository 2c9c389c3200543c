/* unit/store/test_maildrop.c - maildrops: what the rules show, once each, by stable ids; what deleting does; who has the lock. */
#include "unit/store/fixture.h"

#include "store/account.h"

static enum outcome open_as(struct fx *f, unsigned edge, uint64_t handle, const char *folder, bool login, uint32_t *n)
{
	struct ipc_maildrop_open q = { .handle = handle, .folder = str_z(folder), .login = login };
	struct ipc_maildrop_open_reply r = { 0 };
	enum outcome o = ipc_maildrop_open(&f->edge[edge], &q, &r, &f->a);

	*n = r.messages;
	return o;
}

static uint32_t open_drop(struct fx *f)
{
	uint32_t n;

	assert_int_equal(open_as(f, 0, f->handle, "", true, &n), OK);
	return n;
}

static void close_drop(struct fx *f)
{
	struct ipc_maildrop_close q = { .handle = f->handle };

	assert_int_equal(ipc_maildrop_close(&f->edge[0], &q), OK);
}

static struct ipc_maildrop_list_reply list(struct fx *f, uint32_t from, uint32_t max)
{
	struct ipc_maildrop_list q = { .handle = f->handle, .from = from, .n_max = max, .want_uidl = 1 };
	struct ipc_maildrop_list_reply r = { 0 };

	assert_int_equal(ipc_maildrop_list(&f->edge[0], &q, &r, &f->a), OK);
	return r;
}

static bool holds(struct fx *f, uint32_t number, const char *what)
{
	struct ipc_maildrop_read q = { .handle = f->handle, .number = number, .n = 4096 };
	struct ipc_maildrop_read_reply r = { 0 };

	assert_int_equal(ipc_maildrop_read(&f->edge[0], &q, &r, &f->a), OK);
	return str_ifind(r.bytes, str_z(what)) >= 0;
}

static enum outcome remove_range(struct fx *f, uint32_t lo, uint32_t hi)
{
	struct ipc_range range = { lo, hi };
	struct ipc_maildrop_remove q = { .handle = f->handle, .numbers = &range, .n_numbers = 1 };

	return ipc_maildrop_remove(&f->edge[0], &q);
}

static void set(struct fx *f, enum account_set what, uint64_t number, const struct str *folders, size_t n)
{
	struct ipc_account_set q = {
		.address = fx_addr("alice@x.test"), .what = (uint8_t)what, .number = number, .folders = folders, .n_folders = n
	};

	assert_int_equal(ipc_account_set(&f->ctl, &q), OK);
	assert_int_equal(fx_login(f, "alice@x.test", 0, &f->handle), OK);
}

static void set_folders(struct fx *f, const char *a, const char *b)
{
	const struct str names[] = { str_z(a), str_z(b) };

	set(f, SET_POP_FOLDERS, 0, names, 2);
}

static void put(struct fx *f, const char *id, const char *mailbox)
{
	assert_int_equal(fx_deliver_to(f, f->account, id, mailbox, fx_letter(f, id, 500), NULL), OK);
}

static uint32_t count_in(struct fx *f, const char *mailbox)
{
	struct ipc_status q = { .handle = f->handle, .name = str_z(mailbox) };
	struct ipc_status_reply r = { 0 };

	assert_int_equal(ipc_status(&f->edge[0], &q, &r, &f->a), OK);
	return r.messages;
}

static void copy_to(struct fx *f, const char *from, const char *to, bool move)
{
	struct ipc_select_reply s = fx_select(f, from);
	struct ipc_range all = { 1, 0 };
	struct ipc_copy q = { .handle = f->handle, .sel = s.sel, .set = &all, .n_set = 1, .to = str_z(to), .move = move };
	struct ipc_copy_reply r = { 0 };
	struct ipc_unselect u = { f->handle, s.sel };

	assert_int_equal(ipc_copy(&f->edge[0], &q, &r, &f->a), OK);
	assert_int_equal(ipc_unselect(&f->edge[0], &u), OK);
}

/* ---- what is shown */

static void inbox_by_default(struct fx *f)
{
	struct ipc_maildrop_list_reply r;

	fx_account(f);
	put(f, "one", "");
	put(f, "two", "Archive");
	put(f, "three", "");
	assert_int_equal(open_drop(f), 2);
	r = list(f, 0, UINT32_MAX);
	assert_int_equal(r.n_rows, 2);
	assert_int_equal(r.more, 0);
	assert_true(!str_eq(r.rows[0].uidl, r.rows[1].uidl));
	assert_true(r.rows[0].size > 500);
	assert_true(holds(f, 0, "Subject: one"));
	assert_true(holds(f, 1, "Subject: three"));
	assert_true(str_eq(list(f, 1, 1).rows[0].uidl, r.rows[1].uidl));
	assert_int_equal(list(f, 2, 1).n_rows, 0);
	assert_int_equal(list(f, 0, 1).more, 1);
}

/* The list is a snapshot; what another session deletes is gone and its number stays empty. */
static void snapshot(struct fx *f)
{
	struct ipc_maildrop_read q;
	struct ipc_maildrop_read_reply r = { 0 };
	struct ipc_select_reply s;
	struct ipc_expunge x;
	struct ipc_range first = { 1, 1 };
	struct ipc_expunge_reply xr = { 0 };

	fx_account(f);
	put(f, "one", "");
	put(f, "two", "");
	assert_int_equal(open_drop(f), 2);
	put(f, "three", "");
	s = fx_select(f, "INBOX");
	x = (struct ipc_expunge){ .handle = f->handle, .sel = s.sel, .uids = &first, .n_uids = 1 };
	assert_int_equal(ipc_expunge(&f->edge[0], &x, &xr, &f->a), OK);
	assert_int_equal(list(f, 0, UINT32_MAX).n_rows, 2);
	assert_true(holds(f, 1, "Subject: two"));
	q = (struct ipc_maildrop_read){ .handle = f->handle, .number = 0, .n = 10 };
	assert_int_equal(ipc_maildrop_read(&f->edge[0], &q, &r, &f->a), NO_SUCH);
	q.number = 2;
	assert_int_equal(ipc_maildrop_read(&f->edge[0], &q, &r, &f->a), NO_SUCH);
	assert_int_equal(remove_range(f, 0, 1), OK);
	assert_int_equal(count_in(f, "INBOX"), 1);
	assert_int_equal(remove_range(f, 1, 2), BAD_SYNTAX);
	close_drop(f);
	assert_int_equal(open_drop(f), 1);
	assert_true(holds(f, 0, "Subject: three"));
}

static void several_folders(struct fx *f)
{
	uint32_t n;

	fx_account(f);
	set_folders(f, "Archive", "inbox");
	put(f, "one", "");
	put(f, "two", "Archive");
	put(f, "three", "Junk");
	assert_int_equal(open_drop(f), 2);
	assert_true(holds(f, 0, "Subject: two"));
	assert_true(holds(f, 1, "Subject: one"));
	assert_int_equal(open_as(f, 0, f->handle, "INBOX", false, &n), OK); /* POP2's FOLD */
	assert_int_equal(n, 1);
	assert_true(holds(f, 0, "Subject: one"));
	assert_int_equal(open_as(f, 0, f->handle, "Junk", false, &n), NO_SUCH);
	assert_int_equal(open_as(f, 0, f->handle, "", false, &n), OK);
	assert_int_equal(n, 2);
	close_drop(f);
	set_folders(f, "Nothing", "Archive");
	assert_int_equal(open_drop(f), 1);
	assert_int_equal(open_as(f, 0, f->handle, "Nothing", false, &n), OK);
	assert_int_equal(n, 0);
}

/* A copy is the same letter: listed once, with the same id before and after it is moved. */
static void once_and_stable(struct fx *f)
{
	struct str before, after;

	fx_account(f);
	set_folders(f, "INBOX", "Archive");
	put(f, "one", "");
	put(f, "two", "");
	open_drop(f);
	before = list(f, 1, 1).rows[0].uidl;
	close_drop(f);
	copy_to(f, "INBOX", "Archive", false);
	copy_to(f, "INBOX", "INBOX", false);
	assert_int_equal(count_in(f, "INBOX"), 4);
	assert_int_equal(open_drop(f), 2);
	assert_true(str_eq(list(f, 1, 1).rows[0].uidl, before));
	assert_int_equal(remove_range(f, 0, 0), OK); /* with its copies */
	assert_int_equal(count_in(f, "INBOX"), 2);
	assert_int_equal(count_in(f, "Archive"), 1);
	close_drop(f);
	copy_to(f, "INBOX", "Archive", true);
	assert_int_equal(open_drop(f), 1);
	after = list(f, 0, 1).rows[0].uidl;
	assert_true(str_eq(after, before));
	if (!f->rocks)
		return; /* what memory holds ends with it */
	fx_reopen(f);
	assert_int_equal(fx_login(f, "alice@x.test", 0, &f->handle), OK);
	assert_int_equal(open_drop(f), 1);
	assert_true(str_eq(list(f, 0, 1).rows[0].uidl, before));
}

/* FETCH tells the same ids, of those that came with a letter too; the same given twice is one's only. */
static void ids_by_fetch(struct fx *f)
{
	struct ipc_select_reply s;
	struct ipc_fetch_reply r;
	struct ipc_maildrop_list_reply l;

	fx_account(f);
	put(f, "one", "");
	for (int i = 0; i < 2; i++) {
		struct ipc_import_to q = { .life = 1, .handle = 0, .mailbox = STR("INBOX"), .id = arena_fmt(&f->a, "id%d", i), .uidl = STR("old-7"),
			.index = fx_index(f, fx_letter(f, "old", 500)), .body = body_of(fx_letter(f, "old", 500)) };
		struct ipc_open_account o = { .address = fx_addr("alice@x.test") };
		struct ipc_open_account_reply or;
		struct ipc_import_to_reply ir;

		assert_int_equal(ipc_open_account(&f->ctl, &o, &or, &f->a), OK);
		q.handle = or.handle;
		assert_int_equal(ipc_import_to(&f->post, &q, &ir, &f->a), OK);
	}
	assert_int_equal(open_drop(f), 3);
	l = list(f, 0, UINT32_MAX);
	assert_true(str_eq(l.rows[1].uidl, STR("old-7")));
	assert_false(str_eq(l.rows[2].uidl, STR("old-7")));
	s = fx_select(f, "INBOX");
	r = fx_fetch(f, s.sel, true, 1, 0, WANT_UIDL);
	assert_int_equal(r.n_rows, 3);
	assert_true(str_eq(r.rows[0].uidl, l.rows[0].uidl));
	assert_true(str_eq(r.rows[1].uidl, STR("old-7")));
	r = fx_fetch(f, s.sel, true, 1, 0, WANT_UIDL | WANT_BODY);
	assert_int_equal(r.n_rows, 3);
	assert_true(str_eq(r.rows[0].uidl, l.rows[0].uidl) && str_ifind(r.rows[0].body, STR("Subject: one")) >= 0);
	r = fx_fetch(f, s.sel, true, 1, 0, 0);
	assert_int_equal(r.rows[0].uidl.n, 0);
}

static void since_a_day(struct fx *f)
{
	fx_account(f);
	put(f, "one", ""); /* all on 1795341600 */
	set(f, SET_POP_SINCE, 1795341600, NULL, 0);
	assert_int_equal(open_drop(f), 1);
	close_drop(f);
	set(f, SET_POP_SINCE, 1795341601, NULL, 0);
	assert_int_equal(open_drop(f), 0);
}

/* ---- what deleting does */

static void deletes(struct fx *f)
{
	fx_account(f);
	put(f, "one", "");
	put(f, "two", "");
	open_drop(f);
	assert_int_equal(remove_range(f, 0, 1), OK);
	assert_int_equal(count_in(f, "INBOX"), 0);
	assert_int_equal(count_in(f, "Trash"), 0);
}

static void moves_to_trash(struct fx *f)
{
	struct ipc_mailbox_delete d;

	fx_account(f);
	set(f, SET_POP_DELE, POP_DELE_TRASH, NULL, 0);
	set_folders(f, "INBOX", "Trash");
	put(f, "one", "");
	put(f, "two", "");
	put(f, "three", "Trash");
	assert_int_equal(open_drop(f), 3);
	assert_int_equal(remove_range(f, 1, 2), OK); /* what is in Trash is deleted */
	assert_int_equal(count_in(f, "INBOX"), 1);
	assert_int_equal(count_in(f, "Trash"), 1);
	close_drop(f);
	d = (struct ipc_mailbox_delete){ .handle = f->handle, .name = STR("Trash") };
	assert_int_equal(ipc_mailbox_delete(&f->edge[0], &d), OK);
	assert_int_equal(open_drop(f), 1);
	assert_int_equal(remove_range(f, 0, 0), OK); /* and it is made when it is missing */
	assert_int_equal(count_in(f, "INBOX"), 0);
	assert_int_equal(count_in(f, "Trash"), 1);
}

static void keeps_and_hides(struct fx *f)
{
	fx_account(f);
	set(f, SET_POP_DELE, POP_DELE_KEEP, NULL, 0);
	put(f, "one", "");
	put(f, "two", "");
	put(f, "three", "");
	assert_int_equal(open_drop(f), 3);
	assert_int_equal(remove_range(f, 0, 0), OK);
	assert_int_equal(remove_range(f, 2, 2), OK);
	assert_int_equal(count_in(f, "INBOX"), 3);
	close_drop(f);
	assert_int_equal(open_drop(f), 1);
	assert_true(holds(f, 0, "Subject: two"));
	close_drop(f);
	set_folders(f, "INBOX", "Archive");
	copy_to(f, "INBOX", "Archive", true); /* hidden wherever it goes */
	assert_int_equal(open_drop(f), 1);
	close_drop(f);
	if (!f->rocks)
		return; /* what memory holds ends with it */
	fx_reopen(f);
	assert_int_equal(fx_login(f, "alice@x.test", 0, &f->handle), OK);
	assert_int_equal(open_drop(f), 1);
}

/* ---- who may have it */

static void code_has_its_own(struct fx *f)
{
	const struct str archive = STR("Archive");
	struct ipc_code_add q = { .address = fx_addr("alice@x.test"), .name = STR("reader"), .hash = STR("$x$"), .services = ACCESS_POP,
		.pop_given = 1, .pop_dele = POP_DELE_KEEP, .pop_folders = &archive, .n_pop_folders = 1 };
	struct ipc_code_add_reply r = { 0 };
	struct ipc_credential c = { .login = STR("alice@x.test") };
	struct ipc_credential_reply cr = { 0 };
	struct ipc_grant g = { .edge = 1, .edge_life = f->edge_life[1], .service = SERVICE_POP3S };
	struct ipc_grant_reply gr = { 0 };
	uint32_t n;

	fx_account(f);
	assert_int_equal(ipc_code_add(&f->ctl, &q, &r, &f->a), OK);
	put(f, "one", "");
	put(f, "two", "Archive");
	put(f, "three", "Archive");
	assert_int_equal(ipc_credential(&f->auth, &c, &cr, &f->a), OK);
	g.account = cr.account;
	g.version = cr.version;
	g.code = r.id;
	set(f, SET_FLAG_OFF, SETTING_SENT_COPY, NULL, 0);
	assert_int_equal(ipc_credential(&f->auth, &c, &cr, &f->a), OK);
	g.version = cr.version;
	assert_int_equal(ipc_grant(&f->auth, &g, &gr, &f->a), OK);
	assert_int_equal(open_drop(f), 1);
	assert_int_equal(open_as(f, 1, gr.handle, "", true, &n), OK); /* other rules, other lock */
	assert_int_equal(n, 2);
}

static void one_session_at_a_time(struct fx *f)
{
	uint64_t other;
	uint32_t n;

	fx_account(f);
	put(f, "one", "");
	open_drop(f);
	assert_int_equal(fx_login(f, "alice@x.test", 1, &other), OK);
	assert_int_equal(open_as(f, 1, other, "", true, &n), IN_USE);
	close_drop(f);
	assert_int_equal(open_as(f, 1, other, "", true, &n), OK);
	assert_int_equal(open_as(f, 0, f->handle, "", true, &n), IN_USE);
	ipc_logout_cast(f->edge[1].peer, &(struct ipc_logout){ other });
	fx_settle(f);
	assert_int_equal(open_as(f, 0, f->handle, "", true, &n), OK); /* the lock ended with the login */
}

static void limits(struct fx *f)
{
	struct store_limits l = fx_limits();
	uint32_t n;

	fx_account(f);
	put(f, "one", "");
	put(f, "two", "");
	l.pop_messages_max = 2;
	l.pop_login_delay_ms = 3600 * 1000;
	store_set_limits(f->store, l);
	assert_int_equal(open_as(f, 0, f->handle, "", true, &n), OK);
	close_drop(f);
	assert_int_equal(open_as(f, 0, f->handle, "", true, &n), OVER_LIMIT); /* too soon */
	assert_int_equal(open_as(f, 0, f->handle, "", false, &n), OK);
	close_drop(f);
	l.pop_login_delay_ms = 0;
	l.pop_messages_max = 1;
	store_set_limits(f->store, l);
	assert_int_equal(open_as(f, 0, f->handle, "", true, &n), FAILED);
	l.pop_messages_max = 2;
	store_set_limits(f->store, l);
	assert_int_equal(open_as(f, 0, f->handle, "", true, &n), OK); /* a refusal leaves no lock */
}

static void needs_one_open(struct fx *f)
{
	struct ipc_maildrop_close q;

	fx_account(f);
	assert_int_equal(remove_range(f, 0, 0), BAD_STATE);
	open_drop(f);
	close_drop(f);
	q.handle = f->handle;
	assert_int_equal(ipc_maildrop_close(&f->edge[0], &q), BAD_STATE);
}

BOTH(inbox_by_default)
BOTH(snapshot)
BOTH(several_folders)
BOTH(once_and_stable)
BOTH(ids_by_fetch)
BOTH(since_a_day)
BOTH(deletes)
BOTH(moves_to_trash)
BOTH(keeps_and_hides)
BOTH(code_has_its_own)
BOTH(one_session_at_a_time)
BOTH(limits)
BOTH(needs_one_open)

int main(void)
{
	const struct CMUnitTest tests[] = { TESTS(inbox_by_default), TESTS(snapshot), TESTS(several_folders), TESTS(once_and_stable),
		TESTS(ids_by_fetch), TESTS(since_a_day), TESTS(deletes), TESTS(moves_to_trash), TESTS(keeps_and_hides), TESTS(code_has_its_own),
		TESTS(one_session_at_a_time), TESTS(limits), TESTS(needs_one_open) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
