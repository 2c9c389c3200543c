/* mail/utf8.h - UTF-8 as RFC 3629 has it: no surrogates, no overlong forms, up to U+10FFFF. */
#ifndef SALLYPORT_MAIL_UTF8_H
#define SALLYPORT_MAIL_UTF8_H

#include "base/buf.h"

/* Length of the sequence at the start of s (not empty), or 0 when it is not well formed. */
size_t mail_utf8_size(struct str s);
/* Bytes before the first that is not well formed; s.n when all is. */
size_t mail_utf8_prefix(struct str s);
bool mail_utf8_ok(struct str s);
/* No byte above 0x7f. */
bool mail_ascii_ok(struct str s);
/* The greatest length up to n at which well-formed s may be cut without halving a character. */
size_t mail_utf8_cut(struct str s, size_t n);
/* Adds what fits of well-formed s; false, and out->full set, when that was not all. */
bool mail_utf8_add(struct buf *out, struct str s);

#endif
