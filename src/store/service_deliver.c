/* store/service_deliver.c - deliveries and appends, asked for by post.
 * Suspends    until the letter is durable: an answer OK is a promise.
 */
#include "store/deliver.h"
#include "store/service.h"

#include "ipc/words.h"

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
static enum outcome owner(struct store *s, uint64_t handle, struct holder who, struct account **out)
{
	struct handle *h;
	enum outcome o = handle_find(&s->shard, handle, who, &h);

	if (o != OK)
		return o;
	*out = h->account;
	account_pin(*out);
	return OK;
}

SUSPENDS void serve_append_to(void *ctx, struct ipc_call *c, const void *msg)
{
	const struct ipc_append_to *q = msg;
	struct letter l = { .mailbox = q->mailbox,
		.flags = q->flags,
		.keywords = q->keywords,
		.n_keywords = q->n_keywords,
		.date_s = q->date_s,
		.index = q->index,
		.body = &q->body };
	struct ipc_append_to_reply r = { 0 };
	struct placed placed = { 0 };
	struct store *s = ctx;
	struct account *a;
	enum outcome o = owner(s, q->handle, holder_edge(q->edge, q->edge_life), &a);

	if (o != OK) {
		call_reply(c, o, NULL);
		return;
	}
	o = letter_stage(a, STR(""), &l, &placed);
	if (o == OK && !account_wait(a, placed.serial))
		o = TRY_LATER;
	s->shard.stats.n_appended += o == OK;
	r = (struct ipc_append_to_reply){ placed.uidvalidity, placed.uid };
	account_put(a);
	ipc_append_to_reply_send(c, o, &r);
}

/* Whose handle it is, and that the sender address is the account's own: itself, with a detail, or an alias that leads to it. */
void serve_owns(void *ctx, struct ipc_call *c, const void *msg)
{
	const struct ipc_owns *q = msg;
	struct ipc_owns_reply r = { 0 };
	struct store *s = ctx;
	struct account *a;
	enum outcome o = owner(s, q->handle, holder_edge(q->edge, q->edge_life), &a);

	if (o == OK) {
		r.account = a->id;
		o = directory_leads_to(&s->directory, &q->from, a->id) ? OK : DENIED;
		account_put(a);
	}
	ipc_owns_reply_send(c, o, &r);
}
