/* conf/blocks.c - blocks that may be repeated: listen, certificate, route, source
 * Purpose     what opens and what closes each; settings within are the parser's, as everywhere.
 * Owns        the blocks of a text until its end, when they move into the configuration.
 */
#include "conf/blocks.h"

#include "base/die.h"
#include "conf/lex.h"

#include <string.h>
#include <sys/socket.h>

/* ------------------------------------------------------------------------------------------------ listen blocks */

static void *listen_open(struct conf_parser *p, const struct conf_statement *st)
{
	const struct conf_choice *service = conf_services;
	struct conf_blocks *b = p->blocks;

	while (service->name && !str_eq(str_z(service->name), st->words.v[1]))
		service++;
	if (!service->name) {
		const char *near = conf_choice_near(conf_services, st->words.v[1]);

		conf_error(p, st->line, "'%.*s' is not a service; %s%s%s", STR_ARG(conf_shown(p, st->words.v[1])),
			near ? "did you mean '" : "use smtp, submission, submissions, imap, imaps, pop3, pop3s, lmtp or pop2",
			near ? near : "", near ? "'?" : "");
		return NULL;
	}
	b->listen = (struct conf_listen_block){ .tls = CONF_TLS_BY_SERVICE };
	b->listen.common.service = (enum conf_service)service->value;
	b->listen.common.port = conf_service_port(b->listen.common.service);
	b->listen.common.line = st->line;
	b->listen.common.block = b->n_listen++;
	return &b->listen;
}

static void listen_close(struct conf_parser *p)
{
	const struct conf_setting *address = conf_setting_find("listen", STR("address"));
	struct conf_listen_block *listen = &p->blocks->listen;

	if (listen->common.path.n) {
		if (conf_line_of(p, address) || conf_line_of(p, conf_setting_find("listen", STR("port"))))
			conf_error(p, p->block_line, "listen has a path as well as an address or port; keep one, and give the other a block of its own");
		listen->addresses.n = 1; /* of none */
		listen->addresses.v[0] = (struct conf_address){ .family = AF_UNIX };
	}
	for (size_t i = 0; i < listen->addresses.n; i++) {
		struct conf_listener *l;

		if (p->blocks->listeners.n == CONF_LISTENERS_MAX) {
			conf_error(p, p->block_line, "more than %d addresses to listen on; remove some", CONF_LISTENERS_MAX);
			return;
		}
		l = vec_push(&p->blocks->listeners);
		*l = listen->common;
		l->address = listen->addresses.v[i];
		l->address_given = conf_line_of(p, address) != 0;
		l->tls = (enum conf_tls_mode)listen->tls;
	}
}

/* ------------------------------------------------------------------------------------------- certificate blocks */

static struct str lowered(struct conf_parser *p, struct str word)
{
	char *z = arena_dupz(&p->conf->arena, word);

	for (size_t i = 0; i < word.n; i++)
		z[i] = ascii_lower(z[i]);
	return str_of(z, word.n);
}

static bool name_ok(struct str name)
{
	return conf_hostname_ok(str_starts(name, STR("*.")) ? str_from(name, 2) : name);
}

static void *certificate_open(struct conf_parser *p, const struct conf_statement *st)
{
	struct conf_certificate *c = &p->blocks->certificate;

	*c = (struct conf_certificate){ .line = st->line };
	for (size_t i = 1; i < st->words.n; i++) {
		if (!name_ok(st->words.v[i])) {
			conf_error(p, st->line, "'%.*s' is not a name for a certificate; give a host name (in A-labels, xn--...), or *. and one",
				STR_ARG(conf_shown(p, st->words.v[i])));
			return NULL;
		}
		c->names[c->n_names++] = lowered(p, st->words.v[i]);
	}
	return c;
}

