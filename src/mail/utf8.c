/* mail/utf8.c - UTF-8 (RFC 3629). See the header. */
#include "mail/utf8.h"

#include <string.h>

size_t mail_utf8_size(struct str s)
{
	unsigned char a = (unsigned char)s.p[0], b = s.n > 1 ? (unsigned char)s.p[1] : 0;
	size_t n = a < 0x80 ? 1 : a < 0xc2 ? 0 : a < 0xe0 ? 2 : a < 0xf0 ? 3 : a < 0xf5 ? 4 : 0;

	if (n > s.n)
		return 0;
	for (size_t i = 1; i < n; i++)
		if (((unsigned char)s.p[i] & 0xc0) != 0x80)
			return 0;
	if ((a == 0xe0 && b < 0xa0) || (a == 0xed && b > 0x9f) || (a == 0xf0 && b < 0x90) || (a == 0xf4 && b > 0x8f))
		return 0;
	return n;
}

/* Whether eight bytes have none above 0x7f. */
static bool are_ascii(const char *p)
{
	uint64_t w;

	memcpy(&w, p, sizeof w);
	return !(w & 0x8080808080808080ULL);
}

size_t mail_utf8_prefix(struct str s)
{
	size_t i = 0, n;

	while (i < s.n) {
		if (s.n - i >= 8 && are_ascii(s.p + i))
			n = 8;
		else if (!(s.p[i] & 0x80))
			n = 1;
		else if (!(n = mail_utf8_size(str_from(s, i))))
			break;
		i += n;
	}
	return i;
}

bool mail_utf8_ok(struct str s)
{
	return mail_utf8_prefix(s) == s.n;
}

bool mail_ascii_ok(struct str s)
{
	size_t i = 0;

	for (; s.n - i >= 8; i += 8)
		if (!are_ascii(s.p + i))
			return false;
	for (; i < s.n; i++)
		if ((unsigned char)s.p[i] > 0x7f)
			return false;
	return true;
}

size_t mail_utf8_cut(struct str s, size_t n)
{
	if (n >= s.n)
		return s.n;
	while (n && ((unsigned char)s.p[n] & 0xc0) == 0x80)
		n--;
	return n;
}

bool mail_utf8_add(struct buf *out, struct str s)
{
	size_t room = out->max - out->n;

	if (out->full)
		return false;
	buf_add(out, str_sub(s, 0, mail_utf8_cut(s, room)));
	out->full = s.n > room;
	return !out->full;
}
