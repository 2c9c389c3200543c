/* imap/utf7.h - mailbox names on the wire: modified UTF-7 (RFC 3501 5.1.3), strict both ways. Pure. */
#ifndef SALLYPORT_IMAP_UTF7_H
#define SALLYPORT_IMAP_UTF7_H

#include "base/buf.h"

/* Appends the UTF-8 of a name as it came. False, and out as it was, for 8-bit bytes, controls, an unfinished or needless shift
 * (printable ASCII encoded, "&..-&"), wrong padding bits, lone surrogates: a name has one spelling. */
bool imap_utf7_decode(struct str wire, struct buf *out) __attribute__((warn_unused_result));
/* Appends the wire form; utf8 must be well formed (what is not becomes U+FFFD). */
void imap_utf7_encode(struct str utf8, struct buf *out);

#endif
