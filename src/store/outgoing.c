/* store/outgoing.c - letters that leave: in, tried, settled, gone. See the header.
 * Trust       post asks; that its numbers and times make sense is its own affair, what a row is made of is checked.
 * Suspends    until what an answer rests on is durable.
 * Invariants  U1 between reading a row (lane_get) and staging its change nothing suspends, so no change is lost. U2 a letter's row counts its
 *             groups; with the last one it goes, and its reference and prefix with it, in one commit. U3 a recipient that is through is
 *             never tried again: its state is final in its row, or it is in no row. U4 an attempt is begun once, and settled once.
 */
#include "store/outgoing.h"

#include "ipc/words.h"
#include "store/lane.h"
#include "store/outgoing_history.h"
#include "store/service.h"
#include "store/suppression.h"

#include <string.h>

#define WORK_MAX ((size_t)8 << 20)

bool outgoing_letter(struct shard *s, uint64_t id, struct arena *a, struct out_letter_row *out)
{
	struct buf v;
	bool ok;

	buf_init(&v, SIZE_MAX);
	ok = lane_get(s, key_out_letter(id), &v) && out_letter_row_decode(arena_dup(a, buf_str(&v)), out);
	buf_fini(&v);
	return ok;
}

/* ---- a group that is worked on */

struct group {
	struct shard *s;
	uint64_t id;
	uint32_t number;
	struct arena *a; /* the request's */
	struct out_letter_row letter;
	struct out_group_row row;
	struct ipc_queue_rcpt *rcpts; /* NULL until wanted */
};

/* NO_SUCH; TRY_LATER; FAILED: damaged. */
static enum outcome group_open(struct group *g, struct shard *s, uint64_t id, uint32_t number, struct arena *a)
{
	enum outcome o = OK;
	struct buf v;

	*g = (struct group){ .s = s, .id = id, .number = number, .a = a };
	if (!lane_ready(s))
		return TRY_LATER;
	buf_init(&v, SIZE_MAX);
	if (!lane_get(s, key_out_group(id, number), &v))
		o = NO_SUCH;
	else if (!out_group_row_decode(arena_dup(a, buf_str(&v)), &g->row))
		o = FAILED;
	buf_fini(&v);
	return o;
}

/* The letter and the recipients too. */
static enum outcome group_open_whole(struct group *g, struct shard *s, uint64_t id, uint32_t number, struct arena *a)
{
	enum outcome o = group_open(g, s, id, number, a);

	if (o != OK)
		return o;
	g->rcpts = out_rcpts_decode(&g->row, a);
	return g->rcpts && outgoing_letter(s, id, a, &g->letter) ? OK : FAILED;
}

/* The head alone has changed. */
static void put_head(struct group *g)
{
	struct buf v;

	buf_init(&v, SIZE_MAX);
	out_group_row_encode_as(&g->row, &v);
	lane_put(g->s, key_out_group(g->id, g->number), buf_str(&v));
	buf_fini(&v);
}

static void put_letter(struct shard *s, uint64_t id, const struct out_letter_row *row)
{
	struct buf v;

	buf_init(&v, SIZE_MAX);
	out_letter_row_encode(row, &v);
	lane_put(s, key_out_letter(id), buf_str(&v));
	buf_fini(&v);
}

static void end_letter(struct group *g)
{
	struct engine_batch *b = lane_batch(g->s);

	lane_del(g->s, key_out_letter(g->id));
	engine_del(b, KEY_STR(key_out_prefix(g->id)));
	engine_ref_del(b, KEY_STR(lane_ref(g->s, g->letter.blob, g->id)));
	engine_ref_put(b, KEY_STR(key_garbage(shard_now_s(g->s), g->letter.blob)), STR(""));
	history_finish(g->s, g->id, g->letter.facts.trace);
}

static void end_group(struct group *g)
{
	lane_del(g->s, key_out_group(g->id, g->number));
	if (g->letter.n_groups > 1) {
		g->letter.n_groups--;
		put_letter(g->s, g->id, &g->letter);
	} else {
		end_letter(g);
	}
}

static bool is_through(const struct ipc_queue_rcpt *r)
{
	return r->state != RCPT_WAITING && r->report == REPORT_NONE;
}

