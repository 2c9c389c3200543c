/* mail/nfc.h - text in the one composed form that names are kept in (Unicode NFC; RFC 5198 3: Net-Unicode). */
#ifndef SALLYPORT_MAIL_NFC_H
#define SALLYPORT_MAIL_NFC_H

#include "base/buf.h"

#define MAIL_NFC_MAX 2048 /* bytes that are taken at once: normalization sorts combining marks, in quadratic time */

/* Adds the composed form of well-formed UTF-8. False, and out as it was: not well formed, too long, or no room for it.
 * Calls ICU: not on a task's small stack (sched_call). */
bool mail_nfc(struct str text, struct buf *out) __attribute__((warn_unused_result));

#endif
