/* mail/header.c - the fields of a header (RFC 5322). See the header.
 * Trust       the bytes are hostile.
 * Invariants  I1 every call moves on by at least a byte: a walk is linear.
 */
#include "mail/header.h"

#include <string.h>

struct mail_header mail_header_of(struct str bytes)
{
	return (struct mail_header){ .bytes = bytes };
}

/* Offset behind the line that begins at at. */
static size_t line_end(struct str b, size_t at)
{
	const char *lf = memchr(b.p + at, '\n', b.n - at);

	return lf ? (size_t)(lf - b.p) + 1 : b.n;
}

static bool is_empty_line(struct str b, size_t at)
{
	return b.p[at] == '\n' || (b.p[at] == '\r' && at + 1 < b.n && b.p[at + 1] == '\n');
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Length of the field name at the start of the line, blanks before the colon left out; 0 when it is no field. */
static size_t name_size(struct str line, size_t *colon)
{
	size_t i = 0, n;

	while (i < line.n && line.p[i] > ' ' && line.p[i] < 0x7f && line.p[i] != ':')
		i++;
	n = i;
	while (i < line.n && is_blank(line.p[i]))
		i++;
	*colon = i;
	return i < line.n && line.p[i] == ':' ? n : 0;
}

static struct str without_line_end(struct str s)
{
	if (s.n && s.p[s.n - 1] == '\n')
		s.n--;
	if (s.n && s.p[s.n - 1] == '\r')
		s.n--;
	return s;
}

bool mail_header_next(struct mail_header *h, struct mail_field *f)
{
	struct str b = h->bytes;
	size_t from = h->at, end, colon, n;

	if (from >= b.n || is_empty_line(b, from))
		return false;
	end = line_end(b, from);
	while (end < b.n && is_blank(b.p[end]))
		end = line_end(b, end);
	n = name_size(str_of(b.p + from, end - from), &colon);
	f->at = from;
	f->n = end - from;
	f->name = str_of(b.p + from, n);
	f->value = without_line_end(str_of(b.p + from, end - from));
	if (n)
		f->value = str_from(f->value, colon + 1);
	h->at = end;
	return true;
}

size_t mail_header_size(struct str b)
{
	size_t at = 0;

	while (at < b.n) {
		bool last = is_empty_line(b, at);

		at = line_end(b, at);
		if (last)
			break;
	}
	return at;
}

bool mail_header_find(struct str bytes, struct str name, struct mail_field *f)
{
	struct mail_header h = mail_header_of(bytes);

	while (mail_header_next(&h, f))
		if (f->name.n && str_ieq(f->name, name))
			return true;
	return false;
}

struct str mail_header_value(struct str bytes, struct str name)
{
	struct mail_field f;

	return mail_header_find(bytes, name, &f) ? str_trim(f.value) : (struct str){ 0 };
}

static bool is_among(struct str name, const struct str *names, size_t n_names)
{
	if (name.n)
		for (size_t i = 0; i < n_names; i++)
			if (str_ieq(name, names[i]))
				return true;
	return false;
}

void mail_header_pick(struct str bytes, const struct str *names, size_t n_names, bool except, struct buf *out)
{
	struct mail_header h = mail_header_of(bytes);
	struct mail_field f;

	while (mail_header_next(&h, &f)) {
		if (is_among(f.name, names, n_names) == except)
			continue;
		buf_add(out, str_sub(bytes, f.at, f.n));
		if (bytes.p[f.at + f.n - 1] != '\n')
			buf_add(out, STR("\r\n"));
	}
	buf_add(out, STR("\r\n"));
}

static bool is_fold(char c)
{
	return is_blank(c) || c == '\r' || c == '\n';
}

void mail_header_unfold(struct str value, struct buf *out)
{
	char *to;
	size_t n = 0, i = 0;

	value = str_trim(value);
	to = buf_room(out, value.n);
	if (!to)
		return;
	while (i < value.n) {
		size_t from = i;
		bool folded = false;

		for (; i < value.n && is_fold(value.p[i]); i++)
			folded |= !is_blank(value.p[i]);
		if (folded) {
			to[n++] = ' ';
			continue;
		}
		i += i == from;
		for (; from < i; from++)
			to[n++] = value.p[from] ? value.p[from] : '?';
	}
	buf_grew(out, n);
}
