/* imap/read.c - gathering a command: its line, and its literals in place (RFC 3501 4.3, 7.5; RFC 7888)
 * Purpose     the parsers see one run of bytes, "a LOGIN {5}\r\nalice {3}\r\nabc", and never the stream.
 * Trust       input is hostile: lines and literals are bounded by settings. What was sent without being asked for is read and
 *             dropped up to the size of a letter; beyond that the session ends, since what follows is no command.
 * Suspends    wherever it reads.
 * Invariants  I1 nothing that belongs to a refused command is ever taken for a command of its own.
 */
#include "imap/imap.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#define TAIL_KEPT 64  /* bytes of a line's end: what may announce a literal */
#define LINE_ROOM 512 /* at once, so that a password is not copied about while the buffer grows */
#define APPEND_LITERALS 2 /* the message is the first or, behind a mailbox's name, the second */

void imap_line_forget(struct imap *im)
{
	if (im->line.p)
		OPENSSL_cleanse(im->line.p, im->line.cap);
	buf_fini(&im->line);
}

/* The end of a line, which may announce a literal, whether the line was kept or not. */
struct tail {
	char p[TAIL_KEPT];
	size_t n;
};

static void tail_add(struct tail *t, struct str chunk)
{
	struct str end = str_from(chunk, chunk.n > TAIL_KEPT ? chunk.n - TAIL_KEPT : 0);
	size_t keep = t->n < TAIL_KEPT - end.n ? t->n : TAIL_KEPT - end.n;

	memmove(t->p, t->p + t->n - keep, keep);
	memcpy(t->p + keep, end.p, end.n);
	t->n = keep + end.n;
}

enum line_state { LINE_READ, LINE_OVER, LINE_BROKEN, LINE_LOST };

/* Reads to the line's end, adding it to im->line as far as *room allows. */
static SUSPENDS enum line_state take_line(struct imap *im, size_t *room, struct tail *tail)
{
	struct stream *s = &im->d->stream;
	bool over = false;

	tail->n = 0;
	for (;;) {
		struct str in = stream_peek(s), chunk, kept;
		ssize_t lf = str_find(in, '\n');

		if (in.n == 0)
			return LINE_LOST;
		chunk = str_sub(in, 0, lf < 0 ? in.n : (size_t)lf + 1);
		kept = str_sub(chunk, 0, *room);
		over |= kept.n < chunk.n;
		buf_add(&im->line, kept);
		*room -= kept.n;
		tail_add(tail, chunk);
		stream_take(s, chunk.n);
		if (lf >= 0)
			return over ? LINE_OVER : LINE_READ;
	}
}

/* The same without the line's end, which is CR LF. */
static SUSPENDS enum line_state add_line(struct imap *im, size_t *room, struct tail *tail)
{
	size_t from = im->line.n;
	enum line_state r = take_line(im, room, tail);
	bool crlf = tail->n >= 2 && tail->p[tail->n - 2] == '\r';

	if (r == LINE_LOST)
		return r;
	tail->n -= crlf ? 2 : 1;
	if (r == LINE_OVER)
		return r;
	buf_cut(&im->line, im->line.n - (crlf ? 2 : 1));
	return crlf && str_find(str_from(buf_str(&im->line), from), '\r') < 0 ? LINE_READ : LINE_BROKEN;
}

static bool announces(const struct tail *t, struct imap_literal *out)
{
	return imap_literal_at_end(str_of(t->p, t->n), out);
}

static SUSPENDS bool swallow(struct imap *im, uint64_t n)
{
	while (n) {
		struct str in = str_sub(stream_peek(&im->d->stream), 0, n < SIZE_MAX ? (size_t)n : SIZE_MAX);

		if (in.n == 0)
			return false;
		stream_take(&im->d->stream, in.n);
		n -= in.n;
	}
	return true;
}

static enum imap_input refuse(struct imap *im, struct str code, struct str text)
{
	im->code = code;
	im->text = text;
	return IMAP_INPUT_REFUSED;
}

static void refuse_line(struct imap *im, enum line_state r)
{
	if (r == LINE_OVER)
		refuse(im, STR("LIMIT"), STR("The line is too long"));
	else
		refuse(im, STR("CLIENTBUG"), STR("A line ends with CR LF and nothing else"));
}

/* The command is refused already. Reads what its client sends nevertheless: a literal that waits for no answer, the rest of
 * the line, and so on. */
