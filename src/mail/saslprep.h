/* mail/saslprep.h - names and passwords as all sides compare them (SASLprep, RFC 4013). */
#ifndef SALLYPORT_MAIL_SASLPREP_H
#define SALLYPORT_MAIL_SASLPREP_H

#include "base/buf.h"

#define SASLPREP_MAX 1024 /* bytes in, and out */

/* Adds the prepared form; out has SASLPREP_MAX to spare. False, and nothing added: no UTF-8, longer than SASLPREP_MAX, or it holds what
 * RFC 4013 2.3 forbids. Printable ASCII is itself.
 * stored: characters that Unicode 3.2 did not have are refused, as for stored strings (RFC 3454 7). */
bool saslprep(struct str in, bool stored, struct buf *out) __attribute__((warn_unused_result));

#endif
