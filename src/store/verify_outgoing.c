/* store/verify_outgoing.c - letters that leave and what is kept of them, checked against V19 to V22 of store/verify.h.
 * Suspends    between bodies; rows are read of one snapshot a step.
 */
#include "store/verify_impl.h"

#include "ipc/words.h"
#include "store/lane.h"
#include "store/outgoing_rows.h"

#include <inttypes.h>
#include <string.h>

#define STEP_LETTERS 500
#define WORK_MAX ((size_t)64 << 20)

/* ---- letters and groups: V19, V20 */

struct letter {
	uint64_t id;
	uint32_t n_groups; /* found */
	bool decodes;
	struct out_letter_row row;
};

struct letters {
	struct run *r;
	struct arena work;
	struct letter v[STEP_LETTERS];
	size_t n;
	bool full;
	uint64_t next; /* id, when it is full */
};

static bool take_letter(struct letters *l, uint64_t id, struct str value)
{
	struct letter *x = &l->v[l->n];

	if (l->n == STEP_LETTERS) {
		l->full = true;
		l->next = id;
		return false;
	}
	*x = (struct letter){ .id = id };
	x->decodes = out_letter_row_decode(arena_dup(&l->work, value), &x->row);
	if (!x->decodes)
		verify_bad(l->r, "V19", "letter %" PRIu64 " that leaves does not decode", id);
	l->n++;
	return true;
}

static bool rcpts_are_sound(const struct out_group_row *g, struct arena *a)
{
	const struct ipc_queue_rcpt *rcpts = out_rcpts_decode(g, a);
	uint32_t n_waiting = 0;
	uint8_t owed = 0;

	for (uint32_t i = 0; rcpts && i < g->n_rcpts; i++) {
		n_waiting += rcpts[i].state == RCPT_WAITING;
		if (rcpts[i].report)
			owed |= (uint8_t)(1u << rcpts[i].report);
		if (rcpts[i].state != RCPT_WAITING && !rcpts[i].report)
			return false;
	}
	return rcpts && n_waiting == g->n_waiting && owed == g->owed;
}

static void check_group(struct letters *l, uint64_t id, uint32_t group, struct str value)
{
	struct out_group_row g;
	struct arena a;

	arena_init(&a, "store-verify", WORK_MAX);
	if (l->n == 0 || l->v[l->n - 1].id != id)
		verify_bad(l->r, "V20", "group %u is of letter %" PRIu64 ", which is not there", (unsigned)group, id);
	else
		l->v[l->n - 1].n_groups++;
	if (!out_group_row_decode(value, &g) || g.settled > g.attempts)
		verify_bad(l->r, "V20", "letter %" PRIu64 " group %u does not decode", id, (unsigned)group);
	else if (!rcpts_are_sound(&g, &a))
		verify_bad(l->r, "V20", "letter %" PRIu64 " group %u says of its recipients what they are not", id, (unsigned)group);
	arena_fini(&a);
}

static bool walk_outgoing(void *arg, const struct engine_row *row)
{
	struct letters *l = arg;
	struct cur c = cur_of(str_from(row->key, 1));
	uint64_t id = cur_be64(&c);

	l->r->v->checked++;
	if (cur_end(&c))
		return take_letter(l, id, row->value);
	check_group(l, id, cur_be32(&c), row->value);
	return true;
}

/* A letter that ended since the snapshot may have lost its body rightly. */
static bool still_there(struct run *r, uint64_t id)
{
	struct buf v;
	bool there;

	buf_init(&v, SIZE_MAX);
	there = engine_get(r->port, NULL, lane_number(&r->s->shard), KEY_STR(key_out_letter(id)), &v);
	buf_fini(&v);
	return there;
}

static void check_body(struct run *r, const struct letter *x)
{
	struct buf body;
	enum outcome o;

	buf_init(&body, SIZE_MAX);
	o = engine_blob_get(r->port, x->row.blob, 0, x->row.body_size + 1, &body);
	if ((o != OK || body.n != x->row.body_size) && still_there(r, x->id))
		verify_bad(r, "V19", "letter %" PRIu64 " that leaves: body %" PRIu64 " is %s", x->id, x->row.blob,
			o == NO_SUCH ? "missing" : o != OK ? "damaged" : "of another size");
	buf_fini(&body);
}

