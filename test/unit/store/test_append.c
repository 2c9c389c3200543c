/* unit/store/test_append.c - messages that go in together: all of them or none, on both engines. */
#include "unit/store/fixture.h"

#include "store/append.h"

static enum outcome part(struct fx *f, const char *mailbox, uint32_t n, bool more, size_t size, struct ipc_append_to_reply *r)
{
	static const struct str words[] = { { "one", 3 }, { "two", 3 } };
	struct str letter = fx_letter(f, "part", size);
	struct body_budget budget = { .max = 1 << 30 };
	struct ipc_append_to q = { .edge_life = f->edge_life[0],
		.handle = f->handle,
		.mailbox = str_z(mailbox),
		.flags = n % 2 ? MSG_SEEN : 0,
		.keywords = words,
		.n_keywords = n % 3,
		.date_s = 1000 + n,
		.part = n,
		.more = more,
		.index = fx_index(f, letter) };
	struct body_writer w;
	enum outcome o;

	body_writer_open(&w, &budget, 1 << 30);
	body_writer_add(&w, letter);
	assert_int_equal(body_writer_seal(&w, &q.body), OK);
	o = ipc_append_to(&f->post, &q, r, &f->a);
	body_writer_close(&w);
	return o;
}

static void together(struct fx *f)
{
	struct ipc_append_to_reply r = { 0 };
	struct ipc_select_reply sel;
	struct ipc_fetch_reply rows;

	fx_account(f);
	fx_deliver(f, "d", "before");
	assert_int_equal(part(f, "INBOX", 0, true, 300, &r), OK);
	assert_int_equal(part(f, "INBOX", 1, true, 200000, &r), OK); /* not in the record: a memfd */
	assert_int_equal(fx_status(f, "INBOX").messages, 1);
	assert_int_equal(part(f, "INBOX", 2, false, 400, &r), OK);
	assert_int_equal(r.uid, 2);
	assert_int_equal(fx_status(f, "INBOX").messages, 4);
	sel = fx_select(f, "INBOX");
	assert_int_equal(sel.n_keywords, 2);
	rows = fx_fetch(f, sel.sel, true, 2, 4, WANT_HEADER);
	assert_int_equal(rows.n_rows, 3);
	assert_int_equal(rows.rows[0].date_s, 1000);
	assert_int_equal(rows.rows[1].flags & MSG_SEEN, MSG_SEEN);
	assert_true(rows.rows[1].size >= 200000);
	assert_int_equal(rows.rows[2].keywords, 3);
	assert_true(str_ends(rows.rows[2].body, STR("\r\n\r\n")));
	fx_verified(f);
	fx_reopen(f);
	fx_verified(f);
}

static void none(struct fx *f)
{
	struct ipc_append_to_reply r = { 0 };
	struct ipc_append_drop drop;

	fx_account(f);
	/* Out of turn, and what is forgotten then. */
	assert_int_equal(part(f, "INBOX", 1, false, 300, &r), BAD_STATE);
	assert_int_equal(part(f, "INBOX", 0, true, 300, &r), OK);
	assert_int_equal(part(f, "INBOX", 2, false, 300, &r), BAD_STATE);
	assert_int_equal(part(f, "INBOX", 1, false, 300, &r), BAD_STATE);
	/* Begun anew. */
	assert_int_equal(part(f, "INBOX", 0, true, 300, &r), OK);
	assert_int_equal(part(f, "INBOX", 0, true, 300, &r), OK);
	assert_int_equal(part(f, "INBOX", 1, false, 300, &r), OK);
	assert_int_equal(fx_status(f, "INBOX").messages, 2);
	/* No such mailbox. */
	assert_int_equal(part(f, "nowhere", 0, true, 300, &r), OK);
	assert_int_equal(part(f, "nowhere", 1, false, 300, &r), NO_SUCH);
	/* Given up. */
	assert_int_equal(part(f, "INBOX", 0, true, 300, &r), OK);
	drop = (struct ipc_append_drop){ .handle = f->handle };
	ipc_append_drop_cast(f->edge[0].peer, &drop);
	assert_int_equal(fx_status(f, "INBOX").messages, 2);
	assert_int_equal(part(f, "INBOX", 1, false, 300, &r), BAD_STATE);
	/* Alone, while others are held. */
	assert_int_equal(part(f, "INBOX", 0, true, 300, &r), OK);
	assert_int_equal(part(f, "INBOX", 0, false, 300, &r), OK);
	assert_int_equal(part(f, "INBOX", 1, false, 300, &r), BAD_STATE);
	/* Some are held when the login ends. */
	assert_int_equal(part(f, "INBOX", 0, true, 200000, &r), OK);
	ipc_logout_cast(f->edge[0].peer, &(struct ipc_logout){ .handle = f->handle });
	assert_int_equal(fx_login(f, "alice@x.test", 0, &f->handle), OK);
	assert_int_equal(fx_status(f, "INBOX").messages, 3);
	fx_verified(f);
}

