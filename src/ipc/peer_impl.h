/* ipc/peer_impl.h - what peer.c, call.c and link.c know of each other; nobody else includes it. */
#ifndef SALLYPORT_IPC_PEER_IMPL_H
#define SALLYPORT_IPC_PEER_IMPL_H

#include "base/vec.h"
#include "ipc/codec.h"
#include "ipc/peer.h"
#include "ipc/wire.h"

#define PEER_ROOM ((size_t)1 << 20)           /* bytes unsent: beyond it callers wait, who serves calls reads no more */
#define PEER_QUEUE_MAX ((size_t)8 << 20)      /* bytes unsent: beyond it a cast, which waits for nobody, ends it */
#define PEER_RUNNING_MAX 1024                 /* handlers at once: beyond it who serves calls reads no more */
#define PEER_RUNNING_BYTES ((size_t)64 << 20) /* the same for the bytes of the records being answered */
#define PEER_ABANDONED_MAX 65536              /* calls past their deadline and not answered yet */

/* A call in flight, on its caller's stack. */
struct waiting {
	bool done;
	enum outcome outcome;
	void *reply;
	struct arena *arena;
	struct gate gate;
};

/* A call's id is its slot's index and the count of calls that the slot has had. */
struct slot {
	struct waiting *waiting; /* NULL and in use: its caller went away, the reply is still to come */
	uint32_t turn;
	uint16_t type;
	bool in_use;
};

/* A record that did not fit into the socket. */
struct unsent {
	struct node node;
	struct ipc_out out; /* p is this struct's own memory, fd its own duplicate */
	bool secret;
};

struct peer {
	struct sched *sched;
	struct log *log;
	const struct ipc_service *service;
	enum role self, other;
	uint16_t index;
	uint32_t life;
	uint32_t uid;
	struct watch watch;
	struct link *link; /* that holds it, or NULL */
	void *data;
	bool greeted; /* the other end's hello has come */
	bool lost;
	/* The other may call us. Calls between two roles go one way (ipcgen checks), so only one side ever stops reading. */
	bool serves;
	bool held_up; /* the reader waits for handlers to end */
	bool writing; /* the writer's task is alive */
	struct gate idle; /* lost, or a task of the peer ended that somebody waits for */
	struct gate room; /* the queue is short again, or lost */
	size_t n_callers, n_running, running_bytes;
	struct VEC(struct slot) slots;
	struct VEC(uint32_t) free_slots;
	size_t n_abandoned;
	struct node unsent;
	size_t unsent_bytes;
	char *in, *out; /* IPC_RECORD_MAX each; pages that were never touched cost nothing */
};

struct arrived {
	struct ipc_header header;
	struct str fields;
	struct wire_record record;
};

/* Ends the channel at once; its tasks and memory follow. why: for the log, NULL: an ordinary end. */
void peer_lose(struct peer *p, const char *why);
/* Encodes and sends, or queues. */
void peer_send(struct peer *p, const struct ipc_header *h, const struct ipc_shape *s, const void *m);
/* Waits until less than PEER_ROOM is unsent. False: the peer is lost, the deadline passed or the task is stopping. */
SUSPENDS bool peer_wait_room(struct peer *p, int64_t deadline_ms);

/* What is wrong with the record (the peer is dropped), or NULL. They take over the record's descriptor. */
const char *call_arrived(struct peer *p, struct arrived *a);
const char *reply_arrived(struct peer *p, struct arrived *a);
void calls_end(struct peer *p); /* all in flight: UNANSWERED */

#endif
