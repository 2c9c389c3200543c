/* store/service_copy.c - COPY and MOVE (RFC 9051 6.4.7, 6.4.8).
 * Suspends    between bounded steps, while parts are read, until what was staged is durable.
 * Invariants  G1 a step is all or nothing: parts are read first, then everything is checked again and staged without a suspension. A set of at
 *             most COPY_STEP messages is one step.
 *             G2 a COPY that fails behind its first step takes back what it made (RFC 9051 6.4.7: all or nothing); a MOVE leaves each message
 *             either moved or not (RFC 6851 3.3).
 */
#include "store/message.h"
#include "store/names.h"
#include "store/walk.h"

#include "ipc/words.h"

#define COPY_STEP 500
#define COPY_STEP_BYTES ((size_t)8 << 20) /* of parts, held in memory by a step */
#define READS_STEP 64			  /* parts read between two yields */

struct copied {
	uint32_t uid;
	struct str parts; /* the P row's value, in the step's arena */
};

struct copying {
	struct session *x;
	const struct ipc_copy *q;
	struct ipc_copy_reply *r;
	struct str name;
	struct ipc_range *from_uids, *to_uids; /* of the reply */
	struct VEC(struct ipc_range) made;     /* uids in the target */
	uint32_t uidvalidity;		       /* of the target; 0: nothing was made yet */
	/* of the step */
	struct walk walk;
	struct copied *v;
	size_t n;
	struct mailbox *from, *to;
};

/* The uids of the step as they are now. */
static void pick(struct copying *c)
{
	uint32_t at;

	c->v = arena_array(&c->walk.step, COPY_STEP, sizeof *c->v);
	for (c->n = 0; c->n < COPY_STEP && walk_next(&c->walk, &at);)
		c->v[c->n++].uid = c->walk.map.view->uid[at];
}