static void drop_through(struct group *g)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < g->row.n_rcpts; i++)
		if (!is_through(&g->rcpts[i]))
			g->rcpts[kept++] = g->rcpts[i];
	g->row.n_rcpts = kept;
}

/* The group as its recipients are now, or its end. */
static void put_group(struct group *g)
{
	struct buf v;

	if (g->row.n_rcpts == 0) {
		end_group(g);
		return;
	}
	buf_init(&v, SIZE_MAX);
	out_group_row_encode(&g->row, g->rcpts, &v);
	lane_put(g->s, key_out_group(g->id, g->number), buf_str(&v));
	buf_fini(&v);
}

static struct ipc_queue_rcpt *find_rcpt(struct group *g, uint32_t number)
{
	for (uint32_t i = 0; i < g->row.n_rcpts; i++)
		if (g->rcpts[i].number == number)
			return &g->rcpts[i];
	return NULL;
}

/* An answer that rests on what others have staged. */
static SUSPENDS enum outcome answer(struct shard *s, enum outcome o)
{
	if (o == TRY_LATER || o == FAILED || !s->lane.open)
		return o;
	return lane_wait(s) == OK ? o : TRY_LATER;
}

/* ---- in */

static bool is_sound(const struct ipc_queue_send *q)
{
	bool used[IPC_QUEUE_SEND_DOMAINS_MAX] = { false };

	if (q->facts.trace.n == 0 || q->n_rcpts == 0 || q->n_domains == 0)
		return false;
	for (size_t i = 0; i < q->n_rcpts; i++) {
		if (q->rcpts[i].group >= q->n_domains)
			return false;
		used[q->rcpts[i].group] = true;
	}
	for (size_t i = 0; i < q->n_domains; i++)
		if (!used[i] || q->domains[i].n == 0)
			return false;
	return true;
}

static bool find_trace(struct shard *s, struct str trace, uint64_t *id)
{
	struct out_trace_row row;
	struct buf v;
	bool found;

	buf_init(&v, 64);
	found = lane_get(s, key_out_trace(trace), &v) && out_trace_row_decode(buf_str(&v), &row);
	if (found)
		*id = row.id;
	buf_fini(&v);
	return found;
}

static void put_new_group(struct shard *s, const struct ipc_queue_send *q, uint64_t id, uint32_t group, struct arena *a)
{
	struct ipc_queue_rcpt *rcpts = arena_array(a, q->n_rcpts, sizeof *rcpts);
	const struct ipc_wishes *w = &q->facts.wishes;
	struct out_group_row row = { .attempts = q->attempt ? 1 : 0, .domain = q->domains[group] };
	struct buf v;

	row.due_s = w->hold_until_s > q->facts.date_s ? w->hold_until_s : q->facts.date_s;
	for (size_t i = 0; i < q->n_rcpts; i++)
		if (q->rcpts[i].group == group)
			rcpts[row.n_rcpts++] = (struct ipc_queue_rcpt){ .number = (uint32_t)i, .to = q->rcpts[i].to, .dsn = q->rcpts[i].dsn };
	buf_init(&v, SIZE_MAX);
	out_group_row_encode(&row, rcpts, &v);
	lane_put(s, key_out_group(id, group), buf_str(&v));
	buf_fini(&v);
}

static enum outcome put_new(struct shard *s, const struct ipc_queue_send *q, uint64_t *id)
{
	struct engine_batch *b = lane_batch(s);
	struct out_letter_row row = {
		.n_groups = (uint32_t)q->n_domains, .blob = shard_blob_id(s), .body_size = q->body.size, .facts = q->facts
	};
	struct arena a;

	if (engine_blob_put(b, row.blob, &q->body) != OK)
		return TRY_LATER;
	*id = s->lane.next++;
	put_letter(s, *id, &row);
	engine_put(b, KEY_STR(key_out_prefix(*id)), q->prefix);
	engine_ref_put(b, KEY_STR(lane_ref(s, row.blob, *id)), STR(""));
	trace_put(s, q->facts.trace, *id, 0);
	arena_init(&a, "store-outgoing", WORK_MAX);
	for (uint32_t i = 0; i < q->n_domains; i++) {
		put_new_group(s, q, *id, i, &a);
		arena_reset(&a);
	}
	arena_fini(&a);
	return OK;
}

