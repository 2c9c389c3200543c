/* base/die.h - the end of a process on a bug or without memory, and allocation that never fails to its caller.
 *
 * All durable state is on disk and master restarts the role, so there is nothing to unwind.
 */
#ifndef SALLYPORT_BASE_DIE_H
#define SALLYPORT_BASE_DIE_H

#include <stddef.h>

/* Writes "what" (and errno's text for die_errno) to the log's descriptor and aborts without a core dump. */
_Noreturn void die(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void die_errno(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* For what can only be false through a bug of ours. */
#define die_unless(cond, what)                                      \
	do {                                                        \
		if (__builtin_expect(!(cond), 0))                   \
			die("%s:%d: %s", __FILE__, __LINE__, what); \
	} while (0)

/* Zeroed memory; dies without it. n * size must not overflow (dies). Freed with free(). */
void *mem_alloc(size_t size);
void *mem_array(size_t n, size_t size);
void *mem_realloc(void *p, size_t size); /* new bytes are not zeroed */
size_t mem_size(size_t n, size_t size); /* n * size, or dies */
void *mem_dup(const void *p, size_t n);

#define mem_new(type) ((type *)mem_alloc(sizeof(type)))

#endif
