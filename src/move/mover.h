/* move/mover.h - what all ways in and out share: the command as a client of post and store, its counts and its reports.
 *
 * A source is straight-line code in one task: for each folder mover_folder, for each letter mover_begin, bytes into its text,
 * mover_send. Letters leave in that order, many under way at once, so that store's group commit and all cores have work.
 * What cannot be moved is named, counted, and left behind; what ends the whole is said once (mover_stop).
 */
#ifndef SALLYPORT_MOVE_MOVER_H
#define SALLYPORT_MOVE_MOVER_H

#include "base/arena.h"
#include "base/log.h"
#include "conf/conf.h"
#include "co/sched.h"
#include "ipc_gen.h"
#include "move/progress.h"
#include "move/text.h"

#define MOVE_ID_SIZE 16

struct move_opts {
	const struct conf *conf;
	struct ipc_addr address;
	int *channels;	    /* of the command, by role, greeted: those of store and post are taken over */
	const char *kind;   /* maildir, mbox, eml, imap */
	const char *place;  /* path, URL or "-" */
	const char *folder; /* import: the folder to put all into; export: the one to take. NULL: all */
	const char *pop3_uidl_format; /* NULL: Dovecot's default, where a Dovecot kept the mail */
	const char *password_file;
	bool dry_run, tls_insecure, without_tls, skip_all, quiet;
};

struct mover {
	const struct move_opts *opts;
	struct sched *sched;
	struct log log;
	struct link store, post;
	uint64_t handle;
	struct body_budget budget;
	unsigned n_under_way;
	uint64_t bytes_under_way;
	struct gate moved; /* something under way has ended */
	struct progress progress;
	uint64_t n_moved, n_known, n_refused, n_renumbered, n_left_out, bytes_moved;
	const char *why_stopped; /* the whole cannot go on */
	bool failed;		 /* the exit status is 1 */
};

/* Runs body as the command's main task, with the account open. The exit status; why not is on standard error. */
int mover_run(const struct move_opts *o, void (*body)(struct mover *m));

/* A folder that letters come from. */
struct folder_in {
	struct str name;		/* in the account */
	uint32_t uidvalidity, uidnext; /* 0: it has none to keep */
	uint32_t special;		/* MBOX_* */
	bool subscribe;
};
struct folder_to {
	struct str name;
	bool keeps_uids;
};
/* Makes it when it is not there. False: it cannot be had, that was said, and its letters are to be refused. */
SUSPENDS bool mover_folder(struct mover *m, const struct folder_in *in, struct folder_to *out);
/* All its letters have been sent: waits for them and sets its UIDNEXT. */
SUSPENDS void mover_folder_end(struct mover *m, const struct folder_in *in);

/* Says what became of a folder's letters: the counts since it was begun, before = *m then. */
struct folder_counts {
	uint64_t moved, known, refused;
};
struct folder_counts mover_counts(const struct mover *m);
void mover_folder_line(struct mover *m, const struct folder_to *to, const struct folder_counts *before);

/* uids[i]: not 0 when id i was moved before. n is any. */
SUSPENDS bool mover_known(struct mover *m, const struct str *ids, size_t n, uint32_t *uids);

struct sending {
	struct mover *mover;
	struct body_writer writer;
	struct letter_text text;
	struct arena arena; /* for what q names */
	struct ipc_import q; /* mailbox, id, uid, flags ...: filled by the source */
	struct str name;	 /* for people */
	uint64_t size;
};
/* Waits until one more may be under way. */
SUSPENDS struct sending *mover_begin(struct mover *m, uint64_t size);
/* Sends it, or refuses it when its text has a fault; s is not the caller's any more. */
SUSPENDS void mover_send(struct sending *s);
void mover_drop(struct sending *s, const char *why); /* refuses it, with errno's text where why is NULL */
void mover_forget(struct sending *s); /* neither sends nor counts it */
/* A letter that was not even begun. */
void mover_refuse(struct mover *m, struct str name, const char *why);
/* It was moved before. */
void mover_skip(struct mover *m, uint64_t size);
void mover_sent(struct mover *m, uint64_t size); /* a letter went out */
SUSPENDS void mover_wait_all(struct mover *m);
/* False: something was said that ends the whole. */
bool mover_goes_on(const struct mover *m);
void mover_stop(struct mover *m, const char *why);
void mover_say(struct mover *m, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void mover_fail(struct mover *m, const char *fmt, ...) __attribute__((format(printf, 2, 3))); /* and the exit status will be 1 */

/* The id of a letter by what it is known by where it comes from; parts are kept apart. In the arena. */
struct str move_id(struct arena *a, const struct str *parts, size_t n);

/* The ways, each a body for mover_run. */
void import_maildir(struct mover *m);
void import_mbox(struct mover *m);
void import_eml(struct mover *m);
void import_imap(struct mover *m);
void export_files(struct mover *m);
void export_imap(struct mover *m);

#endif
