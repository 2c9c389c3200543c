/* ipc/peer.c - a channel's life: reading, sending, its end.
 * Purpose     one reader task a channel, which hands each record on; sending at once or, when the socket is full, by a
 *             writer task.
 * Trust       the other end may be hostile: whatever is not legal from it ends the channel.
 * Owns        the descriptor, queued records and their duplicated descriptors, both buffers.
 * Suspends    reader and writer; peer_wait_room() for callers.
 * Invariants  I1 records leave in the order of peer_send(): nothing is sent directly while something is queued.
 *             I2 after lost nothing is sent, queued or handed on. I3 memory goes when no reader, writer, handler or caller
 *             is left.
 */
#include "ipc/peer.h"

#include "base/die.h"
#include "ipc/peer_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_BURST 32 /* records between two looks at the other tasks */
#define RETRY_MS 10 /* when the kernel has no memory for a record it tells nobody when it has */

static const char *const role_names[ROLE_COUNT] = { "master", "keys", "auth", "edge-in", "edge-user", "post", "scan",
	"store", "relay", "fetch", "ctl" };

const char *role_name(enum role r)
{
	die_unless((unsigned)r < ROLE_COUNT, "no such role");
	return role_names[r];
}

/* ---- the end */

static void unsent_free(struct peer *p, struct unsent *u)
{
	list_del(&u->node);
	p->unsent_bytes -= u->out.n;
	if (u->secret)
		explicit_bzero(u->out.p, u->out.n);
	if (u->out.fd >= 0)
		close(u->out.fd);
	free(u);
}

void peer_lose(struct peer *p, const char *why)
{
	if (p->lost)
		return;
	p->lost = true;
	if (why && p->log)
		log_error(p->log, "ipc-peer-dropped", "%s %u: %s", role_name(p->other), p->index, why);
	shutdown(p->watch.fd, SHUT_RDWR);
	calls_end(p);
	list_each(it, nxt, &p->unsent)
		unsent_free(p, list_entry(it, struct unsent, node));
	if (p->link) {
		p->link->peer = NULL;
		gate_open(p->sched, &p->link->changed);
		p->link = NULL;
	}
	gate_open(p->sched, &p->room);
	gate_open(p->sched, &p->idle);
}

void peer_close(struct peer *p)
{
	peer_lose(p, NULL);
}

bool peer_is_lost(const struct peer *p)
{
	return p->lost;
}

/* The reader's last act: the others of the peer's tasks go first. */
static SUSPENDS void peer_end(struct peer *p)
{
	struct gate *idle = &p->idle;

	while (p->n_running || p->n_callers || p->writing)
		task_wait(p->sched, &idle, 1, NEVER_MS);
	watch_close(&p->watch);
	close(p->watch.fd);
	if (p->service && p->service->gone)
		p->service->gone(p->service->ctx, p);
	vec_free(&p->slots);
	vec_free(&p->free_slots);
	free(p->in);
	free(p->out);
	free(p);
}

/* ---- sending */

bool peer_wait_room(struct peer *p, int64_t deadline_ms)
{
	struct gate *room = &p->room;
	int r = 0;

	while (!p->lost && p->unsent_bytes > PEER_ROOM && r >= 0)
		r = task_wait(p->sched, &room, 1, deadline_ms);
	return !p->lost && r >= 0;
}

static bool is_later(int error)
{
	return error == EAGAIN || error == ENOBUFS || error == ENOMEM;
}

static void lose_after(struct peer *p, int error)
{
	peer_lose(p, error == EPIPE || error == ECONNRESET || error == ENOTCONN ? NULL : "its socket failed");
}

static SUSPENDS void send_queued(struct peer *p)
{
	struct unsent *u = list_first(&p->unsent, struct unsent, node);
	struct gate *gates[] = { &p->watch.write_gate, &p->idle };
	int error = wire_send(p->watch.fd, &u->out);

	if (error == 0) {
		unsent_free(p, u);
		if (p->unsent_bytes <= PEER_ROOM)
			gate_open(p->sched, &p->room);
	} else if (error == EAGAIN) {
		p->watch.writable = false;
		task_wait(p->sched, gates, 2, NEVER_MS);
	} else if (is_later(error)) {
		task_wait(p->sched, gates, 2, sched_now_ms(p->sched) + RETRY_MS);
	} else {
		lose_after(p, error);
	}
}

