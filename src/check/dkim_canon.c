/* check/dkim_canon.c - canonical forms of bodies and fields. See the header.
 * Purpose     long stretches that stay as they are go on in one piece; only white space that changes is looked at by itself.
 * Trust       the bytes are hostile.
 * Invariants  I1 linear in the bytes, whatever they are.
 */
#include "check/dkim_canon.h"

#include <string.h>

#define CRLF STR("\r\n")

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* ---- bodies */

static size_t without_blanks(struct str s, size_t n)
{
	while (n && is_blank(s.p[n - 1]))
		n--;
	return n;
}

static bool ends_in_crlf(struct str s, size_t n)
{
	return n >= 2 && s.p[n - 2] == '\r' && s.p[n - 1] == '\n';
}

/* Where the last line that is not empty ends, its blanks left out. */
static size_t relaxed_end(struct str s)
{
	size_t n = without_blanks(s, s.n);

	while (ends_in_crlf(s, n))
		n = without_blanks(s, n - 2);
	return n;
}

/* Sixteen bytes at a time, by the compiler's own vectors. A comparison gives -1 where it holds. */
typedef signed char lanes __attribute__((vector_size(16)));
typedef long long halves __attribute__((vector_size(16)));

static lanes lanes_at(const char *p)
{
	lanes v;

	memcpy(&v, p, sizeof v);
	return v;
}

/* White space that may be another in the canonical form: a tab, or a space before a blank or a CR. */
static bool may_change(char c, char next)
{
	return c == '\t' || (c == ' ' && (is_blank(next) || next == '\r'));
}

/* Offset of the first such byte from at on, or s.n. */
static size_t next_change(struct str s, size_t at)
{
	for (; at + 17 <= s.n; at += 16) {
		lanes v = lanes_at(s.p + at), next = lanes_at(s.p + at + 1);
		lanes hit = (v == '\t') | ((v == ' ') & ((next == ' ') | (next == '\t') | (next == '\r')));
		halves h;

		memcpy(&h, &hit, sizeof h);
		if (h[0] | h[1])
			break;
	}
	for (; at + 1 < s.n; at++)
		if (may_change(s.p[at], s.p[at + 1]))
			return at;
	return s.n;
}

void dkim_body_relaxed(struct str body, dkim_add_fn *add, void *ctx)
{
	struct str s = str_sub(body, 0, relaxed_end(body));
	size_t from = 0;

	if (s.n == 0)
		return;
	for (size_t at = next_change(s, 0); at < s.n; at = next_change(s, from)) {
		size_t end = at;

		while (is_blank(s.p[end])) /* the last byte is none */
			end++;
		if (at > from)
			add(ctx, str_sub(s, from, at - from));
		if (!(end + 1 < s.n && s.p[end] == '\r' && s.p[end + 1] == '\n'))
			add(ctx, STR(" "));
		from = end;
	}
	add(ctx, str_from(s, from));
	add(ctx, CRLF);
}

void dkim_body_simple(struct str body, dkim_add_fn *add, void *ctx)
{
	size_t n = body.n;

	while (ends_in_crlf(body, n))
		n -= 2;
	if (n)
		add(ctx, str_sub(body, 0, n));
	add(ctx, CRLF);
}

/* ---- fields */

static struct str without_line_end(struct str s)
{
	if (s.n && s.p[s.n - 1] == '\n')
		s.n--;
	if (s.n && s.p[s.n - 1] == '\r')
		s.n--;
	return s;
}

void dkim_field_simple(struct str field, dkim_add_fn *add, void *ctx)
{
	add(ctx, without_line_end(field));
}

static bool is_space(char c)
{
	return is_blank(c) || c == '\r' || c == '\n';
}

static void add_lower(struct str name, dkim_add_fn *add, void *ctx)
{
	char z[64];

	for (; name.n; name = str_from(name, sizeof z)) {
		struct str part = str_sub(name, 0, sizeof z);

		for (size_t i = 0; i < part.n; i++)
			z[i] = ascii_lower(part.p[i]);
		add(ctx, str_of(z, part.n));
	}
}

void dkim_field_relaxed(struct str field, dkim_add_fn *add, void *ctx)
{
	ssize_t colon = str_find(field, ':');
	struct str name = str_trim(str_sub(field, 0, colon < 0 ? field.n : (size_t)colon));
	struct str value = str_trim(colon < 0 ? (struct str){ 0 } : str_from(field, (size_t)colon + 1));

	add_lower(name, add, ctx);
	add(ctx, STR(":"));
	for (size_t at = 0; at < value.n;) {
		size_t end = at;

		while (end < value.n && !is_space(value.p[end]))
			end++;
		add(ctx, str_sub(value, at, end - at));
		if (end < value.n)
			add(ctx, STR(" "));
		while (end < value.n && is_space(value.p[end]))
			end++;
		at = end;
	}
}
