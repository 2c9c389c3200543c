/* mail/envelope.h - IMAP ENVELOPE of a header (RFC 9051 7.5.2). */
#ifndef SALLYPORT_MAIL_ENVELOPE_H
#define SALLYPORT_MAIL_ENVELOPE_H

#include "base/buf.h"

/* What an envelope without any field looks like. */
#define MAIL_ENVELOPE_EMPTY STR("(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)")

/* Adds the envelope, from "(" to ")", in at most size_max bytes (and never less than the empty one): address lists are cut
 * behind a whole address and long strings shortened where it would be more. */
void mail_envelope_add(struct str header, size_t size_max, struct buf *out);

#endif
