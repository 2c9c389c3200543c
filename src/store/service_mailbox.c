/* store/service_mailbox.c - mailboxes by name: LIST, CREATE, DELETE, RENAME, SUBSCRIBE, STATUS (RFC 9051 6.3).
 * Suspends    until what was staged is durable.
 * Invariants  N1 a level that is not a mailbox but has some below it is shown as \Noselect and has no row: CREATE "a/b" makes no "a",
 *             DELETE "a" of a mailbox with children leaves the name only.
 */
#include "store/message.h"
#include "store/names.h"
#include "store/service.h"

#include "ipc/words.h"

#include <string.h>

/* ---- LIST */

struct listed {
	struct str name;
	const struct mailbox *m; /* NULL: none of that name */
	bool subscribed, has_children;
};

struct listing {
	struct VEC(struct listed) v;
};

static int listed_cmp(const void *a, const void *b)
{
	return name_cmp(((const struct listed *)a)->name, ((const struct listed *)b)->name);
}

static void add_with_parents(struct listing *l, const struct mailbox *m)
{
	*vec_push(&l->v) = (struct listed){ .name = m->name, .m = m };
	for (struct str up = name_parent(m->name); up.n; up = name_parent(up)) {
		struct listed *x = vec_push(&l->v);

		x->name = up;
		x->has_children = true;
	}
}

/* Sorted, entries of the same name made one. */
static void merge(struct listing *l)
{
	size_t n = 0;

	if (l->v.n == 0)
		return;
	qsort(l->v.v, l->v.n, sizeof *l->v.v, listed_cmp);
	for (size_t i = 0; i < l->v.n; i++) {
		struct listed *x = &l->v.v[i], *last = n ? &l->v.v[n - 1] : NULL;

		if (!last || !str_eq(last->name, x->name)) {
			l->v.v[n++] = *x;
			continue;
		}
		last->m = last->m ? last->m : x->m;
		last->subscribed |= x->subscribed;
		last->has_children |= x->has_children;
	}
	l->v.n = n;
}

static uint32_t listed_flags(const struct listed *x)
{
	uint32_t f = x->m ? x->m->special : x->has_children ? MBOX_NOSELECT : MBOX_NOSELECT | MBOX_NONEXISTENT;

	if (x->m && x->m->recent)
		f |= MBOX_UNSEEN_MARK;
	return f | (x->subscribed ? MBOX_SUBSCRIBED : 0) | (x->has_children ? MBOX_HAS_CHILDREN : 0);
}

static struct ipc_figures counts_of(const struct mailbox *m)
{
	return (struct ipc_figures){ .messages = m->messages,
		.recent = m->recent,
		.unseen = m->unseen,
		.deleted = m->deleted,
		.uidnext = m->uidnext,
		.uidvalidity = m->uidvalidity,
		.size = m->size,
		.modseq = m->modseq };
}

static void fill_list(struct session *x, const struct listing *l, struct str after, struct ipc_mailboxes_reply *r)
{
	struct ipc_mailbox *list = arena_array(&x->work, IPC_MAILBOXES_LIST_MAX, sizeof *list);
	size_t room = IPC_RECORD_MAX - IPC_MAILBOXES_REPLY_FIXED;

	for (size_t i = 0; i < l->v.n; i++) {
		const struct listed *e = &l->v.v[i];

		if (after.n && name_cmp(e->name, after) <= 0)
			continue;
		if (r->n_list == IPC_MAILBOXES_LIST_MAX || room < IPC_MAILBOX_FIXED + e->name.n) {
			r->more = 1;
			break;
		}
		room -= IPC_MAILBOX_FIXED + e->name.n;
		list[r->n_list++] = (struct ipc_mailbox){ arena_dup(&x->work, e->name), e->m ? e->m->id : 0,
			listed_flags(e), e->m ? counts_of(e->m) : (struct ipc_figures){ 0 } };
	}
	r->list = list;
}

SUSPENDS void serve_mailboxes(void *ctx, struct ipc_call *c, const void *msg)
{
	const struct ipc_mailboxes *q = msg;
	struct ipc_mailboxes_reply r = { 0 };
	struct listing l = { 0 };
	struct session x;

	if (!session_enter(&x, ctx, c, q->handle))
		return;
	for (size_t i = 0; i < x.account->mailboxes.n; i++)
		add_with_parents(&l, x.account->mailboxes.v[i]);
	for (size_t i = 0; i < x.account->subscriptions.n; i++) {
		struct listed *e = vec_push(&l.v);

		e->name = x.account->subscriptions.v[i];
		e->subscribed = true;
	}
	merge(&l);
	fill_list(&x, &l, q->after, &r);
	vec_free(&l.v);
	ipc_mailboxes_reply_send(c, session_wait(&x, x.account->part.staged), &r);
	session_leave(&x);
}

