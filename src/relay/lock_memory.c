/* relay/lock_memory.c - hosts that have offered STARTTLS.
 * Invariants  I1 at most LOCK_STARTTLS_MAX of them; the table and the list hold the same.
 */
#include "base/die.h"
#include "base/rng.h"
#include "relay/lock_impl.h"

#include <stdlib.h>
#include <string.h>

struct memory {
	struct node node;
	int64_t seen_s;
	size_t n;
	char host[];
};

void remembered_init(struct remembered *r)
{
	map_init(&r->by_host, rng_u64());
	list_init(&r->oldest);
}

static void forget(struct remembered *r, struct memory *m)
{
	map_del(&r->by_host, str_of(m->host, m->n));
	list_del(&m->node);
	free(m);
}

void remembered_fini(struct remembered *r)
{
	list_each(it, next, &r->oldest)
		forget(r, list_entry(it, struct memory, node));
	map_fini(&r->by_host);
}

void remembered_add(struct remembered *r, struct str host, int64_t now_s)
{
	struct memory *m = map_get(&r->by_host, host);

	if (!m) {
		if (r->by_host.n >= LOCK_STARTTLS_MAX)
			forget(r, list_first(&r->oldest, struct memory, node));
		m = mem_alloc(sizeof *m + host.n);
		memcpy(m->host, host.p, host.n);
		m->n = host.n;
		list_init(&m->node);
		map_put(&r->by_host, host, m);
	}
	m->seen_s = now_s;
	list_del(&m->node);
	list_add_last(&r->oldest, &m->node);
}

bool remembered_has(const struct remembered *r, struct str host, int64_t now_s)
{
	const struct memory *m = map_get(&r->by_host, host);

	return m && now_s - m->seen_s <= (int64_t)LOCK_STARTTLS_DAYS * 86400;
}
