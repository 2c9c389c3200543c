/* base/arena.h - memory that is given back all at once.
 *
 * Three lives use one each: a role, a session, a command (reset after each). An arena has a hard cap; the limits on
 * input are set so that no input reaches it, hence passing it is a bug and dies, naming the arena.
 */
#ifndef SALLYPORT_BASE_ARENA_H
#define SALLYPORT_BASE_ARENA_H

#include "base/str.h"

struct arena_block;

struct arena {
	const char *name; /* literal, for the last words */
	size_t cap;       /* bytes that may be in use at once */
	size_t used;
	struct arena_block *block; /* newest */
};

void arena_init(struct arena *a, const char *name, size_t cap);
void arena_fini(struct arena *a);  /* frees all; the arena may be used again */
void arena_reset(struct arena *a); /* all allocations end; keeps at most one small block */

/* Zeroed, aligned for any type; valid until reset or fini. */
void *arena_alloc(struct arena *a, size_t size);
void *arena_array(struct arena *a, size_t n, size_t size);
struct str arena_dup(struct arena *a, struct str s);
char *arena_dupz(struct arena *a, struct str s); /* NUL-terminated; s must hold no NUL to be useful */
struct str arena_fmt(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define arena_new(a, type) ((type *)arena_alloc((a), sizeof(type)))

#endif
