/* pipe/report.c - making delivery status notifications, and their way to the letter's sender. See the header.
 * Trust       what other servers said is hostile, and so is the letter; mail/dsn.c makes both harmless.
 * Owns        the bytes of one report, counted in post's budget.
 * Suspends    in calls to store and scan, and in the queue.
 * Invariants  R1 no report is made about a letter with a null sender, hence none about a report (RFC 5321 6.1); report_owed.c keeps it too.
 *             R2 OK is answered only when the report is durable, or is dropped for good.
 *             R3 a report has an id of its own, made of what it is about: made twice it is kept once.
 *             R4 the report on a forwarded letter goes to whom its sender stands for (SRS), not to the alias.
 */
#include "pipe/report.h"

#include "base/clock.h"
#include "ipc/words.h"
#include "mail/bounce_class.h"
#include "mail/dsn.h"
#include "mail/path.h"
#include "mail/traits.h"
#include "mail/utf8.h"
#include "pipe/forward.h"
#include "pipe/outgoing.h"
#include "pipe/report_impl.h"
#include "pipe/sign.h"

/* ---- sending what was composed */

static void log_report(struct post *p, const struct report_job *j, bool sent, const char *why)
{
	struct buf to;

	buf_init(&to, 700);
	mail_mailbox_add(&to, j->to.local, j->to.domain);
	log_fields(p->log, sent ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING, sent ? "report-sent" : "report-dropped", LOG_S("trace", j->trace),
		LOG_S("report", j->id), LOG_S("to", buf_str(&to)), LOG_S(why ? "why" : NULL, str_z(why ? why : "")));
	buf_fini(&to);
}

/* Its own Received field is the only one: by whom, when, and under which number. */
static struct str local_prefix(struct post *p, const struct report_job *j)
{
	struct buf b;
	struct str s;

	buf_init(&b, IPC_QUEUED_RCPT_PREFIX_MAX);
	buf_addz(&b, "Return-Path: <>\r\nDelivered-To: <");
	mail_mailbox_add(&b, j->to.local, j->to.domain);
	buf_addf(&b, ">\r\nReceived: by %.*s id %.*s;\r\n\t", STR_ARG(p->conf->hostname), STR_ARG(j->id));
	clock_add_rfc5322(&b, j->now_s);
	buf_addz(&b, "\r\n");
	s = arena_dup(j->a, buf_str(&b));
	buf_fini(&b);
	return s;
}

static enum outcome later_or(enum outcome o)
{
	return o == UNANSWERED || o == NO_ROOM ? TRY_LATER : o;
}

static SUSPENDS enum outcome deliver_to(struct post *p, const struct report_job *j, const struct body *body, struct str index, uint64_t account)
{
	struct ipc_deliver m = { .account = account, .delivery = j->id, .mailbox = STR("INBOX"), .date_s = j->now_s, .prefix = local_prefix(p, j),
		.index = index, .body = *body };
	struct ipc_deliver_reply r;

	return later_or(ipc_deliver(post_store_of_account(p, account), &m, &r, NULL));
}

static SUSPENDS enum outcome put_out(struct post *p, const struct report_job *j, const struct body *body, struct mail_traits t,
	const struct ipc_addr *to)
{
	bool utf8 = t.header_8bit || !mail_ascii_ok(to->local) || !mail_ascii_ok(to->domain);
	struct outgoing o = {
		.facts = { .trace = j->id, .date_s = j->now_s, .from_null = 1,
			.wire = (uint8_t)(WIRE_EXTENDED | (utf8 ? WIRE_UTF8 : 0) | (t.body_8bit ? WIRE_8BIT : 0)),
			.flags = OUT_REPORT | (t.header_8bit ? OUT_8BIT_HEADER : 0u) | (t.body_8bit ? OUT_8BIT_BODY : 0u) },
		.rcpts = to, .n = 1, .body = *body,
	};

	(void)post_sign(p, p->conf->hostname, body, j->a, &o.prefix); /* without a signature rather than not */
	return later_or(outgoing_put(p, &o, j->a));
}

/* A report that none of the sender's mailboxes takes is dropped; one that one of them may take later is tried again, and the others know it by its id. */
static SUSPENDS enum outcome to_targets(struct post *p, const struct report_job *j, const struct body *body, struct mail_traits t,
	const struct ipc_resolve_reply *r)
{
	struct str index;
	enum outcome o = post_index(p, body, j->a, &index), worst = OK;

	for (size_t i = 0; o == OK && i < r->n_targets; i++) {
		const struct ipc_target *x = &r->targets[i];
		enum outcome own = x->account ? deliver_to(p, j, body, index, x->account) : put_out(p, j, body, t, &x->address);

		if (own == TRY_LATER)
			return own;
		if (own != OK)
			worst = own;
	}
	return o == OK ? worst : TRY_LATER;
}

