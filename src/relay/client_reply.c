/* relay/client_reply.c - replies of another server (RFC 5321 4.2, RFC 2034, RFC 3463).
 * Purpose     bytes to code, status and text that can be shown and kept.
 * Trust       the server is hostile: a line, the lines of a reply and the time they take are bounded; nothing but printable ASCII is kept.
 * Owns        the buffer of a line, in the client.
 * Suspends    until a reply is whole, under the deadline set for it once: one that drips is not waited for longer.
 * Invariants  I1 every reply heard answers one command: what is no reply, or one of a class that the command has none of, ends the connection's use,
 *             since nobody knows any more what the next one answers.
 */
#include "relay/client_impl.h"

#include "base/cur.h"

#include <stdio.h>
#include <string.h>

#define SHOWN_MAX 80 /* bytes of what is no reply that are shown */

static bool is_digit(unsigned char c)
{
	return c >= '0' && c <= '9';
}

/* class "." subject "." detail, and then a blank or the end. */
static struct str take_status(struct str *text)
{
	struct cur c = cur_of(*text);
	struct str class = cur_need_span(&c, is_digit), subject, detail, status;

	cur_need(&c, '.');
	subject = cur_need_span(&c, is_digit);
	cur_need(&c, '.');
	detail = cur_need_span(&c, is_digit);
	if (!cur_ok(&c) || class.n != 1 || !strchr("245", class.p[0]) || subject.n > 3 || detail.n > 3 || (!cur_end(&c) && cur_peek(&c) != ' '))
		return (struct str){ 0 };
	status = str_of(class.p, (size_t)(detail.p + detail.n - class.p));
	*text = str_trim(cur_rest(&c));
	return status;
}

bool client_reply_line(struct str line, struct client_reply_line *out)
{
	struct cur c = cur_of(line);
	struct str digits = cur_bytes(&c, 3);
	uint32_t code = 0;

	*out = (struct client_reply_line){ 0 };
	if (!cur_ok(&c) || !str_to_u32(digits, &code) || code < 200 || code > 599)
		return false;
	out->code = (uint16_t)code;
	out->more = cur_try(&c, '-');
	if (!out->more && !cur_end(&c))
		cur_need(&c, ' ');
	if (!cur_ok(&c))
		return false;
	out->whole = out->text = str_trim(cur_rest(&c));
	out->status = take_status(&out->text);
	return true;
}

/* ---- what is kept */

static size_t add_shown(char *out, size_t n, size_t size, struct str s)
{
	for (size_t i = 0; i < s.n && n + 1 < size; i++)
		out[n++] = ascii_is_print(s.p[i]) ? s.p[i] : '?';
	out[n] = 0;
	return n;
}

static void keep_text(struct client_reply *r, struct str text)
{
	size_t n = strlen(r->text);

	if (n && text.n)
		n = add_shown(r->text, n, sizeof r->text, STR(" "));
	add_shown(r->text, n, sizeof r->text, text);
}

/* The class is the code's, whatever the status says (RFC 2034 3). */
static void keep_status(struct client_reply *r, struct str status)
{
	if (status.n && status.n < sizeof r->status)
		snprintf(r->status, sizeof r->status, "%u%.*s", r->code / 100, STR_ARG(str_from(status, 1)));
}

void client_explain(struct client *c, const char *status, const char *fmt, ...)
{
	va_list ap;

	c->reply = (struct client_reply){ 0 };
	snprintf(c->reply.status, sizeof c->reply.status, "%s", status);
	va_start(ap, fmt);
	vsnprintf(c->reply.text, sizeof c->reply.text, fmt, ap);
	va_end(ap);
}

/* ---- reading */

/* The line into c->line, its end included. False: the stream ended. A line too long sets full. */
static SUSPENDS bool read_line(struct client *c)
{
	buf_reset(&c->line);
	for (;;) {
		struct str v = stream_peek(c->s);
		ssize_t lf = str_find(v, '\n');
		size_t n = lf < 0 ? v.n : (size_t)lf + 1;

		if (!v.n)
			return false;
		buf_add(&c->line, str_sub(v, 0, n));
		stream_take(c->s, n);
		if (lf >= 0 || c->line.full)
			return true;
	}
}

static struct str line_of(const struct client *c)
{
	struct str line = buf_str(&c->line);

	if (str_ends(line, STR("\n")))
		line.n--;
	if (str_ends(line, STR("\r")))
		line.n--;
	return line;
}

struct str client_heard(const struct client *c)
{
	struct str line = line_of(c);

	return str_from(line, line.n > 3 ? 4 : line.n);
}

enum client_end client_lost(struct client *c, const char *what)
{
	const char *how = c->s->end == STREAM_EXPIRED ? "no answer came in time" :
			  c->s->end == STREAM_STOPPED ? "we stopped" :
			  c->s->end == STREAM_CLOSED  ? "the other side closed the connection" :
							"the connection was lost";

	c->broken = true;
	client_explain(c, c->s->end == STREAM_EXPIRED ? "4.4.1" : "4.4.2", "%s: %s", what, how);
	return CLIENT_LOST;
}

static enum client_end malformed(struct client *c, const char *what, const char *how, struct str shown)
{
	char text[SHOWN_MAX + 1] = "";

	c->broken = true;
	add_shown(text, 0, sizeof text, shown);
	client_explain(c, "4.5.0", "%s: the other side %s: \"%s\"", what, how, text);
	return CLIENT_LATER;
}

static enum client_end judge(struct client *c, unsigned want, const char *what)
{
	struct client_reply *r = &c->reply;
	unsigned class = r->code / 100;

	if (!r->status[0])
		snprintf(r->status, sizeof r->status, "%u.0.0", class);
	if (r->code == 421) /* it closes (RFC 5321 3.8) */
		c->broken = true;
	if (class == want)
		return CLIENT_OK;
	if (class == 4)
		return CLIENT_LATER;
	if (class == 5)
		return CLIENT_NEVER;
	return malformed(c, what, "gave an answer that belongs to something else", line_of(c));
}

SUSPENDS enum client_end client_hear_lines(struct client *c, unsigned want, int64_t within_ms, const char *what, client_on_line *on_line)
{
	struct client_reply_line line;
	struct client_reply *r = &c->reply;

	*r = (struct client_reply){ 0 };
	stream_deadline(c->s, within_ms);
	for (size_t n = 0;; n++) {
		if (!read_line(c))
			return client_lost(c, what);
		if (c->line.full || n == CLIENT_REPLY_LINES_MAX)
			return malformed(c, what, "gave an answer without an end", line_of(c));
		if (!client_reply_line(line_of(c), &line) || (n && line.code / 100 != r->code / 100))
			return malformed(c, what, "does not speak SMTP", line_of(c));
		r->code = line.code;
		keep_status(r, line.status);
		keep_text(r, line.text);
		if (on_line)
			on_line(c, n, line.whole);
		if (!line.more)
			return judge(c, want, what);
	}
}

SUSPENDS enum client_end client_hear(struct client *c, unsigned want, int64_t within_ms, const char *what)
{
	return client_hear_lines(c, want, within_ms, what, NULL);
}

SUSPENDS bool client_spoke(struct client *c)
{
	if (!c->s->sched)
		return false;
	stream_deadline(c->s, NEVER_MS); /* an earlier reply's may have passed */
	return stream_has_input(c->s) || stream_wait(c->s, NULL, sched_now_ms(c->s->sched)) == STREAM_EV_INPUT;
}
