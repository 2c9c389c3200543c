/* sim/talk.c - a client's side of the conversation: commands out, responses in, with their literals. */
#include "sim/client.h"

#include "base/die.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_ ((size_t)1 << 19)
#define ANSWER_WITHIN_MS 60000
#define LOGIN_TRIES 200

/* One whole response into c->response, without its last CRLF. False: the connection is gone. */
static SUSPENDS bool read_response(struct client *c)
{
	struct str line;
	ssize_t open;
	uint32_t n;

	buf_reset(&c->response);
	for (;;) {
		if (stream_line(&c->stream, &line, LINE_MAX_) != LINE_OK)
			return false;
		buf_add(&c->response, line);
		open = line.n && line.p[line.n - 1] == '}' ? str_rfind(line, '{') : -1;
		if (open < 0 || !str_to_u32(str_sub(line, (size_t)open + 1, line.n - (size_t)open - 2), &n))
			break;
		buf_addz(&c->response, "\r\n");
		if (!stream_read(&c->stream, n, &c->response))
			return false;
	}
	sim_say(c->sim, c->name, '<', buf_str(&c->response));
	return true;
}

static enum result tagged(struct client *c, struct str rest)
{
	ssize_t open = str_find(rest, '['), end = str_find(rest, ']');

	if (open >= 0 && open < 4 && end > open) {
		buf_reset(&c->code);
		buf_add(&c->code, str_sub(rest, (size_t)open + 1, (size_t)(end - open - 1)));
	}
	return str_starts(rest, STR("OK")) ? RESULT_OK : str_starts(rest, STR("NO")) ? RESULT_NO : RESULT_BAD;
}

static SUSPENDS enum result gone(struct client *c)
{
	sim_say(c->sim, c->name, '<', STR("(gone)"));
	if (c->stream.end == STREAM_EXPIRED)
		sim_fail(c->sim, "%s: no answer within %d s", c->name, ANSWER_WITHIN_MS / 1000);
	if (!c->bye)
		sim_fail(c->sim, "%s: the server went away without a BYE", c->name);
	client_disconnect(c);
	return RESULT_GONE;
}

SUSPENDS enum result client_hear(struct client *c)
{
	size_t tag_n = strlen(c->tag);

	stream_deadline(&c->stream, ANSWER_WITHIN_MS);
	for (;;) {
		struct str r;

		if (!read_response(c))
			return gone(c);
		r = buf_str(&c->response);
		if (str_starts(r, STR("* "))) {
			picture_told(c);
			continue;
		}
		if (str_starts(r, STR("+ ")))
			return RESULT_PLUS;
		if (!str_starts(r, str_z(c->tag)) || r.n < tag_n + 3)
			sim_fail(c->sim, "%s waits for the answer to %s and hears: %.*s", c->name, c->tag, STR_ARG(r));
		c->doing = DOING_NOTHING;
		return tagged(c, str_from(r, tag_n + 1));
	}
}

SUSPENDS void client_send(struct client *c, struct str line)
{
	sim_say(c->sim, c->name, '>', line);
	stream_write(&c->stream, line);
	stream_write(&c->stream, STR("\r\n"));
	stream_flush(&c->stream);
}

SUSPENDS enum result client_command(struct client *c, enum doing doing, const char *fmt, ...)
{
	struct buf line;
	va_list ap;

	client_listen(c, 1); /* a BYE may have come already */
	if (!c->connected)
		return RESULT_GONE;
	snprintf(c->tag, sizeof c->tag, "a%u", ++c->next_tag);
	buf_init(&line, LINE_MAX_);
	buf_addf(&line, "%s ", c->tag);
	va_start(ap, fmt);
	buf_vaddf(&line, fmt, ap);
	va_end(ap);
	buf_reset(&c->code);
	c->found.n = 0;
	c->doing = doing;
	client_send(c, buf_str(&line));
	buf_fini(&line);
	return client_hear(c);
}

SUSPENDS void client_listen(struct client *c, int64_t ms)
{
	int64_t until_ms = sched_now_ms(c->sim->world.sched) + ms;

	stream_deadline(&c->stream, NEVER_MS);
	while (c->connected && stream_wait(&c->stream, NULL, until_ms) == STREAM_EV_INPUT) {
		if (!read_response(c))
			gone(c);
		else if (str_starts(buf_str(&c->response), STR("* ")))
			picture_told(c);
	}
}

SUSPENDS void client_disconnect(struct client *c)
{
	if (c->connected)
		stream_close(&c->stream);
	c->connected = false;
	picture_forget(c);
}

static SUSPENDS bool login(struct client *c, const char *user)
{
	enum result r;

	c->bye = false;
	c->doing = DOING_NOTHING;
	stream_open_fd(&c->stream, c->sim->world.sched, edge_connect(c->sim->edge, SERVICE_IMAP));
	c->connected = true;
	sim_say(c->sim, c->name, '>', STR("(connects)"));
	stream_deadline(&c->stream, ANSWER_WITHIN_MS);
	if (!read_response(c))
		return false;
	r = client_command(c, DOING_ANY, "LOGIN %s secret", user);
	if (r != RESULT_OK)
		client_disconnect(c);
	return r == RESULT_OK;
}

SUSPENDS bool client_connect(struct client *c, const char *user)
{
	for (int i = 0; i < LOGIN_TRIES; i++) {
		if (login(c, user))
			return true;
		task_sleep(c->sim->world.sched, 100);
	}
	sim_fail(c->sim, "%s cannot log in", c->name);
}

SUSPENDS enum result client_select(struct client *c, unsigned box, bool readonly)
{
	enum result r;

	picture_forget(c);
	c->box = (int)box;
	c->readonly = readonly;
	c->selected_at = oracle_tick(&c->sim->oracle);
	r = client_command(c, DOING_ANY, "%s %s", readonly ? "EXAMINE" : "SELECT", sim_box_names[box]);
	if (r != RESULT_OK)
		picture_forget(c);
	return r;
}