enum outcome outgoing_send(struct shard *s, const struct ipc_queue_send *q, struct ipc_queue_send_reply *r)
{
	enum outcome o;

	if (!is_sound(q))
		return BAD_SYNTAX;
	if (!lane_ready(s))
		return TRY_LATER;
	if (find_trace(s, q->facts.trace, &r->id)) {
		r->again = 1;
		return lane_wait(s);
	}
	if (s->limits->message_size_max && q->body.size > s->limits->message_size_max)
		return OVER_LIMIT;
	if (!shard_has_room(s))
		return NO_ROOM;
	o = put_new(s, q, &r->id);
	lane_hurry(s);
	return o == OK ? lane_commit(s) : o;
}

/* ---- read */

struct loading {
	struct arena *a;
	struct ipc_queue_entry *v;
	size_t n;
	bool more;
	uint64_t id; /* of letter; 0: none yet */
	struct out_letter_row letter;
};

static void load_letter(struct loading *l, uint64_t id, struct str value)
{
	l->id = out_letter_row_decode(value, &l->letter) ? id : 0;
}

static void load_group(struct loading *l, uint64_t id, uint32_t group, struct str value)
{
	const struct ipc_out_facts *f = &l->letter.facts;
	struct out_group_row g;

	if (l->id != id || !out_group_row_decode(value, &g))
		return; /* verify tells */
	l->v[l->n++] = (struct ipc_queue_entry){ .id = id, .group = group, .domain = arena_dup(l->a, g.domain), .account = f->account,
		.n_rcpts = g.n_waiting, .attempts = g.attempts, .state = g.state, .due_s = g.due_s, .date_s = f->date_s, .until_s = f->until_s,
		.priority = f->wishes.priority, .flags = f->flags, .size = f->size, .owed = g.owed, .route = arena_dup(l->a, g.route) };
}

static bool load_row(void *arg, const struct engine_row *row)
{
	struct loading *l = arg;
	struct cur c = cur_of(str_from(row->key, 1));
	uint64_t id = cur_be64(&c);

	if (cur_end(&c)) {
		load_letter(l, id, row->value);
		return true;
	}
	if (l->n == IPC_QUEUE_LOAD_ENTRIES_MAX) {
		l->more = true;
		return false;
	}
	load_group(l, id, cur_be32(&c), row->value);
	return true;
}

enum outcome outgoing_load(struct shard *s, const struct ipc_queue_load *q, struct arena *a, struct ipc_queue_load_reply *r)
{
	struct key from = key_out_group(q->after_id, q->after_group), to = key_of('P');
	struct engine_range range = { .partition = lane_number(s), .to = KEY_STR(to) };
	struct loading l = { .a = a };

	if (!lane_ready(s) || lane_wait(s) != OK)
		return TRY_LATER;
	from = key_bytes(from, STR("\0")); /* the next key there can be */
	range.from = KEY_STR(from);
	l.v = arena_array(a, IPC_QUEUE_LOAD_ENTRIES_MAX, sizeof *l.v);
	if (outgoing_letter(s, q->after_id, a, &l.letter))
		l.id = q->after_id;
	engine_range(s->port, &range, load_row, &l);
	r->entries = l.v;
	r->n_entries = l.n;
	r->more = l.more;
	return OK;
}

/* A record holds the longest texts of 200 recipients, or their longest addresses, but not both. */
static void cut_texts(struct ipc_queue_read_reply *r, struct ipc_queue_rcpt *rcpts)
{
	if (ipc_size(IPC_QUEUE_READ, true, r) <= IPC_RECORD_MAX)
		return;
	for (size_t i = 0; i < r->n_rcpts; i++)
		rcpts[i].text = str_sub(rcpts[i].text, 0, 100);
}

enum outcome outgoing_read(struct shard *s, const struct ipc_queue_read *q, struct arena *a, struct ipc_queue_read_reply *r)
{
	struct group g;
	enum outcome o = group_open_whole(&g, s, q->id, q->group, a);
	struct buf v;

