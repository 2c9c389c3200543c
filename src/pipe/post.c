/* pipe/post.c - the post role's service: senders, recipients, letters, appends. See the header.
 * Trust       edges may lie: a handle is shown to store, which alone knows it; strangers' edges may show none.
 * Owns        struct post: lanes, counts of what is under way.
 * Suspends    in calls to store and scan.
 * Invariants  I1 a strangers' edge that shows a handle is dropped.
 */
#include "pipe/post_impl.h"

#include "base/rng.h"
#include "ipc/words.h"
#include "mail/idn.h"
#include "mail/index.h"
#include "pipe/forward.h"
#include "pipe/outgoing_impl.h"
#include "pipe/scan_service.h"
#include "pipe/signers.h"
#include "pipe/tlsrpt.h"

#include <stdlib.h>

/* The role numbers handles so that their first byte is the shard which made them (role/edge_news.c relies on it too). */
struct link *post_store_of_handle(struct post *p, uint64_t handle)
{
	return p->lanes[(handle >> 56) % p->n_lanes].store;
}

struct link *post_store_of_account(struct post *p, uint64_t account)
{
	return p->lanes[account % p->n_lanes].store;
}

struct link *post_store_of_address(struct post *p, const struct ipc_addr *a)
{
	(void)a; /* any shard reads the directory */
	return p->lanes[0].store;
}

bool post_takes_size(const struct post *p, uint64_t size)
{
	return size <= p->conf->limits.message_size_max;
}

/* I1. */
static bool may_show(struct post *p, struct ipc_call *c, uint64_t handle)
{
	struct peer *peer = call_peer(c);

	if (!handle || peer_role(peer) != ROLE_EDGE_IN)
		return true;
	log_error(p->log, "peer-breach", "%s %u shows a handle", role_name(peer_role(peer)), peer_index(peer));
	peer_close(peer);
	return false;
}

/* ---- the envelope */

static void on_sender(void *ctx, struct ipc_call *c, const void *msg)
{
	struct post *p = ctx;
	const struct ipc_sender *m = msg;
	struct ipc_owns ask = { .edge = peer_index(call_peer(c)), .edge_life = peer_life(call_peer(c)),
		.handle = m->handle, .from = m->from };
	struct ipc_owns_reply r;
	enum outcome o = DENIED;

	if (m->handle && may_show(p, c, m->handle))
		o = post_owns(p, &ask, &r);
	ipc_sender_reply_send(c, o);
}

/* An address that has refused the account's letters for good, often enough (settings queue.suppress_after, queue.suppress). */
static SUSPENDS bool is_suppressed(struct post *p, struct peer *edge, const struct ipc_recipient *m)
{
	struct ipc_owns who = { .edge = peer_index(edge), .edge_life = peer_life(edge), .handle = m->handle };
	struct ipc_suppressed ask = { .rcpt = m->rcpt };
	struct ipc_suppressed_reply r = { 0 };
	struct ipc_owns_reply owner;

	if (!m->from_null)
		who.from = m->from;
	if (!p->conf->queue.suppress_after || post_owns(p, &who, &owner) != OK || !owner.suppresses)
		return false;
	ask.account = owner.account;
	return ipc_suppressed(post_store_of_account(p, ask.account), &ask, &r, NULL) == OK && r.until_s > sched_wall_us(p->sched) / 1000000;
}

static SUSPENDS enum outcome elsewhere(struct post *p, struct peer *edge, const struct ipc_recipient *m)
{
	if (!post_takes_elsewhere(p, m->handle != 0, &m->rcpt))
		return DENIED;
	return m->handle && is_suppressed(p, edge, m) ? FAILED : OK;
}

static void on_recipient(void *ctx, struct ipc_call *c, const void *msg)
{
	struct post *p = ctx;
	const struct ipc_recipient *m = msg;
	struct ipc_resolve ask = { .rcpt = m->rcpt, .size = m->size };
	struct ipc_resolve_reply r;
	enum outcome o = DENIED;

	if (may_show(p, c, m->handle))
		o = m->handle ? post_resolve_users(p, &ask, &r, call_arena(c)) : ipc_resolve(post_store_of_address(p, &m->rcpt), &ask, &r, call_arena(c));
	if (o == OK && r.n_targets == 0)
		o = NO_SUCH;
	if (o == NO_SUCH) {
		struct ipc_addr behind;

		o = post_reverse(p, &m->rcpt, m->from_null, call_arena(c), &behind);
	} else if (o == DENIED && may_show(p, c, m->handle))
		o = elsewhere(p, call_peer(c), m);
	ipc_recipient_reply_send(c, o);
}

