/* pipe/recent.c - what store said a moment ago. See the header.
 * Invariants  R1 only OK is remembered of owners, and only DENIED of domains: what else store says may change with the next letter.
 */
#include "pipe/recent.h"

#include "base/rng.h"
#include "pipe/post_impl.h"

struct recent_owner {
	int64_t at_ms;
	struct ipc_owns_reply reply;
};

void recent_init(struct recent *r)
{
	map_init(&r->owners, rng_u64());
	map_init(&r->foreign, rng_u64());
}

static void empty(struct map *m)
{
	struct str key;
	size_t at = 0;
	void *v;

	while (map_next(m, &at, &key, &v))
		free(v);
	map_fini(m);
}

void recent_fini(struct recent *r)
{
	empty(&r->owners);
	empty(&r->foreign);
}

void recent_forget_owners(struct recent *r)
{
	empty(&r->owners);
	map_init(&r->owners, rng_u64());
}

static void keep(struct map *m, struct str key, void *value)
{
	if (m->n >= RECENT_MAX) {
		empty(m);
		map_init(m, rng_u64());
	}
	free(map_del(m, key));
	map_put(m, key, value);
}

static void key_of(const struct ipc_owns *m, struct buf *out)
{
	buf_init(out, 1000);
	buf_addf(out, "%u %u %llu %.*s@%.*s", m->edge, m->edge_life, (unsigned long long)m->handle, STR_ARG(m->from.local), STR_ARG(m->from.domain));
}

SUSPENDS enum outcome post_owns_now(struct post *p, const struct ipc_owns *m, struct ipc_owns_reply *r)
{
	enum outcome o = ipc_owns(post_store_of_handle(p, m->handle), m, r, NULL);
	struct recent_owner *known;
	struct buf key;

	if (o != OK) /* R1 */
		return o;
	known = mem_new(struct recent_owner);
	*known = (struct recent_owner){ sched_now_ms(p->sched), *r };
	key_of(m, &key);
	keep(&p->recent.owners, buf_str(&key), known);
	buf_fini(&key);
	return OK;
}

SUSPENDS enum outcome post_owns(struct post *p, const struct ipc_owns *m, struct ipc_owns_reply *r)
{
	const struct recent_owner *known;
	struct buf key;

	key_of(m, &key);
	known = map_get(&p->recent.owners, buf_str(&key));
	buf_fini(&key);
	if (!known || sched_now_ms(p->sched) - known->at_ms >= RECENT_MS)
		return post_owns_now(p, m, r);
	*r = known->reply;
	return OK;
}

SUSPENDS enum outcome post_resolve_users(struct post *p, const struct ipc_resolve *m, struct ipc_resolve_reply *r, struct arena *a)
{
	int64_t now = sched_now_ms(p->sched), *known = map_get(&p->recent.foreign, m->rcpt.domain);
	enum outcome o;

	*r = (struct ipc_resolve_reply){ 0 };
	if (known && now - *known < RECENT_MS)
		return DENIED;
	o = ipc_resolve(post_store_of_address(p, &m->rcpt), m, r, a);
	if (o == DENIED && m->rcpt.domain.n) { /* R1 */
		known = mem_new(int64_t);
		*known = now;
		keep(&p->recent.foreign, m->rcpt.domain, known);
	}
	return o;
}