static bool trace_is_of(struct run *r, struct str trace, uint64_t id, int64_t finished_s, struct buf *v)
{
	struct out_trace_row t;

	return verify_get(r, lane_number(&r->s->shard), key_out_trace(trace), v) && out_trace_row_decode(buf_str(v), &t) && t.id == id &&
	       (finished_s < 0 || t.finished_s == finished_s);
}

static void check_letter(struct run *r, const struct letter *x, struct buf *v)
{
	if (!verify_has_ref(r, lane_ref(&r->s->shard, x->row.blob, x->id)))
		verify_bad(r, "V19", "letter %" PRIu64 " that leaves has no reference", x->id);
	if (!verify_get(r, lane_number(&r->s->shard), key_out_prefix(x->id), v))
		verify_bad(r, "V19", "letter %" PRIu64 " that leaves has no prefix", x->id);
	if (x->n_groups != x->row.n_groups)
		verify_bad(r, "V19", "letter %" PRIu64 " that leaves has %u groups, not %u", x->id, (unsigned)x->n_groups, (unsigned)x->row.n_groups);
	if (!trace_is_of(r, x->row.facts.trace, x->id, 0, v))
		verify_bad(r, "V21", "letter %" PRIu64 " that leaves is not known by its trace", x->id);
	check_body(r, x);
}

/* Letters of which all was read: the step may end between two. */
static SUSPENDS void check_letters(struct run *r, struct letters *l)
{
	uint64_t bytes = 0;
	struct buf v;

	buf_init(&v, SIZE_MAX);
	for (size_t i = 0; i < l->n; i++) {
		if (l->v[i].decodes) {
			check_letter(r, &l->v[i], &v);
			bytes += l->v[i].row.body_size;
		}
		if (i % 16 == 15)
			task_yield(r->s->sched);
		if (bytes >= STEP_BODY_BYTES && i + 1 < l->n) {
			l->full = true;
			l->next = l->v[i + 1].id;
			break;
		}
	}
	buf_fini(&v);
}

void verify_outgoing(struct run *r)
{
	struct key from = key_out_letter(r->at.a), to = key_out_prefix(0);
	struct engine_range range = {
		.partition = lane_number(&r->s->shard), .from = KEY_STR(from), .to = str_sub(KEY_STR(to), 0, 1), .snapshot = r->snap
	};
	struct letters *l = mem_new(struct letters);

	l->r = r;
	arena_init(&l->work, "store-verify", WORK_MAX);
	engine_range(r->port, &range, walk_outgoing, l);
	check_letters(r, l);
	r->at = l->full ? (struct cursor){ .phase = PHASE_OUTGOING, .a = l->next } : (struct cursor){ .phase = PHASE_TRACES };
	arena_fini(&l->work);
	free(l);
}

/* ---- rows of one kind, a step at a time */

struct rows {
	struct key keys[STEP_ROWS];
	struct str values[STEP_ROWS];
	struct arena work;
	size_t n;
	bool more;
};

static bool note_row(void *arg, const struct engine_row *row)
{
	struct rows *x = arg;

	if (x->n == STEP_ROWS) {
		x->more = true;
		return false;
	}
	x->keys[x->n] = key_bytes((struct key){ 0 }, row->key);
	x->values[x->n++] = arena_dup(&x->work, row->value);
	return true;
}

/* The caller frees it. */
static struct rows *read_rows(struct run *r, struct key from, char tag)
{
	char to = (char)(tag + 1);
	struct engine_range range = {
		.partition = lane_number(&r->s->shard), .from = KEY_STR(from), .to = str_of(&to, 1), .snapshot = r->snap
	};
	struct rows *x = mem_new(struct rows);

	arena_init(&x->work, "store-verify", (size_t)1 << 30);
	engine_range(r->port, &range, note_row, x);
	r->v->checked += x->n;
	return x;
}

static void rows_free(struct rows *x)
{
	arena_fini(&x->work);
	free(x);
}

/* ---- traces: V21 */

static bool trace_leads(struct run *r, const struct out_trace_row *t, struct str trace, struct buf *v)
{
	uint64_t lane = lane_number(&r->s->shard);
	struct out_letter_row row;

	if (t->finished_s)
		return verify_get(r, lane, key_out_finished(t->finished_s, t->id), v) && str_eq(buf_str(v), trace);
	return verify_get(r, lane, key_out_letter(t->id), v) && out_letter_row_decode(buf_str(v), &row) && str_eq(row.facts.trace, trace);
}

