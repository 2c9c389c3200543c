/* mail/downgrade.h - letters made fit for servers that take less: without 8BITMIME (RFC 6152), BINARYMIME (RFC 3030) or SMTPUTF8 (RFC 6531).
 *
 * Leaves of the MIME tree get quoted-printable or base64 (RFC 2045 6); multiparts and embedded messages never do, their leaves do. Raw 8-bit text in
 * headers becomes encoded words (RFC 2047), parameters of RFC 2231, domains in A-labels. What is decoded of the result is what was decoded of the
 * letter. Nothing that a multipart/signed signs is touched: a letter that would need it is refused (RFC 1847 2.1). A DKIM signature over what changed does not
 * hold any more.
 *
 * Pure. The plan holds views of the letter, the changed headers and one block of encoded text: memory does not grow with the bodies.
 */
#ifndef SALLYPORT_MAIL_DOWNGRADE_H
#define SALLYPORT_MAIL_DOWNGRADE_H

#include "base/vec.h"
#include "mail/mime_walk.h"

#define MAIL_LINE_MAX 998 /* RFC 5321 4.5.3.1.6: bytes of a line without its end */

enum mail_wire { MAIL_WIRE_7BIT, MAIL_WIRE_8BIT, MAIL_WIRE_BINARY };

/* What stands in a letter, in its first header and behind it. */
struct mail_octets {
	bool head_8bit, head_long;
	bool body_8bit;
	bool nul, bare, long_line; /* NUL; a CR or LF that is not of a CRLF; a line above MAIL_LINE_MAX: behind the header */
};
void mail_octets_of(struct str letter, struct mail_octets *out);

struct mail_downgrade_want {
	enum mail_wire wire; /* for bodies: what the other side takes */
	bool head_7bit;	     /* headers are to be ASCII, of embedded messages too */
	bool strict;	     /* and what cannot be made so is refused; else it stays as it is */
};

enum mail_downgrade_end {
	MAIL_DOWNGRADE_DONE,
	MAIL_DOWNGRADE_SIGNED,	 /* something signed would have to change */
	MAIL_DOWNGRADE_ENCODING, /* 8-bit bytes under an encoding nobody knows, or in a part that may have none (RFC 2046 5.2) */
	MAIL_DOWNGRADE_ADDRESS,	 /* strict: an address whose local part is not ASCII */
	MAIL_DOWNGRADE_FIELD,	 /* strict: a field that has no form in ASCII */
};

struct mail_downgrade_piece {
	uint8_t kind;
	uint64_t at; /* in the letter, or in texts */
	uint64_t size;
};

struct mail_downgrade {
	struct str letter;
	struct VEC(struct mail_downgrade_piece) pieces;
	struct buf texts; /* changed headers */
	struct buf block; /* of encoded text, made by next */
	size_t piece;	  /* where next is */
	uint64_t done;	  /* bytes of it that were taken */
	uint32_t column;
};

/* Makes the plan. Anything but DONE: there is none, and nothing to close. */
enum mail_downgrade_end mail_downgrade_open(struct mail_downgrade *d, struct str letter, const struct mail_downgrade_want *want)
	__attribute__((warn_unused_result));
void mail_downgrade_close(struct mail_downgrade *d);
/* The next bytes, of the letter or in memory until the next call; false at the end. */
bool mail_downgrade_next(struct mail_downgrade *d, struct str *bytes);
void mail_downgrade_rewind(struct mail_downgrade *d);

#endif
