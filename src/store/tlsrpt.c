/* store/tlsrpt.c - counts of TLS sessions, and MTA-STS policies. See the header.
 * Suspends    until what was asked is durable.
 * Invariants  R1 a day's n row counts its r rows, so that nobody's failing fills the disk.
 */
#include "store/tlsrpt.h"

#include "base/die.h"
#include "store/lane.h"

#include <string.h>

#define VERSION 1
#define HASH_DOMAIN 0x5a11
#define HASH_FACT 0x7f4c7
#define DELETED_AT_ONCE 1000

/* ---- rows of counts */

static struct key key_day(uint32_t day)
{
	return key_u32(key_of('r'), day);
}

static struct key key_domain(uint32_t day, struct str domain)
{
	return key_u64(key_day(day), str_hash(domain, HASH_DOMAIN));
}

static struct key key_n(uint32_t day)
{
	return key_u32(key_of('n'), day);
}

static void fact_encode(const struct ipc_tls_fact *f, struct buf *b)
{
	put_u8(b, f->policy);
	put_u8(b, f->result);
	put_str(b, f->domain);
	put_str(b, f->policy_text);
	put_str(b, f->mx);
	put_str(b, f->helo);
	put_str(b, f->ip);
	put_str(b, f->source);
	put_str(b, f->text);
}

static bool count_decode(struct str v, struct ipc_tls_count *out)
{
	struct cur c = cur_of(v);

	if (cur_le8(&c) != VERSION)
		return false;
	out->n = cur_le64(&c);
	out->fact = (struct ipc_tls_fact){ .policy = cur_le8(&c) };
	out->fact.result = cur_le8(&c);
	out->fact.domain = cur_str(&c);
	out->fact.policy_text = cur_str(&c);
	out->fact.mx = cur_str(&c);
	out->fact.helo = cur_str(&c);
	out->fact.ip = cur_str(&c);
	out->fact.source = cur_str(&c);
	out->fact.text = cur_str(&c);
	return cur_done(&c);
}

static uint64_t n_of_day(struct shard *s, uint32_t day)
{
	struct key k = key_n(day);
	uint64_t n = 0;
	struct buf v;

	buf_init(&v, 64);
	if (lane_get(s, k, &v) && !counter_decode(buf_str(&v), &n))
		n = TLSRPT_ROWS_MAX;
	buf_fini(&v);
	return n;
}

static void set_n_of_day(struct shard *s, uint32_t day, uint64_t n)
{
	struct buf v;

	buf_init(&v, 64);
	counter_encode(n, &v);
	lane_put(s, key_n(day), buf_str(&v));
	buf_fini(&v);
}

/* True: the row is new. */
static bool add_one(struct shard *s, uint32_t day, const struct ipc_tls_count *count, bool room)
{
	struct ipc_tls_count old = { 0 };
	struct buf fact, v;
	struct key k;
	bool had;

	buf_init(&fact, 8192);
	buf_init(&v, 8192);
	fact_encode(&count->fact, &fact);
	k = key_u64(key_domain(day, count->fact.domain), str_hash(buf_str(&fact), HASH_FACT));
	had = lane_get(s, k, &v);
	if (had && !count_decode(buf_str(&v), &old))
		old.n = 0;
	buf_reset(&v);
	put_u8(&v, VERSION);
	put_u64(&v, old.n + count->n);
	buf_add(&v, buf_str(&fact));
	if (had || room)
		lane_put(s, k, buf_str(&v));
	buf_fini(&v);
	buf_fini(&fact);
	return !had && room;
}

SUSPENDS enum outcome tlsrpt_add(struct shard *s, const struct ipc_tlsrpt_add *q, struct arena *a)
{
	uint64_t n, before;

	(void)a;
	if (!lane_ready(s))
		return TRY_LATER;
	n = before = n_of_day(s, q->day);
	for (size_t i = 0; i < q->n_counts; i++)
		n += add_one(s, q->day, &q->counts[i], n < TLSRPT_ROWS_MAX);
	if (n != before)
		set_n_of_day(s, q->day, n);
	return lane_commit(s);
}

/* ---- lists */

struct listing {
	struct arena *a;
	struct ipc_tlsrpt_due *v;
	size_t n;
	struct key last; /* of the day and domain that was named last */
	bool more;
};

