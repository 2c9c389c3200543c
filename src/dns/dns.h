/* dns/dns.h - questions to the resolvers, on a scheduler.
 *
 * c-ares carries packets (ids, retries, the next server, TCP for what does not fit); what they say is read by dns/answer.
 */
#ifndef SALLYPORT_DNS_DNS_H
#define SALLYPORT_DNS_DNS_H

#include "co/sched.h"
#include "conf/conf.h"
#include "dns/answer.h"

#define DNS_PENDING_MAX 500 /* questions on the way at once; more wait for their turn, within their own time */

struct dns;
struct dns_opts {
	struct sched *sched;
	const struct conf_resolvers *resolvers; /* copied; none: those of /etc/resolv.conf, or else 127.0.0.1 */
	int64_t timeout_ms;                     /* for an answer, all tries together */
};

struct dns *dns_open(const struct dns_opts *opts);
/* Questions on the way end DNS_TIMEOUT. Its tasks end in the scheduler's next turns, and with them its memory. */
void dns_close(struct dns *d);

/* The records of a name. Views of out are in the arena. secure is set only when all resolvers are on this machine's loopback: an AD bit
 * from farther away could be anybody's (RFC 6840 5.8, RFC 7672 2.2.1). */
SUSPENDS void dns_ask(struct dns *d, struct str name, enum dns_type type, struct arena *a, struct dns_answer *out);

const struct conf_resolvers *dns_resolvers(const struct dns *d); /* those in use */
bool dns_trusts_ad(const struct dns *d);

/* Those of /etc/resolv.conf, or else 127.0.0.1: for a role that will not be able to read files later. */
void dns_system_resolvers(struct conf_resolvers *out);
/* The nameserver lines of a resolv.conf, at most CONF_RESOLVERS_MAX of them. Pure. */
void dns_resolv_conf_parse(struct str text, struct conf_resolvers *out);

#endif
