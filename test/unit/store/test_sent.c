/* unit/store/test_sent.c - one copy of what was sent: which came first, what is the same letter, for how long. */
#include "unit/store/fixture.h"

static void open_account(struct fx *f, bool on)
{
	struct ipc_account_set q = { .address = fx_addr("alice@x.test"), .what = on ? SET_FLAG_ON : SET_FLAG_OFF, .number = SETTING_SENT_COPY };
	struct store_limits l = fx_limits();

	l.sent_window_ms = 3600 * 1000;
	store_set_limits(f->store, l);
	fx_account(f);
	assert_int_equal(ipc_account_set(&f->ctl, &q), OK);
	assert_int_equal(fx_login(f, "alice@x.test", 0, &f->handle), OK);
}

static struct str letter(struct fx *f, const char *header, const char *id, const char *body)
{
	return arena_fmt(&f->a, "From: alice@x.test\r\n%sMessage-ID: <%s@x.test>\r\n\r\n%s", header, id, body);
}

static enum outcome submit(struct fx *f, const char *delivery, struct str bytes, uint32_t *uid)
{
	struct ipc_sent_copy q = { .account = f->account, .delivery = str_z(delivery), .date_s = 1795341600, .index = fx_index(f, bytes),
		.body = body_of(bytes) };
	struct ipc_sent_copy_reply r = { 0 };
	enum outcome o = ipc_sent_copy(&f->post, &q, &r, &f->a);

	*uid = r.uid;
	return o;
}

static uint32_t append(struct fx *f, const char *mailbox, struct str bytes, uint32_t flags)
{
	struct ipc_append_to q = { .edge_life = f->edge_life[0], .handle = f->handle, .mailbox = str_z(mailbox), .flags = flags,
		.date_s = 1795341600, .index = fx_index(f, bytes), .body = body_of(bytes) };
	struct ipc_append_to_reply r = { 0 };

	assert_int_equal(ipc_append_to(&f->post, &q, &r, &f->a), OK);
	return r.uid;
}

static uint32_t count(struct fx *f, const char *mailbox)
{
	struct ipc_status q = { .handle = f->handle, .name = str_z(mailbox) };
	struct ipc_status_reply r = { 0 };

	assert_int_equal(ipc_status(&f->edge[0], &q, &r, &f->a), OK);
	return r.messages;
}

static uint32_t flags_of(struct fx *f, uint32_t uid)
{
	struct ipc_select_reply s = fx_select(f, "Sent");
	struct ipc_fetch_reply r = fx_fetch(f, s.sel, true, uid, uid, 0);
	struct ipc_unselect u = { f->handle, s.sel };

	assert_int_equal(r.n_rows, 1);
	assert_int_equal(ipc_unselect(&f->edge[0], &u), OK);
	return r.rows[0].flags & MSG_SETTABLE;
}

/* The header may differ by what was added or taken, the end by a line end. */
static void submission_first(struct fx *f)
{
	uint32_t uid;

	open_account(f, true);
	assert_int_equal(submit(f, "d1", letter(f, "Bcc: bob@x.test\r\nDate: x\r\n", "1", "text\r\n"), &uid), OK);
	assert_int_equal(flags_of(f, uid), MSG_SEEN);
	assert_int_equal(append(f, "Sent", letter(f, "", "1", "text"), MSG_FLAGGED), uid);
	assert_int_equal(flags_of(f, uid), MSG_SEEN | MSG_FLAGGED);
	assert_int_equal(append(f, "Sent", letter(f, "", "1", "text"), 0), uid); /* a client that asks again */
	assert_int_equal(count(f, "Sent"), 1);
	assert_int_not_equal(append(f, "Sent", letter(f, "", "1", "other"), 0), uid); /* same id, another letter */
	assert_int_equal(append(f, "Archive", letter(f, "", "1", "text"), 0), 1);
	assert_int_equal(count(f, "Sent"), 2);
	assert_int_equal(count(f, "Archive"), 1);
}

