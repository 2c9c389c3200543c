/* mail/decode.c - encoded words, transfer encodings, parameters as text. See the header.
 * Trust       the bytes are hostile.
 * Invariants  I1 what is added is well-formed UTF-8. I2 a search for the end of an encoded word that fails is not repeated.
 */
#include "mail/decode.h"

#include "mail/base64.h"
#include "mail/param.h"
#include "mail/utf8.h"

#define CHARSET_MAX 60 /* bytes of a charset's name in an encoded word */

/* Writes text with runs of white space made one. */
struct words {
	struct buf *out;
	size_t from;	/* out->n at the start: no space before */
	bool spaced;	/* a space is due before the next character */
	bool no_end;	/* no "?=" follows */
	struct buf raw; /* bytes of adjacent encoded words in one charset, not yet converted */
	struct str charset;
};

static bool is_space(char c)
{
	return (unsigned char)c <= ' ' || c == 0x7f;
}

static void emit(struct words *w, struct str s)
{
	for (size_t i = 0; i < s.n && !w->out->full;) {
		size_t from = i;

		while (i < s.n && is_space(s.p[i]))
			i++;
		w->spaced |= i > from;
		from = i;
		while (i < s.n && !is_space(s.p[i]))
			i++;
		if (i == from)
			return;
		if (w->spaced && w->out->n > w->from)
			mail_utf8_add(w->out, STR(" "));
		w->spaced = false;
		mail_utf8_add(w->out, str_sub(s, from, i - from));
	}
}

static void flush_encoded(struct words *w)
{
	struct buf text;

	if (!w->raw.n)
		return;
	buf_init(&text, w->raw.n * 4 + 16);
	mail_charset_decode(buf_str(&w->raw), w->charset, &text);
	emit(w, buf_str(&text));
	buf_fini(&text);
	buf_reset(&w->raw);
}

static void decode_q(struct str s, struct buf *out)
{
	char *q = buf_room(out, s.n);
	size_t n = 0;

	if (!q)
		return;
	for (size_t i = 0; i < s.n; i++) {
		int hi, lo;

		if (s.p[i] == '=' && i + 2 < s.n && (hi = mail_hex_digit(s.p[i + 1])) >= 0 &&
			(lo = mail_hex_digit(s.p[i + 2])) >= 0) {
			q[n++] = (char)(hi << 4 | lo);
			i += 2;
		} else {
			q[n++] = s.p[i] == '_' ? ' ' : s.p[i];
		}
	}
	buf_grew(out, n);
}

/* The encoded word that s begins with: its charset, encoding letter, text and size; size 0 when it is none. */
struct encoded_word {
	struct str charset, text;
	char letter;
	size_t size;
};

static struct encoded_word encoded_word_of(struct words *w, struct str s)
{
	struct encoded_word e = { 0 };
	ssize_t mark = str_find(str_sub(s, 2, CHARSET_MAX), '?'), end;
	size_t at;

	if (mark <= 0 || w->no_end)
		return e;
	at = 2 + (size_t)mark + 1;
	if (at + 1 >= s.n || s.p[at + 1] != '?')
		return e;
	e.letter = ascii_lower(s.p[at]);
	if (e.letter != 'q' && e.letter != 'b')
		return e;
	end = str_search(str_from(s, at + 2), STR("?="));
	if (end < 0) {
		w->no_end = true;
		return e;
	}
	e.charset = str_sub(s, 2, (size_t)mark);
	e.text = str_sub(s, at + 2, (size_t)end);
	e.size = at + 2 + (size_t)end + 2;
	return e;
}

static void take_encoded(struct words *w, const struct encoded_word *e)
{
	if (w->raw.n && !str_ieq(w->charset, e->charset))
		flush_encoded(w);
	w->charset = e->charset;
	if (e->letter == 'b')
		mail_base64_decode_lax(e->text, &w->raw);
	else
		decode_q(e->text, &w->raw);
}