static void on_flush(void *ctx, struct ipc_call *c, const void *msg)
{
	struct post *p = ctx;
	const struct ipc_flush *m = msg;
	struct ipc_addr any = { .domain = m->domain };

	if (!post_takes_elsewhere(p, false, &any)) {
		ipc_flush_reply_send(c, NO_SUCH);
		return;
	}
	outgoing_flush(p, mail_domain_fold(call_arena(c), m->domain));
	ipc_flush_reply_send(c, OK);
}

static void on_letter(void *ctx, struct ipc_call *c, const void *msg)
{
	const struct ipc_letter *m = msg;

	if (may_show(ctx, c, m->handle))
		post_letter(ctx, c, msg);
	else
		ipc_letter_reply_send(c, DENIED, &(struct ipc_letter_reply){ 0 });
}

/* ---- a letter that a client puts into a mailbox itself */

static SUSPENDS enum outcome append(struct post *p, struct ipc_call *c, const struct ipc_append *m,
	struct ipc_append_to_reply *r)
{
	struct ipc_append_to put = {
		.edge = peer_index(call_peer(c)), .edge_life = peer_life(call_peer(c)), .handle = m->handle,
		.mailbox = m->mailbox, .flags = m->flags, .keywords = m->keywords, .n_keywords = m->n_keywords,
		.date_s = m->date_s, .part = m->part, .more = m->more, .body = m->body,
	};
	enum outcome o = OVER_LIMIT;

	if (post_takes_size(p, m->body.size))
		o = post_index(p, &m->body, call_arena(c), &put.index);
	return o == OK ? ipc_append_to(post_store_of_handle(p, m->handle), &put, r, NULL) : o;
}

static void on_append(void *ctx, struct ipc_call *c, const void *msg)
{
	const struct ipc_append *m = msg;
	struct post *p = ctx;
	struct ipc_append_to_reply r = { 0 };
	enum outcome o = TRY_LATER;

	if (p->n_letters < POST_LETTERS_MAX && !p->stopping) {
		p->n_letters++;
		o = append(p, c, m, &r);
		p->n_letters--;
	}
	p->n_appended += o == OK && !m->more ? m->part + 1 : 0;
	ipc_append_reply_send(c, o, &(struct ipc_append_reply){ .uidvalidity = r.uidvalidity, .uid = r.uid });
}

/* ---- scan */

/* The least busy process that is there; else the least busy place for one. */
static struct scan_slot *scan_pick(struct post *p, const struct scan_slot *not)
{
	struct scan_slot *best = NULL;

	for (size_t i = 0; i < p->n_scans; i++) {
		struct scan_slot *s = &p->scans[i];

		if (s == not && p->n_scans > 1)
			continue;
		if (!best || !best->link->peer > !s->link->peer ||
			(!best->link->peer == !s->link->peer && s->n_busy < best->n_busy))
			best = s;
	}
	return best;
}

static SUSPENDS enum outcome read_by(struct scan_slot *s, const struct ipc_index_letter *m, struct arena *a, struct ipc_index_letter_reply *r)
{
	enum outcome o;

	s->n_busy++;
	o = ipc_index_letter(s->link, m, r, a);
	s->n_busy--;
	return o == OK && r->index.n > SCAN_INDEX_MAX ? FAILED : o; /* it would not fit the record to store */
}

/* What has ended two processes is kept as it is rather than refused for ever. */
static enum outcome index_unparsed(const struct body *body, struct arena *a, struct str *index)
{
	struct mail_index x;
	struct body_map map;
	struct buf out;

