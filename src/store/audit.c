/* store/audit.c - the audit log. See the header.
 * Suspends    audit_write, until its record is durable.
 * Invariants  L1 numbers have no gaps, and a record's hash covers its predecessor's. L2 what was staged and not committed is gone with
 *             its numbers: the head is read again from what is durable.
 */
#include "store/audit.h"

#include "base/clock.h"
#include "base/die.h"
#include "ipc_gen.h"
#include "store/rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROW_MAX 4096
#define ROW_VERSION 1
#define PRUNE_STEP 500

static struct shard *shard_of(struct partition *p)
{
	struct audit *x = (struct audit *)(void *)((char *)p - offsetof(struct audit, part));

	return (struct shard *)(void *)((char *)x - offsetof(struct shard, audit));
}

/* ---- rows */

static void put_head(struct buf *v, uint64_t seq, const unsigned char hash[AUDIT_HASH_SIZE])
{
	put_u8(v, ROW_VERSION);
	put_u64(v, seq);
	buf_add(v, str_of((const char *)hash, AUDIT_HASH_SIZE));
}

static bool get_head(struct str v, uint64_t *seq, unsigned char hash[AUDIT_HASH_SIZE])
{
	struct cur c = cur_of(v);
	uint8_t version = cur_le8(&c);
	uint64_t n = cur_le64(&c);
	struct str h = cur_bytes(&c, AUDIT_HASH_SIZE);

	if (!cur_done(&c) || version != ROW_VERSION)
		return false;
	*seq = n;
	memcpy(hash, h.p, h.n);
	return true;
}

static void put_record(struct buf *v, const struct audit_record *r, const unsigned char hash[AUDIT_HASH_SIZE])
{
	put_u8(v, ROW_VERSION);
	put_u64(v, (uint64_t)r->time_us);
	put_u64(v, r->account);
	put_u8(v, r->kind);
	put_str(v, r->who);
	put_str(v, r->service);
	put_str(v, r->ip);
	put_str(v, r->text);
	buf_add(v, str_of((const char *)hash, AUDIT_HASH_SIZE));
}

static bool get_record(struct str v, struct audit_record *r, struct str *hash)
{
	struct cur c = cur_of(v);
	uint8_t version = cur_le8(&c);

	r->time_us = (int64_t)cur_le64(&c);
	r->account = cur_le64(&c);
	r->kind = cur_le8(&c);
	r->who = cur_str(&c);
	r->service = cur_str(&c);
	r->ip = cur_str(&c);
	r->text = cur_str(&c);
	*hash = cur_bytes(&c, AUDIT_HASH_SIZE);
	return cur_done(&c) && version == ROW_VERSION;
}

/* ---- the partition */

static void prepare(struct partition *p, struct engine_batch *b)
{
	struct audit *x = &shard_of(p)->audit;
	struct buf v;

	buf_init(&v, ROW_MAX);
	put_head(&v, x->last, x->hash);
	engine_put(b, STR("n"), buf_str(&v));
	buf_fini(&v);
}

static void failed(struct partition *p, const struct engine_batch *b, const struct engine_batch *forming)
{
	struct shard *s = shard_of(p);

	(void)b;
	(void)forming;
	s->stats.n_failed_commits++;
	s->audit.open = false;
	log_error(s->log, "audit-lost", "records behind number %llu could not be written", (unsigned long long)s->audit.durable);
}

static void durable(struct partition *p)
{
	struct audit *x = &shard_of(p)->audit;

	if (p->durable == p->staged)
		x->durable = x->last;
}

static const struct partition_ops calls = { prepare, durable, failed, NULL };

bool audit_open(struct shard *s)
{
	struct audit *x = &s->audit;
	struct buf v;

	partition_open(&x->part, s->port, PARTITION_AUDIT, &calls);
	x->last = 0;
	memset(x->hash, 0, sizeof x->hash);
	buf_init(&v, ROW_MAX);
	x->open = !engine_get(s->port, NULL, PARTITION_AUDIT, STR("n"), &v) || get_head(buf_str(&v), &x->last, x->hash);
	buf_fini(&v);
	x->durable = x->last;
	return x->open;
}

