/* relay/dial.h - a connection to one of several addresses of a host, whichever answers first (in the manner of RFC 8305). */
#ifndef SALLYPORT_RELAY_DIAL_H
#define SALLYPORT_RELAY_DIAL_H

#include "base/outcome.h"
#include "co/sched.h"
#include "conf/conf.h"
#include "relay/address.h"

#define DIAL_AT_ONCE 4	   /* connections being made at the same time */
#define DIAL_HEAD_START_MS 250 /* of one before the next is begun (RFC 8305 5) */

struct dial {
	struct sched *sched;
	struct bad *bad;
	const struct conf_source *source; /* NULL: the system chooses */
	int64_t timeout_ms;		  /* for each */
};
struct dialled {
	int fd;		 /* connected and non-blocking; the caller's */
	size_t at;	 /* which */
	char source[46]; /* our address */
	char why[200];	 /* when there is none: what became of the last */
};
/* Tries those of v that are not in used (bits by index), and marks there what has been tried: also the one that answers, so that calling again goes on with
 * the others. n <= ADDRESSES_MAX. False: none answers, or the task was stopped. */
SUSPENDS bool dial(const struct dial *d, const struct address *v, size_t n, unsigned *used, struct dialled *out) MUST_USE;

#endif
