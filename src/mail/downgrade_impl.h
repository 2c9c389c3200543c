/* mail/downgrade_impl.h - downgrade.h and what its files share. */
#ifndef SALLYPORT_MAIL_DOWNGRADE_IMPL_H
#define SALLYPORT_MAIL_DOWNGRADE_IMPL_H

#include "mail/downgrade.h"

#include "mail/header.h"

/* ---- downgrade_head.c */

/* Adds a field that holds 8-bit bytes in ASCII, its line end included. ADDRESS, FIELD: it has no such form, and nothing was added. */
enum mail_downgrade_end mail_downgrade_field(const struct mail_field *f, struct buf *out) __attribute__((warn_unused_result));

/* ---- downgrade_code.c: pieces of bodies. Each takes bytes of text from at on, adds what they become to out, and gives where it ended */

size_t mail_downgrade_qp(struct str text, size_t at, bool binary, uint32_t *column, struct buf *out);
size_t mail_downgrade_base64(struct str text, size_t at, struct buf *out);
/* Text that says it is encoded already and holds what may not be there. */
size_t mail_downgrade_qp_again(struct str text, size_t at, uint32_t *column, struct buf *out);
size_t mail_downgrade_base64_again(struct str text, size_t at, uint32_t *column, struct buf *out);
/* What stands around parts and nobody reads: 8-bit bytes and NUL become '?'. */
size_t mail_downgrade_clean(struct str text, size_t at, struct buf *out);

#define MAIL_DOWNGRADE_BLOCK ((size_t)22800) /* bytes taken at once: lines of 57 for base64 */

#endif
