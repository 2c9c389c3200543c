/* net/sasl.h - one SASL exchange (RFC 4422) of a session, the same for SMTP, IMAP and POP: they differ in how a line is asked for. */
#ifndef SALLYPORT_NET_SASL_H
#define SALLYPORT_NET_SASL_H

#include "net/door.h"

#define SASL_RESPONSE_MAX 2048 /* decoded; two names and a password, or a message of SCRAM */

struct sasl_wire {
	void *ctx;
	/* Sends a challenge (base64, may be empty), reads the response into line without its end. OK; BAD_SYNTAX: no line that can be taken;
	 * FAILED: the stream ended. */
	SUSPENDS enum outcome (*ask)(void *ctx, struct str challenge, struct buf *line);
};

/* What is announced on this connection now, strongest first, with `before` in front of each; nothing where no password may be sent. */
void sasl_announce(const struct door *d, const char *before, struct buf *out);
/* initial: the response that came with the command, in base64 ("=" is an empty one, RFC 4954 4), or NULL; it is wiped. OK: d->account is logged in; DENIED,
 * OVER_LIMIT, TRY_LATER as door_login; NO_SUCH: no such mechanism here; BAD_SYNTAX: no base64, or not what the mechanism says; BAD_STATE: the client
 * cancelled ("*"); REVOKED: wire's BAD_SYNTAX; FAILED: wire's. */
SUSPENDS enum outcome sasl_run(struct door *d, struct str mechanism, const struct str *initial, const struct sasl_wire *w) MUST_USE;
/* [authzid] NUL authcid NUL passwd (RFC 4616 2), where nobody acts for somebody else. BAD_SYNTAX, DENIED. Views into message. */
enum outcome sasl_plain_parse(struct str message, struct str *user, struct str *secret) MUST_USE;

#endif
