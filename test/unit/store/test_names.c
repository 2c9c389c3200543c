/* unit/store/test_names.c - names of mailboxes: cleaning, order, and CREATE, DELETE, RENAME, SUBSCRIBE over the channel. */
#include "unit/store/fixture.h"

#include "store/names.h"

static enum outcome clean(const char *name, char out[300])
{
	struct buf b;
	enum outcome o;

	buf_init(&b, 4096);
	o = name_clean(str_z(name), 40, 4, &b);
	snprintf(out, 300, "%.*s", STR_ARG(buf_str(&b)));
	buf_fini(&b);
	return o;
}

static void cleaning(void **state)
{
	static const struct {
		const char *name;
		enum outcome outcome;
		const char *want;
	} cases[] = {
		{ "inbox", OK, "INBOX" },
		{ "InBox/a", OK, "INBOX/a" },
		{ "a/inbox", OK, "a/inbox" },
		{ "a/b/", OK, "a/b" },
		{ "Caf\xc3\xa9", OK, "Caf\xc3\xa9" },
		{ "a/b/c/d", OK, "a/b/c/d" },
		{ "a/b/c/d/e", OVER_LIMIT, NULL },
		{ "1234567890123456789012345678901234567890", OK, "1234567890123456789012345678901234567890" },
		{ "12345678901234567890123456789012345678901", OVER_LIMIT, NULL },
		{ "", BAD_SYNTAX, NULL },
		{ "/", BAD_SYNTAX, NULL },
		{ "//", BAD_SYNTAX, NULL },
		{ "/a", BAD_SYNTAX, NULL },
		{ "a//b", BAD_SYNTAX, NULL },
		{ "a*", BAD_SYNTAX, NULL },
		{ "a%b", BAD_SYNTAX, NULL },
		{ "a\r\nb", BAD_SYNTAX, NULL },
		{ "\xff", BAD_SYNTAX, NULL },
		{ "\xc0\xaf", BAD_SYNTAX, NULL },
		{ "\xed\xa0\x80", BAD_SYNTAX, NULL },
		{ "\xe2\x80\xa8", BAD_SYNTAX, NULL },
		{ "\xc2\x85", BAD_SYNTAX, NULL },
		{ "\xe2\x82", BAD_SYNTAX, NULL },
	};
	char out[300];

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		assert_int_equal(clean(cases[i].name, out), cases[i].outcome);
		if (cases[i].want)
			assert_string_equal(out, cases[i].want);
	}
}

static void order(void **state)
{
	(void)state;
	assert_true(name_cmp(STR("a"), STR("a/b")) < 0);
	assert_true(name_cmp(STR("a/b"), STR("a b")) < 0);
	assert_true(name_cmp(STR("a/z"), STR("a-b")) < 0);
	assert_true(name_is_below(STR("a/b"), STR("a")));
	assert_false(name_is_below(STR("ab"), STR("a")));
	assert_false(name_is_below(STR("a"), STR("a")));
}

/* ---- over the channel */

static enum outcome create(struct fx *f, const char *name, uint32_t special)
{
	struct ipc_mailbox_create q = { .handle = f->handle, .name = str_z(name), .special = special };
	struct ipc_mailbox_create_reply r = { 0 };

	return ipc_mailbox_create(&f->edge[0], &q, &r, &f->a);
}

static enum outcome drop(struct fx *f, const char *name)
{
	struct ipc_mailbox_delete q = { .handle = f->handle, .name = str_z(name) };

	return ipc_mailbox_delete(&f->edge[0], &q);
}

static enum outcome rename_to(struct fx *f, const char *from, const char *to)
{
	struct ipc_mailbox_rename q = { .handle = f->handle, .from = str_z(from), .to = str_z(to) };

	return ipc_mailbox_rename(&f->edge[0], &q);
}

static enum outcome subscribe(struct fx *f, const char *name, bool on)
{
	struct ipc_subscribe q = { .handle = f->handle, .name = str_z(name), .on = on };

	return ipc_subscribe(&f->edge[0], &q);
}

/* "name=flags name=flags ..." of all that are not made with an account. */
static struct str list(struct fx *f)
{
	static const char *const first[] = { "INBOX", "Drafts", "Sent", "Junk", "Trash", "Archive" };
	struct ipc_mailboxes q = { .handle = f->handle };
	struct ipc_mailboxes_reply r = { 0 };
	struct buf out;
	struct str s;

