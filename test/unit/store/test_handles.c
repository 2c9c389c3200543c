/* unit/store/test_handles.c - handles: who may use which, and when they end. */
#include "unit/store/fixture.h"

static enum outcome try_status(struct fx *f, unsigned edge, uint64_t handle)
{
	struct ipc_status q = { .handle = handle, .name = STR("INBOX") };
	struct ipc_status_reply r = { 0 };

	return ipc_status(&f->edge[edge], &q, &r, &f->a);
}

static void granted_to_one_edge(struct fx *f)
{
	uint64_t other;

	fx_account(f);
	assert_int_equal(try_status(f, 0, f->handle), OK);
	assert_int_equal(try_status(f, 1, f->handle), DENIED);
	fx_settle(f);
	assert_null(f->edge[1].peer); /* it lost its channel */
	fx_join_edge(f, 1);
	assert_int_equal(fx_login(f, "alice@x.test", 1, &other), OK);
	assert_int_equal(try_status(f, 1, other), OK);
	assert_int_equal(try_status(f, 0, f->handle), OK);
}

static void never_granted(struct fx *f)
{
	fx_account(f);
	assert_int_equal(try_status(f, 0, f->handle + 1), DENIED);
	fx_settle(f);
	assert_null(f->edge[0].peer);
	fx_join_edge(f, 0);
	assert_int_equal(try_status(f, 0, f->handle), REVOKED);			    /* went with the channel */
	assert_int_equal(try_status(f, 0, f->handle ^ (uint64_t)1 << 41), REVOKED); /* another life of store */
	assert_int_equal(try_status(f, 0, f->handle | (uint64_t)7 << 56), DENIED);  /* another shard */
	fx_settle(f);
	fx_join_edge(f, 0);
	assert_int_equal(try_status(f, 0, f->handle + ((uint64_t)1 << 20)), DENIED); /* a generation to come */
	fx_settle(f);
	fx_join_edge(f, 0);
	assert_int_equal(try_status(f, 0, 0), DENIED);
}

static void logout_ends_it(struct fx *f)
{
	struct ipc_logout q;
	uint64_t again;

	fx_account(f);
	q.handle = f->handle;
	fx_select(f, "INBOX");
	ipc_logout_cast(f->edge[0].peer, &q);
	assert_int_equal(try_status(f, 0, f->handle), REVOKED);
	assert_int_equal(fx_login(f, "alice@x.test", 0, &again), OK);
	assert_true(again != f->handle);
	assert_int_equal(try_status(f, 0, f->handle), REVOKED);
	assert_int_equal(try_status(f, 0, again), OK);
}

static void password_ends_all(struct fx *f)
{
	struct ipc_account_password q = { .address = { STR("ALICE"), STR("x.test") }, .hash = STR("new") };
	struct ipc_credential c = { .login = STR("alice@x.test") };
	struct ipc_credential_reply before = { 0 }, after = { 0 };
	struct ipc_grant g = { .edge_life = 1 };
	struct ipc_grant_reply gr = { 0 };

	fx_account(f);
	assert_int_equal(try_status(f, 0, f->handle), OK);
	assert_int_equal(ipc_credential(&f->auth, &c, &before, &f->a), OK);
	assert_int_equal(ipc_account_password(&f->ctl, &q), OK);
	fx_settle(f);
	assert_int_equal(f->n_revoked, 1);
	assert_true(f->last_revoked == f->handle);
	assert_int_equal(try_status(f, 0, f->handle), REVOKED);
	assert_int_equal(ipc_credential(&f->auth, &c, &after, &f->a), OK);
	assert_true(after.version > before.version);
	assert_true(str_eq(after.hash, STR("new")));
	g.account = before.account;
	g.version = before.version;
	assert_int_equal(ipc_grant(&f->auth, &g, &gr, &f->a), BAD_STATE);
}

static void edge_gone_before_the_grant(struct fx *f)
{
	struct ipc_credential c = { .login = STR("alice@x.test") };
	struct ipc_credential_reply r = { 0 };
	struct ipc_grant g = { .edge = 1, .edge_life = 1 };
	struct ipc_grant_reply gr = { 0 };

	fx_account(f);
	assert_int_equal(ipc_credential(&f->auth, &c, &r, &f->a), OK);
	g.account = r.account;
	g.version = r.version;
	fx_join_edge(f, 1); /* its second life */
	fx_settle(f);
	assert_int_equal(ipc_grant(&f->auth, &g, &gr, &f->a), DENIED);
	g.edge_life = 2;
	assert_int_equal(ipc_grant(&f->auth, &g, &gr, &f->a), OK);
	assert_int_equal(f->store->shard.handles.n, 2);
}

