/* relay/target.h - where a letter for a destination goes, as far as the configuration says it. Pure. */
#ifndef SALLYPORT_RELAY_TARGET_H
#define SALLYPORT_RELAY_TARGET_H

#include "base/arena.h"
#include "conf/conf.h"

struct target_ask {
	struct str domain; /* of the recipients: A-labels, lower case; an address literal with its brackets */
	struct str route;  /* of a reroute, as conf_hop_parse reads it; empty: none */
	uint16_t source;   /* 0: the system chooses; else the index of the source and 1 */
	bool require_tls, tls_optional;
	struct str hosts;  /* of whoever has the same hosts, when connections to them are shared; else empty */
	bool secure;	   /* that they are the domain's is */
};

/* Views are in the arena or of the configuration. */
struct target {
	struct str domain;
	const struct conf_hop *hops; /* at least one, tried in this order */
	size_t n_hops;
	bool chosen;		     /* by our operator: hops may be any address, ours too, and what DNS does not know may come to be known */
	const struct conf_route *route; /* whose login and TLS count; NULL: none */
	enum conf_route_protocol protocol;
	enum conf_route_tls tls;
	bool implicit_tls;
	const struct conf_source *source; /* NULL: the system chooses */
	struct str helo;
	struct str key;	       /* connections made for one target serve all others of the same key */
	struct str shared_key; /* the same for all domains with these hosts; empty: none are shared */
};

/* False: the route, or an address literal, cannot be read. */
bool target_make(const struct conf *c, const struct target_ask *ask, struct arena *a, struct target *out);

#endif
