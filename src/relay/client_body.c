/* relay/client_body.c - the bytes of a letter on their way: lines, dots, chunks (RFC 5321 4.5.2, RFC 3030).
 * Trust       the letter is hostile: no line end but CRLF leaves here unless the other side was told that it is binary, so that nothing in a letter can be
 *             taken for its end.
 * Owns        a buffer of one piece.
 * Suspends    where the other side reads slowly, with a deadline for each piece (RFC 5321 4.5.3.2.5).
 */
#include "relay/client_impl.h"

#include <stdio.h>

#define PIECE ((size_t)32768)
#define POLL_EVERY ((size_t)262144) /* bytes sent before it is looked whether the other side has given up */

/* ---- lines */

void client_lines_init(struct client_lines *x, bool binary, bool dots)
{
	*x = (struct client_lines){ .binary = binary, .dots = dots, .at_start = true };
}

static void end_line(struct client_lines *x, struct buf *out)
{
	buf_addz(out, "\r\n");
	x->at_start = true;
	x->cr = false;
}

static size_t run_of(struct str s)
{
	ssize_t lf = str_find(s, '\n'), cr;

	if (lf >= 0)
		s.n = (size_t)lf;
	cr = str_find(s, '\r');
	return cr >= 0 ? (size_t)cr : s.n;
}

void client_lines_add(struct client_lines *x, struct str in, struct buf *out)
{
	if (x->binary) {
		buf_add(out, in);
		return;
	}
	while (in.n) {
		char ch = in.p[0];
		size_t run = 1;

		if (x->cr || ch == '\n') {
			end_line(x, out);
			run = ch == '\n';
		} else if (ch == '\r') {
			x->cr = true;
		} else {
			run = run_of(in);
			if (x->at_start && x->dots && ch == '.')
				buf_addc(out, '.');
			buf_add(out, str_sub(in, 0, run));
			x->at_start = false;
		}
		in = str_from(in, run);
	}
}

void client_lines_end(struct client_lines *x, struct buf *out)
{
	if (!x->binary && (x->cr || !x->at_start))
		end_line(x, out);
}

/* ---- the letter as it goes */

struct letter {
	struct client_form *f;
	struct client_lines lines;
	struct str left[2]; /* not converted: what is still to go */
	struct str piece;   /* converted: likewise, of what next gave */
};

static void letter_begin(struct letter *x, struct client_form *f, bool dots)
{
	*x = (struct letter){ .f = f, .left = { f->l->prefix, f->l->body } };
	client_lines_init(&x->lines, f->binary, dots);
	if (f->converted) {
		mail_downgrade_rewind(&f->head);
		mail_downgrade_rewind(&f->down);
	}
}

static bool letter_next(struct letter *x, struct str *piece)
{
	struct str *from = &x->piece;

	if (!x->f->converted)
		from = x->left[0].n ? &x->left[0] : &x->left[1];
	else if (!x->piece.n && !mail_downgrade_next(&x->f->head, from) && !mail_downgrade_next(&x->f->down, from))
		return false;
	*piece = str_sub(*from, 0, PIECE);
	*from = str_from(*from, piece->n);
	return piece->n > 0;
}

/* Adds the next piece; false at the end, when the last line's end has been added. out has room for 2 * PIECE + 4 bytes, or gets full. */
static bool letter_add(struct letter *x, struct buf *out)
{
	struct str piece;

	if (letter_next(x, &piece)) {
		client_lines_add(&x->lines, piece, out);
		return true;
	}
	client_lines_end(&x->lines, out);
	return false;
}

bool client_body_small(struct client_form *f, struct buf *out)
{
	struct letter x;

	if (f->size > out->max - out->n)
		return false;
	letter_begin(&x, f, false);
	while (letter_add(&x, out) && !out->full)
		;
	return !out->full;
}

static SUSPENDS bool put(struct client *c, struct str bytes)
{
	stream_deadline(c->s, c->timeouts->relay_part_ms);
	stream_write(c->s, bytes);
	return stream_ok(c->s);
}

SUSPENDS enum client_body_end client_body_data(struct client *c, struct client_form *f)
{
	enum client_body_end end = CLIENT_BODY_SENT;
	struct letter x;
	struct buf out;
	size_t unseen = 0;
	bool more = true;

	buf_init(&out, 2 * PIECE + 4);
	letter_begin(&x, f, true);
	while (more && end == CLIENT_BODY_SENT) {
		buf_reset(&out);
		more = letter_add(&x, &out);
		unseen += out.n;
		if (!put(c, buf_str(&out)))
			end = CLIENT_BODY_LOST;
		else if (unseen >= POLL_EVERY && client_spoke(c))
			end = stream_has_input(c->s) ? CLIENT_BODY_SPOKE : CLIENT_BODY_LOST;
		unseen = unseen >= POLL_EVERY ? 0 : unseen;
	}
	buf_fini(&out);
	if (end == CLIENT_BODY_SENT) { /* all before the dot, so that what fails later can only have failed behind it */
		stream_deadline(c->s, c->timeouts->relay_part_ms);
		stream_flush(c->s);
		end = stream_ok(c->s) ? CLIENT_BODY_SENT : CLIENT_BODY_LOST;
	}
	if (end == CLIENT_BODY_LOST)
		client_lost(c, "sending the letter");
	return end;
}

/* ---- chunks */

struct chunks {
	struct client *c;
	unsigned unheard; /* replies to chunks sent */
};

static SUSPENDS enum client_end hear_chunks(struct chunks *x, unsigned leave)
{
	enum client_end end = CLIENT_OK, first = CLIENT_OK;
	struct client_reply reply;

	while (x->unheard > leave) {
		end = client_hear(x->c, 2, x->c->timeouts->relay_end_ms, "BDAT");
		x->unheard--;
		if (first == CLIENT_OK && end != CLIENT_OK) {
			first = end;
			reply = x->c->reply;
			leave = 0;
		}
		if (end == CLIENT_LOST)
			break;
	}
	if (first != CLIENT_OK)
		x->c->reply = reply;
	return first;
}

static SUSPENDS enum client_end put_chunk(struct chunks *x, struct str bytes, bool last)
{
	char head[40];

	snprintf(head, sizeof head, "BDAT %zu%s\r\n", bytes.n, last ? " LAST" : "");
	if (!put(x->c, str_z(head)))
		return client_lost(x->c, "sending the letter");
	while (bytes.n) {
		struct str piece = str_sub(bytes, 0, PIECE);

		if (!put(x->c, piece))
			return client_lost(x->c, "sending the letter");
		bytes = str_from(bytes, piece.n);
	}
	return CLIENT_OK;
}

SUSPENDS enum client_end client_body_chunks(struct client *c, struct client_form *f, bool *last)
{
	struct chunks x = { .c = c };
	enum client_end end = CLIENT_OK;
	struct letter letter;
	struct buf out;

	*last = false;
	buf_init(&out, CLIENT_BDAT_SIZE + 2 * PIECE + 4);
	letter_begin(&letter, f, false);
	while (letter_add(&letter, &out) && end == CLIENT_OK) {
		if (out.n < CLIENT_BDAT_SIZE)
			continue;
		end = put_chunk(&x, buf_str(&out), false);
		buf_reset(&out);
		x.unheard++;
		if (end == CLIENT_OK)
			end = hear_chunks(&x, c->can & CLIENT_PIPELINING ? 1 : 0);
	}
	if (end == CLIENT_OK)
		end = hear_chunks(&x, 0);
	if (end == CLIENT_OK) {
		*last = true;
		end = put_chunk(&x, buf_str(&out), true);
	}
	buf_fini(&out);
	return end;
}
