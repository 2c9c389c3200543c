/* ctl/queue_show.c - letters of the queue and what became of them, shown. See the header.
 * Trust       hosts, addresses and replies are whatever other servers said: nothing of them may steer a terminal or begin a line of its own.
 */
#include "ctl/queue_show.h"

#include "ctl/json.h"
#include "ctl/text.h"
#include "ipc/words.h"
#include "mail/path.h"

#include <stdio.h>

static const char *const states[] = { [QUEUE_WAITING] = "waiting", [QUEUE_HELD] = "held" };
static const char *const rcpt_states[RCPT_STATE_COUNT] = {
	[RCPT_WAITING] = "waiting",
	[RCPT_SENT] = "sent",
	[RCPT_RELAYED] = "relayed",
	[RCPT_FAILED] = "failed",
	[RCPT_EXPIRED] = "expired",
	[RCPT_REMOVED] = "removed",
};
static const char *const locks[LOCK_COUNT] = {
	[LOCK_NONE] = "none",
	[LOCK_OPPORTUNISTIC] = "opportunistic",
	[LOCK_REQUIRED] = "required",
	[LOCK_VERIFIED] = "verified",
	[LOCK_STS] = "mta-sts",
	[LOCK_DANE] = "dane",
};
static const char *const reports[] = { [REPORT_NONE] = "none", [REPORT_FAILURE] = "failure", [REPORT_DELAY] = "delay", [REPORT_RELAYED] = "relayed" };
static const char *const feedbacks[] = { [FEEDBACK_FINE] = "fine", [FEEDBACK_SLOW] = "slow", [FEEDBACK_DOWN] = "down", [FEEDBACK_LOCAL] = "local",
	[FEEDBACK_DOMAIN] = "policy", [FEEDBACK_NONE] = "none" };
static const char *const flag_names[] = { "tls-optional", "report", "forwarded", "relayed", "8bit-header", "8bit-body" }; /* OUT_*, by bit */

#define NAME(names, i) ((size_t)(i) < sizeof(names) / sizeof *(names) && (names)[i] ? (names)[i] : "?")

static void add_address(struct buf *out, const struct ipc_addr *a, bool null)
{
	struct buf b;

	buf_init(&b, 1000);
	if (!null)
		mail_mailbox_add(&b, a->local, a->domain);
	text_add(out, buf_str(&b));
	buf_fini(&b);
}

static void add_path(struct buf *out, const struct ipc_addr *a, bool null)
{
	buf_addc(out, '<');
	add_address(out, a, null);
	buf_addc(out, '>');
}

static void add_text_or_dash(struct buf *out, struct str s)
{
	text_add(out, s.n ? s : STR("-"));
}

/* A reply is told with its code and who gave it: "mx.example.net[192.0.2.1]:25: 451 4.3.0 come later". What we say ourselves has them before it. */
static bool has_code(const struct ipc_queue_shown_rcpt *r)
{
	char code[16];

	snprintf(code, sizeof code, ": %u", r->code);
	return str_search(r->text, str_z(code)) >= 0;
}

void queue_reply(const struct ipc_queue_shown_rcpt *r, struct buf *out)
{
	if (r->code && !has_code(r))
		buf_addf(out, "%u ", r->code);
	if (r->status.n && !has_code(r)) {
		text_add(out, r->status);
		buf_addc(out, ' ');
	}
	if (r->text.n || !(r->code || r->status.n))
		add_text_or_dash(out, r->text);
}

void queue_last_reply(const struct ipc_queue_shown *e, struct buf *out)
{
	for (size_t i = 0; i < e->n_rcpts; i++)
		if (e->rcpts[i].code || e->rcpts[i].text.n) {
			queue_reply(&e->rcpts[i], out);
			return;
		}
	buf_addc(out, '-');
}

/* ---- groups */

void queue_show_line(const struct ipc_queue_shown *e, struct buf *out)
{
	buf_addf(out, "%llu.%u\t%s\t", (unsigned long long)e->id, e->group, NAME(states, e->state));
	text_add(out, e->domain);
	buf_addc(out, '\t');
	add_path(out, &e->from, e->from_null);
	buf_addf(out, "\t%zu\t%u\t", e->n_rcpts, e->attempts);
	text_time_or_dash(out, e->state == QUEUE_HELD ? 0 : e->due_s);
	buf_addc(out, '\t');
	text_time_or_dash(out, e->date_s);
	buf_addf(out, "\t%llu\t", (unsigned long long)e->size);
	add_text_or_dash(out, e->trace);
	buf_addc(out, '\t');
	queue_last_reply(e, out);
	buf_addc(out, '\n');
}

static void add_flags(struct buf *out, uint32_t flags)
{
	for (size_t i = 0; i < sizeof flag_names / sizeof *flag_names; i++)
		if (flags & (1u << i))
			buf_addf(out, " %s", flag_names[i]);
}

