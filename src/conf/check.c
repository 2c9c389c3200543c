/* conf/check.c - what settings demand of each other
 * Purpose     refuse what is well formed and could not work, before any port is opened.
 */
#include "conf/check.h"

#include "base/buf.h"

#include <string.h>
#include <sys/socket.h>

static void check_tls(struct conf_parser *p, const struct conf *c)
{
	if (c->tls.certificate.n && !c->tls.key.n)
		conf_error(p, conf_line_of(p, conf_setting_find("tls", STR("certificate"))), "tls has a certificate without a key; add: key /path/to/key.pem");
	if (c->n_certificates && !c->tls.certificate.n)
		conf_error(p, c->certificates[0].line, "certificate for %s needs a default beside it, for clients that ask for no name; add: "
			"tls { certificate /path; key /path }", c->certificates[0].names[0].p);
	if (c->tls.key.n && !c->tls.certificate.n)
		conf_error(p, conf_line_of(p, conf_setting_find("tls", STR("key"))),
			"tls has a key without a certificate; add: certificate /path/to/cert.pem");
}

static void check_report_from(struct conf_parser *p, const struct conf *c)
{
	struct str from = c->queue.report_from;
	ssize_t at = str_rfind(from, '@');

	if (from.n && (at < 1 || (size_t)at + 1 == from.n || at > 64))
		conf_error(p, conf_line_of(p, conf_setting_find("queue", STR("report_from"))), "report_from \"%s\" is no address; write one of a domain "
			"here, as tls-reports@%s", from.p, c->hostname.n ? c->hostname.p : "example.org");
}

static const struct conf_certificate *name_taken(const struct conf *c, size_t before, size_t before_name, struct str name)
{
	for (size_t i = 0; i <= before; i++)
		for (size_t k = 0; k < (i == before ? before_name : c->certificates[i].n_names); k++)
			if (str_eq(c->certificates[i].names[k], name))
				return &c->certificates[i];
	return NULL;
}

static void check_certificate_names(struct conf_parser *p, const struct conf *c)
{
	for (size_t i = 0; i < c->n_certificates; i++)
		for (size_t k = 0; k < c->certificates[i].n_names; k++) {
			const struct conf_certificate *other = name_taken(c, i, k, c->certificates[i].names[k]);

			if (other)
				conf_error(p, c->certificates[i].line, "the name %s has a certificate already, in line %u; remove one",
					c->certificates[i].names[k].p, other->line);
		}
}

/* Its TLS, if any, begins with the connection. */
static void check_metrics(struct conf_parser *p, const struct conf *c, const struct conf_listener *l)
{
	if (l->tls == CONF_TLS_STARTTLS)
		conf_error(p, l->line, "metrics has no STARTTLS; write tls implicit or tls none");
	else if (l->tls == CONF_TLS_IMPLICIT && !c->tls.certificate.n)
		conf_error(p, l->line, "metrics with TLS needs a certificate; add: tls { certificate /path; key /path }");
	if (l->auth_without_tls)
		conf_error(p, l->line, "metrics takes no logins; remove auth_without_tls");
	if (l->scram_plus == CONF_PLUS_YES)
		conf_error(p, l->line, "metrics takes no logins; remove scram_plus");
	if (!l->address_given)
		conf_error(p, l->line, "metrics shows how busy the server is to whoever reaches it; say who does, for example: address 127.0.0.1");
}

static bool is_loopback(const struct conf_address *a)
{
	static const uint8_t one[16] = { [15] = 1 };

	return a->family == AF_UNIX || (a->family == AF_INET ? a->bytes[0] == 127 : memcmp(a->bytes, one, sizeof one) == 0);
}

