/* test/unit/store/test_audit.c - the audit log: the chain, what damages it, pruning, floods, what is written before what. */
#include "unit/store/fixture.h"

#include "ipc/codec.h"
#include "store/audit.h"
#include "store/rows.h"
#include "store/service_audit.h"

static const struct ipc_audit_list_reply *list(struct fx *f, uint64_t account)
{
	struct ipc_audit_list_reply *r = arena_new(&f->a, struct ipc_audit_list_reply);

	audit_list(&f->store->shard, &(struct ipc_audit_list){ .account = account }, &f->a, r);
	return r;
}

/* The number of the first record that is not what was written; 0: none. */
static uint64_t first_wrong(const struct ipc_audit_list_reply *r)
{
	unsigned char hash[AUDIT_HASH_SIZE];
	uint64_t seq = r->pruned;

	memcpy(hash, r->pruned_hash.p, sizeof hash);
	for (size_t i = 0; i < r->n_entries; i++) {
		const struct ipc_audit_entry *e = &r->entries[i];
		struct audit_record x = { e->seq, e->time_us, e->account, e->kind, e->who, e->service, e->ip, e->text };

		audit_hash(hash, &x, hash);
		if (e->seq != ++seq || e->hash.n != sizeof hash || memcmp(hash, e->hash.p, sizeof hash) != 0)
			return seq;
	}
	return seq < r->last ? seq + 1 : 0;
}

static void note(struct fx *f, const char *who, const char *text)
{
	audit_note(&f->store->shard, &(struct audit_event){ .kind = AUDIT_LOGIN, .who = str_z(who), .text = str_z(text), .account = 7 });
}

static void settle(struct fx *f)
{
	while (audit_busy(&f->store->shard))
		task_sleep(f->sched, 1);
}

static void raw_commit_done(struct engine_batch *b, enum engine_result r)
{
	*(bool *)b->arg = r == ENGINE_DONE;
	engine_batch_free(b);
}

/* Behind the log's back, as who can write to the disk. The store is closed over it. */
static void tamper(struct fx *f, void (*change)(struct fx *f, struct engine_batch *b, struct str value), uint64_t seq)
{
	struct shard *s = &f->store->shard;
	struct engine_batch *b = engine_batch_new(PARTITION_AUDIT, engine_version(s->port, PARTITION_AUDIT));
	bool done = false;
	struct buf v;

	buf_init(&v, 4096);
	assert_true(engine_get(s->port, NULL, PARTITION_AUDIT, KEY_STR(key_u64(key_of('e'), seq)), &v));
	change(f, b, buf_str(&v));
	buf_fini(&v);
	b->done = raw_commit_done;
	b->arg = &done;
	engine_commit(s->port, b);
	while (!done)
		task_sleep(f->sched, 1);
	audit_fini(s);
	assert_true(audit_open(s));
}

static void change_text(struct fx *f, struct engine_batch *b, struct str value)
{
	char *p = mem_dup(value.p, value.n);

	(void)f;
	p[value.n - AUDIT_HASH_SIZE - 1] ^= 1;
	engine_put(b, KEY_STR(key_u64(key_of('e'), 3)), str_of(p, value.n));
	free(p);
}

static void remove_it(struct fx *f, struct engine_batch *b, struct str value)
{
	(void)f;
	(void)value;
	engine_del(b, KEY_STR(key_u64(key_of('e'), 3)));
}

static void remove_last(struct fx *f, struct engine_batch *b, struct str value)
{
	(void)f;
	(void)value;
	engine_del(b, KEY_STR(key_u64(key_of('e'), 5)));
}

static void cut_short(struct fx *f, struct engine_batch *b, struct str value)
{
	(void)f;
	engine_put(b, KEY_STR(key_u64(key_of('e'), 3)), str_sub(value, 0, value.n - 1));
}

static void five(struct fx *f)
{
	for (int i = 0; i < 4; i++) /* the first is that the store was opened */
		note(f, "a@x.test", "text");
	settle(f);
	assert_int_equal(list(f, 0)->n_entries, 5);
	assert_int_equal(first_wrong(list(f, 0)), 0);
}

static void a_whole_chain(struct fx *f)
{
	five(f);
	fx_reopen(f);
	settle(f);
	assert_int_equal(list(f, 0)->n_entries, 6);
	assert_int_equal(first_wrong(list(f, 0)), 0);
}

static void changed_record(struct fx *f)
{
	five(f);
	tamper(f, change_text, 3);
	assert_int_equal(first_wrong(list(f, 0)), 3);
}

static void removed_record(struct fx *f)
{
	five(f);
	tamper(f, remove_it, 3);
	assert_int_equal(first_wrong(list(f, 0)), 3);
}

static void removed_end(struct fx *f)
{
	five(f);
	tamper(f, remove_last, 5);
	assert_int_equal(first_wrong(list(f, 0)), 5);
}

static void damaged_record(struct fx *f)
{
	five(f);
	tamper(f, cut_short, 3);
	assert_int_equal(first_wrong(list(f, 0)), 3);
}

static void fields_have_borders(struct fx *f)
{
	struct audit_record a = { .who = STR("ab"), .ip = STR("c") }, b = { .who = STR("a"), .ip = STR("bc") };
	unsigned char zero[AUDIT_HASH_SIZE] = { 0 }, x[AUDIT_HASH_SIZE], y[AUDIT_HASH_SIZE];

	(void)f;
	audit_hash(zero, &a, x);
	audit_hash(zero, &b, y);
	assert_memory_not_equal(x, y, sizeof x);
}

