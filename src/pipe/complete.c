/* pipe/complete.c - what submission sets right in a letter (RFC 6409 8.1, 8.2; RFC 5322 3.6.3)
 * Purpose     no recipient may read the Bcc field; every letter has a Date and a Message-ID.
 * Trust       the header is hostile; it is walked, not understood.
 * Owns        the body writer with the changed letter, closed by the runner.
 * Suspends    between slices of a large letter.
 * Invariants  I1 a letter that needs no change is kept as it came, byte by byte.
 *             I2 the part index is made after this stage: it fits what is kept.
 */
#include "pipe/letter.h"

#include "base/clock.h"
#include "mail/header.h"

#define SLICE ((size_t)1 << 20) /* copied between two looks at other letters */

static bool is_bcc(struct str name)
{
	return str_ieq(name, STR("Bcc")) || str_ieq(name, STR("Resent-Bcc"));
}

struct pipe_edit pipe_edit_find(struct str letter)
{
	struct mail_header h = mail_header_of(letter);
	struct pipe_edit e = { 0 };
	struct mail_field f;

	while (mail_header_next(&h, &f)) {
		e.has_bcc |= is_bcc(f.name);
		e.has_date |= str_ieq(f.name, STR("Date"));
		e.has_message_id |= str_ieq(f.name, STR("Message-ID"));
	}
	return e;
}

void pipe_edit_apply(struct str letter, struct str added, void (*add)(void *ctx, struct str piece), void *ctx)
{
	struct mail_header h = mail_header_of(letter);
	struct mail_field f;
	size_t from = 0;

	if (added.n)
		add(ctx, added);
	while (mail_header_next(&h, &f)) {
		if (!is_bcc(f.name))
			continue;
		if (f.at > from)
			add(ctx, str_sub(letter, from, f.at - from));
		from = f.at + f.n;
	}
	if (letter.n > from)
		add(ctx, str_from(letter, from));
}

static struct str missing_fields(struct pipe_letter *l, struct pipe_edit e)
{
	struct buf out;
	struct str s;

	buf_init(&out, 600);
	if (!e.has_date) {
		buf_addz(&out, "Date: ");
		clock_add_rfc5322(&out, l->date_s);
		buf_addz(&out, "\r\n");
	}
	if (!e.has_message_id)
		buf_addf(&out, "Message-ID: <%.*s@%.*s>\r\n", STR_ARG(l->m->trace), STR_ARG(l->post->conf->hostname));
	s = arena_dup(l->a, buf_str(&out));
	buf_fini(&out);
	return s;
}

static SUSPENDS void write_piece(void *ctx, struct str piece)
{
	struct pipe_letter *l = ctx;

	while (piece.n) {
		struct str slice = str_sub(piece, 0, SLICE);

		body_writer_add(&l->writer, slice);
		piece = str_from(piece, slice.n);
		if (piece.n)
			task_yield(l->post->sched);
	}
}

SUSPENDS enum outcome pipe_complete(struct pipe_letter *l)
{
	struct body_map map;
	struct pipe_edit e;
	enum outcome o = OK;

	if (!l->submission)
		return OK;
	if (body_map(&l->m->body, &map) != OK)
		return TRY_LATER;
	e = pipe_edit_find(map.bytes);
	if (e.has_bcc || !e.has_date || !e.has_message_id) {
		body_writer_open(&l->writer, &l->post->budget, map.bytes.n + 600);
		l->rewritten = true;
		l->had_bcc = e.has_bcc;
		l->added = missing_fields(l, e);
		pipe_edit_apply(map.bytes, l->added, write_piece, l);
		o = body_writer_seal(&l->writer, &l->body);
	}
	body_unmap(&map);
	return o;
}