void audit_fini(struct shard *s)
{
	partition_fini(&s->audit.part);
}

bool audit_busy(const struct shard *s)
{
	return partition_busy(&s->audit.part) && !s->audit.part.dead;
}

/* After a failed commit it is opened anew, once nothing is under way. */
static bool ready(struct shard *s)
{
	if (s->audit.open)
		return true;
	if (s->audit.part.under_way)
		return false;
	partition_fini(&s->audit.part);
	return audit_open(s);
}

/* ---- writing */

static struct str cut(struct str s, size_t max)
{
	return s.n > max ? str_sub(s, 0, max) : s;
}

static uint64_t append(struct shard *s, const struct audit_event *e)
{
	struct audit *x = &s->audit;
	struct engine_batch *b = partition_batch(&x->part);
	struct audit_record r = { .seq = ++x->last, .time_us = clock_wall_us(), .account = e->account, .kind = e->kind,
		.who = cut(e->who, IPC_AUDIT_ENTRY_WHO_MAX), .service = cut(e->service, IPC_AUDIT_ENTRY_SERVICE_MAX),
		.ip = cut(e->ip, IPC_AUDIT_ENTRY_IP_MAX), .text = cut(e->text, IPC_AUDIT_ENTRY_TEXT_MAX) };
	struct buf v;

	audit_hash(x->hash, &r, x->hash);
	buf_init(&v, ROW_MAX);
	put_record(&v, &r, x->hash);
	engine_put(b, KEY_STR(key_u64(key_of('e'), r.seq)), buf_str(&v));
	if (r.account)
		engine_put(b, KEY_STR(key_u64(key_u64(key_of('i'), r.account), r.seq)), STR(""));
	buf_fini(&v);
	return partition_stage(&x->part);
}

/* Those of this second that were too many get one record together, with the next that is not. */
static bool is_one_too_many(struct shard *s, const struct audit_event *e)
{
	struct audit *x = &s->audit;
	int64_t now_s = sched_now_ms(s->sched) / 1000;
	uint64_t n = x->n_unrecorded;
	char text[80];

	if (e->kind == AUDIT_LOGIN_REFUSED && now_s == x->second && ++x->n_refused > AUDIT_REFUSED_A_SECOND) {
		x->n_unrecorded++;
		return true;
	}
	if (now_s != x->second) {
		x->second = now_s;
		x->n_refused = e->kind == AUDIT_LOGIN_REFUSED;
		x->n_unrecorded = 0;
		if (n) {
			snprintf(text, sizeof text, "%llu refused logins in one second have no record of their own", (unsigned long long)n);
			append(s, &(struct audit_event){ .kind = AUDIT_UNRECORDED, .text = str_z(text) });
		}
	}
	return false;
}

void audit_note(struct shard *s, const struct audit_event *e)
{
	if (!ready(s))
		log_error(s->log, "audit-lost", "%s of %.*s: the log cannot be written now", audit_kind_name(e->kind), STR_ARG(e->who));
	else if (!is_one_too_many(s, e))
		append(s, e);
}

enum outcome audit_write(struct shard *s, const struct audit_event *e)
{
	return ready(s) && partition_wait(&s->audit.part, append(s, e)) ? OK : TRY_LATER;
}

uint64_t audit_head(const struct shard *s, unsigned char hash[AUDIT_HASH_SIZE])
{
	memcpy(hash, s->audit.hash, AUDIT_HASH_SIZE);
	return s->audit.last;
}

/* ---- pruning */

struct pruning {
	struct shard *shard;
	int64_t before_us;
	uint64_t last; /* pruned */
	unsigned char hash[AUDIT_HASH_SIZE];
	size_t n;
};

static bool prune_one(void *arg, const struct engine_row *row)
{
	struct pruning *x = arg;
	struct engine_batch *b = partition_batch(&x->shard->audit.part);
	struct cur c = cur_of(str_from(row->key, 1));
	struct audit_record r = { .seq = cur_be64(&c) };
	struct str hash;

	if (!get_record(row->value, &r, &hash) || r.time_us >= x->before_us || r.seq >= x->shard->audit.durable)
		return false;
	engine_del(b, row->key);
	if (r.account)
		engine_del(b, KEY_STR(key_u64(key_u64(key_of('i'), r.account), r.seq)));
	x->last = r.seq;
	memcpy(x->hash, hash.p, AUDIT_HASH_SIZE);
	return ++x->n < PRUNE_STEP;
}

