/* store/lane.c - a queue lane's partition. See the header.
 * Suspends    until commits are durable.
 * Invariants  E1 a row that is staged and not durable is in `rows`, newest value and serial; what is durable is not, so the engine's row counts.
 *             E2 after a failed commit nothing of it is seen: the lane is closed, its staged rows are forgotten, and it opens after the repair.
 *             E3 serials begin anew when it opens: who waited for one of before knows by the lane's life that it will not come.
 */
#include "store/lane.h"

#include <stdlib.h>
#include <string.h>

struct staged {
	struct node node; /* in the order of serials */
	uint64_t serial;
	struct key key;
	bool gone; /* deleted */
	struct str value; /* heap */
};

static struct shard *shard_of(struct partition *p)
{
	struct lane *l = (struct lane *)(void *)((char *)p - offsetof(struct lane, part));

	return (struct shard *)(void *)((char *)l - offsetof(struct shard, lane));
}

uint64_t lane_number(const struct shard *s)
{
	return PARTITION_LANE(s->number);
}

struct key lane_ref(const struct shard *s, uint64_t blob, uint64_t id)
{
	return key_ref(blob, lane_number(s), (uint32_t)(id >> 32), (uint32_t)id);
}

/* ---- staged rows */

static void forget(struct lane *l, struct staged *row)
{
	map_del(&l->rows, KEY_STR(row->key));
	list_del(&row->node);
	free((char *)(uintptr_t)row->value.p);
	free(row);
}

static void forget_until(struct lane *l, uint64_t serial)
{
	while (!list_empty(&l->staged)) {
		struct staged *row = list_entry(l->staged.next, struct staged, node);

		if (row->serial > serial)
			break;
		forget(l, row);
	}
}

static void remember(struct shard *s, struct key k, bool gone, struct str value)
{
	struct lane *l = &s->lane;
	struct staged *old = map_get(&l->rows, KEY_STR(k)), *row;

	if (old)
		forget(l, old);
	row = mem_new(struct staged);
	row->serial = l->part.staged + 1;
	row->key = k;
	row->gone = gone;
	if (value.n)
		row->value = str_of(mem_dup(value.p, value.n), value.n);
	list_add_last(&l->staged, &row->node);
	map_put(&l->rows, KEY_STR(k), row);
}

void lane_put(struct shard *s, struct key k, struct str value)
{
	engine_put(lane_batch(s), KEY_STR(k), value);
	remember(s, k, false, value);
}

void lane_del(struct shard *s, struct key k)
{
	engine_del(lane_batch(s), KEY_STR(k));
	remember(s, k, true, STR(""));
}

bool lane_get(struct shard *s, struct key k, struct buf *out)
{
	const struct staged *row = s->lane.rows.n ? map_get(&s->lane.rows, KEY_STR(k)) : NULL;

	if (!row)
		return engine_get(s->port, NULL, lane_number(s), KEY_STR(k), out);
	if (!row->gone)
		buf_add(out, row->value);
	return !row->gone;
}

/* ---- the partition */

static void prepare(struct partition *p, struct engine_batch *b)
{
	struct buf v;

	buf_init(&v, 64);
	counter_encode(shard_of(p)->lane.next, &v);
	engine_put(b, STR("c"), buf_str(&v));
	buf_fini(&v);
}

static void durable(struct partition *p)
{
	forget_until(&shard_of(p)->lane, p->durable);
}

static void failed(struct partition *p, const struct engine_batch *b, const struct engine_batch *forming)
{
	struct shard *s = shard_of(p);

	s->stats.n_failed_commits++;
	s->lane.open = false;
	s->lane.life++;
	forget_until(&s->lane, UINT64_MAX);
	shard_repair(s, lane_number(s), b, forming);
}

static const struct partition_ops lane_calls = { prepare, durable, failed, NULL };

static bool reopen(struct shard *s)
{
	struct lane *l = &s->lane;
	struct buf v;

	partition_open(&l->part, s->port, lane_number(s), &lane_calls);
	l->next = 1;
	buf_init(&v, 64);
	l->open = !engine_get(s->port, NULL, lane_number(s), STR("c"), &v) || counter_decode(buf_str(&v), &l->next);
	buf_fini(&v);
	return l->open;
}

bool lane_open(struct shard *s)
{
	map_init(&s->lane.rows, 0);
	list_init(&s->lane.staged);
	return reopen(s);
}

void lane_fini(struct shard *s)
{
	forget_until(&s->lane, UINT64_MAX);
	map_fini(&s->lane.rows);
	partition_fini(&s->lane.part);
	vec_free(&s->lane.busy);
}

/* After a failed commit the lane is opened anew, once its repair is done and nobody waits at it. */
bool lane_ready(struct shard *s)
{
	if (s->lane.open)
		return true;
	if (shard_repairing(s, lane_number(s)))
		return false;
	partition_fini(&s->lane.part);
	return reopen(s);
}

struct engine_batch *lane_batch(struct shard *s)
{
	return partition_batch(&s->lane.part);
}

static SUSPENDS enum outcome wait_for(struct shard *s, uint64_t serial)
{
	struct lane *l = &s->lane;
	struct gate *gates[] = { &l->part.moved };
	uint32_t life = l->life;

	while (l->life == life && l->part.durable < serial)
		if (task_wait(s->sched, gates, 1, NEVER_MS) == WAIT_STOP)
			return TRY_LATER;
	return l->life == life ? OK : TRY_LATER;
}

enum outcome lane_commit(struct shard *s)
{
	return wait_for(s, partition_stage(&s->lane.part));
}

void lane_hurry(struct shard *s)
{
	s->lane.hurried_ms = sched_now_ms(s->sched);
}

enum outcome lane_commit_later(struct shard *s)
{
	struct lane *l = &s->lane;
	uint64_t serial = partition_stage_later(&l->part);
	struct gate *gates[] = { &l->part.moved };
	uint32_t life = l->life;

	if (!l->part.under_way && sched_now_ms(s->sched) - l->hurried_ms < LANE_LATER_MS)
		task_wait(s->sched, gates, 1, sched_now_ms(s->sched) + LANE_LATER_MS);
	if (l->life != life)
		return TRY_LATER;
	partition_push(&l->part);
	return wait_for(s, serial);
}

enum outcome lane_wait(struct shard *s)
{
	return wait_for(s, s->lane.part.staged);
}
