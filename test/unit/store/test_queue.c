/* unit/store/test_queue.c - the lane and the directory: letters for several accounts, aliases, who is deliverable. */
#include "unit/store/fixture.h"

static uint64_t put(struct fx *f, const uint64_t *accounts, size_t n, const char *subject)
{
	struct str letter = fx_letter(f, subject, 700);
	struct ipc_queued_rcpt *rcpts = arena_array(&f->a, n, sizeof *rcpts);
	struct ipc_queue_put q = { .trace = STR("t"),
		.date_s = 1795341600,
		.rcpts = rcpts,
		.n_rcpts = n,
		.index = fx_index(f, letter),
		.body = body_of(letter) };
	struct ipc_queue_put_reply r = { 0 };

	for (size_t i = 0; i < n; i++)
		rcpts[i] = (struct ipc_queued_rcpt){ .account = accounts[i],
			.prefix = arena_fmt(&f->a, "Delivered-To: %zu\r\n", i) };
	assert_int_equal(ipc_queue_put(&f->post, &q, &r, &f->a), OK);
	return r.id;
}

static enum outcome deliver(struct fx *f, uint64_t id, uint32_t *left)
{
	struct ipc_queue_deliver q = { .id = id };
	struct ipc_queue_deliver_reply r = { 0 };
	enum outcome o = ipc_queue_deliver(&f->post, &q, &r, &f->a);

	*left = r.left;
	return o;
}

static size_t listed(struct fx *f, uint64_t after)
{
	struct ipc_queue_list q = { .after = after };
	struct ipc_queue_list_reply r = { 0 };

	assert_int_equal(ipc_queue_list(&f->post, &q, &r, &f->a), OK);
	return r.n_ids;
}

static uint32_t messages_of(struct fx *f, const char *address)
{
	struct ipc_status q = { .name = STR("INBOX") };
	struct ipc_status_reply r = { 0 };

	assert_int_equal(fx_login(f, address, 1, &q.handle), OK);
	assert_int_equal(ipc_status(&f->edge[1], &q, &r, &f->a), OK);
	return r.messages;
}

static void to_many(struct fx *f)
{
	uint64_t accounts[20], id;
	uint32_t left;
	char address[40];

	fx_account(f);
	for (int i = 0; i < 20; i++) {
		snprintf(address, sizeof address, "u%d@x.test", i);
		accounts[i] = fx_add_account(f, address);
	}
	id = put(f, accounts, 20, "to all");
	assert_int_equal(listed(f, 0), 1);
	assert_int_equal(listed(f, id), 0);
	fx_verified(f);
	assert_int_equal(deliver(f, id, &left), OK);
	assert_int_equal(left, 0);
	assert_int_equal(listed(f, 0), 0);
	for (int i = 0; i < 20; i++) {
		snprintf(address, sizeof address, "u%d@x.test", i);
		assert_int_equal(messages_of(f, address), 1);
	}
	assert_int_equal(deliver(f, id, &left), OK); /* done before: nothing happens */
	assert_int_equal(messages_of(f, "u0@x.test"), 1);
	assert_true(put(f, accounts, 1, "x") > id);
	fx_verified(f);
	f->store->limits.keep_expunged_ms = 0;
	assert_int_equal(store_collect(f->store), 0); /* one body, twenty references */
	fx_verified(f);
}

static void survives_reopening(struct fx *f)
{
	uint64_t accounts[2], id;
	uint32_t left;

	if (!f->rocks)
		return;
	fx_account(f);
	accounts[0] = f->account;
	accounts[1] = fx_add_account(f, "bob@x.test");
	id = put(f, accounts, 2, "kept");
	fx_reopen(f);
	assert_int_equal(listed(f, 0), 1);
	assert_int_equal(deliver(f, id, &left), OK);
	assert_int_equal(left, 0);
	fx_reopen(f);
	assert_int_equal(listed(f, 0), 0);
	assert_int_equal(messages_of(f, "alice@x.test"), 1);
	assert_int_equal(messages_of(f, "bob@x.test"), 1);
	assert_true(put(f, accounts, 1, "next") > id);
	fx_verified(f);
}

static void some_fail(struct fx *f)
{
	uint64_t accounts[3], id;
	uint32_t left;
	struct ipc_account_delete d = { .address = { STR("gone"), STR("x.test") } };

	fx_account(f);
	accounts[0] = f->account;
	accounts[1] = fx_add_account(f, "gone@x.test");
	accounts[2] = fx_add_account(f, "bob@x.test");
	id = put(f, accounts, 3, "x");
	assert_int_equal(ipc_account_delete(&f->ctl, &d), OK);
	if (!f->rocks) {
		engine_mem_fail_next(f->engine, 1, ENGINE_LOST);
		assert_int_equal(deliver(f, id, &left), OK);
		assert_int_equal(left, 1);
		assert_int_equal(listed(f, 0), 1);
		fx_verified(f);
		task_sleep(f->sched, 20);
	}
	assert_int_equal(deliver(f, id, &left), OK);
	assert_int_equal(left, 0);
	assert_int_equal(messages_of(f, "alice@x.test"), 1);
	assert_int_equal(messages_of(f, "bob@x.test"), 1);
	fx_verified(f);
}

