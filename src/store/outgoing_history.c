/* store/outgoing_history.c - what became of letters that leave. See the header.
 * Suspends    until a step of expiry is durable.
 * Invariants  H1 a trace is known as long as its letter is in the queue or a finished row names it. H2 history is of such letters only: a letter's
 *             finished row goes with the last of its events.
 */
#include "store/outgoing_history.h"

#include "store/lane.h"

#define STEP 200 /* letters */
#define STEP_ROWS 2000

void history_add(struct shard *s, uint64_t id, uint32_t group, struct out_group_row *g, const struct out_event_row *e)
{
	struct buf v;

	if (!s->limits->keep_history_ms)
		return;
	buf_init(&v, SIZE_MAX);
	out_event_row_encode(e, &v);
	engine_put(lane_batch(s), KEY_STR(key_out_event(id, group, g->n_events++)), buf_str(&v));
	buf_fini(&v);
}

void trace_put(struct shard *s, struct str trace, uint64_t id, int64_t finished_s)
{
	struct buf v;

	buf_init(&v, 64);
	out_trace_row_encode(&(struct out_trace_row){ id, finished_s }, &v);
	lane_put(s, key_out_trace(trace), buf_str(&v));
	buf_fini(&v);
}

void history_finish(struct shard *s, uint64_t id, struct str trace)
{
	int64_t now_s = shard_now_s(s);

	engine_put(lane_batch(s), KEY_STR(key_out_finished(now_s, id)), trace);
	trace_put(s, trace, id, now_s);
}

/* ---- expiry */

struct expiring {
	struct shard *s;
	struct VEC(struct key) finished, events; /* a finished row's, then its events' */
	struct VEC(struct key) traces;
	struct key last; /* finished row that goes */
};

static bool note_finished(void *arg, const struct engine_row *row)
{
	struct expiring *x = arg;

	*vec_push(&x->finished) = key_bytes((struct key){ 0 }, row->key);
	*vec_push(&x->traces) = key_out_trace(str_sub(row->value, 0, IPC_OUT_FACTS_TRACE_MAX));
	return x->finished.n < STEP;
}

static bool note_event(void *arg, const struct engine_row *row)
{
	struct expiring *x = arg;

	*vec_push(&x->events) = key_bytes((struct key){ 0 }, row->key);
	return x->events.n < STEP_ROWS;
}

static uint64_t id_of(struct key finished)
{
	struct cur c = cur_of(str_from(KEY_STR(finished), 9));

	return cur_be64(&c);
}

/* Adds the removal of a letter's history to the batch; false: there is more of it than a step takes. */
static bool remove_letter(struct expiring *x, size_t i)
{
	uint64_t id = id_of(x->finished.v[i]);
	struct key from = key_u64(key_of('h'), id), to = key_u64(key_of('h'), id + 1);
	struct engine_range r = { .partition = lane_number(x->s), .from = KEY_STR(from), .to = KEY_STR(to) };
	size_t before = x->events.n;

	engine_range(x->s->port, &r, note_event, x);
	for (size_t j = before; j < x->events.n; j++)
		engine_del(lane_batch(x->s), KEY_STR(x->events.v[j]));
	if (x->events.n == STEP_ROWS)
		return false;
	engine_del(lane_batch(x->s), KEY_STR(x->finished.v[i]));
	lane_del(x->s, x->traces.v[i]);
	x->last = x->finished.v[i];
	return true;
}

static int64_t keep_s(const struct shard *s)
{
	int64_t keep = s->limits->keep_history_ms / 1000;

	return keep > TRACE_KEEP_S ? keep : TRACE_KEEP_S;
}

void history_expire_step(struct shard *s, bool *more)
{
	int64_t before_s = shard_now_s(s) - keep_s(s);
	struct key from = s->lane.expired.n ? s->lane.expired : key_of('f'), to = key_out_finished(before_s > 0 ? before_s : 0, 0);
	struct engine_range r = { .partition = lane_number(s), .from = KEY_STR(from), .to = KEY_STR(to) };
	struct expiring x = { .s = s };
	bool whole = true;

	*more = false;
	if (!lane_ready(s) || str_cmp(KEY_STR(from), KEY_STR(to)) >= 0)
		return;
	engine_range(s->port, &r, note_finished, &x);
	for (size_t i = 0; whole && i < x.finished.n; i++)
		whole = remove_letter(&x, i);
	if (x.finished.n && lane_commit(s) == OK) {
		*more = !whole || x.finished.n == STEP;
		if (x.last.n)
			s->lane.expired = x.last; /* so that no walk goes over what was removed */
	}
	vec_free(&x.finished);
	vec_free(&x.events);
	vec_free(&x.traces);
}
