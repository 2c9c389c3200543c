/* store/outgoing_rows.c - rows of letters that leave. See the header.
 * Trust       values come from our own disk, yet every length is checked: a damaged row must not become a wild pointer.
 */
#include "store/outgoing_rows.h"

#include "ipc/words.h"

#define VERSION 1

/* ---- keys */

struct key key_out_letter(uint64_t id)
{
	return key_u64(key_of('O'), id);
}

struct key key_out_group(uint64_t id, uint32_t group)
{
	return key_u32(key_out_letter(id), group);
}

struct key key_out_prefix(uint64_t id)
{
	return key_u64(key_of('P'), id);
}

struct key key_out_trace(struct str trace)
{
	return key_bytes(key_of('t'), trace);
}

struct key key_out_event(uint64_t id, uint32_t group, uint32_t number)
{
	return key_u32(key_u32(key_u64(key_of('h'), id), group), number);
}

struct key key_out_finished(int64_t time_s, uint64_t id)
{
	return key_u64(key_u64(key_of('f'), (uint64_t)time_s), id);
}

/* ---- letters */

static void put_addr(struct buf *b, const struct ipc_addr *a)
{
	put_str(b, a->local);
	put_str(b, a->domain);
}

static struct ipc_addr cur_addr(struct cur *c)
{
	struct ipc_addr a;

	a.local = cur_str(c);
	a.domain = cur_str(c);
	return a;
}

static void put_wishes(struct buf *b, const struct ipc_wishes *w)
{
	put_u8(b, w->ret);
	put_str(b, w->envid);
	put_u8(b, w->priority);
	put_u64(b, (uint64_t)w->hold_until_s);
	put_u8(b, w->by_mode);
	put_u8(b, w->by_trace);
	put_u64(b, (uint64_t)w->by_s);
	put_u8(b, w->require_tls);
}

static void cur_wishes(struct cur *c, struct ipc_wishes *w)
{
	w->ret = cur_le8(c);
	w->envid = cur_str(c);
	w->priority = cur_le8(c);
	w->hold_until_s = (int64_t)cur_le64(c);
	w->by_mode = cur_le8(c);
	w->by_trace = cur_le8(c);
	w->by_s = (int64_t)cur_le64(c);
	w->require_tls = cur_le8(c);
}

void out_letter_row_encode(const struct out_letter_row *r, struct buf *out)
{
	const struct ipc_out_facts *f = &r->facts;

	put_u8(out, VERSION);
	put_u32(out, r->n_groups);
	put_u64(out, r->blob);
	put_u64(out, r->body_size);
	put_str(out, f->trace);
	put_u64(out, f->account);
	put_str(out, f->login);
	put_u64(out, (uint64_t)f->date_s);
	put_u64(out, (uint64_t)f->until_s);
	put_u8(out, f->from_null);
	put_addr(out, &f->from);
	put_wishes(out, &f->wishes);
	put_u8(out, f->wire);
	put_u8(out, f->flags);
	put_u64(out, f->size);
}

bool out_letter_row_decode(struct str v, struct out_letter_row *out)
{
	struct cur c = cur_of(v);
	struct ipc_out_facts *f = &out->facts;

	if (cur_le8(&c) != VERSION)
		cur_fail(&c);
	out->n_groups = cur_le32(&c);
	out->blob = cur_le64(&c);
	out->body_size = cur_le64(&c);
	f->trace = cur_str(&c);
	f->account = cur_le64(&c);
	f->login = cur_str(&c);
	f->date_s = (int64_t)cur_le64(&c);
	f->until_s = (int64_t)cur_le64(&c);
	f->from_null = cur_le8(&c);
	f->from = cur_addr(&c);
	cur_wishes(&c, &f->wishes);
	f->wire = cur_le8(&c);
	f->flags = cur_le8(&c);
	f->size = cur_le64(&c);
	/* What goes into a record again. */
	if (f->trace.n > IPC_OUT_FACTS_TRACE_MAX || f->login.n > IPC_OUT_FACTS_LOGIN_MAX || f->from.local.n > IPC_ADDR_LOCAL_MAX ||
		f->from.domain.n > IPC_ADDR_DOMAIN_MAX || f->wishes.envid.n > IPC_WISHES_ENVID_MAX)
		cur_fail(&c);
	return cur_done(&c);
}

void out_trace_row_encode(const struct out_trace_row *r, struct buf *out)
{
	put_u8(out, VERSION);
	put_u64(out, r->id);
	put_u64(out, (uint64_t)r->finished_s);
}

bool out_trace_row_decode(struct str v, struct out_trace_row *out)
{
	struct cur c = cur_of(v);

	if (cur_le8(&c) != VERSION)
		cur_fail(&c);
	out->id = cur_le64(&c);
	out->finished_s = (int64_t)cur_le64(&c);
	return cur_done(&c);
}

