/* store/deleted.c - what was expunged, kept for undelete. See the header.
 * Suspends    until steps are durable; deleted_restore also while a mailbox's view is being loaded.
 * Invariants  U1 a Z row keeps the P row and the reference of its message, so the body is never without one (garbage.c, K1). U2 a message is
 *             put back in one batch: its new rows and reference with the end of the old ones. U3 that batch is made of durable rows, with
 *             nothing of the account under way, so a Z row that is about to expire is not read.
 */
#include "store/deleted.h"

#include "ipc/words.h"
#include "store/garbage.h"
#include "store/names.h"

#define STEP 200
#define RESTORE_STEP 100
#define UNDELETED "Undeleted"

static void put_age(struct account *a, int64_t time_s, uint32_t mailbox, uint32_t uid)
{
	engine_ref_put(account_batch(a), KEY_STR(key_deleted(time_s, a->id, mailbox, uid)), STR(""));
}

void deleted_keep(struct account *a, struct mailbox *m, uint32_t uid, const struct message_row *r)
{
	struct deleted_row d = { .time_s = shard_now_s(a->shard), .message = *r };
	struct buf v;

	buf_init(&v, 256);
	deleted_row_encode(&d, &v);
	engine_put(account_batch(a), KEY_STR(key_message('Z', m->id, uid)), buf_str(&v));
	buf_fini(&v);
	put_age(a, d.time_s, m->id, uid);
}

void deleted_keep_mailbox(struct account *a, const struct mailbox *m)
{
	struct gone_row g = { .time_s = shard_now_s(a->shard) };
	struct buf v;

	mailbox_to_row(m, &g.mailbox);
	buf_init(&v, 65536);
	gone_row_encode(&g, &v);
	engine_put(account_batch(a), KEY_STR(key_u32(key_of('W'), m->id)), buf_str(&v));
	buf_fini(&v);
	put_age(a, g.time_s, m->id, DELETED_MAILBOX);
}

static bool get_deleted(struct shard *s, uint64_t account, uint32_t mailbox, uint32_t uid, struct deleted_row *out)
{
	struct buf v;
	bool found;

	buf_init(&v, 4096);
	found = engine_get(s->port, NULL, account, KEY_STR(key_message('Z', mailbox, uid)), &v) &&
		deleted_row_decode(buf_str(&v), out);
	buf_fini(&v);
	return found;
}

bool deleted_holds(struct shard *s, uint64_t account, uint32_t mailbox, uint32_t uid, uint64_t blob)
{
	struct deleted_row d;

	return get_deleted(s, account, mailbox, uid, &d) && d.message.blob == blob;
}

/* ---- the end of their time */

struct aged {
	int64_t time_s;
	uint64_t account;
	uint32_t mailbox, uid;
};

struct old {
	struct aged v[STEP];
	size_t n;
};

static bool note_old(void *arg, const struct engine_row *row)
{
	struct old *o = arg;
	struct cur c = cur_of(str_from(row->key, 1));
	struct aged *x = &o->v[o->n++];

	x->time_s = (int64_t)cur_be64(&c);
	x->account = cur_be64(&c);
	x->mailbox = cur_be32(&c);
	x->uid = cur_be32(&c);
	return o->n < STEP;
}

static struct key age_key(const struct aged *x)
{
	return key_deleted(x->time_s, x->account, x->mailbox, x->uid);
}

/* Into the account's batch. */
static void expire(struct account *a, const struct aged *x)
{
	struct engine_batch *b = account_batch(a);
	struct deleted_row d;

	engine_ref_del(b, KEY_STR(age_key(x)));
	if (x->uid == DELETED_MAILBOX) {
		engine_del(b, KEY_STR(key_u32(key_of('W'), x->mailbox)));
		return;
	}
	if (!get_deleted(a->shard, a->id, x->mailbox, x->uid, &d) || d.time_s != x->time_s)
		return; /* it was put back, or its deletion never happened */
	engine_del(b, KEY_STR(key_message('Z', x->mailbox, x->uid)));
	engine_del(b, KEY_STR(key_message('P', x->mailbox, x->uid)));
	engine_ref_del(b, KEY_STR(key_ref(d.message.blob, a->id, x->mailbox, x->uid)));
	engine_ref_put(b, KEY_STR(key_garbage(d.time_s, d.message.blob)), STR(""));
}

