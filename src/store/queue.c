/* store/queue.c - the lane. See the header.
 * Suspends    until commits are durable.
 * Invariants  Q1 a letter's body is referenced by the lane until every recipient's own reference is durable. Q2 each delivery has an id of
 *             letter and recipient, so that one that is repeated after a crash finds itself done. Q3 ids are never used again.
 */
#include "store/queue.h"

#include "store/deliver.h"
#include "store/lane.h"

#include <stdio.h>
#include <string.h>

#define WORK_MAX ((size_t)64 << 20)
#define DELIVERY_ID_MAX 32

/* ---- in */

static void put_rows(struct shard *s, uint64_t id, const struct queued_row *row)
{
	struct engine_batch *b = lane_batch(s);
	char done[QUEUED_RCPTS_MAX] = { 0 };
	struct buf v;

	buf_init(&v, SIZE_MAX);
	queued_row_encode(row, &v);
	engine_put(b, KEY_STR(key_u64(key_of('Q'), id)), buf_str(&v));
	engine_put(b, KEY_STR(key_u64(key_of('T'), id)), str_of(done, row->n_rcpts));
	engine_ref_put(b, KEY_STR(lane_ref(s, row->blob, id)), STR(""));
	buf_fini(&v);
}

static enum outcome fill_row(struct shard *s, const struct ipc_queue_put *q, struct arena *a, struct queued_row *row)
{
	struct engine_batch *b = lane_batch(s);

	*row = (struct queued_row){ .trace = q->trace,
		.date_s = q->date_s,
		.blob = shard_blob_id(s),
		.index = q->index,
		.size = (uint32_t)q->body.size,
		.n_rcpts = (uint32_t)q->n_rcpts };
	for (size_t i = 0; i < q->n_rcpts; i++) {
		row->accounts[i] = q->rcpts[i].account;
		row->prefixes[i] = q->rcpts[i].prefix;
	}
	if (engine_blob_put(b, row->blob, &q->body) != OK)
		return TRY_LATER;
	row->header_n = letter_header_size(q->index, b->blobs.v[b->blobs.n - 1].bytes, a);
	return OK;
}

enum outcome queue_put(struct shard *s, const struct ipc_queue_put *q, uint64_t *id)
{
	struct queued_row *row;
	struct arena a;
	enum outcome o;

	if (q->n_rcpts == 0 || q->n_rcpts > QUEUED_RCPTS_MAX)
		return BAD_SYNTAX;
	if (s->limits->message_size_max && q->body.size > s->limits->message_size_max)
		return OVER_LIMIT;
	if (!shard_has_room(s))
		return NO_ROOM;
	if (!lane_ready(s))
		return TRY_LATER;
	arena_init(&a, "store-queue", WORK_MAX);
	row = arena_new(&a, struct queued_row);
	o = fill_row(s, q, &a, row);
	if (o == OK) {
		*id = s->lane.next++;
		put_rows(s, *id, row);
	}
	arena_fini(&a);
	return o == OK ? lane_commit(s) : o;
}

enum outcome queue_restore(struct shard *s, const struct queued_row *row)
{
	if (!lane_ready(s))
		return TRY_LATER;
	put_rows(s, s->lane.next++, row);
	return lane_commit(s);
}

struct listing {
	uint64_t *ids;
	size_t n, max;
};

static bool list_row(void *arg, const struct engine_row *row)
{
	struct listing *l = arg;
	struct cur c = cur_of(str_from(row->key, 1));

	l->ids[l->n++] = cur_be64(&c);
	return l->n < l->max;
}

size_t queue_list(struct shard *s, uint64_t after, uint64_t *ids, size_t max)
{
	struct key from = key_u64(key_of('Q'), after + 1);
	struct engine_range r = { .partition = lane_number(s), .from = KEY_STR(from), .to = STR("R") };
	struct listing l = { ids, 0, max };

	if (after < UINT64_MAX)
		engine_range(s->port, &r, list_row, &l);
	return l.n;
}

/* ---- out */

struct delivery {
	struct account *account; /* pinned */
	uint64_t serial;
	uint32_t rcpt;
};

struct delivering_all {
	struct shard *shard;
	uint64_t id;
	struct queued_row *row;
	char *done; /* a byte a recipient */
	struct delivery *v;
	size_t n;
};

/* Q2. By the trace and not by the queue's own number: a letter that was put twice, because the first answer got lost, is found too. */
static struct str delivery_id(const struct delivering_all *d, uint32_t i, char out[DELIVERY_ID_MAX])
{
	struct str trace = d->row->trace;
	int n = snprintf(out, DELIVERY_ID_MAX, "q.%.*s.%llx", STR_ARG(trace), (unsigned long long)d->row->accounts[i]);

