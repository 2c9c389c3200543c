/* ctl/start_impl.h - what the commands share that set a server up and try it out, inside ctl/ only. */
#ifndef SALLYPORT_CTL_START_IMPL_H
#define SALLYPORT_CTL_START_IMPL_H

#include "ctl/addresses.h"
#include "ctl/ctl_impl.h"
#include "ctl/records.h"
#include "ctl/report.h"

int ctl_quickstart(struct ctl *c);
int ctl_firewall(struct ctl *c);
int ctl_selftest(struct ctl *c);
int ctl_doctor(struct ctl *c);

/* ---- quickstart: what is to be made, and where. Every str is followed by a NUL byte and lives in the arena. */
struct plan {
	struct arena *arena;
	struct str address, domain, hostname, user;
	struct str conf_dir, data_dir, run_dir; /* as they will be */
	struct str stage;      /* in place of conf_dir while it is made */
	struct str stage_data; /* in place of data_dir */
	struct str policy_id;
	const char *listen, *resolver; /* as given, or NULL */
	uint32_t port_base;            /* 0: the standard ports */
	bool in_one_dir;               /* data_dir is within conf_dir */
	int lock_fd;
};

/* quickstart_host.c: is this machine fit for it? Errors in the report mean no. */
void quickstart_check_host(const struct plan *p, const struct conf *c, struct report *r);

/* quickstart_conf.c: the commented configuration; setup: as it is used to make the first account, with the directories of the stage. */
void quickstart_conf_text(const struct plan *p, bool setup, struct buf *out);

/* quickstart_files.c. Each false: why has a line. */
bool quickstart_refuse_existing(const struct plan *p, struct buf *why);
bool quickstart_stage_open(struct plan *p, struct buf *why); /* what an earlier, killed quickstart has left is removed */
bool quickstart_write_files(const struct plan *p, struct buf *why);
bool quickstart_commit(struct plan *p, struct buf *why);
void quickstart_stage_remove(struct plan *p);

/* quickstart_account.c: the first domain and account, by a server of the staged configuration that opens no door. */
bool quickstart_make_account(const struct plan *p, struct str password, struct buf *why);
/* Runs a program with words (the last NULL) and input; false: why has what it said. */
bool quickstart_run(const char *program, const char *const *words, struct str input, struct buf *why);

#endif
