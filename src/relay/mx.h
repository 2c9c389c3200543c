/* relay/mx.h - what DNS says of the way to a domain: its hosts (RFC 5321 5.1, 7505, 7672 2.2), and their addresses. */
#ifndef SALLYPORT_RELAY_MX_H
#define SALLYPORT_RELAY_MX_H

#include "base/outcome.h"
#include "co/sched.h"
#include "conf/conf.h"
#include "dns/answer.h"
#include "relay/address.h"
#include "relay/said.h"

#define MX_HOSTS_MAX 10	     /* tried in one attempt: the best by preference */
#define MX_SPELLING_MAX (MX_HOSTS_MAX * 256 + 16)
#define OWN_ADDRESSES_MAX 64 /* of this machine that are known */

/* Asks DNS. */
struct resolver {
	SUSPENDS void (*ask)(void *ctx, struct str name, enum dns_type type, struct arena *a, struct dns_answer *out);
	void *ctx;
	struct sched *sched;
};

/* What we are: a way that leads to us is a loop. */
struct own {
	struct str names[CONF_SOURCES_MAX + 1];
	size_t n_names;
	struct address addresses[OWN_ADDRESSES_MAX];
	size_t n_addresses;
};
bool own_has_name(const struct own *o, struct str name);
bool own_has_address(const struct own *o, const struct address *a);

struct mx_host {
	struct str name; /* lower case, without final dot */
	uint16_t preference;
};
struct mx {
	struct mx_host hosts[MX_HOSTS_MAX]; /* in the order in which they are tried */
	size_t n;
	struct str spelling; /* of the hosts and their order, before any is left to chance: the same for whoever has the same */
	uint32_t ttl_s;	     /* of the answer */
	bool implicit; /* there is no MX: the domain itself is the host */
	bool secure;   /* the answer that says so was */
};
/* False: said tells why not. seed: of the order of hosts of the same preference. */
SUSPENDS bool mx_find(const struct resolver *r, struct str domain, const struct own *own, uint64_t *seed, struct arena *a, struct mx *out,
	struct said *said) MUST_USE;

struct mx_addresses_ask {
	struct str name; /* or an address */
	uint16_t port;
	bool v4, v6;	 /* families that we can leave from */
	bool any;	 /* private addresses too; without, a host that has no others cannot be reached */
};
struct mx_addresses {
	struct address v[ADDRESSES_MAX];
	size_t n;
	bool secure;	     /* all answers that were used were */
	struct str expanded; /* where CNAMEs have led to; the name without any */
};
/* Both families are asked about at once. False: there is no address to go to, and said tells why. */
SUSPENDS bool mx_addresses_find(const struct resolver *r, const struct mx_addresses_ask *ask, struct arena *a, struct mx_addresses *out,
	struct said *said) MUST_USE;

#endif
