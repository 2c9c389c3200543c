/* unit/store/test_verify.c - every invariant of store/verify.h is damaged once, and verify names it. */
#include "unit/store/fixture.h"

#include "store/garbage.h"

/* A change of rows behind the store's back. */
static void damage(struct fx *f, struct engine_batch *b)
{
	b->version = b->partition ? engine_version(f->store->shard.port, b->partition) : 0;
	assert_true(commit_and_wait(&f->store->shard, b));
}

static struct engine_batch *on(uint64_t partition)
{
	return engine_batch_new(partition, 0);
}

static void set_message(struct fx *f, uint32_t uid, void (*change)(struct message_row *))
{
	struct engine_batch *b = on(f->account);
	struct message_row r;
	struct buf v;

	buf_init(&v, 1000);
	assert_true(engine_get(f->store->shard.port, NULL, f->account, KEY_STR(key_message('M', 1, uid)), &v));
	assert_true(message_row_decode(buf_str(&v), &r));
	change(&r);
	buf_reset(&v);
	message_row_encode(&r, &v);
	engine_put(b, KEY_STR(key_message('M', 1, uid)), buf_str(&v));
	buf_fini(&v);
	damage(f, b);
}

static void high_modseq(struct message_row *r)
{
	r->modseq += 1000000;
}

static void no_such_body(struct message_row *r)
{
	r->blob = 999999;
}

static void other_size(struct message_row *r)
{
	r->size += 1;
}

static void seen(struct message_row *r)
{
	r->flags |= MSG_SEEN;
}

static void del_row(struct fx *f, uint64_t partition, struct key k)
{
	struct engine_batch *b = on(partition);

	engine_del(b, KEY_STR(k));
	damage(f, b);
}

static void put_row(struct fx *f, uint64_t partition, struct key k, struct str v)
{
	struct engine_batch *b = on(partition);

	engine_put(b, KEY_STR(k), v);
	damage(f, b);
}

static void put_ref(struct fx *f, struct key k)
{
	struct engine_batch *b = on(0);

	engine_ref_put(b, KEY_STR(k), STR(""));
	damage(f, b);
}

static uint64_t blob_of(struct fx *f)
{
	struct engine_blob_info info;

	assert_true(engine_blob_next(f->store->shard.port, NULL, 0, &info));
	return info.id;
}

/* ---- the damages */