/* ---- the directory */

static enum outcome resolve(struct fx *f, const char *address, struct ipc_resolve_reply *r)
{
	struct ipc_resolve q = { .rcpt = fx_addr(address), .size = 1000 };

	*r = (struct ipc_resolve_reply){ 0 };
	return ipc_resolve(&f->post, &q, r, &f->a);
}

static enum outcome alias(struct fx *f, const char *address, const char *a, const char *b)
{
	struct ipc_addr to[2] = { fx_addr(a), b ? fx_addr(b) : fx_addr(a) };
	struct ipc_alias_add q = { .address = fx_addr(address), .to = to, .n_to = b ? 2 : 1 };

	return ipc_alias_add(&f->ctl, &q);
}

static void deliverable(struct fx *f)
{
	struct ipc_resolve_reply r;
	uint64_t bob;

	fx_account(f);
	bob = fx_add_account(f, "Bob@X.test");
	assert_int_equal(resolve(f, "ALICE@x.TEST", &r), OK);
	assert_true(r.n_targets == 1 && r.targets[0].account == f->account);
	assert_int_equal(resolve(f, "alice+shop@x.test", &r), OK);
	assert_true(r.targets[0].account == f->account);
	assert_true(str_eq(r.targets[0].address.local, STR("alice+shop")));
	assert_int_equal(resolve(f, "nobody@x.test", &r), NO_SUCH);
	assert_int_equal(resolve(f, "+@x.test", &r), NO_SUCH);
	assert_int_equal(resolve(f, "alice@other.test", &r), DENIED);
	assert_int_equal(resolve(f, "postmaster@x.test", &r), OK);
	assert_true(r.targets[0].account == f->account);
	assert_int_equal(resolve(f, "Abuse@x.test", &r), OK);
	assert_int_equal(alias(f, "team@x.test", "alice@x.test", "bob@x.test"), OK);
	assert_int_equal(alias(f, "team@x.test", "alice@x.test", NULL), EXISTS);
	assert_int_equal(alias(f, "alice@x.test", "bob@x.test", NULL), EXISTS);
	assert_int_equal(alias(f, "far@x.test", "a@far.test", NULL), DENIED);
	assert_int_equal(alias(f, "all@x.test", "team@x.test", "bob@x.test"), OK);
	assert_int_equal(resolve(f, "all+detail@x.test", &r), OK);
	assert_int_equal(r.n_targets, 2);
	assert_int_equal(alias(f, "loop1@x.test", "loop2@x.test", "bob@x.test"), OK);
	assert_int_equal(alias(f, "loop2@x.test", "loop1@x.test", NULL), OK);
	assert_int_equal(resolve(f, "loop2@x.test", &r), OK);
	assert_true(r.n_targets == 1 && r.targets[0].account == bob);
	assert_int_equal(alias(f, "empty@x.test", "nobody@x.test", NULL), OK);
	assert_int_equal(resolve(f, "empty@x.test", &r), NO_SUCH);
	fx_verified(f);
}

static void aliases_elsewhere(struct fx *f)
{
	struct ipc_resolve_reply r;

	fx_account(f);
	f->store->limits.forwarding = true;
	assert_int_equal(alias(f, "away@x.test", "Bob.Far@FAR.test", "alice@x.test"), OK);
	assert_int_equal(alias(f, "both@x.test", "away@x.test", "Bob.Far@far.test"), OK);
	assert_int_equal(resolve(f, "away@x.test", &r), OK);
	assert_int_equal(r.n_targets, 2);
	assert_true(r.targets[0].account == 0 && str_eq(r.targets[0].address.local, STR("Bob.Far")) &&
		str_eq(r.targets[0].address.domain, STR("far.test")));
	assert_true(r.targets[1].account == f->account);
	assert_int_equal(resolve(f, "both@x.test", &r), OK);
	assert_int_equal(r.n_targets, 2); /* each once */
	assert_int_equal(resolve(f, "Bob.Far@far.test", &r), DENIED); /* itself it is not ours */
	fx_verified(f);
	f->store->limits.forwarding = false;
	assert_int_equal(resolve(f, "away@x.test", &r), OK);
	assert_int_equal(r.n_targets, 1);
	assert_int_equal(alias(f, "more@x.test", "bob@far.test", NULL), DENIED);
}

