/* ctl/doctor_send.c - command doctor: can letters leave, from where, and do they?
 * Trust       names and replies are others' words, shown cleaned (report.c).
 * Suspends    one question, or one connection, after the other.
 */
#include "ctl/doctor_impl.h"

#include "ipc/words.h"
#include "mail/idn.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define TRIED_MAX 8    /* addresses of a domain's servers */
#define PAGES_MAX 50   /* of the queue, looked at for its oldest letter */
#define OLD_MS (4 * 3600 * (int64_t)1000) /* when no warn_after says what is old */

/* ---- where letters leave from */

static SUSPENDS void check_source(struct doctor *d, const struct conf_source *s, const struct conf_address *a)
{
	struct own_addresses *one = arena_new(&d->answers, struct own_addresses);
	bool ours = false;

	for (size_t i = 0; i < d->own.n; i++)
		ours = ours || address_eq(&d->own.v[i], a);
	if (!ours && (a->family == AF_INET ? a->bytes[0] != 127 : strcmp(a->text, "::1") != 0)) {
		report_error(&d->report, "source", "give this machine the address, or correct the source block",
			"%s: %s is no address of this machine, so nothing can leave from it", s->name.p, a->text);
		return;
	}
	report_ok(&d->report, "source", "%s: %s is an address of this machine", s->name.p, a->text);
	one->v[one->n++] = *a;
	if (d->can_ask)
		host_check_ptr(d->dns, s->helo.n ? s->helo : d->conf->hostname, one, &d->answers, &d->report);
}

SUSPENDS void doctor_check_sources(struct doctor *d)
{
	for (size_t i = 0; i < d->conf->n_sources; i++) {
		const struct conf_source *s = &d->conf->sources[i];

		if (s->address4.family)
			check_source(d, s, &s->address4);
		if (s->address6.family)
			check_source(d, s, &s->address6);
	}
	arena_reset(&d->answers);
}

/* ---- whether another server is reached */

struct reach {
	struct doctor *d;
	unsigned n_tried, n_reached;
	char why[320];
};

static SUSPENDS void try_server(struct reach *r, struct str host, const struct conf_address *a, uint16_t port, bool implicit)
{
	struct probe p;

	if (r->n_tried++ >= TRIED_MAX)
		return;
	probe_init(&p, r->d->sched);
	if (probe_connect_to(&p, a, port, r->d->timeout_ms) && (implicit || probe_smtp(&p, 220, "the connection"))) {
		report_ok(&r->d->report, "send", "%.*s[%s] port %u answers", STR_ARG(host), a->text, port);
		r->n_reached++;
		if (!implicit)
			probe_say(&p, "QUIT");
	} else {
		report_warning(&r->d->report, "send", p.way_out, "%.*s[%s] port %u: %s", STR_ARG(host), a->text, port, p.why);
	}
	probe_fini(&p);
}

static SUSPENDS void try_host(struct reach *r, struct str host, uint16_t port, bool implicit)
{
	static const struct {
		int family;
		enum dns_type type;
	} kinds[] = { { AF_INET6, DNS_AAAA }, { AF_INET, DNS_A } };
	struct conf_address a = { .family = str_find(host, ':') >= 0 ? AF_INET6 : AF_INET };
	char text[sizeof a.text] = "";

	memcpy(text, host.p, host.n < sizeof text ? host.n : 0);
	if (inet_pton(a.family, text, a.bytes) == 1) {
		memcpy(a.text, text, sizeof a.text);
		try_server(r, host, &a, port, implicit);
		return;
	}
	for (size_t k = 0; k < 2; k++) {
		struct dns_answer answer;

		dns_ask(r->d->dns, host, kinds[k].type, &r->d->answers, &answer);
		for (size_t i = 0; i < answer.n; i++) {
			a = (struct conf_address){ .family = kinds[k].family };
			memcpy(a.bytes, answer.records[i].address, 16);
			inet_ntop(a.family, a.bytes, a.text, sizeof a.text);
			try_server(r, host, &a, port, implicit);
		}
	}
}

/* RFC 5321 5.1: without MX records the domain itself is the server. */
static SUSPENDS void try_domain(struct reach *r, struct str domain, uint16_t port)
{
	struct dns_answer mx;

	dns_ask(r->d->dns, domain, DNS_MX, &r->d->answers, &mx);
	if (mx.n == 1 && mx.records[0].name.n == 0) {
		report_error(&r->d->report, "send", "none: nobody reads mail there", "%.*s takes no mail (RFC 7505)", STR_ARG(domain));
		r->n_tried = r->n_reached = 1;
		return;
	}
	for (size_t i = 0; i < mx.n; i++)
		try_host(r, mx.records[i].name, port, false);
	if (mx.n == 0)
		try_host(r, domain, port, false);
}

SUSPENDS void doctor_check_reach(struct doctor *d)
{
	struct reach r = { .d = d };
	const struct conf_route *route;
	struct str domain;

	if (!d->to.n || !d->can_ask)
		return;
	domain = mail_domain_fold(&d->arena, d->to);
	route = conf_route_find(d->conf, domain);
	for (size_t i = 0; route && i < route->hops.n; i++) {
		const struct conf_hop *h = &route->hops.v[i];

		if (h->mx)
			try_domain(&r, h->host, h->port);
		else
			try_host(&r, h->host, h->port, route->implicit_tls);
	}
	if (!route || !route->hops.n)
		try_domain(&r, domain, conf_service_port(CONF_SMTP));
	if (!r.n_tried)
		report_error(&d->report, "send", "see its MX records", "%.*s: no address of its servers is found", STR_ARG(domain));
	else if (!r.n_reached)
		report_error(&d->report, "send", "ask your provider to open port 25 outward, which many keep closed; or send by way of another server: "
						 "route * { next_hop [host]:587; login NAME; password_file FILE; tls verify }",
			"none of the servers for %.*s is reached", STR_ARG(domain));
	arena_reset(&d->answers);
}

/* ---- what waits */

/* The oldest group in that state; 0: none. Ids ascend with the time at which letters were taken. */
static int64_t oldest(struct client *client, uint8_t state)
{
	struct ipc_queue_page m = { .filter = { .state = (uint8_t)(1 + state) } };
	struct ipc_queue_page_reply r = { .more = true };

	for (unsigned i = 0; i < PAGES_MAX && r.more; i++) {
		arena_reset(&client->arena);
		if (client_call(client, ROLE_STORE, IPC_QUEUE_PAGE, &m, &r) != OK)
			return 0;
		if (r.n_entries)
			return r.entries[0].date_s;
		m.after_id = r.next_id;
		m.after_group = r.next_group;
	}
	return 0;
}

void doctor_check_queue(struct doctor *d, struct client *client)
{
	int64_t old_s = (d->conf->queue.warn_after_ms ? d->conf->queue.warn_after_ms : OLD_MS) / 1000, now_s = time(NULL);
	int64_t waiting_s = oldest(client, QUEUE_WAITING), held_s = oldest(client, QUEUE_HELD);

	if (waiting_s && now_s - waiting_s > old_s)
		report_warning(&d->report, "queue", "see which, and what was replied: sallyport queue count", "a letter has waited for %lld hours to leave",
			(long long)(now_s - waiting_s) / 3600);
	else
		report_ok(&d->report, "queue", waiting_s ? "what waits to leave is not old" : "nothing waits to leave");
	if (held_s)
		report_warning(&d->report, "queue", "let them go, or remove them: sallyport queue list --state held",
			"letters are held back, the oldest for %lld hours", (long long)(now_s - held_s) / 3600);
}
