/* base/map.c - a hash table from byte strings to pointers. See the header. */
#include "base/map.h"

#include "base/die.h"

#include <stdlib.h>

struct map_slot {
	char *key; /* NULL: never used */
	size_t n;
	uint64_t hash;
	void *value; /* NULL with a key: deleted */
};

void map_init(struct map *m, uint64_t seed)
{
	*m = (struct map){ .seed = seed };
}

void map_fini(struct map *m)
{
	for (size_t i = 0; i < m->cap; i++)
		free(m->slots[i].key);
	free(m->slots);
	*m = (struct map){ .seed = m->seed };
}

/* The slot that holds key, or the empty one that ends its probe sequence. */
static struct map_slot *probe(const struct map *m, struct str key, uint64_t hash)
{
	for (size_t i = hash & (m->cap - 1);; i = (i + 1) & (m->cap - 1)) {
		struct map_slot *s = &m->slots[i];

		if (!s->key || (s->hash == hash && str_eq(str_of(s->key, s->n), key)))
			return s;
	}
}

static void rebuild(struct map *m)
{
	struct map old = *m;

	m->cap = 16;
	while (m->cap < m->n * 4)
		m->cap *= 2;
	m->slots = mem_array(m->cap, sizeof *m->slots);
	m->dead = 0;
	for (size_t i = 0; i < old.cap; i++) {
		struct map_slot *s = &old.slots[i];

		if (s->value)
			*probe(m, str_of(s->key, s->n), s->hash) = *s;
		else
			free(s->key);
	}
	free(old.slots);
}

void *map_get(const struct map *m, struct str key)
{
	return m->cap ? probe(m, key, str_hash(key, m->seed))->value : NULL;
}

void map_put(struct map *m, struct str key, void *value)
{
	uint64_t hash = str_hash(key, m->seed);
	struct map_slot *s;

	die_unless(value, "map_put of NULL");
	if ((m->n + m->dead + 1) * 2 > m->cap)
		rebuild(m);
	s = probe(m, key, hash);
	if (!s->key) {
		*s = (struct map_slot){ .key = mem_dup(key.p, key.n), .n = key.n, .hash = hash };
		m->n++;
	} else if (!s->value) {
		m->dead--;
		m->n++;
	}
	s->value = value;
}

void *map_del(struct map *m, struct str key)
{
	struct map_slot *s = m->cap ? probe(m, key, str_hash(key, m->seed)) : NULL;
	void *value = s ? s->value : NULL;

	if (value) {
		s->value = NULL;
		m->n--;
		m->dead++;
	}
	return value;
}

bool map_next(const struct map *m, size_t *at, struct str *key, void **value)
{
	for (; *at < m->cap; (*at)++) {
		struct map_slot *s = &m->slots[*at];

		if (!s->value)
			continue;
		*key = str_of(s->key, s->n);
		*value = s->value;
		(*at)++;
		return true;
	}
	return false;
}
