/* base/arena.c - memory that is given back all at once. See the header. */
#include "base/arena.h"

#include "base/die.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_SIZE 232 /* small: a quiet session keeps one an arena */

struct arena_block {
	struct arena_block *older;
	size_t size; /* bytes behind the header */
	size_t n;    /* of them in use */
	alignas(max_align_t) char data[];
};

void arena_init(struct arena *a, const char *name, size_t cap)
{
	*a = (struct arena){ .name = name, .cap = cap };
}

void arena_fini(struct arena *a)
{
	while (a->block) {
		struct arena_block *b = a->block;

		a->block = b->older;
		free(b);
	}
	a->used = 0;
}

void arena_reset(struct arena *a)
{
	while (a->block && (a->block->older || a->block->size > BLOCK_SIZE)) {
		struct arena_block *b = a->block;

		a->block = b->older;
		free(b);
	}
	if (a->block) {
		memset(a->block->data, 0, a->block->n);
		a->block->n = 0;
	}
	a->used = 0;
}

void *arena_alloc(struct arena *a, size_t size)
{
	size_t align = alignof(max_align_t);
	struct arena_block *b = a->block;
	void *p;

	if (size > a->cap || a->used > a->cap - size)
		die("arena %s: %zu bytes on top of %zu pass its cap of %zu", a->name, size, a->used, a->cap);
	size = (size + align - 1) / align * align;
	if (!b || b->size - b->n < size) {
		size_t n = !b ? BLOCK_SIZE : b->size < 64 * 1024 ? b->size * 2 : b->size;

		n = n < size ? size : n;
		b = mem_alloc(sizeof *b + n);
		b->size = n;
		b->older = a->block;
		a->block = b;
	}
	p = b->data + b->n;
	b->n += size;
	a->used += size;
	return p;
}

void *arena_array(struct arena *a, size_t n, size_t size)
{
	size_t total;

	if (__builtin_mul_overflow(n, size, &total))
		die("arena %s: array of %zu times %zu bytes", a->name, n, size);
	return arena_alloc(a, total);
}

struct str arena_dup(struct arena *a, struct str s)
{
	char *p;

	if (s.n == 0)
		return s.p ? STR("") : s;
	p = arena_alloc(a, s.n);
	memcpy(p, s.p, s.n);
	return str_of(p, s.n);
}

char *arena_dupz(struct arena *a, struct str s)
{
	char *p = arena_alloc(a, s.n + 1);

	if (s.n)
		memcpy(p, s.p, s.n);
	return p;
}

struct str arena_fmt(struct arena *a, const char *fmt, ...)
{
	va_list ap;
	char *p;
	int n;

	die_unless(fmt, "arena_fmt: no format"); /* keeps gcc from warning of it when the sanitizers look too */
	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	die_unless(n >= 0, "arena_fmt: bad format");
	p = arena_alloc(a, (size_t)n + 1);
	va_start(ap, fmt);
	vsnprintf(p, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return str_of(p, (size_t)n);
}
