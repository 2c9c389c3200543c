/* unit/store/test_move.c - mail that a command moves in: UIDs, UIDVALIDITY, UIDLs and dates kept, each letter once. */
#include "unit/store/fixture.h"

static uint64_t open_account(struct fx *f)
{
	struct ipc_open_account q = { .address = { STR("alice"), STR("x.test") } };
	struct ipc_open_account_reply r = { 0 };

	fx_account(f);
	assert_int_equal(ipc_open_account(&f->ctl, &q, &r, NULL), OK);
	return r.handle;
}

static struct ipc_import_to letter(struct fx *f, uint64_t handle, const char *id, uint32_t uid)
{
	struct str text = fx_letter(f, id, 300);

	return (struct ipc_import_to){ .life = 1, .handle = handle, .mailbox = STR("INBOX"), .id = str_z(id), .uid = uid,
		.date_s = 1000000000, .index = fx_index(f, text), .body = body_of(text) };
}

static uint32_t import(struct fx *f, uint64_t handle, const char *id, uint32_t uid)
{
	struct ipc_import_to q = letter(f, handle, id, uid);
	struct ipc_import_to_reply r = { 0 };

	assert_int_equal(ipc_import_to(&f->post, &q, &r, NULL), OK);
	return r.uid;
}

static enum outcome set_numbers(struct fx *f, uint64_t handle, uint32_t uidvalidity, uint32_t uidnext, struct ipc_mailbox_numbers_reply *r)
{
	struct ipc_mailbox_numbers q = { .handle = handle, .name = STR("INBOX"), .uidvalidity = uidvalidity, .uidnext = uidnext };

	return ipc_mailbox_numbers(&f->ctl, &q, r, NULL);
}

static void uids_are_kept(struct fx *f)
{
	uint64_t h = open_account(f);
	struct ipc_mailbox_numbers_reply n;

	assert_int_equal(set_numbers(f, h, 77, 0, &n), OK);
	assert_int_equal(n.uidvalidity, 77);
	assert_int_equal(import(f, h, "a", 5), 5);
	assert_int_equal(import(f, h, "b", 9), 9);
	assert_int_equal(import(f, h, "c", 7), 10); /* not above all others */
	assert_int_equal(import(f, h, "d", 0), 11);
	assert_int_equal(import(f, h, "e", UINT32_MAX), 12);
	assert_int_equal(set_numbers(f, h, 78, 100, &n), OK); /* it has letters: only uidnext is taken */
	assert_int_equal(n.uidvalidity, 77);
	assert_int_equal(n.uidnext, 100);
	assert_int_equal(set_numbers(f, h, 0, 50, &n), OK);
	assert_int_equal(n.uidnext, 100);
	assert_int_equal(import(f, h, "f", 0), 100);
	fx_verified(f);
}

static void counter_stays_above(struct fx *f)
{
	struct ipc_mailbox_numbers_reply n, was;
	uint64_t h = open_account(f);
	struct ipc_mailbox_create make = { .handle = h, .name = STR("later") };
	struct ipc_mailbox_create_reply made;
	struct ipc_status ask = { .handle = h, .name = STR("later") };
	struct ipc_status_reply status = { 0 };

	assert_int_equal(set_numbers(f, h, 0, 0, &was), OK);
	assert_int_equal(set_numbers(f, h, UINT32_MAX, 0, &n), OK); /* there would be none after it */
	assert_int_equal(n.uidvalidity, was.uidvalidity);
	assert_int_equal(set_numbers(f, h, 4000000000u, 0, &n), OK);
	assert_int_equal(n.uidvalidity, 4000000000u);
	assert_int_equal(ipc_mailbox_create(&f->ctl, &make, &made, NULL), OK);
	assert_int_equal(ipc_status(&f->ctl, &ask, &status, &f->a), OK);
	assert_true(status.uidvalidity > 4000000000u);
	fx_verified(f);
}

static void not_under_a_session(struct fx *f)
{
	struct ipc_mailbox_numbers_reply n;
	uint64_t h = open_account(f);

	fx_select(f, "INBOX");
	assert_int_equal(set_numbers(f, h, 77, 0, &n), IN_USE);
	assert_int_equal(import(f, h, "a", 5), 5);
	fx_verified(f);
}

static void each_once(struct fx *f)
{
	uint64_t h = open_account(f);
	struct str ids[] = { STR("a"), STR("none"), STR("out") }, empty = STR("");
	struct ipc_moved_find ask = { .handle = h, .ids = ids, .n_ids = 3 };
	struct ipc_moved_add add = { .handle = h, .ids = ids + 2, .n_ids = 1 };
	struct ipc_moved_find_reply got = { 0 };

	assert_int_equal(import(f, h, "a", 5), 5);
	assert_int_equal(import(f, h, "a", 5), 5);
	assert_int_equal(fx_status(f, "INBOX").messages, 1);
	assert_int_equal(ipc_moved_add(&f->ctl, &add), OK);
	assert_int_equal(ipc_moved_find(&f->ctl, &ask, &got, &f->a), OK);
	assert_int_equal(got.n_uids, 3);
	assert_int_equal(got.uids[0], 5);
	assert_int_equal(got.uids[1], 0);
	assert_int_equal(got.uids[2], UINT32_MAX);
	add.ids = &empty;
	assert_int_equal(ipc_moved_add(&f->ctl, &add), BAD_SYNTAX);
	fx_verified(f);
}

static void as_it_was(struct fx *f)
{
	uint64_t h = open_account(f);
	struct str keywords[] = { STR("good"), STR("bad(one"), STR("other") };
	struct ipc_import_to q = letter(f, h, "a", 0);
	struct ipc_import_to_reply r = { 0 };
	struct ipc_status_reply status;
	struct ipc_fetch_reply rows;

	q.flags = MSG_SEEN | MSG_DELETED;
	q.keywords = keywords;
	q.n_keywords = 3;
	q.uidl = STR("has blank ");
	assert_int_equal(ipc_import_to(&f->post, &q, &r, NULL), BAD_SYNTAX);
	q.uidl = STR("0000002a65432100");
	assert_int_equal(ipc_import_to(&f->post, &q, &r, NULL), OK);
	assert_int_equal(r.left_out, 1);
	status = fx_status(f, "INBOX");
	assert_int_equal(status.recent, 0);
	assert_int_equal(status.unseen, 0);
	assert_int_equal(status.deleted, 1);
	rows = fx_fetch(f, fx_select(f, "INBOX").sel, false, 1, 1, 0);
	assert_int_equal(rows.n_rows, 1);
	assert_int_equal(rows.rows[0].flags, MSG_SEEN | MSG_DELETED);
	assert_int_equal(rows.rows[0].keywords, 3);
	assert_int_equal(rows.rows[0].date_s, 1000000000);
	q.handle = f->handle; /* an edge's, not the command's */
	q.id = STR("b");
	assert_int_equal(ipc_import_to(&f->post, &q, &r, NULL), DENIED);
	fx_verified(f);
}

BOTH(uids_are_kept)
BOTH(counter_stays_above)
BOTH(not_under_a_session)
BOTH(each_once)
BOTH(as_it_was)

int main(void)
{
	const struct CMUnitTest tests[] = { TESTS(uids_are_kept), TESTS(counter_stays_above), TESTS(not_under_a_session), TESTS(each_once),
		TESTS(as_it_was) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
