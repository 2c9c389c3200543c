/* base/buf.c - a growing byte buffer with a mandatory maximum. See the header. */
#include "base/buf.h"

#include "base/die.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buf_init(struct buf *b, size_t max)
{
	*b = (struct buf){ .max = max };
}

void buf_fini(struct buf *b)
{
	free(b->p);
	*b = (struct buf){ .max = b->max };
}

void buf_reset(struct buf *b)
{
	b->n = 0;
	b->full = false;
}

void buf_trim(struct buf *b)
{
	if (b->n == 0 && b->p) {
		free(b->p);
		b->p = NULL;
		b->cap = 0;
	}
}

char *buf_room(struct buf *b, size_t n)
{
	size_t cap;

	if (b->full || n > b->max - b->n) {
		b->full = true;
		return NULL;
	}
	if (b->n + n > b->cap || !b->p) {
		cap = b->cap ? b->cap : 64;
		while (cap < b->n + n)
			cap *= 2;
		if (cap > b->max)
			cap = b->max ? b->max : 1;
		b->p = mem_realloc(b->p, cap);
		b->cap = cap;
	}
	return b->p + b->n;
}

void buf_grew(struct buf *b, size_t n)
{
	die_unless(n <= b->cap - b->n, "buf_grew past the room given");
	b->n += n;
}

void buf_add(struct buf *b, struct str s)
{
	char *q;

	if (s.n == 0)
		return;
	q = buf_room(b, s.n);
	if (q) {
		memcpy(q, s.p, s.n);
		b->n += s.n;
	}
}

void buf_addz(struct buf *b, const char *z)
{
	buf_add(b, str_z(z));
}

void buf_addc(struct buf *b, char c)
{
	buf_add(b, str_of(&c, 1));
}

void buf_add_u64(struct buf *b, uint64_t v)
{
	char t[20];
	size_t i = sizeof t;

	do {
		t[--i] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	buf_add(b, str_of(t + i, sizeof t - i));
}

void buf_vaddf(struct buf *b, const char *fmt, va_list ap)
{
	va_list again;
	char t[256];
	int n;

	va_copy(again, ap);
	n = vsnprintf(t, sizeof t, fmt, ap);
	die_unless(n >= 0, "buf_addf: bad format");
	if ((size_t)n < sizeof t) {
		buf_add(b, str_of(t, (size_t)n));
	} else {
		/* Not into the buffer itself: vsnprintf ends with a NUL, for which there may be no room below max. */
		char *q = mem_alloc((size_t)n + 1);

		vsnprintf(q, (size_t)n + 1, fmt, again);
		buf_add(b, str_of(q, (size_t)n));
		free(q);
	}
	va_end(again);
}

void buf_addf(struct buf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(b, fmt, ap);
	va_end(ap);
}

void buf_consume(struct buf *b, size_t n)
{
	die_unless(n <= b->n, "buf_consume past the end");
	if (n == 0)
		return;
	memmove(b->p, b->p + n, b->n - n);
	b->n -= n;
}

void buf_cut(struct buf *b, size_t n)
{
	if (n < b->n)
		b->n = n;
}

struct str buf_str(const struct buf *b)
{
	return str_of(b->p, b->n);
}
