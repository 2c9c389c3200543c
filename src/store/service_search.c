/* store/service_search.c - SEARCH (RFC 9051 6.4.4), a bounded step a request.
 * Purpose     decides by columns what they decide; reads part indexes of the rest; asks scan about what is still open, a few letters at once.
 * Suspends    between chunks, for durability, for scan. Afterwards the view may have changed: a chunk begins by finding everything anew.
 * Invariants  T1 messages are answered in ascending order, and `next` is the last one decided, so that the edge can go on behind it.
 */
#include "store/search.h"
#include "store/service.h"

#include "base/die.h"
#include "ipc/words.h"

#include <string.h>

#define CHUNK_ROWS 4000
#define CHUNK_OPEN 128 /* rows of a chunk that columns leave undecided */
#define AT_ONCE 4      /* letters at scan */
#define STEP_MS 2500   /* a request is answered after this, finished or not */
#define INDEX_ARENA ((size_t)64 << 20)
#define BODY_CHUNK ((size_t)256 << 10)

struct candidate {
	uint32_t seq, uid;
	struct message_row row;
	enum truth truth;
	uint8_t *values;
};

struct searching {
	struct session *x;
	const struct ipc_search *q;
	struct search program;
	uint32_t mailbox;
	uint32_t cursor;     /* number (uid or seq) of the last message decided */
	bool end;	     /* the mailbox ended */
	struct candidate *v; /* of this chunk, in order */
	size_t n, n_open;
	size_t next_job, n_jobs; /* of level 2 */
	struct gate job_done;
	enum outcome outcome;
	struct arena chunk;
	struct ipc_range *found;
	size_t n_found;
	uint32_t chunk_last;
	struct ipc_search_reply *r;
};

/* ---- level 0 */

static uint32_t first_row(const struct searching *s, const struct seqmap *map)
{
	if (s->cursor == UINT32_MAX)
		return map->limit;
	if (s->q->by_uid)
		return view_lower(map->view, s->cursor + 1);
	return s->cursor < seqmap_count(map) ? seqmap_at(map, s->cursor + 1) : map->limit;
}

static void add_candidate(
	struct searching *s, const struct seqmap *map, uint32_t at, enum truth t, const uint8_t *values)
{
	struct candidate *c = &s->v[s->n++];

	*c = (struct candidate){
		.seq = seqmap_seq(map, at), .uid = map->view->uid[at], .row = view_row(map->view, at), .truth = t
	};
	if (t != UNKNOWN)
		return;
	s->n_open++;
	c->values = arena_alloc(&s->chunk, s->program.n);
	memcpy(c->values, values, s->program.n);
}

static void scan_columns(struct searching *s)
{
	struct seqmap map = session_map(s->x);
	const struct view *v = map.view;
	uint8_t *values = arena_alloc(&s->chunk, s->program.n);
	uint32_t at = first_row(s, &map), end = at + CHUNK_ROWS;

	search_bind(&s->program, &map, s->x->sel);
	s->v = arena_array(&s->chunk, CHUNK_ROWS, sizeof *s->v);
	s->n = s->n_open = 0;
	for (; at < map.limit && at < end && s->n_open < CHUNK_OPEN; at++) {
		enum truth t;

		if (v->flags[at] & VIEW_DEAD)
			continue;
		t = search_columns(&s->program, v, at, selection_recent(s->x->sel, v->uid[at]), values);
		s->chunk_last = s->q->by_uid ? v->uid[at] : seqmap_seq(&map, at);
		if (t != NO)
			add_candidate(s, &map, at, t, values);
	}
	s->end = at >= map.limit;
}

/* ---- level 1 */

struct index_step {
	struct searching *s;
	struct candidate *c;
	struct str index;
};

static void decide_by_index(void *arg)
{
	struct index_step *i = arg;
	struct mail_index x = { .date_s = INT64_MIN };
	struct arena a;

	arena_init(&a, "store-index", INDEX_ARENA);
	if (i->index.n == 0 || mail_index_decode(i->index, &a, &x) != OK)
		x = (struct mail_index){ .date_s = INT64_MIN };
	i->c->truth = search_index(&i->s->program, &x, i->c->values);
	arena_fini(&a);
}

static bool get_parts(struct searching *s, uint32_t uid, struct buf *row, struct str *prefix, struct str *index)
{
	struct account *a = s->x->account;

	buf_reset(row);
	return engine_get(a->part.port, NULL, a->id, KEY_STR(key_message('P', s->mailbox, uid)), row) &&
	       parts_row_decode(buf_str(row), prefix, index);
}

