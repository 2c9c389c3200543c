/* pipe/tlsrpt_send.c - one TLS report: from store's counts to the addresses that a domain names (RFC 8460 3, 5).
 * Trust       the record with these addresses is the other domain's; tlsrpt/ reads it.
 * Suspends    for store, relay and the queue.
 * Invariants  T2 a report's letter has a trace made of day, domain and address: sent again after a restart it is the same letter.
 *             T3 rows go when a report is on its way, when nobody wants one, or when they are KEEP_DAYS old.
 */
#include "pipe/tlsrpt_impl.h"

#include "dns/answer.h"
#include "pipe/outgoing.h"
#include "pipe/sign.h"
#include "tlsrpt/tlsrpt.h"

#define KEEP_DAYS 2
#define REPORT_MEMORY ((size_t)64 << 20)
#define DAY_S 86400

struct report {
	struct tls_reports *t;
	struct arena *a;
	uint32_t day;
	struct str domain, id;
	struct ipc_tls_count *counts;
	size_t n;
	uint64_t n_sessions;
	bool today;
	struct buf packed;
};

/* ---- what it says */

static SUSPENDS bool read_counts(struct report *r)
{
	struct ipc_tlsrpt_read m = { .day = r->day, .domain = r->domain };
	struct ipc_tlsrpt_read_reply page = { .more = 1 };

	r->counts = arena_array(r->a, TLSRPT_REPORT_COUNTS_MAX, sizeof *r->counts);
	while (page.more && r->n < TLSRPT_REPORT_COUNTS_MAX) {
		if (ipc_tlsrpt_read(r->t->post->lanes[0].store, &m, &page, r->a) != OK)
			return false;
		for (size_t i = 0; i < page.n_counts && r->n < TLSRPT_REPORT_COUNTS_MAX; i++) {
			r->n_sessions += page.counts[i].n;
			r->counts[r->n++] = page.counts[i];
		}
		m.after = page.next;
	}
	return true;
}

static bool pack(struct report *r)
{
	const struct conf *c = r->t->post->conf;
	struct tlsrpt_head head = { .organization = c->hostname, .contact = c->queue.report_from, .id = r->id, .day = r->day };
	struct buf json;
	bool ok;

	buf_init(&json, TLSRPT_JSON_MAX);
	ok = tlsrpt_write(&head, r->counts, r->n, &json) && tlsrpt_gzip(buf_str(&json), &r->packed);
	buf_fini(&json);
	return ok;
}

/* ---- its ways */

static bool split_address(struct str s, struct ipc_addr *out)
{
	ssize_t at = str_rfind(s, '@');

	if (at < 1 || at > 64 || s.n - (size_t)at - 1 > 255)
		return false;
	*out = (struct ipc_addr){ str_sub(s, 0, (size_t)at), str_from(s, (size_t)at + 1) };
	return true;
}

static SUSPENDS enum outcome put_letter(struct report *r, struct str to, struct str trace, const struct body *body)
{
	struct post *p = r->t->post;
	struct ipc_rcpt_dsn never = { .notify = NOTIFY_NEVER };
	struct ipc_addr rcpt;
	/* A report about broken TLS must arrive in spite of it (RFC 8460 5.3). */
	struct outgoing o = { .facts = { .trace = trace, .date_s = tls_now_s(r->t), .flags = OUT_TLS_OPTIONAL, .wire = WIRE_EXTENDED }, .rcpts = &rcpt,
		.dsn = &never, .n = 1, .body = *body };

	if (!split_address(to, &rcpt) || !split_address(p->conf->queue.report_from, &o.facts.from))
		return BAD_SYNTAX;
	if (post_sign(p, o.facts.from.domain, body, r->a, &o.prefix) != OK)
		return TRY_LATER;
	return outgoing_put(p, &o, r->a);
}

static SUSPENDS enum outcome send_letter(struct report *r, struct str to)
{
	const struct conf *c = r->t->post->conf;
	uint64_t salt = str_hash(to, r->day) ^ (r->today ? r->n_sessions : 0);
	struct str trace = arena_fmt(r->a, "tls-%016llx", (unsigned long long)str_hash(r->domain, salt));
	struct tlsrpt_letter letter = { .from = c->queue.report_from, .to = to, .hostname = c->hostname, .domain = r->domain, .id = r->id,
		.file_name = arena_fmt(r->a, "%.*s!%.*s!%lld!%lld!%.16s.json.gz", STR_ARG(c->hostname), STR_ARG(r->domain), (long long)r->day * DAY_S,
			(long long)r->day * DAY_S + DAY_S - 1, trace.p + 4),
		.now_s = tls_now_s(r->t), .packed = buf_str(&r->packed) };
	struct body_writer w;
	struct body body;
	struct buf text;
	enum outcome o;

	buf_init(&text, 2 * TLSRPT_JSON_MAX);
	tlsrpt_letter_write(&letter, &text);
	body_writer_open(&w, &r->t->post->budget, 2 * TLSRPT_JSON_MAX);
	body_writer_add(&w, buf_str(&text));
	buf_fini(&text);
	o = body_writer_seal(&w, &body);
	if (o == OK)
		o = put_letter(r, to, trace, &body);
	body_writer_close(&w);
	return o;
}

