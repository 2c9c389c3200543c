/* store/service_deliver.c - deliveries and appends, asked for by post.
 * Suspends    until the letter is durable: an answer OK is a promise.
 */
#include "store/append.h"
#include "store/names.h"
#include "store/sent.h"
#include "store/service.h"
#include "store/settings.h"
#include "store/suppression.h"

#include "ipc/words.h"

#define WORK_MAX ((size_t)1 << 20)

SUSPENDS void serve_deliver(void *ctx, struct ipc_call *c, const void *msg)
{
	const struct ipc_deliver *q = msg;
	struct letter l = { .mailbox = q->mailbox,
		.flags = q->flags,
		.date_s = q->date_s,
		.prefix = q->prefix,
		.index = q->index,
		.body = &q->body };
	struct ipc_deliver_reply r = { 0 };
	struct placed placed = { 0 };
	struct store *s = ctx;
	struct account *a;
	enum outcome o = account_get(&s->shard, q->account, &a);

	if (o != OK) {
		call_reply(c, o, NULL);
		return;
	}
	o = letter_stage(a, q->delivery, &l, &placed);
	if (o == OK && !account_wait(a, placed.serial))
		o = TRY_LATER;
	s->shard.stats.n_delivered += o == OK;
	r.uid = placed.uid;
	account_put(a);
	ipc_deliver_reply_send(c, o, &r);
}

/* A handle that post names for another. One that was not given to that one is that one's fault, not post's. */
static enum outcome owner(struct store *s, uint64_t handle, struct holder who, struct handle **h, struct account **out)
{
	enum outcome o = handle_find(&s->shard, handle, who, h);

	if (o != OK)
		return o;
	*out = (*h)->account;
	account_pin(*out);
	return OK;
}

static bool copies_sent(struct account *a)
{
	struct settings_row *row;
	struct arena work;
	bool on;

	arena_init(&work, "store-settings", WORK_MAX);
	row = arena_new(&work, struct settings_row);
	on = settings_get(a, &work, row) && row->flags & SETTING_SENT_COPY;
	arena_fini(&work);
	return on;
}

/* Where submission files a copy, if it does. */
static bool is_sent_mailbox(struct account *a, struct str name)
{
	const struct store_limits *l = a->shard->limits;
	const struct mailbox *m = NULL;
	struct buf clean;

	buf_init(&clean, 4096);
	if (name_clean(name, l->mailbox_name_size_max, l->mailbox_depth_max, &clean) == OK)
		m = mailbox_find(a, buf_str(&clean));
	buf_fini(&clean);
	return l->sent_window_ms && m && m == mailbox_of_use(a, MBOX_SENT) && copies_sent(a);
}

/* The handle is not touched after a suspension: it may be gone. */
static SUSPENDS enum outcome append(struct store *s, struct handle *h, const struct ipc_append_to *q, struct placed *out)
{
	struct account *a = h->account;
	struct letter l = { .mailbox = q->mailbox,
		.flags = q->flags,
		.keywords = q->keywords,
		.n_keywords = q->n_keywords,
		.date_s = q->date_s,
		.index = q->index,
		.body = &q->body };
	struct sent sent = { .by = SENT_BY_CLIENT };
	enum outcome o;

	if (q->part == 0 && !q->more) {
		held_drop(h);
		if (is_sent_mailbox(a, q->mailbox) && sent_look(a, q->index, &q->body, &sent))
			l.sent = &sent;
		o = letter_stage(a, STR(""), &l, out);
	} else {
		o = held_add(h, &s->shard, &s->budget, q->part, &l);
		if (o == OK && !q->more)
			o = held_stage(a, h, out);
	}
	if (o == OK && !q->more && !account_wait(a, out->serial))
		o = TRY_LATER;
	if (o == OK && !q->more)
		s->shard.stats.n_appended += q->part + 1;
	s->shard.stats.n_sent_joined += o == OK && out->joined;
	return o;
}

