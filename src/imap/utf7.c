/* imap/utf7.c - modified UTF-7. See the header.
 * Trust       wire bytes are hostile.
 */
#include "imap/utf7.h"

#include "base/cur.h"
#include "mail/utf8.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

static int digit_value(int c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == ',' ? 63 : -1;
}

static void add_code_point(struct buf *out, uint32_t u)
{
	if (u < 0x80) {
		buf_addc(out, (char)u);
	} else if (u < 0x800) {
		buf_addc(out, (char)(0xc0 | u >> 6));
		buf_addc(out, (char)(0x80 | (u & 0x3f)));
	} else if (u < 0x10000) {
		buf_addc(out, (char)(0xe0 | u >> 12));
		buf_addc(out, (char)(0x80 | (u >> 6 & 0x3f)));
		buf_addc(out, (char)(0x80 | (u & 0x3f)));
	} else {
		buf_addc(out, (char)(0xf0 | u >> 18));
		buf_addc(out, (char)(0x80 | (u >> 12 & 0x3f)));
		buf_addc(out, (char)(0x80 | (u >> 6 & 0x3f)));
		buf_addc(out, (char)(0x80 | (u & 0x3f)));
	}
}

/* One UTF-16 unit of a shifted run; high holds a first surrogate that waits for its second. */
static bool take_unit(uint32_t unit, uint32_t *high, struct buf *out)
{
	bool low = unit >= 0xdc00 && unit < 0xe000;

	if ((*high != 0) != low)
		return false;
	if (low) {
		add_code_point(out, 0x10000 + ((*high - 0xd800) << 10) + (unit - 0xdc00));
		*high = 0;
	} else if (unit >= 0xd800 && unit < 0xdc00) {
		*high = unit;
	} else if (unit < 0x80) {
		return false; /* must stand for itself, or is a control */
	} else {
		add_code_point(out, unit);
	}
	return true;
}

/* "&" is taken; up to and with "-". */
static bool shifted_run(struct cur *c, struct buf *out)
{
	uint32_t bits = 0, high = 0;
	int n_bits = 0;

	if (cur_try(c, '-')) {
		buf_addc(out, '&');
		return true;
	}
	for (;;) {
		int ch = cur_take(c), v;

		if (ch == '-')
			break;
		v = digit_value(ch);
		if (v < 0)
			return false;
		bits = bits << 6 | (uint32_t)v;
		n_bits += 6;
		if (n_bits >= 16) {
			n_bits -= 16;
			if (!take_unit(bits >> n_bits & 0xffff, &high, out))
				return false;
			bits &= (1u << n_bits) - 1;
		}
	}
	return n_bits < 6 && bits == 0 && high == 0;
}

bool imap_utf7_decode(struct str wire, struct buf *out)
{
	struct cur c = cur_of(wire);
	size_t before = out->n;
	bool after_run = false, good = true;

	while (good && !cur_end(&c)) {
		int ch = cur_take(&c);

		if (ch == '&') {
			bool escape = cur_peek(&c) == '-';

			good = shifted_run(&c, out) && !(after_run && !escape);
			after_run = !escape;
			continue;
		}
		after_run = false;
		good = ch >= 0x20 && ch < 0x7f;
		buf_addc(out, (char)ch);
	}
	good = good && cur_ok(&c) && !out->full;
	if (!good)
		buf_cut(out, before);
	return good;
}

struct encoder {
	struct buf *out;
	uint32_t bits;
	int n_bits;
	bool shifted;
};

static void put_unit(struct encoder *e, uint32_t unit)
{
	e->bits = e->bits << 16 | unit;
	e->n_bits += 16;
	while (e->n_bits >= 6) {
		e->n_bits -= 6;
		buf_addc(e->out, alphabet[e->bits >> e->n_bits & 63]);
	}
	e->bits &= (1u << e->n_bits) - 1;
}

static void unshift(struct encoder *e)
{
	if (!e->shifted)
		return;
	if (e->n_bits)
		buf_addc(e->out, alphabet[e->bits << (6 - e->n_bits) & 63]);
	buf_addc(e->out, '-');
	e->bits = 0;
	e->n_bits = 0;
	e->shifted = false;
}

static void put_shifted(struct encoder *e, uint32_t u)
{
	if (!e->shifted)
		buf_addc(e->out, '&');
	e->shifted = true;
	if (u >= 0x10000) {
		put_unit(e, 0xd800 + ((u - 0x10000) >> 10));
		u = 0xdc00 + ((u - 0x10000) & 0x3ff);
	}
	put_unit(e, u);
}

static uint32_t code_point(struct str s, size_t n)
{
	uint32_t u = (unsigned char)s.p[0];

	if (n == 1)
		return u;
	u &= 0x7fu >> n;
	for (size_t i = 1; i < n; i++)
		u = u << 6 | ((unsigned char)s.p[i] & 0x3f);
	return u;
}

void imap_utf7_encode(struct str s, struct buf *out)
{
	struct encoder e = { .out = out };

	while (s.n) {
		size_t n = mail_utf8_size(s);
		uint32_t u = n ? code_point(s, n) : 0xfffd;

		if (u >= 0x20 && u < 0x7f) {
			unshift(&e);
			buf_addc(out, (char)u);
			if (u == '&')
				buf_addc(out, '-');
		} else {
			put_shifted(&e, u);
		}
		s = str_from(s, n ? n : 1);
	}
	unshift(&e);
}
