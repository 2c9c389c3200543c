/* store/garbage.c - the collector.
 * Suspends    between steps, and until a step is durable.
 * Invariants  K1 a body goes only when it has no reference and a candidate older than keep_expunged. A reference is only ever made of another
 *             one that is durable (a copy) or with its body (a delivery): one that has none cannot get one. K2 whoever removes a
 *             reference writes a candidate, so a candidate of a body that is in use may be forgotten.
 */
#include "store/garbage.h"

#include "store/rows.h"

#define STEP 200

struct waiting {
	struct sched *sched;
	struct gate done;
	bool ended, ok;
};

static void on_done(struct engine_batch *b, enum engine_result r)
{
	struct waiting *w = b->arg;

	w->ended = true;
	w->ok = r == ENGINE_DONE;
	gate_open(w->sched, &w->done);
	engine_batch_free(b);
}

bool commit_and_wait(struct shard *s, struct engine_batch *b)
{
	struct waiting *w = mem_new(struct waiting);
	struct gate *gates[] = { &w->done };
	bool ok;

	w->sched = s->sched;
	gate_init(&w->done);
	b->done = on_done;
	b->arg = w;
	engine_commit(s->port, b);
	while (!w->ended)
		if (task_wait(s->sched, gates, 1, NEVER_MS) == WAIT_STOP)
			die("a commit's task was cancelled");
	ok = w->ok;
	free(w);
	return ok;
}

static bool note_row(void *arg, const struct engine_row *row)
{
	(void)row;
	*(bool *)arg = true;
	return false;
}

bool blob_is_referenced(struct shard *s, const struct engine_snapshot *snap, uint64_t blob)
{
	struct key from = key_u64(key_of('R'), blob), to = key_u64(key_of('R'), blob + 1);
	struct engine_range r = { .space = ENGINE_REFS, .from = KEY_STR(from), .to = KEY_STR(to), .snapshot = snap };
	bool found = false;

	engine_range(s->port, &r, note_row, &found);
	return found;
}

struct candidates {
	struct key keys[STEP];
	uint64_t blobs[STEP];
	size_t n;
};

static bool note_candidate(void *arg, const struct engine_row *row)
{
	struct candidates *c = arg;
	struct cur cur = cur_of(str_from(row->key, 9));

	c->keys[c->n] = key_bytes((struct key){ 0 }, row->key);
	c->blobs[c->n++] = cur_be64(&cur);
	return c->n < STEP;
}

static bool is_first(const struct candidates *c, size_t i)
{
	for (size_t j = 0; j < i; j++)
		if (c->blobs[j] == c->blobs[i])
			return false;
	return true;
}

size_t garbage_step(struct shard *s, int64_t before_s, bool *more)
{
	struct candidates *c = mem_new(struct candidates);
	struct key from = key_of('G'), to = key_garbage(before_s > 0 ? before_s : 0, 0);
	struct engine_range r = { .space = ENGINE_REFS, .from = KEY_STR(from), .to = KEY_STR(to) };
	size_t gone = 0;

	engine_range(s->port, &r, note_candidate, c);
	*more = c->n == STEP;
	if (c->n) {
		struct engine_batch *b = engine_batch_new(0, 0);

		for (size_t i = 0; i < c->n; i++) {
			engine_ref_del(b, KEY_STR(c->keys[i]));
			if (!is_first(c, i) || blob_is_referenced(s, NULL, c->blobs[i]))
				continue;
			engine_blob_del(b, c->blobs[i]);
			gone++;
		}
		if (!commit_and_wait(s, b)) {
			gone = 0;
			*more = false;
		}
	}
	free(c);
	return gone;
}