static void check_place(struct conf_parser *p, const struct conf_listener *l)
{
	const char *name = conf_service_name(l->service);

	if (l->path.n && l->service != CONF_LMTP)
		conf_error(p, l->line, "%s has no unix socket; remove path, or listen lmtp", name);
	else if (l->service == CONF_LMTP && !l->path.n && !l->address_given)
		conf_error(p, l->line, "lmtp has no place by default; add: path /run/sallyport/lmtp.sock, or an address");
	if (l->path.n && (l->networks.n || l->proxy_protocol))
		conf_error(p, l->line, "a unix socket has no networks and no proxy before it; its file's group says who may connect");
	if (l->group.n && !l->path.n)
		conf_error(p, l->line, "group is for a unix socket; add a path, or remove it");
	if (l->proxy_protocol && !l->proxy_networks.n)
		conf_error(p, l->line, "proxy_protocol without proxy_networks would let anybody claim any address; add: proxy_networks 192.0.2.10");
	if (!l->proxy_protocol && l->proxy_networks.n)
		conf_error(p, l->line, "proxy_networks does nothing without proxy_protocol yes; add that, or remove it");
}

/* Services without a way to tell friend from foe on the wire: POP2's passwords are in the clear, LMTP takes any letter. */
static bool check_reach(struct conf_parser *p, const struct conf_listener *l)
{
	const char *name = conf_service_name(l->service);
	bool placed = l->service != CONF_LMTP || l->address_given;

	if ((l->service != CONF_POP2 && l->service != CONF_LMTP) || !placed || l->networks.n || is_loopback(&l->address))
		return true;
	conf_error(p, l->line, "%s on %s would be open to everybody; give a loopback address, as 127.0.0.1, or list who may connect: networks 192.0.2.0/24",
		name, l->address.text);
	return false;
}

static void check_listener(struct conf_parser *p, const struct conf *c, const struct conf_listener *l)
{
	const char *name = conf_service_name(l->service);
	bool logins = conf_service_has_logins(l->service);

	if (l->service == CONF_METRICS) {
		check_metrics(p, c, l);
		return;
	}
	if (!conf_service_is_served(l->service)) {
		conf_error(p, l->line, "%s is not served by this build; remove its listen block", name);
		return;
	}
	check_place(p, l);
	if (l->tls != CONF_TLS_NONE && (!conf_service_has_tls(l->service) || l->path.n))
		conf_error(p, l->line, "%s%s knows no TLS; write tls none, or leave it out", name,
			l->path.n ? " on a unix socket" : "");
	else if (l->tls == CONF_TLS_IMPLICIT && !conf_service_implicit(l->service))
		conf_error(p, l->line, "%s has no implicit TLS; write starttls or none%s%s", name, logins ? ", or listen " : "",
			logins ? conf_service_name(l->service + 1) : "");
	else if (l->tls != CONF_TLS_IMPLICIT && conf_service_implicit(l->service))
		conf_error(p, l->line, "%s is always under implicit TLS; leave tls out or listen %s", name,
			conf_service_name(l->service - 1));
	else if (l->tls != CONF_TLS_NONE && !c->tls.certificate.n)
		conf_error(p, l->line, "%s with TLS needs a certificate; add: tls { certificate /path; key /path }", name);
	if (l->tls == CONF_TLS_NONE && logins && !l->auth_without_tls && !conf_service_implicit(l->service))
		conf_error(p, l->line, "nobody could log in to %s without TLS; add a certificate, or auth_without_tls yes for a test",
			name);
	if (l->auth_without_tls && !logins)
		conf_error(p, l->line, "%s takes no logins; remove auth_without_tls or listen submission", name);
	if (l->client_certificate && l->tls == CONF_TLS_NONE)
		conf_error(p, l->line, "client_certificate without TLS asks for nothing; remove it, or give %s TLS", name);
	if (l->scram_plus == CONF_PLUS_YES && !logins)
		conf_error(p, l->line, "%s takes no logins; remove scram_plus", name);
	else if (l->scram_plus == CONF_PLUS_YES && l->tls == CONF_TLS_NONE)
		conf_error(p, l->line, "scram_plus without TLS announces nothing; remove it, or give %s TLS", name);
}

static bool is_any(const struct conf_address *a)
{
	static const uint8_t zero[16];

	return memcmp(a->bytes, zero, sizeof zero) == 0;
}

