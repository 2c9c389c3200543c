/* relay/target.c - where a letter goes, as far as the configuration says it. See the header. */
#include "relay/target.h"

#include "mail/path.h"

static bool parse_hop(struct str text, struct arena *a, struct target *t)
{
	struct conf_hop *hop = arena_new(a, struct conf_hop);

	t->hops = hop;
	t->n_hops = 1;
	return conf_hop_parse(text, a, hop);
}

static bool domain_hop(struct str domain, struct arena *a, struct target *t)
{
	struct conf_hop *own = arena_new(a, struct conf_hop);

	if (str_starts(domain, STR("["))) /* an address literal is written as a hop is */
		return mail_literal_ok(domain) && parse_hop(domain, a, t);
	*own = (struct conf_hop){ .host = domain, .port = conf_service_port(CONF_SMTP), .mx = true };
	t->hops = own;
	t->n_hops = 1;
	return true;
}

static bool same_hop(const struct conf_hop *a, const struct conf_hop *b)
{
	return str_eq(a->host, b->host) && a->port == b->port && a->mx == b->mx;
}

/* A reroute to a server that some route names speaks to it as that route does: its login, its TLS. */
static const struct conf_route *route_with_hop(const struct conf *c, const struct conf_hop *hop)
{
	for (size_t i = 0; i < c->n_routes; i++)
		for (size_t k = 0; k < c->routes[i].hops.n; k++)
			if (same_hop(&c->routes[i].hops.v[k], hop))
				return &c->routes[i];
	return NULL;
}

static void take_route(struct target *t, const struct conf_route *r)
{
	t->route = r;
	if (!r)
		return;
	t->protocol = r->protocol;
	t->tls = r->tls;
	t->implicit_tls = r->implicit_tls;
}

/* Its route is part of it by number: a domain of no route, one of a route, and one of another have nothing in common. */
static struct str key_of(const struct conf *c, const struct target *t, const struct target_ask *ask, struct str whose, struct arena *a)
{
	long route = t->route ? (long)(t->route - c->routes) : -1;

	return arena_fmt(a, "%.*s\n%.*s\n%ld\n%u\n%d%d", STR_ARG(whose), STR_ARG(ask->route), route, ask->source,
		ask->require_tls, ask->tls_optional);
}

/* A smart host takes letters for all. */
static void make_keys(const struct conf *c, struct target *t, const struct target_ask *ask, struct arena *a)
{
	t->key = key_of(c, t, ask, t->chosen ? STR("") : ask->domain, a);
	if (!t->chosen && ask->hosts.n)
		t->shared_key = key_of(c, t, ask, arena_fmt(a, "%s %.*s", ask->secure ? "secure" : "hosts", STR_ARG(ask->hosts)), a);
}

bool target_make(const struct conf *c, const struct target_ask *ask, struct arena *a, struct target *out)
{
	const struct conf_route *route = conf_route_find(c, ask->domain);

	*out = (struct target){ .domain = ask->domain, .helo = c->hostname };
	if (ask->route.n) {
		if (!parse_hop(ask->route, a, out))
			return false;
		out->chosen = true;
		take_route(out, route_with_hop(c, &out->hops[0]));
	} else if (route && route->hops.n) {
		out->hops = route->hops.v;
		out->n_hops = route->hops.n;
		out->chosen = true;
		take_route(out, route);
	} else {
		if (!domain_hop(ask->domain, a, out))
			return false;
		take_route(out, route);
	}
	if (ask->source && ask->source <= c->n_sources)
		out->source = &c->sources[ask->source - 1];
	if (out->source && out->source->helo.n)
		out->helo = out->source->helo;
	make_keys(c, out, ask, a);
	return true;
}
