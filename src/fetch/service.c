/* fetch/service.c - calls of relay as HTTPS requests.
 * Suspends    each call in its own task, until its answer is there.
 */
#include "fetch/service.h"

#define POST_ANSWER_MAX 65536 /* it is read to its end, and thrown away */

static struct str cut(const char *z, size_t max)
{
	return str_sub(str_z(z), 0, max);
}

static SUSPENDS void on_get(void *ctx, struct ipc_call *call, const void *msg)
{
	struct fetch_service *f = ctx;
	const struct ipc_https_get *m = msg;
	struct https_request r = { .host = m->host, .port = m->port, .path = m->path, .addresses = m->addresses, .n_addresses = m->n_addresses,
		.size_max = m->size_max < IPC_HTTPS_GET_BYTES_MAX ? m->size_max : IPC_HTTPS_GET_BYTES_MAX, .timeout_ms = f->timeout_ms };
	struct https_answer *a = arena_new(call_arena(call), struct https_answer);
	enum outcome o = https_ask(f->https, &r, a);

	ipc_https_get_reply_send(call, o, &(struct ipc_https_get_reply){ .status = (uint16_t)a->status,
		.content_type = cut(a->content_type, IPC_HTTPS_GET_CONTENT_TYPE_MAX), .certificate_bad = a->certificate_bad,
		.why = cut(a->why, IPC_HTTPS_GET_WHY_MAX), .bytes = buf_str(&a->bytes) });
	buf_fini(&a->bytes);
}

static SUSPENDS void on_post(void *ctx, struct ipc_call *call, const void *msg)
{
	struct fetch_service *f = ctx;
	const struct ipc_https_post *m = msg;
	struct https_answer *a = arena_new(call_arena(call), struct https_answer);
	struct https_request r = { .host = m->host, .port = m->port, .path = m->path, .addresses = m->addresses, .n_addresses = m->n_addresses,
		.content_type = arena_dupz(call_arena(call), m->content_type), .size_max = POST_ANSWER_MAX, .timeout_ms = f->timeout_ms };
	struct body_map map;
	enum outcome o = body_map(&m->body, &map);

	if (o != OK) {
		ipc_https_post_reply_send(call, o, &(struct ipc_https_post_reply){ 0 });
		return;
	}
	r.body = map.bytes;
	o = https_ask(f->https, &r, a);
	body_unmap(&map);
	ipc_https_post_reply_send(call, o, &(struct ipc_https_post_reply){ .status = (uint16_t)a->status,
		.why = cut(a->why, IPC_HTTPS_POST_WHY_MAX) });
	buf_fini(&a->bytes);
}

void fetch_handlers(ipc_handler *handlers[IPC_TYPE_COUNT])
{
	handlers[IPC_HTTPS_GET] = on_get;
	handlers[IPC_HTTPS_POST] = on_post;
}