/* A message that goes meanwhile has no parts and is left out, as one expunged before the command. */
static SUSPENDS bool read_parts(struct copying *c)
{
	struct session *x = c->x;
	size_t kept = 0, bytes = 0, i;
	struct buf v;

	buf_init(&v, SIZE_MAX);
	for (i = 0; i < c->n && bytes < COPY_STEP_BYTES; i++) {
		struct key key = key_message('P', c->from->id, c->v[i].uid);

		buf_reset(&v);
		if (engine_get(x->store->shard.port, NULL, x->account->id, KEY_STR(key), &v)) {
			c->v[kept] = c->v[i];
			c->v[kept++].parts = arena_dup(&c->walk.step, buf_str(&v));
			bytes += v.n;
		}
		if (i % READS_STEP == READS_STEP - 1)
			task_yield(x->store->sched);
	}
	buf_fini(&v);
	if (i < c->n)
		walk_back(&c->walk, c->v[i - 1].uid);
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

static void add_uid(struct ipc_range *v, size_t *n, size_t max, uint32_t uid)
{
	if (*n && *n <= max && v[*n - 1].hi + 1 == uid) {
		v[*n - 1].hi = uid;
		return;
	}
	if (*n < max)
		v[*n] = (struct ipc_range){ uid, uid };
	*n += *n <= max;
}

static void add_made(struct copying *c, uint32_t uid)
{
	if (c->made.n && c->made.v[c->made.n - 1].hi + 1 == uid)
		c->made.v[c->made.n - 1].hi = uid;
	else
		*vec_push(&c->made) = (struct ipc_range){ uid, uid };
}

static void copy_all(struct copying *c, const uint32_t *at)
{
	struct session *x = c->x;
	int64_t now = shard_now_s(&x->store->shard);

	for (size_t i = 0; i < c->n; i++) {
		struct new_message n = { .row = view_row(c->from->view, at[i]) };
		uint32_t uid;

		parts_row_decode(c->v[i].parts, &n.prefix, &n.index);
		n.row.saved_s = now;
		n.row.keywords = map_keywords(c->from, c->to, n.row.keywords);
		uid = message_add(x->account, c->to, &n);
		add_made(c, uid);
		add_uid(c->from_uids, &c->r->n_from_uids, IPC_COPY_FROM_UIDS_MAX, c->v[i].uid);
		add_uid(c->to_uids, &c->r->n_to_uids, IPC_COPY_TO_UIDS_MAX, uid);
	}
	if (c->q->move)
		messages_expunge(x->account, c->from, at, (uint32_t)c->n, EXPUNGE_MOVED);
	c->uidvalidity = c->to->uidvalidity;
}

/* Nothing suspends from here to the staging. */
static enum outcome stage_copy(struct copying *c)
{
	uint32_t *at = arena_array(&c->walk.step, c->n + 1, sizeof *at);
	uint64_t bytes = check_copied(c, at);

	if (c->uidvalidity && c->to->uidvalidity != c->uidvalidity)
		return NO_SUCH; /* another mailbox has the name now */
	if (c->n == 0)
		return OK;
	if (!c->q->move && account_over_quota(c->x->account, bytes, c->n))
		return OVER_QUOTA;
	if (c->n >= UINT32_MAX - c->to->uidnext)
		return OVER_LIMIT;
	if (!c->q->move && !shard_has_room(&c->x->store->shard))
		return NO_ROOM;
	copy_all(c, at);
	account_stage(c->x->account);
	return OK;
}

/* The session and both mailboxes, after a suspension. */
static SUSPENDS enum outcome find_both(struct copying *c)
{
	struct session *x = c->x;

	for (;;) {
		if (!session_again(x))
			return REVOKED;
		c->from = x->sel->mailbox;
		c->to = mailbox_find(x->account, c->name);
		if (!c->to)
			return NO_SUCH;
		if (!c->to->loading)
			return OK;
		if (!mailbox_settle(c->to))
			return TRY_LATER;
	}
}

static SUSPENDS enum outcome copy_steps(struct copying *c)
{
	bool more = true;
	enum outcome o = OK;

	while (o == OK && more) {
		pick(c);
		c->from = c->x->sel->mailbox;
		o = session_wait(c->x, c->x->account->part.staged);
		if (o == OK && !read_parts(c))
			o = TRY_LATER;
		if (o == OK)
			o = find_both(c);
		if (o == OK)
			o = stage_copy(c);
		if (o == OK)
			o = walk_step(&c->walk, &more);
	}
	return o;
}

/* ---- taking back */

/* Some of the copies that are still there, by index; *uid: where to go on. */
static uint32_t pick_made(const struct copying *c, const struct view *v, uint32_t *uid, uint32_t *list)
{
	uint32_t n = 0;

	for (size_t i = 0; i < c->made.n; i++) {
		uint32_t at = view_lower(v, c->made.v[i].lo > *uid ? c->made.v[i].lo : *uid);

		for (; at < v->n && v->uid[at] <= c->made.v[i].hi; at++) {
			if (n == COPY_STEP) {
				*uid = v->uid[at];
				return n;
			}
			if (!(v->flags[at] & VIEW_DEAD))
				list[n++] = at;
		}
	}
	*uid = UINT32_MAX;
	return n;
}

static SUSPENDS bool take_back_step(struct copying *c, uint32_t *uid)
{
	struct account *a = c->x->account;
	struct mailbox *m = mailbox_find(a, c->name);
	uint32_t *list;

	if (a->part.dead)
		return false;
	if (!m || m->uidvalidity != c->uidvalidity) { /* it is gone, and they with it */
		*uid = UINT32_MAX;
		return true;
	}
	if (!m->view)
		return mailbox_view(m) != NULL;
	list = arena_array(&c->x->work, COPY_STEP, sizeof *list);
	messages_expunge(a, m, list, pick_made(c, m->view, uid, list), EXPUNGE_MOVED);
	return account_wait(a, account_stage(a));
}

static SUSPENDS void take_back(struct copying *c)
{
	uint32_t uid = 1;

	while (uid != UINT32_MAX)
		if (!take_back_step(c, &uid)) {
			log_error(c->x->store->log, "copy-unfinished",
				"account %llu: copies in %.*s could not be taken back",
				(unsigned long long)c->x->account->id, STR_ARG(c->name));
			return;
		}
}

/* ---- the request */

/* What will not fit is refused before anything is made. */
static enum outcome check_quota(struct session *x, const struct named *named)
{
	struct seqmap map = session_map(x);
	struct spans spans = named_spans(x, &map, named, &x->work);
	uint64_t bytes = 0, n = 0;

	for (size_t i = 0; i < spans.n; i++)
		for (uint32_t at = spans.v[i].lo; at < spans.v[i].hi; at++) {
			bool alive = !(map.view->flags[at] & VIEW_DEAD);

			bytes += alive ? map.view->size[at] : 0;
			n += alive;
		}
	return n && account_over_quota(x->account, bytes, n) ? OVER_QUOTA : OK;
}

static SUSPENDS enum outcome copy(struct session *x, const struct ipc_copy *q, struct ipc_copy_reply *r)
{
	struct named named = { .by_uid = q->by_uid, .saved = q->saved, .set = q->set, .n = q->n_set };
	struct copying c = { .x = x, .q = q, .r = r };
	enum outcome o = OK;

	if (q->move && x->sel->readonly)
		return DENIED;
	if (session_name(x, q->to, &c.name) != OK || !mailbox_find(x->account, c.name))
		return NO_SUCH;
	if (!q->move)
		o = check_quota(x, &named);
	if (o != OK)
		return o;
	r->from_uids = c.from_uids = arena_array(&x->work, IPC_COPY_FROM_UIDS_MAX, sizeof *c.from_uids);
	r->to_uids = c.to_uids = arena_array(&x->work, IPC_COPY_TO_UIDS_MAX, sizeof *c.to_uids);
	walk_open(&c.walk, x, &named);
	o = copy_steps(&c);
	walk_close(&c.walk);
	if (o != OK && !q->move && c.made.n)
		take_back(&c);
	vec_free(&c.made);
	r->uidvalidity = c.uidvalidity;
	if (r->n_from_uids > IPC_COPY_FROM_UIDS_MAX || r->n_to_uids > IPC_COPY_TO_UIDS_MAX)
		r->n_from_uids = r->n_to_uids = 0; /* too many to say: the edge then gives no COPYUID (RFC 4315 3) */
	return o;
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

/* The step's messages from *at on, and their parts. */
static SUSPENDS enum outcome read_listed(struct copying *c, const uint32_t *uids, size_t n, size_t *at)
{
	enum outcome o = session_wait(c->x, c->x->account->part.staged);
	size_t from = *at;

	arena_reset(&c->walk.step);
	c->v = arena_array(&c->walk.step, COPY_STEP, sizeof *c->v);
	c->walk.again = false;
	for (c->n = 0; c->n < COPY_STEP && *at < n; c->n++)
		c->v[c->n].uid = uids[(*at)++];
	if (o == OK && !read_parts(c))
		return TRY_LATER;
	while (c->walk.again && *at > from && uids[*at - 1] > c->walk.after)
		--*at; /* what the step has no room for */
	return o;
}

static SUSPENDS enum outcome move_listed(struct copying *c, const uint32_t *uids, size_t n)
{
	enum outcome o = OK;

	for (size_t at = 0; o == OK && at < n;) {
		o = read_listed(c, uids, n, &at);
		if (o == OK && (!mailbox_settle(c->to) || !session_again(c->x)))
			o = REVOKED;
		if (o == OK && (c->from->gone || c->to->gone))
			o = NO_SUCH;
		if (o == OK)
			o = stage_copy(c);
		if (o == OK)
			o = session_wait(c->x, c->x->account->part.staged);
	}
	return o;
}

SUSPENDS enum outcome messages_move(
	struct session *x, struct mailbox *from, const uint32_t *uids, size_t n, struct mailbox *to)
{
	static const struct ipc_copy moves = { .move = 1 };
	struct ipc_copy_reply unused = { 0 };
	struct copying c = { .x = x, .q = &moves, .r = &unused, .from = from, .to = to };
	enum outcome o;

	c.from_uids = arena_array(&x->work, IPC_COPY_FROM_UIDS_MAX, sizeof *c.from_uids);
	c.to_uids = arena_array(&x->work, IPC_COPY_TO_UIDS_MAX, sizeof *c.to_uids);
	arena_init(&c.walk.step, "store-step", STORE_WORK_MAX);
	mailbox_pin(from);
	mailbox_pin(to);
	o = move_listed(&c, uids, n);
	mailbox_unpin(from);
	mailbox_unpin(to);
	arena_fini(&c.walk.step);
	vec_free(&c.made);
	return o;
}
