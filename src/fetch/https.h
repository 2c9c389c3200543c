/* fetch/https.h - one HTTPS request to a server whose addresses are known, through libcurl on a scheduler.
 *
 * The certificate must be for the host's name (RFC 9525) and lead to the authorities given. Nothing is followed, resolved, kept or sent besides: no
 * redirects, proxies, cookies, logins, names.
 */
#ifndef SALLYPORT_FETCH_HTTPS_H
#define SALLYPORT_FETCH_HTTPS_H

#include "base/arena.h"
#include "base/buf.h"
#include "co/sched.h"
#include "net/tls_client.h"

#define HTTPS_HEADERS_MAX 32768 /* bytes of an answer's header; more is no answer */
#define HTTPS_AT_ONCE_MAX 50	/* requests; more are to come later */

struct https;
/* Loads what libcurl needs from files: before the walls close. authorities: borrowed. */
struct https *https_open(struct sched *s, const struct tls_authorities *authorities);
void https_close(struct https *h); /* no request may be on its way */

struct https_request {
	struct str host;
	uint16_t port;
	struct str path; /* begins with '/'; visible ASCII without spaces */
	const struct str *addresses;
	size_t n_addresses; /* at least one */
	const char *content_type; /* of a POST; NULL: GET */
	struct str body;
	size_t size_max; /* of the answer; a larger one is none */
	int64_t timeout_ms; /* for all of it */
};
struct https_answer {
	unsigned status;      /* 0: there was none, why */
	bool certificate_bad; /* and that was why */
	char why[256];
	char content_type[200];
	struct buf bytes; /* initialised by https_ask, the caller's to end */
};
/* OK: out says what came. TRY_LATER: too many at once. BAD_SYNTAX: no such request can be made. */
SUSPENDS enum outcome https_ask(struct https *h, const struct https_request *r, struct https_answer *out) MUST_USE;

#endif
