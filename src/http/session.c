/* http/session.c - a connection: requests in, replies out (RFC 9112).
 * Trust       runs in edge; input is hostile. A head that cannot be read ends the connection: nobody knows where the next would begin.
 * Suspends    in the stream, and where serve does.
 */
#include "http/session.h"

#include "ipc/peer.h"

#include <string.h>

static const char *reason_of(unsigned status)
{
	static const struct {
		unsigned status;
		const char *reason;
	} reasons[] = { { 200, "OK" }, { 400, "Bad Request" }, { 404, "Not Found" }, { 405, "Method Not Allowed" }, { 408, "Request Timeout" },
		{ 413, "Content Too Large" }, { 414, "URI Too Long" }, { 431, "Request Header Fields Too Large" }, { 501, "Not Implemented" },
		{ 503, "Service Unavailable" }, { 505, "HTTP Version Not Supported" } };

	for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return "Error";
}

static SUSPENDS void send_reply(struct door *d, const struct http_request *r, const struct http_reply *reply, bool close)
{
	struct stream *s = &d->stream;
	struct str text = reply->text;

	if (!text.n)
		text = str_z(reason_of(reply->status));
	stream_printf(s, "HTTP/1.1 %u %s\r\nContent-Type: %.*s\r\nContent-Length: %zu\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n",
		reply->status, reason_of(reply->status), STR_ARG(reply->type.n ? reply->type : STR("text/plain; charset=utf-8")), text.n);
	if (reply->allow)
		stream_printf(s, "Allow: %s\r\n", reply->allow);
	if (close)
		stream_write(s, STR("Connection: close\r\n"));
	stream_write(s, STR("\r\n"));
	if (r->method != HTTP_HEAD)
		stream_write(s, text);
	stream_flush(s);
}

/* The status that the line's end makes; 0: go on; 1: the connection is over. */
static unsigned trouble(enum line_result l, unsigned too_long)
{
	if (l == LINE_OK)
		return 0;
	if (l == LINE_GONE)
		return 1;
	return l == LINE_TOO_LONG ? too_long : 400;
}

static SUSPENDS unsigned read_fields(struct door *d, struct http_request *r)
{
	uint32_t n = 0;

	for (;;) {
		struct str line;
		unsigned status = trouble(stream_line(&d->stream, &line, d->conf->limits.http_line_size_max), 431);

		if (status || line.n == 0)
			return status;
		if (++n > d->conf->limits.http_fields_max)
			return 431;
		if (http_field_line(line, r) != OK)
			return 400;
	}
}

/* The whole head; path and query are copied, since fields are read over them. */
static SUSPENDS unsigned read_head(struct door *d, struct http_request *r, struct arena *a)
{
	struct str line;
	unsigned status = trouble(stream_line(&d->stream, &line, d->conf->limits.http_line_size_max), 414);
	enum outcome o;

	if (status)
		return status;
	o = http_request_line(line, r);
	if (o != OK)
		return o == NO_SUCH ? 505 : 400;
	r->path = arena_dup(a, r->path);
	r->query = arena_dup(a, r->query);
	status = read_fields(d, r);
	if (status)
		return status;
	if (r->minor >= 1 && !r->has_host)
		return 400; /* RFC 9112 3.2 */
	return r->has_body ? 413 : 0;
}

void http_serve(struct door *d, void (*serve)(struct door *d, const struct http_request *r, struct arena *a, struct http_reply *out))
{
	bool close = false;

	while (!close && stream_ok(&d->stream) && !*d->stopping) {
		struct http_request r = { 0 };
		struct http_reply reply = { 0 };
		struct arena a;

		arena_init(&a, "http", IPC_REPLY_MEMORY * 2);
		stream_deadline(&d->stream, d->conf->timeouts.http_ms);
		reply.status = read_head(d, &r, &a);
		close = reply.status || r.close;
		if (!reply.status)
			serve(d, &r, &a, &reply);
		if (reply.status != 1)
			send_reply(d, &r, &reply, close || *d->stopping);
		arena_fini(&a);
	}
}
