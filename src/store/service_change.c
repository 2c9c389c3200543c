/* store/service_change.c - STORE and EXPUNGE (RFC 9051 6.4.3, 6.4.6; RFC 7162 3.1.3).
 * Suspends    between bounded steps (store/walk.h), until what was staged is durable.
 * Invariants  G1 a conditional change tests and sets each message without a suspension in between.
 */
#include "store/message.h"
#include "store/walk.h"

#include "ipc/words.h"

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
	struct ipc_set_flags_reply *r;
	struct ipc_range *modified;
	uint64_t keywords, before; /* before: the mailbox's highest modseq when the step began */
	bool changed, full;
};

/* Joins what touches. */
static void add_number(struct ipc_range *v, size_t *n, uint32_t lo, uint32_t hi)
{
	if (*n && v[*n - 1].hi + 1 == lo)
		v[*n - 1].hi = hi;
	else
		v[(*n)++] = (struct ipc_range){ lo, hi };
}

static uint32_t number_of(const struct walk *w, uint32_t at)
{
	return w->named.by_uid ? w->map.view->uid[at] : seqmap_seq(&w->map, at);
}

/* The row changed after the client looked: it stays as it is (RFC 7162 3.1.3). With no room to name more of them, all that is left of the set
 * is left alone, and named as one range. */
static void leave_alone(struct setting *set, struct walk *w, uint32_t at)
{
	struct ipc_set_flags_reply *r = set->r;
	uint32_t last = w->spans.v[w->spans.n - 1].hi - 1;

	set->full = r->n_modified == IPC_SET_FLAGS_MODIFIED_MAX - 1;
	add_number(set->modified, &r->n_modified, number_of(w, at), number_of(w, set->full ? last : at));
}

/* A row that has news for the session is told all the same: it would never hear of what another changed (RFC 3501 6.4.6). */
static void set_row(struct setting *set, struct walk *w, uint32_t at)
{
	const struct ipc_set_flags *q = set->q;
	struct selection *sel = set->session->sel;
	struct view *v = sel->mailbox->view;
	uint32_t flags = (uint32_t)combined(q->mode, v->flags[at], q->flags) & MSG_SETTABLE;
	uint64_t words = combined(q->mode, v->keywords[at], set->keywords);
	bool news = selection_has_news(sel, v->modseq[at]);

	if (q->conditional && v->modseq[at] > q->unchanged_since) {
		leave_alone(set, w, at);
		return;
	}
	if (flags == v->flags[at] && words == v->keywords[at])
		return;
	message_set(set->session->account, sel->mailbox, at, flags, words);
	if (q->silent && !news)
		be_silent(sel, set->before, v->modseq[at]);
	set->changed = true;
	set->r->n_changed++;
	walk_cost(w);
}

static SUSPENDS enum outcome set_all(struct setting *set, struct walk *w)
{
	bool more = true;
	enum outcome o = OK;
	uint32_t at;

	while (o == OK && more && !set->full) {
		set->changed = false;
		set->before = set->session->sel->mailbox->view->modseq_max;
		while (!set->full && walk_next(w, &at))
			set_row(set, w, at);
		if (set->changed)
			account_stage(set->session->account);
		o = walk_step(w, &more);
	}
	return o;
}

static SUSPENDS enum outcome set_flags(
	struct session *x, const struct ipc_set_flags *q, struct ipc_set_flags_reply *r)
{
	struct mailbox *m = x->sel->mailbox;
	struct setting set = { .session = x, .q = q, .r = r };
	struct named named = { .by_uid = q->by_uid, .saved = q->saved, .set = q->set, .n = q->n_set };
	struct walk walk;
	enum outcome o;

	if (x->sel->readonly)
		return DENIED;
	if (q->mode > MODE_REMOVE || q->flags & ~(uint32_t)MSG_SETTABLE)
		return BAD_SYNTAX;
	o = mailbox_keywords(m, q->keywords, q->n_keywords, q->mode != MODE_REMOVE, &set.keywords);
	if (o != OK)
		return o;
	r->before = m->modseq;
	r->modified = set.modified = arena_array(&x->work, IPC_SET_FLAGS_MODIFIED_MAX, sizeof *set.modified);
	walk_open(&walk, x, &named);
	o = set_all(&set, &walk);
	walk_close(&walk);
	return o;
}

SUSPENDS void serve_set_flags(void *ctx, struct ipc_call *c, const void *msg)
{
	const struct ipc_set_flags *q = msg;
	struct ipc_set_flags_reply r = { 0 };
	struct session x;

	if (!session_enter_selected(&x, ctx, c, q->handle, q->sel))
		return;
	ipc_set_flags_reply_send(c, set_flags(&x, q, &r), &r);
	session_leave(&x);
}

/* ---- EXPUNGE */

/* Of one step. */
static uint32_t pick_expunged(struct walk *w, bool only_deleted, uint32_t *list)
{
	uint32_t n = 0, at;

	while (walk_next(w, &at))
		if (!only_deleted || w->map.view->flags[at] & MSG_DELETED) {
			list[n++] = at;
			walk_cost(w);
		}
	return n;
}

static SUSPENDS enum outcome expunge_all(struct session *x, struct walk *w, bool only_deleted, uint32_t *n)
{
	bool more = true;
	enum outcome o = OK;

	while (o == OK && more) {
		uint32_t *list = arena_array(&w->step, WALK_ROWS, sizeof *list);
		uint32_t picked = pick_expunged(w, only_deleted, list);

		messages_expunge(x->account, x->sel->mailbox, list, picked, EXPUNGE_DELETED);
		if (picked)
			account_stage(x->account);
		*n += picked;
		o = walk_step(w, &more);
	}
	return o;
}

static SUSPENDS enum outcome expunge(struct session *x, const struct ipc_expunge *q, uint32_t *n)
{
	struct named named = { .by_uid = true, .saved = q->saved, .set = q->uids, .n = q->n_uids };
	struct walk walk;
	enum outcome o;

	if (x->sel->readonly)
		return DENIED;
	if (q->only_deleted && x->sel->mailbox->deleted == 0)
		return session_wait(x, x->account->part.staged);
	named.all = !named.saved && named.n == 0;
	walk_open(&walk, x, &named);
	o = expunge_all(x, &walk, q->only_deleted, n);
	walk_close(&walk);
	return o;
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