	if (o != OK)
		return answer(s, o);
	*r = (struct ipc_queue_read_reply){ .facts = g.letter.facts, .domain = g.row.domain, .route = g.row.route, .state = g.row.state,
		.attempts = g.row.attempts, .due_s = g.row.due_s, .rcpts = g.rcpts, .n_rcpts = g.row.n_rcpts };
	buf_init(&v, SIZE_MAX);
	if (engine_get(s->port, NULL, lane_number(s), KEY_STR(key_out_prefix(q->id)), &v))
		r->prefix = arena_dup(a, buf_str(&v));
	buf_fini(&v);
	cut_texts(r, g.rcpts);
	return answer(s, OK);
}

enum outcome outgoing_body(struct shard *s, const struct ipc_queue_body *q, struct arena *a, struct buf *out)
{
	struct out_letter_row row;

	if (!lane_ready(s))
		return TRY_LATER;
	if (!outgoing_letter(s, q->id, a, &row))
		return NO_SUCH;
	return engine_blob_get(s->port, row.blob, q->at, q->n < IPC_QUEUE_BODY_BYTES_MAX ? q->n : IPC_QUEUE_BODY_BYTES_MAX, out);
}

/* ---- tried */

enum outcome outgoing_begin(struct shard *s, const struct ipc_queue_begin *q, struct arena *a)
{
	struct group g;
	enum outcome o = group_open(&g, s, q->id, q->group, a);

	if (o == OK && (q->attempt != g.row.attempts + 1 || g.row.state == QUEUE_HELD || g.row.n_waiting == 0))
		o = BAD_STATE;
	if (o != OK)
		return answer(s, o);
	g.row.attempts = q->attempt;
	put_head(&g);
	return lane_commit(s);
}

/* ---- settled */

/* A recipient's state, and what is told of it. */
static struct ipc_queue_shown_rcpt shown(const struct ipc_queue_rcpt *r)
{
	return (struct ipc_queue_shown_rcpt){ r->number, r->to, r->state, r->report, r->code, r->status, r->text };
}

/* U3; a result without words of its own leaves the last ones. */
static void take_result(struct ipc_queue_rcpt *r, const struct ipc_rcpt_result *result)
{
	r->state = result->state;
	if (result->state != RCPT_WAITING || result->report != REPORT_NONE)
		r->report = result->report;
	if (result->code || result->text.n || result->status.n) {
		r->code = result->code;
		r->status = result->status;
		r->text = result->text;
	}
}

static size_t take_results(struct group *g, const struct ipc_delivery *d, struct ipc_queue_shown_rcpt *out)
{
	size_t n = 0;

	for (size_t i = 0; i < d->n_rcpts; i++) {
		struct ipc_queue_rcpt *r = find_rcpt(g, d->rcpts[i].number);

		if (!r || r->state != RCPT_WAITING || d->rcpts[i].state >= RCPT_STATE_COUNT || d->rcpts[i].report >= REPORT_KINDS)
			continue;
		take_result(r, &d->rcpts[i]);
		out[n++] = shown(r);
	}
	return n;
}

static void note(struct group *g, struct out_event_row *e)
{
	const struct ipc_out_facts *f = &g->letter.facts;

	e->left = g->row.n_rcpts;
	e->trace = f->trace;
	e->account = f->account;
	e->from_null = f->from_null;
	e->from = f->from;
	e->date_s = f->date_s;
	e->size = f->size;
	e->domain = g->row.domain;
	history_add(g->s, g->id, g->number, &g->row, e);
}

static bool is_delay_alone(const struct ipc_queue_settle *q, const struct out_event_row *e)
{
	for (size_t i = 0; i < e->n_rcpts; i++)
		if (e->rcpts[i].state != RCPT_WAITING)
			return false;
	return q->attempt == 0;
}

/* Earlier failures of an address that has taken a letter are forgotten. What was settled stands, whatever becomes of this. */
static SUSPENDS void note_taken(struct group *g, const struct out_event_row *e)
{
	struct ipc_suppress_note m = { .account = g->letter.facts.account };
	enum outcome o = OK;

	for (size_t i = 0; g->s->limits->suppress_after && m.account && o == OK && i < e->n_rcpts; i++) {
		m.rcpt = e->rcpts[i].to;
		if (e->rcpts[i].state == RCPT_SENT || e->rcpts[i].state == RCPT_RELAYED)
			o = suppression_note(&g->s->store->directory, &m);
	}
}