static SUSPENDS enum outcome route(struct post *p, const struct report_job *j, const struct body *body, struct mail_traits t)
{
	struct ipc_resolve ask = { .rcpt = j->to, .size = body->size };
	struct ipc_resolve_reply r = { 0 };
	enum outcome o = later_or(ipc_resolve(post_store_of_address(p, &j->to), &ask, &r, j->a));

	if (o == DENIED)
		return put_out(p, j, body, t, &j->to);
	return o == OK ? to_targets(p, j, body, t, &r) : o;
}

SUSPENDS enum outcome report_dispatch(struct post *p, const struct report_job *j, const struct mail_dsn *d)
{
	struct body_writer w;
	struct body body;
	struct mail_traits t;
	struct buf out;
	enum outcome o;

	buf_init(&out, MAIL_DSN_MAX(d->n_rcpts));
	mail_dsn_compose(d, &out);
	t = mail_traits_of(buf_str(&out));
	body_writer_open(&w, &p->budget, out.n);
	body_writer_add(&w, buf_str(&out));
	buf_fini(&out);
	o = body_writer_seal(&w, &body);
	if (o == OK)
		o = route(p, j, &body, t);
	body_writer_close(&w);
	if (o != TRY_LATER) /* R2 */
		log_report(p, j, o == OK, o == OK ? NULL : outcome_name(o));
	return o == TRY_LATER ? o : OK;
}

/* ---- of a letter in the queue */

/* outgoing.c chooses the lane by the letter's trace; the later parts of one with many recipients have a number behind it. */
static struct link *lane_of(struct post *p, struct str trace)
{
	ssize_t dash = str_find(trace, '-');

	return p->lanes[str_hash(dash < 0 ? trace : str_sub(trace, 0, (size_t)dash), 0) % p->n_lanes].store;
}

#define BODY_STEP 65536
#define PAGES_MAX 50 /* of history looked through for who answered */

/* As much of the letter as is returned: what came before it here, then its own bytes. */
static SUSPENDS enum outcome read_original(struct link *store, uint64_t id, const struct ipc_queue_read_reply *l, size_t want, struct buf *out)
{
	size_t got = 0;
	struct arena a;
	enum outcome o = OK;

	buf_add(out, l->prefix);
	arena_init(&a, "report body", IPC_REPLY_MEMORY);
	while (o == OK && got < want) {
		struct ipc_queue_body m = { id, got, (uint32_t)(want - got < BODY_STEP ? want - got : BODY_STEP) };
		struct ipc_queue_body_reply r = { 0 };

		o = ipc_queue_body(store, &m, &r, &a);
		if (o == OK && r.bytes.n == 0)
			break;
		buf_add(out, r.bytes);
		got += r.bytes.n;
		arena_reset(&a);
	}
	arena_fini(&a);
	return later_or(o);
}

/* Who spoke last of each recipient, as far as history has it. */
static void note_hosts(const struct ipc_history_entry *h, const struct ipc_queue_read_reply *l, const uint32_t *at, struct mail_dsn *d,
	struct mail_dsn_rcpt *v, struct arena *a)
{
	for (size_t i = 0; h->attempt && i < h->n_rcpts; i++)
		for (size_t k = 0; k < d->n_rcpts; k++)
			if (l->rcpts[at[k]].number == h->rcpts[i].number) {
				v[k].host = v[k].host.n ? v[k].host : arena_dup(a, h->delivery.host);
				v[k].at_s = h->at_s;
			}
}

static SUSPENDS void find_hosts(struct link *store, uint64_t id, uint32_t group, const struct ipc_queue_read_reply *l, const uint32_t *at,
	struct mail_dsn *d, struct mail_dsn_rcpt *v, struct arena *a)
{
	struct ipc_history_find m = { .filter = { .id = id }, .after_id = group ? id : id - 1, .after_group = group ? group - 1 : UINT32_MAX,
		.after_number = UINT32_MAX };
	struct arena page;
	bool more = true;

	arena_init(&page, "report history", IPC_REPLY_MEMORY);
	for (unsigned n = 0; more && n < PAGES_MAX; n++) {
		struct ipc_history_find_reply r = { 0 };

		if (ipc_history_find(store, &m, &r, &page) != OK)
			break;
		for (size_t i = 0; i < r.n_entries; i++)
			if (r.entries[i].id == id && r.entries[i].group == group)
				note_hosts(&r.entries[i], l, at, d, v, a);
		more = r.more && r.next_id == id && r.next_group <= group;
		m.after_id = r.next_id;
		m.after_group = r.next_group;
		m.after_number = r.next_number;
		arena_reset(&page);
	}
	arena_fini(&page);
}