static void add_letter(struct buf *out, uint64_t id, struct str trace, const struct ipc_addr *from, bool null)
{
	buf_addf(out, "letter %llu\n  trace     ", (unsigned long long)id);
	add_text_or_dash(out, trace);
	buf_addz(out, "\n  from      ");
	add_path(out, from, null);
}

void queue_event_letter(const struct ipc_history_entry *e, struct buf *out)
{
	add_letter(out, e->id, e->trace, &e->from, e->from_null);
	buf_addz(out, "\n  accepted  ");
	text_time_or_dash(out, e->date_s);
	buf_addf(out, "\n  size      %llu\n", (unsigned long long)e->size);
}

static void show_letter(const struct ipc_queue_shown *e, struct buf *out)
{
	add_letter(out, e->id, e->trace, &e->from, e->from_null);
	if (e->login.n) {
		buf_addz(out, "\n  login     ");
		text_add(out, e->login);
	}
	buf_addz(out, "\n  accepted  ");
	text_time_or_dash(out, e->date_s);
	buf_addf(out, "\n  size      %llu\n", (unsigned long long)e->size);
	if (e->priority && e->priority != PRIORITY_OF_NORMAL)
		buf_addf(out, "  priority  %d\n", e->priority - PRIORITY_OF_NORMAL);
	if (e->flags) {
		buf_addz(out, "  marks    ");
		add_flags(out, e->flags);
		buf_addc(out, '\n');
	}
}

static void show_rcpt(const struct ipc_queue_shown_rcpt *r, struct buf *out)
{
	buf_addz(out, "    ");
	add_path(out, &r->to, false);
	buf_addf(out, "  %s  ", NAME(rcpt_states, r->state));
	queue_reply(r, out);
	if (r->report)
		buf_addf(out, "  (report owed: %s)", NAME(reports, r->report));
	buf_addc(out, '\n');
}

void queue_show_group(const struct ipc_queue_shown *e, bool first, struct buf *out)
{
	if (first)
		show_letter(e, out);
	buf_addf(out, "group %llu.%u to ", (unsigned long long)e->id, e->group);
	text_add(out, e->domain);
	buf_addf(out, ", %s, %u attempt%s", NAME(states, e->state), e->attempts, e->attempts == 1 ? "" : "s");
	if (e->state != QUEUE_HELD) {
		buf_addz(out, ", next ");
		text_time_or_dash(out, e->due_s);
	}
	buf_addz(out, ", until ");
	text_time_or_dash(out, e->until_s);
	if (e->route.n) {
		buf_addz(out, ", by way of ");
		text_add(out, e->route);
	}
	buf_addc(out, '\n');
	for (size_t i = 0; i < e->n_rcpts; i++)
		show_rcpt(&e->rcpts[i], out);
}

static void json_address(struct buf *out, const char *key, const struct ipc_addr *a, bool null)
{
	struct buf b;

	buf_init(&b, 1000);
	if (!null)
		mail_mailbox_add(&b, a->local, a->domain);
	json_str(out, key, buf_str(&b));
	buf_fini(&b);
}

static void json_rcpts(struct buf *out, const struct ipc_queue_shown_rcpt *v, size_t n)
{
	json_open(out, "recipients", '[');
	for (size_t i = 0; i < n; i++) {
		json_open(out, NULL, '{');
		json_address(out, "to", &v[i].to, false);
		json_str(out, "state", str_z(NAME(rcpt_states, v[i].state)));
		json_str(out, "report", str_z(NAME(reports, v[i].report)));
		json_num(out, "code", v[i].code);
		json_str(out, "status", v[i].status);
		json_str(out, "text", v[i].text);
		json_close(out, '}');
	}
	json_close(out, ']');
}

void queue_show_json(const struct ipc_queue_shown *e, struct buf *out)
{
	json_open(out, NULL, '{');
	json_str(out, "kind", STR("group"));
	json_num(out, "id", e->id);
	json_num(out, "group", e->group);
	json_str(out, "trace", e->trace);
	json_str(out, "state", str_z(NAME(states, e->state)));
	json_str(out, "domain", e->domain);
	json_str(out, "route", e->route);
	json_address(out, "from", &e->from, e->from_null);
	json_num(out, "account", e->account);
	json_str(out, "login", e->login);
	json_num(out, "attempts", e->attempts);
	json_time(out, "next", e->state == QUEUE_HELD ? 0 : e->due_s);
	json_time(out, "accepted", e->date_s);
	json_time(out, "until", e->until_s);
	json_num(out, "size", e->size);
	json_num(out, "priority", e->priority);
	json_open(out, "marks", '[');
	for (size_t i = 0; i < sizeof flag_names / sizeof *flag_names; i++)
		if (e->flags & (1u << i))
			json_str(out, NULL, str_z(flag_names[i]));
	json_close(out, ']');
	json_rcpts(out, e->rcpts, e->n_rcpts);
	json_close(out, '}');
	buf_addc(out, '\n');
}

/* ---- what happened */

