/* store/service_outgoing.c - the messages of the queue of letters that leave.
 * Suspends    until what was asked is durable: an answer OK is a promise.
 * Invariants  U5 once a post has read the queue nothing that an earlier life of it asked for gets in any more, so that it knows all letters.
 */
#include "store/lane.h"
#include "store/outgoing.h"
#include "store/outgoing_find.h"
#include "store/service.h"

SUSPENDS void serve_queue_send(void *ctx, struct ipc_call *c, const void *msg)
{
	struct ipc_queue_send_reply r = { 0 };
	struct store *s = ctx;

	if (peer_life(call_peer(c)) < s->shard.lane.post_life) {
		call_reply(c, TRY_LATER, NULL);
		return;
	}
	ipc_queue_send_reply_send(c, outgoing_send(&s->shard, msg, &r), &r);
}

SUSPENDS void serve_queue_load(void *ctx, struct ipc_call *c, const void *msg)
{
	struct ipc_queue_load_reply r = { 0 };
	struct store *s = ctx;

	if (peer_life(call_peer(c)) > s->shard.lane.post_life)
		s->shard.lane.post_life = peer_life(call_peer(c));
	ipc_queue_load_reply_send(c, outgoing_load(&s->shard, msg, call_arena(c), &r), &r);
}

SUSPENDS void serve_queue_read(void *ctx, struct ipc_call *c, const void *msg)
{
	struct ipc_queue_read_reply r = { 0 };
	struct store *s = ctx;

	ipc_queue_read_reply_send(c, outgoing_read(&s->shard, msg, call_arena(c), &r), &r);
}

void serve_queue_body(void *ctx, struct ipc_call *c, const void *msg)
{
	struct ipc_queue_body_reply r = { 0 };
	struct store *s = ctx;
	struct buf bytes;
	enum outcome o;

	buf_init(&bytes, SIZE_MAX);
	o = outgoing_body(&s->shard, msg, call_arena(c), &bytes);
	r.bytes = buf_str(&bytes);
	ipc_queue_body_reply_send(c, o, &r);
	buf_fini(&bytes);
}

SUSPENDS void serve_queue_begin(void *ctx, struct ipc_call *c, const void *msg)
{
	struct store *s = ctx;

	ipc_queue_begin_reply_send(c, outgoing_begin(&s->shard, msg, call_arena(c)));
}

SUSPENDS void serve_queue_settle(void *ctx, struct ipc_call *c, const void *msg)
{
	struct ipc_queue_settle_reply r = { 0 };
	struct store *s = ctx;

	ipc_queue_settle_reply_send(c, outgoing_settle(&s->shard, msg, call_arena(c), &r.left), &r);
}

SUSPENDS void serve_queue_reported(void *ctx, struct ipc_call *c, const void *msg)
{
	struct ipc_queue_reported_reply r = { 0 };
	struct store *s = ctx;

	ipc_queue_reported_reply_send(c, outgoing_reported(&s->shard, msg, call_arena(c), &r.left), &r);
}

SUSPENDS void serve_queue_change(void *ctx, struct ipc_call *c, const void *msg)
{
	struct store *s = ctx;

	ipc_queue_change_reply_send(c, outgoing_change(&s->shard, msg, call_arena(c)));
}

void serve_queue_page(void *ctx, struct ipc_call *c, const void *msg)
{
	struct ipc_queue_page_reply r = { 0 };
	struct store *s = ctx;

	ipc_queue_page_reply_send(c, outgoing_page(&s->shard, msg, call_arena(c), &r), &r);
}

void serve_history_find(void *ctx, struct ipc_call *c, const void *msg)
{
	struct ipc_history_find_reply r = { 0 };
	struct store *s = ctx;

	ipc_history_find_reply_send(c, outgoing_history(&s->shard, msg, call_arena(c), &r), &r);
}
