/* role/master_impl.h - what the files of master share. */
#ifndef SALLYPORT_ROLE_MASTER_IMPL_H
#define SALLYPORT_ROLE_MASTER_IMPL_H

#include "base/buf.h"
#include "role/host.h"
#include "role/notify.h"
#include "sandbox/sandbox.h"

#include <sys/types.h>

struct master;

/* One process of a role (or its part of this process, under -X). */
struct child {
	struct master *master;
	enum role role;
	uint16_t index;
	uint32_t life;      /* how often it was started */
	pid_t pid;          /* 0: not running */
	struct peer *peer;  /* its control channel */
	struct host *host;  /* under -X */
	int log_fd;         /* read end of its log pipe */
	bool ready, stopping, stopped;
	uint32_t conf_number; /* of the configuration that it uses */
	uint32_t walls;
	uint8_t landlock_abi;
	int64_t started_ms;
	unsigned n_early_deaths; /* in a row, each within EARLY_MS of its start */
	struct task *reviver;
	struct counters counts;
	int64_t counted_ms; /* when they came */
};

/* A socket that listens, by address and port or by path. */
struct bound {
	struct conf_address address; /* AF_UNIX: path counts */
	uint16_t port;
	char path[108];
	int fd;
	bool wanted;
	bool handed;     /* by the service manager, which made it and keeps it too */
	bool dual;       /* :: that takes IPv4 as well */
	char name[40];   /* of a handed one, as the manager calls it */
};

/* A certificate in use. The first of a set is the default, and has no names. */
struct cert {
	char names[CONF_CERTIFICATE_NAMES_MAX][256];
	size_t n_names;
	struct str chain;  /* PEM */
	int key_fd;        /* the private key's file, never read here */
	char key[65];      /* its name for keys: tls_chain_facts */
	int64_t ends_s;
};

#define CHILDREN_MAX 160

struct master {
	const char *conf_path;
	bool embedded, stopping, failed;
	bool closed; /* no door is opened, whatever the configuration says */
	struct sched *sched;
	struct log log;
	int log_out; /* where all roles' lines go */
	struct conf *conf;
	struct str conf_text;
	uint32_t conf_number; /* counts them */
	char ticket_keys[2][80]; /* by pool */
	struct cert *certs;
	size_t n_certs;
	struct str *logins; /* passwords by route of conf; empty where it has none */
	struct task *certs_task; /* looks for those that end */
	struct bound bound[2 * CONF_LISTENERS_MAX]; /* those in use and, while a configuration is exchanged, the new ones */
	size_t n_bound;
	struct child children[CHILDREN_MAX];
	size_t n_children;
	struct ipc_service service;
	int ctl_fd;
	char ctl_path[108];
	struct watch ctl_watch;
	struct task *ctl_task;
	uint32_t n_ctl;
	int64_t started_ms;
	struct sandbox_walls walls; /* of master itself */
	struct notify notify;
	struct task *watchdog;
	struct counters gone; /* of processes that have ended */
	struct gate changed; /* a child became ready, uses another configuration, or ended */
};

/* master_conf.c: what is read before any role starts. Each prints why to standard error (or the log, when running) and is false on failure. */
bool master_read_conf(const char *path, struct conf **conf, struct str *text, struct buf *why);
bool master_make_dirs(const struct conf *c, struct buf *why);

/* master_sockets.c: takes over what the service manager has bound (sd_listen_fds(3)), once, before anything is opened. */
bool master_take_sockets(struct master *m, struct buf *why);
/* Binds what the configuration wants and is not bound yet; sockets that it no longer wants are closed. */
bool master_bind(struct master *m, const struct conf *c, struct buf *why);
struct bound *master_bound_of(struct master *m, const struct conf_listener *l); /* NULL: none, its family is not there */
void master_close_sockets(struct master *m);
/* Appends "program (pid N)" for who listens there, as far as the system tells; false: unknown. */
bool master_holder(const struct bound *b, struct buf *out);

/* master_certs.c: what the configuration names, read and judged. One that cannot be used keeps the one in use under its name, and the log says
 * why; without such a one all fails. */
bool master_read_certs(struct master *m, const struct conf *c, struct cert **out, size_t *n, struct buf *why);
void master_certs_free(struct cert *v, size_t n);
void master_send_certs(struct child *c); /* to an edge */
void master_send_keys(struct child *c);  /* to keys */
void master_send_letter_keys(struct child *c); /* to keys (master_dkim.c) */
void master_warn_of_ends(struct master *m);
SUSPENDS void master_watch_ends(void *m); /* a task: warns at once, and every day */
void master_cert_lines(struct master *m, void (*line)(void *ctx, struct str text), void *ctx); /* for status */

/* master_logins.c: the passwords of routes. False: why has a line for each file that cannot be used. */
bool master_read_logins(const struct conf *c, struct str **out, struct buf *why);
void master_logins_free(struct str *v, size_t n);
void master_send_logins(struct child *c); /* to relay */

/* master_children.c */
void master_plan_children(struct master *m);
void master_spawn(struct child *c);
void master_start_all(struct master *m);
void master_reap(struct master *m);
/* Gives a running child the present configuration and everything that goes with it. */
void master_send_conf(struct child *c);
struct child *master_find_child(struct master *m, enum role r, uint16_t index);
void master_line(struct master *m, struct buf *out, const struct child *c); /* for status */

/* master_counts.c: sums over all roles and lives. */
/* No role has been silent for longer than that: what the watchdog of a service manager asks. */
bool master_all_counted(struct master *m, int64_t within_ms);
void master_counts_gone(struct child *c); /* its process has ended */
extern ipc_handler master_on_counts, master_on_metrics;
/* A line a service that has been used, for status. */
void master_service_lines(struct master *m, void (*line)(void *ctx, struct str text), void *ctx);

/* master_ctl.c: the command socket. */
bool master_ctl_open(struct master *m, struct buf *why);
void master_ctl_close(struct master *m);

#endif
