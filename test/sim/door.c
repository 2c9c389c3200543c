/* sim/door.c - the edge of a simulated world: sessions on socket pairs, and what net/door.h promises them. */
#include "sim/sim.h"

#include "base/die.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct session {
	struct door door;
	struct edge *owner;
};

struct edge {
	struct sim *sim;
	struct ipc_service service;
	struct VEC(struct session *) sessions;
	struct body_budget budget;
	struct conf_listener listener;
	struct gate stopping_gate;
	bool stopping;
	unsigned n_started;
};

bool door_can_tls(const struct door *d)
{
	(void)d;
	return false;
}

bool door_start_tls(struct door *d)
{
	(void)d;
	return false;
}

bool door_channel_binding(struct door *d, const char *type, struct buf *out)
{
	(void)d;
	(void)type;
	(void)out;
	return false;
}

bool door_may_login(const struct door *d)
{
	(void)d;
	return true;
}

SUSPENDS enum outcome door_login(struct door *d, struct str user, struct str secret)
{
	struct door_account *a = &d->account;
	char *address = arena_dupz(&d->arena, user);
	uint64_t handle, account;
	enum outcome o = world_login(&d->edge->sim->world, address, &handle, &account);

	(void)secret;
	if (o != OK)
		return o;
	*a = (struct door_account){ .handle = handle, .account = account, .address = str_z(address), .store = &d->edge->sim->world.edge_store };
	gate_init(&a->news);
	return OK;
}

enum outcome door_sasl(struct door *d, struct door_sasl *x, struct str response)
{
	(void)d;
	(void)response;
	x->id = 0;
	return DENIED; /* clients of the simulator log in with a password */
}

void door_sasl_end(struct door *d, struct door_sasl *x)
{
	(void)d;
	x->id = 0;
}

void door_logout(struct door *d)
{
	struct door_account *a = &d->account;

	if (!a->handle)
		return;
	if (a->store->peer && !a->revoked)
		ipc_logout_cast(a->store->peer, &(struct ipc_logout){ .handle = a->handle });
	*a = (struct door_account){ 0 };
	gate_init(&a->news);
}

bool door_may_send_letter(struct door *d)
{
	(void)d;
	return true;
}

void door_trace(struct door *d, char out[16])
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";

	for (int i = 0; i < 12; i++)
		out[i] = letters[sim_below(d->edge->sim, 36)];
	out[12] = 0;
}

void door_log(struct door *d, enum log_level level, const char *event, const struct log_field *fields)
{
	(void)d;
	(void)level;
	(void)event;
	(void)fields;
}

/* ---- what store says */

static struct door *door_of_handle(struct edge *e, uint64_t handle)
{
	for (size_t i = 0; i < e->sessions.n; i++)
		if (e->sessions.v[i]->door.account.handle == handle)
			return &e->sessions.v[i]->door;
	return NULL;
}

static void on_changed(void *ctx, struct ipc_call *call, const void *msg)
{
	const struct ipc_changed *m = msg;
	struct door *d = door_of_handle(ctx, m->handle);

	(void)call;
	if (!d)
		return;
	d->account.changed = true;
	gate_open(d->sched, &d->account.news);
}

static void on_revoked(void *ctx, struct ipc_call *call, const void *msg)
{
	const struct ipc_revoked *m = msg;
	struct door *d = door_of_handle(ctx, m->handle);

	(void)call;
	if (!d)
		return;
	d->account.revoked = true;
	gate_open(d->sched, &d->account.news);
}

static ipc_handler *const handlers[IPC_TYPE_COUNT] = { [IPC_CHANGED] = on_changed, [IPC_REVOKED] = on_revoked };

struct edge *edge_new(struct sim *s)
{
	struct edge *e = mem_new(struct edge);

	e->sim = s;
	e->service = (struct ipc_service){ .ctx = e, .handlers = handlers };
	e->budget.max = (uint64_t)64 << 20;
	e->listener.auth_without_tls = true;
	gate_init(&e->stopping_gate);
	return e;
}

const struct ipc_service *edge_service(struct edge *e)
{
	return &e->service;
}

unsigned edge_n_sessions(const struct edge *e)
{
	return (unsigned)e->sessions.n;
}

/* ---- sessions */

static void forget(struct edge *e, struct session *s)
{
	for (size_t i = 0; i < e->sessions.n; i++)
		if (e->sessions.v[i] == s) {
			vec_remove(&e->sessions, i);
			return;
		}
}

static SUSPENDS void session_main(void *arg)
{
	struct session *s = arg;
	struct door *d = &s->door;

	if (d->service == SERVICE_IMAP)
		imap_session(d);
	else
		smtp_session(d);
	door_logout(d);
	forget(s->owner, s);
	stream_close(&d->stream);
	arena_fini(&d->arena);
	free(s);
}

int edge_connect(struct edge *e, enum service service)
{
	struct world *w = &e->sim->world;
	struct session *s = mem_new(struct session);
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) != 0)
		die_errno("sim: socketpair");
	s->owner = e;
	s->door = (struct door){ .edge = e, .sched = w->sched, .conf = w->conf, .listener = &e->listener, .service = service, .log = &w->log,
		.budget = &e->budget, .post = service == SERVICE_SMTP ? &w->edge_in_post : &w->edge_post, .port = 1,
		.stopping_gate = &e->stopping_gate, .stopping = &e->stopping };
	snprintf(s->door.session_id, sizeof s->door.session_id, "s%u", ++e->n_started);
	snprintf(s->door.ip, sizeof s->door.ip, "192.0.2.1");
	snprintf(s->door.local_ip, sizeof s->door.local_ip, "192.0.2.2");
	gate_init(&s->door.account.news);
	arena_init(&s->door.arena, "session", 1 << 20);
	stream_open_fd(&s->door.stream, w->sched, fds[0]);
	*vec_push(&e->sessions) = s;
	task_spawn(w->sched, "session", session_main, s);
	return fds[1];
}
