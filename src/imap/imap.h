/* imap/imap.h - one IMAP session: its state and what its command families share, inside imap/ only.
 *
 * A command function gets the session and a cursor behind the command's name and its space. It writes untagged answers to
 * im->out and returns an outcome; the loop makes the tagged reply of it (reply.c). Argument errors are BAD_SYNTAX. What
 * store or post answers goes through unchanged, so that the one table of replies knows it.
 */
#ifndef SALLYPORT_IMAP_IMAP_H
#define SALLYPORT_IMAP_IMAP_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/cur.h"
#include "base/outcome.h"
#include "imap/list_parse.h"
#include "imap/parse.h"
#include "imap/set.h"
#include "ipc_gen.h"
#include "net/door.h"

enum imap_state { IMAP_STRANGER = 1, IMAP_USER = 2, IMAP_SELECTED = 4 }; /* RFC 3501 3; bits, for the command table */

/* The selected mailbox, as far as the client has been told. */
struct imap_box {
	uint64_t id;  /* the mailbox */
	uint32_t sel; /* store's number of the selection */
	uint32_t messages;
	uint32_t uidvalidity;
	uint64_t modseq; /* up to it everything was told */
	bool open;
	bool readonly;
	bool owed;	      /* store has expunges that could not be reported yet */
	struct arena arena;   /* the keyword table */
	struct str *keywords; /* bit i of a row's keywords is keywords[i] */
	size_t n_keywords;
};

struct imap;
typedef enum outcome imap_function(struct imap *im, struct cur *args);

enum imap_command_flag {
	IMAP_UID = 1,		/* also as "UID name" */
	IMAP_KEEPS_NUMBERS = 4, /* without UID no EXPUNGE may be sent (RFC 3501 7.4.1) */
	IMAP_WRITES = 8,	/* refused when the mailbox was opened read-only */
	IMAP_MAKES = 16,	/* a missing target mailbox may be created by the client: TRYCREATE */
	IMAP_LOGS_IN = 32,
	IMAP_NO_ARGUMENTS = 64,
};

struct imap_command {
	const char *name;
	unsigned states; /* enum imap_state bits */
	unsigned flags;
	imap_function *run; /* suspends */
};

struct imap {
	struct door *d;
	struct arena cmd;  /* ends with the command */
	struct arena work; /* one answer of store; ends with the next */
	struct buf line;   /* the command as gathered (imap/read.c) */
	struct buf out;	   /* answers on their way to the stream */
	struct str tag;	   /* of the command; "*" before it is known */
	const struct imap_command *command;
	bool by_uid;
	bool rev2, utf8, condstore; /* what ENABLE or a command that implies it has switched on; never off again */
	struct str code; /* response code of the tagged reply, without brackets; in place of the table's */
	struct str text; /* likewise its text */
	struct imap_literal append_literal; /* of the message that an APPEND has announced */
	const char *bye;		    /* not NULL: say this and end */
	uint32_t n_bad;
	int64_t login_until_ms;
	bool news;    /* the command changed the mailbox itself: report before the reply */
	bool replied; /* the tagged reply went out already */
	bool done;    /* the session ends without more words */
	struct imap_box box;
};

enum imap_state imap_state(const struct imap *im);
/* Mailbox names are UTF-8 on the wire, not modified UTF-7 (RFC 9051 5.1, RFC 6855 3). */
static inline bool imap_names_utf8(const struct imap *im)
{
	return im->rev2 || im->utf8;
}

/* ---- read.c */
enum imap_input {
	IMAP_INPUT_COMMAND, /* im->line holds a whole command */
	IMAP_INPUT_APPEND,  /* an APPEND up to its message: im->append_literal */
	IMAP_INPUT_REFUSED, /* it was answered or is to be answered with im->text as BAD */
	IMAP_INPUT_GONE,
};
SUSPENDS enum imap_input imap_read(struct imap *im);
/* One more line into im->line, in place of what is there: answers in AUTHENTICATE and IDLE. REFUSED: too long or not a line. */
SUSPENDS enum imap_input imap_read_line(struct imap *im, size_t size_max);
/* The rest of a line behind a literal, into im->line in place of what is there; takes what it has from *room. REFUSED: too long or
 * not a line, and the rest of the command was dropped. announced: a literal follows. */
SUSPENDS enum imap_input imap_read_more(struct imap *im, size_t *room, struct imap_literal *next, bool *announced);
/* The command is refused before this literal of it: what its client sends without being asked goes unread, or the session ends
 * (im->bye). False: the stream ended. */
SUSPENDS bool imap_drop(struct imap *im, const struct imap_literal *literal);
/* Wipes and frees what was gathered. */
void imap_line_forget(struct imap *im);

