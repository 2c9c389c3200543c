/* store/verify.h - all data checked against its invariants, both ways, a bounded step at a time.
 *
 *   V1  message rows decode, belong to a mailbox, have uid < uidnext and modseq <= the account's
 *   V2  every message row has its parts row, whose index decodes
 *   V3  every message row has its reference
 *   V4  every message's body is there, matches its checksum and size
 *   V5  every reference has the message or queued letter that it names
 *   V6  every body without references is a garbage candidate
 *   V7  a mailbox's counters are those of its messages
 *   V8  an account's usage is that of its mailboxes, and what was told of its quota decodes
 *   V9  mailbox names are valid and unique, INBOX is there, ids and uidvalidities are below their counters
 *   V10 every parts row has its message row
 *   V11 every account of the directory has its rows, and every domain's duty account exists; aliases decode
 *   V12 every delivery mark is found by its age, and the other way round
 *   V13 queued letters decode, and have their reference and their row of recipients
 *   V14 marks of letters that were moved, and UIDLs that came with letters, decode
 *   V15 every deleted message that is kept decodes, is found by its age, and is of a mailbox that is or was; V2 to V4 hold for it
 *   V16 an account's settings, codes and pinned certificates decode; what the directory says of a certificate the account says, too
 *   V17 the anchor of UIDLs, and what POP deleted and kept, decode
 *   V18 every row of a sent letter is found by its age, and the other way round
 *   V19 every letter that leaves decodes and has its reference, its prefix, its trace, its body in the right size, and as many groups as it says
 *   V20 every group is of a letter, decodes, and says of its recipients what they are; each of those waits or is owed a report
 *   V21 every trace is of a letter that is in the queue, or of one that is through since then, and the other way round
 *   V22 history decodes, and is of a letter that is known by its trace
 */
#ifndef SALLYPORT_STORE_VERIFY_H
#define SALLYPORT_STORE_VERIFY_H

#include "store/service.h"

struct verify_step {
	struct arena *a;   /* of lines and next */
	struct str *lines; /* violations: "V4 account 3 mailbox 1 uid 7: ..." */
	size_t n_lines, max_lines;
	struct str next; /* cursor for the next step */
	bool more;
	uint64_t checked; /* rows and bodies looked at */
};

/* One step behind a cursor, empty at the start. BAD_SYNTAX: no cursor of ours. Data may be in use meanwhile. */
SUSPENDS enum outcome store_verify_step(struct store *s, struct str after, struct verify_step *v) MUST_USE;

#endif
