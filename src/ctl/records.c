/* ctl/records.c - the DNS records that a domain needs. See the header. */
#include "ctl/records.h"

#include "base/die.h"
#include "ctl/json.h"
#include "ctl/report.h"

#include <sys/socket.h>

#define TTL_S 3600
#define STRING_MAX 255 /* of a string in a TXT record */
#define VALUE_MAX ((size_t)16 * 1024)

const struct records_service records_services[] = {
	{ "_submissions._tcp", CONF_SUBMISSIONS }, { "_submission._tcp", CONF_SUBMISSION }, { "_imaps._tcp", CONF_IMAPS },
	{ "_imap._tcp", CONF_IMAP }, { "_pop3s._tcp", CONF_POP3S }, { "_pop3._tcp", CONF_POP3 },
};
const size_t records_n_services = sizeof records_services / sizeof *records_services;

static bool is_loopback(const struct conf_address *a)
{
	static const uint8_t one[16] = { [15] = 1 };
	struct conf_address v6 = { .family = AF_INET6 };

	for (int i = 0; i < 16; i++)
		v6.bytes[i] = one[i];
	return a->family == AF_INET ? a->bytes[0] == 127 : address_eq(a, &v6);
}

uint16_t records_port(const struct conf *c, enum conf_service s)
{
	for (size_t i = 0; i < c->n_listeners; i++)
		if (c->listeners[i].service == s && !is_loopback(&c->listeners[i].address))
			return c->listeners[i].port;
	return 0;
}

static struct record *add(struct records *out, const char *purpose, enum dns_type type, struct str name)
{
	die_unless(out->n < RECORDS_MAX, "more records than a domain needs");
	out->v[out->n] = (struct record){ .purpose = purpose, .type = type, .name = name };
	return &out->v[out->n++];
}

static void add_text(struct records *out, const char *purpose, struct str name, struct str text)
{
	add(out, purpose, DNS_TXT, name)->data = text;
}

#define PUBLIC_MAX 8 /* addresses of the host that get a record */

static void add_addresses(const struct records_of *of, struct records *out)
{
	size_t n = 0;

	for (size_t i = 0; i < of->addresses->n && n < PUBLIC_MAX; i++) {
		const struct conf_address *a = &of->addresses->v[i];

		if (!address_is_public(a))
			continue;
		add(out, "address", a->family == AF_INET ? DNS_A : DNS_AAAA, of->conf->hostname)->data = str_z(a->text);
		n++;
	}
}

static void add_services(const struct records_of *of, struct arena *a, struct records *out)
{
	for (size_t i = 0; i < records_n_services; i++) {
		const struct records_service *s = &records_services[i];
		uint16_t port = records_port(of->conf, s->service);
		struct record *r = add(out, "SRV", DNS_SRV, arena_fmt(a, "%s.%.*s", s->label, STR_ARG(of->domain)));

		if (!port)
			continue; /* 0 0 0 . says that it is not offered */
		r->target = of->conf->hostname;
		r->port = port;
		r->weight = 1;
	}
}

void records_make(const struct records_of *of, struct arena *a, struct records *out)
{
	struct record *r;

	out->n = 0;
	add_addresses(of, out);
	r = add(out, "MX", DNS_MX, of->domain);
	r->preference = 10;
	r->target = of->conf->hostname;
	add_text(out, "SPF", of->domain, STR("v=spf1 mx -all"));
	if (!str_ieq(of->domain, of->conf->hostname))
		add_text(out, "SPF", of->conf->hostname, STR("v=spf1 a -all"));
	for (size_t i = 0; i < of->n_keys; i++)
		add_text(out, "DKIM", arena_fmt(a, "%.*s._domainkey.%.*s", STR_ARG(of->keys[i].selector), STR_ARG(of->domain)), of->keys[i].record);
	add_text(out, "DMARC", arena_fmt(a, "_dmarc.%.*s", STR_ARG(of->domain)),
		arena_fmt(a, "v=DMARC1; p=quarantine; rua=mailto:postmaster@%.*s", STR_ARG(of->domain)));
	add_text(out, "MTA-STS", arena_fmt(a, "_mta-sts.%.*s", STR_ARG(of->domain)), arena_fmt(a, "v=STSv1; id=%.*s", STR_ARG(of->policy_id)));
	add(out, "MTA-STS", DNS_CNAME, arena_fmt(a, "mta-sts.%.*s", STR_ARG(of->domain)))->target = of->conf->hostname;
	add_text(out, "TLS-RPT", arena_fmt(a, "_smtp._tls.%.*s", STR_ARG(of->domain)),
		arena_fmt(a, "v=TLSRPTv1; rua=mailto:postmaster@%.*s", STR_ARG(of->domain)));
	add_services(of, a, out);
	add(out, "CAA", DNS_CAA, of->domain)->data = STR(RECORDS_AUTHORITY);
}

static void add_target(struct str target, struct buf *out)
{
	buf_addf(out, "%.*s.", STR_ARG(target));
}

/* What stands behind the type; texts in strings of at most string_max bytes. */
static void add_value(const struct record *r, size_t string_max, struct buf *out)
{
	struct str rest = r->data;

	switch (r->type) {
	case DNS_TXT:
		for (; rest.n; rest = str_from(rest, string_max))
			buf_addf(out, "%s\"%.*s\"", rest.p == r->data.p ? "" : " ", STR_ARG(str_sub(rest, 0, string_max)));
		break;
	case DNS_MX:
		buf_addf(out, "%u ", r->preference);
		add_target(r->target, out);
		break;
	case DNS_SRV:
		buf_addf(out, "%u %u %u ", r->preference, r->weight, r->port);
		add_target(r->target, out);
		break;
	case DNS_CAA:
		buf_addf(out, "0 issue \"%.*s\"", STR_ARG(r->data));
		break;
	case DNS_CNAME:
		add_target(r->target, out);
		break;
	default:
		buf_add(out, r->data);
	}
}

void record_add_zone(const struct record *r, struct buf *out)
{
	buf_addf(out, "%.*s. %u IN %s ", STR_ARG(r->name), TTL_S, dns_type_name(r->type));
	add_value(r, STRING_MAX, out);
	buf_addc(out, '\n');
}

void record_add_json(const struct record *r, struct buf *out)
{
	struct buf value;

	buf_init(&value, VALUE_MAX);
	if (r->type == DNS_TXT)
		buf_add(&value, r->data);
	else
		add_value(r, STRING_MAX, &value);
	buf_addz(out, "{\"purpose\":");
	json_add(out, str_z(r->purpose));
	buf_addz(out, ",\"name\":");
	json_add(out, r->name);
	buf_addf(out, ",\"type\":\"%s\",\"value\":", dns_type_name(r->type));
	json_add(out, buf_str(&value));
	buf_addc(out, '}');
	buf_fini(&value);
}
