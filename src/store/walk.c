/* store/walk.c - a request over many messages in bounded steps. See the header.
 * Suspends    between steps.
 * Invariants  W1 each message is visited once: the walk goes on behind the uid it has come to, whatever has moved.
 */
#include "store/walk.h"

struct spans named_spans(const struct session *x, const struct seqmap *map, const struct named *n, struct arena *a)
{
	if (n->all)
		return spans_all(map, a);
	if (n->saved)
		return seqmap_resolve(map, true, x->sel->saved.v, x->sel->saved.n, a);
	return seqmap_resolve(map, n->by_uid, n->set, n->n, a);
}

static void find(struct walk *w)
{
	const struct selection *s = w->x->sel;

	arena_reset(&w->step);
	w->map = seqmap_make(s->mailbox->view, s->seen_dead, s->known, &w->step);
	w->spans = named_spans(w->x, &w->map, &w->named, &w->step);
	w->span = 0;
	w->at = w->after == UINT32_MAX ? w->map.limit : view_lower(w->map.view, w->after + 1);
	w->left = WALK_ROWS;
	w->again = false;
}

void walk_open(struct walk *w, struct session *x, const struct named *n)
{
	*w = (struct walk){ .x = x, .named = *n };
	arena_init(&w->step, "store-step", STORE_WORK_MAX);
	find(w);
}

void walk_close(struct walk *w)
{
	arena_fini(&w->step);
}

/* The next row of the set, dead or not; false: there is none. */
static bool seek(struct walk *w)
{
	while (w->span < w->spans.n && w->spans.v[w->span].hi <= w->at)
		w->span++;
	if (w->span == w->spans.n)
		return false;
	if (w->at < w->spans.v[w->span].lo)
		w->at = w->spans.v[w->span].lo;
	return true;
}

bool walk_next(struct walk *w, uint32_t *at)
{
	const struct view *v = w->map.view;

	while (w->left && seek(w)) {
		w->left--;
		w->after = v->uid[w->at];
		*at = w->at++;
		if (!(v->flags[*at] & VIEW_DEAD))
			return true;
	}
	return false;
}

void walk_cost(struct walk *w)
{
	w->left -= w->left < WALK_COST - 1 ? w->left : WALK_COST - 1;
}

void walk_back(struct walk *w, uint32_t uid)
{
	w->after = uid;
	w->again = true;
}

enum outcome walk_step(struct walk *w, bool *more)
{
	enum outcome o;

	*more = seek(w) || w->again;
	o = session_wait(w->x, w->x->account->part.staged);
	if (o != OK || !*more)
		return o;
	task_yield(w->x->store->sched);
	if (!session_again(w->x))
		return REVOKED;
	find(w);
	return OK;
}
