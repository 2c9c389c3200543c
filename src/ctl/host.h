/* ctl/host.h - findings about this machine, for quickstart and doctor. */
#ifndef SALLYPORT_CTL_HOST_H
#define SALLYPORT_CTL_HOST_H

#include "ctl/addresses.h"
#include "ctl/report.h"
#include "dns/dns.h"

void host_check_addresses(const struct own_addresses *own, struct report *r);
/* False: nothing can be looked up. Says whether the resolver checks signatures. */
SUSPENDS bool host_check_resolver(struct dns *dns, struct arena *a, struct report *r);
SUSPENDS void host_check_name(struct dns *dns, struct str hostname, const struct own_addresses *own, struct arena *a, struct report *r);
/* Each public address leads to the name, and the name back to it (RFC 1912 2.1). */
SUSPENDS void host_check_ptr(struct dns *dns, struct str hostname, const struct own_addresses *own, struct arena *a, struct report *r);
void host_check_clock(struct report *r);
/* dir may be still to be made: its nearest parent that is there counts. */
void host_check_disk(const char *dir, uint64_t reserve, struct report *r);
int host_try_bind(const struct conf_address *a, uint16_t port); /* 0 or errno */
bool dns_answer_has(const struct dns_answer *answer, const struct conf_address *a);

#endif
