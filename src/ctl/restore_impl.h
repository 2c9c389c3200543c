/* ctl/restore_impl.h - what the files of restore share. */
#ifndef SALLYPORT_CTL_RESTORE_IMPL_H
#define SALLYPORT_CTL_RESTORE_IMPL_H

#include "ctl/ctl_impl.h"
#include "ctl/keep_dir.h"
#include "ctl/progress.h"
#include "store/rows.h"

/* A body that chosen rows refer to. */
struct restore_body {
	uint64_t id, now; /* in the backup; in this store: 0 not yet or lost */
	struct keep_entry at; /* id 0: not found */
};

/* A partition that comes back. */
struct restore_part {
	const struct keep_part *part;
	bool damaged;	 /* some of its rows are lost */
	bool incomplete; /* or some of its bodies */
	struct VEC(uint64_t) kept; /* mailbox << 32 | uid, ascending: the messages that come back of a damaged or incomplete one */
	uint64_t account; /* its number here */
};

struct restoring {
	struct ctl *ctl;
	struct keep_dir d;
	struct keep_run run;
	bool skip; /* --skip-damaged */
	const char *address, *as, *folder;
	struct VEC(struct restore_part) parts;
	struct VEC(struct restore_body) bodies; /* by id */
	uint64_t n_lost_bodies, n_lost_messages, n_letters, n_bytes, n_out;
	struct progress progress;
};

enum outcome restore_call(struct restoring *r, enum role to, int type, const void *msg, void *reply);
/* Damage is told. False: the restore must end (there is no --skip-damaged). */
bool restore_damage(struct restoring *r, const char *file, uint64_t at, const char *why);
struct restore_body *restore_find(struct restoring *r, uint64_t id);
/* The body that a row refers to; 0: none. */
uint64_t restore_blob_of(const struct keep_record *rec);
/* Calls each with every whole record of the part's file. False: damage that must not be passed over, or each returned false. */
typedef bool restore_row_fn(struct restoring *r, struct restore_part *p, const struct keep_record *rec, void *arg);
bool restore_each_row(struct restoring *r, struct restore_part *p, restore_row_fn *each, void *arg);
/* restore_bodies.c: which bodies are needed, where they lie. */
bool restore_gather(struct restoring *r);
/* Into the store; fills `now`. */
bool restore_upload(struct restoring *r);
/* One body, checked, valid until the next; *fd -1 at first, closed by the caller. False: damaged. */
bool restore_read_body(struct restoring *r, const struct restore_body *b, int *fd, uint32_t *open_file, struct buf *buf, struct str *out);
/* restore_folder.c */
int restore_into_folder(struct restoring *r);

#endif
