/* base/die.c - the end of a process on a bug or without memory. See the header. */
#include "base/die.h"

#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Noreturn void die(const char *fmt, ...)
{
	char what[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof what, fmt, ap);
	va_end(ap);
	log_last_words(what);
	abort();
}

_Noreturn void die_errno(const char *fmt, ...)
{
	int err = errno;
	char what[384];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof what, fmt, ap);
	va_end(ap);
	die("%s: %s", what, strerror(err));
}

void *mem_alloc(size_t size)
{
	void *p = calloc(1, size ? size : 1);

	if (!p)
		die("out of memory: %zu bytes", size);
	return p;
}

void *mem_array(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size ? size : 1);

	if (!p)
		die("out of memory: %zu times %zu bytes", n, size);
	return p;
}

void *mem_realloc(void *p, size_t size)
{
	void *q = realloc(p, size ? size : 1);

	if (!q)
		die("out of memory: %zu bytes", size);
	return q;
}

size_t mem_size(size_t n, size_t size)
{
	size_t total;

	if (__builtin_mul_overflow(n, size, &total))
		die("out of memory: %zu times %zu bytes", n, size);
	return total;
}

void *mem_dup(const void *p, size_t n)
{
	void *q = mem_realloc(NULL, n);

	if (n)
		memcpy(q, p, n);
	return q;
}
