/* store/engine.c - batches, the module's loader, and reads on the scheduler's own stack.
 * Purpose     what all engines share.
 * Suspends    never by itself; reads run on the large stack since RocksDB wants more than a coroutine has.
 */
#include "store/engine.h"

#include "base/die.h"

#include <dlfcn.h>
#include <string.h>

#define BATCH_MAX ((size_t)1 << 31)

struct engine_batch *engine_batch_new(uint64_t partition, uint64_t version)
{
	struct engine_batch *b = mem_new(struct engine_batch);

	b->partition = partition;
	b->version = version;
	buf_init(&b->ops, BATCH_MAX);
	list_init(&b->node);
	return b;
}

void engine_blob_drop(struct engine_blob *blob)
{
	free(blob->heap);
	if (blob->map.mapped)
		body_unmap(&blob->map);
	*blob = (struct engine_blob){ 0 };
}

void engine_batch_free(struct engine_batch *b)
{
	for (size_t i = 0; i < b->blobs.n; i++)
		engine_blob_drop(&b->blobs.v[i]);
	vec_free(&b->blobs);
	buf_fini(&b->ops);
	free(b);
}

struct op_head {
	uint8_t kind;
	uint32_t key_n, value_n;
} __attribute__((packed));

static void add_op(struct engine_batch *b, enum engine_kind kind, struct str key, struct str value)
{
	struct op_head h = { (uint8_t)kind, (uint32_t)key.n, (uint32_t)value.n };

	die_unless(key.n <= ENGINE_KEY_MAX, "engine: key too long");
	buf_add(&b->ops, str_of(&h, sizeof h));
	buf_add(&b->ops, key);
	buf_add(&b->ops, value);
	die_unless(!b->ops.full, "engine: batch of 2 GiB");
	b->n_ops++;
}

void engine_put(struct engine_batch *b, struct str key, struct str value)
{
	add_op(b, ENGINE_PUT, key, value);
}

void engine_del(struct engine_batch *b, struct str key)
{
	add_op(b, ENGINE_DEL, key, STR(""));
}

void engine_ref_put(struct engine_batch *b, struct str key, struct str value)
{
	add_op(b, ENGINE_REF_PUT, key, value);
}

void engine_ref_del(struct engine_batch *b, struct str key)
{
	add_op(b, ENGINE_REF_DEL, key, STR(""));
}

void engine_blob_del(struct engine_batch *b, uint64_t id)
{
	add_op(b, ENGINE_BLOB_DEL, str_of(&id, sizeof id), STR(""));
}

enum outcome engine_blob_hold(struct engine_blob *blob, uint64_t id, const struct body *body)
{
	*blob = (struct engine_blob){ .id = id };
	if (body->fd < 0) {
		blob->heap = mem_dup(body->inl.p, body->inl.n);
		blob->bytes = str_of(blob->heap, body->inl.n);
		return OK;
	}
	if (body_map(body, &blob->map) != OK)
		return FAILED;
	blob->bytes = blob->map.bytes;
	return OK;
}

void engine_blob_give(struct engine_batch *b, struct engine_blob *blob)
{
	*vec_push(&b->blobs) = *blob;
	*blob = (struct engine_blob){ 0 };
}

enum outcome engine_blob_put(struct engine_batch *b, uint64_t id, const struct body *body)
{
	struct engine_blob blob;
	enum outcome o = engine_blob_hold(&blob, id, body);

	if (o == OK)
		engine_blob_give(b, &blob);
	return o;
}

void engine_blob_copy(struct engine_batch *b, uint64_t id, struct str bytes)
{
	struct engine_blob blob = { .id = id, .heap = mem_dup(bytes.p, bytes.n) };

	blob.bytes = str_of(blob.heap, bytes.n);
	*vec_push(&b->blobs) = blob;
}

bool engine_batch_next(const struct engine_batch *b, size_t *at, struct engine_row *op)
{
	struct op_head h;

	if (*at == b->ops.n)
		return false;
	memcpy(&h, b->ops.p + *at, sizeof h);
	*at += sizeof h;
	*op = (struct engine_row){ h.kind, str_of(b->ops.p + *at, h.key_n),
		str_of(b->ops.p + *at + h.key_n, h.value_n) };
	*at += (size_t)h.key_n + h.value_n;
	return true;
}

