/* store/service_select.c - SELECT, UNSELECT, and what a session is told between commands (sync).
 * Suspends    while a view is loaded; until what was staged is durable.
 * Invariants  Y1 sync without expunges leaves every sequence number as it was: what was expunged keeps its number, and counts.
 *             Y2 a selection is told of tombstones in order of modseq, so that one number says how far it is.
 *             Y3 it is told of flags by passes over the rows: a pass tells of every row that changed before it began, in bounded steps, and then
 *                all modseqs up to that moment are told. What changes meanwhile is told by the next.
 */
#include "store/service.h"

#include "ipc/words.h"

#include <stdlib.h>

/* ---- SELECT */

static void add_recent(struct selection *x, uint32_t lo, uint32_t hi)
{
	struct uid_range *last = x->recent.n ? &x->recent.v[x->recent.n - 1] : NULL;

	if (lo >= hi)
		return;
	if (last && last->hi == lo)
		last->hi = hi;
	else
		*vec_push(&x->recent) = (struct uid_range){ lo, hi };
}

/* New messages are recent to the first session that may write and is told of them. The mark may wait for the next commit: after a
 * crash they are recent once more (RFC 9051 2.3.2 lets it). */
static void take_recent(struct selection *x)
{
	struct mailbox *m = x->mailbox;
	uint32_t from = x->readonly && x->known > m->watermark ? x->known : m->watermark;

	add_recent(x, from, m->uidnext);
	x->known = m->uidnext;
	if (x->readonly || m->watermark == m->uidnext)
		return;
	m->watermark = m->uidnext;
	m->recent = 0;
	account_change_lazily(m->account, m);
}

/* Rows of the selection that are recent, those that it must still hear the end of too. */
static uint32_t count_recent(const struct selection *x, const struct seqmap *map)
{
	uint32_t n = 0;

	for (size_t i = 0; i < x->recent.n; i++) {
		uint32_t lo = view_lower(map->view, x->recent.v[i].lo), hi = view_lower(map->view, x->recent.v[i].hi);

		if (hi > map->limit)
			hi = map->limit;
		n += lo < hi ? seqmap_between(map, lo, hi) : 0;
	}
	return n;
}

static void fill_keywords(struct session *x, const struct mailbox *m, const struct str **list, size_t *n)
{
	struct str *k = arena_array(&x->work, m->n_keywords + 1, sizeof *k);

	for (uint32_t i = 0; i < m->n_keywords; i++)
		k[i] = arena_dup(&x->work, m->keywords[i]);
	*list = k;
	*n = m->n_keywords;
	x->sel->keywords_told = m->n_keywords;
}

static uint32_t first_unseen(const struct seqmap *map)
{
	const struct view *v = map->view;

	for (uint32_t at = 0; at < map->limit; at++)
		if (!(v->flags[at] & (MSG_SEEN | VIEW_DEAD)))
			return seqmap_seq(map, at);
	return 0;
}

static void open_selection(struct session *x, struct mailbox *m, const struct ipc_select *q, struct ipc_select_reply *r)
{
	struct selection *s = selection_new(x->handle, m);
	struct seqmap map;

	x->sel = s;
	s->readonly = q->readonly;
	s->seen_flags = m->view->modseq_max;
	s->seen_dead = m->view->dead_modseq_max;
	take_recent(s);
	map = session_map(x);
	*r = (struct ipc_select_reply){ .sel = s->number,
		.id = m->id,
		.messages = seqmap_count(&map),
		.recent = count_recent(s, &map),
		.first_unseen = m->unseen ? first_unseen(&map) : 0,
		.uidnext = m->uidnext,
		.uidvalidity = m->uidvalidity,
		.modseq = m->modseq,
		.size = m->size };
	fill_keywords(x, m, &r->keywords, &r->n_keywords);
}

static bool too_many(const struct handle *h)
{
	size_t n = 0;

	list_each (it, nxt, &h->selections)
		n++;
	return n >= SELECTIONS_MAX;
}

