/* base/cur.c - a cursor over bytes with a sticky error. See the header. */
#include "base/cur.h"

struct cur cur_of(struct str s)
{
	const char *p = s.p ? s.p : "";

	return (struct cur){ .p = p, .end = p + s.n };
}

bool cur_ok(const struct cur *c)
{
	return !c->bad;
}

bool cur_end(const struct cur *c)
{
	return c->bad || c->p == c->end;
}

bool cur_done(const struct cur *c)
{
	return !c->bad && c->p == c->end;
}

void cur_fail(struct cur *c)
{
	c->bad = true;
}

size_t cur_left(const struct cur *c)
{
	return c->bad ? 0 : (size_t)(c->end - c->p);
}

struct str cur_rest(const struct cur *c)
{
	return str_of(c->p, cur_left(c));
}

int cur_peek(const struct cur *c)
{
	return cur_end(c) ? -1 : (unsigned char)*c->p;
}

int cur_take(struct cur *c)
{
	if (cur_end(c)) {
		c->bad = true;
		return -1;
	}
	return (unsigned char)*c->p++;
}

bool cur_try(struct cur *c, char ch)
{
	if (cur_end(c) || *c->p != ch)
		return false;
	c->p++;
	return true;
}

bool cur_try_lit(struct cur *c, struct str lit)
{
	if (!str_starts(cur_rest(c), lit) || c->bad)
		return false;
	c->p += lit.n;
	return true;
}

bool cur_try_ilit(struct cur *c, struct str lit)
{
	if (!str_istarts(cur_rest(c), lit) || c->bad)
		return false;
	c->p += lit.n;
	return true;
}

void cur_need(struct cur *c, char ch)
{
	if (!cur_try(c, ch))
		c->bad = true;
}

void cur_need_ilit(struct cur *c, struct str lit)
{
	if (!cur_try_ilit(c, lit))
		c->bad = true;
}

struct str cur_span(struct cur *c, bool (*is)(unsigned char))
{
	const char *from = c->p;

	while (!cur_end(c) && is((unsigned char)*c->p))
		c->p++;
	return str_of(from, (size_t)(c->p - from));
}

struct str cur_need_span(struct cur *c, bool (*is)(unsigned char))
{
	struct str s = cur_span(c, is);

	if (s.n == 0)
		c->bad = true;
	return s;
}

struct str cur_bytes(struct cur *c, size_t n)
{
	const char *from = c->p;

	if (n > cur_left(c)) {
		c->bad = true;
		return (struct str){ 0 };
	}
	c->p += n;
	return str_of(from, n);
}

static bool is_digit(unsigned char ch)
{
	return ch >= '0' && ch <= '9';
}

uint64_t cur_u64(struct cur *c)
{
	uint64_t v = 0;

	if (!str_to_u64(cur_need_span(c, is_digit), &v))
		c->bad = true;
	return c->bad ? 0 : v;
}

uint32_t cur_u32(struct cur *c)
{
	uint64_t v = cur_u64(c);

	if (v > UINT32_MAX)
		c->bad = true;
	return c->bad ? 0 : (uint32_t)v;
}

static uint64_t little_endian(struct cur *c, size_t n)
{
	struct str s = cur_bytes(c, n);
	uint64_t v = 0;

	for (size_t i = s.n; i > 0; i--)
		v = v << 8 | (unsigned char)s.p[i - 1];
	return v;
}

uint8_t cur_le8(struct cur *c)
{
	return (uint8_t)little_endian(c, 1);
}

uint16_t cur_le16(struct cur *c)
{
	return (uint16_t)little_endian(c, 2);
}

uint32_t cur_le32(struct cur *c)
{
	return (uint32_t)little_endian(c, 4);
}

uint64_t cur_le64(struct cur *c)
{
	return little_endian(c, 8);
}
