/* relay/dane.h - the TLSA records of a host that letters go to (RFC 7672 2.2; RFC 7671 7, 10), inside relay/. */
#ifndef SALLYPORT_RELAY_DANE_H
#define SALLYPORT_RELAY_DANE_H

#include "relay/lock.h"

enum dane_found {
	DANE_NONE,     /* no records, or none that are secure: DANE has nothing to say */
	DANE_USABLE,   /* the certificate must fit one of them */
	DANE_UNUSABLE, /* there are some, so there is TLS; but none that a certificate could be held against (RFC 7672 2.2) */
	DANE_FAILED,   /* nobody knows whether there are any: the host is not to be used */
};

struct dane {
	enum dane_found found;
	struct str base; /* TLSA base domain: the name for SNI and for usage 2; NUL-terminated */
	struct tls_tlsa *v; /* usable ones */
	size_t n;
	struct str text; /* all of them as RFC 8460 4.4 wants, or what failed */
};

/* Views of out are in the arena. */
SUSPENDS void dane_find(struct locks *l, const struct lock_host_ask *ask, struct arena *a, struct dane *out);

#endif
