/* store/message.c - changes of messages, staged. See the header.
 * Invariants  C1 counters change here and nowhere else: mailbox and head rows agree with the rows of messages.
 *             C2 a message's row, parts and reference are put, and deleted, in one batch; deleting makes its body a garbage candidate,
 *             or keeps parts and reference with a row for undelete (deleted.c).
 */
#include "store/message.h"

#include "ipc/words.h"
#include "mail/header.h"
#include "mail/index.h"
#include "store/deleted.h"

#include <string.h>

#define RANGES_PER_ROW 1000 /* of an X row */

static void count(struct account *a, struct mailbox *m, uint32_t uid, const struct message_row *r, int sign)
{
	uint32_t one = sign > 0 ? 1 : UINT32_MAX; /* adding it is taking one away */

	m->messages += one;
	m->unseen += r->flags & MSG_SEEN ? 0 : one;
	m->deleted += r->flags & MSG_DELETED ? one : 0;
	m->recent += uid >= m->watermark ? one : 0;
	m->size += sign > 0 ? r->size : 0 - (uint64_t)r->size;
	a->head.messages += sign > 0 ? 1 : UINT64_MAX;
	a->head.bytes += sign > 0 ? r->size : 0 - (uint64_t)r->size;
}

static uint64_t next_modseq(struct account *a, struct mailbox *m)
{
	return m->modseq = ++a->head.modseq;
}

static void put_row(struct account *a, struct mailbox *m, uint32_t uid, const struct message_row *r)
{
	struct buf v;

	buf_init(&v, 256);
	message_row_encode(r, &v);
	engine_put(account_batch(a), KEY_STR(key_message('M', m->id, uid)), buf_str(&v));
	buf_fini(&v);
}

static void put_parts(struct account *a, struct mailbox *m, uint32_t uid, const struct new_message *n)
{
	struct buf v;

	buf_init(&v, SIZE_MAX);
	parts_row_encode(n->prefix, n->index, &v);
	engine_put(account_batch(a), KEY_STR(key_message('P', m->id, uid)), buf_str(&v));
	buf_fini(&v);
}

uint32_t message_add(struct account *a, struct mailbox *m, const struct new_message *n)
{
	struct message_row r = n->row;
	uint32_t uid = m->uidnext;

	if (uid == UINT32_MAX)
		return 0;
	m->uidnext++;
	r.modseq = next_modseq(a, m);
	if (r.email == 0)
		r.email = a->head.email_next++;
	put_row(a, m, uid, &r);
	put_parts(a, m, uid, n);
	engine_ref_put(account_batch(a), KEY_STR(key_ref(r.blob, a->id, m->id, uid)), STR(""));
	count(a, m, uid, &r, +1);
	if (m->view)
		view_add(m->view, uid, &r);
	account_change(a, m);
	return uid;
}

/* ---- expunge */

static void put_expunged(struct account *a, struct mailbox *m, struct str ranges)
{
	int64_t now = shard_now_s(a->shard);
	struct expunged_row x = { .mailbox = m->id, .time_s = now, .ranges = ranges };
	struct buf v;

	buf_init(&v, SIZE_MAX);
	expunged_row_encode(&x, &v);
	engine_put(account_batch(a), KEY_STR(key_u64(key_of('X'), a->head.modseq)), buf_str(&v));
	buf_fini(&v);
	if (now < a->oldest_expunged_s)
		a->oldest_expunged_s = now;
}

/* The expunge log: each row is keyed by the last modseq of the messages it tells of. */
struct expunge_log {
	struct buf ranges;
	uint32_t lo, hi; /* 0: none yet */
};

static void log_range(struct expunge_log *l)
{
	if (l->lo) {
		put_u32(&l->ranges, l->lo);
		put_u32(&l->ranges, l->hi);
	}
	l->lo = l->hi = 0;
}

