/* unit/store/test_settings.c - switches, authorization codes, pinned certificates: kept, and what they end. */
#include "unit/store/fixture.h"

#include "store/settings.h"

#define ALICE { STR("alice"), STR("x.test") }

static enum outcome set(struct fx *f, enum account_set what, uint64_t number)
{
	struct ipc_account_set q = { .address = ALICE, .what = (uint8_t)what, .number = number };

	return ipc_account_set(&f->ctl, &q);
}

static void credential(struct fx *f, struct ipc_credential_reply *r)
{
	struct ipc_credential q = { .login = STR("Alice@X.test") };

	*r = (struct ipc_credential_reply){ 0 };
	assert_int_equal(ipc_credential(&f->auth, &q, r, &f->a), OK);
}

static enum outcome open_as(struct fx *f, uint32_t code, uint8_t service, uint64_t *handle)
{
	struct ipc_grant g = { .edge_life = 1, .code = code, .service = service, .ip = STR("192.0.2.7") };
	struct ipc_grant_reply gr = { 0 };
	struct ipc_credential_reply r;
	enum outcome o;

	credential(f, &r);
	g.account = r.account;
	g.version = r.version;
	o = ipc_grant(&f->auth, &g, &gr, &f->a);
	*handle = gr.handle;
	return o;
}

static enum outcome use(struct fx *f, uint64_t handle)
{
	struct ipc_status q = { .handle = handle, .name = STR("INBOX") };
	struct ipc_status_reply r = { 0 };

	return ipc_status(&f->edge[0], &q, &r, &f->a);
}

static uint32_t add_code(struct fx *f, const char *name, int64_t expires_s)
{
	struct str nets[] = { STR("10.0.0.0/8"), STR("2001:db8::/32") }, folders[] = { STR("INBOX"), STR("Work/Clients") };
	struct ipc_code_add q = { .address = ALICE, .name = str_z(name), .hash = STR("hash"), .scram = STR("scram"),
		.services = ACCESS_POP | ACCESS_SMTP, .expires_s = expires_s, .networks = nets, .n_networks = 2, .pop_given = 1,
		.pop_dele = POP_DELE_KEEP, .pop_since_s = 86400, .pop_folders = folders, .n_pop_folders = 2 };
	struct ipc_code_add_reply r = { 0 };

	assert_int_equal(ipc_code_add(&f->ctl, &q, &r, &f->a), OK);
	return r.id;
}

static void defaults(struct fx *f)
{
	struct settings_row *s = arena_new(&f->a, struct settings_row);
	struct ipc_credential_reply r;

	fx_account(f);
	credential(f, &r);
	assert_int_equal(r.services, ACCESS_SMTP | ACCESS_IMAP | ACCESS_SIEVE);
	assert_int_equal(r.flags, 0);
	assert_int_equal(r.n_codes, 0);
	assert_int_equal(settings_read(f->store->shard.port, f->account, &f->a, s), OK);
	assert_int_equal(s->pop.n_folders, 0);
	assert_int_equal(s->pop.dele, POP_DELE_DELETE);
}

static void set_and_kept(struct fx *f)
{
	struct str folders[] = { STR("INBOX"), STR("Archive") };
	struct ipc_account_set q = { .address = ALICE, .what = SET_POP_FOLDERS, .folders = folders, .n_folders = 2 };
	struct settings_row *s = arena_new(&f->a, struct settings_row);
	struct ipc_credential_reply before, after;

	fx_account(f);
	credential(f, &before);
	assert_int_equal(set(f, SET_SERVICE_ON, ACCESS_POP), OK);
	assert_int_equal(set(f, SET_SERVICE_OFF, ACCESS_IMAP), OK);
	assert_int_equal(set(f, SET_FLAG_ON, SETTING_SENT_COPY), OK);
	assert_int_equal(set(f, SET_POP_SINCE, 1000), OK);
	assert_int_equal(set(f, SET_POP_DELE, POP_DELE_TRASH), OK);
	assert_int_equal(set(f, SET_POP_DELE, POP_DELE_KEEP + 1), BAD_SYNTAX);
	assert_int_equal(set(f, SET_COUNT, 0), BAD_SYNTAX);
	assert_int_equal(ipc_account_set(&f->ctl, &q), OK);
	credential(f, &after);
	assert_int_equal(after.services, ACCESS_SMTP | ACCESS_POP | ACCESS_SIEVE);
	assert_true(after.version == before.version + 6); /* once a change, and only then */
	fx_reopen(f);
	assert_int_equal(settings_read(f->store->shard.port, f->account, &f->a, s), OK);
	assert_int_equal(s->flags, SETTING_SENT_COPY);
	assert_int_equal(s->pop.since_s, 1000);
	assert_int_equal(s->pop.dele, POP_DELE_TRASH);
	assert_int_equal(s->pop.n_folders, 2);
	assert_true(str_eq(s->pop.folders[1], STR("Archive")));
	fx_verified(f);
}