static SUSPENDS enum outcome send_page(struct report *r, const struct tlsrpt_uri *u)
{
	struct ipc_tlsrpt_post m = { .uri = arena_fmt(r->a, "https://%.*s:%u%.*s", STR_ARG(u->host), u->port, STR_ARG(u->path)) };
	struct ipc_tlsrpt_post_reply reply;
	struct body_writer w;
	enum outcome o;

	body_writer_open(&w, &r->t->post->budget, TLSRPT_JSON_MAX);
	body_writer_add(&w, buf_str(&r->packed));
	o = body_writer_seal(&w, &m.body);
	if (o == OK)
		o = ipc_tlsrpt_post_within(r->t->relay, &m, &reply, r->a, r->t->post->conf->timeouts.https_ms + 20000);
	body_writer_close(&w);
	return o == OK && (reply.status < 200 || reply.status > 299) ? TRY_LATER : o;
}

/* ---- to whom */

/* 0 and OK: to nobody. TRY_LATER: nobody knows. */
static SUSPENDS enum outcome find_uris(struct report *r, struct tlsrpt_uri *uris, size_t *n)
{
	struct ipc_dns_texts m = { .name = arena_fmt(r->a, "_smtp._tls.%.*s", STR_ARG(r->domain)) };
	struct ipc_dns_texts_reply reply;
	enum outcome o = ipc_dns_texts(r->t->relay, &m, &reply, r->a);

	*n = 0;
	if (o != OK)
		return TRY_LATER;
	if (reply.result == DNS_NODATA || reply.result == DNS_NXDOMAIN || reply.result == DNS_BAD_NAME)
		return OK;
	if (reply.result != DNS_OK)
		return TRY_LATER;
	*n = tlsrpt_record_find(reply.texts, reply.n_texts, r->a, uris);
	return OK;
}

static void say(struct report *r, struct buf *lines, struct str to, const char *what)
{
	log_fields(r->t->post->log, LOG_LEVEL_INFO, "tls-report", LOG_S("domain", r->domain), LOG_S("to", to), LOG_S("what", str_z(what)));
	if (lines)
		buf_addf(lines, "%.*s\t%.*s\t%s\n", STR_ARG(r->domain), STR_ARG(to), what);
}

/* True: the rows are not needed any more. */
static SUSPENDS bool send_report(struct report *r, struct buf *lines)
{
	struct tlsrpt_uri *uris = arena_array(r->a, TLSRPT_URIS_MAX, sizeof *uris);
	size_t n_uris, n_sent = 0;
	enum outcome o = find_uris(r, uris, &n_uris);

	if (o != OK)
		return false;
	if (n_uris == 0)
		return true;
	if (!read_counts(r) || !pack(r))
		return false;
	for (size_t i = 0; i < n_uris; i++) {
		o = uris[i].https ? send_page(r, &uris[i]) : send_letter(r, uris[i].address);
		say(r, lines, uris[i].https ? uris[i].host : uris[i].address, o == OK ? "sent" : "not sent");
		n_sent += o == OK;
	}
	return n_sent > 0;
}

static SUSPENDS void handle(struct tls_reports *t, uint32_t day, struct str domain, bool today, struct buf *lines)
{
	int64_t now_s = tls_now_s(t);
	struct arena a;
	struct report r = { .t = t, .a = &a, .day = day, .domain = domain, .today = today };
	bool done;

	arena_init(&a, "tls report", REPORT_MEMORY);
	buf_init(&r.packed, TLSRPT_JSON_MAX);
	r.id = arena_fmt(&a, "%u.%.*s.%lld@%.*s", day, STR_ARG(domain), (long long)(today ? now_s : 0), STR_ARG(t->post->conf->hostname));
	done = send_report(&r, lines);
	if (done || (int64_t)day + KEEP_DAYS < now_s / DAY_S)
		if (ipc_tlsrpt_done(t->post->lanes[0].store, &(struct ipc_tlsrpt_done){ .day = day, .domain = domain }) != OK)
			log_warning(t->post->log, "tls-report", "what was reported to %.*s is still counted", STR_ARG(domain));
	buf_fini(&r.packed);
	arena_fini(&a);
}

static SUSPENDS void send_all(struct tls_reports *t, uint32_t before_day, bool today, struct buf *lines)
{
	struct ipc_tlsrpt_list m = { .before_day = before_day };
	struct ipc_tlsrpt_list_reply r = { .more = 1 };
	struct arena a;

	arena_init(&a, "tls reports", REPORT_MEMORY);
	while (r.more && !t->post->stopping) {
		if (ipc_tlsrpt_list(t->post->lanes[0].store, &m, &r, &a) != OK)
			break;
		for (size_t i = 0; i < r.n_due && !t->post->stopping; i++)
			handle(t, r.due[i].day, r.due[i].domain, today && r.due[i].day + 1 == before_day, lines);
		if (r.n_due) {
			m.after_day = r.due[r.n_due - 1].day;
			m.after_domain = r.due[r.n_due - 1].domain;
		}
	}
	arena_fini(&a);
}

SUSPENDS void tls_send_before(struct tls_reports *t, uint32_t before_day, bool today, struct buf *lines)
{
	struct gate *g = &t->sent;

	while (t->sending)
		if (task_wait(t->post->sched, &g, 1, NEVER_MS) == WAIT_STOP)
			return;
	t->sending = true;
	send_all(t, before_day, today, lines);
	t->sending = false;
	gate_open(t->post->sched, &t->sent);
}
