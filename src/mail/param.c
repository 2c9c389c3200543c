/* mail/param.c - parameters of Content-* fields. See the header.
 * Trust       the value is hostile.
 * Invariants  I1 each call moves on. I2 a search for a closing quote that fails is not repeated: all is linear.
 */
#include "mail/param.h"

#include "base/die.h"
#include "mail/base64.h"
#include "mail/cfws.h"

#include <stdlib.h>

#define SECTIONS_MAX 256 /* continuations of one parameter (RFC 2231 3) */

static bool is_space(int c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_token(unsigned char c)
{
	return c > ' ' && c != 0x7f && c != '(' && c != ')' && c != '<' && c != '>' && c != '@' && c != ',' &&
	       c != ';' && c != ':' && c != '\\' && c != '"' && c != '/' && c != '[' && c != ']' && c != '?' &&
	       c != '=';
}

struct mail_params mail_token_parse(struct str value, struct str *token)
{
	struct mail_params p = { .c = cur_of(value) };

	mail_cfws_skip(&p.c);
	*token = cur_span(&p.c, is_token);
	return p;
}

struct mail_params mail_type_parse(struct str value, struct str *type, struct str *subtype)
{
	struct mail_params p = mail_token_parse(value, type);

	mail_cfws_skip(&p.c);
	*subtype = (struct str){ 0 };
	if (!cur_try(&p.c, '/'))
		return p;
	mail_cfws_skip(&p.c);
	*subtype = cur_span(&p.c, is_token);
	if (!type->n || !subtype->n)
		*type = *subtype = (struct str){ 0 };
	return p;
}

/* Offset of the quote that closes the string at the start of s, or 0. */
static size_t close_at(struct str s)
{
	for (size_t i = 1; i < s.n; i++) {
		if (s.p[i] == '\\')
			i++;
		else if (s.p[i] == '"')
			return i;
	}
	return 0;
}

static struct str take_quoted(struct cur *c, size_t close, struct buf *text)
{
	struct str s = str_sub(cur_bytes(c, close + 1), 1, close - 1);
	char *q = buf_room(text, s.n);
	size_t n = 0;

	if (!q)
		return (struct str){ 0 };
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\r' || s.p[i] == '\n')
			continue;
		if (s.p[i] == '\\' && i + 1 < s.n)
			i++;
		q[n++] = s.p[i];
	}
	buf_grew(text, n);
	return buf_str(text);
}

/* Whether "attribute=" comes next: then a semicolon was forgotten. */
static bool at_attribute(struct cur c)
{
	return cur_span(&c, is_token).n && cur_peek(&c) == '=';
}

/* A bare value: a token, or what broken software writes up to the semicolon. A comment begins behind white space only:
 * "us-ascii (plain)" (RFC 2045 5.1), but name=report(1).pdf. */
static struct str take_bare(struct cur *c, struct buf *text)
{
	for (int ch; (ch = cur_peek(c)) >= 0 && ch != ';';) {
		if (!is_space(ch)) {
			buf_addc(text, (char)cur_take(c));
			continue;
		}
		while (is_space(cur_peek(c)))
			cur_take(c);
		ch = cur_peek(c);
		if (ch == '(' || at_attribute(*c))
			break;
		if (ch >= 0 && ch != ';')
			buf_addc(text, ' ');
	}
	return buf_str(text);
}

static struct str take_value(struct mail_params *p, struct buf *text)
{
	size_t close = 0;

	if (cur_peek(&p->c) == '"' && !p->no_quote) {
		close = close_at(cur_rest(&p->c));
		p->no_quote = !close;
	}
	if (close)
		return take_quoted(&p->c, close, text);
	cur_try(&p->c, '"');
	return take_bare(&p->c, text);
}

bool mail_param_next(struct mail_params *p, struct buf *text, struct str *name, struct str *value)
{
	struct cur *c = &p->c;

	buf_reset(text);
	while (mail_cfws_skip(c), !cur_end(c)) {
		*name = cur_span(c, is_token);
		mail_cfws_skip(c);
		if (cur_try(c, '=')) {
			mail_cfws_skip(c);
			*value = take_value(p, text);
			if (name->n)
				return true;
			buf_reset(text);
		} else if (!name->n && !cur_end(c)) {
			cur_take(c);
		}
	}
	return false;
}

/* What an attribute of RFC 2231 says: "name*2*" is section 2, encoded. */
struct section {
	uint32_t n; /* number of the section */
	bool plain; /* no section: the whole value */
	bool encoded;
};

static bool section_of(struct str attribute, struct str name, struct section *s)
{
	struct str rest;

	*s = (struct section){ 0 };
	if (!str_istarts(attribute, name))
		return false;
	rest = str_from(attribute, name.n);
	s->plain = !rest.n || str_eq(rest, STR("*"));
	s->encoded = str_ends(rest, STR("*"));
	if (s->plain)
		return true;
	if (rest.p[0] != '*')
		return false;
	rest = str_sub(rest, 1, rest.n - 1 - s->encoded);
	return str_to_u32(rest, &s->n) && s->n < SECTIONS_MAX;
}

/* Takes "charset'language'" off the front of an encoded value. */
static struct str take_charset(struct str *value)
{
	ssize_t a = str_find(*value, '\''), b;
	struct str charset;

	if (a < 0 || (b = str_find(str_from(*value, (size_t)a + 1), '\'')) < 0)
		return (struct str){ 0 };
	charset = str_sub(*value, 0, (size_t)a);
	*value = str_from(*value, (size_t)a + 1 + (size_t)b + 1);
	return charset;
}

