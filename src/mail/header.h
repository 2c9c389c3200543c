/* mail/header.h - the fields of a header, as views (RFC 5322 2.2, 3.6.8, 4.5.8).
 *
 * A header is lines up to the first empty one; CRLF and bare LF both end a line. Any bytes can be walked: what is no
 * field (a line without a colon, "From " of an mbox, a continuation of nothing) comes as a field with an empty name.
 */
#ifndef SALLYPORT_MAIL_HEADER_H
#define SALLYPORT_MAIL_HEADER_H

#include "base/buf.h"

struct mail_header {
	struct str bytes;
	size_t at; /* next field, or the empty line that ended the walk, or bytes.n */
};

struct mail_field {
	struct str name;  /* without the colon and blanks before it; empty when the line is no field */
	struct str value; /* what follows the colon, as found: folded, without the last line end */
	size_t at;	  /* offset of the field in the bytes */
	size_t n;	  /* its bytes, the last line end included */
};

/* bytes: a header, or a letter or part that begins with one. */
struct mail_header mail_header_of(struct str bytes);
/* False at the empty line or the end. */
bool mail_header_next(struct mail_header *h, struct mail_field *f);
/* Offset behind the header and the empty line that ends it; bytes.n when no line is empty. */
size_t mail_header_size(struct str bytes);
/* The first field of that name (ASCII case folded); false when there is none. */
bool mail_header_find(struct str bytes, struct str name, struct mail_field *f);
/* Its value without white space at both ends, or the empty view. */
struct str mail_header_value(struct str bytes, struct str name);

/* What IMAP's BODY[HEADER.FIELDS (names)] gives, with except BODY[HEADER.FIELDS.NOT (names)] (RFC 9051 6.4.5.1): the fields
 * as found, in their order, and an empty line. Lines that are no field belong to the second form. */
void mail_header_pick(struct str bytes, const struct str *names, size_t n_names, bool except, struct buf *out);

/* Adds value unfolded: white space with a line end in it becomes one space (RFC 5322 2.2.3 would keep what software added to fold),
 * none is left at both ends, NUL becomes '?'. */
void mail_header_unfold(struct str value, struct buf *out);

#endif
