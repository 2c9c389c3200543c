/* ctl/doctor_dns.c - command doctor: what the world finds about our domains and addresses.
 * Trust       answers are the resolver's word; texts of them are shown cleaned (report.c).
 * Suspends    one question after the other.
 */
#include "ctl/doctor_impl.h"

#include "check/dkim_record.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>



/* What could not be asked is neither right nor wrong. True: there are records, or certainly none. */
static bool is_told(struct doctor *d, const char *check, struct str name, enum dns_type type, const struct dns_answer *answer)
{
	if (answer->result == DNS_OK || answer->result == DNS_NODATA || answer->result == DNS_NXDOMAIN)
		return true;
	if (answer->result == DNS_SERVFAIL)
		report_error(&d->report, check, "see the zone's servers and, if it is signed, its signatures (DS and DNSKEY)",
			"%.*s %s: its servers fail, or its signatures (DNSSEC) are wrong", STR_ARG(name), dns_type_name(type));
	else
		report_warning(&d->report, check, "try again later", "%.*s %s: cannot be told (%s)", STR_ARG(name), dns_type_name(type),
			dns_result_name(answer->result));
	return false;
}

static void take_outside(struct doctor *d, int family, const struct dns_answer *answer)
{
	for (size_t i = 0; i < answer->n && d->outside.n < OWN_ADDRESSES_MAX; i++) {
		struct conf_address *a = &d->outside.v[d->outside.n++];

		*a = (struct conf_address){ .family = family };
		memcpy(a->bytes, answer->records[i].address, 16);
		inet_ntop(family, a->bytes, a->text, sizeof a->text);
	}
}

SUSPENDS void doctor_find_outside(struct doctor *d)
{
	struct dns_answer answer;

	dns_ask(d->dns, d->conf->hostname, DNS_A, &d->answers, &answer);
	take_outside(d, AF_INET, &answer);
	dns_ask(d->dns, d->conf->hostname, DNS_AAAA, &d->answers, &answer);
	take_outside(d, AF_INET6, &answer);
}

/* ---- records of a domain */

/* The line to add, as quickstart prints it. */
static const char *add_line(struct doctor *d, const struct record *r)
{
	struct buf line;
	char *z;

	buf_init(&line, 8000);
	buf_addz(&line, "add to the zone: ");
	record_add_zone(r, &line);
	z = arena_dupz(&d->answers, str_trim(buf_str(&line)));
	buf_fini(&line);
	return z;
}

static SUSPENDS void check_mx(struct doctor *d, const struct record *want)
{
	struct dns_answer answer;
	bool ours = false;

	dns_ask(d->dns, want->name, DNS_MX, &d->answers, &answer);
	if (!is_told(d, "mx", want->name, DNS_MX, &answer))
		return;
	for (size_t i = 0; i < answer.n; i++)
		ours = ours || dns_name_eq(answer.records[i].name, want->target);
	if (ours)
		report_ok(&d->report, "mx", "%.*s: mail is led to %.*s%s", STR_ARG(want->name), STR_ARG(want->target),
			answer.n > 1 ? ", among others" : "");
	else if (answer.n)
		report_error(&d->report, "mx", add_line(d, want), "%.*s: mail is led to %.*s, not to this server", STR_ARG(want->name),
			STR_ARG(answer.records[0].name));
	else
		report_error(&d->report, "mx", add_line(d, want), "%.*s: there is no MX record", STR_ARG(want->name));
}

static SUSPENDS void check_spf_of(struct doctor *d, struct str domain, const struct conf_address *a)
{
	switch (doctor_spf(d->dns, domain, a, &d->answers)) {
	case SPF_LISTED:
		report_ok(&d->report, "spf", "%.*s lets %s send", STR_ARG(domain), a->text);
		break;
	case SPF_ANYBODY:
		report_error(&d->report, "spf", "end the record with -all", "%.*s lets everybody send (all)", STR_ARG(domain));
		break;
	case SPF_NO_RECORD:
		report_error(&d->report, "spf", "add a TXT record: v=spf1 mx -all", "%.*s, or a name it includes, has no SPF record", STR_ARG(domain));
		break;
	case SPF_TWO_RECORDS:
		report_error(&d->report, "spf", "join them into one (RFC 7208 3.2)", "%.*s, or a name it includes, has several SPF records", STR_ARG(domain));
		break;
	case SPF_TOO_MANY:
		report_error(&d->report, "spf", "name addresses in it instead (RFC 7208 4.6.4)", "%.*s: its SPF record asks for more than 10 other names",
			STR_ARG(domain));
		break;
	case SPF_UNKNOWN:
		report_warning(&d->report, "spf", "try again later", "%.*s: cannot be told", STR_ARG(domain));
		break;
	case SPF_NOT_LISTED:
		report_error(&d->report, "spf", "add mx, or ip4: and ip6: with the address, to the record", "%.*s does not let %s send",
			STR_ARG(domain), a->text);
		break;
	}
}

