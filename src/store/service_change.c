/* store/service_change.c - STORE, EXPUNGE, COPY and MOVE (RFC 9051 6.4.3, 6.4.6 to 6.4.8).
 * Suspends    while a view is loaded, while parts of many messages are read, until what was staged is durable.
 * Invariants  G1 a copy is all or nothing: parts are read first, then everything is checked again and staged without a suspension.
 */
#include "store/message.h"
#include "store/names.h"
#include "store/service.h"

#include "ipc/words.h"

#include <string.h>

/* ---- STORE */

enum { MODE_REPLACE, MODE_ADD, MODE_REMOVE };

static uint64_t combined(uint8_t mode, uint64_t old, uint64_t bits)
{
	return mode == MODE_ADD ? old | bits : mode == MODE_REMOVE ? old & ~bits : bits;
}

/* The session made this modseq itself and needs no word of it. before: the mailbox's highest before the request. */
static void be_silent(struct selection *s, uint64_t before, uint64_t modseq)
{
	struct modseq_range *last = s->silent.n ? &s->silent.v[s->silent.n - 1] : NULL;

	if (before <= s->seen_flags)
		s->seen_flags = modseq;
	else if (last && last->hi + 1 == modseq)
		last->hi = modseq;
	else if (s->silent.n < 64) /* beyond it the session hears of its own changes, which is harmless */
		*vec_push(&s->silent) = (struct modseq_range){ modseq, modseq };
}

struct setting {
	struct session *session;
	const struct ipc_set_flags *q;
	const struct seqmap *map;
	uint64_t keywords, before;
};

/* A row that has news for the session is told all the same: it would never hear of what another changed (RFC 3501 6.4.6). */
static uint32_t set_span(const struct setting *set, struct span s)
{
	const struct ipc_set_flags *q = set->q;
	struct selection *sel = set->session->sel;
	struct mailbox *m = sel->mailbox;
	struct view *v = m->view;
	uint32_t n = 0;

	for (uint32_t at = s.lo; at < s.hi; at++) {
		uint32_t flags = (uint32_t)combined(q->mode, v->flags[at], q->flags) & MSG_SETTABLE;
		uint64_t words = combined(q->mode, v->keywords[at], set->keywords);
		bool news = selection_has_news(sel, v->modseq[at]);

		if (v->flags[at] & VIEW_DEAD || !seqmap_has(set->map, at) ||
			(flags == v->flags[at] && words == v->keywords[at]))
			continue;
		message_set(set->session->account, m, at, flags, words);
		if (q->silent && !news)
			be_silent(sel, set->before, v->modseq[at]);
		n++;
	}
	return n;
}

static SUSPENDS enum outcome set_flags(struct session *x, const struct ipc_set_flags *q, uint32_t *n)
{
	struct mailbox *m = x->sel->mailbox;
	struct account *a = x->account;
	struct spans spans;
	struct seqmap map;
	struct setting set = { .session = x, .q = q, .map = &map, .before = m->view->modseq_max };
	enum outcome o;

	if (x->sel->readonly)
		return DENIED;
	if (q->mode > MODE_REMOVE || q->flags & ~(uint32_t)MSG_SETTABLE)
		return BAD_SYNTAX;
	o = mailbox_keywords(m, q->keywords, q->n_keywords, q->mode != MODE_REMOVE, &set.keywords);
	if (o != OK)
		return o;
	map = session_map(x);
	spans = seqmap_resolve(&map, q->by_uid, q->set, q->n_set, &x->work);
	for (size_t i = 0; i < spans.n; i++)
		*n += set_span(&set, spans.v[i]);
	if (*n == 0)
		return session_wait(x, a->part.staged);
	return session_wait(x, account_stage(a));
}

SUSPENDS void serve_set_flags(void *ctx, struct ipc_call *c, const void *msg)
{
	const struct ipc_set_flags *q = msg;
	struct ipc_set_flags_reply r = { 0 };
	struct session x;

	if (!session_enter_selected(&x, ctx, c, q->handle, q->sel))
		return;
	ipc_set_flags_reply_send(c, set_flags(&x, q, &r.n_changed), &r);
	session_leave(&x);
}

/* ---- EXPUNGE */

static uint32_t pick_expunged(
	struct session *x, const struct spans *spans, const struct seqmap *map, bool only_deleted, uint32_t *at)
{
	const struct view *v = map->view;
	uint32_t n = 0;

	(void)x;
	for (size_t i = 0; i < spans->n; i++)
		for (uint32_t j = spans->v[i].lo; j < spans->v[i].hi; j++)
			if (!(v->flags[j] & VIEW_DEAD) && (!only_deleted || v->flags[j] & MSG_DELETED))
				at[n++] = j;
	return n;
}

