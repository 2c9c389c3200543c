/* conf/check_route.c - what routes and sources demand of themselves and of each other
 * Purpose     refuse a route that could not work, would never be used, would send a password to anybody, or would make an open relay.
 */
#include "conf/check.h"

#include <string.h>
#include <sys/socket.h>

static bool is_address(const struct conf_hop *h)
{
	return str_find(h->host, ':') >= 0 || (h->host.n && ascii_is_digit(h->host.p[h->host.n - 1]) && !h->mx && str_find(h->host, '.') > 0);
}

static bool is_loopback(const struct conf_hop *h)
{
	return str_eq(h->host, STR("::1")) || (is_address(h) && str_starts(h->host, STR("127.")));
}

static bool all_hops(const struct conf_route *r, bool (*is)(const struct conf_hop *h))
{
	bool all = r->hops.n > 0;

	for (size_t i = 0; i < r->hops.n; i++)
		all = all && is(&r->hops.v[i]);
	return all;
}

static bool some_hop(const struct conf_route *r, bool (*is)(const struct conf_hop *h))
{
	for (size_t i = 0; i < r->hops.n; i++)
		if (is(&r->hops.v[i]))
			return true;
	return false;
}

static bool same_hop(const struct conf_hop *a, const struct conf_hop *b)
{
	return str_eq(a->host, b->host) && a->port == b->port && a->mx == b->mx;
}

static void check_hops(struct conf_parser *p, const struct conf_route *r)
{
	for (size_t i = 0; i < r->hops.n; i++)
		for (size_t k = 0; k < i; k++)
			if (same_hop(&r->hops.v[i], &r->hops.v[k])) {
				conf_error(p, r->line, "next_hop has %s twice; remove one", r->hops.v[i].host.p);
				return;
			}
	if (r->protocol == CONF_ROUTE_LMTP && !r->hops.n)
		conf_error(p, r->line, "lmtp is spoken to a server that is named, not to a domain's MX; add: next_hop [host]:24");
	for (size_t i = 0; r->protocol == CONF_ROUTE_LMTP && i < r->hops.n; i++)
		if (r->hops.v[i].port == 25) {
			conf_error(p, r->line, "lmtp is not spoken on port 25 (RFC 2033 5); give its port, as: next_hop [host]:24");
			return;
		}
}

static void check_route_tls(struct conf_parser *p, const struct conf_route *r)
{
	if (r->implicit_tls && r->tls == CONF_ROUTE_TLS_NONE)
		conf_error(p, r->line, "implicit_tls with tls none is no TLS and TLS; remove one of them");
	if (r->implicit_tls && !r->hops.n)
		conf_error(p, r->line, "implicit_tls is for a server that is named: other domains' MX begin without TLS; add: next_hop [host]:465");
	if (r->tls == CONF_ROUTE_TLS_DANE && some_hop(r, is_address))
		conf_error(p, r->line, "tls dane needs a host name: an address has no TLSA records; give the host's name in next_hop, or write tls verify");
}

/* A password goes to nobody but the server that it is for: over TLS with its certificate checked, or within this machine. */
static void check_login(struct conf_parser *p, const struct conf_route *r)
{
	bool verified = r->tls == CONF_ROUTE_TLS_VERIFY || r->tls == CONF_ROUTE_TLS_DANE;
	const char *name = r->domains[0].p[0] != '*' ? r->domains[0].p : "smarthost";

	if (r->login.n && !r->password_file.n)
		conf_error(p, r->line, "login without a password; add: password_file /etc/sallyport/keys/%s.password", name);
	if (!r->login.n && r->password_file.n)
		conf_error(p, r->line, "password_file without a login; add: login NAME");
	if (r->login.n && !r->hops.n)
		conf_error(p, r->line, "login without next_hop would give the password to every domain's MX; add: next_hop [host]:587");
	else if (r->login.n && !verified && !all_hops(r, is_loopback))
		conf_error(p, r->line, "login would give the password to whoever answers; write tls verify, or tls dane");
}

static void check_route_source(struct conf_parser *p, const struct conf *c, const struct conf_route *r)
{
	const char *near;

	if (!r->source.n || conf_source_find(c, r->source))
		return;
	near = c->n_sources ? conf_name_near(r->source, &c->sources->name, c->n_sources, sizeof *c->sources) : NULL;
	if (near)
		conf_error(p, r->line, "there is no source '%s'; did you mean '%s'?", r->source.p, near);
	else
		conf_error(p, r->line, "there is no source '%s'; add: source %s { address 192.0.2.1 }", r->source.p, r->source.p);
}

/* Whether all that b fits is fitted by a. */
static bool covers(struct str a, struct str b)
{
	if (str_eq(a, STR("*")) || str_eq(a, b))
		return true;
	return str_starts(a, STR("*.")) && str_ends(b, str_from(a, 1)) && b.n > a.n - 1;
}

/* The route before number `before`, or name before `before_name` of that one, that takes all that this name fits. */
static const struct conf_route *covered_by(const struct conf *c, size_t before, size_t before_name, struct str name, struct str *by)
{
	for (size_t i = 0; i <= before; i++)
		for (size_t k = 0; k < (i == before ? before_name : c->routes[i].n_domains); k++)
			if (covers(*by = c->routes[i].domains[k], name))
				return &c->routes[i];
	return NULL;
}

static void check_domains(struct conf_parser *p, const struct conf *c, size_t at)
{
	const struct conf_route *r = &c->routes[at];

	for (size_t k = 0; k < r->n_domains; k++) {
		struct str by;
		const struct conf_route *other = covered_by(c, at, k, r->domains[k], &by);

		if (other && str_eq(by, r->domains[k]))
			conf_error(p, r->line, "%s has a route already, in line %u; remove one", by.p, other->line);
		else if (other)
			conf_error(p, r->line, "the route of %s would never be used, since %s in line %u takes it first; put it before that",
				r->domains[k].p, by.p, other->line);
		if (r->relay && str_eq(r->domains[k], STR("*")))
			conf_error(p, r->line, "relay yes for * would let anybody send to anywhere; name the domains");
	}
}

static void check_sources(struct conf_parser *p, const struct conf *c)
{
	for (size_t i = 0; i < c->n_sources; i++)
		for (size_t k = 0; k < i; k++)
			if (str_eq(c->sources[i].name, c->sources[k].name)) {
				conf_error(p, c->sources[i].line, "source %s is given twice; join it with the one in line %u, or give it another name",
					c->sources[i].name.p, c->sources[k].line);
				break;
			}
}

void conf_check_routes(struct conf_parser *p, const struct conf *c)
{
	check_sources(p, c);
	for (size_t i = 0; i < c->n_routes; i++) {
		check_domains(p, c, i);
		check_hops(p, &c->routes[i]);
		check_route_tls(p, &c->routes[i]);
		check_login(p, &c->routes[i]);
		check_route_source(p, c, &c->routes[i]);
	}
}