void engine_commit(struct engine_port *p, struct engine_batch *b)
{
	b->port = p;
	p->engine->ops->commit(p, b);
}

/* One struct for all reads, handed through sched_call. */
struct read {
	struct engine_port *port;
	const struct engine_snapshot *snap;
	uint64_t number, at;
	size_t n;
	struct str key;
	struct buf *out;
	const struct engine_range *range;
	engine_each *each;
	void *arg;
	struct engine_blob_info *info;
	bool found;
	enum outcome outcome;
	struct engine_snapshot *new_snap;
};

static void do_get(void *arg)
{
	struct read *r = arg;

	r->found = r->port->engine->ops->get(r->port, r->snap, r->number, r->key, r->out);
}

bool engine_get(
	struct engine_port *p, const struct engine_snapshot *snap, uint64_t partition, struct str key, struct buf *out)
{
	struct read r = { .port = p, .snap = snap, .number = partition, .key = key, .out = out };

	sched_call(p->sched, do_get, &r);
	return r.found;
}

static void do_range(void *arg)
{
	struct read *r = arg;

	r->port->engine->ops->range(r->port, r->range, r->each, r->arg);
}

void engine_range(struct engine_port *p, const struct engine_range *range, engine_each *each, void *arg)
{
	struct read r = { .port = p, .range = range, .each = each, .arg = arg };

	sched_call(p->sched, do_range, &r);
}

static void do_version(void *arg)
{
	struct read *r = arg;

	r->at = r->port->engine->ops->version(r->port, r->snap, r->number);
}

uint64_t engine_version(struct engine_port *p, uint64_t partition)
{
	return engine_version_at(p, NULL, partition);
}

uint64_t engine_version_at(struct engine_port *p, const struct engine_snapshot *snap, uint64_t partition)
{
	struct read r = { .port = p, .snap = snap, .number = partition };

	sched_call(p->sched, do_version, &r);
	return r.at;
}

static void do_blob_get(void *arg)
{
	struct read *r = arg;

	r->outcome = r->port->engine->ops->blob_get(r->port, r->number, r->at, r->n, r->out);
}

enum outcome engine_blob_get(struct engine_port *p, uint64_t id, uint64_t at, size_t n, struct buf *out)
{
	struct read r = { .port = p, .number = id, .at = at, .n = n, .out = out };

	sched_call(p->sched, do_blob_get, &r);
	return r.outcome;
}

static void do_blob_next(void *arg)
{
	struct read *r = arg;

	r->found = r->port->engine->ops->blob_next(r->port, r->snap, r->number, r->info);
}

bool engine_blob_next(
	struct engine_port *p, const struct engine_snapshot *snap, uint64_t after, struct engine_blob_info *out)
{
	struct read r = { .port = p, .snap = snap, .number = after, .info = out };

	sched_call(p->sched, do_blob_next, &r);
	return r.found;
}

static void do_snapshot(void *arg)
{
	struct read *r = arg;

	r->new_snap = r->port->engine->ops->snapshot(r->port);
}

struct engine_snapshot *engine_snapshot(struct engine_port *p)
{
	struct read r = { .port = p };

	sched_call(p->sched, do_snapshot, &r);
	return r.new_snap;
}

void engine_snapshot_free(struct engine_port *p, struct engine_snapshot *s)
{
	p->engine->ops->snapshot_free(p, s);
}

void engine_close(struct engine *e)
{
	e->ops->close(e);
}

struct engine *engine_rocks_load(const struct engine_opts *o)
{
	struct engine *(*open)(const struct engine_opts *);
	void *module = dlopen(o->module, RTLD_NOW | RTLD_LOCAL);
	void *symbol = module ? dlsym(module, "engine_rocks_open") : NULL;

	if (!symbol) {
		buf_addf(o->why, "cannot load the storage engine: %s", dlerror());
		return NULL;
	}
	memcpy(&open, &symbol, sizeof open);
	return open(o);
}