/* ---- groups */

static void put_rcpt(struct buf *b, const struct ipc_queue_rcpt *r)
{
	put_u16(b, (uint16_t)r->number);
	put_addr(b, &r->to);
	put_u8(b, r->dsn.notify);
	put_str(b, r->dsn.orcpt);
	put_u8(b, r->state);
	put_u8(b, r->report);
	put_u8(b, r->delayed);
	put_u16(b, r->code);
	put_str(b, r->status);
	put_str(b, r->text);
}

static void cur_rcpt(struct cur *c, struct ipc_queue_rcpt *r)
{
	r->number = cur_le16(c);
	r->to = cur_addr(c);
	r->dsn.notify = cur_le8(c);
	r->dsn.orcpt = cur_str(c);
	r->state = cur_le8(c);
	r->report = cur_le8(c);
	r->delayed = cur_le8(c);
	r->code = cur_le16(c);
	r->status = cur_str(c);
	r->text = cur_str(c);
	if (r->to.local.n > IPC_ADDR_LOCAL_MAX || r->to.domain.n > IPC_ADDR_DOMAIN_MAX || r->dsn.orcpt.n > IPC_RCPT_DSN_ORCPT_MAX ||
		r->status.n > IPC_QUEUE_RCPT_STATUS_MAX || r->text.n > IPC_QUEUE_RCPT_TEXT_MAX || r->state >= RCPT_STATE_COUNT ||
		r->report >= REPORT_KINDS)
		cur_fail(c);
}

static void put_group_head(const struct out_group_row *r, struct buf *out)
{
	put_u8(out, VERSION);
	put_u8(out, r->state);
	put_u8(out, r->owed);
	put_u32(out, r->attempts);
	put_u32(out, r->settled);
	put_u32(out, r->n_events);
	put_u16(out, (uint16_t)r->n_rcpts);
	put_u16(out, (uint16_t)r->n_waiting);
	put_u64(out, (uint64_t)r->due_s);
	put_str(out, r->domain);
	put_str(out, r->route);
}

void out_group_row_encode(struct out_group_row *r, const struct ipc_queue_rcpt *rcpts, struct buf *out)
{
	r->owed = 0;
	r->n_waiting = 0;
	for (uint32_t i = 0; i < r->n_rcpts; i++) {
		r->n_waiting += rcpts[i].state == RCPT_WAITING;
		if (rcpts[i].report != REPORT_NONE)
			r->owed |= (uint8_t)(1u << rcpts[i].report);
	}
	put_group_head(r, out);
	for (uint32_t i = 0; i < r->n_rcpts; i++)
		put_rcpt(out, &rcpts[i]);
}

void out_group_row_encode_as(const struct out_group_row *r, struct buf *out)
{
	put_group_head(r, out);
	buf_add(out, r->rcpts);
}

bool out_group_row_decode(struct str v, struct out_group_row *out)
{
	struct cur c = cur_of(v);

	if (cur_le8(&c) != VERSION)
		cur_fail(&c);
	out->state = cur_le8(&c);
	out->owed = cur_le8(&c);
	out->attempts = cur_le32(&c);
	out->settled = cur_le32(&c);
	out->n_events = cur_le32(&c);
	out->n_rcpts = cur_le16(&c);
	out->n_waiting = cur_le16(&c);
	out->due_s = (int64_t)cur_le64(&c);
	out->domain = cur_str(&c);
	out->route = cur_str(&c);
	out->rcpts = cur_rest(&c);
	return cur_ok(&c) && out->state <= QUEUE_HELD && out->n_rcpts && out->n_rcpts <= OUT_RCPTS_MAX && out->n_waiting <= out->n_rcpts &&
	       out->domain.n <= IPC_QUEUE_READ_DOMAIN_MAX && out->route.n <= IPC_QUEUE_READ_ROUTE_MAX;
}

struct ipc_queue_rcpt *out_rcpts_decode(const struct out_group_row *r, struct arena *a)
{
	struct ipc_queue_rcpt *v = arena_array(a, r->n_rcpts, sizeof *v);
	struct cur c = cur_of(r->rcpts);

	for (uint32_t i = 0; i < r->n_rcpts; i++)
		cur_rcpt(&c, &v[i]);
	return cur_done(&c) ? v : NULL;
}

/* ---- history */

static void put_delivery(struct buf *b, const struct ipc_delivery *d)
{
	put_u8(b, d->feedback);
	put_str(b, d->host);
	put_str(b, d->ip);
	put_u16(b, d->port);
	put_str(b, d->source);
	put_str(b, d->tls);
	put_u8(b, d->lock);
	put_str(b, d->lock_text);
	put_u8(b, d->reused);
	put_u32(b, d->dns_ms);
	put_u32(b, d->connect_ms);
	put_u32(b, d->tls_ms);
	put_u32(b, d->total_ms);
	put_u32(b, d->retry_s);
}