static SUSPENDS enum outcome select_(struct session *x, const struct ipc_select *q, struct ipc_select_reply *r)
{
	struct mailbox *m;
	struct str name;
	enum outcome o = session_name(x, q->name, &name);

	if (o != OK)
		return NO_SUCH;
	for (;;) {
		m = mailbox_find(x->account, name);
		if (!m)
			return NO_SUCH;
		if (m->view)
			break;
		if (!mailbox_view(m))
			return x->account->part.dead ? TRY_LATER : mailbox_find(x->account, name) ? FAILED : NO_SUCH;
		if (!session_again(x))
			return REVOKED;
	}
	if (too_many(x->handle))
		return OVER_LIMIT;
	open_selection(x, m, q, r);
	return session_wait(x, x->account->part.staged);
}

SUSPENDS void serve_select(void *ctx, struct ipc_call *c, const void *msg)
{
	const struct ipc_select *q = msg;
	struct ipc_select_reply r = { 0 };
	struct session x;

	if (!session_enter(&x, ctx, c, q->handle))
		return;
	ipc_select_reply_send(c, select_(&x, q, &r), &r);
	session_leave(&x);
}

void serve_unselect(void *ctx, struct ipc_call *c, const void *msg)
{
	const struct ipc_unselect *q = msg;
	struct selection *sel;
	struct session x;

	if (!session_enter(&x, ctx, c, q->handle))
		return;
	sel = selection_find(x.handle, q->sel);
	if (sel)
		selection_free(sel);
	ipc_unselect_reply_send(c, sel ? OK : BAD_STATE);
	session_leave(&x);
}

/* ---- sync */

static int by_index(const void *a, const void *b)
{
	const struct tombstone *x = a, *y = b;

	return (x->at > y->at) - (x->at < y->at);
}

/* The tombstones of the lowest modseqs, as a heap with the highest on top. */
struct lowest {
	struct tombstone *v;
	size_t n, max;
};

static void sift_down(struct lowest *h)
{
	for (size_t i = 0, child; (child = 2 * i + 1) < h->n; i = child) {
		struct tombstone t = h->v[i];

		child += child + 1 < h->n && h->v[child + 1].modseq > h->v[child].modseq;
		if (t.modseq >= h->v[child].modseq)
			return;
		h->v[i] = h->v[child];
		h->v[child] = t;
	}
}

static void sift_up(struct lowest *h)
{
	for (size_t i = h->n - 1, up; i > 0; i = up) {
		struct tombstone t = h->v[i];

		up = (i - 1) / 2;
		if (h->v[up].modseq >= t.modseq)
			return;
		h->v[i] = h->v[up];
		h->v[up] = t;
	}
}

/* False: one of them, it or another, has to wait. */
static bool keep_lowest(struct lowest *h, struct tombstone t)
{
	if (h->n < h->max) {
		h->v[h->n++] = t;
		sift_up(h);
		return true;
	}
	if (t.modseq < h->v[0].modseq) {
		h->v[0] = t;
		sift_down(h);
	}
	return false;
}

/* From the highest number down, so that none is changed by those before it. */
static void report_expunges(struct session *x, struct ipc_sync_reply *r)
{
	struct selection *s = x->sel;
	const struct view *v = s->mailbox->view;
	struct seqmap map = session_map(x);
	struct lowest news = { .max = IPC_SYNC_EXPUNGED_MAX };
	bool all = true;
	uint32_t *list;

	if (v->dead_modseq_max <= s->seen_dead)
		return;
	news.v = arena_array(&x->work, news.max, sizeof *news.v);
	for (size_t i = 0; i < v->dead.n; i++)
		if (v->dead.v[i].modseq > s->seen_dead && v->dead.v[i].at < map.limit)
			all &= keep_lowest(&news, v->dead.v[i]);
	s->seen_dead = all ? v->dead_modseq_max : news.v[0].modseq;
	r->more = !all;
	if (news.n)
		qsort(news.v, news.n, sizeof *news.v, by_index);
	list = arena_array(&x->work, news.n + 1, sizeof *list);
	for (size_t i = 0; i < news.n; i++)
		list[i] = seqmap_seq(&map, news.v[news.n - 1 - i].at);
	r->expunged = list;
	r->n_expunged = news.n;
}

