/* ctl/doctor_doors.c - command doctor: the certificate, and the doors as a client finds them.
 * Suspends    connecting and speaking.
 */
#include "ctl/doctor_impl.h"

#include "base/clock.h"
#include "base/file.h"
#include "net/tls.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define PEM_MAX ((size_t)1 << 20)
#define DAY_S 86400
#define SOON_DAYS 14

/* ---- the certificate's files */

static void check_dates(struct doctor *d, const struct tls_certificate *c)
{
	int64_t now_s = clock_wall_us() / 1000000, days = (c->not_after_s - now_s) / DAY_S;

	if (now_s < c->not_before_s)
		report_error(&d->report, "certificate", "set this machine's clock, or wait", "it is not valid yet");
	else if (now_s >= c->not_after_s)
		report_error(&d->report, "certificate", "put a new one in its place, then reload the server", "it has expired");
	else if (days < SOON_DAYS)
		report_warning(&d->report, "certificate", "put a new one in its place, then reload the server", "it expires in %lld days", (long long)days);
	else
		report_ok(&d->report, "certificate", "it is valid for %lld more days", (long long)days);
}

static void check_key(struct doctor *d, struct str pem)
{
	struct tls_key *key = NULL;
	struct str text = { 0 };
	struct buf reason;
	char why[256] = "";

	buf_init(&reason, 1000);
	if (file_read(d->conf->tls.key.p, PEM_MAX, &text, &reason)) {
		key = tls_key_new(text, why);
		OPENSSL_cleanse((void *)(uintptr_t)text.p, text.n);
		free((void *)(uintptr_t)text.p);
	}
	if (!key)
		report_error(&d->report, "certificate", "see tls key in the configuration", "%s: %.*s%s", d->conf->tls.key.p,
			STR_ARG(str_trim(buf_str(&reason))), why);
	else if (!tls_key_fits(key, pem))
		report_error(&d->report, "certificate", "put the two that were made together side by side", "the key %s is not the certificate's",
			d->conf->tls.key.p);
	else
		report_ok(&d->report, "certificate", "its key fits");
	tls_key_free(key);
	buf_fini(&reason);
}

void doctor_check_certificate(struct doctor *d)
{
	struct tls_certificate c;
	struct buf reason;
	struct str pem;
	char why[256];

	if (d->conf->tls.certificate.n == 0) {
		report_error(&d->report, "certificate", "add: tls { certificate /path; key /path }", "there is none, so nothing is encrypted");
		return;
	}
	buf_init(&reason, 1000);
	if (!file_read(d->conf->tls.certificate.p, PEM_MAX, &pem, &reason)) {
		report_error(&d->report, "certificate", "see tls certificate in the configuration", "%.*s", STR_ARG(str_trim(buf_str(&reason))));
		buf_fini(&reason);
		return;
	}
	buf_fini(&reason);
	if (!tls_certificate_read(pem, &c, why)) {
		report_error(&d->report, "certificate", "see tls certificate in the configuration", "%s: %s", d->conf->tls.certificate.p, why);
	} else {
		check_dates(d, &c);
		if (tls_certificate_covers(pem, d->conf->hostname.p))
			report_ok(&d->report, "certificate", "it is for %s", d->conf->hostname.p);
		else
			report_error(&d->report, "certificate", "get one for that name", "it is not for %s", d->conf->hostname.p);
		if (c.chain_ok)
			report_ok(&d->report, "certificate", "it leads to an authority that this machine trusts");
		else
			report_warning(&d->report, "certificate",
				c.self_signed ? "get one from an authority, as Let's Encrypt; users' programs ask until then" :
						"put the authority's intermediate certificates behind it in the file",
				"others do not trust it: %s", c.chain_why);
		check_key(d, pem);
	}
	free((void *)(uintptr_t)pem.p);
}

/* ---- the doors */