static SUSPENDS void scan_indexes(struct searching *s)
{
	struct buf row;

	buf_init(&row, SIZE_MAX);
	for (size_t i = 0, n = 0; i < s->n; i++) {
		struct index_step step = { s, &s->v[i], STR("") };
		struct str prefix;

		if (s->v[i].truth != UNKNOWN)
			continue;
		if (get_parts(s, s->v[i].uid, &row, &prefix, &step.index))
			sched_call(s->x->store->sched, decide_by_index, &step);
		else
			s->v[i].truth = NO; /* expunged meanwhile */
		if (++n % 32 == 0)
			task_yield(s->x->store->sched);
	}
	buf_fini(&row);
}

/* ---- level 2 */

static enum outcome open_body(struct searching *s, const struct candidate *c, struct body_writer *w, struct body *body)
{
	struct account *a = s->x->account;
	uint64_t size = c->row.size - c->row.prefix_n;
	enum outcome o = OK;
	struct buf bytes;

	buf_init(&bytes, SIZE_MAX);
	body_writer_open(w, &s->x->store->budget, size);
	for (uint64_t at = 0; o == OK && at < size; at += BODY_CHUNK) {
		buf_reset(&bytes);
		o = engine_blob_get(a->part.port, c->row.blob, at, BODY_CHUNK, &bytes);
		if (o == OK)
			body_writer_add(w, buf_str(&bytes));
	}
	buf_fini(&bytes);
	return o == OK ? body_writer_seal(w, body) : o;
}

static SUSPENDS enum outcome ask_scan(struct searching *s, struct candidate *c, struct str prefix, struct arena *a)
{
	struct store *store = s->x->store;
	struct ipc_match_letter_reply r = { 0 };
	struct ipc_match_letter q = { .terms = search_terms(&s->program, a),
		.n_terms = s->program.n_terms,
		.prefix = str_sub(prefix, 0, IPC_MATCH_LETTER_PREFIX_MAX) };
	struct body_writer w;
	enum outcome o = open_body(s, c, &w, &q.body);

	if (o == OK)
		o = ipc_match_letter(store->scan[store->next_scan++ % store->n_scan], &q, &r, a);
	if (o == UNANSWERED)
		o = TRY_LATER;
	body_writer_close(&w);
	/* A letter that scan cannot look at matches nothing, and keeps no other from being found. */
	if (o != OK && o != TRY_LATER)
		log_warning(store->log, "search-unread", "account %llu uid %u: %s",
			(unsigned long long)s->x->account->id, c->uid, outcome_name(o));
	c->truth = o == OK ? search_matched(&s->program, r.found, c->values) : NO;
	return o == TRY_LATER ? o : OK;
}

static SUSPENDS void match_one(struct searching *s, struct candidate *c)
{
	struct str prefix, index;
	struct buf row;
	struct arena a;
	enum outcome o;

	buf_init(&row, SIZE_MAX);
	arena_init(&a, "store-match", (size_t)IPC_REPLY_MEMORY + (1 << 20));
	if (get_parts(s, c->uid, &row, &prefix, &index)) {
		o = ask_scan(s, c, prefix, &a);
		if (o != OK)
			s->outcome = o;
	} else {
		c->truth = NO;
	}
	arena_fini(&a);
	buf_fini(&row);
}

static void match_task(void *arg)
{
	struct searching *s = arg;
	struct store *store = s->x->store;

	while (s->next_job < s->n && s->outcome == OK) {
		struct candidate *c = &s->v[s->next_job++];

		if (c->truth == UNKNOWN)
			match_one(s, c);
	}
	s->n_jobs--;
	store->shard.n_tasks--;
	gate_open(store->sched, &s->job_done);
}

static SUSPENDS void scan_letters(struct searching *s)
{
	struct store *store = s->x->store;
	struct gate *gates[] = { &s->job_done };

	if (store->n_scan == 0) {
		s->outcome = TRY_LATER;
		return;
	}
	s->next_job = 0;
	for (int i = 0; i < AT_ONCE; i++) {
		s->n_jobs++;
		store->shard.n_tasks++;
		task_spawn(store->sched, "store-match", match_task, s);
	}
	while (s->n_jobs > 0)
		if (task_wait(store->sched, gates, 1, NEVER_MS) == WAIT_STOP)
			die("search: cancelled while letters are at scan");
}

/* ---- a chunk after the other */

static bool still_open(const struct searching *s)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->v[i].truth == UNKNOWN)
			return true;
	return false;
}

/* ---- what is kept for `$` (RFC 9051 6.4.4.1) */

