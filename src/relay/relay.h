/* relay/relay.h - the role that hands letters to other servers: what post asks of it. */
#ifndef SALLYPORT_RELAY_RELAY_H
#define SALLYPORT_RELAY_RELAY_H

#include "base/log.h"
#include "conf/conf.h"
#include "ipc/counters.h"
#include "ipc/peer.h"

/* Attempts under way and results that post has not acknowledged, together. Post has at most queue.connections (10,000) under way. */
#define RELAY_JOBS_MAX 20000

/* A configuration on loan: end(arg) gives it back, when no attempt uses it any more. */
struct relay_loan {
	const struct conf *conf;
	void (*end)(void *arg);
	void *arg;
};

struct relay;
struct relay_opts {
	struct sched *sched;
	struct log *log;
	struct link *fetch;
	struct relay_loan loan;
};
/* Reads what can be read before the walls close: the system's resolvers, its addresses, its authorities. */
struct relay *relay_new(const struct relay_opts *o);
void relay_configure(struct relay *r, struct relay_loan loan);
/* The password of a route of the configuration that came last; the bytes are copied. */
void relay_login(struct relay *r, uint16_t route, struct str secret);
const struct ipc_service *relay_service(struct relay *r);
void relay_count(const struct relay *r, struct counters *out);

/* Attempts end where they are, connections close. When relay_stopped, nothing of it runs any more and relay_free may be called. */
void relay_stop(struct relay *r);
bool relay_stopped(struct relay *r);
void relay_free(struct relay *r);

#endif