static bool our_fingerprint(struct doctor *d, unsigned char out[32])
{
	struct tls_certificate c = { 0 };
	struct buf reason;
	struct str pem;
	char why[256];
	bool ok;

	if (d->conf->tls.certificate.n == 0)
		return false;
	buf_init(&reason, 1000);
	ok = file_read(d->conf->tls.certificate.p, PEM_MAX, &pem, &reason);
	if (ok) {
		ok = tls_certificate_read(pem, &c, why);
		free((void *)(uintptr_t)pem.p);
	}
	memcpy(out, c.fingerprint, 32);
	buf_fini(&reason);
	return ok;
}

/* What is said before TLS starts, by service. */
static SUSPENDS bool say_starttls(struct probe *p, enum conf_service s, const char *hostname)
{
	struct str line;

	switch (s) {
	case CONF_SMTP:
	case CONF_SUBMISSION:
	case CONF_LMTP:
		if (!probe_smtp(p, 220, "the connection"))
			return false;
		probe_say(p, "%s %s", s == CONF_LMTP ? "LHLO" : "EHLO", hostname);
		if (!probe_smtp(p, 250, "EHLO"))
			return false;
		probe_say(p, "STARTTLS");
		return probe_smtp(p, 220, "STARTTLS");
	case CONF_IMAP:
		return probe_line(p, &line) && probe_imap(p, "STARTTLS", "STARTTLS");
	case CONF_POP3:
		if (!probe_pop(p, '+', "the connection"))
			return false;
		probe_say(p, "STLS");
		return probe_pop(p, '+', "STLS");
	default:
		return true;
	}
}

static SUSPENDS void check_door(struct doctor *d, const struct conf_listener *l, const unsigned char *fingerprint)
{
	struct tls_client client = { .name = d->conf->hostname.p, .trust = TLS_TRUST_FINGERPRINT };
	char where[160], check[220];
	struct conf_address to;
	struct probe p;

	probe_target(l, &to, where);
	snprintf(check, sizeof check, "%s %s", conf_service_name(l->service), where);
	probe_init(&p, d->sched);
	memcpy(client.fingerprint, fingerprint, 32);
	if (!probe_is_let_in(&p, l))
		report_warning(&d->report, check, p.way_out, "%s", p.why);
	else if (!probe_connect(&p, l, d->timeout_ms))
		report_error(&d->report, check, p.way_out, "%s", p.why);
	else if (l->tls == CONF_TLS_NONE)
		report_ok(&d->report, check, "it is open, without TLS");
	else if ((l->tls == CONF_TLS_STARTTLS && !say_starttls(&p, l->service, d->conf->hostname.p)) || !probe_tls(&p, &client))
		report_error(&d->report, check, p.way_out, "%s", p.why);
	else
		report_ok(&d->report, check, "it is open and shows the certificate");
	probe_fini(&p);
}

static SUSPENDS void check_ehlo_name(struct doctor *d, const struct conf_listener *l)
{
	struct str name = { 0 }, rest;
	struct probe p;

	probe_init(&p, d->sched);
	if (probe_connect(&p, l, d->timeout_ms) && probe_smtp(&p, 220, "the connection")) {
		rest = buf_str(&p.text);
		str_split(&rest, ' ', &name);
		if (dns_name_eq(name, d->conf->hostname))
			report_ok(&d->report, "ehlo", "the server calls itself %.*s", STR_ARG(name));
		else
			report_error(&d->report, "ehlo", "reload it; is another program on this port?",
				"the server calls itself %.*s, and the configuration has %s",
				STR_ARG(name), d->conf->hostname.p);
	}
	probe_fini(&p);
}

static const struct conf_listener *smtp_door(const struct doctor *d)
{
	for (size_t i = 0; i < d->conf->n_listeners; i++)
		if (d->conf->listeners[i].service == CONF_SMTP)
			return &d->conf->listeners[i];
	return NULL;
}

SUSPENDS void doctor_check_doors(struct doctor *d)
{
	unsigned char fingerprint[32] = { 0 };

	our_fingerprint(d, fingerprint);
	for (size_t i = 0; i < d->conf->n_listeners; i++)
		check_door(d, &d->conf->listeners[i], fingerprint);
	if (smtp_door(d))
		check_ehlo_name(d, smtp_door(d));
	else
		report_error(&d->report, "smtp", "add: listen smtp { }", "there is no door for other servers");
}