static void certificate_close(struct conf_parser *p)
{
	const struct conf_certificate *c = &p->blocks->certificate;

	if (!c->certificate.n || !c->key.n)
		conf_error(p, c->line, "certificate for %s lacks %s; add it: %s /path/to/file.pem", c->names[0].p, c->certificate.n ? "its key" : "its file",
			c->certificate.n ? "key" : "certificate");
	else if (p->blocks->certificates.n == CONF_CERTIFICATES_MAX)
		conf_error(p, c->line, "more than %d certificate blocks; join some", CONF_CERTIFICATES_MAX);
	else
		*vec_push(&p->blocks->certificates) = *c;
}

/* ------------------------------------------------------------------------------------------------- route blocks */

static bool route_name_ok(struct str name)
{
	if (str_eq(name, STR("*")))
		return true;
	name = str_starts(name, STR("*.")) ? str_from(name, 2) : name;
	return name.n <= 253 && conf_hostname_ok(name);
}

static void *route_open(struct conf_parser *p, const struct conf_statement *st)
{
	struct conf_route *r = &p->blocks->route;

	*r = (struct conf_route){ .line = st->line };
	for (size_t i = 1; i < st->words.n; i++) {
		if (!route_name_ok(st->words.v[i])) {
			conf_error(p, st->line, "'%.*s' is not a domain for a route; give one (in A-labels, xn--...), *. and one, or * for all",
				STR_ARG(conf_shown(p, st->words.v[i])));
			return NULL;
		}
		r->domains[r->n_domains++] = lowered(p, st->words.v[i]);
	}
	return r;
}

/* Ports of hops that were given none, and what LMTP does not do. */
static void hops_finish(struct conf_route *r)
{
	uint16_t port = r->protocol == CONF_ROUTE_LMTP ? conf_service_port(CONF_LMTP) :
		conf_service_port(r->implicit_tls ? CONF_SUBMISSIONS : CONF_SMTP);

	for (size_t i = 0; i < r->hops.n; i++) {
		struct conf_hop *h = &r->hops.v[i];

		if (!h->port)
			h->port = port;
		if (r->protocol == CONF_ROUTE_LMTP)
			h->mx = false; /* RFC 2033 5: it is no host that a domain's mail is given to */
	}
}

static void route_close(struct conf_parser *p)
{
	struct conf_route *r = &p->blocks->route;

	hops_finish(r);
	if (p->blocks->routes.n == CONF_ROUTES_MAX)
		conf_error(p, r->line, "more than %d route blocks; join some", CONF_ROUTES_MAX);
	else
		*vec_push(&p->blocks->routes) = *r;
}

/* ------------------------------------------------------------------------------------------------ source blocks */

static bool source_name_ok(struct str name)
{
	bool ok = name.n && name.n <= CONF_SOURCE_NAME_MAX;

	for (size_t i = 0; ok && i < name.n; i++)
		ok = ascii_is_alnum(name.p[i]) || name.p[i] == '-' || name.p[i] == '_' || name.p[i] == '.';
	return ok;
}

static void *source_open(struct conf_parser *p, const struct conf_statement *st)
{
	struct conf_source_block *s = &p->blocks->source;

	*s = (struct conf_source_block){ .common.line = st->line };
	if (!source_name_ok(st->words.v[1])) {
		conf_error(p, st->line, "'%.*s' is not a name for a source; give letters, digits, hyphens, dots and underscores, %d at most",
			STR_ARG(conf_shown(p, st->words.v[1])), CONF_SOURCE_NAME_MAX);
		return NULL;
	}
	s->common.name = str_of(arena_dupz(&p->conf->arena, st->words.v[1]), st->words.v[1].n);
	return s;
}