SUSPENDS void serve_append_to(void *ctx, struct ipc_call *c, const void *msg)
{
	const struct ipc_append_to *q = msg;
	struct placed placed = { 0 };
	struct store *s = ctx;
	struct account *a;
	struct handle *h;
	enum outcome o = owner(s, q->handle, holder_edge(q->edge, q->edge_life), &h, &a);

	if (o != OK) {
		call_reply(c, o, NULL);
		return;
	}
	o = append(s, h, q, &placed);
	account_put(a);
	ipc_append_to_reply_send(c, o, &(struct ipc_append_to_reply){ placed.uidvalidity, placed.uid });
}

void serve_append_drop(void *ctx, struct ipc_call *c, const void *msg)
{
	const struct ipc_append_drop *q = msg;
	struct store *s = ctx;
	struct handle *h;

	if (handle_find(&s->shard, q->handle, holder_of(call_peer(c)), &h) == OK)
		held_drop(h);
}

void serve_room_for(void *ctx, struct ipc_call *c, const void *msg)
{
	const struct ipc_room_for *q = msg;
	struct session x;
	struct str name;
	enum outcome o;

	if (!session_enter(&x, ctx, c, q->handle))
		return;
	o = session_name(&x, q->mailbox, &name);
	if (o != OK || !mailbox_find(x.account, name))
		o = NO_SUCH;
	else if (account_over_quota(x.account, q->size, q->messages))
		o = OVER_QUOTA;
	else if (!shard_has_room(&x.store->shard))
		o = NO_ROOM;
	ipc_room_for_reply_send(c, o);
	session_leave(&x);
}

/* As of what is staged: the answer waits until it is durable. */
SUSPENDS void serve_quota(void *ctx, struct ipc_call *c, const void *msg)
{
	const struct ipc_quota *q = msg;
	struct ipc_quota_reply r;
	struct account *a;
	struct session x;

	if (!session_enter(&x, ctx, c, q->handle))
		return;
	a = x.account;
	r = (struct ipc_quota_reply){ a->head.bytes, a->head.messages, a->quota_bytes, a->quota_messages };
	ipc_quota_reply_send(c, session_wait(&x, a->part.staged), &r);
	session_leave(&x);
}

/* Whose handle it is, and that the sender address is the account's own: itself, with a detail, or an alias that leads to it. The null path,
 * which has no name to lie about, is anybody's who is logged in. */
void serve_owns(void *ctx, struct ipc_call *c, const void *msg)
{
	const struct ipc_owns *q = msg;
	struct ipc_owns_reply r = { 0 };
	struct store *s = ctx;
	struct account *a;
	struct handle *h;
	enum outcome o = owner(s, q->handle, holder_edge(q->edge, q->edge_life), &h, &a);

	if (o == OK) {
		r.account = a->id;
		o = (!q->from.local.n && !q->from.domain.n) || directory_leads_to(&s->directory, &q->from, a->id) ? OK : DENIED;
		r.sent_copy = o == OK && copies_sent(a);
		r.suppresses = o == OK && suppression_any(&s->shard, a->id);
		account_put(a);
	}
	ipc_owns_reply_send(c, o, &r);
}

/* The owner's copy of a letter that was accepted for others. */
SUSPENDS void serve_sent_copy(void *ctx, struct ipc_call *c, const void *msg)
{
	const struct ipc_sent_copy *q = msg;
	struct letter l = { .special = MBOX_SENT, .flags = MSG_SEEN, .date_s = q->date_s, .index = q->index, .body = &q->body };
	struct sent sent = { .by = SENT_BY_SUBMISSION };
	struct ipc_sent_copy_reply r = { 0 };
	struct placed placed = { 0 };
	struct store *s = ctx;
	struct account *a;
	enum outcome o = account_get(&s->shard, q->account, &a);

	if (o != OK) {
		call_reply(c, o, NULL);
		return;
	}
	if (s->limits.sent_window_ms && sent_look(a, q->index, &q->body, &sent))
		l.sent = &sent;
	o = letter_stage(a, q->delivery, &l, &placed);
	if (o == OK && !account_wait(a, placed.serial))
		o = TRY_LATER;
	s->shard.stats.n_sent_copies += o == OK;
	s->shard.stats.n_sent_joined += o == OK && placed.joined;
	r.uid = placed.uid;
	account_put(a);
	ipc_sent_copy_reply_send(c, o, &r);
}
