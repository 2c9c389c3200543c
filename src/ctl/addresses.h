/* ctl/addresses.h - the addresses of this machine's interfaces. */
#ifndef SALLYPORT_CTL_ADDRESSES_H
#define SALLYPORT_CTL_ADDRESSES_H

#include "conf/conf.h"

#define OWN_ADDRESSES_MAX 32

struct own_addresses {
	struct conf_address v[OWN_ADDRESSES_MAX];
	size_t n;
};

/* Those that others can be given: neither loopback nor link-local nor multicast. */
void own_addresses(struct own_addresses *out);
/* May be reached from the whole Internet, as far as its number says (RFC 6890; documentation networks count as public, for tests and examples). */
bool address_is_public(const struct conf_address *a);
bool address_is_any(const struct conf_address *a); /* 0.0.0.0, :: */
bool address_parse(struct str s, struct conf_address *out);
bool address_eq(const struct conf_address *a, const struct conf_address *b);

#endif