static void d_undecodable_message(struct fx *f)
{
	put_row(f, f->account, key_message('M', 1, 1), STR("x"));
}
static void d_uid_above(struct fx *f)
{
	put_row(f, f->account, key_message('M', 1, 900), STR("x"));
	set_message(f, 1, seen);
}
static void d_modseq(struct fx *f)
{
	set_message(f, 1, high_modseq);
}
static void d_no_parts(struct fx *f)
{
	del_row(f, f->account, key_message('P', 1, 2));
}
static void d_bad_index(struct fx *f)
{
	struct buf v;

	buf_init(&v, 1000);
	parts_row_encode(fx_prefix(), STR("\1 no index"), &v);
	put_row(f, f->account, key_message('P', 1, 1), buf_str(&v));
	buf_fini(&v);
}
static void d_no_ref(struct fx *f)
{
	struct engine_batch *b = on(0);

	engine_ref_del(b, KEY_STR(key_ref(blob_of(f), f->account, 1, 1)));
	damage(f, b);
}
static void d_no_body(struct fx *f)
{
	set_message(f, 1, no_such_body);
}
static void d_body_size(struct fx *f)
{
	set_message(f, 1, other_size);
}
static void d_stray_ref(struct fx *f)
{
	put_ref(f, key_ref(blob_of(f), f->account, 1, 77));
}
static void d_stray_lane_ref(struct fx *f)
{
	put_ref(f, key_ref(blob_of(f), PARTITION_LANE(0), 0, 77));
}
static void d_orphan(struct fx *f)
{
	struct engine_batch *b = on(0);
	struct body body = body_of(STR("bytes of nobody"));

	assert_int_equal(engine_blob_put(b, engine_blob_id(f->engine), &body), OK);
	damage(f, b);
}
static void d_counter(struct fx *f)
{
	set_message(f, 1, seen);
}
static void d_usage(struct fx *f)
{
	struct head_row head;
	struct buf v;

	buf_init(&v, 1000);
	assert_true(engine_get(f->store->shard.port, NULL, f->account, STR("H"), &v) &&
		    head_row_decode(buf_str(&v), &head));
	head.bytes++;
	buf_reset(&v);
	head_row_encode(&head, &v);
	put_row(f, f->account, key_of('H'), buf_str(&v));
	buf_fini(&v);
}
static void put_mailbox(struct fx *f, uint32_t id, struct str name)
{
	struct mailbox_row m = { .name = name, .uidvalidity = 1, .uidnext = 1, .watermark = 1 };
	struct buf v;

	buf_init(&v, 1000);
	mailbox_row_encode(&m, &v);
	put_row(f, f->account, key_u32(key_of('B'), id), buf_str(&v));
	buf_fini(&v);
}
static void d_twice_a_name(struct fx *f)
{
	put_mailbox(f, 5, STR("Sent"));
}
static void d_bad_name(struct fx *f)
{
	put_mailbox(f, 5, STR("a//b"));
}
static void d_mailbox_counter(struct fx *f)
{
	put_mailbox(f, 100, STR("new"));
}
static void d_stray_parts(struct fx *f)
{
	put_row(f, f->account, key_message('P', 1, 50), STR("x"));
}
static void d_no_credential(struct fx *f)
{
	del_row(f, f->account, key_of('C'));
}
static void d_no_number(struct fx *f)
{
	del_row(f, PARTITION_DIRECTORY, key_u64(key_of('i'), f->account));
}
static void d_duty(struct fx *f)
{
	struct domain_row d = { .first = STR("nobody") };
	struct buf v;

	buf_init(&v, 1000);
	domain_row_encode(&d, &v);
	put_row(f, PARTITION_DIRECTORY, key_bytes(key_of('d'), STR("x.test")), buf_str(&v));
	buf_fini(&v);
}
static void d_mark(struct fx *f)
{
	del_row(f, f->account, key_bytes(key_of('D'), STR("d1")));
}
static void d_mark_age(struct fx *f)
{
	struct mark_row m = { .time_s = 5 };
	struct buf v;

	buf_init(&v, 100);
	mark_row_encode(&m, &v);
	put_row(f, f->account, key_bytes(key_of('D'), STR("other")), buf_str(&v));
	buf_fini(&v);
}
static void d_queue(struct fx *f)
{
	put_row(f, PARTITION_LANE(0), key_u64(key_of('Q'), 9), STR("x"));
}
static struct deleted_row expunged(struct fx *f)
{
	struct deleted_row d;
	struct buf v;

	fx_expunge(f, fx_select(f, "INBOX").sel, 2, 2);
	buf_init(&v, 1000);
	assert_true(engine_get(f->store->shard.port, NULL, f->account, KEY_STR(key_message('Z', 1, 2)), &v));
	assert_true(deleted_row_decode(buf_str(&v), &d));
	buf_fini(&v);
	return d;
}
static void d_deleted_undecodable(struct fx *f)
{
	expunged(f);
	put_row(f, f->account, key_message('Z', 1, 2), STR("x"));
}
static void d_deleted_age(struct fx *f)
{
	struct engine_batch *b = on(0);
	struct deleted_row d = expunged(f);

	engine_ref_del(b, KEY_STR(key_deleted(d.time_s, f->account, 1, 2)));
	damage(f, b);
}
static void d_deleted_nowhere(struct fx *f)
{
	struct deleted_row d = expunged(f);
	struct buf v;

	buf_init(&v, 1000);
	deleted_row_encode(&d, &v);
	put_row(f, f->account, key_message('Z', 77, 2), buf_str(&v));
	buf_fini(&v);
}
static void d_deleted_parts(struct fx *f)
{
	expunged(f);
	del_row(f, f->account, key_message('P', 1, 2));
}
static void d_deleted_ref(struct fx *f)
{
	struct engine_batch *b = on(0);
	struct deleted_row d = expunged(f);

	engine_ref_del(b, KEY_STR(key_ref(d.message.blob, f->account, 1, 2)));
	damage(f, b);
}

static void d_moved(struct fx *f)
{
	put_row(f, f->account, key_bytes(key_of('I'), STR("moved")), STR("x"));
}
static void d_uidl(struct fx *f)
{
	struct buf v;

	buf_init(&v, 100);
	uidl_row_encode(STR("has blank"), &v);
	put_row(f, f->account, key_u64(key_of('L'), 1), buf_str(&v));
	buf_fini(&v);
}

