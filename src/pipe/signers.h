/* pipe/signers.h - which keys of ours sign letters now, inside pipe/ only.
 *
 * A key signs once its record has been seen in DNS, and as long as DNS does not say otherwise: a record that cannot be asked for changes
 * nothing, and while none could be asked for since the start the oldest keys sign. Of several published keys of a domain the newest of each
 * algorithm signs, so that keys are exchanged by publishing new ones.
 */
#ifndef SALLYPORT_PIPE_SIGNERS_H
#define SALLYPORT_PIPE_SIGNERS_H

#include "base/arena.h"
#include "base/log.h"
#include "check/dkim_sign.h"
#include "co/sched.h"
#include "conf/conf.h"
#include "ipc/peer.h"

#define SIGNERS_OF_DOMAIN_MAX DKIM_ALGORITHM_COUNT

struct signers;
struct signers_opts {
	struct sched *sched;
	struct log *log;
	const struct conf *conf;   /* borrowed, see signers_configure */
	struct link *keys, *relay; /* they outlive the signers; relay asks DNS. keys NULL: there are none, and nothing is signed */
};
/* Starts the task that keeps the list. */
struct signers *signers_new(const struct signers_opts *o);
void signers_configure(struct signers *s, const struct conf *conf);
void signers_changed(struct signers *s); /* keys has others now */

/* Whether there is any key, or it is not known yet. */
bool signers_any(const struct signers *s);

/* Whose signatures letters of this domain (in A-labels, lower case) get, the views in the arena. Returns how many. Suspends, for some seconds
 * at most, only where nothing is known of the domain's keys yet or what is known is of another day. */
SUSPENDS size_t signers_of(struct signers *s, struct str domain, struct arena *a, struct dkim_signer out[SIGNERS_OF_DOMAIN_MAX]);

/* For commands, in the order of domains and age: a page of keys from *at on, of one domain or of all (empty), after DNS has been asked about
 * them. At most n_max lines. Returns how many; *at moves on, and is 0 at the end. */
SUSPENDS size_t signers_lines(struct signers *s, struct str domain, uint32_t *at, struct arena *a, struct str *lines, size_t n_max);

void signers_stop(struct signers *s);
bool signers_stopped(const struct signers *s);
void signers_free(struct signers *s); /* only when stopped */

#endif