/* Text between encoded words: white space alone between two of them is no text (RFC 2047 6.2). */
static void take_plain(struct words *w, struct str s, bool before_encoded)
{
	if (w->raw.n && before_encoded && !str_trim(s).n)
		return;
	flush_encoded(w);
	emit(w, s);
}

static void decode_words(struct words *w, struct str value)
{
	size_t plain = 0, at = 0;
	ssize_t mark;

	while (!w->out->full && (mark = str_search(str_from(value, at), STR("=?"))) >= 0) {
		struct encoded_word e;

		at += (size_t)mark;
		e = encoded_word_of(w, str_from(value, at));
		if (!e.size) {
			at += 2;
			continue;
		}
		take_plain(w, str_sub(value, plain, at - plain), true);
		take_encoded(w, &e);
		plain = at += e.size;
	}
	take_plain(w, str_from(value, plain), false);
}

void mail_header_decode(struct str value, struct buf *out)
{
	struct words w = { .out = out, .from = out->n };
	struct buf utf8;

	buf_init(&w.raw, value.n + 16);
	buf_init(&utf8, value.n * 4 + 16);
	if (!mail_utf8_ok(value)) {
		mail_charset_decode(value, STR(""), &utf8);
		value = buf_str(&utf8);
	}
	decode_words(&w, value);
	if (out->full && out->n > w.from && out->p[out->n - 1] == ' ')
		buf_cut(out, out->n - 1);
	buf_fini(&w.raw);
	buf_fini(&utf8);
}

void mail_body_decode(struct str body, enum mail_encoding encoding, struct buf *out)
{
	size_t room = out->max - out->n;

	if (encoding == MAIL_ENCODING_BASE64) {
		mail_base64_decode_lax(body, out);
	} else if (encoding == MAIL_ENCODING_QP) {
		mail_qp_decode(body, out);
	} else {
		buf_add(out, str_sub(body, 0, room));
		out->full |= body.n > room;
	}
}

void mail_text_decode(
	struct str body, enum mail_encoding encoding, struct str charset, size_t size_max, struct buf *out)
{
	struct buf bytes;

	if (encoding != MAIL_ENCODING_BASE64 && encoding != MAIL_ENCODING_QP) {
		mail_charset_decode(str_sub(body, 0, size_max), charset, out);
		out->full |= body.n > size_max;
		return;
	}
	buf_init(&bytes, size_max);
	mail_body_decode(body, encoding, &bytes);
	mail_charset_decode(buf_str(&bytes), charset, out);
	out->full |= bytes.full;
	buf_fini(&bytes);
}

enum mail_encoding mail_encoding_parse(struct str value)
{
	static const struct {
		char name[18];
		enum mail_encoding encoding;
	} names[] = {
		{ "7bit", MAIL_ENCODING_7BIT },
		{ "8bit", MAIL_ENCODING_8BIT },
		{ "binary", MAIL_ENCODING_BINARY },
		{ "base64", MAIL_ENCODING_BASE64 },
		{ "quoted-printable", MAIL_ENCODING_QP },
		{ "", MAIL_ENCODING_7BIT },
	};
	struct str token;

	mail_token_parse(value, &token);
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (str_ieq(token, str_z(names[i].name)))
			return names[i].encoding;
	return MAIL_ENCODING_OTHER;
}

bool mail_param_decode(struct str value, struct str name, struct buf *out)
{
	struct str token, charset;
	struct mail_params p = mail_token_parse(value, &token);
	struct buf raw;
	bool found;

	if (cur_try(&p.c, '/')) /* of a type: the subtype is a second token */
		p = mail_token_parse(cur_rest(&p.c), &token);
	buf_init(&raw, value.n + 1);
	found = mail_param_find(&p, name, &raw, &charset);
	if (found && charset.n)
		mail_charset_decode(buf_str(&raw), charset, out);
	else if (found)
		mail_header_decode(buf_str(&raw), out);
	buf_fini(&raw);
	return found;
}
