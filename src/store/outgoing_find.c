/* store/outgoing_find.c - what commands see of the letters that leave. See the header.
 * Purpose     walks over rows with a filter. What is told is durable: the engine shows nothing else.
 * Trust       filters come from commands; they are compared with rows and nothing else.
 */
#include "store/outgoing_find.h"

#include "ipc/words.h"
#include "store/lane.h"
#include "store/outgoing.h"

#define ROOM (IPC_RECORD_MAX - 4096) /* of entries; the largest there can be fits */

/* ---- filters */

static bool address_fits(struct str want, bool is_null, const struct ipc_addr *a)
{
	ssize_t at = str_rfind(want, '@');

	if (want.n == 0)
		return true;
	if (is_null || str_eq(want, STR("<>")))
		return is_null && str_eq(want, STR("<>"));
	if (at < 0)
		return false;
	return str_ieq(str_from(want, (size_t)at + 1), a->domain) && (at == 0 || str_ieq(str_sub(want, 0, (size_t)at), a->local));
}

static bool domain_fits(struct str want, struct str domain)
{
	return want.n == 0 || str_ieq(want, domain);
}

static bool trace_fits(struct str want, struct str trace)
{
	return want.n == 0 || str_eq(want, trace);
}

/* The only letter that can be meant. 0: any may; UINT64_MAX: none. */
static uint64_t only_id(struct shard *s, const struct ipc_queue_filter *f)
{
	struct out_trace_row row = { 0 };
	struct buf v;

	if (f->id || f->trace.n == 0)
		return f->id;
	buf_init(&v, 64);
	if (!lane_get(s, key_out_trace(f->trace), &v) || !out_trace_row_decode(buf_str(&v), &row))
		row.id = UINT64_MAX;
	buf_fini(&v);
	return row.id;
}

/* ---- the queue */

struct paging {
	const struct ipc_queue_filter *f;
	struct arena *a, *work;
	struct ipc_queue_shown *v;
	struct ipc_queue_page_reply *r;
	size_t room;
	unsigned n_looked;
	uint64_t id; /* of letter; 0: none yet */
	bool fits;   /* the letter does */
	struct out_letter_row letter;
	struct str bytes; /* of letter */
};

static bool letter_fits(const struct ipc_queue_filter *f, const struct ipc_out_facts *x)
{
	return trace_fits(f->trace, x->trace) && (!f->account || f->account == x->account) && x->date_s >= f->since_s &&
	       address_fits(f->sender, x->from_null, &x->from);
}

/* Its views are in the row, which lasts as long as the walk stands on it: what is told of it is copied. */
static void page_letter(struct paging *p, uint64_t id, struct str value)
{
	arena_reset(p->work);
	p->id = out_letter_row_decode(arena_dup(p->work, value), &p->letter) ? id : 0;
	p->fits = p->id && letter_fits(p->f, &p->letter.facts);
}

static struct ipc_addr dup_addr(struct arena *a, const struct ipc_addr *x)
{
	return (struct ipc_addr){ arena_dup(a, x->local), arena_dup(a, x->domain) };
}

static size_t rcpt_size(const struct ipc_queue_shown_rcpt *r)
{
	return IPC_QUEUE_SHOWN_RCPT_FIXED + r->to.local.n + r->to.domain.n + r->status.n + r->text.n;
}

static size_t shown_size(const struct ipc_queue_shown *e)
{
	size_t n = IPC_QUEUE_SHOWN_FIXED + e->trace.n + e->from.local.n + e->from.domain.n + e->login.n + e->domain.n + e->route.n;

	for (size_t i = 0; i < e->n_rcpts; i++)
		n += rcpt_size(&e->rcpts[i]);
	return n;
}

static struct ipc_queue_shown_rcpt *dup_rcpts(struct arena *a, const struct ipc_queue_rcpt *rcpts, size_t n)
{
	struct ipc_queue_shown_rcpt *v = arena_array(a, n, sizeof *v);

	for (size_t i = 0; i < n; i++)
		v[i] = (struct ipc_queue_shown_rcpt){ rcpts[i].number, dup_addr(a, &rcpts[i].to), rcpts[i].state, rcpts[i].report, rcpts[i].code,
			arena_dup(a, rcpts[i].status), arena_dup(a, rcpts[i].text) };
	return v;
}

static bool rcpts_fit(const struct ipc_queue_filter *f, const struct ipc_queue_rcpt *rcpts, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (address_fits(f->rcpt, false, &rcpts[i].to))
			return true;
	return false;
}

