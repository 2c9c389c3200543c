/* store/service_move.c - mail that a command moves in and out: letters as they were, numbers of mailboxes, what was moved before.
 * Suspends    until what was staged is durable: an answer OK is a promise.
 * Invariants  I1 a mailbox takes another's UIDVALIDITY only while no message was ever in it and nobody looks at it: no client can
 *             know a message under both. I2 S6 of account.c holds: the account's counter stays above every UIDVALIDITY.
 */
#include "store/deliver.h"
#include "store/service.h"

SUSPENDS void serve_import_to(void *ctx, struct ipc_call *c, const void *msg)
{
	const struct ipc_import_to *q = msg;
	struct letter l = { .mailbox = q->mailbox,
		.flags = q->flags,
		.keywords = q->keywords,
		.n_keywords = q->n_keywords,
		.date_s = q->date_s,
		.index = q->index,
		.body = &q->body,
		.moved_in = true,
		.uid = q->uid,
		.uidl = q->uidl };
	struct ipc_import_to_reply r = { 0 };
	struct placed placed = { 0 };
	struct store *s = ctx;
	struct account *a;
	struct handle *h;
	enum outcome o = handle_find(&s->shard, q->handle, (struct holder){ ROLE_CTL, 0, q->life }, &h);

	if (o == OK && (q->id.n == 0 || (q->uidl.n && !uidl_is_sound(q->uidl))))
		o = BAD_SYNTAX;
	if (o != OK) {
		call_reply(c, o, NULL);
		return;
	}
	a = h->account;
	account_pin(a);
	o = letter_stage(a, q->id, &l, &placed);
	if (o == OK && !account_wait(a, placed.serial))
		o = TRY_LATER;
	s->shard.stats.n_moved_in += o == OK;
	r = (struct ipc_import_to_reply){ placed.uid, placed.left_out };
	account_put(a);
	ipc_import_to_reply_send(c, o, &r);
}

/* ---- numbers of a mailbox */

static bool takes_uidvalidity(const struct mailbox *m, uint32_t wanted)
{
	return m->uidnext == 1 && wanted && wanted < UINT32_MAX && wanted != m->uidvalidity;
}

static SUSPENDS enum outcome numbers(struct session *x, const struct ipc_mailbox_numbers *q, struct ipc_mailbox_numbers_reply *r)
{
	struct account *a = x->account;
	struct mailbox *m = NULL;
	struct str name;
	enum outcome o = session_name(x, q->name, &name);

	if (o == OK && !(m = mailbox_find(a, name)))
		o = NO_SUCH;
	if (o == OK && !mailbox_settle(m))
		o = TRY_LATER;
	if (o == OK && (!session_again(x) || mailbox_find(a, name) != m))
		o = TRY_LATER;
	if (o == OK && takes_uidvalidity(m, q->uidvalidity) && m->n_selections)
		o = IN_USE;
	if (o != OK)
		return o;
	if (takes_uidvalidity(m, q->uidvalidity)) {
		m->uidvalidity = q->uidvalidity;
		if (a->head.uidvalidity_next <= q->uidvalidity)
			a->head.uidvalidity_next = q->uidvalidity + 1; /* I2 */
		account_change(a, m);
	}
	if (q->uidnext > m->uidnext) {
		if (m->recent == 0)
			m->watermark = q->uidnext;
		m->uidnext = q->uidnext;
		account_change(a, m);
	}
	*r = (struct ipc_mailbox_numbers_reply){ m->uidvalidity, m->uidnext };
	return session_wait(x, m->dirty ? account_stage(a) : a->part.staged);
}

SUSPENDS void serve_mailbox_numbers(void *ctx, struct ipc_call *c, const void *msg)
{
	const struct ipc_mailbox_numbers *q = msg;
	struct ipc_mailbox_numbers_reply r = { 0 };
	struct session x;

	if (!session_enter(&x, ctx, c, q->handle))
		return;
	ipc_mailbox_numbers_reply_send(c, numbers(&x, q, &r), &r);
	session_leave(&x);
}

/* ---- what was moved before */

static struct key mark_key(struct str id)
{
	return key_bytes(key_of('I'), id);
}

/* Answers from what is durable: a letter that is under way is not moved yet. */
void serve_moved_find(void *ctx, struct ipc_call *c, const void *msg)
{
	const struct ipc_moved_find *q = msg;
	struct ipc_moved_find_reply r = { 0 };
	struct session x;
	uint32_t *uids;
	struct buf v;

	if (!session_enter(&x, ctx, c, q->handle))
		return;
	uids = arena_array(&x.work, q->n_ids + 1, sizeof *uids);
	buf_init(&v, 256);
	for (size_t i = 0; i < q->n_ids; i++) {
		struct mark_row row;

		buf_reset(&v);
		if (engine_get(x.account->part.port, NULL, x.account->id, KEY_STR(mark_key(q->ids[i])), &v) &&
			mark_row_decode(buf_str(&v), &row))
			uids[i] = row.uid;
	}
	buf_fini(&v);
	r.uids = uids;
	r.n_uids = q->n_ids;
	ipc_moved_find_reply_send(c, OK, &r);
	session_leave(&x);
}

SUSPENDS void serve_moved_add(void *ctx, struct ipc_call *c, const void *msg)
{
	const struct ipc_moved_add *q = msg;
	struct mark_row row = { .uid = UINT32_MAX };
	struct session x;
	enum outcome o = OK;
	struct buf v;

	if (!session_enter(&x, ctx, c, q->handle))
		return;
	row.time_s = shard_now_s(&x.store->shard);
	buf_init(&v, 256);
	mark_row_encode(&row, &v);
	for (size_t i = 0; i < q->n_ids; i++) {
		if (q->ids[i].n == 0)
			o = BAD_SYNTAX;
		else
			engine_put(account_batch(x.account), KEY_STR(mark_key(q->ids[i])), buf_str(&v));
	}
	buf_fini(&v);
	if (q->n_ids && o == OK)
		o = session_wait(&x, account_stage(x.account));
	ipc_moved_add_reply_send(c, o);
	session_leave(&x);
}