	if (trace.n == 0 || n >= DELIVERY_ID_MAX)
		n = snprintf(out, DELIVERY_ID_MAX, "q%u.%llx.%x", d->shard->number, (unsigned long long)d->id, i);
	return str_of(out, (size_t)n);
}

/* What cannot be delivered any more counts as done: the account is gone, and its mail with it. */
static SUSPENDS void stage_one(struct delivering_all *d, uint32_t i)
{
	struct letter l = { .date_s = d->row->date_s,
		.prefix = d->row->prefixes[i],
		.index = d->row->index,
		.blob = d->row->blob,
		.size = d->row->size,
		.header_n = d->row->header_n,
		.over_quota = true };
	struct placed placed = { 0 };
	struct account *a;
	char id[DELIVERY_ID_MAX];
	enum outcome o = account_get(d->shard, d->row->accounts[i], &a);

	if (o == NO_SUCH)
		d->done[i] = 1;
	if (o != OK)
		return;
	o = letter_stage(a, delivery_id(d, i, id), &l, &placed);
	if (o == OK) {
		d->v[d->n++] = (struct delivery){ a, placed.serial, i };
		return;
	}
	d->done[i] = o == NO_SUCH;
	account_put(a);
}

static SUSPENDS uint32_t deliver_all(struct delivering_all *d)
{
	uint32_t left = 0;

	for (uint32_t i = 0; i < d->row->n_rcpts; i++)
		if (!d->done[i])
			stage_one(d, i);
	for (size_t i = 0; i < d->n; i++) {
		if (account_wait(d->v[i].account, d->v[i].serial)) {
			d->done[d->v[i].rcpt] = 1;
			d->shard->stats.n_delivered++;
		}
		account_put(d->v[i].account);
	}
	for (uint32_t i = 0; i < d->row->n_rcpts; i++)
		left += !d->done[i];
	return left;
}

static void settle_rows(struct delivering_all *d, uint32_t left)
{
	struct shard *s = d->shard;
	struct engine_batch *b = lane_batch(s);

	if (left) {
		engine_put(b, KEY_STR(key_u64(key_of('T'), d->id)), str_of(d->done, d->row->n_rcpts));
		return;
	}
	engine_del(b, KEY_STR(key_u64(key_of('Q'), d->id)));
	engine_del(b, KEY_STR(key_u64(key_of('T'), d->id)));
	engine_ref_del(b, KEY_STR(lane_ref(s, d->row->blob, d->id)));
	engine_ref_put(b, KEY_STR(key_garbage(shard_now_s(s), d->row->blob)), STR(""));
}

static bool load(struct delivering_all *d, struct arena *a, enum outcome *o)
{
	struct buf q, t;
	bool found;

	buf_init(&q, SIZE_MAX);
	buf_init(&t, QUEUED_RCPTS_MAX);
	d->row = arena_new(a, struct queued_row);
	found = engine_get(d->shard->port, NULL, lane_number(d->shard), KEY_STR(key_u64(key_of('Q'), d->id)), &q);
	if (found) {
		*o = queued_row_decode(arena_dup(a, buf_str(&q)), d->row) ? OK : FAILED;
		d->done = arena_alloc(a, QUEUED_RCPTS_MAX);
		d->v = arena_array(a, QUEUED_RCPTS_MAX, sizeof *d->v);
		if (engine_get(d->shard->port, NULL, lane_number(d->shard), KEY_STR(key_u64(key_of('T'), d->id)), &t))
			memcpy(d->done, t.p, t.n);
	}
	buf_fini(&q);
	buf_fini(&t);
	return found;
}

static SUSPENDS enum outcome deliver_letter(struct shard *s, uint64_t id, uint32_t *left)
{
	struct delivering_all d = { .shard = s, .id = id };
	enum outcome o = OK;
	struct arena a;

	arena_init(&a, "store-queue", WORK_MAX);
	if (load(&d, &a, &o) && o == OK) {
		*left = deliver_all(&d);
		o = lane_ready(s) ? OK : TRY_LATER;
		if (o == OK) {
			settle_rows(&d, *left);
			o = lane_commit(s);
		}
	}
	arena_fini(&a);
	return o;
}

enum outcome queue_deliver(struct shard *s, uint64_t id, uint32_t *left)
{
	enum outcome o;

	*left = 0;
	if (!lane_ready(s))
		return TRY_LATER;
	for (size_t i = 0; i < s->lane.busy.n; i++)
		if (s->lane.busy.v[i] == id)
			return IN_USE;
	*vec_push(&s->lane.busy) = id;
	o = deliver_letter(s, id, left);
	for (size_t i = 0; i < s->lane.busy.n; i++)
		if (s->lane.busy.v[i] == id) {
			vec_remove(&s->lane.busy, i);
			break;
		}
	return o;
}