static struct key trace_key(uint64_t a, uint64_t b)
{
	struct key k = key_u64(key_u64(key_of('t'), a), b);

	while (k.n > 1 && k.p[k.n - 1] == 0)
		k.n--;
	return k;
}

/* A cursor has room for the first 16 bytes of a trace: the next step begins with those that share them with the last one. */
static struct cursor trace_cursor(const struct cursor *at, struct key last)
{
	struct cursor next = { .phase = PHASE_TRACES };
	char bytes[16] = { 0 };
	struct cur c = cur_of(str_of(bytes, sizeof bytes));
	struct str trace = str_sub(str_from(KEY_STR(last), 1), 0, sizeof bytes);

	memcpy(bytes, trace.p, trace.n);
	next.a = cur_be64(&c);
	next.b = cur_be64(&c);
	if (next.a == at->a && next.b == at->b && !++next.b)
		next.a++;
	return next;
}

void verify_traces(struct run *r)
{
	struct rows *x = read_rows(r, trace_key(r->at.a, r->at.b), 't');
	struct out_trace_row t;
	struct buf v;

	buf_init(&v, SIZE_MAX);
	for (size_t i = 0; i < x->n; i++) {
		struct str trace = str_from(KEY_STR(x->keys[i]), 1);

		if (!out_trace_row_decode(x->values[i], &t))
			verify_bad(r, "V21", "the row of trace %.*s does not decode", STR_ARG(trace));
		else if (!trace_leads(r, &t, trace, &v))
			verify_bad(r, "V21", "trace %.*s is of letter %" PRIu64 ", of which nothing is there", STR_ARG(trace), t.id);
	}
	r->at = x->more ? trace_cursor(&r->at, x->keys[x->n - 1]) : (struct cursor){ .phase = PHASE_EVENTS };
	buf_fini(&v);
	rows_free(x);
}

/* ---- history: V22, and the rows it ages by: V21 */

static void check_event(struct run *r, struct str key, struct str value, struct buf *v)
{
	struct cur c = cur_of(str_from(key, 1));
	uint64_t id = cur_be64(&c);
	struct out_event_row e;
	struct arena a;

	arena_init(&a, "store-verify", WORK_MAX);
	if (!out_event_row_decode(value, &a, &e))
		verify_bad(r, "V22", "history of letter %" PRIu64 " does not decode", id);
	else if (!trace_is_of(r, e.trace, id, -1, v))
		verify_bad(r, "V22", "history of letter %" PRIu64 ", which is not known by its trace", id);
	arena_fini(&a);
}

void verify_events(struct run *r)
{
	struct rows *x = read_rows(r, key_out_event(r->at.a, r->at.mailbox, r->at.uid), 'h');
	struct buf v;

	buf_init(&v, SIZE_MAX);
	for (size_t i = 0; i < x->n; i++)
		check_event(r, KEY_STR(x->keys[i]), x->values[i], &v);
	r->at = (struct cursor){ .phase = PHASE_FINISHED };
	if (x->more) {
		struct cur c = cur_of(str_from(KEY_STR(x->keys[x->n - 1]), 1));

		r->at = (struct cursor){ .phase = PHASE_EVENTS, .a = cur_be64(&c) };
		r->at.mailbox = cur_be32(&c);
		r->at.uid = cur_be32(&c) + 1;
	}
	buf_fini(&v);
	rows_free(x);
}

void verify_finished(struct run *r)
{
	struct rows *x = read_rows(r, key_out_finished((int64_t)r->at.a, r->at.b), 'f');
	struct cursor next = { .phase = PHASE_REFS };
	struct buf v;

	buf_init(&v, SIZE_MAX);
	for (size_t i = 0; i < x->n; i++) {
		struct cur c = cur_of(str_from(KEY_STR(x->keys[i]), 1));
		uint64_t time_s = cur_be64(&c), id = cur_be64(&c);

		if (x->values[i].n > IPC_OUT_FACTS_TRACE_MAX || !trace_is_of(r, x->values[i], id, (int64_t)time_s, &v))
			verify_bad(r, "V21", "letter %" PRIu64 " is through, and its trace does not say so", id);
		if (x->more && i + 1 == x->n)
			next = (struct cursor){ .phase = PHASE_FINISHED, .a = time_s, .b = id + 1 };
	}
	r->at = next;
	buf_fini(&v);
	rows_free(x);
}
