/* store/service_suppression.c - the messages about addresses that letters are not sent to. */
#include "store/service.h"
#include "store/suppression.h"

void serve_suppressed(void *ctx, struct ipc_call *c, const void *msg)
{
	const struct ipc_suppressed *q = msg;
	struct store *s = ctx;
	struct ipc_suppressed_reply r = { suppression_until(&s->shard, q->account, &q->rcpt) };

	ipc_suppressed_reply_send(c, OK, &r);
}

SUSPENDS void serve_suppress_note(void *ctx, struct ipc_call *c, const void *msg)
{
	ipc_suppress_note_reply_send(c, suppression_note(&((struct store *)ctx)->directory, msg));
}

SUSPENDS void serve_suppression_add(void *ctx, struct ipc_call *c, const void *msg)
{
	ipc_suppression_add_reply_send(c, suppression_add(&((struct store *)ctx)->directory, msg));
}

SUSPENDS void serve_suppression_delete(void *ctx, struct ipc_call *c, const void *msg)
{
	ipc_suppression_delete_reply_send(c, suppression_delete(&((struct store *)ctx)->directory, msg));
}

void serve_suppression_list(void *ctx, struct ipc_call *c, const void *msg)
{
	struct ipc_suppression_list_reply r = { 0 };
	struct store *s = ctx;

	ipc_suppression_list_reply_send(c, suppression_list(&s->directory, msg, call_arena(c), &r), &r);
}