/* ---- CREATE */

static bool has_children(const struct account *a, struct str name)
{
	size_t i = mailbox_place(a, name);

	if (i < a->mailboxes.n && str_eq(a->mailboxes.v[i]->name, name))
		i++;
	return i < a->mailboxes.n && name_is_below(a->mailboxes.v[i]->name, name);
}

/* Another mailbox has one of these uses: a second Sent would leave each client to guess (RFC 6154 3). */
static bool is_used(const struct account *a, uint32_t special)
{
	for (size_t i = 0; i < a->mailboxes.n; i++)
		if (a->mailboxes.v[i]->special & special)
			return true;
	return false;
}

static SUSPENDS enum outcome create(
	struct session *x, const struct ipc_mailbox_create *q, struct ipc_mailbox_create_reply *r)
{
	struct account *a = x->account;
	struct str name;
	enum outcome o = session_name(x, q->name, &name);

	if (o != OK)
		return o;
	if (a->part.dead)
		return TRY_LATER;
	if (mailbox_find(a, name))
		return EXISTS;
	if (q->special & ~(uint32_t)MBOX_SPECIAL)
		return BAD_SYNTAX;
	if (is_used(a, q->special))
		return IN_USE;
	if (a->mailboxes.n >= x->store->limits.mailboxes_max)
		return OVER_LIMIT;
	r->id = mailbox_make(a, name, q->special)->id;
	return session_wait(x, account_stage(a));
}

SUSPENDS void serve_mailbox_create(void *ctx, struct ipc_call *c, const void *msg)
{
	const struct ipc_mailbox_create *q = msg;
	struct ipc_mailbox_create_reply r = { 0 };
	struct session x;

	if (!session_enter(&x, ctx, c, q->handle))
		return;
	ipc_mailbox_create_reply_send(c, create(&x, q, &r), &r);
	session_leave(&x);
}

/* ---- DELETE */

/* The mailbox of a name with its view, held against both going away: nothing suspends between this and the change. */
static SUSPENDS enum outcome settled(struct session *x, struct str name, struct mailbox **out)
{
	struct mailbox *m = mailbox_find(x->account, name);

	if (!m)
		return has_children(x->account, name) ? DENIED : NO_SUCH;
	if (!mailbox_view(m))
		return TRY_LATER;
	*out = mailbox_find(x->account, name); /* another may have been quicker */
	if (!session_again(x))
		return REVOKED;
	return *out && (*out)->view ? OK : TRY_LATER;
}

static SUSPENDS enum outcome drop(struct session *x, struct str wanted)
{
	struct mailbox *m;
	struct str name;
	enum outcome o = session_name(x, wanted, &name);

	if (o != OK)
		return o == BAD_SYNTAX ? NO_SUCH : o;
	if (name_is_inbox(name))
		return DENIED;
	o = settled(x, name, &m);
	if (o != OK)
		return o;
	mailbox_delete(x->account, m);
	return session_wait(x, account_stage(x->account));
}

SUSPENDS void serve_mailbox_delete(void *ctx, struct ipc_call *c, const void *msg)
{
	const struct ipc_mailbox_delete *q = msg;
	struct session x;

	if (!session_enter(&x, ctx, c, q->handle))
		return;
	ipc_mailbox_delete_reply_send(c, drop(&x, q->name));
	session_leave(&x);
}

/* ---- RENAME */

/* The name that m has after from became to. */
static struct str renamed(struct session *x, const struct mailbox *m, struct str from, struct str to)
{
	return arena_fmt(&x->work, "%.*s%.*s", STR_ARG(to), STR_ARG(str_from(m->name, from.n)));
}

static bool moves(const struct mailbox *m, struct str from)
{
	return str_eq(m->name, from) || name_is_below(m->name, from);
}

static enum outcome check_tree(struct session *x, struct str from, struct str to)
{
	struct account *a = x->account;
	enum outcome o = NO_SUCH;

	for (size_t i = 0; i < a->mailboxes.n; i++) {
		struct str name, clean;
		struct mailbox *there;

		if (!moves(a->mailboxes.v[i], from))
			continue;
		name = renamed(x, a->mailboxes.v[i], from, to);
		o = session_name(x, name, &clean);
		if (o != OK)
			return o;
		there = mailbox_find(a, clean);
		if (there && !moves(there, from))
			return EXISTS;
	}
	return o;
}