static void pruned(struct fx *f)
{
	five(f);
	assert_false(audit_prune(&f->store->shard, 0)); /* nothing is as old */
	settle(f);
	assert_int_equal(list(f, 0)->n_entries, 5);
	assert_false(audit_prune(&f->store->shard, INT64_MAX));
	settle(f);
	assert_int_equal(list(f, 0)->n_entries, 1); /* the last one stays: the chain goes on from it */
	assert_int_equal(list(f, 0)->pruned, 4);
	assert_int_equal(list(f, 7)->n_entries, 1); /* the account's too */
	note(f, "a@x.test", "later");
	settle(f);
	assert_int_equal(first_wrong(list(f, 0)), 0);
}

static void floods_are_counted(struct fx *f)
{
	struct audit_event e = { .kind = AUDIT_LOGIN_REFUSED, .who = STR("x"), .ip = STR("192.0.2.1") };
	const struct ipc_audit_list_reply *r;
	bool told = false;
	size_t n = 0;

	f->store->shard.audit.second = sched_now_ms(f->sched) / 1000;
	for (int i = 0; i < AUDIT_REFUSED_A_SECOND + 50; i++)
		audit_note(&f->store->shard, &e);
	f->store->shard.audit.second--; /* a second later */
	note(f, "a@x.test", "next");
	settle(f);
	r = list(f, 0);
	assert_int_equal(first_wrong(r), 0);
	for (size_t i = 0; i < r->n_entries; i++) {
		n += r->entries[i].kind == AUDIT_LOGIN_REFUSED;
		told |= r->entries[i].kind == AUDIT_UNRECORDED && str_starts(r->entries[i].text, STR("50 "));
	}
	assert_int_equal(n, AUDIT_REFUSED_A_SECOND);
	assert_true(told);
}

static void long_fields_are_cut(struct fx *f)
{
	char *long_text = mem_alloc(5000);

	memset(long_text, 'a', 4999);
	long_text[4999] = 0;
	note(f, long_text, long_text);
	settle(f);
	assert_int_equal(list(f, 0)->entries[1].who.n, IPC_AUDIT_ENTRY_WHO_MAX);
	assert_int_equal(list(f, 0)->entries[1].text.n, IPC_AUDIT_ENTRY_TEXT_MAX);
	assert_int_equal(first_wrong(list(f, 0)), 0);
	free(long_text);
}

/* Memory engine only: its commits can be made to fail. */
static void an_act_that_cannot_be_recorded_is_not_done(struct fx *f)
{
	struct ipc_domain_add m = { .name = STR("y.test") };

	settle(f);
	engine_mem_fail_next(f->engine, 1, ENGINE_LOST);
	assert_int_equal(ipc_domain_add(&f->ctl, &m), TRY_LATER);
	assert_int_equal(ipc_domain_add(&f->ctl, &m), OK); /* EXISTS, had it been done */
	settle(f);
	assert_int_equal(first_wrong(list(f, 0)), 0);
}

/* A command that changes something and is not recorded is a hole; who adds a message decides here. */
static void every_command_is_recorded_or_only_reads(void **state)
{
	static const int reads[] = { IPC_DIRECTORY_LIST, IPC_STORE_STATUS, IPC_VERIFY_STEP, IPC_AUDIT_LIST,
		IPC_ACCOUNT_FIND, IPC_ACCOUNT_SHOW,
		IPC_CODE_LIST, IPC_PIN_LIST, IPC_DELETED_LIST, IPC_QUEUE_PAGE, IPC_HISTORY_FIND, IPC_SUPPRESSION_LIST,
		/* steps of a backup or restore whose beginning was recorded */
		IPC_BACKUP_ACCOUNTS, IPC_BACKUP_ROWS, IPC_BACKUP_BODIES, IPC_BACKUP_READ, IPC_BACKUP_MARK, IPC_BACKUP_END, IPC_RESTORE_BODIES,
		IPC_RESTORE_DIRECTORY, IPC_RESTORE_ROWS, IPC_RESTORE_ACCOUNT_END, IPC_RESTORE_QUEUED, IPC_RESTORE_OUTGOING, IPC_RESTORE_END,
		/* with the handle of an account whose opening was recorded */
		IPC_MAILBOX_NUMBERS, IPC_MOVED_FIND, IPC_MOVED_ADD };

	(void)state;
	for (int type = 0; type < IPC_TYPE_COUNT; type++) {
		bool known = audit_is_act(type);

		/* With a handle it is part of what opening the account was recorded for. */
		if (!(ipc_descs[type].from & 1u << ROLE_CTL) || ipc_descs[type].from & 1u << ROLE_EDGE_USER || !(ipc_descs[type].to & 1u << ROLE_STORE))
			continue;
		for (size_t i = 0; i < sizeof reads / sizeof *reads; i++)
			known |= reads[i] == type;
		if (!known)
			fail_msg("%s is neither in acts[] of store/service_audit.c nor among those that only read", ipc_descs[type].name);
	}
}

ON(rocks, a_whole_chain)
BOTH(changed_record)
BOTH(removed_record)
BOTH(removed_end)
BOTH(damaged_record)
BOTH(fields_have_borders)
BOTH(pruned)
BOTH(floods_are_counted)
BOTH(long_fields_are_cut)
ON(mem, an_act_that_cannot_be_recorded_is_not_done)

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(rocks_a_whole_chain), TESTS(changed_record), TESTS(removed_record), TESTS(removed_end),
		TESTS(damaged_record),
		TESTS(fields_have_borders), TESTS(pruned), TESTS(floods_are_counted), TESTS(long_fields_are_cut),
		cmocka_unit_test(mem_an_act_that_cannot_be_recorded_is_not_done), cmocka_unit_test(every_command_is_recorded_or_only_reads) };

	return cmocka_run_group_tests_name("store/audit", tests, NULL, NULL);
}
