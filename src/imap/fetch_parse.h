/* imap/fetch_parse.h - what FETCH asks (RFC 3501 6.4.5, 9 fetch-att; RFC 3516, RFC 7162): pure. */
#ifndef SALLYPORT_IMAP_FETCH_PARSE_H
#define SALLYPORT_IMAP_FETCH_PARSE_H

#include "base/arena.h"
#include "base/cur.h"

enum imap_fetch_kind {
	IMAP_FETCH_FLAGS,
	IMAP_FETCH_UID,
	IMAP_FETCH_INTERNALDATE,
	IMAP_FETCH_SIZE,
	IMAP_FETCH_MODSEQ,
	IMAP_FETCH_ENVELOPE,
	IMAP_FETCH_BODY,
	IMAP_FETCH_BODYSTRUCTURE,
	IMAP_FETCH_SECTION, /* BODY[...], RFC822, RFC822.HEADER, RFC822.TEXT */
	IMAP_FETCH_BINARY,  /* BINARY[...]: a part without its transfer encoding */
	IMAP_FETCH_BINARY_SIZE,
};

enum imap_section {
	IMAP_SECTION_ALL, /* the letter, or the part's body */
	IMAP_SECTION_HEADER,
	IMAP_SECTION_FIELDS,
	IMAP_SECTION_FIELDS_NOT,
	IMAP_SECTION_TEXT,
	IMAP_SECTION_MIME,
};

#define IMAP_PATH_MAX 64
#define IMAP_FETCH_ITEMS_MAX 64

struct imap_fetch_item {
	uint8_t kind;
	uint8_t section;
	bool sets_seen;
	bool partial;
	uint32_t at, n; /* of a partial; n > 0 */
	const uint32_t *path;
	size_t n_path;
	const struct str *names; /* of FIELDS and FIELDS_NOT */
	size_t n_names;
	struct str label; /* as the answer names it: "BODY[1.2]<0>" */
};

struct imap_fetch {
	struct imap_fetch_item *items; /* at most IMAP_FETCH_ITEMS_MAX; FLAGS and UID at most once */
	size_t n;
	bool changed;		/* CHANGEDSINCE was given */
	uint64_t changed_since; /* 0: all rows */
};

/* Takes a macro, an item or a list of items, and modifiers behind it. Fails the cursor on anything else. Views point into the input and the arena. */
void imap_fetch_parse(struct cur *c, struct arena *a, struct imap_fetch *out);
bool imap_fetch_has(const struct imap_fetch *f, enum imap_fetch_kind kind);
/* Puts an item without arguments in front, unless it is there. */
void imap_fetch_add_first(struct imap_fetch *f, enum imap_fetch_kind kind);

#endif