void queue_peer(const struct ipc_delivery *d, struct buf *out)
{
	bool literal = d->host.n && d->host.p[0] == '['; /* a route's address: it has no other name */

	if (!d->host.n && !d->ip.n) {
		buf_addc(out, '-');
		return;
	}
	text_add(out, d->host);
	if (d->ip.n && !literal) {
		buf_addc(out, '[');
		text_add(out, d->ip);
		buf_addc(out, ']');
	}
	if (d->port)
		buf_addf(out, ":%u", d->port);
}

void queue_event_lines(const struct ipc_history_entry *e, struct buf *out)
{
	for (size_t i = 0; i < e->n_rcpts; i++) {
		text_time_or_dash(out, e->at_s);
		buf_addf(out, "\t%llu.%u\t%u\t", (unsigned long long)e->id, e->group, e->attempt);
		add_path(out, &e->from, e->from_null);
		buf_addc(out, '\t');
		add_path(out, &e->rcpts[i].to, false);
		buf_addf(out, "\t%s\t", NAME(rcpt_states, e->rcpts[i].state));
		queue_peer(&e->delivery, out);
		buf_addf(out, "\t%s\t", NAME(locks, e->delivery.lock));
		add_text_or_dash(out, e->trace);
		buf_addc(out, '\t');
		queue_reply(&e->rcpts[i], out);
		buf_addc(out, '\n');
	}
}

static void show_tls(const struct ipc_delivery *d, struct buf *out)
{
	buf_addz(out, "    TLS ");
	add_text_or_dash(out, d->tls.n ? d->tls : STR("none"));
	buf_addf(out, ", lock %s", NAME(locks, d->lock));
	if (d->lock_text.n) {
		buf_addz(out, ": ");
		text_add(out, d->lock_text);
	}
	buf_addc(out, '\n');
}

static void show_times(const struct ipc_delivery *d, struct buf *out)
{
	buf_addf(out, "    %s; looked up after %u ms, connected after %u ms, TLS after %u ms, over after %u ms", d->reused ? "over a kept connection" :
		"over a new connection", d->dns_ms, d->connect_ms, d->tls_ms, d->total_ms);
	if (d->retry_s)
		buf_addf(out, "; to be tried again after %u s", d->retry_s);
	buf_addc(out, '\n');
}

static void show_attempt(const struct ipc_history_entry *e, struct buf *out)
{
	const struct ipc_delivery *d = &e->delivery;

	buf_addz(out, " to ");
	queue_peer(d, out);
	if (d->source.n) {
		buf_addz(out, " from ");
		text_add(out, d->source);
	}
	buf_addf(out, ", destination %s\n", NAME(feedbacks, d->feedback));
	show_tls(d, out);
	show_times(d, out);
}

void queue_event_show(const struct ipc_history_entry *e, struct buf *out)
{
	text_time_or_dash(out, e->at_s);
	buf_addf(out, " %llu.%u ", (unsigned long long)e->id, e->group);
	text_add(out, e->domain);
	if (e->attempt) {
		buf_addf(out, " attempt %u", e->attempt);
		show_attempt(e, out);
	} else {
		buf_addz(out, " without an attempt\n");
	}
	for (size_t i = 0; i < e->n_rcpts; i++)
		show_rcpt(&e->rcpts[i], out);
}

static void json_delivery(const struct ipc_delivery *d, struct buf *out)
{
	json_str(out, "host", d->host);
	json_str(out, "ip", d->ip);
	json_num(out, "port", d->port);
	json_str(out, "source", d->source);
	json_str(out, "tls", d->tls);
	json_str(out, "lock", str_z(NAME(locks, d->lock)));
	json_str(out, "lock_text", d->lock_text);
	json_bool(out, "reused", d->reused);
	json_num(out, "dns_ms", d->dns_ms);
	json_num(out, "connect_ms", d->connect_ms);
	json_num(out, "tls_ms", d->tls_ms);
	json_num(out, "total_ms", d->total_ms);
	json_num(out, "retry_s", d->retry_s);
	json_str(out, "destination", str_z(NAME(feedbacks, d->feedback)));
}

void queue_event_json(const struct ipc_history_entry *e, struct buf *out)
{
	json_open(out, NULL, '{');
	json_str(out, "kind", e->attempt ? STR("attempt") : STR("end"));
	json_num(out, "id", e->id);
	json_num(out, "group", e->group);
	json_str(out, "trace", e->trace);
	json_num(out, "attempt", e->attempt);
	json_time(out, "at", e->at_s);
	json_str(out, "domain", e->domain);
	json_address(out, "from", &e->from, e->from_null);
	json_num(out, "account", e->account);
	json_time(out, "accepted", e->date_s);
	json_num(out, "size", e->size);
	json_num(out, "left", e->left);
	if (e->attempt)
		json_delivery(&e->delivery, out);
	json_rcpts(out, e->rcpts, e->n_rcpts);
	json_close(out, '}');
	buf_addc(out, '\n');
}