static void log_flush(struct expunge_log *l, struct account *a, struct mailbox *m)
{
	log_range(l);
	if (l->ranges.n)
		put_expunged(a, m, buf_str(&l->ranges));
	buf_reset(&l->ranges);
}

static void log_uid(struct expunge_log *l, struct account *a, struct mailbox *m, uint32_t uid)
{
	if (l->lo && uid == l->hi + 1) {
		l->hi = uid;
		return;
	}
	log_range(l);
	if (l->ranges.n >= RANGES_PER_ROW * 8)
		log_flush(l, a, m);
	l->lo = l->hi = uid;
}

static void del_rows(struct account *a, struct mailbox *m, uint32_t uid, const struct message_row *r, bool keep)
{
	struct engine_batch *b = account_batch(a);

	engine_del(b, KEY_STR(key_message('M', m->id, uid)));
	if (keep) {
		deleted_keep(a, m, uid, r);
		return;
	}
	engine_del(b, KEY_STR(key_message('P', m->id, uid)));
	engine_ref_del(b, KEY_STR(key_ref(r->blob, a->id, m->id, uid)));
	engine_ref_put(b, KEY_STR(key_garbage(shard_now_s(a->shard), r->blob)), STR(""));
}

void messages_expunge(struct account *a, struct mailbox *m, const uint32_t *at, uint32_t n, enum expunge_why why)
{
	struct view *v = m->view;
	struct expunge_log l = { 0 };
	uint64_t first = a->head.modseq + 1;
	bool keep = why == EXPUNGE_DELETED && a->shard->limits->keep_expunged_ms > 0;

	if (n == 0)
		return;
	buf_init(&l.ranges, SIZE_MAX);
	for (uint32_t i = 0; i < n; i++) {
		struct message_row r = view_row(v, at[i]);

		log_uid(&l, a, m, v->uid[at[i]]);
		next_modseq(a, m);
		count(a, m, v->uid[at[i]], &r, -1);
		del_rows(a, m, v->uid[at[i]], &r, keep);
	}
	log_flush(&l, a, m);
	buf_fini(&l.ranges);
	view_kill(v, at, n, first);
	account_change(a, m);
}

/* ---- flags */

void message_set(struct account *a, struct mailbox *m, uint32_t at, uint32_t flags, uint64_t keywords)
{
	struct view *v = m->view;
	struct message_row r = view_row(v, at);
	uint32_t uid = v->uid[at];

	count(a, m, uid, &r, -1);
	r.flags = flags & MSG_SETTABLE;
	r.keywords = keywords;
	r.modseq = next_modseq(a, m);
	count(a, m, uid, &r, +1);
	v->flags[at] = (uint8_t)r.flags;
	v->keywords[at] = keywords;
	v->modseq[at] = v->modseq_max = r.modseq;
	put_row(a, m, uid, &r);
	account_change(a, m);
}

/* ---- whole mailboxes */

void mailbox_delete(struct account *a, struct mailbox *m)
{
	struct view *v = m->view;
	bool keep = a->shard->limits->keep_expunged_ms > 0;

	if (keep)
		deleted_keep_mailbox(a, m);
	for (uint32_t i = 0; i < v->n; i++) {
		struct message_row r = view_row(v, i);

		if (v->flags[i] & VIEW_DEAD)
			continue;
		count(a, m, v->uid[i], &r, -1);
		del_rows(a, m, v->uid[i], &r, keep);
	}
	engine_del(account_batch(a), KEY_STR(key_u32(key_of('B'), m->id)));
	a->head.modseq++;
	account_change(a, m); /* no row is written for what is gone, but its sessions are told */
	mailbox_remove(a, m);
}

uint32_t letter_header_size(struct str index, struct str letter, struct arena *a)
{
	struct mail_index x;

	if (index.n && mail_index_decode(index, a, &x) == OK && x.n_parts > 0 && x.size == letter.n)
		return x.parts[0].header_n;
	return (uint32_t)mail_header_size(letter);
}