enum outcome outgoing_settle(struct shard *s, const struct ipc_queue_settle *q, struct arena *a, uint32_t *left)
{
	struct ipc_queue_shown_rcpt *results = arena_array(a, OUT_RCPTS_MAX, sizeof *results);
	struct out_event_row e = { .attempt = q->attempt, .at_s = q->at_s, .delivery = q->delivery, .rcpts = results };
	struct group g;
	enum outcome o = group_open_whole(&g, s, q->id, q->group, a);

	if (o == OK && q->attempt > g.row.attempts)
		o = BAD_STATE;
	if (o == OK && q->attempt && q->attempt <= g.row.settled) {
		*left = g.row.n_rcpts; /* U4 */
		return answer(s, OK);
	}
	if (o != OK)
		return answer(s, o == NO_SUCH ? OK : o); /* gone: it was settled before */
	e.n_rcpts = take_results(&g, &q->delivery, results);
	if (q->attempt)
		g.row.settled = q->attempt;
	if (q->due_s && (q->attempt == 0 || q->attempt == g.row.attempts))
		g.row.due_s = q->due_s;
	drop_through(&g);
	*left = g.row.n_rcpts;
	if (!is_delay_alone(q, &e))
		note(&g, &e);
	put_group(&g);
	o = lane_commit_later(s);
	if (o == OK)
		note_taken(&g, &e);
	return o;
}

/* U3 holds here too: a report is owed about one that is through, or of a delay about one that waits. */
static void take_report(struct group *g, const struct ipc_queue_reported *q)
{
	for (size_t i = 0; i < q->n_numbers; i++) {
		struct ipc_queue_rcpt *r = find_rcpt(g, q->numbers[i]);

		if (!r)
			continue;
		if (q->report == REPORT_DELAY)
			r->delayed = 1;
		if (r->report == q->report)
			r->report = REPORT_NONE;
	}
}

enum outcome outgoing_reported(struct shard *s, const struct ipc_queue_reported *q, struct arena *a, uint32_t *left)
{
	struct group g;
	enum outcome o = group_open_whole(&g, s, q->id, q->group, a);

	if (o != OK)
		return answer(s, o == NO_SUCH ? OK : o);
	take_report(&g, q);
	drop_through(&g);
	*left = g.row.n_rcpts;
	put_group(&g);
	return lane_commit(s);
}

/* ---- by command */

static void remove_all(struct group *g)
{
	struct ipc_queue_shown_rcpt *results = arena_array(g->a, g->row.n_rcpts, sizeof *results);
	struct out_event_row e = { .at_s = shard_now_s(g->s), .rcpts = results };

	for (uint32_t i = 0; i < g->row.n_rcpts; i++) {
		struct ipc_queue_rcpt *r = &g->rcpts[i];

		r->report = REPORT_NONE;
		if (r->state != RCPT_WAITING)
			continue;
		r->state = RCPT_REMOVED;
		r->code = 0;
		r->status = STR("");
		r->text = STR("removed by command");
		results[e.n_rcpts++] = shown(r);
	}
	drop_through(g);
	note(g, &e);
	put_group(g);
}

static enum outcome apply(struct group *g, const struct ipc_queue_change *q)
{
	switch (q->what) {
	case QUEUE_HOLD:
		g->row.state = QUEUE_HELD;
		break;
	case QUEUE_RELEASE:
		g->row.state = QUEUE_WAITING;
		break;
	case QUEUE_RETRY:
		break;
	case QUEUE_REROUTE:
		g->row.route = q->text;
		break;
	case QUEUE_DELETE:
		remove_all(g);
		return OK;
	default:
		return BAD_SYNTAX;
	}
	if (q->due_s && q->what != QUEUE_HOLD)
		g->row.due_s = q->due_s;
	put_head(g);
	return OK;
}

enum outcome outgoing_change(struct shard *s, const struct ipc_queue_change *q, struct arena *a)
{
	struct group g;
	enum outcome o = group_open_whole(&g, s, q->id, q->group, a);

	if (o == OK)
		o = apply(&g, q);
	return o == OK ? lane_commit(s) : answer(s, o);
}
