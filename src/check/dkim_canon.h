/* check/dkim_canon.h - what of a letter DKIM and ARC signatures cover, in the form that is hashed (RFC 6376 3.4).
 *
 * Lines end in CRLF; a CR or LF alone is a byte like any other. Pieces come in order and are views of what was given, or
 * of literals.
 */
#ifndef SALLYPORT_CHECK_DKIM_CANON_H
#define SALLYPORT_CHECK_DKIM_CANON_H

#include "base/str.h"

typedef void dkim_add_fn(void *ctx, struct str piece);

/* 3.4.4: white space becomes one space, none is left at the ends of lines, empty lines at the end go. Nothing is left of a body that is
 * empty so. */
void dkim_body_relaxed(struct str body, dkim_add_fn *add, void *ctx);
/* 3.4.3: empty lines at the end become one line end, which an empty body has too. */
void dkim_body_simple(struct str body, dkim_add_fn *add, void *ctx);

/* One field, as it stands in a header, with or without its last line end; without one comes out (3.4.2, 3.4.1). */
void dkim_field_relaxed(struct str field, dkim_add_fn *add, void *ctx);
void dkim_field_simple(struct str field, dkim_add_fn *add, void *ctx);

#endif