static void cur_delivery(struct cur *c, struct ipc_delivery *d)
{
	*d = (struct ipc_delivery){ 0 };
	d->feedback = cur_le8(c);
	d->host = cur_str(c);
	d->ip = cur_str(c);
	d->port = cur_le16(c);
	d->source = cur_str(c);
	d->tls = cur_str(c);
	d->lock = cur_le8(c);
	d->lock_text = cur_str(c);
	d->reused = cur_le8(c);
	d->dns_ms = cur_le32(c);
	d->connect_ms = cur_le32(c);
	d->tls_ms = cur_le32(c);
	d->total_ms = cur_le32(c);
	d->retry_s = cur_le32(c);
	if (d->host.n > IPC_DELIVERY_HOST_MAX || d->ip.n > IPC_DELIVERY_IP_MAX || d->source.n > IPC_DELIVERY_SOURCE_MAX ||
		d->tls.n > IPC_DELIVERY_TLS_MAX || d->lock_text.n > IPC_DELIVERY_LOCK_TEXT_MAX)
		cur_fail(c);
}

static void put_result(struct buf *b, const struct ipc_queue_shown_rcpt *r)
{
	put_u16(b, (uint16_t)r->number);
	put_addr(b, &r->to);
	put_u8(b, r->state);
	put_u8(b, r->report);
	put_u16(b, r->code);
	put_str(b, r->status);
	put_str(b, r->text);
}

static void cur_result(struct cur *c, struct ipc_queue_shown_rcpt *r)
{
	r->number = cur_le16(c);
	r->to = cur_addr(c);
	r->state = cur_le8(c);
	r->report = cur_le8(c);
	r->code = cur_le16(c);
	r->status = cur_str(c);
	r->text = cur_str(c);
	if (r->to.local.n > IPC_ADDR_LOCAL_MAX || r->to.domain.n > IPC_ADDR_DOMAIN_MAX || r->status.n > IPC_QUEUE_SHOWN_RCPT_STATUS_MAX ||
		r->text.n > IPC_QUEUE_SHOWN_RCPT_TEXT_MAX || r->state >= RCPT_STATE_COUNT)
		cur_fail(c);
}

void out_event_row_encode(const struct out_event_row *r, struct buf *out)
{
	put_u8(out, VERSION);
	put_u32(out, r->attempt);
	put_u16(out, (uint16_t)r->left);
	put_u64(out, (uint64_t)r->at_s);
	put_str(out, r->trace);
	put_u64(out, r->account);
	put_u8(out, r->from_null);
	put_addr(out, &r->from);
	put_u64(out, (uint64_t)r->date_s);
	put_u64(out, r->size);
	put_str(out, r->domain);
	put_delivery(out, &r->delivery);
	put_u16(out, (uint16_t)r->n_rcpts);
	for (size_t i = 0; i < r->n_rcpts; i++)
		put_result(out, &r->rcpts[i]);
}

bool out_event_row_decode(struct str v, struct arena *a, struct out_event_row *out)
{
	struct ipc_queue_shown_rcpt *rcpts;
	struct cur c = cur_of(v);

	if (cur_le8(&c) != VERSION)
		cur_fail(&c);
	out->attempt = cur_le32(&c);
	out->left = cur_le16(&c);
	out->at_s = (int64_t)cur_le64(&c);
	out->trace = cur_str(&c);
	out->account = cur_le64(&c);
	out->from_null = cur_le8(&c);
	out->from = cur_addr(&c);
	out->date_s = (int64_t)cur_le64(&c);
	out->size = cur_le64(&c);
	out->domain = cur_str(&c);
	cur_delivery(&c, &out->delivery);
	out->n_rcpts = cur_le16(&c);
	if (out->n_rcpts > OUT_RCPTS_MAX || out->trace.n > IPC_OUT_FACTS_TRACE_MAX || out->from.local.n > IPC_ADDR_LOCAL_MAX ||
		out->from.domain.n > IPC_ADDR_DOMAIN_MAX || out->domain.n > IPC_QUEUE_READ_DOMAIN_MAX)
		cur_fail(&c);
	if (!cur_ok(&c))
		return false;
	rcpts = arena_array(a, out->n_rcpts ? out->n_rcpts : 1, sizeof *rcpts);
	for (size_t i = 0; i < out->n_rcpts; i++)
		cur_result(&c, &rcpts[i]);
	out->rcpts = rcpts;
	return cur_done(&c);
}