/* An address of each family at most. */
static void source_addresses(struct conf_parser *p, struct conf_source_block *b)
{
	static const uint8_t any[16];
	struct conf_source *s = &b->common;
	unsigned line = conf_line_of(p, conf_setting_find("source", STR("address")));

	if (!b->addresses.n && !line)
		conf_error(p, s->line, "source %s has no address; add one that this machine has, as: address 192.0.2.1", s->name.p);
	for (size_t i = 0; i < b->addresses.n; i++) {
		const struct conf_address *a = &b->addresses.v[i];
		struct conf_address *to = a->family == AF_INET ? &s->address4 : &s->address6;

		if (memcmp(a->bytes, any, sizeof any) == 0)
			conf_error(p, line, "source %s: %s is no address to send from; give one that this machine has", s->name.p, a->text);
		else if (to->family)
			conf_error(p, line, "source %s has two IPv%d addresses; give each a source block of its own", s->name.p,
				a->family == AF_INET ? 4 : 6);
		*to = *a;
	}
}

static void source_close(struct conf_parser *p)
{
	struct conf_source_block *b = &p->blocks->source;

	source_addresses(p, b);
	for (size_t i = 0; i < b->common.domains.n; i++)
		b->common.domains.v[i] = lowered(p, b->common.domains.v[i]);
	if (p->blocks->sources.n == CONF_SOURCES_MAX)
		conf_error(p, b->common.line, "more than %d source blocks; remove some", CONF_SOURCES_MAX);
	else
		*vec_push(&p->blocks->sources) = b->common;
}

/* ------------------------------------------------------------------------------------------------------- kinds */

static const struct conf_block_kind kinds[] = {
	{ "listen", "SERVICE", 1, 1, "one service; write listen smtp { ... }", listen_open, listen_close },
	{ "certificate", "NAME", 1, CONF_CERTIFICATE_NAMES_MAX, "1 to 16 names; write certificate mail.example.org { ... }", certificate_open,
		certificate_close },
	{ "route", "DOMAIN", 1, CONF_ROUTE_DOMAINS_MAX, "1 to 16 domains; write route example.org { ... }", route_open, route_close },
	{ "source", "NAME", 1, 1, "one name; write source first { ... }", source_open, source_close },
};
_Static_assert(CONF_CERTIFICATE_NAMES_MAX == 16 && CONF_ROUTE_DOMAINS_MAX == 16, "the messages above say 16");

const struct conf_block_kind *conf_block_kind_find(const char *name)
{
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		if (strcmp(kinds[i].name, name) == 0)
			return &kinds[i];
	return NULL;
}

/* The elements of a vec in the configuration's arena. */
#define MOVE(p, vec, array, count)                                                                         \
	do {                                                                                               \
		(p)->conf->count = (p)->blocks->vec.n;                                                     \
		(p)->conf->array = arena_array(&(p)->conf->arena, (p)->conf->count, sizeof *(p)->conf->array); \
		if ((p)->conf->count)                                                                      \
			memcpy((p)->conf->array, (p)->blocks->vec.v, (p)->conf->count * sizeof *(p)->conf->array); \
	} while (0)

/* Whether there is a certificate is known at the end of the text only. */
static void listener_finish(const struct conf *c, struct conf_listener *l)
{
	if (!conf_service_has_tls(l->service) && conf_service_has_logins(l->service))
		l->auth_without_tls = true; /* its protocol knows no other way; where it may be bound is checked */
	if ((int)l->tls != CONF_TLS_BY_SERVICE)
		return;
	if (conf_service_implicit(l->service))
		l->tls = CONF_TLS_IMPLICIT;
	else
		l->tls = c->tls.certificate.n && conf_service_has_tls(l->service) && !l->path.n ? CONF_TLS_STARTTLS : CONF_TLS_NONE;
}

void conf_blocks_finish(struct conf_parser *p)
{
	struct conf *c = p->conf;

	MOVE(p, listeners, listeners, n_listeners);
	MOVE(p, certificates, certificates, n_certificates);
	MOVE(p, routes, routes, n_routes);
	MOVE(p, sources, sources, n_sources);
	for (size_t i = 0; i < c->n_listeners; i++)
		listener_finish(c, &c->listeners[i]);
}

void conf_blocks_fini(struct conf_blocks *b)
{
	vec_free(&b->listeners);
	vec_free(&b->certificates);
	vec_free(&b->routes);
	vec_free(&b->sources);
}
