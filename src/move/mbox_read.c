/* move/mbox_read.c - the letters of an mbox. See the header.
 * Trust       the file is anybody's: every offset is checked against its end.
 */
#include "move/mbox_read.h"

#include <string.h>

#define HEADER_MAX ((size_t)1 << 20) /* looked through for the file's own fields */

/* The line at `at` with its end; empty at the end. */
static struct str line_at(struct str file, size_t at)
{
	struct str rest = str_from(file, at);
	const char *lf = rest.n ? memchr(rest.p, '\n', rest.n) : NULL;

	return lf ? str_of(rest.p, (size_t)(lf - rest.p) + 1) : rest;
}

static bool is_empty(struct str line)
{
	return str_eq(line, STR("\n")) || str_eq(line, STR("\r\n"));
}

static bool begins_letter(struct str file, size_t at, int64_t *date_s)
{
	return at < file.n && file.p[at] == 'F' && mbox_from_line(line_at(file, at), date_s);
}

/* The next From_ line behind an empty line, or the end. *end: of the letter before it. */
static size_t find_next(struct str file, size_t at, bool after_empty, size_t *end)
{
	size_t n_empty = 0;
	int64_t date;

	while (at < file.n) {
		struct str line = line_at(file, at);

		if (after_empty && begins_letter(file, at, &date)) {
			*end = at - n_empty;
			return at;
		}
		after_empty = is_empty(line);
		n_empty = line.n;
		at += line.n;
	}
	*end = after_empty ? at - n_empty : at;
	return at;
}

/* Content-Length is right when a From_ line or the end follows, behind empty lines. */
static bool length_leads(struct str file, size_t body, uint64_t length, size_t *next)
{
	int64_t date;
	size_t at;

	if (length > file.n - body)
		return false;
	at = body + (size_t)length;
	while (at < file.n && is_empty(line_at(file, at)))
		at += line_at(file, at).n;
	*next = at;
	return at == file.n || begins_letter(file, at, &date);
}

static size_t header_end(struct str file, size_t at)
{
	while (at < file.n) {
		struct str line = line_at(file, at);

		at += line.n;
		if (is_empty(line))
			break;
	}
	return at;
}

bool mbox_next(struct str file, size_t *at, struct mbox_letter *out)
{
	size_t begin = *at, body, end, next = 0;

	*out = (struct mbox_letter){ .at = begin };
	while (begin < file.n && is_empty(line_at(file, begin)))
		begin += line_at(file, begin).n;
	if (begin >= file.n)
		return false;
	if (begins_letter(file, begin, &out->date_s)) {
		out->from = str_trim(line_at(file, begin));
		begin += line_at(file, begin).n;
	}
	body = header_end(file, begin);
	out->header = str_sub(file, begin, body - begin);
	mbox_meta_parse(str_sub(out->header, 0, HEADER_MAX), &out->meta);
	if (out->meta.has_length && length_leads(file, body, out->meta.length, &next)) {
		out->by_length = true;
		out->body = str_sub(file, body, (size_t)out->meta.length);
	} else {
		next = find_next(file, body, true, &end);
		out->body = str_sub(file, body, end > body ? end - body : 0);
	}
	*at = next;
	return true;
}

/* ---- unpacking */

static void unpack_header(struct str header, void (*add)(void *ctx, struct str piece), void *ctx)
{
	bool skipping = false;

	for (size_t at = 0; at < header.n;) {
		struct str line = line_at(header, at);

		if (line.p[0] != ' ' && line.p[0] != '\t')
			skipping = mbox_is_meta(line);
		if (!skipping)
			add(ctx, line);
		at += line.n;
	}
}

static void unpack_body(struct str body, void (*add)(void *ctx, struct str piece), void *ctx)
{
	size_t from = 0;

	for (size_t at = 0; at < body.n;) {
		struct str line = line_at(body, at);

		if (line.p[0] == '>' && mbox_is_quoted(line)) {
			add(ctx, str_sub(body, from, at - from));
			from = at + 1;
		}
		at += line.n;
	}
	add(ctx, str_from(body, from));
}

void mbox_unpack(const struct mbox_letter *l, void (*add)(void *ctx, struct str piece), void *ctx)
{
	unpack_header(l->header, add, ctx);
	if (l->by_length)
		add(ctx, l->body);
	else
		unpack_body(l->body, add, ctx);
}
