/* relay/address.h - addresses of other servers: what may be gone to, and in which order. Pure. */
#ifndef SALLYPORT_RELAY_ADDRESS_H
#define SALLYPORT_RELAY_ADDRESS_H

#include "base/arena.h"
#include "relay/bad.h"

#include <netinet/in.h>

#define ADDRESSES_MAX 8 /* of a host; more are not looked at */

struct address {
	int family; /* AF_INET, AF_INET6 */
	uint8_t bytes[16];
	uint16_t port;
	char text[INET6_ADDRSTRLEN];
};

enum address_kind {
	ADDRESS_PUBLIC,
	ADDRESS_PRIVATE, /* of a network that is no part of the internet, or of this machine */
	ADDRESS_NO_HOST, /* of nobody in particular: unspecified, multicast, reserved */
};

bool address_make(int family, const uint8_t *bytes, uint16_t port, struct address *out);
/* The text of an address, without brackets. False: it is none. */
bool address_read(struct str text, uint16_t port, struct address *out);
enum address_kind address_kind(const struct address *a);
bool address_same(const struct address *a, const struct address *b); /* whatever the ports */
struct str address_key(const struct address *a); /* for struct bad; a view of it */
socklen_t address_socket(const struct address *a, struct sockaddr_storage *out);

/* The order of tries (RFC 8305 4, RFC 5321 5.1): families take turns, IPv6 first, by chance within one; those that are bad come last. */
void addresses_order(struct address *v, size_t n, const struct bad *bad, int64_t now_ms, uint64_t *seed);

#endif
