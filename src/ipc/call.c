/* ipc/call.c - calls, at both of their ends.
 * Purpose     peer_call(): a request out, its reply back to where it was asked; and the tasks that answer requests.
 * Trust       requests and replies come from another role: they are decoded and checked before anybody sees them.
 * Owns        a request's copy, its arena and its descriptor until the handler returned; the table of calls in flight.
 * Suspends    peer_call() until the reply, its deadline or the peer's end; handlers as they like.
 * Invariants  I1 handlers start in the order in which their records came. I2 a call is answered once.
 *             I3 a slot is free, waited for, or abandoned by its caller; only a reply frees an abandoned one.
 */
#include "ipc/peer.h"

#include "base/die.h"
#include "ipc/peer_impl.h"

#include <stdlib.h>
#include <unistd.h>

/* ---- asking */

static uint32_t slot_take(struct peer *p, struct waiting *w, int type)
{
	uint32_t at;

	if (p->free_slots.n) {
		at = p->free_slots.v[--p->free_slots.n];
	} else {
		at = (uint32_t)p->slots.n;
		vec_push(&p->slots);
	}
	struct slot *s = &p->slots.v[at];
	*s = (struct slot){ .waiting = w, .turn = s->turn + 1, .type = (uint16_t)type, .in_use = true };
	return at;
}

static void slot_give(struct peer *p, uint32_t at)
{
	p->slots.v[at].in_use = false;
	*vec_push(&p->free_slots) = at;
}

static void abandon(struct peer *p, uint32_t at)
{
	p->slots.v[at].waiting = NULL;
	if (++p->n_abandoned > PEER_ABANDONED_MAX)
		peer_lose(p, "it answers no calls");
}

static void finish(struct peer *p, struct waiting *w, enum outcome o)
{
	w->outcome = o;
	w->done = true;
	gate_open(p->sched, &w->gate);
}

void calls_end(struct peer *p)
{
	for (size_t i = 0; i < p->slots.n; i++)
		if (p->slots.v[i].in_use && p->slots.v[i].waiting)
			finish(p, p->slots.v[i].waiting, UNANSWERED);
}

static const char *reply_decode(const struct ipc_shape *s, struct waiting *w, struct str fields)
{
	struct ipc_in in = { .arena = w->arena, .fd = -1 };

	in.cur = cur_of(s->views ? arena_dup(w->arena, fields) : fields);
	if (!ipc_decode(&in, s, w->reply)) {
		memset(w->reply, 0, s->size);
		return "a reply that does not decode";
	}
	return NULL;
}

/* Nobody waits for it; but what it brought may have to be given back. */
static const char *arrived_late(struct peer *p, struct arrived *a, const struct ipc_shape *s)
{
	struct arena arena;
	struct waiting w = { .arena = &arena };
	const char *why = NULL;

	if (!p->service || !p->service->late || s->size == 0 || !a->fields.n)
		return NULL;
	arena_init(&arena, "late", IPC_REPLY_MEMORY);
	w.reply = arena_alloc(&arena, s->size);
	why = reply_decode(s, &w, a->fields);
	if (!why)
		p->service->late(p->service->ctx, a->header.type, (enum outcome)a->header.outcome, w.reply);
	arena_fini(&arena);
	return why;
}

const char *reply_arrived(struct peer *p, struct arrived *a)
{
	uint32_t at = (uint32_t)a->header.id;
	struct slot *slot = at < p->slots.n ? &p->slots.v[at] : NULL;
	const struct ipc_shape *s = &ipc_descs[a->header.type].reply;
	const char *why = NULL;

	if (!slot || !slot->in_use || slot->turn != a->header.id >> 32 || slot->type != a->header.type)
		return "a reply to no call";
	if (a->header.outcome >= OUTCOME_COUNT)
		return "an outcome that does not exist";
	if (!slot->waiting) {
		p->n_abandoned--;
		slot_give(p, at);
		return arrived_late(p, a, s);
	}
	if (s->size == 0)
		why = a->fields.n ? "a reply that does not decode" : NULL;
	else if (a->fields.n || a->header.outcome == OK)
		why = reply_decode(s, slot->waiting, a->fields);
	if (why)
		return why;
	finish(p, slot->waiting, (enum outcome)a->header.outcome);
	slot_give(p, at);
	if (s->secret)
		explicit_bzero(p->in, a->record.bytes.n);
	return NULL;
}

static void check_call(const struct peer *p, int type, const void *msg, const void *reply, const struct arena *a)
{
	const struct ipc_desc *d = &ipc_descs[type];

	die_unless(!d->cast && d->from & 1u << p->self && d->to & 1u << p->other,
		"a call that the other role does not serve");
	die_unless(!msg == !d->request.size && !reply == !d->reply.size, "a call's fields");
	die_unless(a || !d->reply.views, "a call whose reply needs an arena");
}

enum outcome peer_call(struct peer *p, int type, const void *msg, void *reply, struct arena *a, int64_t timeout_ms)
{
	int64_t deadline_ms = timeout_ms == NEVER_MS ? NEVER_MS : sched_now_ms(p->sched) + timeout_ms;
	const struct ipc_desc *d = &ipc_descs[type];
	struct waiting w = { .reply = reply, .arena = a, .outcome = TRY_LATER };
	struct gate *gate = &w.gate;