static void rename_tree(struct session *x, struct str from, struct str to)
{
	struct account *a = x->account;
	struct VEC(struct mailbox *) moved = { 0 };

	for (size_t i = a->mailboxes.n; i > 0; i--)
		if (moves(a->mailboxes.v[i - 1], from)) {
			*vec_push(&moved) = a->mailboxes.v[i - 1];
			vec_remove(&a->mailboxes, i - 1);
		}
	for (size_t i = 0; i < moved.n; i++) {
		struct str name = renamed(x, moved.v[i], from, to);

		free((char *)(uintptr_t)moved.v[i]->name.p);
		moved.v[i]->name = str_of(mem_dup(name.p, name.n), name.n);
		mailbox_insert(a, moved.v[i]);
		account_change(a, moved.v[i]);
	}
	vec_free(&moved);
	a->head.modseq++;
}

/* The selections of one mailbox become those of another, whose view has tombstones for all they knew. */
static void move_selections(struct account *a, struct mailbox *from, struct mailbox *to)
{
	list_each (n, nxt, &a->selections) {
		struct selection *s = list_entry(n, struct selection, in_account);

		if (s->mailbox != from)
			continue;
		s->mailbox = to;
		mailbox_pin(to);
		to->n_selections++;
		from->n_selections--;
		mailbox_unpin(from);
	}
}

static void bury(struct account *a, struct mailbox *old, struct mailbox *inbox)
{
	struct view *v = mem_new(struct view);
	uint32_t *at = mem_array(old->view->n + 1, sizeof *at), n = 0;

	for (uint32_t i = 0; i < old->view->n; i++) {
		struct message_row r = view_row(old->view, i);

		view_add(v, old->view->uid[i], &r);
	}
	for (size_t i = 0; i < old->view->dead.n; i++) {
		struct tombstone t = old->view->dead.v[i];

		*vec_push(&v->dead) = t;
		v->flags[t.at] |= VIEW_DEAD;
	}
	v->dead_modseq_max = old->view->dead_modseq_max;
	for (uint32_t i = 0; i < v->n; i++)
		if (!(v->flags[i] & VIEW_DEAD))
			at[n++] = i;
	view_kill(v, at, n, a->head.modseq + 1);
	a->head.modseq += n;
	inbox->modseq = a->head.modseq;
	inbox->view = v;
	free(at);
}

static void log_expunged(struct account *a, const struct mailbox *inbox)
{
	struct expunged_row x = { .mailbox = inbox->id, .time_s = shard_now_s(a->shard) };
	struct buf ranges, v;

	buf_init(&ranges, 16);
	put_u32(&ranges, 1);
	put_u32(&ranges, inbox->uidnext - 1);
	x.ranges = buf_str(&ranges);
	buf_init(&v, 256);
	expunged_row_encode(&x, &v);
	engine_put(account_batch(a), KEY_STR(key_u64(key_of('X'), ++a->head.modseq)), buf_str(&v));
	buf_fini(&v);
	buf_fini(&ranges);
}

/* RFC 9051 6.3.6: messages go to the new mailbox, INBOX stays and is empty. The mailbox with the rows takes the new name and a new
 * UIDVALIDITY; a new, empty one takes INBOX's, and its UIDNEXT, so that no uid is used twice. */
static void rename_inbox(struct session *x, struct mailbox *old, struct str to)
{
	struct account *a = x->account;
	struct mailbox *inbox;

	mailbox_pin(old);
	vec_remove(&a->mailboxes, mailbox_place(a, old->name));
	inbox = mailbox_make(a, STR("INBOX"), old->special);
	inbox->uidvalidity = old->uidvalidity;
	inbox->uidnext = inbox->watermark = old->uidnext;
	old->uidvalidity = a->head.uidvalidity_next++;
	old->special = 0;
	free((char *)(uintptr_t)old->name.p);
	old->name = str_of(mem_dup(to.p, to.n), to.n);
	mailbox_insert(a, old);
	bury(a, old, inbox);
	if (inbox->uidnext > 1)
		log_expunged(a, inbox);
	move_selections(a, old, inbox);
	account_change(a, old);
	mailbox_unpin(old);
}

static SUSPENDS enum outcome rename_(struct session *x, const struct ipc_mailbox_rename *q)
{
	struct str from, to;
	struct mailbox *inbox;
	enum outcome o = session_name(x, q->from, &from);

	if (o != OK)
		return o == BAD_SYNTAX ? NO_SUCH : o;
	o = session_name(x, q->to, &to);
	if (o != OK)
		return o;
	if (mailbox_find(x->account, to) || str_eq(from, to))
		return EXISTS;
	if (name_is_inbox(from)) {
		if (x->account->mailboxes.n >= x->store->limits.mailboxes_max)
			return OVER_LIMIT;
		o = settled(x, from, &inbox);
		if (o == OK && mailbox_find(x->account, to))
			o = EXISTS;
		if (o != OK)
			return o;
		rename_inbox(x, inbox, to);
	} else {
		if (name_is_below(to, from))
			return DENIED;
		o = check_tree(x, from, to);
		if (o != OK)
			return o;
		rename_tree(x, from, to);
	}
	return session_wait(x, account_stage(x->account));
}

