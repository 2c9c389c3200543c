/* check/author.h - who a letter says has written it: the address that DMARC and signatures look at (RFC 5322 3.6.2, RFC 7489 6.6.1). */
#ifndef SALLYPORT_CHECK_AUTHOR_H
#define SALLYPORT_CHECK_AUTHOR_H

#include "base/arena.h"

/* The address of the one From field, the domain in A-labels and lower case; both in the arena. False: there is no such field or several, no address
 * in it or several, or it has no domain. */
bool check_author(struct str letter, struct arena *a, struct str *local, struct str *domain);

#endif
