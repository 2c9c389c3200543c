/* move/name.h - names of folders, ours (UTF-8, '/' between levels) and those that they have in files: pure.
 *
 * In a Maildir: ".Work.2024" (Maildir++) or "Work/2024" (Dovecot's LAYOUT=fs), each level in modified UTF-7, or in UTF-8, with bytes
 * that a level may not have as \xx (Dovecot's listescape). In files of mbox and EML exports: UTF-8, such bytes as %xx.
 */
#ifndef SALLYPORT_MOVE_NAME_H
#define SALLYPORT_MOVE_NAME_H

#include "base/buf.h"

/* One level as a directory names it, appended as UTF-8 that a mailbox may have: what it may not have becomes '_'. True: nothing had to. */
bool level_decode(struct str level, struct buf *out);
/* The name that an IMAP server has, its levels in modified UTF-7 or UTF-8; sep 0: it has one level. As folder_decode. */
bool wire_decode(struct str name, char sep, struct buf *out);
/* "Work.2024", the name of a directory of Maildir++ without its first dot, or "Work/2024" of fs; sep says which. As level_decode. */
bool folder_decode(struct str name, char sep, struct buf *out);
/* ".Work.2024" of a name of ours; "" for INBOX. Nothing in it can leave the directory. */
void maildir_name_encode(struct str name, struct buf *out);
/* "Work/2024" with levels that no file system stumbles over. */
void file_name_encode(struct str name, struct buf *out);
/* The other way round, a level; as level_decode. */
bool file_level_decode(struct str level, struct buf *out);

/* MBOX_* special use that a folder of this name is commonly for, or 0. */
uint32_t name_special(struct str name);

#endif