static void add_percent_decoded(struct buf *out, struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		int hi, lo;

		if (s.p[i] == '%' && i + 2 < s.n && (hi = mail_hex_digit(s.p[i + 1])) >= 0 &&
			(lo = mail_hex_digit(s.p[i + 2])) >= 0) {
			buf_addc(out, (char)(hi << 4 | lo));
			i += 2;
		} else {
			buf_addc(out, s.p[i]);
		}
	}
}

/* A section's value as found, in a buffer shared by all. */
struct piece {
	size_t at, n;
	bool there, encoded;
};

static void add_piece(struct buf *out, struct str s, bool encoded)
{
	if (encoded)
		add_percent_decoded(out, s);
	else
		buf_add(out, s);
}

/* The charset must outlive the pieces: it is given as the same bytes within the field's value. */
static struct str charset_in(const struct mail_params *p, struct str charset)
{
	struct str rest = cur_rest(&p->c);
	ssize_t at = charset.n ? str_search(rest, charset) : -1;

	return at < 0 ? (struct str){ 0 } : str_sub(rest, (size_t)at, charset.n);
}

static bool join(
	const struct mail_params *p, const struct piece *pieces, struct str all, struct buf *out, struct str *charset)
{
	size_t i;

	for (i = 0; i < SECTIONS_MAX && pieces[i].there; i++) {
		struct str s = str_sub(all, pieces[i].at, pieces[i].n);

		if (i == 0 && pieces[i].encoded)
			*charset = charset_in(p, take_charset(&s));
		add_piece(out, s, pieces[i].encoded);
	}
	return i > 0;
}

/* A plain value stands against continuations only when there are none; an encoded one is preferred to both. */
static bool gather(
	const struct mail_params *params, struct str name, struct piece *pieces, struct piece *whole, struct buf *all)
{
	struct mail_params p = *params;
	struct str attribute, value;
	struct section s;
	struct buf text;
	bool any = false;

	buf_init(&text, cur_left(&p.c) + 1);
	while (mail_param_next(&p, &text, &attribute, &value)) {
		struct piece *to;

		if (!section_of(attribute, name, &s))
			continue;
		to = s.plain ? whole : &pieces[s.n];
		if (to->there && !(s.plain && s.encoded && !to->encoded))
			continue;
		*to = (struct piece){ .at = all->n, .n = value.n, .there = true, .encoded = s.encoded };
		buf_add(all, value);
		any = true;
	}
	buf_fini(&text);
	return any;
}

bool mail_param_find(const struct mail_params *p, struct str name, struct buf *out, struct str *charset)
{
	struct piece whole = { 0 }, *pieces = mem_array(SECTIONS_MAX, sizeof *pieces);
	struct str found = { 0 }, s;
	struct buf all;
	bool ok;

	buf_init(&all, cur_left(&p->c) + 1);
	ok = gather(p, name, pieces, &whole, &all);
	if (ok && (!pieces[0].there || (whole.there && whole.encoded))) {
		ok = whole.there;
		s = str_sub(buf_str(&all), whole.at, whole.n);
		if (whole.encoded)
			found = charset_in(p, take_charset(&s));
		add_piece(out, s, whole.encoded);
	} else if (ok) {
		ok = join(p, pieces, buf_str(&all), out, &found);
	}
	if (charset)
		*charset = found;
	buf_fini(&all);
	free(pieces);
	return ok;
}

struct str mail_param_base(struct str attribute)
{
	ssize_t star = str_find(attribute, '*');
	struct str base = str_sub(attribute, 0, star < 0 ? 0 : (size_t)star);
	struct section s;

	return base.n && section_of(attribute, base, &s) && !s.plain ? base : (struct str){ 0 };
}

static void add_percent_encoded(struct buf *out, struct str s)
{
	static const char digits[] = "0123456789ABCDEF";

	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (is_token(c) && c < 0x7f && c != '%' && c != '*' && c != '\'') {
			buf_addc(out, (char)c);
			continue;
		}
		buf_addc(out, '%');
		buf_addc(out, digits[c >> 4]);
		buf_addc(out, digits[c & 15]);
	}
}

static bool is_encoded_somewhere(const struct piece *pieces)
{
	for (size_t i = 0; i < SECTIONS_MAX && pieces[i].there; i++)
		if (pieces[i].encoded)
			return true;
	return false;
}

bool mail_param_join(const struct mail_params *p, struct str name, struct buf *out, bool *encoded)
{
	struct piece whole = { 0 }, *pieces = mem_array(SECTIONS_MAX, sizeof *pieces);
	struct buf all;
	bool ok;

	buf_init(&all, cur_left(&p->c) + 1);
	gather(p, name, pieces, &whole, &all);
	ok = pieces[0].there;
	*encoded = is_encoded_somewhere(pieces);
	if (*encoded && !pieces[0].encoded) /* charset and language are the first section's to name */
		buf_add(out, STR("''"));
	for (size_t i = 0; i < SECTIONS_MAX && pieces[i].there; i++) {
		struct str s = str_sub(buf_str(&all), pieces[i].at, pieces[i].n);

		if (*encoded && !pieces[i].encoded)
			add_percent_encoded(out, s);
		else
			buf_add(out, s);
	}
	buf_fini(&all);
	free(pieces);
	return ok;
}
