/* auth/network.h - networks in CIDR notation (RFC 4632, RFC 4291 2.3), and whether an address lies in one. */
#ifndef SALLYPORT_AUTH_NETWORK_H
#define SALLYPORT_AUTH_NETWORK_H

#include "base/str.h"

#define NETWORK_TEXT_SIZE 50

struct network {
	int family; /* AF_INET or AF_INET6 */
	unsigned char bytes[16];
	unsigned n_bits;
};

/* "192.0.2.0/24", "2001:db8::/32", or an address alone. False: it is none, or has bits set behind the prefix. IPv4 mapped into IPv6 is IPv4. */
bool network_parse(struct str text, struct network *out);
void network_text(const struct network *n, char out[NETWORK_TEXT_SIZE]); /* always with the prefix's length */
bool network_has(const struct network *n, struct str address);
/* Whether the address lies in one of a list with commas between; an empty list has them all. */
bool networks_have(struct str list, struct str address);
/* What counts as one peer: the address itself, or of IPv6 its /64. False: it is no address. */
bool network_of_peer(struct str address, struct network *out);

#endif
