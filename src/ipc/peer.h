/* ipc/peer.h - one end of a channel between two roles (SOCK_SEQPACKET, one message a record).
 *
 * A caller sends a request and gets the reply where it asked (the generated ipc_NAME() wrappers around link_call). A
 * callee registers a handler a message; each call runs in a task of its own, started in order of arrival, and answers
 * once with the generated ipc_NAME_reply_send(). A record that does not decode, is not legal from that role in this state,
 * answers no call, or brings a descriptor it should not, is fatal to the channel.
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
#define IPC_REPLY_MEMORY (8 * IPC_RECORD_MAX)

/* Values of FROM and TO in ipc.def, in its order. */
enum role {
	ROLE_MASTER, ROLE_KEYS, ROLE_AUTH, ROLE_EDGE_IN, ROLE_EDGE_USER, ROLE_POST, ROLE_SCAN, ROLE_STORE, ROLE_RELAY, ROLE_FETCH, ROLE_CTL, ROLE_COUNT
};
const char *role_name(enum role r); /* "edge-user" */

struct peer; /* a live channel */
struct ipc_call; /* a request being answered */

/* msg points to the decoded struct ipc_NAME, valid until the handler returns. May suspend. */
typedef void ipc_handler(void *ctx, struct ipc_call *call, const void *msg);

struct ipc_service {
	void *ctx;
	ipc_handler *const *handlers; /* by enum ipc_type; NULL: not served here, fatal to the peer */
	/* The channel is gone: free what belonged to it. Runs in a task after the last handler returned. May be NULL. */
	void (*gone)(void *ctx, struct peer *p);
	/* A reply came to a call of ours whose caller had stopped waiting: what it gave is to be given back. msg: its decoded fields. May be
	 * NULL. Must not suspend. */
	void (*late)(void *ctx, int type, enum outcome o, const void *msg);
};

struct peer_opts {
	struct sched *sched;
	struct log *log;
	const struct ipc_service *service; /* NULL: nothing is served on it */
	enum role self, other;
	uint16_t index; /* of the other, among those of its role */
	uint32_t uid;   /* of who is at the other end, when that is a command */
	uint32_t life;  /* of the other: counts its processes since master started, from 1 */
	int fd;         /* taken over */
	bool greeted;   /* ipc_sync_hello() was done on it before */
};
/* Starts the channel's reader task and exchanges the schema hash. */
struct peer *peer_open(const struct peer_opts *opts);
/* Calls in flight end UNANSWERED. When the last handler has returned, service->gone is called; then the peer is freed.
 * The same happens by itself when the other end goes away: who keeps the pointer drops it in gone, or holds it by a link. */
void peer_close(struct peer *p);
bool peer_is_lost(const struct peer *p); /* it is on its way there: calls end TRY_LATER or UNANSWERED, casts vanish */
enum role peer_role(const struct peer *p);
uint16_t peer_index(const struct peer *p);
uint32_t peer_life(const struct peer *p);
uint32_t peer_uid(const struct peer *p);
void *peer_data(const struct peer *p); /* the service's own, NULL at first */
void peer_set_data(struct peer *p, void *data);

struct link {
	struct sched *sched;
	struct peer *peer; /* NULL: none now */
	struct gate changed; /* opens when peer is replaced or lost */
	bool closed; /* no channel will come any more */
};
void link_init(struct link *l, struct sched *s);
void link_set(struct link *l, struct peer *p); /* closes the one before */
void link_close(struct link *l); /* winding down: closes the channel; calls, waiting ones too, end at once */

/* Suspends while a call on the link would not be sent at once; then one that is made without suspending before it is sent in that order.
 * False: there is no channel, or the deadline (NEVER_MS, or on the clock of sched_now_ms) passed. */
SUSPENDS bool link_wait_room(struct link *l, int64_t deadline_ms);

/* Used by the generated code. type: enum ipc_type. reply may be NULL when the call has no reply fields; it is all zero
 * when the answer brought none (an outcome that is not OK, or no answer). Views in the reply are in the arena, which a
 * reply fills with at most IPC_REPLY_MEMORY bytes; it may be NULL when the reply has integers only. timeout_ms may be
 * NEVER_MS. TRY_LATER: it was not sent; UNANSWERED: it was, and no answer came in time or ever will. */
SUSPENDS enum outcome link_call(struct link *l, int type, const void *msg, void *reply, struct arena *a,
	int64_t timeout_ms) MUST_USE;
SUSPENDS enum outcome peer_call(struct peer *p, int type, const void *msg, void *reply, struct arena *a,
	int64_t timeout_ms) MUST_USE;
/* Kept and sent later when the socket is full; a peer 8 MiB behind is dropped. p NULL or lost: nothing happens. */
void peer_cast(struct peer *p, int type, const void *msg);
/* Bytes of the record that a reply (or else a request) would be; more than IPC_RECORD_MAX must not be sent. See also
 * IPC_NAME_FIXED. */
size_t ipc_size(int type, bool reply, const void *msg);

/* In handlers. A handler's task is never cancelled by the peer's end: its answer then goes nowhere. */
struct peer *call_peer(const struct ipc_call *c);
int call_type(const struct ipc_call *c);
enum outcome call_outcome(const struct ipc_call *c); /* what was answered; FAILED: nothing yet */
struct arena *call_arena(struct ipc_call *c); /* ends with the handler */
void call_reply(struct ipc_call *c, enum outcome o, const void *reply); /* once; a handler that returns without: FAILED */
void call_reply_as(struct ipc_call *c, int type, enum outcome o, const void *reply); /* the same; dies if c is of another type */
/* A descriptor that a message brought (fields fd, body) is closed after the handler unless taken; -1: none is left. */
int call_take_fd(struct ipc_call *c);

/* Blocking, for master before its loop, for keys' one blocking client, for commands. One at a time on a descriptor, which
 * may be non-blocking. TRY_LATER: no answer in time, or the channel is lost. FAILED: the other end broke the rules. */
enum outcome ipc_sync_hello(int fd, enum role self, enum role other, int timeout_ms) MUST_USE; /* first of all */
enum outcome ipc_sync_call(int fd, int type, const void *msg, void *reply, struct arena *a, int timeout_ms) MUST_USE;
enum outcome ipc_sync_cast(int fd, int type, const void *msg, int timeout_ms) MUST_USE;
/* The next cast. msg: in the arena, NULL when it has no fields. A descriptor that it brought is the caller's to close. */
struct ipc_sync_got {
	int type;
	const void *msg;
	int fd; /* or -1 */
};
enum outcome ipc_sync_next(int fd, enum role self, enum role other, struct ipc_sync_got *out, struct arena *a,
	int timeout_ms) MUST_USE;

/* Both ends of a new channel, non-blocking, close-on-exec, with room for records of IPC_RECORD_MAX. */
void ipc_channel(int fds[2]);
void ipc_channel_room(int fd); /* that room, for a SOCK_SEQPACKET socket made otherwise (the command socket) */

#endif
