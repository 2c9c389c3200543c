/* store/engine_mem.c - the engine of tests and of the simulator: an ordered map in memory.
 * Purpose     with seed 0 a reliable engine that forgets; with any other the weakest contract of engine.h, reproducible:
 *             commits are late, lost, or end unknown, and leave orphaned bodies and references behind.
 * Suspends    a port's task, between commits.
 * Invariants  I1 a commit changes rows at one instant: when its done is called, or (UNKNOWN) not at all.
 *             I2 bodies and new references may come without their rows; rows never come without them.
 */
#include "store/engine.h"

#include "base/die.h"
#include "base/rng.h"
#include "store/omap.h"

#include <endian.h>
#include <string.h>

enum { LATE_PER_MILLE = 300, LATE_MS_MAX = 200, LOST_PER_MILLE = 30, UNKNOWN_PER_MILLE = 30, ORPHAN_PER_MILLE = 500 };

struct engine_snapshot {
	struct omap map;
};

struct mem {
	struct engine base;
	struct omap map;
	uint64_t rng; /* 0: reliable */
	uint64_t next_blob;
	struct engine_stats stats;
	unsigned fail_skip, fail_next;
	enum engine_result fail_how;
	bool hold;
	struct node ports;
};

struct port {
	struct engine_port base;
	struct mem *mem;
	struct node node;
	struct node waiting; /* of engine_batch */
	struct gate work, gone;
	bool closing, ended;
};

/* A key of the one map: a letter for its kind, a number, the key. */
#define FULL_KEY_MAX (ENGINE_KEY_MAX + 9)
struct full_key {
	char p[FULL_KEY_MAX];
	size_t n;
};

static struct str full(struct full_key *f, char kind, uint64_t number, struct str key)
{
	uint64_t be = htobe64(number);

	f->p[0] = kind;
	memcpy(f->p + 1, &be, 8);
	if (key.n)
		memcpy(f->p + 9, key.p, key.n);
	f->n = 9 + key.n;
	return str_of(f->p, f->n);
}

static uint64_t version_of(const struct omap *m, uint64_t partition)
{
	struct full_key k;
	struct str v;
	uint64_t n;

	if (!omap_get(m, full(&k, 'v', partition, STR("")), &v))
		return 0;
	memcpy(&n, v.p, sizeof n);
	return n;
}

struct blob_head {
	int64_t created_s;
};

static void put_blobs(struct port *p, const struct engine_batch *b)
{
	struct blob_head h = { sched_wall_us(p->base.sched) / 1000000 };
	struct full_key k;

	for (size_t i = 0; i < b->blobs.n; i++) {
		const struct engine_blob *x = &b->blobs.v[i];
		struct buf v;

		buf_init(&v, SIZE_MAX);
		buf_add(&v, str_of(&h, sizeof h));
		buf_add(&v, x->bytes);
		omap_put(&p->mem->map, full(&k, 'b', x->id, STR("")), buf_str(&v));
		buf_fini(&v);
		p->mem->stats.bytes_bodies += x->bytes.n;
	}
}

static void apply_op(struct mem *m, const struct engine_batch *b, const struct engine_row *op)
{
	struct full_key k;
	uint64_t id;

	switch ((enum engine_kind)op->kind) {
	case ENGINE_PUT:
		omap_put(&m->map, full(&k, 'p', b->partition, op->key), op->value);
		break;
	case ENGINE_DEL:
		omap_del(&m->map, full(&k, 'p', b->partition, op->key));
		break;
	case ENGINE_REF_PUT:
		omap_put(&m->map, full(&k, 'r', 0, op->key), op->value);
		break;
	case ENGINE_REF_DEL:
		omap_del(&m->map, full(&k, 'r', 0, op->key));
		break;
	case ENGINE_BLOB_DEL:
		memcpy(&id, op->key.p, sizeof id);
		omap_del(&m->map, full(&k, 'b', id, STR("")));
		break;
	}
	m->stats.bytes_rows += op->key.n + op->value.n;
}

static void apply(struct port *p, const struct engine_batch *b)
{
	struct engine_row op;
	struct full_key k;
	uint64_t version = b->version + 1;

	put_blobs(p, b);
	for (size_t at = 0; engine_batch_next(b, &at, &op);)
		apply_op(p->mem, b, &op);
	if (b->partition)
		omap_put(&p->mem->map, full(&k, 'v', b->partition, STR("")), str_of(&version, sizeof version));
}

/* What a failed commit may leave behind. */
static void leave_orphans(struct port *p, const struct engine_batch *b)
{
	struct engine_row op;

	put_blobs(p, b);
	for (size_t at = 0; engine_batch_next(b, &at, &op);)
		if (op.kind == ENGINE_REF_PUT)
			apply_op(p->mem, b, &op);
}

