/* mail/fold.h - text made comparable for search: case, width and composition do not matter (Unicode NFKC_Casefold, which is what
 * i;unicode-casemap of RFC 5051 is after, and keeps accents). */
#ifndef SALLYPORT_MAIL_FOLD_H
#define SALLYPORT_MAIL_FOLD_H

#include "base/buf.h"

/* Adds the folded form of UTF-8 text; what is not well formed becomes U+FFFD. ASCII costs a fraction of a nanosecond a byte.
 * When out is full, what was added before stays and out->full is set. */
void mail_fold(struct str text, struct buf *out);

/* Whether the one holds the other, both folded; an empty needle is in everything. */
bool mail_folded_contains(struct str hay, struct str needle);

#endif
