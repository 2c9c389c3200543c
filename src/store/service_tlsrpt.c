/* store/service_tlsrpt.c - the messages about TLS reports and MTA-STS policies.
 * Suspends    until what was asked is durable.
 */
#include "store/service.h"
#include "store/tlsrpt.h"

SUSPENDS void serve_tlsrpt_add(void *ctx, struct ipc_call *c, const void *msg)
{
	struct store *s = ctx;

	ipc_tlsrpt_add_reply_send(c, tlsrpt_add(&s->shard, msg, call_arena(c)));
}

void serve_tlsrpt_list(void *ctx, struct ipc_call *c, const void *msg)
{
	struct ipc_tlsrpt_list_reply r = { 0 };
	struct store *s = ctx;

	ipc_tlsrpt_list_reply_send(c, tlsrpt_list(&s->shard, msg, call_arena(c), &r), &r);
}

void serve_tlsrpt_read(void *ctx, struct ipc_call *c, const void *msg)
{
	struct ipc_tlsrpt_read_reply r = { 0 };
	struct store *s = ctx;

	ipc_tlsrpt_read_reply_send(c, tlsrpt_read(&s->shard, msg, call_arena(c), &r), &r);
}

SUSPENDS void serve_tlsrpt_done(void *ctx, struct ipc_call *c, const void *msg)
{
	struct store *s = ctx;

	ipc_tlsrpt_done_reply_send(c, tlsrpt_done(&s->shard, msg));
}

SUSPENDS void serve_sts_keep(void *ctx, struct ipc_call *c, const void *msg)
{
	struct store *s = ctx;

	ipc_sts_keep_reply_send(c, sts_keep(&s->shard, msg));
}

SUSPENDS void serve_sts_list(void *ctx, struct ipc_call *c, const void *msg)
{
	struct ipc_sts_list_reply r = { 0 };
	struct store *s = ctx;

	ipc_sts_list_reply_send(c, sts_list(&s->shard, msg, call_arena(c), &r), &r);
}