static SUSPENDS enum outcome expunge(struct session *x, const struct ipc_expunge *q, uint32_t *n)
{
	struct mailbox *m = x->sel->mailbox;
	struct seqmap map = session_map(x);
	struct spans spans;
	uint32_t *at;

	if (x->sel->readonly)
		return DENIED;
	if (q->only_deleted && m->deleted == 0)
		return session_wait(x, x->account->part.staged);
	if (q->n_uids)
		spans = seqmap_resolve(&map, true, q->uids, q->n_uids, &x->work);
	else
		spans = spans_all(&map, &x->work);
	at = arena_array(&x->work, (size_t)m->view->n + 1, sizeof *at);
	*n = pick_expunged(x, &spans, &map, q->only_deleted, at);
	if (*n == 0)
		return session_wait(x, x->account->part.staged);
	messages_expunge(x->account, m, at, *n, EXPUNGE_DELETED);
	return session_wait(x, account_stage(x->account));
}

SUSPENDS void serve_expunge(void *ctx, struct ipc_call *c, const void *msg)
{
	const struct ipc_expunge *q = msg;
	struct ipc_expunge_reply r = { 0 };
	struct session x;

	if (!session_enter_selected(&x, ctx, c, q->handle, q->sel))
		return;
	ipc_expunge_reply_send(c, expunge(&x, q, &r.n), &r);
	session_leave(&x);
}

/* ---- COPY and MOVE */

#define COPY_STEP 256 /* parts read between two yields */

struct copied {
	uint32_t uid;
	struct str parts; /* the P row's value, in the work arena */
};

struct copying {
	struct copied *v;
	size_t n;
	struct mailbox *from, *to;
	bool move;
};

/* The uids of a set as they are now. */
static void pick_copied(struct session *x, const struct ipc_copy *q, struct copying *c)
{
	struct seqmap map = session_map(x);
	struct spans spans = seqmap_resolve(&map, q->by_uid, q->set, q->n_set, &x->work);
	size_t most = 0;

	for (size_t i = 0; i < spans.n; i++)
		most += spans.v[i].hi - spans.v[i].lo;
	c->v = arena_array(&x->work, most + 1, sizeof *c->v);
	for (size_t i = 0; i < spans.n; i++)
		for (uint32_t at = spans.v[i].lo; at < spans.v[i].hi; at++)
			if (!(map.view->flags[at] & VIEW_DEAD))
				c->v[c->n++].uid = map.view->uid[at];
}

/* A message that goes meanwhile has no parts and is left out, as one expunged before the command. */
static SUSPENDS bool read_parts(struct session *x, struct copying *c)
{
	struct buf v;
	size_t kept = 0;

	buf_init(&v, SIZE_MAX);
	for (size_t i = 0; i < c->n; i++) {
		buf_reset(&v);
		if (engine_get(x->store->shard.port, NULL, x->account->id,
			    KEY_STR(key_message('P', c->from->id, c->v[i].uid)), &v)) {
			c->v[kept] = c->v[i];
			c->v[kept++].parts = arena_dup(&x->work, buf_str(&v));
		}
		if (i % COPY_STEP == COPY_STEP - 1)
			task_yield(x->store->sched);
	}
	buf_fini(&v);
	c->n = kept;
	return !x->account->part.dead;
}

static uint64_t map_keywords(struct mailbox *from, struct mailbox *to, uint64_t bits)
{
	uint64_t out = 0, bit;

	for (uint32_t i = 0; i < from->n_keywords; i++)
		if (bits >> i & 1 && mailbox_keywords(to, &from->keywords[i], 1, true, &bit) == OK)
			out |= bit;
	return out; /* a keyword that the other's table has no room for is not copied */
}

static void add_uid(struct ipc_range *v, size_t *n, size_t max, uint32_t uid)
{
	if (*n && *n <= max && v[*n - 1].hi + 1 == uid) {
		v[*n - 1].hi = uid;
		return;
	}
	if (*n < max)
		v[*n] = (struct ipc_range){ uid, uid };
	(*n)++;
}

/* Rows that are still alive, by index; and their sizes. */
static uint64_t check_copied(struct copying *c, uint32_t *at)
{
	const struct view *v = c->from->view;
	uint64_t bytes = 0;
	size_t kept = 0;

	for (size_t i = 0; i < c->n; i++) {
		uint32_t j;

		if (!view_find(v, c->v[i].uid, &j) || v->flags[j] & VIEW_DEAD)
			continue;
		at[kept] = j;
		c->v[kept++] = c->v[i];
		bytes += v->size[j];
	}
	c->n = kept;
	return bytes;
}