static void switch_ends_sessions(struct fx *f)
{
	uint64_t imap, smtp;

	fx_account(f);
	assert_int_equal(open_as(f, 0, SERVICE_IMAPS, &imap), OK);
	assert_int_equal(open_as(f, 0, SERVICE_SUBMISSION, &smtp), OK);
	assert_int_equal(use(f, imap), OK);
	assert_int_equal(set(f, SET_SERVICE_OFF, ACCESS_IMAP), OK);
	assert_int_equal(use(f, imap), REVOKED);
	assert_int_equal(use(f, smtp), OK);
	fx_settle(f);
	assert_true(f->last_revoked == imap);
}

static void second_factor_ends_sessions(struct fx *f)
{
	uint32_t id;
	uint64_t by_password, by_code;

	fx_account(f);
	id = add_code(f, "phone", 0);
	assert_int_equal(open_as(f, 0, SERVICE_SUBMISSION, &by_password), OK);
	assert_int_equal(open_as(f, id, SERVICE_SUBMISSION, &by_code), OK);
	assert_int_equal(set(f, SET_FLAG_ON, SETTING_SECOND_FACTOR), OK);
	assert_int_equal(use(f, by_password), REVOKED);
	assert_int_equal(use(f, by_code), OK);
}

static void code_kept_and_deleted(struct fx *f)
{
	struct ipc_code_delete d = { .address = ALICE };
	struct ipc_code_list l = { .address = ALICE };
	struct ipc_code_list_reply lr = { 0 };
	struct ipc_credential_reply r;
	uint64_t handle, other;
	uint32_t second;

	fx_account(f);
	d.id = add_code(f, "phone", 0);
	second = add_code(f, "laptop", 0);
	credential(f, &r);
	assert_int_equal(r.n_codes, 2);
	assert_int_equal(r.codes[0].id, d.id);
	assert_int_equal(r.codes[0].services, ACCESS_POP | ACCESS_SMTP);
	assert_true(str_eq(r.codes[0].networks, STR("10.0.0.0/8,2001:db8::/32")));
	assert_int_equal(open_as(f, d.id, SERVICE_SUBMISSION, &handle), OK);
	assert_int_equal(open_as(f, second, SERVICE_SUBMISSION, &other), OK);
	fx_settle(f);
	assert_int_equal(ipc_code_list(&f->ctl, &l, &lr, &f->a), OK);
	assert_int_equal(lr.n_lines, 2);
	assert_true(str_ends(lr.lines[0], STR("\t192.0.2.7")));
	assert_int_equal(ipc_code_delete(&f->ctl, &d), OK);
	assert_int_equal(use(f, handle), REVOKED);
	assert_int_equal(use(f, other), OK);
	assert_int_equal(ipc_code_delete(&f->ctl, &d), NO_SUCH);
	assert_int_equal(open_as(f, d.id, SERVICE_SUBMISSION, &handle), DENIED);
	assert_true(add_code(f, "phone", 0) > second); /* no id is given twice */
	fx_verified(f);
}

static void code_expires(struct fx *f)
{
	int64_t now_s = shard_now_s(&f->store->shard);
	uint64_t handle;

	fx_account(f);
	assert_int_equal(open_as(f, add_code(f, "past", now_s), SERVICE_SUBMISSION, &handle), DENIED);
	assert_int_equal(open_as(f, add_code(f, "soon", now_s + 2), SERVICE_SUBMISSION, &handle), OK);
	assert_int_equal(use(f, handle), OK);
	while (shard_now_s(&f->store->shard) < now_s + 2)
		task_sleep(f->sched, 50);
	assert_int_equal(use(f, handle), REVOKED);
}

static void codes_are_bounded(struct fx *f)
{
	struct ipc_code_add q = { .address = ALICE, .name = STR("one too many"), .hash = STR("hash") };
	struct ipc_code_add_reply r = { 0 };
	char name[10];

	fx_account(f);
	f->store->limits.codes_max = 3;
	for (int i = 0; i < 3; i++) {
		snprintf(name, sizeof name, "c%d", i);
		add_code(f, name, 0);
	}
	assert_int_equal(ipc_code_add(&f->ctl, &q, &r, &f->a), OVER_LIMIT);
	f->store->limits.codes_max = 4;
	assert_int_equal(ipc_code_add(&f->ctl, &q, &r, &f->a), OK);
	f->store->limits.codes_max = 0;
	assert_int_equal(ipc_code_add(&f->ctl, &q, &r, &f->a), EXISTS);
}