static SUSPENDS void check_spf(struct doctor *d, struct str domain)
{
	const struct own_addresses *list = d->outside.n ? &d->outside : &d->own;
	struct conf_address none = { .family = AF_INET };

	for (size_t i = 0; i < list->n; i++)
		if (list == &d->outside || address_is_public(&list->v[i]))
			check_spf_of(d, domain, &list->v[i]);
	if (list->n == 0)
		check_spf_of(d, domain, &none);
}

static SUSPENDS void check_dkim(struct doctor *d, const struct record *want)
{
	struct dns_answer answer;
	struct str *texts;
	enum dkim_fit fit;

	dns_ask(d->dns, want->name, DNS_TXT, &d->answers, &answer);
	if (!is_told(d, "dkim", want->name, DNS_TXT, &answer))
		return;
	texts = arena_array(&d->answers, answer.n, sizeof *texts);
	for (size_t i = 0; i < answer.n; i++)
		texts[i] = answer.records[i].data;
	fit = dkim_record_fit(texts, answer.n, want->data);
	if (fit == DKIM_FITS)
		report_ok(&d->report, "dkim", "%.*s has the public half of our key", STR_ARG(want->name));
	else if (fit == DKIM_FITS_TESTING)
		report_warning(&d->report, "dkim", "take t=y out of the record", "%.*s is published as a test; others take its letters for unsigned",
			STR_ARG(want->name));
	else if (fit == DKIM_OTHER_KEY)
		report_error(&d->report, "dkim", add_line(d, want), "%.*s has another key than ours", STR_ARG(want->name));
	else if (fit == DKIM_ABSENT)
		report_error(&d->report, "dkim", add_line(d, want), "%.*s: there is no DKIM record for our key", STR_ARG(want->name));
	else
		report_error(&d->report, "dkim", add_line(d, want), "%.*s: %s", STR_ARG(want->name), dkim_fit_name(fit));
}

/* A TXT record that begins as it must; its absence is a warning. */
static SUSPENDS void check_text(struct doctor *d, const char *check, const struct record *want, struct str begins, const char *for_what)
{
	struct dns_answer answer;
	unsigned n = 0;

	dns_ask(d->dns, want->name, DNS_TXT, &d->answers, &answer);
	if (!is_told(d, check, want->name, DNS_TXT, &answer))
		return;
	for (size_t i = 0; i < answer.n; i++)
		n += str_istarts(answer.records[i].data, begins);
	if (n == 1)
		report_ok(&d->report, check, "%.*s is there", STR_ARG(want->name));
	else if (n)
		report_error(&d->report, check, "leave one", "%.*s has %u such records, so none counts", STR_ARG(want->name), n);
	else
		report_warning(&d->report, check, add_line(d, want), "%.*s: there is no such record; %s", STR_ARG(want->name), for_what);
}

static SUSPENDS void check_srv(struct doctor *d, const struct record *want)
{
	struct dns_answer answer;
	bool right = false;

	dns_ask(d->dns, want->name, DNS_SRV, &d->answers, &answer);
	if (!is_told(d, "srv", want->name, DNS_SRV, &answer))
		return;
	for (size_t i = 0; i < answer.n; i++)
		right = right || (dns_name_eq(answer.records[i].name, want->target) && (want->target.n == 0 || answer.records[i].port == want->port));
	if (right)
		report_ok(&d->report, "srv", "%.*s is as the doors are", STR_ARG(want->name));
	else if (answer.n && want->target.n)
		report_error(&d->report, "srv", add_line(d, want), "%.*s leads to %.*s port %u, and the door is at %.*s port %u", STR_ARG(want->name),
			STR_ARG(answer.records[0].name), answer.records[0].port, STR_ARG(want->target), want->port);
	else if (answer.n)
		report_error(&d->report, "srv", add_line(d, want), "%.*s leads to %.*s port %u, and that door is closed", STR_ARG(want->name),
			STR_ARG(answer.records[0].name), answer.records[0].port);
	else if (want->target.n)
		report_warning(&d->report, "srv", add_line(d, want), "%.*s: there is no such record; programs must guess where the door is",
			STR_ARG(want->name));
}

static SUSPENDS void check_caa(struct doctor *d, const struct record *want)
{
	struct dns_answer answer;

	dns_ask(d->dns, want->name, DNS_CAA, &d->answers, &answer);
	if (!is_told(d, "caa", want->name, DNS_CAA, &answer))
		return;
	if (answer.n)
		report_ok(&d->report, "caa", "%.*s names who may make its certificates: %.*s", STR_ARG(want->name), STR_ARG(answer.records[0].data));
	else
		report_warning(&d->report, "caa", add_line(d, want), "%.*s: there is no CAA record; any authority may make a certificate", STR_ARG(want->name));
}

