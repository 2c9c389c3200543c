/* move/dovecot.h - the files that Dovecot keeps beside the letters of a Maildir: pure grammars.
 *
 * dovecot-uidlist, version 3:  "3 V1275660208 N25022 G3085..." and then a line a letter: "25006 W1394 P0000 :1276528487.M36P9.host,S=1355,W=1394"
 *                 version 1:  "1 1275660208 25022" and "25006 1276528487.M36P9.host,S=1355"
 * dovecot-keywords:           "0 $Forwarded", a line a letter of the file names' flags, from a on
 * file names:                 base:2,FLAGS, the base with sizes: ",S=1355,W=1394"
 */
#ifndef SALLYPORT_MOVE_DOVECOT_H
#define SALLYPORT_MOVE_DOVECOT_H

#include "base/buf.h"

struct uidlist_head {
	unsigned version; /* 1 or 3 */
	uint32_t uidvalidity, uidnext;
};
/* The first line, without its line end. False: it is none of a version that is known. */
bool uidlist_head_parse(struct str line, struct uidlist_head *out);

struct uidlist_entry {
	uint32_t uid;	 /* not 0 */
	struct str base; /* of the file's name, without flags */
	struct str uidl; /* P: the POP3 UIDL that was fixed for it, or empty */
};
/* Another line; views into it. False: it is damaged. */
bool uidlist_entry_parse(struct str line, unsigned version, struct uidlist_entry *out);

#define MAILDIR_KEYWORDS 26
struct maildir_keywords {
	struct str names[MAILDIR_KEYWORDS]; /* empty: none; views into the file */
};
/* The whole file; lines that are no entries are left out. */
void maildir_keywords_parse(struct str file, struct maildir_keywords *out);

struct maildir_name {
	struct str base;
	uint32_t flags;	   /* MSG_* */
	bool passed;	   /* P: forwarded, bounced or resent; the keyword $Forwarded */
	uint32_t keywords; /* bit 0: a */
	bool has_size;
	uint64_t size; /* S= of the base */
};
/* The name of a file in new/ or cur/. */
struct maildir_name maildir_name_parse(struct str name);

#define POP3_UIDL_DOVECOT "%08Xu%08Xv" /* the default */

/* Dovecot's pop3_uidl_format: text, %% and %u (uid), %v (uidvalidity), %f (base of the file's name), each with an optional width and
 * X for hexadecimal: "%08Xu%08Xv". False: something else is in it, or what comes out is no UIDL (1 to 70 bytes of 0x21 to 0x7e). */
bool pop3_uidl_format(struct str format, uint32_t uid, uint32_t uidvalidity, struct str base, struct buf *out);

#endif
