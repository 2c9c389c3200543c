/* mail/transfer.h - undoing a transfer encoding (RFC 2045 6) a piece at a time, with the same result however the pieces are cut. */
#ifndef SALLYPORT_MAIL_TRANSFER_H
#define SALLYPORT_MAIL_TRANSFER_H

#include "base/buf.h"
#include "mail/index.h"

#define MAIL_TRANSFER_HELD 512 /* bytes that may wait for what follows: blanks at what may be a line's end, an escape that is cut */

struct mail_transfer {
	uint8_t encoding; /* enum mail_encoding; what is no encoding of bytes passes through */
	uint8_t have;	  /* base64: characters of the group so far */
	uint16_t n_held;
	uint32_t acc;
	char held[MAIL_TRANSFER_HELD];
};

void mail_transfer_init(struct mail_transfer *t, enum mail_encoding encoding);
/* Appends what is certain by now: at most in.n + MAIL_TRANSFER_HELD bytes. As tolerant as mail_base64_decode_lax and mail_qp_decode. */
void mail_transfer_add(struct mail_transfer *t, struct str in, struct buf *out);
/* The text ends here: at most MAIL_TRANSFER_HELD bytes more. */
void mail_transfer_end(struct mail_transfer *t, struct buf *out);

#endif