/* ---- reply.c */
SUSPENDS void imap_out_flush(struct imap *im);	 /* what is in out goes to the stream */
SUSPENDS void imap_out_relieve(struct imap *im); /* the same, once it is worth it */
void imap_out_fmt(struct imap *im, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The tagged reply of an outcome. Counts what was bad. */
void imap_reply(struct imap *im, enum outcome o);
enum outcome imap_fail(struct imap *im, enum outcome o, struct str code, struct str text); /* sets them, returns o */
void imap_add_capabilities(struct imap *im, struct buf *out);

/* ---- names.c */
/* mailbox: from the wire to UTF-8 with INBOX in capitals. Fails the cursor on bad tokens. DENIED: no name can be spelled so. */
enum outcome imap_mailbox(struct imap *im, struct cur *c, struct str *name) MUST_USE;
enum outcome imap_mailbox_name(struct imap *im, struct str wire, struct str *name) MUST_USE;
enum outcome imap_mailbox_pattern(struct imap *im, struct str wire, struct str *pattern) MUST_USE; /* INBOX stays as it is */
void imap_add_mailbox(struct imap *im, struct buf *out, struct str name); /* wire form, quoted */

/* ---- list.c */
/* "* LIST (...) "/" name": flags are MBOX_*. oldname: how the client spelled it, on the wire, when that was not its name; or empty
 * (RFC 9051 7.3.1). */
void imap_add_list(struct imap *im, struct str name, uint32_t flags, struct str oldname);

/* ---- status.c */
/* The STATUS line of a mailbox that was listed, items as in list_parse.h. OK, or REVOKED. */
SUSPENDS enum outcome imap_list_status(struct imap *im, const struct ipc_mailbox *m, unsigned items) MUST_USE;

/* ---- select.c */
void imap_box_init(struct imap *im);
void imap_box_fini(struct imap *im);
/* Nothing is selected any more. OK, also when nothing was. */
SUSPENDS enum outcome imap_box_leave(struct imap *im) MUST_USE;
/* Tells the client what it has not been told. OK, also when nothing was new; store's outcome otherwise. */
SUSPENDS enum outcome imap_sync(struct imap *im, bool expunges) MUST_USE;
void imap_add_flags(struct imap *im, struct buf *out, uint32_t flags, uint64_t keywords); /* "(\Seen work)" */
/* The rows can be reported as they are: no keyword and no message that the client does not know. Otherwise sync first. */
bool imap_box_knows(const struct imap *im, const struct ipc_row *rows, size_t n);

/* A set argument with its limits; resolves "*" of sequence numbers. Fails the cursor or returns OVER_LIMIT, BAD_SYNTAX. */
enum outcome imap_set_argument(struct imap *im, struct cur *c, struct imap_set *out) MUST_USE;

/* ---- rows.c */
/* A set as a request for its rows, nothing wanted yet. The set must outlive it. */
struct ipc_fetch imap_rows_of(const struct imap *im, const struct imap_set *set);
/* One row; suspends. What is not OK ends the pulling. */
typedef enum outcome imap_row_function(void *arg, const struct ipc_row *row);
SUSPENDS enum outcome imap_each_row(struct imap *im, struct ipc_fetch *m, imap_row_function *each, void *arg) MUST_USE;
void imap_add_modseq(struct buf *out, uint64_t modseq); /* "MODSEQ (7)" */
void imap_add_ranges(struct buf *out, const struct ipc_range *v, size_t n);
uint64_t imap_modseq(struct cur *c); /* mod-sequence-valzer: 63 bits (RFC 7162 7) */
/* A command that says the client knows of modification sequences: from now on they are told (RFC 7162 3.1). */
void imap_condstore_enable(struct imap *im);
#define IMAP_LONG_CALL_MS 600000 /* changes of a million messages are made in steps */

/* ---- the commands */
imap_function imap_capability, imap_noop, imap_logout, imap_id, imap_enable, imap_namespace; /* session.c */
imap_function imap_starttls, imap_login, imap_authenticate;				     /* auth.c */
imap_function imap_select, imap_examine, imap_close, imap_unselect;			     /* select.c */
imap_function imap_list, imap_lsub, imap_status;					     /* list.c, status.c */
imap_function imap_create, imap_delete, imap_rename, imap_subscribe, imap_unsubscribe;	     /* mailbox.c */
imap_function imap_getquota, imap_getquotaroot, imap_setquota;				     /* quota.c */
imap_function imap_append, imap_idle, imap_fetch, imap_store, imap_search;		     /* one file each */
imap_function imap_expunge, imap_copy, imap_move;					     /* copy.c */

#endif
