/* relay/bad.c - addresses that could not be reached lately. See the header. */
#include "relay/bad.h"

#include "base/die.h"

#include <stdlib.h>
#include <string.h>

struct bad_address {
	struct node age;
	unsigned n_failures;
	int64_t until_ms;
	struct str key; /* what follows it in memory */
};

void bad_init(struct bad *b, uint64_t seed)
{
	map_init(&b->map, seed);
	list_init(&b->byage);
}

static void drop(struct bad *b, struct bad_address *x)
{
	map_del(&b->map, x->key);
	list_del(&x->age);
	free(x);
}

void bad_fini(struct bad *b)
{
	list_each(it, next, &b->byage)
		drop(b, list_entry(it, struct bad_address, age));
	map_fini(&b->map);
}

static struct bad_address *add(struct bad *b, struct str key)
{
	struct bad_address *x = mem_alloc(sizeof *x + key.n);

	if (b->map.n >= BAD_MAX)
		drop(b, list_entry(b->byage.next, struct bad_address, age));
	x->key = str_of(memcpy(x + 1, key.p, key.n), key.n);
	list_init(&x->age);
	map_put(&b->map, x->key, x);
	return x;
}

void bad_note(struct bad *b, struct str key, int64_t now_ms)
{
	struct bad_address *x = map_get(&b->map, key);
	int64_t wait_ms = BAD_FIRST_MS;

	if (!x)
		x = add(b, key);
	else if (now_ms < x->until_ms)
		return; /* two that tried it at once count as one */
	for (unsigned i = 0; i < x->n_failures && wait_ms < BAD_LONGEST_MS; i++)
		wait_ms *= 2;
	x->n_failures++;
	x->until_ms = now_ms + (wait_ms < BAD_LONGEST_MS ? wait_ms : BAD_LONGEST_MS);
	list_del(&x->age);
	list_add_last(&b->byage, &x->age);
}

void bad_forget(struct bad *b, struct str key)
{
	struct bad_address *x = map_get(&b->map, key);

	if (x)
		drop(b, x);
}

bool bad_is(const struct bad *b, struct str key, int64_t now_ms)
{
	const struct bad_address *x = map_get(&b->map, key);

	return x && now_ms < x->until_ms;
}

size_t bad_count(const struct bad *b)
{
	return b->map.n;
}