static bool same_socket(const struct conf_listener *a, const struct conf_listener *b)
{
	if (a->path.n || b->path.n)
		return str_eq(a->path, b->path);
	return a->port == b->port && a->address.family == b->address.family &&
	       (is_any(&a->address) || is_any(&b->address) || memcmp(a->address.bytes, b->address.bytes, 16) == 0);
}

static void check_sockets(struct conf_parser *p, const struct conf *c)
{
	for (size_t i = 0; i < c->n_listeners; i++)
		for (size_t j = 0; j < i; j++) {
			const struct conf_listener *a = &c->listeners[i], *b = &c->listeners[j];

			if (a->block == b->block || !same_socket(a, b))
				continue;
			if (a->path.n) {
				conf_error(p, a->line, "%s is the path of line %u too; give another", a->path.p, b->line);
				break;
			}
			conf_error(p, a->line, "%s on %s port %u is taken by %s of line %u (%s); give another port or address",
				conf_service_name(a->service), a->address.text, a->port, conf_service_name(b->service),
				b->line, b->address.text);
			break;
		}
}

/* Pairs of settings where the first may not exceed the second. A default gives way: only what was written is refused. */
static const struct order {
	const char *block, *small, *large;
} orders[] = {
	{ "limits", "header_size", "message_size" },
	{ "limits", "connections_per_address_strangers", "connections_strangers" },
	{ "limits", "connections_per_address_users", "connections_users" },
	{ "limits", "smtp_errors", "smtp_commands" },
	{ "limits", "mailbox_depth", "mailbox_name" },
	{ "queue", "retry_first", "retry_max" },
	{ "queue", "connections_destination", "connections" },
};

static uint64_t number_get(const struct conf_setting *s, const struct conf *c)
{
	const char *at = (const char *)c + s->offset;

	return s->type == CONF_TYPE_COUNT ? *(const uint32_t *)(const void *)at : *(const uint64_t *)(const void *)at;
}

static void number_set(const struct conf_setting *s, struct conf *c, uint64_t v)
{
	char *at = (char *)c + s->offset;

	if (s->type == CONF_TYPE_COUNT)
		*(uint32_t *)(void *)at = (uint32_t)v;
	else
		*(uint64_t *)(void *)at = v;
}

static void check_order(struct conf_parser *p, struct conf *c, const struct order *o)
{
	const struct conf_setting *small = conf_setting_find(o->block, str_z(o->small));
	const struct conf_setting *large = conf_setting_find(o->block, str_z(o->large));
	unsigned line_small = conf_line_of(p, small), line_large = conf_line_of(p, large);

	if (number_get(small, c) <= number_get(large, c))
		return;
	if (line_small)
		conf_error(p, line_large > line_small ? line_large : line_small,
			"%s is larger than %s; lower the one or raise the other", o->small, o->large);
	else
		number_set(small, c, number_get(large, c));
}

void conf_check(struct conf_parser *p, struct conf *c)
{
	if (!c->hostname.n)
		conf_error(p, 0, "hostname is not set; add: hostname mail.example.org");
	if (!c->n_listeners)
		conf_error(p, 0, "nothing to listen on; add: listen smtp { port 25 }");
	check_tls(p, c);
	check_report_from(p, c);
	check_certificate_names(p, c);
	for (size_t i = 0; i < c->n_listeners; i++)
		if (i == 0 || c->listeners[i].block != c->listeners[i - 1].block)
			check_listener(p, c, &c->listeners[i]);
	for (size_t i = 0, said = SIZE_MAX; i < c->n_listeners; i++) {
		const struct conf_listener *l = &c->listeners[i];

		if (conf_service_is_served(l->service) && l->block != said && !check_reach(p, l))
			said = l->block;
	}
	check_sockets(p, c);
	conf_check_routes(p, c);
	for (size_t i = 0; i < sizeof orders / sizeof *orders; i++)
		check_order(p, c, &orders[i]);
}