/* Submitted without the Bcc that the client's own copy has: that one stays, as a message of its own, with the flags of both. */
static void bcc_is_kept(struct fx *f)
{
	struct str hides = letter(f, "Bcc: bob@x.test\r\n", "1", "text\r\n"), plain = letter(f, "", "1", "text\r\n");
	uint32_t first, uid;

	open_account(f, true);
	assert_int_equal(submit(f, "d1", plain, &first), OK);
	uid = append(f, "Sent", hides, MSG_FLAGGED);
	assert_int_equal(uid, first + 1);
	assert_int_equal(count(f, "Sent"), 1);
	assert_int_equal(flags_of(f, uid), MSG_SEEN | MSG_FLAGGED);
	assert_int_equal(append(f, "Sent", hides, 0), uid);
	assert_int_equal(append(f, "Sent", plain, 0), uid);
	assert_int_equal(submit(f, "d1", plain, &first), OK); /* post asks again */
	assert_int_equal(count(f, "Sent"), 1);
}

static void bcc_came_first(struct fx *f)
{
	uint32_t copy, uid;

	open_account(f, true);
	uid = append(f, "Sent", letter(f, "Bcc: bob@x.test\r\n", "1", "text\r\n"), 0);
	assert_int_equal(submit(f, "d1", letter(f, "", "1", "text\r\n"), &copy), OK);
	assert_int_equal(copy, uid);
	assert_int_equal(append(f, "Sent", letter(f, "Bcc: bob@x.test\r\n", "1", "text\r\n"), 0), uid);
	assert_int_equal(count(f, "Sent"), 1);
}

/* No room for two at once: the first stays, and the client is content. */
static void bcc_without_room(struct fx *f)
{
	struct ipc_account_set q = { .address = fx_addr("alice@x.test"), .what = SET_QUOTA_MESSAGES, .number = 1 };
	uint32_t first;

	open_account(f, true);
	assert_int_equal(submit(f, "d1", letter(f, "", "1", "text\r\n"), &first), OK);
	assert_int_equal(ipc_account_set(&f->ctl, &q), OK);
	assert_int_equal(append(f, "Sent", letter(f, "Bcc: bob@x.test\r\n", "1", "text\r\n"), 0), first);
	assert_int_equal(count(f, "Sent"), 1);
}

static void client_first(struct fx *f)
{
	uint32_t uid, copy;

	open_account(f, true);
	uid = append(f, "Sent", letter(f, "", "1", "text\r\n"), MSG_FLAGGED);
	assert_int_equal(submit(f, "d1", letter(f, "", "1", "text\r\n"), &copy), OK);
	assert_int_equal(copy, uid);
	assert_int_equal(flags_of(f, uid), MSG_SEEN | MSG_FLAGGED);
	assert_int_equal(submit(f, "d1", letter(f, "", "1", "text\r\n"), &copy), OK); /* post asks again */
	assert_int_equal(copy, uid);
	assert_int_equal(count(f, "Sent"), 1);
	assert_int_not_equal(append(f, "Sent", letter(f, "", "2", "text"), 0), append(f, "Sent", letter(f, "", "2", "text"), 0));
	assert_int_equal(count(f, "Sent"), 3); /* nobody submitted the second */
}

struct race {
	struct fx *f;
	uint32_t uid;
	bool by_client, done;
};

static void race_main(void *arg)
{
	struct race *r = arg;
	struct str bytes = letter(r->f, "", "1", "text\r\n");

	if (r->by_client)
		r->uid = append(r->f, "Sent", bytes, 0);
	else
		assert_int_equal(submit(r->f, "d1", bytes, &r->uid), OK);
	r->done = true;
}

/* Both under way at once: what is staged counts. */
static void at_once(struct fx *f)
{
	struct race races[2] = { { .f = f }, { .f = f, .by_client = true } };

	open_account(f, true);
	for (int i = 0; i < 2; i++)
		task_spawn(f->sched, "race", race_main, &races[i]);
	while (!races[0].done || !races[1].done)
		task_sleep(f->sched, 1);
	assert_int_equal(races[0].uid, races[1].uid);
	assert_int_equal(count(f, "Sent"), 1);
}

