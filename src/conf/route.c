/* conf/route.c - which route a destination has, and which sources a letter may leave from. Pure. */
#include "conf/conf.h"

/* "*" fits all, "*.example.org" what is below example.org, and a domain itself. */
static bool fits(struct str pattern, struct str domain)
{
	if (str_eq(pattern, STR("*")))
		return true;
	if (!str_starts(pattern, STR("*.")))
		return str_ieq(pattern, domain);
	pattern = str_from(pattern, 1);
	return domain.n > pattern.n && str_ieq(str_from(domain, domain.n - pattern.n), pattern);
}

const struct conf_route *conf_route_find(const struct conf *c, struct str domain)
{
	for (size_t i = 0; i < c->n_routes; i++)
		for (size_t k = 0; k < c->routes[i].n_domains; k++)
			if (fits(c->routes[i].domains[k], domain))
				return &c->routes[i];
	return NULL;
}

const struct conf_source *conf_source_find(const struct conf *c, struct str name)
{
	for (size_t i = 0; i < c->n_sources; i++)
		if (str_eq(c->sources[i].name, name))
			return &c->sources[i];
	return NULL;
}

static bool lists(const struct conf_source *s, struct str domain)
{
	for (size_t i = 0; i < s->domains.n; i++)
		if (str_ieq(s->domains.v[i], domain))
			return true;
	return false;
}

/* The sources that list the domain, or with an empty one those that list none. */
static size_t sources_of(const struct conf *c, struct str domain, uint16_t *out)
{
	size_t n = 0;

	for (size_t i = 0; i < c->n_sources; i++)
		if (domain.n ? lists(&c->sources[i], domain) : c->sources[i].domains.n == 0)
			out[n++] = (uint16_t)i;
	return n;
}

size_t conf_sources_for(const struct conf *c, const struct conf_route *route, struct str sender_domain, uint16_t out[CONF_SOURCES_MAX])
{
	const struct conf_source *named = route && route->source.n ? conf_source_find(c, route->source) : NULL;
	size_t n;

	if (named) {
		out[0] = (uint16_t)(named - c->sources);
		return 1;
	}
	n = sender_domain.n ? sources_of(c, sender_domain, out) : 0;
	return n ? n : sources_of(c, STR(""), out);
}