/* False: there is no room for it in this answer. */
static bool show_group(struct paging *p, uint32_t group, const struct out_group_row *g, struct arena *tmp)
{
	const struct ipc_out_facts *f = &p->letter.facts;
	const struct ipc_queue_rcpt *rcpts = out_rcpts_decode(g, tmp);
	struct ipc_queue_shown e = { .id = p->id, .group = group, .trace = f->trace, .from_null = f->from_null, .from = f->from,
		.account = f->account, .login = f->login, .domain = g->domain, .route = g->route, .state = g->state, .attempts = g->attempts,
		.due_s = g->due_s, .date_s = f->date_s, .until_s = f->until_s, .priority = f->wishes.priority, .flags = f->flags,
		.size = f->size };

	if (!rcpts || !rcpts_fit(p->f, rcpts, g->n_rcpts))
		return true;
	e.rcpts = dup_rcpts(tmp, rcpts, g->n_rcpts);
	e.n_rcpts = g->n_rcpts;
	if (p->r->n_entries == IPC_QUEUE_PAGE_ENTRIES_MAX || shown_size(&e) > p->room)
		return false;
	p->room -= shown_size(&e);
	e.rcpts = dup_rcpts(p->a, rcpts, g->n_rcpts);
	e.trace = arena_dup(p->a, e.trace);
	e.from = dup_addr(p->a, &e.from);
	e.login = arena_dup(p->a, e.login);
	e.domain = arena_dup(p->a, e.domain);
	e.route = arena_dup(p->a, e.route);
	p->v[p->r->n_entries++] = e;
	return true;
}

static bool page_group(struct paging *p, uint64_t id, uint32_t group, struct str value)
{
	struct out_group_row g;
	struct arena tmp;
	bool room = true;

	if (p->id == id && p->fits && out_group_row_decode(value, &g) && domain_fits(p->f->domain, g.domain) &&
		(!p->f->state || p->f->state == g.state + 1)) {
		arena_init(&tmp, "store-page", IPC_REPLY_MEMORY);
		room = show_group(p, group, &g, &tmp);
		arena_fini(&tmp);
	}
	if (room) {
		p->r->next_id = id;
		p->r->next_group = group;
	}
	return room;
}

static bool page_row(void *arg, const struct engine_row *row)
{
	struct paging *p = arg;
	struct cur c = cur_of(str_from(row->key, 1));
	uint64_t id = cur_be64(&c);

	if (p->n_looked++ == OUTGOING_LOOK_MAX) {
		p->r->more = 1;
		return false;
	}
	if (cur_end(&c)) {
		page_letter(p, id, row->value);
		return true;
	}
	p->r->more = !page_group(p, id, cur_be32(&c), row->value);
	return !p->r->more;
}

static void start_page(struct shard *s, const struct ipc_queue_page *q, struct paging *p)
{
	struct buf v;

	buf_init(&v, SIZE_MAX);
	if (q->after_id && engine_get(s->port, NULL, lane_number(s), KEY_STR(key_out_letter(q->after_id)), &v))
		page_letter(p, q->after_id, buf_str(&v));
	buf_fini(&v);
}

enum outcome outgoing_page(struct shard *s, const struct ipc_queue_page *q, struct arena *a, struct ipc_queue_page_reply *r)
{
	uint64_t only = only_id(s, &q->filter);
	struct key from = key_bytes(key_out_group(q->after_id, q->after_group), STR("\0")), to = key_of('P');
	struct engine_range range = { .partition = lane_number(s) };
	struct arena work;
	struct paging p = { .f = &q->filter, .a = a, .work = &work, .r = r, .room = ROOM };

	if (!lane_ready(s))
		return TRY_LATER;
	r->next_id = q->after_id;
	r->next_group = q->after_group;
	p.v = arena_array(a, IPC_QUEUE_PAGE_ENTRIES_MAX, sizeof *p.v);
	r->entries = p.v;
	if (only == UINT64_MAX)
		return OK;
	if (only && q->after_id < only)
		from = key_out_letter(only);
	if (only)
		to = key_out_letter(only + 1);
	range.from = KEY_STR(from);
	range.to = KEY_STR(to);
	arena_init(&work, "store-page", IPC_REPLY_MEMORY);
	start_page(s, q, &p);
	if (str_cmp(range.from, range.to) < 0)
		engine_range(s->port, &range, page_row, &p);
	arena_fini(&work);
	return OK;
}

/* ---- history */

struct finding {
	const struct ipc_queue_filter *f;
	struct arena *a;
	struct ipc_history_entry *v;
	struct ipc_history_find_reply *r;
	size_t room;
	unsigned n_looked;
};

static bool event_fits(const struct ipc_queue_filter *f, const struct out_event_row *e)
{
	bool rcpt = f->rcpt.n == 0;

	for (size_t i = 0; !rcpt && i < e->n_rcpts; i++)
		rcpt = address_fits(f->rcpt, false, &e->rcpts[i].to);
	return rcpt && trace_fits(f->trace, e->trace) && (!f->account || f->account == e->account) && e->at_s >= f->since_s &&
	       domain_fits(f->domain, e->domain) && address_fits(f->sender, e->from_null, &e->from);
}

