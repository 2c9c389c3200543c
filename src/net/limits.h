/* net/limits.h - what one address has used: connections now, and counts in a sliding window. IPv6 counts by /64.
 *
 * Windows are two halves: the present and the previous one, weighted by how much of it still lies in the window.
 */
#ifndef SALLYPORT_NET_LIMITS_H
#define SALLYPORT_NET_LIMITS_H

#include "base/map.h"
#include "base/str.h"

enum limit_rate { LIMIT_CONNECTIONS, LIMIT_LETTERS, LIMIT_RATE_COUNT };

struct limits {
	struct map by_address;
	uint32_t n_connections; /* of all addresses */
};

void limits_init(struct limits *l);
void limits_fini(struct limits *l);

/* address: canonical text. Takes a place for a connection: false when the total, the address's or the rate's bound is met (nothing
 * is taken then). A bound of 0 is none. */
struct limit_bounds {
	uint32_t total_max, per_address_max, rate_max; /* rate: connections an address a minute */
};
bool limits_enter(struct limits *l, struct str address, const struct limit_bounds *bounds, int64_t now_ms);
void limits_leave(struct limits *l, struct str address);

/* Counts one event of the address in a window of window_ms. False: it would be more than max (0: none) and is not counted. */
bool limits_count(struct limits *l, struct str address, enum limit_rate what, uint32_t max, int64_t window_ms, int64_t now_ms);
/* Asks without counting. */
bool limits_over(struct limits *l, struct str address, enum limit_rate what, uint32_t max, int64_t window_ms, int64_t now_ms);
/* Nobody of the network (as auth/network.h writes it: an IPv4 address, an IPv6 /64) is let in until then; 0: at once. */
void limits_ban(struct limits *l, struct str network, int64_t until_ms);
bool limits_banned(struct limits *l, struct str address, int64_t now_ms);
/* Forgets addresses with no connection and no event in the last hour; call it every few minutes. */
void limits_forget(struct limits *l, int64_t now_ms);

#endif