/* Nothing of the account waits or is under way: what the engine shows is all there is. */
static SUSPENDS bool quiet(struct account *a)
{
	while (partition_busy(&a->part))
		if (!account_wait(a, a->part.staged))
			return false;
	return !a->part.dead && !a->closed;
}

static SUSPENDS bool expire_all(struct account *a, const struct aged *x, size_t n)
{
	if (!quiet(a))
		return false;
	for (size_t i = 0; i < n; i++)
		expire(a, &x[i]);
	return account_wait(a, account_stage(a));
}

/* The account is deleted: its rows go as a whole when its own time is over, those of before with it. */
static SUSPENDS bool forget_ages(struct shard *s, const struct aged *x, size_t n)
{
	struct engine_batch *b = engine_batch_new(0, 0);

	for (size_t i = 0; i < n; i++) {
		struct aged later = x[i];
		struct buf v;

		buf_init(&v, 4096);
		engine_ref_del(b, KEY_STR(age_key(&x[i])));
		later.time_s = shard_now_s(s);
		if (engine_get(s->port, NULL, x[i].account, STR("h"), &v))
			engine_ref_put(b, KEY_STR(age_key(&later)), STR(""));
		buf_fini(&v);
	}
	return commit_and_wait(s, b);
}

void deleted_step(struct shard *s, int64_t before_s, bool *more)
{
	struct old *o = mem_new(struct old);
	struct key from = key_of('Y'), to = key_deleted(before_s > 0 ? before_s : 0, 0, 0, 0);
	struct engine_range r = { .space = ENGINE_REFS, .from = KEY_STR(from), .to = KEY_STR(to) };
	bool ok = true;

	engine_range(s->port, &r, note_old, o);
	for (size_t i = 0, n; ok && i < o->n; i += n) {
		struct account *a;
		enum outcome got = account_get(s, o->v[i].account, &a);

		for (n = 1; i + n < o->n && o->v[i + n].account == o->v[i].account; n++)
			;
		if (got == NO_SUCH)
			ok = forget_ages(s, &o->v[i], n);
		else if (got == OK)
			ok = expire_all(a, &o->v[i], n);
		else
			ok = false;
		if (got == OK)
			account_put(a);
	}
	*more = ok && o->n == STEP;
	free(o);
}

/* ---- finding */

struct finding {
	struct account *a;
	struct deleted_filter *f;
	size_t max, n, seen;
	deleted_each *each;
	void *arg;
	uint32_t mailbox; /* whose name is below; 0: none yet */
	bool wanted, more;
	struct buf name, parts;
};

static struct mailbox *mailbox_of_id(const struct account *a, uint32_t id)
{
	for (size_t i = 0; i < a->mailboxes.n; i++)
		if (a->mailboxes.v[i]->id == id)
			return a->mailboxes.v[i];
	return NULL;
}

/* The name that the mailbox has, or had. */
static void name_of(struct account *a, uint32_t id, struct buf *name)
{
	const struct mailbox *m = mailbox_of_id(a, id);
	struct gone_row *g;
	struct buf v;

	buf_reset(name);
	if (m) {
		buf_add(name, m->name);
		return;
	}
	g = mem_new(struct gone_row);
	buf_init(&v, 65536);
	if (engine_get(a->part.port, NULL, a->id, KEY_STR(key_u32(key_of('W'), id)), &v) &&
		gone_row_decode(buf_str(&v), g))
		buf_add(name, g->mailbox.name);
	buf_fini(&v);
	free(g);
}

static struct str index_of(struct finding *x, uint32_t mailbox, uint32_t uid)
{
	struct str prefix, index = STR("");