static void rules_of_code_or_account(struct fx *f)
{
	struct pop_rules *p = arena_new(&f->a, struct pop_rules);
	struct account *a;
	uint32_t id;

	fx_account(f);
	id = add_code(f, "phone", 0);
	assert_int_equal(set(f, SET_POP_DELE, POP_DELE_TRASH), OK);
	assert_int_equal(account_get(&f->store->shard, f->account, &a), OK);
	pop_rules_of(a, 0, &f->a, p);
	assert_int_equal(p->dele, POP_DELE_TRASH);
	pop_rules_of(a, id, &f->a, p);
	assert_int_equal(p->dele, POP_DELE_KEEP);
	assert_int_equal(p->n_folders, 2);
	account_put(a);
}

static enum outcome owner(struct fx *f, struct str print, struct str login, uint64_t *account)
{
	struct ipc_certificate_owner q = { .fingerprint = print, .login = login };
	struct ipc_certificate_owner_reply r = { 0 };
	enum outcome o = ipc_certificate_owner(&f->auth, &q, &r, &f->a);

	*account = r.account;
	return o;
}

static void certificates(struct fx *f)
{
	struct ipc_pin_add q = { .address = ALICE, .name = STR("laptop"), .fingerprint = STR("0123456789abcdef0123456789abcdef") };
	struct ipc_pin_add bad = { .address = ALICE, .fingerprint = STR("short") };
	struct ipc_pin_add bobs = { .address = { STR("bob"), STR("x.test") }, .name = STR("same"), .fingerprint = q.fingerprint };
	struct ipc_pin_delete d = { .address = bobs.address, .fingerprint = q.fingerprint };
	struct ipc_account_delete gone = { .address = ALICE };
	uint64_t account, bob;

	fx_account(f);
	bob = fx_add_account(f, "bob@x.test");
	assert_int_equal(owner(f, q.fingerprint, STR(""), &account), NO_SUCH);
	assert_int_equal(ipc_pin_add(&f->ctl, &bad), BAD_SYNTAX);
	assert_int_equal(ipc_pin_add(&f->ctl, &q), OK);
	assert_int_equal(owner(f, q.fingerprint, STR(""), &account), OK);
	assert_true(account == f->account);
	assert_int_equal(owner(f, q.fingerprint, STR("bob@x.test"), &account), NO_SUCH);
	assert_int_equal(ipc_pin_add(&f->ctl, &bobs), OK);
	assert_int_equal(owner(f, q.fingerprint, STR(""), &account), NO_SUCH); /* it could be either's */
	assert_int_equal(owner(f, q.fingerprint, STR("bob@x.test"), &account), OK);
	assert_true(account == bob);
	assert_int_equal(ipc_pin_delete(&f->ctl, &d), OK);
	assert_int_equal(ipc_pin_delete(&f->ctl, &d), NO_SUCH);
	assert_int_equal(owner(f, q.fingerprint, STR(""), &account), OK);
	fx_verified(f);
	assert_int_equal(ipc_account_delete(&f->ctl, &gone), OK);
	assert_int_equal(owner(f, q.fingerprint, STR(""), &account), NO_SUCH);
	fx_verified(f);
}

/* A credential row as it was written before codes came. */
static void older_row(struct fx *f)
{
	struct credential_row row;
	struct buf v;

	(void)f;
	buf_init(&v, 1000);
	put_u8(&v, 1);
	put_str(&v, STR("alice@x.test"));
	put_str(&v, STR("hash"));
	put_u64(&v, 7);
	put_u32(&v, 0);
	put_u64(&v, 1);
	put_u64(&v, 2);
	assert_true(credential_row_decode(buf_str(&v), &row));
	assert_int_equal(row.version, 7);
	assert_int_equal(row.scram.n, 0);
	assert_int_equal(row.code_next, 1);
	buf_addc(&v, 'x');
	assert_false(credential_row_decode(buf_str(&v), &row));
	buf_fini(&v);
}

BOTH(defaults)
ON(rocks, set_and_kept) /* the memory engine forgets when it is closed */
BOTH(switch_ends_sessions)
BOTH(second_factor_ends_sessions)
BOTH(code_kept_and_deleted)
BOTH(code_expires)
BOTH(codes_are_bounded)
BOTH(rules_of_code_or_account)
BOTH(certificates)
ON(mem, older_row)

int main(void)
{
	const struct CMUnitTest tests[] = { TESTS(defaults), cmocka_unit_test(rocks_set_and_kept), TESTS(switch_ends_sessions),
		TESTS(second_factor_ends_sessions), TESTS(code_kept_and_deleted), TESTS(code_expires), TESTS(codes_are_bounded),
		TESTS(rules_of_code_or_account), TESTS(certificates), cmocka_unit_test(mem_older_row) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
