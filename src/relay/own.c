/* relay/own.c - what is ours: a way that leads there is a loop (RFC 5321 5.1). */
#include "relay/relay_impl.h"

#include <ifaddrs.h>
#include <string.h>
#include <sys/socket.h>

static void add(struct address *v, size_t *n, int family, const uint8_t *bytes)
{
	if (*n < OWN_ADDRESSES_MAX && address_make(family, bytes, 0, &v[*n]) && address_kind(&v[*n]) != ADDRESS_NO_HOST)
		++*n;
}

size_t own_interfaces(struct address out[OWN_ADDRESSES_MAX])
{
	struct ifaddrs *list;
	size_t n = 0;

	if (getifaddrs(&list) != 0)
		return 0;
	for (const struct ifaddrs *i = list; i; i = i->ifa_next) {
		if (!i->ifa_addr)
			continue;
		if (i->ifa_addr->sa_family == AF_INET)
			add(out, &n, AF_INET, (const uint8_t *)&((const struct sockaddr_in *)(const void *)i->ifa_addr)->sin_addr);
		else if (i->ifa_addr->sa_family == AF_INET6)
			add(out, &n, AF_INET6, (const uint8_t *)&((const struct sockaddr_in6 *)(const void *)i->ifa_addr)->sin6_addr);
	}
	freeifaddrs(list);
	return n;
}

static bool is_any(const struct conf_address *a)
{
	static const uint8_t zero[16];

	return memcmp(a->bytes, zero, sizeof zero) == 0;
}

/* Where strangers' letters come in: an address that nobody listens at is no loop. */
static void add_listener(struct relay *r, const struct conf_listener *l)
{
	struct own *o = &r->own;

	if (l->service != CONF_SMTP || l->port != conf_service_port(CONF_SMTP) || l->address.family == AF_UNIX)
		return;
	if (!is_any(&l->address)) {
		add(o->addresses, &o->n_addresses, l->address.family, l->address.bytes);
		return;
	}
	for (size_t i = 0; i < r->n_interfaces; i++)
		if (r->interfaces[i].family == l->address.family)
			add(o->addresses, &o->n_addresses, l->address.family, r->interfaces[i].bytes);
}

void own_learn(struct relay *r, const struct conf *c)
{
	struct own *o = &r->own;

	*o = (struct own){ .names[0] = c->hostname, .n_names = 1 };
	for (size_t i = 0; i < c->n_sources; i++)
		if (c->sources[i].helo.n)
			o->names[o->n_names++] = c->sources[i].helo;
	for (size_t i = 0; i < c->n_listeners; i++)
		add_listener(r, &c->listeners[i]);
}
