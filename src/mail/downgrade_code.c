/* mail/downgrade_code.c - quoted-printable and base64, made a block at a time (RFC 2045 6.7, 6.8). Pure.
 * Trust       the text is hostile bytes.
 * Invariants  I1 no line that leaves is longer than 76 bytes, but one of blanks alone in text that was encoded before. I2 each call but the last takes a
 *             whole block or a little more, so that memory stays bounded.
 */
#include "mail/downgrade_impl.h"

#include "mail/base64.h"

#define LINE 76
#define BASE64_LINE 57 /* bytes that make 76 characters */

static int byte_at(struct str s, size_t i)
{
	return i < s.n ? (unsigned char)s.p[i] : -1;
}

static bool is_line_end(struct str s, size_t i)
{
	int c = byte_at(s, i);

	return c < 0 || c == '\n' || c == '\r';
}

/* A token goes to the line, or behind a soft break (RFC 2045 6.7 (5)). */
static void put_token(struct str token, uint32_t *column, struct buf *out)
{
	if (*column + token.n > LINE - 1) {
		buf_addz(out, "=\r\n");
		*column = 0;
	}
	buf_add(out, token);
	*column += (uint32_t)token.n;
}

static void put_escape(unsigned char c, uint32_t *column, struct buf *out)
{
	static const char hex[] = "0123456789ABCDEF";
	char token[3] = { '=', hex[c >> 4], hex[c & 15] };

	put_token(str_of(token, 3), column, out);
}

static bool is_blank(int c)
{
	return c == ' ' || c == '\t';
}

size_t mail_downgrade_qp(struct str text, size_t at, bool binary, uint32_t *column, struct buf *out)
{
	size_t end = at + MAIL_DOWNGRADE_BLOCK < text.n ? at + MAIL_DOWNGRADE_BLOCK : text.n;

	for (; at < end; at++) {
		int c = byte_at(text, at);

		if (!binary && (c == '\n' || c == '\r')) {
			buf_addc(out, (char)c);
			*column = 0;
		} else if ((c > 0x20 && c < 0x7f && c != '=') || (is_blank(c) && byte_at(text, at + 1) >= 0 && !is_line_end(text, at + 1))) {
			put_token(str_of(text.p + at, 1), column, out);
		} else {
			put_escape((unsigned char)c, column, out);
		}
	}
	return at;
}

size_t mail_downgrade_qp_again(struct str text, size_t at, uint32_t *column, struct buf *out)
{
	size_t end = at + MAIL_DOWNGRADE_BLOCK < text.n ? at + MAIL_DOWNGRADE_BLOCK : text.n;

	while (at < end) {
		int c = byte_at(text, at);
		bool escape = c == '=' && at + 2 < text.n && mail_hex_digit(text.p[at + 1]) >= 0 && mail_hex_digit(text.p[at + 2]) >= 0;
		size_t n = escape ? 3 : 1;

		if (c == '\n' || c == '\r') {
			buf_addc(out, (char)c);
			*column = 0;
		} else if (is_blank(c) || (c == '=' && is_line_end(text, at + 1))) { /* blanks at a line's end go, those before a break would stay */
			buf_addc(out, (char)c);
			++*column;
		} else if (escape || (c > 0x20 && c < 0x7f && c != '=')) {
			put_token(str_sub(text, at, n), column, out);
		} else {
			put_escape((unsigned char)c, column, out);
		}
		at += n;
	}
	return at;
}

size_t mail_downgrade_base64(struct str text, size_t at, struct buf *out)
{
	size_t end = at + MAIL_DOWNGRADE_BLOCK < text.n ? at + MAIL_DOWNGRADE_BLOCK : text.n;

	while (at < end) {
		struct str line = str_sub(text, at, BASE64_LINE);

		mail_base64_encode(line, out);
		at += line.n;
		if (at < text.n)
			buf_addz(out, "\r\n");
	}
	return at;
}

size_t mail_downgrade_base64_again(struct str text, size_t at, uint32_t *column, struct buf *out)
{
	size_t end = at + MAIL_DOWNGRADE_BLOCK < text.n ? at + MAIL_DOWNGRADE_BLOCK : text.n;

	for (; at < end; at++) {
		if (mail_base64_value(text.p[at]) < 0 && text.p[at] != '=')
			continue;
		if (*column == LINE) {
			buf_addz(out, "\r\n");
			*column = 0;
		}
		buf_addc(out, text.p[at]);
		++*column;
	}
	return at;
}

size_t mail_downgrade_clean(struct str text, size_t at, struct buf *out)
{
	size_t end = at + MAIL_DOWNGRADE_BLOCK < text.n ? at + MAIL_DOWNGRADE_BLOCK : text.n;

	for (; at < end; at++)
		buf_addc(out, text.p[at] && !((unsigned char)text.p[at] & 0x80) ? text.p[at] : '?');
	return at;
}
