/* store/sent.c - one copy of what a user sent. See the header.
 * Trust       Message-ID and body are the user's own; whoever makes two letters of one hash loses one of their own copies.
 * Suspends    between slices of a large letter.
 * Invariants  Q1 a row Y is found by its age (row y), and goes with it. Q2 what is staged and not durable yet is found in account->sent.
 */
#include "store/sent.h"

#include "mail/index.h"

#define SLICE ((size_t)1 << 20)
#define WORK_MAX ((size_t)64 << 20)

/* ---- the key */

/* SMTP ends a letter with CRLF, a client that appends may not. */
static struct str without_end(struct str s)
{
	while (s.n && (s.p[s.n - 1] == '\r' || s.p[s.n - 1] == '\n'))
		s.n--;
	return s;
}

static SUSPENDS uint64_t hash_body(struct sched *sched, struct str body)
{
	uint64_t h = 1;

	for (; body.n > SLICE; body = str_from(body, SLICE)) {
		h = str_hash(str_sub(body, 0, SLICE), h);
		task_yield(sched);
	}
	return str_hash(body, h);
}

SUSPENDS bool sent_look(struct account *a, struct str index, const struct body *body, struct sent *out)
{
	struct mail_index x;
	struct body_map map;
	struct arena work;
	bool ok;

	if (body_map(body, &map) != OK)
		return false;
	arena_init(&work, "store-sent", WORK_MAX);
	ok = mail_index_decode(index, &work, &x) == OK && x.n_parts > 0 && x.message_id.n && x.size == map.bytes.n;
	if (ok) {
		out->bcc = x.bcc.n > 0;
		out->key.id = str_hash(x.message_id, 0);
		out->key.body = hash_body(a->shard->sched, without_end(str_from(map.bytes, x.parts[0].header_n)));
	}
	arena_fini(&work);
	body_unmap(&map);
	return ok;
}

static struct key with_key(struct key k, const struct sent_key *s)
{
	return key_u64(key_u64(k, s->id), s->body);
}

/* ---- find */

static bool get(struct account *a, const struct sent_key *k, struct sent_row *out)
{
	struct buf v;
	bool found;

	for (size_t i = a->sent.n; i > 0; i--) /* Q2 */
		if (a->sent.v[i - 1].key.id == k->id && a->sent.v[i - 1].key.body == k->body) {
			*out = a->sent.v[i - 1].row;
			return true;
		}
	buf_init(&v, 256);
	found = engine_get(a->part.port, NULL, a->id, KEY_STR(with_key(key_of('Y'), k)), &v) && sent_row_decode(buf_str(&v), out);
	buf_fini(&v);
	return found;
}

static bool is_alive(const struct mailbox *m, uint32_t uid)
{
	uint32_t at;

	return view_find(m->view, uid, &at) && !(m->view->flags[at] & VIEW_DEAD);
}

bool sent_find(struct account *a, struct mailbox *m, const struct sent *s, struct sent_row *first, bool *maybe)
{

	*maybe = false;
	if (!get(a, &s->key, first) || first->mailbox != m->id || (s->by == SENT_BY_CLIENT && first->by == SENT_BY_CLIENT) ||
		shard_now_s(a->shard) - first->time_s >= a->shard->limits->sent_window_ms / 1000)
		return false;
	*maybe = !m->view;
	return m->view && is_alive(m, first->uid);
}

/* ---- put */

/* Q1. */
static void del_age(struct account *a, const struct sent_key *k)
{
	struct sent_row old;

	if (get(a, k, &old))
		engine_del(account_batch(a), KEY_STR(with_key(key_u64(key_of('y'), (uint64_t)old.time_s), k)));
}

void sent_put(struct account *a, struct mailbox *m, const struct sent *s, uint32_t uid)
{
	struct sent_row r = { .time_s = shard_now_s(a->shard), .mailbox = m->id, .uid = uid, .by = s->by, .no_bcc = !s->bcc };
	struct buf v;

	del_age(a, &s->key);
	buf_init(&v, 256);
	sent_row_encode(&r, &v);
	engine_put(account_batch(a), KEY_STR(with_key(key_of('Y'), &s->key)), buf_str(&v));
	engine_put(account_batch(a), KEY_STR(with_key(key_u64(key_of('y'), (uint64_t)r.time_s), &s->key)), STR(""));
	buf_fini(&v);
	if (r.time_s < a->oldest_sent_s)
		a->oldest_sent_s = r.time_s;
	*vec_push(&a->sent) = (struct sent_staged){ s->key, r, a->part.staged + 1 };
}

bool sent_is_staged(const struct account *a, struct str key)
{
	for (size_t i = 0; i < a->sent.n; i++) {
		struct key k = with_key((struct key){ 0 }, &a->sent.v[i].key);

		if (str_eq(KEY_STR(k), key))
			return true;
	}
	return false;
}

void sent_forget_durable(struct account *a)
{
	size_t kept = 0;

	for (size_t i = 0; i < a->sent.n; i++)
		if (a->sent.v[i].serial > a->part.durable)
			a->sent.v[kept++] = a->sent.v[i];
	a->sent.n = kept;
}
