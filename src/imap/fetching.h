/* imap/fetching.h - one FETCH under way: what fetch.c and binary.c share. */
#ifndef SALLYPORT_IMAP_FETCHING_H
#define SALLYPORT_IMAP_FETCHING_H

#include "imap/fetch_parse.h"
#include "imap/imap.h"
#include "imap/section.h"

#define FETCH_PIECE_MAX 131072 /* bytes of a letter a call */

struct fetching {
	struct imap *im;
	struct imap_fetch items;
	uint32_t want;		    /* WANT_* */
	bool unknown_encoding;	    /* some BINARY item named a part that nobody here can decode */
	struct arena *index_arena;  /* of a row */
	struct arena *header_arena; /* of an item that picks fields */
	const struct ipc_row *row;
	struct imap_message message;
	struct mail_index index;
	size_t n_streamed; /* bytes of this row's answer that have left im->out */
};

/* Some of the bytes [at, at + n) of the row's message: those that came with it, or a piece read into the arena. OK: at least one. */
SUSPENDS enum outcome fetching_read(struct fetching *f, uint32_t at, uint32_t n, struct str *out, struct arena *a) MUST_USE;
/* Sends what is in im->out; it belongs to this row's answer, which from now on cannot be taken back. */
SUSPENDS void fetching_flush(struct fetching *f);
/* " {n}" CRLF; eight: as literal8, whose bytes may be NUL (RFC 3516 4.3). */
void fetching_add_literal(struct fetching *f, size_t n, bool eight);
SUSPENDS void fetching_add_bytes(struct fetching *f, struct str bytes);
/* The bytes [at, at + n) as a literal; NIL when the message is gone. */
SUSPENDS enum outcome fetching_add_span(struct fetching *f, uint32_t at, uint32_t n, bool eight) MUST_USE;

/* ---- binary.c */
/* False: the part that the item names has a transfer encoding that is not known. */
bool fetching_can_decode(const struct fetching *f, const struct imap_fetch_item *i);
/* What stands behind the item's name. */
SUSPENDS enum outcome fetching_add_binary(struct fetching *f, const struct imap_fetch_item *i) MUST_USE;

#endif
