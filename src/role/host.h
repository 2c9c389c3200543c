/* role/host.h - the skeleton of every role but master: a process (or, under -X, a part of one) that master feeds over its control
 * channel with configuration, channels to other roles and descriptors, closes into its sandbox, and starts.
 *
 * The order is: open (configuration is known, privileges still there), channels and descriptors, go (the sandbox is closed),
 * then calls; stop; close. A role supplies functions; host does the rest once.
 */
#ifndef SALLYPORT_ROLE_HOST_H
#define SALLYPORT_ROLE_HOST_H

#include "base/log.h"
#include "co/sched.h"
#include "conf/conf.h"
#include "ipc/counters.h"
#include "ipc/peer.h"

/* A configuration in use: a session keeps the one it began with while newer sessions have a newer one. */
struct host_conf {
	struct conf *conf;
	unsigned n_users;
};
struct host_conf *host_conf_get(struct host_conf *c);
void host_conf_put(struct host_conf *c);

#define STORE_SHARDS 1 /* threads of store that accounts are divided among; handles, links and login count on there being several */

struct host;
struct ipc_certificate;
struct ipc_dkim_key;

/* All but open, go and stop may be NULL. */
struct host_ops {
	enum role role;
	void *(*open)(struct host *h); /* the role's state; freed by close */
	const struct ipc_service *(*service)(void *self, enum role other);    /* what that role may ask here */
	struct link *(*link)(void *self, enum role other, uint16_t index);    /* where calls to it go */
	bool (*raw_channel)(void *self, const struct peer_opts *who); /* true: who->fd is taken, no peer is made */
	void (*listener)(void *self, uint16_t number, int fd);
	void (*certificate)(void *self, const struct ipc_certificate *m);
	void (*ticket_key)(void *self, struct str key);
	void (*private_key)(void *self, struct str name, int fd);
	void (*dkim_key)(void *self, const struct ipc_dkim_key *m, int fd);
	void (*dkim_keys_end)(void *self);
	void (*route_login)(void *self, uint16_t route, struct str secret);
	bool (*go)(void *self); /* false: not ready yet, it calls host_ready() when it is */
	void (*reconfigured)(void *self); /* host->conf is a new one */
	void (*stop)(void *self, int64_t grace_ms); /* wind down and call host_done(), at the latest after grace_ms */
	void (*count)(void *self, struct counters *out); /* what it counts, into zeroes; called once a second */
	void (*close)(void *self);
};
const struct host_ops *host_ops_of(enum role r);

struct host_opts {
	enum role role;
	uint16_t index;
	uint32_t life;
	int control_fd, log_fd;
	struct sched *sched; /* NULL: one of its own, a process of its own */
	struct host *keys;   /* under -X: the role that edges call for signatures instead of a channel */
};

struct host {
	enum role role;
	uint16_t index;
	uint32_t life;
	struct sched *sched;
	struct log log;
	struct host_conf *conf;
	struct peer *master;
	const struct host_ops *ops;
	void *self;
	bool embedded; /* under -X: no sandbox, no exit */
	struct host *keys;
	bool going, stopping, done;
	struct ipc_service control;
	uint32_t walls; /* bits, in the order of struct sandbox_walls */
	uint8_t landlock_abi;
	struct task *counter;
};

struct sandbox_walls;
uint32_t host_wall_bits(const struct sandbox_walls *w); /* as ready carries them */

struct host *host_new(const struct host_opts *opts);
void host_ready(struct host *h); /* master is told */
/* The role is done: master is told, and a process of its own leaves its loop. */
void host_done(struct host *h);
void host_free(struct host *h); /* when its scheduler has no task of it left */
/* A process of its own: makes it, runs its loop until it is done or master is gone, and gives the exit status. */
int host_main(const struct host_opts *opts);

#endif