static bool note_due(void *arg, const struct engine_row *row)
{
	struct listing *l = arg;
	struct str prefix = str_sub(row->key, 0, 13);
	struct cur c = cur_of(str_from(row->key, 1));
	struct ipc_tls_count count;

	if (l->last.n && str_eq(prefix, KEY_STR(l->last)))
		return true;
	if (l->n == IPC_TLSRPT_LIST_DUE_MAX) {
		l->more = true;
		return false;
	}
	if (!count_decode(row->value, &count))
		return true;
	l->last = key_bytes((struct key){ 0 }, prefix);
	l->v[l->n++] = (struct ipc_tlsrpt_due){ cur_be32(&c), arena_dup(l->a, count.fact.domain) };
	return true;
}

enum outcome tlsrpt_list(struct shard *s, const struct ipc_tlsrpt_list *q, struct arena *a, struct ipc_tlsrpt_list_reply *r)
{
	struct listing l = { .a = a, .v = arena_array(a, IPC_TLSRPT_LIST_DUE_MAX, sizeof *l.v) };
	struct key from = key_of('r'), to = key_day(q->before_day);
	struct engine_range range = { .partition = lane_number(s) };

	if (!lane_ready(s))
		return TRY_LATER;
	if (q->after_day || q->after_domain.n) {
		from = key_u64(key_domain(q->after_day, q->after_domain), UINT64_MAX);
		l.last = key_domain(q->after_day, q->after_domain);
	}
	range.from = KEY_STR(from);
	range.to = KEY_STR(to);
	if (str_cmp(range.from, range.to) < 0)
		engine_range(s->port, &range, note_due, &l);
	r->due = l.v;
	r->n_due = l.n;
	r->more = l.more;
	return OK;
}

struct reading {
	struct arena *a;
	struct str domain;
	uint32_t skip, seen;
	size_t room;
	struct ipc_tls_count *v;
	size_t n;
	bool more;
};

static struct ipc_tls_fact dup_fact(struct arena *a, const struct ipc_tls_fact *f)
{
	return (struct ipc_tls_fact){ .policy = f->policy, .domain = arena_dup(a, f->domain), .policy_text = arena_dup(a, f->policy_text),
		.result = f->result, .mx = arena_dup(a, f->mx), .helo = arena_dup(a, f->helo), .ip = arena_dup(a, f->ip),
		.source = arena_dup(a, f->source), .text = arena_dup(a, f->text) };
}

static bool note_count(void *arg, const struct engine_row *row)
{
	struct reading *x = arg;
	struct ipc_tls_count count;

	if (x->seen < x->skip) {
		x->seen++;
		return true;
	}
	if (x->n == IPC_TLSRPT_READ_COUNTS_MAX || row->value.n > x->room) {
		x->more = true;
		return false;
	}
	x->seen++;
	x->room -= row->value.n;
	if (count_decode(row->value, &count) && str_eq(count.fact.domain, x->domain))
		x->v[x->n++] = (struct ipc_tls_count){ dup_fact(x->a, &count.fact), count.n };
	return true;
}

enum outcome tlsrpt_read(struct shard *s, const struct ipc_tlsrpt_read *q, struct arena *a, struct ipc_tlsrpt_read_reply *r)
{
	struct reading x = { .a = a, .domain = q->domain, .skip = q->after, .room = IPC_RECORD_MAX / 2,
		.v = arena_array(a, IPC_TLSRPT_READ_COUNTS_MAX, sizeof *x.v) };
	struct key from = key_domain(q->day, q->domain), to = key_u64(from, UINT64_MAX);
	struct engine_range range = { .partition = lane_number(s), .from = KEY_STR(from), .to = KEY_STR(to) };

	if (!lane_ready(s))
		return TRY_LATER;
	engine_range(s->port, &range, note_count, &x);
	r->counts = x.v;
	r->n_counts = x.n;
	r->next = x.seen;
	r->more = x.more;
	return OK;
}

/* ---- the end of rows */

struct ending {
	struct VEC(struct key) keys;
};

static bool note_key(void *arg, const struct engine_row *row)
{
	struct ending *e = arg;

	*vec_push(&e->keys) = key_bytes((struct key){ 0 }, row->key);
	return e->keys.n < DELETED_AT_ONCE;
}

