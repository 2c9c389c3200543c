/* net/proxy.h - the header of the PROXY protocol, versions 1 and 2 (haproxy's doc/proxy-protocol.txt). Pure: bytes in, facts out.
 *
 * The bytes behind a header belong to what follows (often TLS), so nothing may be read past its end: the parser says how many
 * bytes are certainly still of the header.
 */
#ifndef SALLYPORT_NET_PROXY_H
#define SALLYPORT_NET_PROXY_H

#include "base/str.h"

#define PROXY_V1_MAX 107   /* with its CRLF, 2.1 */
#define PROXY_V2_FIXED 16

struct proxy {
	bool told;      /* addresses below are; else the connection's own count (LOCAL, UNKNOWN, AF_UNSPEC, AF_UNIX) */
	char ip[46];    /* the client's, canonical; IPv4-mapped IPv6 as IPv4 */
	uint16_t port;
	char local_ip[46];
	uint16_t local_port;
};

enum proxy_result {
	PROXY_DONE,
	PROXY_MORE, /* *need more bytes, at least one, belong to the header */
	PROXY_BAD,  /* not a header, or one that lies */
};

/* head: all bytes of the header so far. v2_max: bytes of a version 2 header at most, TLVs included. */
enum proxy_result proxy_parse(struct str head, size_t v2_max, struct proxy *out, size_t *need);

#endif