static void owns(struct fx *f)
{
	struct ipc_owns q = { .edge_life = 1, .from = { STR("alice+list"), STR("X.test") } };
	struct ipc_owns_reply r = { 0 };

	fx_account(f);
	fx_add_account(f, "bob@x.test");
	q.handle = f->handle;
	assert_int_equal(ipc_owns(&f->post, &q, &r, &f->a), OK);
	assert_true(r.account == f->account);
	q.from.local = STR("bob");
	assert_int_equal(ipc_owns(&f->post, &q, &r, &f->a), DENIED);
	q.edge = 1;
	q.from.local = STR("alice");
	assert_int_equal(ipc_owns(&f->post, &q, &r, &f->a), DENIED);
	assert_non_null(f->post.peer); /* not post's fault */
}

static void account_deleted(struct fx *f)
{
	struct ipc_account_delete q = { .address = { STR("alice"), STR("x.test") }, .now = 1 };
	struct ipc_credential c = { .login = STR("alice@x.test") };
	struct ipc_credential_reply r = { 0 };
	char id[16];

	fx_account(f);
	for (int i = 0; i < 50; i++) {
		snprintf(id, sizeof id, "%d", i);
		fx_deliver(f, id, "x");
	}
	fx_select(f, "INBOX");
	assert_int_equal(ipc_account_delete(&f->ctl, &q), OK);
	fx_settle(f);
	assert_int_equal(f->n_revoked, 1);
	assert_int_equal(try_status(f, 0, f->handle), REVOKED);
	assert_int_equal(ipc_credential(&f->auth, &c, &r, &f->a), NO_SUCH);
	assert_int_equal(fx_deliver_to(f, f->account, "x", "", fx_letter(f, "x", 300), NULL), NO_SUCH);
	assert_int_equal(ipc_account_delete(&f->ctl, &q), NO_SUCH);
	fx_verified(f);
	f->store->limits.keep_expunged_ms = 0;
	assert_int_equal(store_collect(f->store), 50);
	assert_true(fx_add_account(f, "alice@x.test") > f->account);
	fx_verified(f);
}

static enum outcome command_opens(struct fx *f, struct link *ctl, const char *local, uint64_t *handle)
{
	struct ipc_open_account q = { .address = { str_z(local), STR("x.test") } };
	struct ipc_open_account_reply r = { 0 };
	enum outcome o = ipc_open_account(ctl, &q, &r, NULL);

	*handle = r.handle;
	if (o == OK)
		assert_true(r.account == f->account);
	return o;
}

static enum outcome command_selects(struct fx *f, struct link *ctl, uint64_t handle)
{
	struct ipc_select q = { .handle = handle, .name = STR("INBOX"), .readonly = 1 };
	struct ipc_select_reply r = { 0 };

	return ipc_select(ctl, &q, &r, &f->a);
}

/* A command acts for an account without its password; what it holds ends with its channel, and nobody else's does. */
static void commands_open_accounts(struct fx *f)
{
	struct link second;
	uint64_t one, two;

	fx_account(f);
	link_init(&second, f->sched);
	fx_join(f, ROLE_CTL, 0, NULL, &second, 2);
	assert_int_equal(command_opens(f, &f->ctl, "nobody", &one), NO_SUCH);
	assert_int_equal(command_opens(f, &f->ctl, "Alice", &one), OK);
	assert_int_equal(command_opens(f, &second, "alice", &two), OK);
	assert_int_equal(command_selects(f, &f->ctl, one), OK);
	assert_int_equal(command_selects(f, &second, two), OK);
	fx_deliver(f, "m1", "news"); /* a command is not told */
	fx_settle(f);
	assert_non_null(f->ctl.peer);
	assert_int_equal(f->n_changed, 0);
	assert_int_equal(command_selects(f, &second, one), DENIED); /* the other's: it loses its channel */
	fx_settle(f);
	assert_null(second.peer);
	assert_int_equal(command_selects(f, &f->ctl, one), OK);
	assert_int_equal(try_status(f, 0, f->handle), OK);
	fx_join(f, ROLE_CTL, 0, NULL, &second, 3);
	assert_int_equal(command_selects(f, &second, two), REVOKED);
	assert_int_equal(try_status(f, 0, one), DENIED);
	link_close(&second);
	fx_settle(f);
}

BOTH(granted_to_one_edge)
BOTH(never_granted)
BOTH(logout_ends_it)
BOTH(password_ends_all)
BOTH(edge_gone_before_the_grant)
BOTH(owns)
BOTH(account_deleted)
BOTH(commands_open_accounts)

int main(void)
{
	const struct CMUnitTest tests[] = { TESTS(granted_to_one_edge), TESTS(never_granted), TESTS(logout_ends_it),
		TESTS(password_ends_all), TESTS(edge_gone_before_the_grant), TESTS(owns),
		TESTS(account_deleted), TESTS(commands_open_accounts) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