/* Those in a range, up to DELETED_AT_ONCE. */
static SUSPENDS enum outcome remove_some(struct shard *s, struct key from, struct key to, uint32_t day, size_t *n)
{
	struct engine_range range = { .partition = lane_number(s), .from = KEY_STR(from), .to = KEY_STR(to) };
	struct ending e = { 0 };
	uint64_t left;
	enum outcome o = OK;

	engine_range(s->port, &range, note_key, &e);
	*n = e.keys.n;
	for (size_t i = 0; i < e.keys.n; i++)
		lane_del(s, e.keys.v[i]);
	vec_free(&e.keys);
	if (*n) {
		left = n_of_day(s, day);
		if (left > *n)
			set_n_of_day(s, day, left - *n);
		else
			lane_del(s, key_n(day));
		o = lane_commit(s);
	}
	return o;
}

SUSPENDS enum outcome tlsrpt_done(struct shard *s, const struct ipc_tlsrpt_done *q)
{
	struct key from = key_domain(q->day, q->domain), to = key_u64(from, UINT64_MAX);
	enum outcome o;
	size_t n;

	do {
		/* Rows that are still on their way are not seen by a walk. */
		if (!lane_ready(s) || lane_wait(s) != OK)
			return TRY_LATER;
		o = remove_some(s, from, to, q->day, &n);
	} while (o == OK && n == DELETED_AT_ONCE);
	return o;
}

/* ---- policies */

static struct key key_sts(struct str domain)
{
	return key_u64(key_u64(key_of('s'), str_hash(domain, HASH_DOMAIN)), str_hash(domain, HASH_FACT));
}

static bool sts_decode(struct str v, struct ipc_sts_known *out)
{
	struct cur c = cur_of(v);

	if (cur_le8(&c) != VERSION)
		return false;
	out->domain = cur_str(&c);
	out->id = cur_str(&c);
	out->fetched_s = (int64_t)cur_le64(&c);
	out->until_s = (int64_t)cur_le64(&c);
	out->policy = cur_str(&c);
	return cur_done(&c);
}

SUSPENDS enum outcome sts_keep(struct shard *s, const struct ipc_sts_keep *q)
{
	const struct ipc_sts_known *k = &q->known;
	struct buf v;

	if (!lane_ready(s))
		return TRY_LATER;
	buf_init(&v, 32768);
	put_u8(&v, VERSION);
	put_str(&v, k->domain);
	put_str(&v, k->id);
	put_u64(&v, (uint64_t)k->fetched_s);
	put_u64(&v, (uint64_t)k->until_s);
	put_str(&v, k->policy);
	lane_put(s, key_sts(k->domain), buf_str(&v));
	buf_fini(&v);
	return lane_commit(s);
}

struct sts_listing {
	struct arena *a;
	int64_t now_s;
	struct ipc_sts_known *v;
	size_t n;
	bool more;
	struct ending over;
};

static bool note_sts(void *arg, const struct engine_row *row)
{
	struct sts_listing *l = arg;
	struct ipc_sts_known k;

	if (!sts_decode(row->value, &k) || k.until_s <= l->now_s)
		return note_key(&l->over, row);
	if (l->n == IPC_STS_LIST_LIST_MAX) {
		l->more = true;
		return false;
	}
	l->v[l->n++] = (struct ipc_sts_known){ arena_dup(l->a, k.domain), arena_dup(l->a, k.id), k.fetched_s, k.until_s, arena_dup(l->a, k.policy) };
	return true;
}

SUSPENDS enum outcome sts_list(struct shard *s, const struct ipc_sts_list *q, struct arena *a, struct ipc_sts_list_reply *r)
{
	struct sts_listing l = { .a = a, .now_s = q->now_s, .v = arena_array(a, IPC_STS_LIST_LIST_MAX, sizeof *l.v) };
	struct key from = q->after.n ? key_bytes(key_sts(q->after), STR("\0")) : key_of('s'), to = key_of('t');
	struct engine_range range = { .partition = lane_number(s), .from = KEY_STR(from), .to = KEY_STR(to) };
	enum outcome o = OK;

	if (!lane_ready(s))
		return TRY_LATER;
	engine_range(s->port, &range, note_sts, &l);
	for (size_t i = 0; i < l.over.keys.n; i++)
		lane_del(s, l.over.keys.v[i]);
	if (l.over.keys.n)
		o = lane_commit(s);
	vec_free(&l.over.keys);
	r->list = l.v;
	r->n_list = l.n;
	r->more = l.more;
	return o;
}
