/* relay/relay_impl.h - what the files of relay share. */
#ifndef SALLYPORT_RELAY_RELAY_IMPL_H
#define SALLYPORT_RELAY_RELAY_IMPL_H

#include "base/map.h"
#include "dns/dns.h"
#include "ipc_gen.h"
#include "relay/bad.h"
#include "relay/lock.h"
#include "relay/mx.h"
#include "relay/pool.h"
#include "relay/relay.h"

/* A configuration in use, by the attempts that began with it. */
struct relay_conf {
	struct relay_loan loan;
	const struct conf *conf;
	struct str *logins; /* by route; empty: no password came */
	unsigned n_users;
};

/* One attempt: under way, or its result until it is acknowledged. */
struct relay_job {
	struct node node; /* in the order in which they came */
	struct ipc_relay_job *ids; /* of all groups that go together; those that were acknowledged are gone, and with the last of them the job */
	size_t n_ids;
	struct arena arena; /* of ids and the reply */
	struct ipc_relay_send_reply reply;
	bool done;
	unsigned n_waiting; /* tasks that wait for its end */
	struct gate gate;
	struct task *task;
};

struct relay {
	struct sched *sched;
	struct log *log;
	struct link *fetch;
	struct relay_conf *conf;
	struct conf_resolvers system; /* those of the system, read before the walls */
	struct dns *dns;
	struct resolver resolver;
	struct tls_authorities *authorities;
	struct locks *locks;
	struct bad bad;
	struct pool pool;
	struct own own;
	struct address interfaces[OWN_ADDRESSES_MAX]; /* this machine's, read before the walls */
	size_t n_interfaces;
	uint64_t seed;
	struct map by_id;
	struct node jobs;
	size_t n_jobs, n_running;
	bool stopping;
	unsigned n_calls; /* being answered */
	struct ipc_service service;
	ipc_handler *handlers[IPC_TYPE_COUNT];
	uint64_t n_connections, n_connections_failed, n_reused;
};

struct relay_conf *relay_conf_get(struct relay_conf *c);
void relay_conf_put(struct relay_conf *c);

/* relay/own.c: addresses of this machine, and all names and addresses that are ours by the configuration. */
size_t own_interfaces(struct address out[OWN_ADDRESSES_MAX]);
void own_learn(struct relay *r, const struct conf *c);

/* relay/attempt.c: the whole of it. The reply is in the arena, which ends with the attempt's caller. */
SUSPENDS void attempt_run(struct relay *r, struct relay_conf *conf, const struct ipc_relay_send *m, struct arena *a, struct ipc_relay_send_reply *out);

/* relay/service.c */
void relay_service_init(struct relay *r);
void relay_jobs_fini(struct relay *r);

#endif
