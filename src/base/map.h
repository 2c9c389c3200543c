/* base/map.h - a hash table from byte strings to pointers (open addressing, seeded). Keys are copied. */
#ifndef SALLYPORT_BASE_MAP_H
#define SALLYPORT_BASE_MAP_H

#include "base/str.h"

struct map_slot;

struct map {
	struct map_slot *slots;
	size_t n, cap, dead;
	uint64_t seed; /* set it from rng where keys come from outside */
};

void map_init(struct map *m, uint64_t seed);
void map_fini(struct map *m); /* frees keys and table, not what the pointers point to */
void *map_get(const struct map *m, struct str key); /* NULL when absent */
void map_put(struct map *m, struct str key, void *value); /* replaces; value is not NULL */
void *map_del(struct map *m, struct str key);             /* what was there, or NULL */
/* Iterates in no order: *at starts at 0; false at the end. The table must not change meanwhile (map_del of the current key is allowed). */
bool map_next(const struct map *m, size_t *at, struct str *key, void **value);

/* The key of an integer, for tables by number; valid while the integer lives. */
#define MAP_KEY(integer) str_of(&(integer), sizeof(integer))

#endif
