/* imap/pattern.h - LIST patterns (RFC 3501 6.3.8): pure. */
#ifndef SALLYPORT_IMAP_PATTERN_H
#define SALLYPORT_IMAP_PATTERN_H

#include "base/str.h"

#define IMAP_PATTERN_MAX 1024 /* a longer one matches nothing */

/* "*" is any run of bytes, "%" any without the separator. A first level INBOX of the name matches in any case. Time is at most the
 * product of the lengths. */
bool imap_pattern_match(struct str pattern, struct str name);

#endif
