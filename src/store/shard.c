/* store/shard.c - what a shard does besides its accounts: time, room, and order after failed commits.
 * Invariants  R1 between a failed commit of an owner and the completion of its repair nobody reads the owner's rows; the repair
 *             removes references that no row answers to, and makes bodies of the commit garbage candidates.
 */
#include "store/shard.h"

#include "base/die.h"
#include "store/account.h"
#include "store/deleted.h"
#include "store/outgoing_rows.h"

#include <string.h>

int64_t shard_now_s(struct shard *s)
{
	return sched_wall_us(s->sched) / 1000000;
}

uint64_t shard_blob_id(struct shard *s)
{
	return engine_blob_id(s->port->engine);
}

bool shard_has_room(struct shard *s)
{
	return s->port->engine->ops->bytes_free(s->port->engine) >= s->limits->disk_reserve;
}

/* ---- repair */

static void note_batch(struct repair *r, const struct engine_batch *b)
{
	struct engine_row op;

	if (!b)
		return;
	for (size_t at = 0; engine_batch_next(b, &at, &op);)
		if ((op.kind == ENGINE_REF_PUT || op.kind == ENGINE_REF_DEL) && op.key.n && op.key.p[0] == 'R')
			*vec_push(&r->refs) = key_bytes((struct key){ 0 }, op.key);
	for (size_t i = 0; i < b->blobs.n; i++)
		*vec_push(&r->blobs) = b->blobs.v[i].id;
}

static void repair_free(struct repair *r)
{
	list_del(&r->node);
	vec_free(&r->refs);
	vec_free(&r->blobs);
	free(r);
}

void shard_repair(struct shard *s, uint64_t owner, const struct engine_batch *a, const struct engine_batch *b)
{
	struct repair *r = mem_new(struct repair);

	r->owner = owner;
	r->shard = s;
	note_batch(r, a);
	note_batch(r, b);
	list_add_last(&s->repairs, &r->node);
	shard_repair_step(s);
}

bool shard_repairing(struct shard *s, uint64_t owner)
{
	list_each (n, nxt, &s->repairs)
		if (list_entry(n, struct repair, node)->owner == owner)
			return true;
	return false;
}

/* A letter for several accounts, or one that leaves. */
static bool lane_holds(struct shard *s, uint64_t lane, uint64_t id, uint64_t blob)
{
	struct out_letter_row row;
	struct buf v;
	bool holds;

	buf_init(&v, SIZE_MAX);
	holds = engine_get(s->port, NULL, lane, KEY_STR(key_u64(key_of('Q'), id)), &v) ||
		(engine_get(s->port, NULL, lane, KEY_STR(key_out_letter(id)), &v) && out_letter_row_decode(buf_str(&v), &row) && row.blob == blob);
	buf_fini(&v);
	return holds;
}

/* Does the owner have a row that uses the body as the reference says? */
static bool ref_holds(struct shard *s, uint64_t owner, struct key ref)
{
	struct cur c = cur_of(str_from(KEY_STR(ref), 1));
	uint64_t blob = cur_be64(&c), of = cur_be64(&c);
	uint32_t mailbox = cur_be32(&c), uid = cur_be32(&c);
	struct message_row m;
	struct buf v;
	bool holds;

	die_unless(cur_done(&c) && of == owner, "repair: reference of another");
	if (owner >= PARTITION_LANE(0))
		return lane_holds(s, owner, (uint64_t)mailbox << 32 | uid, blob);
	buf_init(&v, SIZE_MAX);
	holds = engine_get(s->port, NULL, owner, KEY_STR(key_message('M', mailbox, uid)), &v) && message_row_decode(buf_str(&v), &m) &&
		m.blob == blob;
	if (!holds)
		holds = deleted_holds(s, owner, mailbox, uid, blob);
	buf_fini(&v);
	return holds;
}

static void on_repaired(struct engine_batch *b, enum engine_result result)
{
	struct repair *r = b->arg;
	struct shard *s = r->shard;

	engine_batch_free(b);
	r->under_way = false;
	if (result == ENGINE_DONE)
		repair_free(r);
	shard_repair_step(s);
	gate_open(s->sched, &s->closing_gate);
}

static void start(struct repair *r)
{
	struct shard *s = r->shard;
	struct engine_batch *b = engine_batch_new(0, 0);
	int64_t now = shard_now_s(s);

	for (size_t i = 0; i < r->refs.n; i++) {
		struct key ref = r->refs.v[i];
		struct cur c = cur_of(str_from(KEY_STR(ref), 1));
		uint64_t blob = cur_be64(&c);

		if (ref_holds(s, r->owner, ref)) {
			engine_ref_put(b, KEY_STR(ref), STR(""));
		} else {
			engine_ref_del(b, KEY_STR(ref));
			engine_ref_put(b, KEY_STR(key_garbage(now, blob)), STR(""));
		}
	}
	for (size_t i = 0; i < r->blobs.n; i++)
		engine_ref_put(b, KEY_STR(key_garbage(now, r->blobs.v[i])), STR(""));
	b->done = on_repaired;
	b->arg = r;
	r->under_way = true;
	engine_commit(s->port, b);
}

void shard_repair_step(struct shard *s)
{
	list_each (n, nxt, &s->repairs) {
		struct repair *r = list_entry(n, struct repair, node);

		if (!r->under_way)
			start(r);
	}
}
