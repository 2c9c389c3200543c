/* auth/login.h - the service of role auth: is this password, proof or certificate right, and if so, a handle from store. */
#ifndef SALLYPORT_AUTH_LOGIN_H
#define SALLYPORT_AUTH_LOGIN_H

#include "base/log.h"
#include "conf/conf.h"
#include "ipc/counters.h"
#include "ipc/peer.h"

struct login_opts {
	struct sched *sched;
	struct log *log;
	struct link *stores; /* shard 0 holds the directory */
	uint32_t n_stores;
	unsigned n_threads; /* that hash; 0: on the scheduler's own (under -X) */
};

struct login;
struct login *login_new(const struct login_opts *opts, const struct conf *c);
void login_reconfigure(struct login *l, const struct conf *c);
void login_start(struct login *l); /* makes the threads: after the sandbox is closed, whose walls new threads inherit */
const struct ipc_service *login_service(struct login *l);
void login_stop(struct login *l); /* its tasks end; free it once the scheduler has run them out */
void login_count(const struct login *l, struct counters *out);
void login_free(struct login *l);

#endif