static void writer(void *arg)
{
	struct peer *p = arg;

	if (!p->lost)
		watch_for(&p->watch, WATCH_READ | WATCH_WRITE);
	while (!p->lost && !list_empty(&p->unsent))
		send_queued(p);
	if (!p->lost)
		watch_for(&p->watch, WATCH_READ);
	p->writing = false;
	gate_open(p->sched, &p->idle);
}

static void queue(struct peer *p, const struct ipc_out *o, bool secret)
{
	struct unsent *u;
	int fd = o->fd < 0 ? -1 : fcntl(o->fd, F_DUPFD_CLOEXEC, 3);

	if (o->fd >= 0 && fd < 0) {
		peer_lose(p, "no descriptor is left for what it is to get");
		return;
	}
	u = mem_realloc(NULL, sizeof *u + o->n + o->tail.n);
	*u = (struct unsent){ .secret = secret, .out = { .p = (char *)(u + 1), .n = o->n + o->tail.n, .fd = fd } };
	memcpy(u->out.p, o->p, o->n);
	if (o->tail.n)
		memcpy(u->out.p + o->n, o->tail.p, o->tail.n);
	list_add_last(&p->unsent, &u->node);
	p->unsent_bytes += u->out.n;
	if (!p->writing) {
		p->writing = true;
		task_spawn(p->sched, "ipc-writer", writer, p);
	}
}

void peer_send(struct peer *p, const struct ipc_header *h, const struct ipc_shape *s, const void *m)
{
	struct ipc_out o = { .p = p->out, .max = IPC_RECORD_MAX, .fd = -1 };
	int error = EAGAIN;

	if (p->lost)
		return;
	ipc_put_header(&o, h);
	ipc_encode(&o, &ipc_descs[h->type], s, m);
	if (list_empty(&p->unsent))
		error = wire_send(p->watch.fd, &o);
	if (is_later(error))
		queue(p, &o, s->secret);
	else if (error)
		lose_after(p, error);
	if (s->secret)
		explicit_bzero(p->out, o.n);
}

void peer_cast(struct peer *p, int type, const void *msg)
{
	const struct ipc_desc *d = &ipc_descs[type];

	if (!p || p->lost)
		return;
	die_unless(
		d->cast && d->from & 1u << p->self && d->to & 1u << p->other, "a cast that the other role may not get");
	die_unless(!msg == !d->request.size, "a cast's fields");
	peer_send(p, &(struct ipc_header){ .type = (uint16_t)type, .kind = IPC_KIND_CAST }, &d->request, msg);
	if (p->unsent_bytes > PEER_QUEUE_MAX)
		peer_lose(p, "it does not read what it is sent");
}

/* ---- reading */

static const char *again_hello(struct peer *p, struct arrived *a)
{
	(void)p;
	(void)a;
	return "a second hello";
}

static const char *(*const on_arrival[IPC_KIND_COUNT])(struct peer *p, struct arrived *a) = {
	[IPC_KIND_HELLO] = again_hello,
	[IPC_KIND_CALL] = call_arrived,
	[IPC_KIND_CAST] = call_arrived,
	[IPC_KIND_REPLY] = reply_arrived,
};

static const char *record_arrived(struct peer *p, struct wire_record *r)
{
	struct arrived a = { .record = *r };
	struct cur c = cur_of(r->bytes);
	bool has_fd = r->fd >= 0 || r->short_of_fds;

	if (p->greeted) {
		a.header = ipc_get_header(&c);
		a.fields = cur_rest(&c);
		if (cur_ok(&c) && a.header.kind < IPC_KIND_COUNT && a.header.type < ipc_n_descs &&
			(!has_fd || a.header.kind == IPC_KIND_CALL || a.header.kind == IPC_KIND_CAST))
			return on_arrival[a.header.kind](p, &a);
	} else if (!has_fd) {
		p->greeted = true;
		return wire_check_hello(r->bytes, p->other);
	}
	if (r->fd >= 0)
		close(r->fd);
	return "not a record";
}

