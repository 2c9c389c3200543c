/* unit/store/test_quota.c - the quota at its edges, by bytes and by messages, whichever way letters come; and what its owner is told. */
#include "unit/store/fixture.h"

#include "store/quota.h"

static struct account *loaded(struct fx *f)
{
	return map_get(&f->store->shard.accounts, MAP_KEY(f->account));
}

static void set_quota(struct fx *f, uint64_t bytes, uint64_t messages)
{
	loaded(f)->quota_bytes = bytes;
	loaded(f)->quota_messages = messages;
}

static enum outcome deliver_n(struct fx *f, unsigned n)
{
	char id[16];

	snprintf(id, sizeof id, "n%u", n);
	return fx_deliver_to(f, f->account, id, "Archive", fx_letter(f, "n", 500), NULL);
}

static enum outcome copy_first(struct fx *f, uint32_t sel)
{
	struct ipc_range set = { 1, 1 };
	struct ipc_copy q = { .handle = f->handle, .sel = sel, .set = &set, .n_set = 1, .by_uid = 1, .to = STR("Archive") };
	struct ipc_copy_reply r = { 0 };

	return ipc_copy(&f->edge[0], &q, &r, &f->a);
}

static void by_messages(struct fx *f)
{
	uint32_t sel;

	fx_account(f);
	set_quota(f, 0, 3);
	assert_int_equal(deliver_n(f, 1), OK);
	assert_int_equal(deliver_n(f, 2), OK);
	assert_int_equal(deliver_n(f, 3), OK); /* exactly the limit */
	assert_int_equal(deliver_n(f, 4), OVER_QUOTA);
	assert_int_equal(deliver_n(f, 3), OK); /* the same delivery again is none */
	sel = fx_select(f, "Archive").sel;
	assert_int_equal(copy_first(f, sel), OVER_QUOTA);
	fx_expunge(f, sel, 3, 3);
	assert_int_equal(copy_first(f, sel), OK);
	assert_int_equal(copy_first(f, sel), OVER_QUOTA);
	fx_verified(f);
}

static void by_bytes(struct fx *f)
{
	uint64_t one;
	uint32_t sel;

	fx_account(f);
	assert_int_equal(deliver_n(f, 1), OK);
	one = loaded(f)->head.bytes;
	set_quota(f, 2 * one, 0);
	assert_int_equal(deliver_n(f, 2), OK);
	assert_int_equal(deliver_n(f, 3), OVER_QUOTA);
	sel = fx_select(f, "Archive").sel;
	assert_int_equal(copy_first(f, sel), OVER_QUOTA);
	set_quota(f, 3 * one - 1, 0);
	assert_int_equal(deliver_n(f, 4), OVER_QUOTA);
	assert_int_equal(copy_first(f, sel), OVER_QUOTA);
	set_quota(f, 3 * one, 0);
	assert_int_equal(copy_first(f, sel), OK);
	assert_int_equal(loaded(f)->head.bytes, 3 * one);
	fx_verified(f);
}

static void levels(struct fx *f, uint8_t a, uint8_t b)
{
	f->store->limits.quota_warnings[0] = a;
	f->store->limits.quota_warnings[1] = b;
}

/* Warnings so far. */
static uint32_t told(struct fx *f)
{
	return fx_status(f, "INBOX").messages;
}

static void warns_once_a_level(struct fx *f)
{
	struct ipc_fetch_reply r;
	struct ipc_select_reply sel;

	fx_account(f);
	levels(f, 80, 90);
	set_quota(f, 0, 20);
	for (unsigned i = 1; i <= 15; i++)
		assert_int_equal(deliver_n(f, i), OK);
	assert_int_equal(told(f), 0); /* 75 per cent */
	assert_int_equal(deliver_n(f, 16), OK);
	assert_int_equal(told(f), 1); /* 80; with the warning 17 of 20 are there */
	assert_int_equal(deliver_n(f, 17), OK);
	assert_int_equal(told(f), 2); /* 90 */
	assert_int_equal(deliver_n(f, 18), OK);
	assert_int_equal(told(f), 2);
	assert_int_equal(deliver_n(f, 19), OVER_QUOTA);
	sel = fx_select(f, "INBOX");
	r = fx_fetch(f, sel.sel, false, 1, 1, WANT_BODY | WANT_INDEX);
	assert_true(str_search(r.rows[0].body, STR("Subject: Your mailbox is 80 % full\r\n")) > 0);
	assert_true(r.rows[0].index.n > 0);
	fx_verified(f);
	if (f->rocks)
		fx_reopen(f); /* what was told is remembered */
	fx_verified(f);
}

static void warns_again_after_a_fall(struct fx *f)
{
	struct ipc_select_reply sel;

	fx_account(f);
	levels(f, 50, 0);
	set_quota(f, 0, 100);
	for (unsigned i = 1; i <= 50; i++)
		assert_int_equal(deliver_n(f, i), OK);
	assert_int_equal(told(f), 1); /* 51 are there */
	sel = fx_select(f, "Archive");
	fx_expunge(f, sel.sel, 1, 6); /* 45: not below 45 */
	for (unsigned i = 60; i < 66; i++)
		assert_int_equal(deliver_n(f, i), OK);
	assert_int_equal(told(f), 1);
	fx_expunge(f, sel.sel, 7, 13); /* 51 - 7 = 44 */
	for (unsigned i = 70; i < 76; i++)
		assert_int_equal(deliver_n(f, i), OK);
	assert_int_equal(told(f), 2);
	fx_verified(f);
}

/* The letter that tells comes in though there is no room for it; and a full account is told even when it jumps there. */
static void comes_in_over_the_quota(struct fx *f)
{
	fx_account(f);
	levels(f, 80, 100);
	set_quota(f, 0, 1);
	assert_int_equal(deliver_n(f, 1), OK);
	assert_int_equal(told(f), 1);
	assert_int_equal(fx_status(f, "Archive").messages, 1);
	assert_int_equal(deliver_n(f, 2), OVER_QUOTA);
	fx_verified(f);
}

static void says_nothing_without_a_quota(struct fx *f)
{
	fx_account(f);
	levels(f, 1, 2);
	set_quota(f, 0, 0);
	assert_int_equal(deliver_n(f, 1), OK);
	levels(f, 0, 0);
	set_quota(f, 0, 2);
	assert_int_equal(deliver_n(f, 2), OK);
	assert_int_equal(told(f), 0);
}

BOTH(by_messages)
BOTH(by_bytes)
BOTH(warns_once_a_level)
BOTH(warns_again_after_a_fall)
BOTH(comes_in_over_the_quota)
BOTH(says_nothing_without_a_quota)

int main(void)
{
	const struct CMUnitTest tests[] = { TESTS(by_messages), TESTS(by_bytes), TESTS(warns_once_a_level),
		TESTS(warns_again_after_a_fall), TESTS(comes_in_over_the_quota), TESTS(says_nothing_without_a_quota) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
