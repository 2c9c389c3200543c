/* ctl/ctl_impl.h - what the families of commands share, inside ctl/ only.
 *
 * A family is a file with a table of commands, ended by an empty row; ctl.c lists the tables.
 */
#ifndef SALLYPORT_CTL_CTL_IMPL_H
#define SALLYPORT_CTL_CTL_IMPL_H

#include "base/outcome.h"
#include "conf/conf.h"
#include "ctl/client.h"
#include "ctl/ctl.h"
#include "ipc_gen.h"

struct ctl {
	const char *conf_path;
	bool embedded;
	const struct ctl_calls *calls;
	struct conf *conf;
	struct client client;
	char **words; /* after the command's name */
	int n_words;
};

struct command {
	const char *name, *usage, *help;
	int least, most; /* words */
	enum { ALONE, WITH_CONF, ONLINE } needs; /* nothing, the configuration, the running server */
	int (*run)(struct ctl *c); /* the exit status; why not is on standard error */
};

extern const struct command ctl_directory_commands[]; /* domains, accounts, aliases */
extern const struct command ctl_account_commands[]; /* switches, codes, certificates */
extern const struct command ctl_config_commands[];
extern const struct command ctl_audit_commands[];
extern const struct command ctl_dkim_commands[]; /* keys that sign letters */
extern const struct command ctl_start_commands[]; /* quickstart, test, firewall, doctor */
extern const struct command ctl_move_commands[]; /* import, export */
extern const struct command ctl_watch_commands[]; /* status, verify */
extern const struct command ctl_undelete_commands[];
extern const struct command ctl_queue_commands[];
extern const struct command ctl_suppression_commands[];
extern const struct command ctl_tlsrpt_commands[];
extern const struct command ctl_backup_check_commands[], ctl_backup_commands[], ctl_prune_commands[]; /* in this order */
extern const struct command ctl_restore_commands[];

/* The exit status for an outcome; one that is not OK is explained on standard error as "sallyport: what name: why". */
int ctl_done(enum outcome o, const char *what, const char *name);
/* A word as an address; the views are in the client's arena. False: it is none, and that is said. */
bool ctl_address(struct ctl *c, const char *word, struct ipc_addr *out);
void ctl_print_lines(const struct str *lines, size_t n);

#endif