static void drop_silent(struct selection *s)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->silent.n; i++)
		if (s->silent.v[i].hi > s->seen_flags)
			s->silent.v[kept++] = s->silent.v[i];
	s->silent.n = kept;
}

static void begin_pass(struct selection *s, uint32_t known)
{
	const struct view *v = s->mailbox->view;

	if (s->pass_upto || v->modseq_max <= s->seen_flags)
		return;
	s->pass_upto = v->modseq_max;
	s->pass_uid = 1;
	s->pass_end = known;
}

static void end_pass(struct selection *s)
{
	s->seen_flags = s->pass_upto;
	s->pass_upto = 0;
	drop_silent(s);
}

static struct ipc_flag_change change_of(const struct selection *s, const struct seqmap *map, uint32_t at)
{
	const struct view *v = map->view;
	uint32_t recent = selection_recent(s, v->uid[at]) ? MSG_RECENT : 0;

	return (struct ipc_flag_change){ seqmap_seq(map, at), v->uid[at], v->flags[at] | recent, v->keywords[at],
		v->modseq[at] };
}

#define PASS_ROWS 200000 /* looked at in a step */

/* known: rows below it only: what the session is told of for the first time it asks for anyway. */
static void report_flags(struct session *x, uint32_t known, struct ipc_sync_reply *r)
{
	struct selection *s = x->sel;
	const struct view *v = s->mailbox->view;
	struct seqmap map = session_map(x);
	struct ipc_flag_change *list;
	uint32_t at, end, stop;

	begin_pass(s, known);
	if (!s->pass_upto)
		return;
	list = arena_array(&x->work, IPC_SYNC_CHANGES_MAX, sizeof *list);
	at = view_lower(v, s->pass_uid);
	end = view_lower(v, s->pass_end);
	stop = end - at > PASS_ROWS ? at + PASS_ROWS : end;
	for (; at < stop && r->n_changes < IPC_SYNC_CHANGES_MAX; at++)
		if (v->modseq[at] > s->seen_flags && !(v->flags[at] & VIEW_DEAD) && selection_has_news(s, v->modseq[at]))
			list[r->n_changes++] = change_of(s, &map, at);
	r->changes = list;
	if (at < end) {
		s->pass_uid = v->uid[at];
		r->more = 1;
	} else {
		end_pass(s);
	}
}

static void sync_(struct session *x, bool expunges, struct ipc_sync_reply *r)
{
	struct selection *s = x->sel;
	struct mailbox *m = s->mailbox;
	uint32_t known = s->known;
	struct seqmap map;

	s->armed = true;
	if (expunges)
		report_expunges(x, r);
	if (!r->more) {
		take_recent(s);
		report_flags(x, known, r);
	}
	map = session_map(x);
	r->messages = seqmap_count(&map);
	r->recent = count_recent(s, &map);
	if (m->n_keywords > s->keywords_told)
		fill_keywords(x, m, &r->keywords, &r->n_keywords);
	if (!r->more && m->view->dead_modseq_max <= s->seen_dead)
		r->modseq = m->modseq;
	mailbox_purge(m);
}

SUSPENDS void serve_sync(void *ctx, struct ipc_call *c, const void *msg)
{
	const struct ipc_sync *q = msg;
	struct ipc_sync_reply r = { 0 };
	struct session x;

	if (!session_enter_selected(&x, ctx, c, q->handle, q->sel))
		return;
	sync_(&x, q->expunges, &r);
	ipc_sync_reply_send(c, session_wait(&x, x.account->part.staged), &r);
	session_leave(&x);
}
