/* ctl/doctor_impl.h - what the files of command doctor share. */
#ifndef SALLYPORT_CTL_DOCTOR_IMPL_H
#define SALLYPORT_CTL_DOCTOR_IMPL_H

#include "ctl/host.h"
#include "ctl/probe.h"
#include "ctl/start_impl.h"

#define DOCTOR_DOMAINS_MAX 1000

struct doctor {
	struct sched *sched;
	const struct conf *conf;
	struct arena arena;  /* as long as the command */
	struct arena answers; /* of one check */
	struct report report;
	struct dns *dns;
	struct own_addresses own;
	struct own_addresses outside; /* of the hostname, by DNS: where others connect to */
	struct str domains[DOCTOR_DOMAINS_MAX];
	size_t n_domains;
	struct str to; /* a domain whose servers are to be reached; empty: none */
	bool can_ask; /* the resolver answers */
	int64_t timeout_ms;
};

/* doctor_dns.c */
SUSPENDS void doctor_find_outside(struct doctor *d);
SUSPENDS void doctor_check_domain(struct doctor *d, struct str domain);
SUSPENDS void doctor_check_blocklists(struct doctor *d);

/* doctor_doors.c */
void doctor_check_certificate(struct doctor *d);
SUSPENDS void doctor_check_doors(struct doctor *d);  /* what they show, and what they say */
SUSPENDS void doctor_check_relay(struct doctor *d);
SUSPENDS void doctor_check_outside(struct doctor *d); /* the doors at the addresses that others use */

/* doctor_send.c */
SUSPENDS void doctor_check_sources(struct doctor *d);
SUSPENDS void doctor_check_reach(struct doctor *d); /* the servers for d->to, as a letter would find them */
void doctor_check_queue(struct doctor *d, struct client *client);

/* doctor_spf.c: is the address one that the domain's SPF record lets send? Bounded as RFC 7208 4.6.4 says. */
enum spf_found { SPF_LISTED, SPF_NOT_LISTED, SPF_ANYBODY, SPF_NO_RECORD, SPF_TWO_RECORDS, SPF_TOO_MANY, SPF_UNKNOWN };
SUSPENDS enum spf_found doctor_spf(struct dns *dns, struct str domain, const struct conf_address *address, struct arena *a);

#endif
