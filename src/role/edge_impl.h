/* role/edge_impl.h - what the files of the edges share. */
#ifndef SALLYPORT_ROLE_EDGE_IMPL_H
#define SALLYPORT_ROLE_EDGE_IMPL_H

#include "base/die.h"
#include "ipc_gen.h"
#include "net/door.h"
#include "net/limits.h"
#include "net/tls.h"
#include "role/host.h"

#define REVOKED_EARLY 64

struct listening {
	struct edge *edge;
	struct node node;
	struct host_conf *conf; /* what number counts in */
	uint16_t number;        /* in the configuration's listeners */
	int fd;
	struct watch watch;
	struct task *task; /* NULL: not accepting yet */
};

struct session {
	struct door door;
	struct node node;
	struct host_conf *conf;
	struct tls_server *tls;
	struct task *task;
	bool counted; /* in the limits, under the door's ip */
};

/* Certificates as master sent them, which own what they point to. */
struct identities {
	struct arena arena;
	struct tls_identity *v;
	size_t n, n_known; /* of all; that have come */
};

struct edge {
	struct host *host;
	bool is_user;
	struct link post, auth, stores[STORE_SHARDS];
	int keys_fd; /* a channel used in the blocking way; -1: none now */
	bool keys_greeted;
	struct tls_signer signer;
	struct tls_server *tls;
	struct identities coming, inside; /* being received; in use */
	struct str ticket_key;
	struct node listening;
	bool going;
	struct node sessions;
	size_t n_sessions;
	struct map by_handle; /* struct door_account */
	struct limits limits;
	uint64_t n_outside; /* connections from outside a listener's networks, or without the header that they owe */
	struct body_budget budget;
	struct gate stopping_gate;
	bool stopping;
	struct task *forgetter, *stopper;
	struct ipc_service service; /* what store may say here */
	struct ipc_service auth_service;
	struct task *greeter;
	uint64_t revoked_early[REVOKED_EARLY]; /* the last handles that ended before auth had told whose they are */
	size_t n_revoked_early;
	struct counters counts;
};

static inline void edge_counted(struct edge *e, unsigned service, enum service_counter what)
{
	e->counts.service[service][what]++;
}

/* ---- edge_tls.c */
enum outcome edge_ask_keys(void *ctx, struct str key, int padding, struct str digest, struct buf *signature);
void edge_renew_tls(struct edge *e);
void edge_identities_fini(struct identities *x);
void edge_certificate(void *self, const struct ipc_certificate *m);
void edge_ticket_key(void *self, struct str key);

/* ---- edge_door.c: net/door.h, and */
/* n - 1 letters and digits, and a NUL. */
void edge_random_name(char *out, size_t n);

/* ---- edge_news.c */
extern ipc_handler *const edge_store_handlers[IPC_TYPE_COUNT];
extern ipc_handler *const edge_auth_handlers[IPC_TYPE_COUNT];
void edge_store_gone(void *ctx, struct peer *p);
void edge_auth_late(void *ctx, int type, enum outcome o, const void *msg);
SUSPENDS void edge_greet_main(void *arg);

/* ---- edge_accept.c */
SUSPENDS void edge_accept_main(void *arg);
SUSPENDS void edge_forget_main(void *arg);

#endif