static void over_quota(struct fx *f)
{
	struct ipc_account_add add = {
		.address = { STR("small"), STR("x.test") }, .hash = STR("h"), .quota_bytes = 2000, .quota_messages = 3
	};
	struct ipc_account_add_reply ar = { 0 };
	struct ipc_append_to_reply r = { 0 };
	struct ipc_quota q;
	struct ipc_quota_reply qr = { 0 };
	struct ipc_room_for room;

	fx_account(f);
	assert_int_equal(ipc_account_add(&f->ctl, &add, &ar, &f->a), OK);
	assert_int_equal(fx_login(f, "small@x.test", 0, &f->handle), OK);
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(part(f, "INBOX", i, i < 3, 200, &r), i < 3 ? OK : OVER_QUOTA); /* four messages */
	assert_int_equal(part(f, "INBOX", 0, true, 1500, &r), OK);
	assert_int_equal(part(f, "INBOX", 1, false, 1500, &r), OVER_QUOTA); /* bytes */
	assert_int_equal(fx_status(f, "INBOX").messages, 0);
	room = (struct ipc_room_for){ .handle = f->handle, .mailbox = STR("inbox"), .size = 2000, .messages = 3 };
	assert_int_equal(ipc_room_for(&f->edge[0], &room), OK);
	room.size++;
	assert_int_equal(ipc_room_for(&f->edge[0], &room), OVER_QUOTA);
	room.size = 0;
	room.messages = 4;
	assert_int_equal(ipc_room_for(&f->edge[0], &room), OVER_QUOTA);
	room.mailbox = STR("nowhere");
	assert_int_equal(ipc_room_for(&f->edge[0], &room), NO_SUCH);
	assert_int_equal(part(f, "INBOX", 0, true, 300, &r), OK);
	assert_int_equal(part(f, "INBOX", 1, false, 300, &r), OK);
	q = (struct ipc_quota){ .handle = f->handle };
	assert_int_equal(ipc_quota(&f->edge[0], &q, &qr, &f->a), OK);
	assert_int_equal(qr.bytes, fx_status(f, "INBOX").size);
	assert_int_equal(qr.messages, 2);
	assert_int_equal(qr.bytes_max, 2000);
	assert_int_equal(qr.messages_max, 3);
	fx_verified(f);
}

static void too_many(struct fx *f)
{
	struct ipc_append_to_reply r = { 0 };

	fx_account(f);
	for (uint32_t i = 0; i < APPEND_PARTS_MAX; i++)
		assert_int_equal(part(f, "INBOX", i, true, 100, &r), OK);
	assert_int_equal(part(f, "INBOX", APPEND_PARTS_MAX, false, 100, &r), OVER_LIMIT);
	assert_int_equal(fx_status(f, "INBOX").messages, 0);
	for (uint32_t i = 0; i < APPEND_PARTS_MAX; i++)
		assert_int_equal(part(f, "INBOX", i, i + 1 < APPEND_PARTS_MAX, 100, &r), OK);
	assert_int_equal(fx_status(f, "INBOX").messages, APPEND_PARTS_MAX);
	fx_verified(f);
}

BOTH(together)
BOTH(none)
BOTH(over_quota)
BOTH(too_many)

int main(void)
{
	const struct CMUnitTest tests[] = { TESTS(together), TESTS(none), TESTS(over_quota), TESTS(too_many) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
