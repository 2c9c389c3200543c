/* mail/base64.c - base64 and quoted-printable. See the header.
 * Trust  the text is hostile; every output is bounded by its input.
 */
#include "mail/base64.h"

#include <string.h>

static const char alphabet[65] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

#define R10(x) (x), (x) + 1, (x) + 2, (x) + 3, (x) + 4, (x) + 5, (x) + 6, (x) + 7, (x) + 8, (x) + 9
#define R26(x) R10(x), R10((x) + 10), (x) + 20, (x) + 21, (x) + 22, (x) + 23, (x) + 24, (x) + 25

/* 1 + value of a character of the alphabet, 0 for others. */
static const unsigned char value_plus_1[256] = {
	['A'] = R26(1),
	['a'] = R26(27),
	['0'] = R10(53),
	['+'] = 63,
	['/'] = 64,
};

void mail_base64_encode(struct str in, struct buf *out)
{
	const unsigned char *p = (const unsigned char *)in.p;
	char *q = buf_room(out, (in.n + 2) / 3 * 4);
	size_t i;

	if (!q)
		return;
	for (i = 0; i + 3 <= in.n; i += 3, q += 4) {
		q[0] = alphabet[p[i] >> 2];
		q[1] = alphabet[(p[i] & 3) << 4 | p[i + 1] >> 4];
		q[2] = alphabet[(p[i + 1] & 15) << 2 | p[i + 2] >> 6];
		q[3] = alphabet[p[i + 2] & 63];
	}
	if (i < in.n) {
		unsigned second = i + 1 < in.n ? p[i + 1] : 0;

		q[0] = alphabet[p[i] >> 2];
		q[1] = alphabet[(p[i] & 3) << 4 | second >> 4];
		q[2] = i + 1 < in.n ? alphabet[(second & 15) << 2] : '=';
		q[3] = '=';
	}
	buf_grew(out, (in.n + 2) / 3 * 4);
}

/* Characters of the alphabet before the padding, or -1 when the padding is not canonical. */
static ssize_t unpadded_size(struct str text)
{
	size_t n = text.n;

	if (n % 4)
		return -1;
	for (int pad = 0; pad < 2 && n && text.p[n - 1] == '='; pad++)
		n--;
	return (ssize_t)n;
}

bool mail_base64_decode(struct str text, struct buf *out)
{
	ssize_t n = unpadded_size(text);
	size_t n_out, k = 0;
	uint32_t acc = 0;
	char *q;

	if (n < 0)
		return false;
	n_out = (size_t)n * 3 / 4;
	q = buf_room(out, n_out);
	if (!q)
		return false;
	for (size_t i = 0; i < (size_t)n; i++) {
		unsigned v = value_plus_1[(unsigned char)text.p[i]];

		if (!v)
			return false;
		acc = acc << 6 | (v - 1);
		if (i % 4)
			q[k++] = (char)(acc >> (6 - i % 4 * 2));
	}
	if ((n % 4 == 2 && acc & 15) || (n % 4 == 3 && acc & 3))
		return false;
	buf_grew(out, n_out);
	return true;
}

/* Room for at most n bytes: all there is when n do not fit. */
static char *room_up_to(struct buf *out, size_t n, size_t *got)
{
	*got = n < out->max - out->n ? n : out->max - out->n;
	return buf_room(out, *got);
}

void mail_base64_decode_lax(struct str text, struct buf *out)
{
	size_t room, k = 0;
	char *q = room_up_to(out, text.n / 4 * 3 + 3, &room);
	uint32_t acc = 0;
	unsigned have = 0;

	if (!q)
		return;
	for (size_t i = 0; i < text.n; i++) {
		unsigned v = value_plus_1[(unsigned char)text.p[i]];

		if (!v) {
			if (text.p[i] == '=')
				have = 0;
			continue;
		}
		acc = acc << 6 | (v - 1);
		if (have++ == 0)
			continue;
		if (k == room) {
			out->full = true;
			break;
		}
		q[k++] = (char)(acc >> (8 - have * 2));
		have %= 4;
	}
	buf_grew(out, k);
}

int mail_base64_value(char c)
{
	return (int)value_plus_1[(unsigned char)c] - 1;
}

int mail_hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = ascii_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One line without its line end, decoded into q, which holds at least line.n bytes. */
static size_t qp_line(struct str line, char *q, bool *soft)
{
	size_t k = 0;

	while (line.n && (line.p[line.n - 1] == ' ' || line.p[line.n - 1] == '\t'))
		line.n--;
	*soft = line.n && line.p[line.n - 1] == '=';
	if (*soft)
		line.n--;
	for (size_t i = 0; i < line.n; i++) {
		int hi, lo;

		if (line.p[i] == '=' && i + 2 < line.n && (hi = mail_hex_digit(line.p[i + 1])) >= 0 &&
			(lo = mail_hex_digit(line.p[i + 2])) >= 0) {
			q[k++] = (char)(hi << 4 | lo);
			i += 2;
		} else {
			q[k++] = line.p[i];
		}
	}
	return k;
}

void mail_qp_decode(struct str text, struct buf *out)
{
	for (size_t at = 0; at < text.n && !out->full;) {
		const char *lf = memchr(text.p + at, '\n', text.n - at);
		size_t end = lf ? (size_t)(lf - text.p) : text.n, next = lf ? end + 1 : end;
		size_t n = end - at;
		bool crlf = lf && n && text.p[end - 1] == '\r', soft;
		char *q;

		bool cut = (n -= crlf) > out->max - out->n;

		if (cut)
			n = out->max - out->n;
		q = buf_room(out, n);
		if (!q)
			return;
		buf_grew(out, qp_line(str_of(text.p + at, n), q, &soft));
		if (lf && !soft && !cut)
			buf_add(out, crlf ? STR("\r\n") : STR("\n"));
		if (cut)
			out->full = true;
		at = next;
	}
}