	buf_reset(&x->parts);
	if (engine_get(x->a->part.port, NULL, x->a->id, KEY_STR(key_message('P', mailbox, uid)), &x->parts))
		parts_row_decode(buf_str(&x->parts), &prefix, &index);
	return index;
}

static bool find_row(void *arg, const struct engine_row *row)
{
	struct finding *x = arg;
	struct cur c = cur_of(str_from(row->key, 1));
	uint32_t mailbox = cur_be32(&c), uid = cur_be32(&c);
	struct deleted_row d;
	struct deleted_found found = { .at = (uint64_t)mailbox << 32 | uid, .row = &d };
	uint64_t before = x->f->after;

	if (x->n == x->max || x->seen++ == STEP * 10) {
		x->more = true;
		return false;
	}
	x->f->after = found.at;
	if (mailbox != x->mailbox) {
		name_of(x->a, mailbox, &x->name);
		x->mailbox = mailbox;
		x->wanted = x->f->mailbox.n == 0 || str_eq(x->f->mailbox, buf_str(&x->name));
	}
	if (!x->wanted || !deleted_row_decode(row->value, &d) || d.time_s < x->f->since_s)
		return true;
	found.mailbox = buf_str(&x->name);
	found.index = index_of(x, mailbox, uid);
	x->n++;
	if (x->each(x->arg, &found))
		return true;
	x->f->after = before;
	x->more = true;
	return false;
}

bool deleted_list(struct account *a, struct deleted_filter *f, size_t max, deleted_each *each, void *arg)
{
	struct finding x = { .a = a, .f = f, .max = max, .each = each, .arg = arg };
	struct key from = key_u64(key_of('Z'), f->after + 1);
	struct engine_range r = { .partition = a->id, .from = KEY_STR(from), .to = STR("[") };

	buf_init(&x.name, 8192);
	buf_init(&x.parts, SIZE_MAX);
	engine_range(a->part.port, &r, find_row, &x);
	buf_fini(&x.name);
	buf_fini(&x.parts);
	return x.more;
}

/* ---- putting back */

struct back {
	struct deleted_row row;
	uint32_t mailbox, uid;
};

struct putting {
	struct account *a;
	struct back v[RESTORE_STEP];
	size_t n;
	uint64_t bytes;
	struct buf name; /* of their mailbox: those of one go together */
};

static bool note_back(void *arg, const struct deleted_found *f)
{
	struct putting *p = arg;
	struct back *b = &p->v[p->n];

	if (p->n && p->v[0].mailbox != (uint32_t)(f->at >> 32))
		return false;
	if (p->n == 0)
		buf_add(&p->name, f->mailbox);
	*b = (struct back){ *f->row, (uint32_t)(f->at >> 32), (uint32_t)f->at };
	p->bytes += f->row->message.size;
	p->n++;
	return true;
}

/* A place below "Undeleted" for a mailbox that is gone; where its name finds none there, that mailbox itself. */
static void place_name(struct account *a, struct str name, struct buf *out)
{
	const struct store_limits *l = a->shard->limits;
	struct buf wanted;

	buf_init(&wanted, 16384);
	buf_addf(&wanted, UNDELETED "/%.*s", STR_ARG(name));
	buf_reset(out);
	if (name.n == 0 || name_clean(buf_str(&wanted), l->mailbox_name_size_max, l->mailbox_depth_max, out) != OK) {
		buf_reset(out);
		buf_addz(out, UNDELETED);
	}
	buf_fini(&wanted);
}

static enum outcome target(struct account *a, const struct putting *p, struct mailbox **out)
{
	struct mailbox *m = mailbox_of_id(a, p->v[0].mailbox);
	enum outcome o = OK;
	struct buf name;

	if (!m)
		m = mailbox_find(a, buf_str(&p->name));
	buf_init(&name, 16384);
	if (!m) {
		place_name(a, buf_str(&p->name), &name);
		m = mailbox_find(a, buf_str(&name));
	}
	if (!m && a->mailboxes.n >= a->shard->limits->mailboxes_max)
		o = OVER_LIMIT;
	else if (!m)
		m = mailbox_make(a, buf_str(&name), 0);
	buf_fini(&name);
	*out = m;
	return o;
}

