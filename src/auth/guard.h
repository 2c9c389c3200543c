/* auth/guard.h - failed logins by address and by login: delays that grow, and bans that pass.
 *
 * Tries under way count as failures until they have ended, so trying in parallel gains nothing: a try beyond the bound waits for those
 * before it. A ban of a login does not hold for networks from which that login has succeeded before, so that a stranger's guesses do
 * not lock the owner out. An address is its cidr_of_peer(). Tables are bounded: what was touched longest ago is forgotten first.
 */
#ifndef SALLYPORT_AUTH_GUARD_H
#define SALLYPORT_AUTH_GUARD_H

#include "base/cidr.h"
#include "base/list.h"
#include "base/map.h"
#include "base/outcome.h"
#include "co/sched.h"

#define GUARD_ENTRIES_MAX 100000
#define GUARD_GOOD_MAX 8 /* networks remembered of a login */

struct guard_rules {
	uint32_t address_max, login_max; /* failures in a window; 0: any */
	int64_t window_ms, ban_ms, delay_ms, delay_max_ms;
};

struct guard {
	struct sched *sched;
	struct guard_rules rules;
	struct map entries;
	struct node lru; /* the longest untouched first */
	size_t n, n_max;
	struct gate moved; /* opens when a try ends */
	/* An address, or with n NULL a login, is banned for so long; an address with 0 not any more. what: its text; a login's is anybody's. */
	void (*on_ban)(void *ctx, const struct cidr *n, struct str what, int64_t ms);
	void *ctx;
};

struct guard_entry;
struct guard_try {
	struct guard_entry *address, *login; /* login NULL: it is not counted, its address being known to it */
	struct cidr network;
	struct str user;
};

void guard_init(struct guard *g, struct sched *s, const struct guard_rules *r);
void guard_fini(struct guard *g);
/* Before a secret is looked at. OVER_LIMIT: banned; TRY_LATER: too many tries of it are under way. user is borrowed until guard_leave. */
SUSPENDS enum outcome guard_enter(struct guard *g, struct str address, struct str user, struct guard_try *t) MUST_USE;
/* After it: OK and DENIED count. Returns how long after its beginning a refusal is to be answered, ms. */
int64_t guard_leave(struct guard *g, struct guard_try *t, enum outcome o);
/* Bans now, in no order: of networks, and of logins, which may be called like a network. Stops when each returns false. */
void guard_bans(struct guard *g, bool (*each)(void *arg, bool is_network, const char *what, int64_t left_ms), void *arg);
/* what: an address, a network as listed, or a login. False: there was no ban of it. */
bool guard_lift(struct guard *g, struct str what);

#endif
