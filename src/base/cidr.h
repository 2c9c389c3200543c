/* base/cidr.h - networks as "10.0.0.0/8" or "2001:db8::/32", and whether an address lies in one. */
#ifndef SALLYPORT_BASE_CIDR_H
#define SALLYPORT_BASE_CIDR_H

#include "base/buf.h"
#include "base/str.h"

#define CIDR_TEXT_MAX 50
#define CIDR_TEXT_SIZE (CIDR_TEXT_MAX + 1)

struct cidr {
	bool v6;
	uint8_t bits;      /* 0 to 32, or to 128 */
	uint8_t bytes[16]; /* network order, the bits behind the prefix zero; the first 4 for IPv4 */
};

/* "ADDRESS/BITS", or an address alone for a network of one. NULL: out is filled. Else what is wrong, to be put behind the text:
 * "is not a network ...". IPv4 written as ::ffff:1.2.3.4 becomes IPv4. */
const char *cidr_parse(struct str text, struct cidr *out);
void cidr_show(const struct cidr *c, struct buf *out); /* at most CIDR_TEXT_MAX bytes, which parse back to the same */
/* ip: the text of an address, IPv4-mapped IPv6 counting as IPv4. Text that is no address is in no network. */
bool cidr_has(const struct cidr *c, struct str ip);
bool cidr_any_has(const struct cidr *list, size_t n, struct str ip);
void cidr_text(const struct cidr *c, char out[CIDR_TEXT_SIZE]); /* the same, as a C string */
/* A list with commas between; an empty one has every address. */
bool cidr_list_has(struct str list, struct str ip);
/* What counts as one peer: the address itself, or of IPv6 its /64. False: it is no address. */
bool cidr_of_peer(struct str ip, struct cidr *out);
bool cidr_is_loopback(const struct cidr *c); /* all of it lies in 127.0.0.0/8 or is ::1 */

#endif