/* ---- open relay */

static SUSPENDS void try_relay(struct doctor *d, const struct conf_address *a, uint16_t port)
{
	struct probe p;

	probe_init(&p, d->sched);
	if (probe_connect_to(&p, a, port, d->timeout_ms) && probe_smtp(&p, 220, "the connection")) {
		probe_say(&p, "EHLO relay.example");
		probe_smtp(&p, 250, "EHLO");
		probe_say(&p, "MAIL FROM:<doctor@sender.example>");
		probe_smtp(&p, 250, "MAIL FROM");
		probe_say(&p, "RCPT TO:<doctor@recipient.example>");
		probe_smtp(&p, 0, "RCPT TO");
		if (p.code >= 500 || (p.code >= 400 && p.code != 421))
			report_ok(&d->report, "open relay", "a stranger at %s cannot send to others through this server", a->text);
		else if (p.code >= 200 && p.code < 300)
			report_error(&d->report, "open relay", "close port 25 at once, and see what answers there",
				"a stranger at %s can send to others through this server", a->text);
	}
	if (p.failed)
		report_warning(&d->report, "open relay", p.way_out, "at %s: cannot be told: %s", a->text, p.why);
	probe_fini(&p);
}

SUSPENDS void doctor_check_relay(struct doctor *d)
{
	const struct conf_listener *l = smtp_door(d);
	struct conf_address to;
	char where[160];
	struct probe p;

	if (!l || l->proxy_protocol)
		return;
	probe_init(&p, d->sched);
	probe_target(l, &to, where);
	if (probe_is_let_in(&p, l))
		try_relay(d, &to, l->port);
	probe_fini(&p);
	/* From an address that is not loopback: a connection to an own address comes from it. */
	for (size_t i = 0; i < d->own.n; i++)
		if (address_is_any(&l->address) && d->own.v[i].family == l->address.family && l->networks.n == 0) {
			try_relay(d, &d->own.v[i], l->port);
			return;
		}
}

/* ---- from outside */

static bool is_own(const struct doctor *d, const struct conf_address *a)
{
	for (size_t i = 0; i < d->own.n; i++)
		if (address_eq(a, &d->own.v[i]))
			return true;
	return false;
}

static SUSPENDS void try_outside(struct doctor *d, const struct conf_listener *l, const struct conf_address *a)
{
	char check[80];
	struct probe p;

	snprintf(check, sizeof check, "outside %s", conf_service_name(l->service));
	probe_init(&p, d->sched);
	if (probe_connect_to(&p, a, l->port, d->timeout_ms))
		report_ok(&d->report, check, "%s port %u answers%s", a->text, l->port,
			is_own(d, a) ? " (asked from this machine; what lies before it cannot be told)" : " (through whatever lies before this machine)");
	else if (is_own(d, a))
		report_error(&d->report, check, "let the listener take this address, and the firewall this port", "%s", p.why);
	else
		report_warning(&d->report, check, "some routers let nobody in from behind themselves: try it from elsewhere", "%s", p.why);
	probe_fini(&p);
}

/* Services whose clients come to the hostname. */
static bool is_public_service(enum conf_service s)
{
	return s != CONF_LMTP && s != CONF_POP2 && s != CONF_METRICS;
}

static bool takes_from(const struct conf_listener *l, const struct conf_address *a)
{
	return l->path.n == 0 && l->address.family == a->family && l->networks.n == 0 && !l->proxy_protocol && is_public_service(l->service) &&
		(address_is_any(&l->address) || address_eq(&l->address, a));
}

SUSPENDS void doctor_check_outside(struct doctor *d)
{
	for (size_t k = 0; k < d->outside.n; k++)
		for (size_t i = 0; i < d->conf->n_listeners; i++)
			if (takes_from(&d->conf->listeners[i], &d->outside.v[k]))
				try_outside(d, &d->conf->listeners[i], &d->outside.v[k]);
}
