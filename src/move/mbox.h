/* move/mbox.h - mbox files (RFC 4155 and its relatives mboxo, mboxrd, mboxcl, mboxcl2): pure.
 *
 * A letter begins with a From_ line that is the file's first line or follows an empty one, and names a date. Where the header's
 * Content-Length leads exactly to the next From_ line or to the end, it is believed, and ">From " stands for itself (mboxcl2);
 * else the lines decide, and one '>' is taken off ">From " (mboxo, mboxrd).
 */
#ifndef SALLYPORT_MOVE_MBOX_H
#define SALLYPORT_MOVE_MBOX_H

#include "base/buf.h"

/* "From sender date": the date in seconds since 1970 UTC. line is without its line end. False: it is none. */
bool mbox_from_line(struct str line, int64_t *date_s);

/* What the header of a letter in an mbox says of it, and the letter itself leaves out. */
struct mbox_meta {
	uint32_t flags; /* MSG_*: Status, X-Status */
	uint32_t uid;	/* X-UID, or 0 */
	bool has_length;
	uint64_t length; /* Content-Length */
	struct str keywords[64]; /* X-Keywords: views into the header */
	size_t n_keywords;
	uint32_t uidvalidity, uidnext; /* X-IMAPbase, X-IMAP: of the whole file */
	bool pseudo;		       /* X-IMAP without a letter of its own: the internal data of an mbox */
};
/* header: whole lines with the empty one at the end, if any. */
void mbox_meta_parse(struct str header, struct mbox_meta *out);
/* A field that is the mbox's and not the letter's: line begins one. */
bool mbox_is_meta(struct str line);
/* ">From ", ">>From ": one more or one less. */
bool mbox_is_quoted(struct str line);

/* "From sender Thu Jan  1 00:00:00 1970\n" */
void mbox_add_from_line(struct buf *out, struct str sender, int64_t date_s);

#endif