/* Neighbours are one range, whatever uids were between them once: none of those comes back. */
static void save(struct searching *s, const struct candidate *c)
{
	struct selection *sel = s->x->sel;
	struct saved_uids *v = &sel->saving;
	struct ipc_range one = { c->uid, c->uid };

	if (s->q->save & SAVE_ALL && v->n && sel->saved_seq + 1 == c->seq)
		v->v[v->n - 1].hi = c->uid;
	else if (s->q->save & SAVE_ALL && v->n >= s->x->store->limits.saved_ranges_max)
		s->outcome = NO_ROOM;
	else if (s->q->save & SAVE_ALL || v->n < (s->q->save == (SAVE_MIN | SAVE_MAX) ? 2 : 1))
		*vec_push(v) = one;
	else if (s->q->save & SAVE_MAX)
		v->v[v->n - 1] = one;
	sel->saved_seq = c->seq;
}

static void save_begin(struct searching *s)
{
	if (s->q->after == 0)
		s->x->sel->saving.n = 0;
}

/* A search that fails leaves nothing saved (RFC 5182 2.1). */
static void save_end(struct searching *s, enum outcome o)
{
	struct selection *sel;

	if ((o == OK && s->r->more) || !session_again(s->x))
		return;
	sel = s->x->sel;
	vec_free(&sel->saved);
	if (o == OK)
		sel->saved = sel->saving;
	else
		vec_free(&sel->saving);
	sel->saving = (struct saved_uids){ 0 };
}

static void note_modseq(struct ipc_search_reply *r, uint64_t modseq)
{
	if (!r->first_modseq)
		r->first_modseq = modseq;
	r->last_modseq = modseq;
	if (modseq > r->modseq)
		r->modseq = modseq;
}

/* False: the answer is full; the cursor stands before what did not fit. */
static bool report(struct searching *s)
{
	for (size_t i = 0; i < s->n; i++) {
		uint32_t number = s->q->by_uid ? s->v[i].uid : s->v[i].seq;

		if (s->v[i].truth != YES)
			continue;
		if (s->n_found && s->found[s->n_found - 1].hi + 1 == number) {
			s->found[s->n_found - 1].hi = number;
		} else if (s->n_found == IPC_SEARCH_FOUND_MAX) {
			return false;
		} else {
			s->found[s->n_found++] = (struct ipc_range){ number, number };
		}
		s->cursor = number;
		note_modseq(s->r, s->v[i].row.modseq);
		if (s->q->save)
			save(s, &s->v[i]);
	}
	if (s->chunk_last > s->cursor)
		s->cursor = s->chunk_last;
	return true;
}

static SUSPENDS enum outcome chunk(struct searching *s, bool *full)
{
	enum outcome o;

	scan_columns(s);
	o = session_wait(s->x, s->x->account->part.staged);
	if (o != OK)
		return o;
	if (still_open(s) && s->program.wants_index)
		scan_indexes(s);
	if (still_open(s) && s->program.wants_match)
		scan_letters(s);
	if (s->q->save && !session_again(s->x))
		return REVOKED;
	*full = !report(s);
	return s->outcome;
}

static SUSPENDS enum outcome search_(struct searching *s, struct ipc_search_reply *r)
{
	struct sched *sched = s->x->store->sched;
	int64_t deadline = sched_now_ms(sched) + STEP_MS;
	bool full = false;
	enum outcome o;

	for (;;) {
		arena_init(&s->chunk, "store-search", STORE_WORK_MAX);
		o = chunk(s, &full);
		arena_fini(&s->chunk);
		if (o != OK)
			return o;
		if (s->end || full || sched_now_ms(sched) >= deadline)
			break;
		task_yield(sched);
		if (!session_again(s->x))
			return REVOKED;
	}
	r->found = s->found;
	r->n_found = s->n_found;
	r->more = full || !s->end;
	r->next = s->cursor;
	return OK;
}

SUSPENDS void serve_search(void *ctx, struct ipc_call *c, const void *msg)
{
	const struct ipc_search *q = msg;
	struct ipc_search_reply r = { 0 };
	struct store *store = ctx;
	struct searching s = { .q = q, .cursor = q->after, .r = &r };
	struct session x;
	enum outcome o;

	if (!session_enter_selected(&x, store, c, q->handle, q->sel))
		return;
	s.x = &x;
	s.mailbox = x.sel->mailbox->id;
	gate_init(&s.job_done);
	s.found = arena_array(&x.work, IPC_SEARCH_FOUND_MAX, sizeof *s.found);
	o = search_compile(&s.program, q->keys, q->n_keys, shard_now_s(&store->shard), &x.work);
	if (q->save)
		save_begin(&s);
	if (o == OK)
		o = search_(&s, &r);
	if (q->save)
		save_end(&s, o);
	ipc_search_reply_send(c, o, &r);
	session_leave(&x);
}
