/* ctl/addresses.c - the addresses of this machine. See the header. */
#include "ctl/addresses.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <string.h>

struct network {
	int family;
	uint8_t bytes[16];
	unsigned bits;
};

/* Nobody outside can send to these. */
static const struct network private[] = {
	{ AF_INET, { 10 }, 8 }, { AF_INET, { 172, 16 }, 12 }, { AF_INET, { 192, 168 }, 16 }, { AF_INET, { 100, 64 }, 10 }, { AF_INET, { 0 }, 8 },
	{ AF_INET, { 127 }, 8 }, { AF_INET, { 169, 254 }, 16 }, { AF_INET, { 224 }, 3 }, { AF_INET6, { 0xfc }, 7 }, { AF_INET6, { 0xfe, 0x80 }, 10 },
	{ AF_INET6, { 0xff }, 8 }, { AF_INET6, { 0 }, 8 },
};
static const struct network local[] = {
	{ AF_INET, { 127 }, 8 }, { AF_INET, { 169, 254 }, 16 }, { AF_INET6, { 0xfe, 0x80 }, 10 }, { AF_INET6, { [15] = 1 }, 128 },
};

static bool is_in(const struct conf_address *a, const struct network *n)
{
	unsigned whole = n->bits / 8, rest = n->bits % 8;

	return a->family == n->family && memcmp(a->bytes, n->bytes, whole) == 0 &&
		(rest == 0 || ((a->bytes[whole] ^ n->bytes[whole]) >> (8 - rest)) == 0);
}

bool address_is_public(const struct conf_address *a)
{
	for (size_t i = 0; i < sizeof private / sizeof *private; i++)
		if (is_in(a, &private[i]))
			return false;
	return true;
}

bool address_is_any(const struct conf_address *a)
{
	static const uint8_t zero[16];

	return memcmp(a->bytes, zero, a->family == AF_INET ? 4 : 16) == 0;
}

bool address_eq(const struct conf_address *a, const struct conf_address *b)
{
	return a->family == b->family && memcmp(a->bytes, b->bytes, a->family == AF_INET ? 4 : 16) == 0;
}

bool address_parse(struct str s, struct conf_address *out)
{
	char z[INET6_ADDRSTRLEN] = "";

	if (s.n == 0 || s.n >= sizeof z)
		return false;
	memcpy(z, s.p, s.n);
	*out = (struct conf_address){ .family = str_find(s, ':') >= 0 ? AF_INET6 : AF_INET };
	if (inet_pton(out->family, z, out->bytes) != 1)
		return false;
	inet_ntop(out->family, out->bytes, out->text, sizeof out->text);
	return true;
}

static bool of_interface(const struct ifaddrs *i, struct conf_address *out)
{
	if (!i->ifa_addr || !(i->ifa_flags & IFF_UP))
		return false;
	*out = (struct conf_address){ .family = i->ifa_addr->sa_family };
	if (out->family == AF_INET)
		memcpy(out->bytes, &((const struct sockaddr_in *)(const void *)i->ifa_addr)->sin_addr, 4);
	else if (out->family == AF_INET6)
		memcpy(out->bytes, &((const struct sockaddr_in6 *)(const void *)i->ifa_addr)->sin6_addr, 16);
	else
		return false;
	inet_ntop(out->family, out->bytes, out->text, sizeof out->text);
	for (size_t k = 0; k < sizeof local / sizeof *local; k++)
		if (is_in(out, &local[k]))
			return false;
	return true;
}

void own_addresses(struct own_addresses *out)
{
	struct ifaddrs *all;

	out->n = 0;
	if (getifaddrs(&all) != 0)
		return;
	for (const struct ifaddrs *i = all; i && out->n < OWN_ADDRESSES_MAX; i = i->ifa_next)
		if (of_interface(i, &out->v[out->n]))
			out->n++;
	freeifaddrs(all);
}