static size_t event_size(const struct out_event_row *e)
{
	const struct ipc_delivery *d = &e->delivery;
	size_t n = IPC_HISTORY_ENTRY_FIXED + e->trace.n + e->from.local.n + e->from.domain.n + e->domain.n + d->host.n + d->ip.n + d->source.n +
		   d->tls.n + d->lock_text.n;

	for (size_t i = 0; i < e->n_rcpts; i++)
		n += rcpt_size(&e->rcpts[i]);
	return n;
}

static struct ipc_delivery dup_delivery(struct arena *a, const struct ipc_delivery *x)
{
	struct ipc_delivery d = *x;

	d.host = arena_dup(a, d.host);
	d.ip = arena_dup(a, d.ip);
	d.source = arena_dup(a, d.source);
	d.tls = arena_dup(a, d.tls);
	d.lock_text = arena_dup(a, d.lock_text);
	return d;
}

static struct ipc_queue_shown_rcpt *dup_results(struct arena *a, const struct out_event_row *e)
{
	struct ipc_queue_shown_rcpt *v = arena_array(a, e->n_rcpts ? e->n_rcpts : 1, sizeof *v);

	for (size_t i = 0; i < e->n_rcpts; i++) {
		v[i] = e->rcpts[i];
		v[i].to = dup_addr(a, &v[i].to);
		v[i].status = arena_dup(a, v[i].status);
		v[i].text = arena_dup(a, v[i].text);
	}
	return v;
}

static struct ipc_history_entry entry_of(struct arena *a, uint64_t id, uint32_t group, uint32_t number, const struct out_event_row *e)
{
	return (struct ipc_history_entry){ .id = id, .group = group, .number = number, .trace = arena_dup(a, e->trace), .from_null = e->from_null,
		.from = dup_addr(a, &e->from), .account = e->account, .date_s = e->date_s, .size = e->size, .domain = arena_dup(a, e->domain),
		.attempt = e->attempt, .at_s = e->at_s, .left = e->left, .delivery = dup_delivery(a, &e->delivery),
		.rcpts = dup_results(a, e), .n_rcpts = e->n_rcpts };
}

/* False: there is no room for it in this answer. */
static bool show_event(struct finding *x, const struct engine_row *row, struct arena *tmp)
{
	struct cur c = cur_of(str_from(row->key, 1));
	uint64_t id = cur_be64(&c);
	uint32_t group = cur_be32(&c), number = cur_be32(&c);
	struct out_event_row e;

	if (out_event_row_decode(row->value, tmp, &e) && event_fits(x->f, &e)) {
		if (x->r->n_entries == IPC_HISTORY_FIND_ENTRIES_MAX || event_size(&e) > x->room)
			return false;
		x->room -= event_size(&e);
		x->v[x->r->n_entries++] = entry_of(x->a, id, group, number, &e);
	}
	x->r->next_id = id;
	x->r->next_group = group;
	x->r->next_number = number;
	return true;
}

static bool find_event(void *arg, const struct engine_row *row)
{
	struct finding *x = arg;
	struct arena tmp;
	bool room;

	if (x->n_looked++ == OUTGOING_LOOK_MAX) {
		x->r->more = 1;
		return false;
	}
	arena_init(&tmp, "store-history", IPC_REPLY_MEMORY);
	room = show_event(x, row, &tmp);
	arena_fini(&tmp);
	x->r->more = !room;
	return room;
}

enum outcome outgoing_history(struct shard *s, const struct ipc_history_find *q, struct arena *a, struct ipc_history_find_reply *r)
{
	uint64_t only = only_id(s, &q->filter);
	struct key from = key_bytes(key_out_event(q->after_id, q->after_group, q->after_number), STR("\0")), to = key_of('i');
	struct engine_range range = { .partition = lane_number(s) };
	struct finding x = { .f = &q->filter, .a = a, .r = r, .room = ROOM };

	if (!lane_ready(s))
		return TRY_LATER;
	r->next_id = q->after_id;
	r->next_group = q->after_group;
	r->next_number = q->after_number;
	x.v = arena_array(a, IPC_HISTORY_FIND_ENTRIES_MAX, sizeof *x.v);
	r->entries = x.v;
	if (only == UINT64_MAX)
		return OK;
	if (only && q->after_id < only)
		from = key_u64(key_of('h'), only);
	if (only)
		to = key_u64(key_of('h'), only + 1);
	range.from = KEY_STR(from);
	range.to = KEY_STR(to);
	if (str_cmp(range.from, range.to) < 0)
		engine_range(s->port, &range, find_event, &x);
	return OK;
}