static SUSPENDS void check_record(struct doctor *d, const struct record *r)
{
	if (r->type == DNS_MX)
		check_mx(d, r);
	else if (r->type == DNS_SRV)
		check_srv(d, r);
	else if (r->type == DNS_CAA)
		check_caa(d, r);
	else if (strcmp(r->purpose, "DKIM") == 0)
		check_dkim(d, r);
	else if (strcmp(r->purpose, "DMARC") == 0)
		check_text(d, "dmarc", r, STR("v=DMARC1"), "others guess what to do with letters that only claim to come from here");
	else if (strcmp(r->purpose, "TLS-RPT") == 0)
		check_text(d, "tls-rpt", r, STR("v=TLSRPTv1"), "nobody reports when TLS to this server fails");
	else if (strcmp(r->purpose, "MTA-STS") == 0 && r->type == DNS_TXT)
		check_text(d, "mta-sts", r, STR("v=STSv1"), "others may be led to send here without TLS");
}

SUSPENDS void doctor_check_domain(struct doctor *d, struct str domain)
{
	struct dkim_key *keys = arena_array(&d->answers, DKIM_KEYS_MAX, sizeof *keys);
	struct records *wants = arena_new(&d->answers, struct records);
	struct own_addresses *none = arena_new(&d->answers, struct own_addresses); /* the hostname's records are checked once, elsewhere */
	struct buf why;
	size_t n;

	buf_init(&why, 4000);
	n = dkim_keys_read(d->conf->keys_dir.p, domain, &d->answers, keys, &why);
	records_make(&(struct records_of){ d->conf, domain, none, keys, n, STR("1") }, &d->answers, wants);
	if (why.n)
		report_error(&d->report, "dkim", "put a good key there, or take the file away", "%.*s", STR_ARG(str_trim(buf_str(&why))));
	if (n == 0)
		report_warning(&d->report, "dkim", arena_fmt(&d->answers, "make keys: sallyport dkim add %.*s%c", STR_ARG(domain), 0).p,
			"%.*s: no key in %.*s/dkim/%.*s; its letters are not signed", STR_ARG(domain), STR_ARG(d->conf->keys_dir), STR_ARG(domain));
	buf_fini(&why);
	for (size_t i = 0; i < wants->n; i++)
		check_record(d, &wants->v[i]);
	check_spf(d, domain);
	arena_reset(&d->answers);
}

/* ---- block lists */

/* 127.255.255.x: "you may not ask", as the large lists answer to public resolvers. */
static bool is_refusal(const uint8_t *a)
{
	return a[0] == 127 && a[1] == 255 && a[2] == 255;
}

static SUSPENDS void check_list(struct doctor *d, const struct conf_address *a, struct str zone)
{
	struct str name = dns_reverse(a->family, a->bytes, arena_dupz(&d->answers, zone), &d->answers);
	struct dns_answer answer, text;
	const uint8_t *code;

	dns_ask(d->dns, name, DNS_A, &d->answers, &answer);
	if (answer.result == DNS_NXDOMAIN || answer.result == DNS_NODATA) {
		report_ok(&d->report, "block list", "%s is not in %.*s", a->text, STR_ARG(zone));
		return;
	}
	if (answer.result != DNS_OK || is_refusal(answer.records[0].address) || answer.records[0].address[0] != 127) {
		report_warning(&d->report, "block list", "ask by a resolver of your own: apt install unbound, dns { resolver 127.0.0.1 }",
			"%s in %.*s: cannot be told (%s)", a->text, STR_ARG(zone),
			answer.result == DNS_OK ? "the list does not answer this resolver" : dns_result_name(answer.result));
		return;
	}
	code = answer.records[0].address;
	dns_ask(d->dns, name, DNS_TXT, &d->answers, &text);
	report_error(&d->report, "block list", "see at the list why, put it right, and ask there to be removed", "%s is in %.*s (127.%u.%u.%u) %.*s", a->text,
		STR_ARG(zone), code[1], code[2], code[3], STR_ARG(text.n ? text.records[0].data : STR("")));
}

SUSPENDS void doctor_check_blocklists(struct doctor *d)
{
	const struct own_addresses *list = d->outside.n ? &d->outside : &d->own;

	for (size_t i = 0; i < list->n; i++)
		for (size_t k = 0; k < d->conf->dns.blocklists.n && address_is_public(&list->v[i]); k++)
			check_list(d, &list->v[i], d->conf->dns.blocklists.v[k]);
	arena_reset(&d->answers);
}
