/* store/service_queue.c - the lane's messages. */
#include "store/queue.h"
#include "store/service.h"

SUSPENDS void serve_queue_put(void *ctx, struct ipc_call *c, const void *msg)
{
	struct ipc_queue_put_reply r = { 0 };
	struct store *s = ctx;

	ipc_queue_put_reply_send(c, queue_put(&s->shard, msg, &r.id), &r);
}

void serve_queue_list(void *ctx, struct ipc_call *c, const void *msg)
{
	const struct ipc_queue_list *q = msg;
	struct store *s = ctx;
	uint64_t *ids = arena_array(call_arena(c), IPC_QUEUE_LIST_IDS_MAX, sizeof *ids);
	struct ipc_queue_list_reply r = { .ids = ids };

	r.n_ids = queue_list(&s->shard, q->after, ids, IPC_QUEUE_LIST_IDS_MAX);
	ipc_queue_list_reply_send(c, OK, &r);
}

SUSPENDS void serve_queue_deliver(void *ctx, struct ipc_call *c, const void *msg)
{
	const struct ipc_queue_deliver *q = msg;
	struct ipc_queue_deliver_reply r = { 0 };
	struct store *s = ctx;

	ipc_queue_deliver_reply_send(c, queue_deliver(&s->shard, q->id, &r.left), &r);
}
