/* mail/imap_form.h - strings as IMAP writes them (RFC 9051 4.3, 9). */
#ifndef SALLYPORT_MAIL_IMAP_FORM_H
#define SALLYPORT_MAIL_IMAP_FORM_H

#include "base/buf.h"

/* string: quoted when every byte is 7-bit and printable, else a literal "{n}\r\n..."; NUL becomes '?', which a literal cannot
 * hold. */
void mail_imap_string_add(struct buf *out, struct str s);
/* nstring: NIL for a view without bytes and without a pointer (p NULL). */
void mail_imap_nstring_add(struct buf *out, struct str s);
/* nstring of a header value: NIL when p is NULL, else unfolded and trimmed, at most size_max bytes of it. */
void mail_imap_value_add(struct buf *out, struct str value, size_t size_max);

#endif