bool audit_prune(struct shard *s, int64_t before_us)
{
	struct engine_range r = { .partition = PARTITION_AUDIT, .from = STR("e"), .to = STR("f") };
	struct pruning x = { .shard = s, .before_us = before_us };
	struct buf v;

	if (!ready(s))
		return false;
	engine_range(s->port, &r, prune_one, &x);
	if (x.n) {
		buf_init(&v, ROW_MAX);
		put_head(&v, x.last, x.hash);
		engine_put(partition_batch(&s->audit.part), STR("o"), buf_str(&v));
		buf_fini(&v);
		partition_stage(&s->audit.part);
	}
	return x.n == PRUNE_STEP;
}

/* ---- reading */

struct listing {
	struct shard *shard;
	struct arena *a;
	struct ipc_audit_entry *list;
	size_t n;
	bool more;
};

static bool add_record(struct listing *l, uint64_t seq, struct str value)
{
	struct audit_record r = { .seq = seq };
	struct str hash;
	struct str kept = arena_dup(l->a, value);

	if (l->n == IPC_AUDIT_LIST_ENTRIES_MAX) {
		l->more = true;
		return false;
	}
	if (!get_record(kept, &r, &hash)) /* verification shows it: its hash is none */
		r = (struct audit_record){ .seq = seq, .kind = AUDIT_KINDS, .text = STR("this record does not decode") };
	l->list[l->n++] = (struct ipc_audit_entry){ .seq = r.seq, .time_us = r.time_us, .account = r.account, .kind = r.kind, .who = r.who,
		.service = r.service, .ip = r.ip, .text = r.text, .hash = r.kind == AUDIT_KINDS ? STR("") : hash };
	return true;
}

static bool add_of_all(void *arg, const struct engine_row *row)
{
	struct cur c = cur_of(str_from(row->key, 1));

	return add_record(arg, cur_be64(&c), row->value);
}

static bool add_of_account(void *arg, const struct engine_row *row)
{
	struct listing *l = arg;
	struct cur c = cur_of(str_from(row->key, 9));
	uint64_t seq = cur_be64(&c);
	bool go_on = true;
	struct buf v;

	buf_init(&v, ROW_MAX);
	if (engine_get(l->shard->port, NULL, PARTITION_AUDIT, KEY_STR(key_u64(key_of('e'), seq)), &v))
		go_on = add_record(l, seq, buf_str(&v));
	buf_fini(&v);
	return go_on;
}

static void read_anchor(struct shard *s, struct arena *a, struct ipc_audit_list_reply *r)
{
	unsigned char hash[AUDIT_HASH_SIZE] = { 0 };
	struct buf v;

	buf_init(&v, ROW_MAX);
	if (engine_get(s->port, NULL, PARTITION_AUDIT, STR("o"), &v) && !get_head(buf_str(&v), &r->pruned, hash))
		r->pruned = UINT64_MAX;
	buf_fini(&v);
	r->pruned_hash = arena_dup(a, str_of((const char *)hash, sizeof hash));
}

void audit_list(struct shard *s, const struct ipc_audit_list *q, struct arena *a, struct ipc_audit_list_reply *r)
{
	struct listing l = { .shard = s, .a = a, .list = arena_array(a, IPC_AUDIT_LIST_ENTRIES_MAX, sizeof *l.list) };
	struct key from = q->account ? key_u64(key_of('i'), q->account) : key_of('e'), to;
	struct engine_range range = { .partition = PARTITION_AUDIT };

	to = q->account ? key_u64(key_of('i'), q->account + 1) : key_of('f');
	from = key_u64(from, q->after + 1);
	range.from = KEY_STR(from);
	range.to = KEY_STR(to);
	engine_range(s->port, &range, q->account ? add_of_account : add_of_all, &l);
	read_anchor(s, a, r);
	r->entries = l.list;
	r->n_entries = l.n;
	r->more = l.more;
	r->last = s->audit.durable;
}