	assert_int_equal(ipc_mailboxes(&f->edge[0], &q, &r, &f->a), OK);
	buf_init(&out, 1 << 20);
	for (size_t i = 0; i < r.n_list; i++) {
		bool known = false;

		for (size_t k = 0; k < 6; k++)
			known |= str_eq(r.list[i].name, str_z(first[k]));
		if (!known)
			buf_addf(&out, "%.*s=%u ", STR_ARG(r.list[i].name), r.list[i].flags);
	}
	s = arena_dup(&f->a, buf_str(&out));
	buf_fini(&out);
	return s;
}

#define LISTS(f, text) assert_true(str_eq(list(f), STR(text)))

static void one_mailbox_a_use(struct fx *f)
{
	fx_account(f);
	assert_int_equal(create(f, "second", MBOX_SENT), IN_USE);
	assert_int_equal(drop(f, "Sent"), OK);
	assert_int_equal(create(f, "second", MBOX_SENT), OK);
	assert_int_equal(create(f, "third", MBOX_TRASH | MBOX_ARCHIVE), IN_USE);
	assert_int_equal(drop(f, "Trash"), OK);
	assert_int_equal(create(f, "third", MBOX_TRASH | MBOX_ARCHIVE), IN_USE);
	LISTS(f, "second=8 ");
	fx_verified(f);
}

static void create_and_delete(struct fx *f)
{
	fx_account(f);
	assert_int_equal(create(f, "a/b/c", 0), OK);
	LISTS(f, "a=1280 a/b=1280 a/b/c=0 ");
	assert_int_equal(create(f, "a/b/c", 0), EXISTS);
	assert_int_equal(create(f, "INBOX", 0), EXISTS);
	assert_int_equal(create(f, "inbox/x", 0), OK);
	assert_int_equal(drop(f, "INBOX/x"), OK);
	assert_int_equal(create(f, "a", MBOX_FLAGGED), OK);
	LISTS(f, "a=1056 a/b=1280 a/b/c=0 ");
	assert_int_equal(drop(f, "a"), OK);
	LISTS(f, "a=1280 a/b=1280 a/b/c=0 ");
	assert_int_equal(drop(f, "a"), DENIED);
	assert_int_equal(drop(f, "a/b/c"), OK);
	LISTS(f, "");
	assert_int_equal(drop(f, "inbox"), DENIED);
	assert_int_equal(drop(f, "nowhere"), NO_SUCH);
	assert_int_equal(create(f, "x", 1 << 20), BAD_SYNTAX);
	fx_verified(f);
}

static void rename_trees(struct fx *f)
{
	fx_account(f);
	assert_int_equal(create(f, "a", 0), OK);
	assert_int_equal(create(f, "a/b", 0), OK);
	assert_int_equal(create(f, "a/b/c", 0), OK);
	assert_int_equal(create(f, "ab", 0), OK);
	assert_int_equal(rename_to(f, "a", "z/y"), OK);
	LISTS(f, "ab=0 z=1280 z/y=1024 z/y/b=1024 z/y/b/c=0 ");
	assert_int_equal(rename_to(f, "z", "ab"), EXISTS);
	assert_int_equal(rename_to(f, "z", "z/q"), DENIED);
	assert_int_equal(rename_to(f, "nowhere", "q"), NO_SUCH);
	assert_int_equal(create(f, "q/y/b", 0), OK);
	assert_int_equal(rename_to(f, "z", "q"), EXISTS);
	assert_int_equal(rename_to(f, "z", "z"), EXISTS);
	assert_int_equal(drop(f, "q/y/b"), OK);
	assert_int_equal(rename_to(f, "z", "q"), OK);
	LISTS(f, "ab=0 q=1280 q/y=1024 q/y/b=1024 q/y/b/c=0 ");
	if (f->rocks) {
		fx_reopen(f);
		assert_int_equal(fx_login(f, "alice@x.test", 0, &f->handle), OK);
		LISTS(f, "ab=0 q=1280 q/y=1024 q/y/b=1024 q/y/b/c=0 ");
	}
	fx_verified(f);
}