/* The keywords of the table they were given in, by the target's. */
static uint64_t keywords_in(struct account *a, uint32_t from, struct mailbox *to, uint64_t bits)
{
	const struct mailbox *m = mailbox_of_id(a, from);
	struct gone_row *g;
	uint64_t out = 0, bit;
	struct buf v;

	if (bits == 0 || m == to)
		return bits;
	g = mem_new(struct gone_row);
	buf_init(&v, 65536);
	if (engine_get(a->part.port, NULL, a->id, KEY_STR(key_u32(key_of('W'), from)), &v) &&
		gone_row_decode(buf_str(&v), g))
		for (uint32_t i = 0; i < g->mailbox.n_keywords; i++)
			if (bits >> i & 1 && mailbox_keywords(to, &g->mailbox.keywords[i], 1, true, &bit) == OK)
				out |= bit;
	buf_fini(&v);
	free(g);
	return out;
}

static void put_back(struct account *a, struct mailbox *m, const struct back *b)
{
	struct engine_batch *batch = account_batch(a);
	struct new_message n = { .row = b->row.message };
	struct buf parts;

	buf_init(&parts, SIZE_MAX);
	if (engine_get(a->part.port, NULL, a->id, KEY_STR(key_message('P', b->mailbox, b->uid)), &parts))
		parts_row_decode(buf_str(&parts), &n.prefix, &n.index);
	n.row.flags &= ~(uint32_t)MSG_DELETED; /* what an EXPUNGE took would go with the next */
	n.row.saved_s = shard_now_s(a->shard);
	n.row.keywords = keywords_in(a, b->mailbox, m, n.row.keywords);
	engine_del(batch, KEY_STR(key_message('Z', b->mailbox, b->uid)));
	engine_del(batch, KEY_STR(key_message('P', b->mailbox, b->uid)));
	message_add(a, m, &n);
	engine_ref_del(batch, KEY_STR(key_ref(n.row.blob, a->id, b->mailbox, b->uid)));
	engine_ref_del(batch, KEY_STR(key_deleted(b->row.time_s, a->id, b->mailbox, b->uid)));
	buf_fini(&parts);
}

/* Nothing suspends here. */
static enum outcome stage_back(struct putting *p, struct mailbox *m)
{
	struct account *a = p->a;

	if (account_over_quota(a, p->bytes, p->n) || m->uidnext >= UINT32_MAX - p->n)
		return OVER_LIMIT;
	for (size_t i = 0; i < p->n; i++)
		put_back(a, m, &p->v[i]);
	account_stage(a);
	return OK;
}

static SUSPENDS enum outcome restore_some(struct putting *p, struct deleted_filter *f, bool *more)
{
	struct account *a = p->a;
	struct mailbox *m = NULL;
	enum outcome o;

	for (;;) {
		struct deleted_filter at = *f;

		if (!quiet(a))
			return a->closed ? NO_SUCH : TRY_LATER;
		p->n = 0;
		p->bytes = 0;
		buf_reset(&p->name);
		*more = deleted_list(a, &at, RESTORE_STEP, note_back, p);
		if (p->n == 0) {
			*f = at;
			return OK;
		}
		o = target(a, p, &m);
		if (o != OK)
			return o;
		if (!m->loading) {
			f->after = at.after;
			break;
		}
		if (!mailbox_settle(m))
			return TRY_LATER;
	}
	o = stage_back(p, m);
	if (o != OK)
		return o;
	return account_wait(a, a->part.staged) ? OK : TRY_LATER;
}

enum outcome deleted_restore(struct account *a, struct deleted_filter *f, uint32_t *n, bool *more)
{
	struct putting *p = mem_new(struct putting);
	enum outcome o;

	p->a = a;
	buf_init(&p->name, 8192);
	o = restore_some(p, f, more);
	*n = o == OK ? (uint32_t)p->n : 0;
	buf_fini(&p->name);
	free(p);
	return o;
}
