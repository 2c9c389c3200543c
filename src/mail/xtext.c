/* mail/xtext.c - ENVID and ORCPT as they travel. See the header.
 * Trust       input is hostile; what is decoded has no control characters.
 */
#include "mail/xtext.h"

#include "base/cur.h"
#include "mail/base64.h"
#include "mail/utf8.h"

#include <string.h>

/* RFC 3461 4: xchar. */
static bool is_xchar(unsigned char c)
{
	return c > ' ' && c < 0x7f && c != '+' && c != '=';
}

/* "+" and two digits. Small letters are not in the grammar, but in the wild. */
static int take_hexchar(struct str s, size_t at)
{
	int hi = at + 1 < s.n ? mail_hex_digit(s.p[at + 1]) : -1, lo = at + 2 < s.n ? mail_hex_digit(s.p[at + 2]) : -1;

	return hi < 0 || lo < 0 ? -1 : hi << 4 | lo;
}

bool mail_xtext_decode(struct str s, struct buf *out)
{
	size_t n = out->n;

	for (size_t i = 0; i < s.n; i++) {
		int c = (unsigned char)s.p[i];

		if (c == '+') {
			c = take_hexchar(s, i);
			i += 2;
		} else if (!is_xchar((unsigned char)c)) {
			c = -1;
		}
		if (c < ' ' || c > 0x7e) {
			buf_cut(out, n);
			return false;
		}
		buf_addc(out, (char)c);
	}
	return !out->full;
}

void mail_xtext_encode(struct str s, struct buf *out)
{
	for (size_t i = 0; i < s.n; i++)
		if (is_xchar((unsigned char)s.p[i]))
			buf_addc(out, s.p[i]);
		else
			buf_addf(out, "+%02X", (unsigned char)s.p[i]);
}

/* ---- RFC 6533 3 */

#define CODE_MAX 0x10ffff

static void add_code(struct buf *out, uint32_t c)
{
	if (c < 0x80) {
		buf_addc(out, (char)c);
	} else if (c < 0x800) {
		buf_addc(out, (char)(0xc0 | c >> 6));
		buf_addc(out, (char)(0x80 | (c & 0x3f)));
	} else if (c < 0x10000) {
		buf_addc(out, (char)(0xe0 | c >> 12));
		buf_addc(out, (char)(0x80 | (c >> 6 & 0x3f)));
		buf_addc(out, (char)(0x80 | (c & 0x3f)));
	} else {
		buf_addc(out, (char)(0xf0 | c >> 18));
		buf_addc(out, (char)(0x80 | (c >> 12 & 0x3f)));
		buf_addc(out, (char)(0x80 | (c >> 6 & 0x3f)));
		buf_addc(out, (char)(0x80 | (c & 0x3f)));
	}
}

static bool is_hex(unsigned char c)
{
	return mail_hex_digit((char)c) >= 0;
}

/* EmbeddedUnicodeChar: "\x{" 1 to 6 digits "}", of what is no control character. */
static void embedded(struct cur *c, struct buf *out)
{
	struct str digits;
	uint32_t code = 0;

	cur_need_ilit(c, STR("\\x{"));
	digits = cur_need_span(c, is_hex);
	cur_need(c, '}');
	for (size_t i = 0; i < digits.n && digits.n <= 6; i++)
		code = code << 4 | (uint32_t)mail_hex_digit(digits.p[i]);
	if (digits.n > 6 || code < ' ' || (code >= 0x7f && code < 0xa0) || (code >= 0xd800 && code < 0xe000) || code > CODE_MAX)
		cur_fail(c);
	else
		add_code(out, code);
}

static bool utf8_decode(struct str s, bool utf8, struct buf *out)
{
	struct cur c = cur_of(s);

	while (!cur_end(&c)) {
		int b = cur_peek(&c);

		if (b == '\\') {
			embedded(&c, out);
		} else if (is_xchar((unsigned char)b) || (utf8 && b >= 0x80)) {
			buf_addc(out, (char)cur_take(&c));
		} else {
			cur_fail(&c);
		}
	}
	return cur_done(&c) && !out->full;
}

static bool is_atom_char(unsigned char c)
{
	return ascii_is_alnum((char)c) || (c && strchr("!#$%&'*+-/=?^_`{|}~", c));
}

bool mail_orcpt_cut(struct str orcpt, struct str *type, struct str *address)
{
	ssize_t at = str_find(orcpt, ';');

	if (at < 0)
		return false;
	*type = str_sub(orcpt, 0, (size_t)at);
	*address = str_from(orcpt, (size_t)at + 1);
	return true;
}

/* No control character of Latin-1 either: what shows it may take it for one. */
static bool is_clean(struct str s)
{
	for (size_t i = 0; i + 1 < s.n; i++)
		if ((unsigned char)s.p[i] == 0xc2 && (unsigned char)s.p[i + 1] < 0xa0)
			return false;
	return mail_utf8_ok(s);
}

bool mail_orcpt_decode(struct str value, bool utf8, struct buf *out)
{
	struct str type, address;
	size_t n = out->n, at;
	bool fine;

	if (value.n > MAIL_ORCPT_MAX || !mail_orcpt_cut(value, &type, &address) || type.n == 0 || address.n == 0)
		return false;
	for (size_t i = 0; i < type.n; i++)
		if (!is_atom_char((unsigned char)type.p[i]))
			return false;
	buf_add(out, type);
	buf_addc(out, ';');
	at = out->n;
	fine = str_ieq(type, STR("utf-8")) ? utf8_decode(address, utf8, out) : mail_xtext_decode(address, out);
	fine = fine && is_clean(str_from(buf_str(out), at));
	if (!fine)
		buf_cut(out, n);
	return fine;
}

static uint32_t code_at(struct str s, size_t at, size_t n)
{
	static const unsigned char lead[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
	uint32_t c = (unsigned char)s.p[at] & lead[n];

	for (size_t i = 1; i < n; i++)
		c = c << 6 | ((unsigned char)s.p[at + i] & 0x3f);
	return c;
}

static void utf8_encode(struct str s, bool utf8, struct buf *out)
{
	for (size_t i = 0; i < s.n;) {
		size_t n = mail_utf8_size(str_from(s, i));

		if (n > 1 && utf8)
			buf_add(out, str_sub(s, i, n));
		else if (n == 1 && is_xchar((unsigned char)s.p[i]) && s.p[i] != '\\')
			buf_addc(out, s.p[i]);
		else
			buf_addf(out, "\\x{%X}", n ? code_at(s, i, n) : 0xfffdu);
		i += n ? n : 1;
	}
}

void mail_orcpt_encode(struct str orcpt, bool utf8, struct buf *out)
{
	struct str type, address;

	if (!mail_orcpt_cut(orcpt, &type, &address))
		return;
	buf_add(out, type);
	buf_addc(out, ';');
	if (str_ieq(type, STR("utf-8")))
		utf8_encode(address, utf8, out);
	else
		mail_xtext_encode(address, out);
}