static void rename_inbox(struct fx *f)
{
	struct ipc_status_reply before, inbox, moved;
	struct ipc_select_reply sel;
	struct ipc_sync_reply s;

	fx_account(f);
	fx_deliver(f, "1", "x");
	fx_deliver(f, "2", "x");
	before = fx_status(f, "INBOX");
	sel = fx_select(f, "INBOX");
	assert_int_equal(rename_to(f, "inbox", "Old"), OK);
	inbox = fx_status(f, "INBOX");
	moved = fx_status(f, "Old");
	assert_int_equal(inbox.messages, 0);
	assert_int_equal(inbox.uidvalidity, before.uidvalidity);
	assert_int_equal(inbox.uidnext, before.uidnext);
	assert_int_equal(moved.messages, 2);
	assert_int_not_equal(moved.uidvalidity, before.uidvalidity);
	s = fx_sync(f, sel.sel, false);
	assert_int_equal(s.messages, 2);
	s = fx_sync(f, sel.sel, true);
	assert_int_equal(s.messages, 0);
	assert_int_equal(s.n_expunged, 2);
	assert_int_equal(fx_deliver(f, "3", "x"), 3);
	assert_int_equal(fx_sync(f, sel.sel, true).messages, 1);
	assert_int_equal(fx_fetch(f, fx_select(f, "Old").sel, false, 1, 0, WANT_BODY).n_rows, 2);
	fx_verified(f);
}

static void uidvalidity_is_never_used_again(struct fx *f)
{
	uint32_t first, second;

	fx_account(f);
	assert_int_equal(create(f, "a", 0), OK);
	first = fx_status(f, "a").uidvalidity;
	assert_int_equal(fx_deliver_to(f, f->account, "1", "a", fx_letter(f, "x", 300), NULL), OK);
	assert_int_equal(drop(f, "a"), OK);
	assert_int_equal(create(f, "a", 0), OK);
	second = fx_status(f, "a").uidvalidity;
	assert_true(second > first);
	assert_int_equal(fx_status(f, "a").messages, 0);
	fx_verified(f);
}

static void subscriptions(struct fx *f)
{
	fx_account(f);
	assert_int_equal(subscribe(f, "ghost", true), OK);
	assert_int_equal(subscribe(f, "ghost", true), OK);
	LISTS(f, "ghost=896 ");
	assert_int_equal(create(f, "ghost", 0), OK);
	LISTS(f, "ghost=128 ");
	assert_int_equal(subscribe(f, "ghost", false), OK);
	assert_int_equal(subscribe(f, "ghost", false), OK);
	LISTS(f, "ghost=0 ");
	assert_int_equal(subscribe(f, "a//b", true), BAD_SYNTAX);
	fx_verified(f);
}

static void deleted_under_a_session(struct fx *f)
{
	struct ipc_select_reply sel;
	struct ipc_sync q;
	struct ipc_sync_reply r = { 0 };

	fx_account(f);
	assert_int_equal(create(f, "a", 0), OK);
	sel = fx_select(f, "a");
	assert_int_equal(drop(f, "a"), OK);
	fx_settle(f);
	assert_int_equal(f->n_changed, 1);
	q = (struct ipc_sync){ .handle = f->handle, .sel = sel.sel };
	assert_int_equal(ipc_sync(&f->edge[0], &q, &r, &f->a), REVOKED);
	fx_verified(f);
}

static void limits_hold(struct fx *f)
{
	fx_account(f);
	f->store->limits.mailboxes_max = 8;
	assert_int_equal(create(f, "a", 0), OK);
	assert_int_equal(create(f, "b", 0), OK);
	assert_int_equal(create(f, "c", 0), OVER_LIMIT);
	assert_int_equal(rename_to(f, "INBOX", "c"), OVER_LIMIT);
}

BOTH(create_and_delete)
BOTH(one_mailbox_a_use)
BOTH(rename_trees)
BOTH(rename_inbox)
BOTH(uidvalidity_is_never_used_again)
BOTH(subscriptions)
BOTH(deleted_under_a_session)
BOTH(limits_hold)

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(cleaning), cmocka_unit_test(order),
		TESTS(create_and_delete), TESTS(one_mailbox_a_use), TESTS(rename_trees), TESTS(rename_inbox),
		TESTS(uidvalidity_is_never_used_again), TESTS(subscriptions), TESTS(deleted_under_a_session),
		TESTS(limits_hold) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