static void d_hidden(struct fx *f)
{
	put_row(f, f->account, key_u64(key_u32(key_of('k'), 0), 0), STR("\1short"));
}
static void d_sent_age(struct fx *f)
{
	put_row(f, f->account, key_u64(key_u64(key_u64(key_of('y'), 5), 6), 7), STR(""));
}
static void d_sent(struct fx *f)
{
	put_row(f, f->account, key_u64(key_u64(key_of('Y'), 6), 7), STR("x"));
}
static void d_anchor(struct fx *f)
{
	put_row(f, f->account, key_of('l'), STR("x"));
}

static const struct {
	const char *rule;
	void (*damage)(struct fx *f);
} damages[] = {
	{ "V1", d_undecodable_message },
	{ "V1", d_uid_above },
	{ "V1", d_modseq },
	{ "V2", d_no_parts },
	{ "V2", d_bad_index },
	{ "V3", d_no_ref },
	{ "V4", d_no_body },
	{ "V4", d_body_size },
	{ "V5", d_stray_ref },
	{ "V5", d_stray_lane_ref },
	{ "V6", d_orphan },
	{ "V7", d_counter },
	{ "V8", d_usage },
	{ "V9", d_twice_a_name },
	{ "V9", d_bad_name },
	{ "V9", d_mailbox_counter },
	{ "V10", d_stray_parts },
	{ "V11", d_no_credential },
	{ "V11", d_no_number },
	{ "V11", d_duty },
	{ "V12", d_mark },
	{ "V12", d_mark_age },
	{ "V13", d_queue },
	{ "V14", d_moved },
	{ "V14", d_uidl },
	{ "V15", d_deleted_undecodable },
	{ "V15", d_deleted_age },
	{ "V15", d_deleted_nowhere },
	{ "V2", d_deleted_parts },
	{ "V17", d_hidden },
	{ "V17", d_anchor },
	{ "V18", d_sent },
	{ "V18", d_sent_age },
	{ "V3", d_deleted_ref },
};

/* Is there a violation of that rule among all? */
static bool names_rule(struct fx *f, const char *rule)
{
	struct str after = STR(""), want = arena_fmt(&f->a, "%s ", rule);
	bool found = false;

	for (bool more = true; more;) {
		struct ipc_verify_step q = { .after = after };
		struct ipc_verify_step_reply r = { 0 };

		assert_int_equal(ipc_verify_step(&f->ctl, &q, &r, &f->a), OK);
		for (size_t i = 0; i < r.n_lines; i++)
			found |= str_starts(r.lines[i], want);
		after = r.next;
		more = r.more;
	}
	return found;
}

static void one_damage(struct fx *f)
{
	size_t i = f->seed; /* the case's number: the engine itself is reliable */
	struct str first;

	fx_account(f);
	fx_deliver(f, "d1", "one");
	fx_deliver(f, "d2", "two");
	fx_verified(f);
	assert_false(names_rule(f, damages[i].rule));
	damages[i].damage(f);
	if (!names_rule(f, damages[i].rule)) {
		fx_verify(f, &first);
		fail_msg("damage %zu: %s is not named", i, damages[i].rule);
	}
}

static void each_damage(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
		struct fx *f = mem_new(struct fx);

		fx_init(f, true);
		f->seed = i;
		fx_run_all(f, one_damage);
	}
}

static void cursors(struct fx *f)
{
	static const char *const bad[] = { "x", "0", "0:0:0:0", "ff:0:0:0:0", "0:0:0:0:0:0",
		"0:0:0:0:", "1:00000000000000000:0:0:0" };
	struct ipc_verify_step q = { 0 };
	struct ipc_verify_step_reply r = { 0 };

	fx_account(f);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		q.after = str_z(bad[i]);
		assert_int_equal(ipc_verify_step(&f->ctl, &q, &r, &f->a), BAD_SYNTAX);
	}
}

static void many_messages(struct fx *f)
{
	char id[16];

	fx_account(f);
	for (int i = 0; i < 1200; i++) {
		snprintf(id, sizeof id, "n%d", i);
		assert_int_equal(fx_deliver_to(f, f->account, id, "", fx_letter(f, "x", 150), NULL), OK);
	}
	fx_verified(f);
}

BOTH(cursors)
BOTH(many_messages)

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(each_damage), TESTS(cursors), TESTS(many_messages) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
