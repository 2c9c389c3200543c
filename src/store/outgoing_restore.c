/* store/outgoing_restore.c - letters that leave come back from a backup. See the header.
 * Trust       rows come from a file that anybody may have written: what does not decode is refused.
 * Invariants  O4 a letter is put with its first group, and counts those that have come: a restore that ends anywhere leaves whole letters, at worst
 *             with fewer groups, or without the fields before their body, which come last.
 */
#include "store/outgoing_restore.h"

#include "ipc/words.h"
#include "store/lane.h"
#include "store/outgoing_history.h"

#include <stdlib.h>

void outgoing_restore_init(struct outgoing_restore *r)
{
	*r = (struct outgoing_restore){ 0 };
	buf_init(&r->letter, SIZE_MAX);
}

void outgoing_restore_fini(struct outgoing_restore *r)
{
	vec_free(&r->letters);
	buf_fini(&r->letter);
}

static void put_letter(struct shard *s, struct outgoing_restore *r, const struct out_letter_row *row)
{
	struct buf v;

	buf_init(&v, SIZE_MAX);
	out_letter_row_encode(row, &v);
	lane_put(s, key_out_letter(r->now), buf_str(&v));
	buf_reset(&r->letter);
	buf_add(&r->letter, buf_str(&v));
	buf_fini(&v);
}

static bool is_known(struct shard *s, struct str trace)
{
	struct buf v;
	bool known;

	buf_init(&v, 64);
	known = lane_get(s, key_out_trace(trace), &v);
	buf_fini(&v);
	return known;
}

static bool take_letter(struct shard *s, struct outgoing_restore *r, uint64_t old, struct str value, uint64_t blob)
{
	struct out_letter_row row;

	r->old = r->now = 0;
	if (!out_letter_row_decode(value, &row) || row.facts.trace.n == 0)
		return false;
	if (!blob || is_known(s, row.facts.trace))
		return true;
	r->old = old;
	r->blob = blob;
	buf_reset(&r->letter);
	buf_add(&r->letter, value);
	return true;
}

/* With the first of its groups. */
static void begin_letter(struct shard *s, struct outgoing_restore *r, struct out_letter_row *row)
{
	struct restored_letter *x = vec_push(&r->letters);

	r->now = s->lane.next++;
	*x = (struct restored_letter){ r->old, r->now };
	row->n_groups = 0;
	row->blob = r->blob;
	engine_put(lane_batch(s), KEY_STR(key_out_prefix(r->now)), STR(""));
	engine_ref_put(lane_batch(s), KEY_STR(lane_ref(s, row->blob, r->now)), STR(""));
	trace_put(s, row->facts.trace, r->now, 0);
}

static bool take_group(struct shard *s, struct outgoing_restore *r, uint64_t old, uint32_t number, struct str value)
{
	struct out_letter_row row;
	struct out_group_row g;
	struct arena a;
	struct buf v;
	bool ok;

	if (!r->old || r->old != old)
		return true;
	arena_init(&a, "store-restore", (size_t)8 << 20);
	ok = out_group_row_decode(value, &g) && out_rcpts_decode(&g, &a) && out_letter_row_decode(arena_dup(&a, buf_str(&r->letter)), &row);
	if (ok) {
		if (!r->now)
			begin_letter(s, r, &row);
		g.state = QUEUE_HELD;
		g.n_events = 0; /* history does not come back */
		buf_init(&v, SIZE_MAX);
		out_group_row_encode_as(&g, &v);
		lane_put(s, key_out_group(r->now, number), buf_str(&v));
		buf_fini(&v);
		row.n_groups++;
		put_letter(s, r, &row);
	}
	arena_fini(&a);
	return ok;
}

static int old_cmp(const void *key, const void *x)
{
	uint64_t a = *(const uint64_t *)key, b = ((const struct restored_letter *)x)->old;

	return (a > b) - (a < b);
}

static bool take_prefix(struct shard *s, struct outgoing_restore *r, uint64_t old, struct str value)
{
	const struct restored_letter *x = r->letters.n ? bsearch(&old, r->letters.v, r->letters.n, sizeof *r->letters.v, old_cmp) : NULL;

	if (value.n > IPC_QUEUE_SEND_PREFIX_MAX)
		return false;
	if (x)
		engine_put(lane_batch(s), KEY_STR(key_out_prefix(x->now)), value);
	return true;
}

bool outgoing_restore_row(struct shard *s, struct outgoing_restore *r, struct str key, struct str value, uint64_t blob)
{
	struct cur c = cur_of(str_from(key, 1));
	uint64_t id = cur_be64(&c);

	if (key.p[0] == 'O' && cur_end(&c) && cur_ok(&c))
		return take_letter(s, r, id, value, blob);
	if (key.p[0] == 'P' && cur_done(&c))
		return take_prefix(s, r, id, value);
	if (key.p[0] == 'O') {
		uint32_t group = cur_be32(&c);

		return cur_done(&c) && take_group(s, r, id, group, value);
	}
	return true;
}
