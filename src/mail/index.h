/* mail/index.h - the part index of a letter: everything a reader asks that needs MIME parsing, made once by scan.
 *
 * scan makes it when the letter comes in, store keeps its encoding beside the message row as bytes, an edge decodes it
 * and answers ENVELOPE, BODY, BODYSTRUCTURE and BODY[2.1] by copying and arithmetic. Offsets are within the letter as
 * it came in, without the prefix that delivery puts before it (Return-Path, Delivered-To, Received); whoever serves a
 * message adds the prefix's length to every offset of the top part's header and everything below.
 *
 * The encoding is versioned: first byte 1; a decoder refuses what it does not know, and the letter is scanned again.
 */
#ifndef SALLYPORT_MAIL_INDEX_H
#define SALLYPORT_MAIL_INDEX_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/outcome.h"

enum mail_part_kind { MAIL_PART_LEAF, MAIL_PART_MULTIPART, MAIL_PART_MESSAGE /* message/rfc822: one child */ };

enum mail_encoding {
	MAIL_ENCODING_7BIT,
	MAIL_ENCODING_8BIT,
	MAIL_ENCODING_BINARY,
	MAIL_ENCODING_BASE64,
	MAIL_ENCODING_QP,
	MAIL_ENCODING_OTHER
};

/* One part, in the order of a walk that visits a parent before its children. The letter itself is part 0. */
struct mail_part {
	uint32_t header_at;  /* first byte of the part's own MIME header (the letter's header for part 0) */
	uint32_t header_n;   /* with the empty line that ends it, when there is one */
	uint32_t body_at;    /* header_at + header_n */
	uint32_t body_n;     /* without the CRLF that belongs to the boundary after it (RFC 2046 5.1.1) */
	uint32_t body_lines; /* LFs in the body */
	uint16_t parent;     /* index of the parent; 0 for part 0 itself */
	uint8_t depth;	     /* 0 for the letter */
	uint8_t kind;	     /* enum mail_part_kind */
	uint8_t encoding;    /* enum mail_encoding */
};

struct mail_index {
	uint32_t size;	/* bytes of the letter */
	uint32_t lines; /* LFs in the letter */
	bool has_8bit;	/* some byte above 0x7f */
	bool has_nul;
	bool has_bare;		  /* a CR or LF that is not of a CRLF */
	bool cut;		  /* a limit on parts or depth was met: what lies deeper is one leaf */
	int64_t date_s;		  /* Date:, seconds since 1970 UTC; INT64_MIN when absent or not a date */
	int32_t date_zone_min;	  /* its zone, minutes east of UTC, for mail_date_day(): the day the writer saw */
	struct str envelope;	  /* IMAP ENVELOPE as sent, from "(" to ")" (RFC 9051 7.5.2) */
	struct str body;	  /* IMAP BODY, non-extensible form */
	struct str bodystructure; /* IMAP BODYSTRUCTURE with extension data */
	/* Decoded (RFC 2047, charsets) to UTF-8, folded white space made one space, for SEARCH and SORT; cut at a limit. */
	struct str subject, from, to, cc, bcc;
	struct str message_id;	/* with angle brackets, as found, or empty */
	struct str in_reply_to; /* first message id in it */
	/* Message ids, one space between; beyond field_max the first and as many of the last as fit. */
	struct str references;
	uint16_t n_parts;
	const struct mail_part *parts;
};

struct mail_index_limits {
	uint32_t parts_max;  /* 1..65535; default 1000 */
	uint32_t depth_max;  /* 1..200; default 50 */
	uint32_t header_max; /* bytes of one header that are read for ENVELOPE and the decoded fields; default 262144 */
	uint32_t
		text_max; /* bytes of envelope, body and bodystructure each; default 65536. Beyond: a shorter, still valid form */
	uint32_t field_max; /* bytes of each decoded field; default 4096 */
};

extern const struct mail_index_limits mail_index_limits_default;

/* Makes the index of a letter. Never fails: any bytes have an index (of the first 4 GB). All views point into the arena, which
 * must have room for parts_max parts, 3 times text_max, 6 times field_max and 4 KB. Linear in the letter. Pure. */
void mail_index_make(
	struct str letter, const struct mail_index_limits *limits, struct arena *a, struct mail_index *out);

/* The index of a letter that nobody dared to parse: no envelope, one part of unknown content behind the first empty line. Looks for that line and
 * for nothing else. */
void mail_index_opaque(struct str letter, struct arena *a, struct mail_index *out);

void mail_index_encode(const struct mail_index *x, struct buf *out);
/* Views point into bytes (and parts into the arena). FAILED when the bytes are no index of a known version; every offset
 * and length of a decoded index has been checked to lie within size. */
enum outcome mail_index_decode(struct str bytes, struct arena *a, struct mail_index *out) MUST_USE;

/* IMAP section part numbers (RFC 9051 6.4.5.1): the part that "1.2" names, or -1. path empty: the letter (0). A number on a
 * part that is not a multipart names its own body when it is 1. */
int mail_index_find(const struct mail_index *x, const uint32_t *path, size_t n_path);

#endif