static SUSPENDS enum imap_input drop_rest(struct imap *im, struct tail *tail)
{
	const struct conf_limits *limits = &im->d->conf->limits;
	uint64_t room = 2 * limits->message_size_max + limits->imap_literal_command_size_max;
	struct imap_literal literal;

	for (;;) {
		size_t none = 0;

		if (!announces(tail, &literal) || literal.sync)
			return IMAP_INPUT_REFUSED;
		if (literal.size > room) {
			im->bye = "too much was sent for a command that is refused";
			return IMAP_INPUT_REFUSED;
		}
		room -= literal.size;
		if (!swallow(im, literal.size))
			return IMAP_INPUT_GONE;
		if (add_line(im, &none, tail) == LINE_LOST)
			return IMAP_INPUT_GONE;
	}
}

SUSPENDS bool imap_drop(struct imap *im, const struct imap_literal *literal)
{
	struct tail tail = { 0 };
	struct str text;

	if (literal->sync)
		return true;
	text = str_of(tail.p, (size_t)snprintf(tail.p, sizeof tail.p, "{%llu+}", (unsigned long long)literal->size));
	tail.n = text.n;
	return drop_rest(im, &tail) != IMAP_INPUT_GONE;
}

SUSPENDS enum imap_input imap_read_more(struct imap *im, size_t *room, struct imap_literal *next, bool *announced)
{
	struct tail tail;
	enum line_state r;

	*announced = false;
	im->line.n = 0;
	r = add_line(im, room, &tail);
	if (r == LINE_LOST)
		return IMAP_INPUT_GONE;
	if (r != LINE_READ) {
		refuse_line(im, r);
		return drop_rest(im, &tail);
	}
	*announced = announces(&tail, next);
	return IMAP_INPUT_COMMAND;
}

/* The text so far is an APPEND that lacks nothing but its message. */
static bool is_append(struct imap *im)
{
	struct cur c = cur_of(buf_str(&im->line));
	struct imap_append *x = arena_new(&im->cmd, struct imap_append);

	imap_tag(&c);
	imap_need_sp(&c);
	if (!cur_ok(&c) || !imap_try_word(&c, STR("APPEND")) || !cur_try(&c, ' '))
		return false;
	if (!imap_append_parse(cur_rest(&c), &im->cmd, x))
		return false;
	im->append_literal = x->literal;
	return true;
}

static SUSPENDS enum imap_input add_literal(struct imap *im, const struct imap_literal *literal, uint64_t *room)
{
	if (literal->size > *room)
		return refuse(im, STR("LIMIT"), STR("The literal is too large"));
	*room -= literal->size;
	if (literal->sync)
		stream_write(&im->d->stream, STR("+ Go ahead\r\n"));
	buf_addz(&im->line, "\r\n");
	return stream_read(&im->d->stream, (size_t)literal->size, &im->line) ? IMAP_INPUT_COMMAND : IMAP_INPUT_GONE;
}

SUSPENDS enum imap_input imap_read(struct imap *im)
{
	const struct conf_limits *limits = &im->d->conf->limits;
	uint64_t literals = limits->imap_literal_command_size_max;
	size_t room = limits->imap_line_size_max;
	struct imap_literal literal;
	enum imap_input input;
	struct tail tail;

	imap_line_forget(im);
	buf_room(&im->line, LINE_ROOM);
	for (unsigned n_literals = 1;; n_literals++) {
		enum line_state r = add_line(im, &room, &tail);

		if (r == LINE_LOST)
			return IMAP_INPUT_GONE;
		if (r != LINE_READ) {
			refuse_line(im, r);
			return drop_rest(im, &tail);
		}
		if (!announces(&tail, &literal))
			break;
		if (n_literals <= APPEND_LITERALS && is_append(im))
			return IMAP_INPUT_APPEND;
		input = add_literal(im, &literal, &literals);
		if (input == IMAP_INPUT_REFUSED)
			return drop_rest(im, &tail);
		if (input != IMAP_INPUT_COMMAND)
			return input;
	}
	if (str_find(buf_str(&im->line), 0) >= 0)
		return refuse(im, STR("CLIENTBUG"), STR("A command holds no NUL"));
	return IMAP_INPUT_COMMAND;
}

SUSPENDS enum imap_input imap_read_line(struct imap *im, size_t size_max)
{
	struct tail tail;

	imap_line_forget(im);
	buf_room(&im->line, LINE_ROOM);
	switch (add_line(im, &size_max, &tail)) {
	case LINE_LOST:
		return IMAP_INPUT_GONE;
	case LINE_READ:
		return IMAP_INPUT_COMMAND;
	default:
		return IMAP_INPUT_REFUSED;
	}
}