	if (body_map(body, &map) != OK)
		return TRY_LATER;
	mail_index_opaque(map.bytes, a, &x);
	body_unmap(&map);
	buf_init(&out, SCAN_INDEX_MAX);
	mail_index_encode(&x, &out);
	*index = arena_dup(a, buf_str(&out));
	buf_fini(&out);
	return OK;
}

SUSPENDS enum outcome post_read(struct post *p, const struct ipc_index_letter *m, struct arena *a, struct ipc_index_letter_reply *r)
{
	struct scan_slot *first = scan_pick(p, NULL);
	const struct body *body = &m->body;
	enum outcome o = read_by(first, m, a, r), second;

	if (o == OK)
		return OK;
	log_warning(p->log, "scan-lost", "index of %llu bytes: %s", (unsigned long long)body->size, outcome_name(o));
	second = read_by(scan_pick(p, first), m, a, r);
	if (o == UNANSWERED && second == UNANSWERED) {
		log_error(p->log, "letter-unparsed", "a letter of %llu bytes ended two scan processes; it is kept without a part index",
			(unsigned long long)body->size);
		*r = (struct ipc_index_letter_reply){ 0 };
		return index_unparsed(body, a, &r->index);
	}
	return second == OK ? OK : TRY_LATER;
}

SUSPENDS enum outcome post_index(struct post *p, const struct body *body, struct arena *a, struct str *index)
{
	struct ipc_index_letter m = { .body = *body };
	struct ipc_index_letter_reply r;
	enum outcome o = post_read(p, &m, a, &r);

	*index = r.index;
	return o;
}

/* ---- keys that sign letters */

static void on_dkim_changed(void *ctx, struct ipc_call *c, const void *msg)
{
	struct post *p = ctx;

	(void)c;
	(void)msg;
	signers_changed(p->signers);
}

static void on_dkim_status(void *ctx, struct ipc_call *c, const void *msg)
{
	struct post *p = ctx;
	const struct ipc_dkim_status *m = msg;
	struct str *lines = arena_array(call_arena(c), IPC_DKIM_STATUS_LINES_MAX, sizeof *lines);
	struct ipc_dkim_status_reply r = { .lines = lines, .next = m->after };

	r.n_lines = signers_lines(p->signers, m->domain, &r.next, call_arena(c), lines, IPC_DKIM_STATUS_LINES_MAX);
	ipc_dkim_status_reply_send(c, OK, &r);
}

/* ---- status */

static void on_status(void *ctx, struct ipc_call *c, const void *msg)
{
	struct post *p = ctx;
	struct arena *a = call_arena(c);
	struct str *lines = arena_array(a, 3 + p->n_lanes + p->n_scans, sizeof *lines);
	size_t n = 0;

	(void)msg;
	lines[n++] = arena_fmt(a, "letters\tunder way %u\taccepted %llu\trefused %llu\tappended %llu\tmoved in %llu\tfanned out %llu", p->n_letters,
		(unsigned long long)p->n_accepted, (unsigned long long)p->n_refused, (unsigned long long)p->n_appended, (unsigned long long)p->n_moved,
		(unsigned long long)p->n_fanned);
	lines[n++] = outgoing_status(p, a);
	for (size_t i = 0; i < p->n_lanes && n < IPC_POST_STATUS_LINES_MAX; i++)
		lines[n++] = arena_fmt(a, "lane %zu\twaiting %zu\trunning %u\tstore %s", i, p->lanes[i].waiting.n,
			p->lanes[i].n_running, p->lanes[i].store->peer ? "up" : "down");
	for (size_t i = 0; i < p->n_scans && n < IPC_POST_STATUS_LINES_MAX; i++)
		lines[n++] = arena_fmt(a, "scan %zu\tbusy %u\t%s", i, p->scans[i].n_busy, p->scans[i].link->peer ? "up" : "down");
	ipc_post_status_reply_send(c, OK, &(struct ipc_post_status_reply){ .lines = lines, .n_lines = n });
}