static void survives_reopening(struct fx *f)
{
	uint32_t uid;

	open_account(f, true);
	assert_int_equal(submit(f, "d1", letter(f, "", "1", "text\r\n"), &uid), OK);
	if (!f->rocks)
		return; /* what memory holds ends with it */
	f->opts.limits.sent_window_ms = 3600 * 1000;
	fx_reopen(f);
	assert_int_equal(fx_login(f, "alice@x.test", 0, &f->handle), OK);
	assert_int_equal(append(f, "Sent", letter(f, "", "1", "text\r\n"), 0), uid);
}

static void expunge_first(struct fx *f)
{
	struct ipc_select_reply s = fx_select(f, "Sent");
	struct ipc_expunge q = { .handle = f->handle, .sel = s.sel };
	struct ipc_expunge_reply r = { 0 };

	assert_int_equal(ipc_expunge(&f->edge[0], &q, &r, &f->a), OK);
}

/* Off; without an id; deleted meanwhile; after the time. */
static void stays_its_own(struct fx *f)
{
	struct store_limits l = fx_limits();
	uint32_t uid;

	open_account(f, true);
	assert_int_equal(submit(f, "d1", STR("Subject: x\r\n\r\ntext\r\n"), &uid), OK);
	assert_int_not_equal(append(f, "Sent", STR("Subject: x\r\n\r\ntext\r\n"), 0), uid);
	assert_int_equal(submit(f, "d2", letter(f, "", "1", "text\r\n"), &uid), OK);
	expunge_first(f);
	assert_int_not_equal(append(f, "Sent", letter(f, "", "1", "text\r\n"), 0), uid);
	assert_int_equal(submit(f, "d3", letter(f, "", "2", "text\r\n"), &uid), OK);
	l.sent_window_ms = 0;
	store_set_limits(f->store, l);
	assert_int_not_equal(append(f, "Sent", letter(f, "", "2", "text\r\n"), 0), uid);
}

static void off(struct fx *f)
{
	uint32_t uid;

	open_account(f, false);
	assert_int_equal(submit(f, "d1", letter(f, "", "1", "text\r\n"), &uid), OK); /* asked before it was switched off */
	assert_int_not_equal(append(f, "Sent", letter(f, "", "1", "text\r\n"), 0), uid);
}

static void mailbox_is_made(struct fx *f)
{
	struct ipc_mailbox_delete d = { .name = STR("Sent") };
	struct ipc_mailbox_rename n = { .from = STR("Sent"), .to = STR("Elsewhere") };
	uint32_t uid;

	open_account(f, true);
	n.handle = d.handle = f->handle;
	assert_int_equal(ipc_mailbox_rename(&f->edge[0], &n), OK);
	assert_int_equal(submit(f, "d1", letter(f, "", "1", "text\r\n"), &uid), OK);
	assert_int_equal(count(f, "Elsewhere"), 1); /* the special use went with it */
	assert_int_equal(append(f, "Elsewhere", letter(f, "", "1", "text\r\n"), 0), uid);
	d.name = STR("Elsewhere");
	assert_int_equal(ipc_mailbox_delete(&f->edge[0], &d), OK);
	assert_int_equal(submit(f, "d2", letter(f, "", "1", "text\r\n"), &uid), OK);
	assert_int_equal(count(f, "Sent"), 1);
}

BOTH(submission_first)
BOTH(bcc_is_kept)
BOTH(bcc_came_first)
BOTH(bcc_without_room)
BOTH(client_first)
BOTH(at_once)
BOTH(survives_reopening)
BOTH(stays_its_own)
BOTH(off)
BOTH(mailbox_is_made)

int main(void)
{
	const struct CMUnitTest tests[] = { TESTS(submission_first), TESTS(bcc_is_kept), TESTS(bcc_came_first),
		TESTS(bcc_without_room), TESTS(client_first), TESTS(at_once), TESTS(survives_reopening),
		TESTS(stays_its_own), TESTS(off), TESTS(mailbox_is_made) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