static void copy_all(struct session *x, struct copying *c, const uint32_t *at, struct ipc_copy_reply *r)
{
	struct ipc_range *from = arena_array(&x->work, IPC_COPY_FROM_UIDS_MAX, sizeof *from);
	struct ipc_range *to = arena_array(&x->work, IPC_COPY_TO_UIDS_MAX, sizeof *to);
	int64_t now = shard_now_s(&x->store->shard);

	for (size_t i = 0; i < c->n; i++) {
		struct new_message n = { .row = view_row(c->from->view, at[i]) };

		parts_row_decode(c->v[i].parts, &n.prefix, &n.index);
		n.row.saved_s = now;
		n.row.keywords = map_keywords(c->from, c->to, n.row.keywords);
		add_uid(from, &r->n_from_uids, IPC_COPY_FROM_UIDS_MAX, c->v[i].uid);
		add_uid(to, &r->n_to_uids, IPC_COPY_TO_UIDS_MAX, message_add(x->account, c->to, &n));
	}
	if (c->move)
		messages_expunge(x->account, c->from, at, (uint32_t)c->n, EXPUNGE_MOVED);
	r->uidvalidity = c->to->uidvalidity;
	r->from_uids = from;
	r->to_uids = to;
	if (r->n_from_uids > IPC_COPY_FROM_UIDS_MAX || r->n_to_uids > IPC_COPY_TO_UIDS_MAX)
		r->n_from_uids = r->n_to_uids = 0; /* too many to say: the edge then gives no COPYUID (RFC 4315 3) */
}

/* Nothing suspends from here to the staging. */
static enum outcome stage_copy(struct session *x, struct copying *c, struct ipc_copy_reply *r)
{
	uint32_t *at = arena_array(&x->work, c->n + 1, sizeof *at);
	uint64_t bytes = check_copied(c, at);

	if (c->n == 0)
		return OK;
	if (!c->move && account_over_quota(x->account, bytes, c->n))
		return OVER_QUOTA;
	if (c->n >= UINT32_MAX - c->to->uidnext)
		return OVER_LIMIT;
	if (!c->move && !shard_has_room(&x->store->shard))
		return NO_ROOM;
	copy_all(x, c, at, r);
	account_stage(x->account);
	return OK;
}

static SUSPENDS enum outcome copy(struct session *x, const struct ipc_copy *q, struct ipc_copy_reply *r)
{
	struct copying c = { .from = x->sel->mailbox, .move = q->move };
	struct str name;
	enum outcome o;

	if (q->move && x->sel->readonly)
		return DENIED;
	if (session_name(x, q->to, &name) != OK || !mailbox_find(x->account, name))
		return NO_SUCH;
	pick_copied(x, q, &c);
	o = session_wait(x, x->account->part.staged);
	if (o != OK)
		return o;
	if (!read_parts(x, &c))
		return TRY_LATER;
	for (;;) {
		if (!session_again(x))
			return REVOKED;
		c.from = x->sel->mailbox;
		c.to = mailbox_find(x->account, name);
		if (!c.to)
			return NO_SUCH;
		if (!c.to->loading)
			break;
		if (!mailbox_settle(c.to))
			return TRY_LATER;
	}
	o = stage_copy(x, &c, r);
	return o == OK ? session_wait(x, x->account->part.staged) : o;
}

SUSPENDS void serve_copy(void *ctx, struct ipc_call *c, const void *msg)
{
	const struct ipc_copy *q = msg;
	struct ipc_copy_reply r = { 0 };
	struct session x;

	if (!session_enter_selected(&x, ctx, c, q->handle, q->sel))
		return;
	ipc_copy_reply_send(c, copy(&x, q, &r), &r);
	session_leave(&x);
}

/* ---- moved by POP */

SUSPENDS enum outcome messages_move(struct session *x, struct mailbox *from, const uint32_t *uids, size_t n, struct mailbox *to)
{
	struct copying c = { .v = arena_array(&x->work, n + 1, sizeof *c.v), .n = n, .from = from, .to = to, .move = true };
	struct ipc_copy_reply unused = { 0 };
	enum outcome o = session_wait(x, x->account->part.staged);

	for (size_t i = 0; i < n; i++)
		c.v[i].uid = uids[i];
	if (o != OK)
		return o;
	mailbox_pin(from);
	mailbox_pin(to);
	if (!read_parts(x, &c) || !mailbox_settle(to) || !session_again(x))
		o = REVOKED;
	else if (from->gone || to->gone)
		o = NO_SUCH;
	else
		o = stage_copy(x, &c, &unused);
	mailbox_unpin(from);
	mailbox_unpin(to);
	return o == OK ? session_wait(x, x->account->part.staged) : o;
}