	check_call(p, type, msg, reply, a);
	if (d->reply.size)
		memset(reply, 0, d->reply.size);
	gate_init(&w.gate);
	p->n_callers++;
	if (peer_wait_room(p, deadline_ms)) {
		uint32_t at = slot_take(p, &w, type);
		uint64_t id = (uint64_t)p->slots.v[at].turn << 32 | at;

		w.outcome = UNANSWERED;
		peer_send(p, &(struct ipc_header){ .id = id, .type = (uint16_t)type, .kind = IPC_KIND_CALL },
			&d->request, msg);
		if (!w.done && task_wait(p->sched, &gate, 1, deadline_ms) < 0 && !w.done)
			abandon(p, at);
	}
	p->n_callers--;
	if (p->lost)
		gate_open(p->sched, &p->idle);
	return w.outcome;
}

/* ---- answering */

struct ipc_call {
	struct peer *peer;
	struct ipc_header header;
	int fd; /* that the message brought, or -1 */
	bool replied;
	enum outcome outcome; /* that was answered */
	size_t n; /* bytes of the record's fields, which follow the decoded struct */
	char *fields;
	void *msg;
	struct arena arena;
};

struct peer *call_peer(const struct ipc_call *c)
{
	return c->peer;
}

int call_type(const struct ipc_call *c)
{
	return c->header.type;
}

enum outcome call_outcome(const struct ipc_call *c)
{
	return c->replied ? c->outcome : FAILED;
}

struct arena *call_arena(struct ipc_call *c)
{
	return &c->arena;
}

int call_take_fd(struct ipc_call *c)
{
	int fd = c->fd;

	c->fd = -1;
	return fd;
}

void call_reply_as(struct ipc_call *c, int type, enum outcome o, const void *reply)
{
	if (c->header.type != type)
		die("ipc: %s answered with a reply to %s", ipc_descs[c->header.type].name, ipc_descs[type].name);
	call_reply(c, o, reply);
}

void call_reply(struct ipc_call *c, enum outcome o, const void *reply)
{
	const struct ipc_desc *d = &ipc_descs[c->header.type];
	struct ipc_header h = {
		.id = c->header.id, .type = c->header.type, .kind = IPC_KIND_REPLY, .outcome = (uint8_t)o
	};

	die_unless(!d->cast && !c->replied, "an answer to a cast, or a second one");
	die_unless(reply || o != OK || !d->reply.size, "an answer without its fields");
	c->replied = true;
	c->outcome = o;
	peer_send(c->peer, &h, &d->reply, reply);
}

/* One allocation: the call, its decoded struct, the record's fields. */
static struct ipc_call *call_new(struct peer *p, const struct arrived *a, const struct ipc_shape *s)
{
	size_t head = (sizeof(struct ipc_call) + s->size + 15) & ~(size_t)15;
	struct ipc_call *c = mem_realloc(NULL, head + a->fields.n);

	memset(c, 0, head);
	c->peer = p;
	c->header = a->header;
	c->fd = a->record.fd;
	c->n = a->fields.n;
	c->fields = (char *)c + head;
	c->msg = s->size ? c + 1 : NULL;
	if (c->n)
		memcpy(c->fields, a->fields.p, c->n);
	arena_init(&c->arena, "call", (size_t)IPC_RECORD_MAX * IPC_UNFOLD);
	if (s->secret)
		explicit_bzero(p->in, a->record.bytes.n);
	return c;
}

static void call_free(struct ipc_call *c)
{
	if (ipc_descs[c->header.type].request.secret)
		explicit_bzero(c->fields, c->n);
	if (c->fd >= 0)
		close(c->fd);
	arena_fini(&c->arena);
	free(c);
}

static void run_call(void *arg)
{
	struct ipc_call *c = arg;
	struct peer *p = c->peer;
	size_t n = c->n;

	p->service->handlers[c->header.type](p->service->ctx, c, c->msg);
	if (c->header.kind == IPC_KIND_CALL && !c->replied)
		call_reply(c, FAILED, NULL);
	call_free(c);
	p->n_running--;
	p->running_bytes -= n;
	if (p->lost || p->held_up)
		gate_open(p->sched, &p->idle);
}

static const char *call_decode(struct ipc_call *c, const struct ipc_shape *s, bool short_of_fds)
{
	struct ipc_in in = {
		.cur = cur_of(str_of(c->fields, c->n)), .arena = &c->arena, .fd = c->fd, .short_of_fds = short_of_fds
	};

	if (!ipc_decode(&in, s, c->msg))
		return "a message that does not decode";
	if (s->body && c->fd >= 0 && !wire_body_sound(c->fd, in.body_size))
		return "a body that is not sealed";
	return NULL;
}

static bool is_served(const struct peer *p, const struct arrived *a)
{
	const struct ipc_desc *d = &ipc_descs[a->header.type];

	return d->cast == (a->header.kind == IPC_KIND_CAST) && a->header.outcome == 0 &&
	       (!d->cast || a->header.id == 0) && d->from & 1u << p->other && d->to & 1u << p->self && p->service &&
	       p->service->handlers[a->header.type];
}

const char *call_arrived(struct peer *p, struct arrived *a)
{
	const struct ipc_shape *s = &ipc_descs[a->header.type].request;
	struct ipc_call *c = call_new(p, a, s);
	const char *why =
		is_served(p, a) ? call_decode(c, s, a->record.short_of_fds) : "a message that it may not send";

	if (!why && a->record.short_of_fds) {
		/* Ours is the fault: the same call may succeed when letters have been finished. */
		if (a->header.kind == IPC_KIND_CALL)
			call_reply(c, TRY_LATER, NULL);
		else
			why = "no place for its descriptor";
	} else if (!why) {
		p->n_running++;
		p->running_bytes += c->n;
		task_spawn(p->sched, "ipc-call", run_call, c);
		return NULL;
	}
	call_free(c);
	return why;
}
