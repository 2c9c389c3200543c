/* relay/client.c - a session of the client: greeting, STARTTLS, the end. See the header.
 * Trust       the other server may be hostile: client_reply.c bounds what it says.
 * Owns        nothing but the buffer of a line: the stream is the caller's.
 * Suspends    until replies, each with its own time (RFC 5321 4.5.3.2).
 */
#include "relay/client_impl.h"

#define QUIT_MS 1000 /* that its reply is waited for */

void client_init(struct client *c, struct stream *s, enum conf_route_protocol protocol, struct str helo, const struct conf_timeouts *timeouts)
{
	*c = (struct client){ .s = s, .timeouts = timeouts, .lmtp = protocol == CONF_ROUTE_LMTP, .helo = helo };
	buf_init(&c->line, CLIENT_REPLY_LINE_MAX);
}

void client_fini(struct client *c)
{
	buf_fini(&c->line);
}

SUSPENDS enum client_end client_open(struct client *c)
{
	enum client_end end = client_hear(c, 2, c->timeouts->relay_greeting_ms, "greeting");

	return end == CLIENT_OK ? client_hello(c) : end;
}

SUSPENDS enum client_end client_starttls(struct client *c)
{
	enum client_end end;

	stream_write(c->s, STR("STARTTLS\r\n"));
	end = client_hear(c, 2, c->timeouts->relay_reply_ms, "STARTTLS");
	/* Whoever sits between may have put replies behind the 220 that would be taken for the server's own once TLS is there. */
	if (end == CLIENT_OK)
		stream_drop_input(c->s);
	return end;
}

SUSPENDS enum client_end client_reset(struct client *c)
{
	enum client_end end;

	if (c->broken || client_spoke(c)) {
		if (!c->broken && client_hear(c, 2, c->timeouts->relay_reply_ms, "idle connection") == CLIENT_OK)
			client_explain(c, "4.5.0", "idle connection: the other side spoke without being asked");
		c->broken = true;
		return CLIENT_LOST;
	}
	stream_write(c->s, STR("RSET\r\n"));
	end = client_hear(c, 2, c->timeouts->relay_reply_ms, "RSET");
	c->dirty = end != CLIENT_OK;
	return end;
}

SUSPENDS void client_quit(struct client *c)
{
	if (c->broken || !stream_ok(c->s))
		return;
	stream_write(c->s, STR("QUIT\r\n"));
	if (client_hear(c, 2, QUIT_MS, "QUIT") != CLIENT_LOST)
		c->broken = true;
}
