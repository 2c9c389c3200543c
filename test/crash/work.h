/* crash/work.h - what crash_load does and says of it in marks, for crash_check to read.
 *
 * Every operation has a number. Before it is asked for a mark says SENT and all that it is about; when store has answered OK a mark
 * of the same number says DONE, with what came back. A letter is known by its serial, from which all its bytes follow. Each letter
 * belongs to the one task that put it there, and a task has one operation under way at a time: so what is to be found after a cut follows from the marks.
 */
#ifndef SALLYPORT_TEST_CRASH_WORK_H
#define SALLYPORT_TEST_CRASH_WORK_H

#include "base/buf.h"
#include "ipc/body.h"

enum work {
	WORK_DELIVER = 1,   /* into INBOX, with a delivery id */
	WORK_APPEND,
	WORK_COPY,
	WORK_MOVE,
	WORK_FLAGS,         /* replaced */
	WORK_EXPUNGE,
	WORK_CREATE,
	WORK_RENAME,
	WORK_DELETE,        /* of a mailbox, with what is in it */
	WORK_QUEUE_PUT,     /* for several accounts */
	WORK_QUEUE_DELIVER,
	WORK_PASSWORD,
	WORK_STATUS,        /* only looks: modseq and uidnext were seen */
	WORK_ACCOUNT,
	WORK_OUT_PUT,       /* a letter that leaves, for WORK_OUT_GROUPS destinations */
	WORK_OUT_BEGIN,     /* an attempt of a group */
	WORK_OUT_SETTLE,    /* its end, after which the group is gone or waits on */
	WORK_KINDS
};

enum { MARK_SENT = 1, MARK_DONE, MARK_LIFE /* a process begins: what another left unanswered stays so */ };

#define WORK_LETTERS_MAX 6
#define WORK_ACCOUNTS 3
#define WORK_OUT_GROUPS 2
#define WORK_DOMAIN "crash.test"
#define WORK_SEGMENT_SIZE (192 << 10) /* of body files: a short run fills some and rewrites some */

struct mark_letter {
	uint32_t serial;
	uint32_t uid;    /* in mailbox, 0: not known; OUT_BEGIN, OUT_SETTLE: the group, and in flags the attempt */
	uint32_t to_uid; /* in to_mailbox; OUT_SETTLE: 1 when the group is through */
};

struct mark {
	uint32_t kind, number, work;
	uint32_t account;            /* 0.. */
	uint64_t mailbox, to_mailbox; /* ids */
	uint32_t uidvalidity;         /* of to_mailbox, or of mailbox when there is none */
	uint32_t flags;
	uint64_t value;              /* OUT_*: id, of PUT when done; STATUS: modseq; QUEUE_*: id; PASSWORD: which; QUEUE_PUT when sent: bits of accounts */
	uint32_t n, uidnext;
	struct mark_letter letters[WORK_LETTERS_MAX];
	char name[24];               /* CREATE, RENAME: the new name */
};

/* All bytes of a letter. Most are small; some ride in a memory file. */
void work_letter(uint32_t serial, struct buf *out);
/* The serial of a letter whose bytes, behind its prefix, are right; 0: they are not. */
uint32_t work_serial(struct str prefix_and_letter, uint32_t prefix_n);
void work_prefix(uint32_t serial, struct buf *out);
void work_index(struct str letter, struct buf *out);
void work_delivery_id(uint32_t serial, char out[32]);
/* Lends the bytes to a record. */
struct work_body {
	struct body body;
	struct body_budget budget;
	struct body_writer writer;
};
void work_body_open(struct work_body *b, struct str bytes);
void work_body_close(struct work_body *b);
void work_local(uint32_t account, char out[16]);   /* "u0" */
void work_address(uint32_t account, char out[40]);
void work_hash(uint64_t which, char out[40]);      /* a password's, of no use */

#endif