/* Relay says "mx.far.example[192.0.2.1]: 550 5.1.1 No such user": who, and what with its code and status again. Without a name: "[192.0.2.1]:2525: ...". */
static void cut_reply(struct mail_dsn_rcpt *v, struct arena *a)
{
	ssize_t colon = str_search(v->text, STR(": ")), bracket = str_find(v->text, '[');
	struct str number = arena_fmt(a, "%u ", v->code);

	if (bracket < 0 || colon < str_find(v->text, ']') || colon < bracket || str_find(str_sub(v->text, 0, (size_t)colon), ' ') >= 0)
		return;
	v->host = str_sub(v->text, 0, bracket ? (size_t)bracket : (size_t)str_find(v->text, ']') + 1);
	v->text = str_from(v->text, (size_t)colon + 2);
	if (v->code && str_starts(v->text, number)) {
		v->text = str_from(v->text, number.n);
		if (v->status.n && str_starts(v->text, v->status))
			v->text = str_trim(str_from(v->text, v->status.n));
	}
}

static void fill_rcpt(struct mail_dsn_rcpt *v, const struct ipc_queue_rcpt *r, struct arena *a)
{
	*v = (struct mail_dsn_rcpt){ .local = r->to.local, .domain = r->to.domain, .orcpt = r->dsn.orcpt, .status = r->status, .code = r->code,
		.text = r->text, .expired = r->state == RCPT_EXPIRED };
	cut_reply(v, a);
}

/* R3. Of those that it is about, since others of the group may be owed one of the same kind later. */
static struct str report_id(uint64_t id, uint32_t group, const struct ipc_queue_read_reply *l, uint8_t report, const uint32_t *at, size_t n,
	struct arena *a)
{
	struct str head = arena_fmt(a, "%llu %u %u", (unsigned long long)id, group, report);
	uint64_t h = str_hash(head, str_hash(l->facts.trace, 0));

	for (size_t i = 0; i < n; i++)
		h = str_hash(arena_fmt(a, "%u", l->rcpts[at[i]].number), h);
	return arena_fmt(a, "%c%016llx", "nfdr"[report % 4], (unsigned long long)h);
}

static const enum mail_dsn_action action_of[] = {
	[REPORT_FAILURE] = MAIL_DSN_FAILED, [REPORT_DELAY] = MAIL_DSN_DELAYED, [REPORT_RELAYED] = MAIL_DSN_RELAYED };

SUSPENDS enum outcome report_send(struct post *p, uint64_t id, uint32_t group, const struct ipc_queue_read_reply *l, uint8_t report,
	struct arena *a)
{
	const struct ipc_out_facts *f = &l->facts;
	struct link *store = lane_of(p, f->trace);
	struct mail_dsn_rcpt *v = arena_array(a, l->n_rcpts + 1, sizeof *v);
	uint32_t *at = arena_array(a, l->n_rcpts + 1, sizeof *at);
	bool whole = report == REPORT_FAILURE && f->wishes.ret != RET_HDRS && f->size <= MAIL_DSN_RETURN_MAX;
	struct mail_dsn d = { .hostname = p->conf->hostname, .envid = f->wishes.envid, .arrival_s = f->date_s, .until_s = f->until_s,
		.now_s = sched_wall_us(p->sched) / 1000000, .utf8 = f->wire & WIRE_UTF8, .rcpts = v, .headers_only = !whole, .original_whole = whole };
	struct report_job j = { .trace = f->trace, .to = f->from, .now_s = d.now_s, .a = a };
	struct buf original;
	enum outcome o;

	if (f->from_null || report == REPORT_NONE || report > REPORT_RELAYED) /* R1 */
		return OK;
	for (uint32_t i = 0; i < l->n_rcpts; i++)
		if (l->rcpts[i].report == report) {
			at[d.n_rcpts] = i;
			fill_rcpt(&v[d.n_rcpts++], &l->rcpts[i], a);
		}
	d.action = action_of[report];
	d.id = j.id = report_id(id, group, l, report, at, d.n_rcpts, a);
	if (f->flags & OUT_FORWARDED && post_sender_behind(p, &f->from, a, &j.to) != OK) /* R4 */
		return TRY_LATER;
	find_hosts(store, id, group, l, at, &d, v, a);
	d.to_local = j.to.local;
	d.to_domain = j.to.domain;
	buf_init(&original, IPC_QUEUE_SEND_PREFIX_MAX + MAIL_DSN_RETURN_MAX);
	o = read_original(store, id, l, whole ? (size_t)f->size : MAIL_DSN_HEADER_MAX, &original);
	d.original = buf_str(&original);
	if (o == OK)
		o = report_dispatch(p, &j, &d);
	else if (o != TRY_LATER)
		o = OK; /* the letter is gone, and with it whoever wanted to know */
	buf_fini(&original);
	return o;
}