void post_count(const struct post *p, struct counters *out)
{
	out->server[COUNT_LETTERS_ACCEPTED] = p->n_accepted;
	out->server[COUNT_LETTERS_REFUSED] = p->n_refused;
	out->server[COUNT_LETTERS_APPENDED] = p->n_appended;
	out->server[COUNT_LETTERS_FANNED_OUT] = p->n_fanned;
	out->server[COUNT_LETTERS_UNDER_WAY] = p->n_letters;
	for (size_t i = 0; i < p->n_lanes; i++)
		out->server[COUNT_LANE_WAITING] += p->lanes[i].waiting.n;
	outgoing_count(p, out);
}

static SUSPENDS void on_tlsrpt_send(void *ctx, struct ipc_call *c, const void *msg)
{
	struct post *p = ctx;

	tls_reports_send(p->tls_reports, c, msg);
}

/* ---- life */

static void gone(void *ctx, struct peer *p)
{
	(void)ctx;
	if (peer_role(p) == ROLE_CTL)
		post_import_gone(p);
}

static void post_serve(struct post *p)
{
	p->handlers[IPC_SENDER] = on_sender;
	p->handlers[IPC_RECIPIENT] = on_recipient;
	p->handlers[IPC_LETTER] = on_letter;
	p->handlers[IPC_FLUSH] = on_flush;
	p->handlers[IPC_APPEND] = on_append;
	p->handlers[IPC_IMPORT] = post_import;
	p->handlers[IPC_POST_STATUS] = on_status;
	p->handlers[IPC_QUEUE_ACT] = post_queue_act;
	p->handlers[IPC_QUEUE_SITES] = post_queue_sites;
	p->handlers[IPC_DKIM_CHANGED] = on_dkim_changed;
	p->handlers[IPC_DKIM_STATUS] = on_dkim_status;
	p->handlers[IPC_TLSRPT_SEND] = on_tlsrpt_send;
	p->service = (struct ipc_service){ .ctx = p, .handlers = p->handlers, .gone = gone };
}

struct post *post_new(const struct post_opts *o)
{
	struct post *p = mem_new(struct post);

	die_unless(o->n_stores && o->n_scans, "post without store or scan");
	p->sched = o->sched;
	p->log = o->log;
	p->conf = o->conf;
	p->budget.max = o->budget_max ? o->budget_max : (uint64_t)256 << 20;
	p->n_lanes = o->n_stores;
	p->lanes = mem_array(o->n_stores, sizeof *p->lanes);
	p->n_scans = o->n_scans;
	p->scans = mem_array(o->n_scans, sizeof *p->scans);
	for (size_t i = 0; i < o->n_scans; i++)
		p->scans[i].link = &o->scans[i];
	post_serve(p);
	p->keys = o->keys;
	p->signers = signers_new(&(struct signers_opts){ p->sched, p->log, p->conf, o->keys, o->relay });
	for (size_t i = 0; i < o->n_stores; i++)
		post_lane_open(&p->lanes[i], p, &o->stores[i]);
	recent_init(&p->recent);
	outgoing_open(p, o->relay);
	p->tls_reports = tls_reports_open(p, o->relay);
	return p;
}

void post_configure(struct post *p, const struct conf *conf)
{
	p->conf = conf;
	signers_configure(p->signers, conf);
	outgoing_configure(p->outgoing);
}

const struct ipc_service *post_service(struct post *p)
{
	return &p->service;
}

void post_stop(struct post *p)
{
	p->stopping = true;
	for (size_t i = 0; i < p->n_lanes; i++)
		lane_stop(&p->lanes[i]);
	signers_stop(p->signers);
	outgoing_stop(p->outgoing);
	tls_reports_stop(p->tls_reports);
}

bool post_stopped(const struct post *p)
{
	for (size_t i = 0; i < p->n_lanes; i++)
		if (!lane_stopped(&p->lanes[i]))
			return false;
	return p->n_letters == 0 && signers_stopped(p->signers) && outgoing_stopped(p->outgoing) && tls_reports_stopped(p->tls_reports);
}

void post_free(struct post *p)
{
	for (size_t i = 0; i < p->n_lanes; i++)
		lane_close(&p->lanes[i]);
	signers_free(p->signers);
	outgoing_close(p->outgoing);
	tls_reports_free(p->tls_reports);
	recent_fini(&p->recent);
	free(p->lanes);
	free(p->scans);
	explicit_bzero(&p->srs, sizeof p->srs);
	free(p);
}