static void deep_aliases(struct fx *f)
{
	struct ipc_resolve_reply r;
	char from[40], to[40];

	fx_account(f);
	for (int i = 1; i <= 12; i++) {
		snprintf(from, sizeof from, "n%d@x.test", i);
		snprintf(to, sizeof to, "n%d@x.test", i - 1);
		assert_int_equal(alias(f, from, i == 1 ? "alice@x.test" : to, NULL), OK);
	}
	assert_int_equal(resolve(f, "n10@x.test", &r), OK);
	assert_int_equal(resolve(f, "n11@x.test", &r), NO_SUCH);
}

static size_t count_listed(struct fx *f, unsigned kind)
{
	struct str after = STR("");
	size_t n = 0;

	for (bool more = true; more;) {
		struct ipc_directory_list q = { .kind = (uint8_t)kind, .after = after };
		struct ipc_directory_list_reply r = { 0 };

		assert_int_equal(ipc_directory_list(&f->ctl, &q, &r, &f->a), OK);
		n += r.n_lines;
		after = r.next;
		more = r.more;
	}
	return n;
}

static void lists_and_removals(struct fx *f)
{
	struct ipc_domain_delete d = { .name = STR("X.test") };
	struct ipc_alias_delete ad = { .address = fx_addr("team@x.test") };
	struct ipc_account_delete acc = { .address = fx_addr("alice@x.test") };
	struct ipc_domain_add add = { .name = STR("x.test") };
	struct ipc_store_status_reply st = { 0 };
	struct ipc_resolve_reply r;
	uint64_t id;
	char address[40];

	fx_account(f);
	for (int i = 0; i < 230; i++) {
		snprintf(address, sizeof address, "u%d@x.test", i);
		fx_add_account(f, address);
	}
	assert_int_equal(fx_try_account(f, "U5@x.test", &id), EXISTS);
	assert_int_equal(fx_try_account(f, "u5@nowhere.test", &id), NO_SUCH);
	assert_int_equal(fx_try_account(f, "a b@x.test", &id), BAD_SYNTAX);
	assert_int_equal(ipc_domain_add(&f->ctl, &add), EXISTS);
	assert_int_equal(count_listed(f, DIRECTORY_ACCOUNTS), 231);
	assert_int_equal(count_listed(f, DIRECTORY_DOMAINS), 1);
	assert_int_equal(alias(f, "team@x.test", "alice@x.test", NULL), OK);
	assert_int_equal(count_listed(f, DIRECTORY_ALIASES), 1);
	assert_int_equal(ipc_domain_delete(&f->ctl, &d), IN_USE);
	assert_int_equal(ipc_alias_delete(&f->ctl, &ad), OK);
	assert_int_equal(ipc_alias_delete(&f->ctl, &ad), NO_SUCH);
	assert_int_equal(ipc_account_delete(&f->ctl, &acc), OK);
	assert_int_equal(resolve(f, "postmaster@x.test", &r), OK); /* the next in age */
	assert_int_equal(ipc_store_status(&f->ctl, &st, &f->a), OK);
	assert_true(st.n_lines > 10);
	fx_verified(f);
	for (int i = 0; i < 230; i++) {
		snprintf(address, sizeof address, "u%d@x.test", i);
		acc.address = fx_addr(address);
		assert_int_equal(ipc_account_delete(&f->ctl, &acc), OK);
	}
	assert_int_equal(ipc_domain_delete(&f->ctl, &d), OK);
	assert_int_equal(resolve(f, "postmaster@x.test", &r), DENIED);
	fx_verified(f);
}

/* An account whose making was cut off in whatever step is not there, and leaves nothing. */
static void half_made_accounts(struct fx *f)
{
	struct ipc_resolve_reply r;
	uint64_t id;

	fx_account(f);
	for (unsigned step = 0; step < 3; step++) {
		engine_mem_fail_after(f->engine, step, 1, step % 2 ? ENGINE_LOST : ENGINE_UNKNOWN);
		assert_int_equal(fx_try_account(f, "half@x.test", &id), TRY_LATER);
		assert_int_equal(resolve(f, "half@x.test", &r), NO_SUCH);
		directory_sweep(&f->store->directory);
		assert_int_equal(count_listed(f, DIRECTORY_ACCOUNTS), 1);
		fx_verified(f);
	}
	assert_int_equal(fx_try_account(f, "half@x.test", &id), OK);
}

BOTH(to_many)
BOTH(survives_reopening)
BOTH(some_fail)
BOTH(deliverable)
BOTH(deep_aliases)
BOTH(aliases_elsewhere)
BOTH(lists_and_removals)
ON(mem, half_made_accounts)

int main(void)
{
	const struct CMUnitTest tests[] = { TESTS(to_many), TESTS(survives_reopening), TESTS(some_fail),
		TESTS(deliverable), TESTS(deep_aliases), TESTS(aliases_elsewhere), TESTS(lists_and_removals),
		cmocka_unit_test(mem_half_made_accounts) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