SUSPENDS void serve_mailbox_rename(void *ctx, struct ipc_call *c, const void *msg)
{
	const struct ipc_mailbox_rename *q = msg;
	struct session x;

	if (!session_enter(&x, ctx, c, q->handle))
		return;
	ipc_mailbox_rename_reply_send(c, rename_(&x, q));
	session_leave(&x);
}

/* ---- SUBSCRIBE */

static size_t subscription_place(const struct account *a, struct str name, bool *there)
{
	size_t lo = 0, hi = a->subscriptions.n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (name_cmp(a->subscriptions.v[mid], name) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	*there = lo < a->subscriptions.n && str_eq(a->subscriptions.v[lo], name);
	return lo;
}

static void subscription_row(struct account *a, struct str name, bool on)
{
	struct buf k;

	buf_init(&k, ENGINE_KEY_MAX);
	buf_addc(&k, 'U');
	buf_add(&k, name);
	if (on)
		engine_put(account_batch(a), buf_str(&k), STR(""));
	else
		engine_del(account_batch(a), buf_str(&k));
	buf_fini(&k);
}

static void subscription_set(struct account *a, struct str name, size_t at, bool on)
{
	if (on) {
		vec_push(&a->subscriptions);
		memmove(a->subscriptions.v + at + 1, a->subscriptions.v + at,
			(a->subscriptions.n - 1 - at) * sizeof *a->subscriptions.v);
		a->subscriptions.v[at] = str_of(mem_dup(name.p, name.n), name.n);
	} else {
		free((char *)(uintptr_t)a->subscriptions.v[at].p);
		vec_remove(&a->subscriptions, at);
	}
	subscription_row(a, name, on);
}

static SUSPENDS enum outcome subscribe(struct session *x, const struct ipc_subscribe *q)
{
	struct account *a = x->account;
	struct str name;
	enum outcome o = session_name(x, q->name, &name);
	bool there;
	size_t at;

	if (o != OK)
		return o;
	at = subscription_place(a, name, &there);
	if (there == (q->on != 0))
		return session_wait(x, a->part.staged);
	if (q->on && a->subscriptions.n >= (size_t)x->store->limits.mailboxes_max * 2)
		return OVER_LIMIT;
	subscription_set(a, name, at, q->on);
	return session_wait(x, account_stage(a));
}

SUSPENDS void serve_subscribe(void *ctx, struct ipc_call *c, const void *msg)
{
	const struct ipc_subscribe *q = msg;
	struct session x;

	if (!session_enter(&x, ctx, c, q->handle))
		return;
	ipc_subscribe_reply_send(c, subscribe(&x, q));
	session_leave(&x);
}

/* ---- STATUS */

static uint64_t deleted_size(const struct view *v)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < v->n; i++)
		if (v->flags[i] & MSG_DELETED && !(v->flags[i] & VIEW_DEAD))
			n += v->size[i];
	return n;
}

static SUSPENDS enum outcome status(struct session *x, const struct ipc_status *q, struct ipc_status_reply *r)
{
	struct mailbox *m = NULL;
	struct ipc_figures n;
	struct str name;
	enum outcome o = session_name(x, q->name, &name);

	if (o == OK && !(m = mailbox_find(x->account, name)))
		o = NO_SUCH;
	if (o == OK && q->want_deleted_size && m->deleted)
		o = settled(x, name, &m);
	if (o != OK)
		return o == BAD_SYNTAX ? NO_SUCH : o;
	n = counts_of(m);
	*r = (struct ipc_status_reply){ .id = m->id,
		.messages = n.messages,
		.recent = n.recent,
		.unseen = n.unseen,
		.deleted = n.deleted,
		.uidnext = n.uidnext,
		.uidvalidity = n.uidvalidity,
		.size = n.size,
		.modseq = n.modseq,
		.deleted_size = q->want_deleted_size && m->deleted ? deleted_size(m->view) : 0 };
	return session_wait(x, x->account->part.staged);
}

SUSPENDS void serve_status(void *ctx, struct ipc_call *c, const void *msg)
{
	const struct ipc_status *q = msg;
	struct ipc_status_reply r = { 0 };
	struct session x;

	if (!session_enter(&x, ctx, c, q->handle))
		return;
	ipc_status_reply_send(c, status(&x, q, &r), &r);
	session_leave(&x);
}
