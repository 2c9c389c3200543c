/* mail/xtext.h - how delivery status parameters travel in SMTP commands (RFC 3461 4, RFC 6533 3).
 *
 * Within the server an envelope id and an original recipient are plain text: "rfc822;a+b@example.org", "utf-8;jörg@example.org".
 */
#ifndef SALLYPORT_MAIL_XTEXT_H
#define SALLYPORT_MAIL_XTEXT_H

#include "base/buf.h"

#define MAIL_ENVID_MAX 100 /* octets as they travel (RFC 3461 4.4) */
#define MAIL_ORCPT_MAX 500 /* (4.2) */

/* xtext, decoded: what it stands for is printable ASCII and blanks. Adds nothing when it is false. */
bool mail_xtext_decode(struct str s, struct buf *out) __attribute__((warn_unused_result));
/* Any bytes as xtext. */
void mail_xtext_encode(struct str s, struct buf *out);

/* The value of ORCPT: addr-type ";" address. Type utf-8 has "\x{9A}" for characters, or in SMTPUTF8 sessions (utf8) the characters
 * themselves; other types are xtext. What comes out has no control characters and is well-formed UTF-8, ASCII but for utf-8. */
bool mail_orcpt_decode(struct str value, bool utf8, struct buf *out) __attribute__((warn_unused_result));
/* The way back. utf8: the other side has said SMTPUTF8, so that characters may stand for themselves. May pass MAIL_ORCPT_MAX: the caller looks. */
void mail_orcpt_encode(struct str orcpt, bool utf8, struct buf *out);
/* "rfc822;a@b" or "utf-8;..." cut at the semicolon; false when there is none. */
bool mail_orcpt_cut(struct str orcpt, struct str *type, struct str *address);

#endif