static bool chance(struct mem *m, unsigned per_mille)
{
	return m->rng && rng_step(&m->rng) % 1000 < per_mille;
}

static enum engine_result fate(struct mem *m)
{
	if (m->fail_skip > 0) {
		m->fail_skip--;
		return ENGINE_DONE;
	}
	if (m->fail_next > 0) {
		m->fail_next--;
		return m->fail_how;
	}
	if (chance(m, LOST_PER_MILLE))
		return ENGINE_LOST;
	return chance(m, UNKNOWN_PER_MILLE) ? ENGINE_UNKNOWN : ENGINE_DONE;
}

static void run_batch(struct port *p, struct engine_batch *b)
{
	struct mem *m = p->mem;
	enum engine_result r = fate(m);

	if (b->partition && version_of(&m->map, b->partition) != b->version)
		r = ENGINE_LOST;
	if (r == ENGINE_DONE || (r == ENGINE_UNKNOWN && chance(m, 500)))
		apply(p, b);
	else if (chance(m, ORPHAN_PER_MILLE))
		leave_orphans(p, b);
	m->stats.n_batches++;
	m->stats.n_groups++;
	m->stats.n_group_max = 1;
	b->done(b, r);
}

static struct engine_batch *due(struct port *p, int64_t *next_ms)
{
	int64_t now = sched_now_ms(p->base.sched);

	*next_ms = NEVER_MS;
	if (p->mem->hold)
		return NULL;
	list_each (n, nxt, &p->waiting) {
		struct engine_batch *b = list_entry(n, struct engine_batch, node);

		if (b->due_ms <= now)
			return b;
		if (b->due_ms < *next_ms)
			*next_ms = b->due_ms;
	}
	return NULL;
}

static void port_task(void *arg)
{
	struct port *p = arg;
	struct gate *gates[] = { &p->work };
	int64_t next_ms;

	for (;;) {
		struct engine_batch *b = due(p, &next_ms);

		if (b) {
			list_del(&b->node);
			run_batch(p, b);
			continue;
		}
		if (p->closing && list_empty(&p->waiting))
			break;
		if (task_wait(p->base.sched, gates, 1, next_ms) == WAIT_STOP)
			break;
	}
	p->ended = true;
	gate_open(p->base.sched, &p->gone);
}

static struct engine_port *mem_port_open(struct engine *e, struct sched *s)
{
	struct port *p = mem_new(struct port);

	p->base = (struct engine_port){ e, s };
	p->mem = (struct mem *)(void *)e;
	list_init(&p->waiting);
	gate_init(&p->work);
	gate_init(&p->gone);
	list_add_last(&p->mem->ports, &p->node);
	task_spawn(s, "engine-mem", port_task, p);
	return &p->base;
}

static void mem_port_close(struct engine_port *base)
{
	struct port *p = (struct port *)(void *)base;
	struct gate *gates[] = { &p->gone };

	p->closing = true;
	gate_open(base->sched, &p->work);
	while (!p->ended)
		if (task_wait(base->sched, gates, 1, NEVER_MS) == WAIT_STOP)
			die("engine-mem: cancelled while closing");
	list_del(&p->node);
	free(p);
}

static void mem_commit(struct engine_port *base, struct engine_batch *b)
{
	struct port *p = (struct port *)(void *)base;

	b->due_ms = sched_now_ms(base->sched);
	if (chance(p->mem, LATE_PER_MILLE))
		b->due_ms += (int64_t)(rng_step(&p->mem->rng) % LATE_MS_MAX);
	list_add_last(&p->waiting, &b->node);
	gate_open(base->sched, &p->work);
}

static const struct omap *map_of(struct engine_port *base, const struct engine_snapshot *snap)
{
	return snap ? &snap->map : &((struct port *)(void *)base)->mem->map;
}

static uint64_t mem_version(struct engine_port *base, const struct engine_snapshot *snap, uint64_t partition)
{
	return version_of(map_of(base, snap), partition);
}

static bool mem_get(struct engine_port *base, const struct engine_snapshot *snap, uint64_t partition, struct str key,
	struct buf *out)
{
	struct full_key k;
	struct str v;

	if (!omap_get(map_of(base, snap), full(&k, 'p', partition, key), &v))
		return false;
	buf_add(out, v);
	return true;
}