static void read_one(struct peer *p)
{
	struct wire_record r;
	const char *why;

	switch (wire_receive(p->watch.fd, p->in, IPC_RECORD_MAX, &r)) {
	case WIRE_RECORD:
		why = record_arrived(p, &r);
		if (why)
			peer_lose(p, why);
		break;
	case WIRE_NOTHING:
		p->watch.readable = false;
		break;
	case WIRE_END:
		peer_lose(p, NULL);
		break;
	case WIRE_BAD:
		peer_lose(p, "not a record");
		break;
	}
}

static bool is_busy(const struct peer *p)
{
	return p->serves && (p->n_running >= PEER_RUNNING_MAX || p->running_bytes >= PEER_RUNNING_BYTES ||
				    p->unsent_bytes > PEER_ROOM);
}

static SUSPENDS void wait_for_more(struct peer *p)
{
	struct gate *gates[] = { &p->idle, &p->watch.read_gate };
	struct gate *held_up[] = { &p->idle, &p->room };

	if (is_busy(p)) {
		p->held_up = true;
		task_wait(p->sched, held_up, 2, NEVER_MS);
		p->held_up = false;
	} else if (p->watch.readable) {
		task_yield(p->sched);
	} else {
		task_wait(p->sched, gates, 2, NEVER_MS);
	}
}

static void reader(void *arg)
{
	struct peer *p = arg;

	while (!p->lost) {
		for (int i = 0; i < READ_BURST && !p->lost && p->watch.readable && !is_busy(p); i++)
			read_one(p);
		if (!p->lost)
			wait_for_more(p);
	}
	peer_end(p);
}

static void say_hello(struct peer *p)
{
	char hello[IPC_HEADER_SIZE];
	struct ipc_out o = { .p = hello, .n = sizeof hello, .fd = -1 };
	int error;

	wire_hello(hello, p->self);
	error = wire_send(p->watch.fd, &o);
	if (is_later(error))
		queue(p, &o, false);
	else if (error)
		lose_after(p, error);
}

/* Does one of two roles make calls that the other serves? */
static bool is_called(enum role caller, enum role callee)
{
	for (size_t i = 0; i < ipc_n_descs; i++)
		if (!ipc_descs[i].cast && ipc_descs[i].from & 1u << caller && ipc_descs[i].to & 1u << callee)
			return true;
	return false;
}

struct peer *peer_open(const struct peer_opts *opts)
{
	struct peer *p = mem_new(struct peer);

	p->sched = opts->sched;
	p->log = opts->log;
	p->service = opts->service;
	p->self = opts->self;
	p->other = opts->other;
	p->index = opts->index;
	p->life = opts->life;
	p->uid = opts->uid;
	p->serves = is_called(p->other, p->self);
	p->greeted = opts->greeted;
	p->in = mem_realloc(NULL, IPC_RECORD_MAX);
	p->out = mem_realloc(NULL, IPC_RECORD_MAX);
	list_init(&p->unsent);
	gate_init(&p->idle);
	gate_init(&p->room);
	watch_open(&p->watch, p->sched, opts->fd, WATCH_READ);
	task_spawn(p->sched, "ipc-reader", reader, p);
	if (!opts->greeted)
		say_hello(p);
	return p;
}

enum role peer_role(const struct peer *p)
{
	return p->other;
}

uint16_t peer_index(const struct peer *p)
{
	return p->index;
}

uint32_t peer_life(const struct peer *p)
{
	return p->life;
}

uint32_t peer_uid(const struct peer *p)
{
	return p->uid;
}

void *peer_data(const struct peer *p)
{
	return p->data;
}

void peer_set_data(struct peer *p, void *data)
{
	p->data = data;
}
