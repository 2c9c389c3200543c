/* ipc/peer.h - one end of a channel between two roles (SOCK_SEQPACKET, one message a record).
 *
 * A caller sends a request and gets the reply where it asked (the generated ipc_NAME() wrappers around peer_call). A callee
 * registers a handler a message; each call runs in a task of its own, started in order of arrival, and answers once with
 * the generated ipc_NAME_reply(). A record that does not decode, is not legal from that role in this state, answers no call, or brings
 * a descriptor it should not, is fatal to the channel.
 *
 * A link is what a role holds towards one other role: it outlives the channels, which master replaces when the other
 * process is started again. A call on a link without a channel waits for one until its deadline.
 */
#ifndef SALLYPORT_IPC_PEER_H
#define SALLYPORT_IPC_PEER_H

#include "base/arena.h"
#include "base/log.h"
#include "base/outcome.h"
#include "co/sched.h"
#include "ipc/body.h"

#define IPC_RECORD_MAX 262144
#define IPC_CALL_MS 10000 /* default deadline of a call */

/* Values of FROM and TO in ipc.def, in its order. */
enum role { ROLE_MASTER, ROLE_KEYS, ROLE_AUTH, ROLE_EDGE_IN, ROLE_EDGE_USER, ROLE_POST, ROLE_SCAN, ROLE_STORE, ROLE_CTL, ROLE_COUNT };
const char *role_name(enum role r); /* "edge-user" */

struct peer; /* a live channel */
struct ipc_call; /* a request being answered */

/* msg points to the decoded struct ipc_NAME, valid until the handler returns. May suspend. */
typedef void ipc_handler(void *ctx, struct ipc_call *call, const void *msg);

struct ipc_service {
	void *ctx;
	ipc_handler *const *handlers; /* by enum ipc_type; NULL: not served here, fatal to the peer */
	/* The channel is gone: release what belonged to it. Runs in a task, after the last handler returned. May be NULL. */
	void (*gone)(void *ctx, struct peer *p);
};

struct peer_opts {
	struct sched *sched;
	struct log *log;
	const struct ipc_service *service; /* NULL: nothing is served on it */
	enum role self, other;
	uint16_t index; /* of the other, among those of its role */
	uint32_t life;  /* of the other: counts its processes since master started, from 1 */
	int fd;         /* taken over */
};
/* Starts the channel's reader task and exchanges the schema hash. */
struct peer *peer_open(const struct peer_opts *opts);
void peer_close(struct peer *p); /* calls in flight end with TRY_LATER; freed when its last task is done */
enum role peer_role(const struct peer *p);
uint16_t peer_index(const struct peer *p);
uint32_t peer_life(const struct peer *p);
void *peer_data(const struct peer *p); /* the service's own, NULL at first */
void peer_set_data(struct peer *p, void *data);

struct link {
	struct sched *sched;
	struct peer *peer; /* NULL: none now */
	struct gate changed; /* opens when peer is replaced or lost */
};
void link_init(struct link *l, struct sched *s);
void link_set(struct link *l, struct peer *p); /* closes the one before */

/* Used by the generated code. type: enum ipc_type. reply may be NULL when the call has no reply fields. Views in the reply are in the arena. */
SUSPENDS enum outcome link_call(struct link *l, int type, const void *msg, void *reply, struct arena *a, int64_t timeout_ms) MUST_USE;
SUSPENDS enum outcome peer_call(struct peer *p, int type, const void *msg, void *reply, struct arena *a, int64_t timeout_ms) MUST_USE;
void peer_cast(struct peer *p, int type, const void *msg); /* kept and sent later when the socket is full; a peer 8 MiB behind is dropped */

/* In handlers. */
struct peer *call_peer(const struct ipc_call *c);
struct arena *call_arena(struct ipc_call *c); /* ends with the handler */
void call_reply(struct ipc_call *c, enum outcome o, const void *reply); /* once; a handler that returns without: FAILED */
void call_reply_as(struct ipc_call *c, int type, enum outcome o, const void *reply); /* the same; dies if c is of another type */
/* A descriptor that a message brought (fields fd, body) is closed after the handler unless taken: */
int call_take_fd(struct ipc_call *c);

/* Blocking, for master before its loop, for keys' one blocking client, for commands. */
enum outcome ipc_sync_call(int fd, int type, const void *msg, void *reply, struct arena *a, int timeout_ms) MUST_USE;
/* Both ends of a new channel, non-blocking, close-on-exec, with room for records of IPC_RECORD_MAX. */
void ipc_channel(int fds[2]);

#endif