static void mem_range(struct engine_port *base, const struct engine_range *r, engine_each *each, void *arg)
{
	const struct omap *m = map_of(base, r->snapshot);
	bool refs = r->space == ENGINE_REFS;
	char kind = refs ? 'r' : 'p';
	uint64_t number = refs ? 0 : r->partition;
	struct full_key from;
	struct omap_at at = omap_seek(m, full(&from, kind, number, r->from));
	struct str key, value;

	while (omap_next(m, &at, &key, &value)) {
		struct engine_row row = { ENGINE_PUT, str_from(key, 9), value };

		if (memcmp(key.p, from.p, 9) != 0 || (r->to.n && str_cmp(row.key, r->to) >= 0))
			break;
		if (!each(arg, &row))
			break;
	}
}

static enum outcome mem_blob_get(struct engine_port *base, uint64_t id, uint64_t at, size_t n, struct buf *out)
{
	struct full_key k;
	struct str v;

	if (!omap_get(map_of(base, NULL), full(&k, 'b', id, STR("")), &v))
		return NO_SUCH;
	buf_add(out, str_sub(str_from(v, sizeof(struct blob_head)), at, n));
	return OK;
}

static bool mem_blob_next(
	struct engine_port *base, const struct engine_snapshot *snap, uint64_t after, struct engine_blob_info *out)
{
	const struct omap *m = map_of(base, snap);
	struct full_key k;
	struct omap_at at;
	struct str key, value;
	struct blob_head h;
	uint64_t be;

	if (after == UINT64_MAX)
		return false;
	at = omap_seek(m, full(&k, 'b', after + 1, STR("")));
	if (!omap_next(m, &at, &key, &value) || key.p[0] != 'b')
		return false;
	memcpy(&be, key.p + 1, 8);
	memcpy(&h, value.p, sizeof h);
	*out = (struct engine_blob_info){ be64toh(be), value.n - sizeof h, h.created_s };
	return true;
}

static struct engine_snapshot *mem_snapshot(struct engine_port *base)
{
	struct engine_snapshot *s = mem_new(struct engine_snapshot);

	s->map = omap_copy(map_of(base, NULL));
	return s;
}

static void mem_snapshot_free(struct engine_port *base, struct engine_snapshot *s)
{
	(void)base;
	omap_fini(&s->map);
	free(s);
}

static uint64_t mem_blob_id(struct engine *e)
{
	return ++((struct mem *)(void *)e)->next_blob;
}

static uint64_t mem_bytes_free(struct engine *e)
{
	(void)e;
	return UINT64_MAX;
}

static bool count_blob(const struct omap *m, struct omap_at *at, struct engine_stats *out)
{
	struct str key, value;

	if (!omap_next(m, at, &key, &value) || key.p[0] != 'b')
		return false;
	out->n_blobs++;
	out->bytes_live += value.n - sizeof(struct blob_head);
	return true;
}

static void mem_stats(struct engine *e, struct engine_stats *out)
{
	struct mem *m = (struct mem *)(void *)e;
	struct full_key k;
	struct omap_at at = omap_seek(&m->map, full(&k, 'b', 0, STR("")));

	*out = m->stats;
	while (count_blob(&m->map, &at, out))
		;
}

static void mem_close(struct engine *e)
{
	struct mem *m = (struct mem *)(void *)e;

	die_unless(list_empty(&m->ports), "engine-mem closed with open ports");
	omap_fini(&m->map);
	free(m);
}

static const struct engine_ops mem_ops = {
	.name = "memory",
	.close = mem_close,
	.port_open = mem_port_open,
	.port_close = mem_port_close,
	.commit = mem_commit,
	.get = mem_get,
	.range = mem_range,
	.version = mem_version,
	.blob_get = mem_blob_get,
	.blob_next = mem_blob_next,
	.snapshot = mem_snapshot,
	.snapshot_free = mem_snapshot_free,
	.blob_id = mem_blob_id,
	.bytes_free = mem_bytes_free,
	.stats = mem_stats,
};

struct engine *engine_mem_open(const struct engine_opts *o)
{
	struct mem *m = mem_new(struct mem);

	m->base = (struct engine){ .ops = &mem_ops, .life = (uint32_t)(o->seed ? o->seed : rng_u64()) };
	m->rng = o->seed;
	list_init(&m->ports);
	return &m->base;
}

void engine_mem_fail_after(struct engine *e, unsigned skip, unsigned n, enum engine_result how)
{
	struct mem *m = (struct mem *)(void *)e;

	m->fail_skip = skip;
	m->fail_next = n;
	m->fail_how = how;
}

void engine_mem_hold(struct engine *e, bool hold)
{
	struct mem *m = (struct mem *)(void *)e;

	m->hold = hold;
	list_each (n, nxt, &m->ports) {
		struct port *p = list_entry(n, struct port, node);

		gate_open(p->base.sched, &p->work);
	}
}
