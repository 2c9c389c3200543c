/* role/edge.c - the roles that speak to the outside: edge_in (strangers, port 25) and edge_user (users' services).
 * Purpose     accept, count, start TLS, run the protocol's session in a task of its own; give sessions what net/door.h promises.
 * Trust       all that comes in is hostile; there are no files here and no secrets but the session tickets' key.
 * Owns        listening sockets, sessions, the table from handles to logins, this process's share of the body budget.
 * Suspends    accept tasks and sessions; the signature from keys blocks the process, with a deadline.
 * Invariants  I1 a handle is in by_handle exactly while its session has it. I2 a session keeps the configuration and the TLS
 *             context it began with. I3 when store is gone every login at it is revoked.
 */
#include "role/edge_impl.h"

#include "base/rng.h"

#include <stdlib.h>
#include <sys/sysinfo.h>
#include <unistd.h>

static uint64_t budget_of(const struct conf *c)
{
	uint64_t all = c->body_budget_size;
	struct sysinfo si;

	if (!all) {
		all = sysinfo(&si) == 0 ? (uint64_t)si.totalram * si.mem_unit / 4 : (uint64_t)512 << 20;
		if (all > (uint64_t)2 << 30)
			all = (uint64_t)2 << 30;
	}
	return all / (c->pools.n_strangers + c->pools.n_users);
}

static struct edge *edge_open(struct host *h, bool is_user)
{
	struct edge *e = mem_new(struct edge);

	e->host = h;
	e->is_user = is_user;
	e->keys_fd = -1;
	e->signer = (struct tls_signer){ edge_ask_keys, e };
	link_init(&e->post, h->sched);
	link_init(&e->auth, h->sched);
	for (int i = 0; i < STORE_SHARDS; i++)
		link_init(&e->stores[i], h->sched);
	list_init(&e->sessions);
	list_init(&e->listening);
	map_init(&e->by_handle, rng_u64());
	limits_init(&e->limits);
	gate_init(&e->stopping_gate);
	e->budget.max = budget_of(h->conf->conf);
	e->service = (struct ipc_service){ .ctx = e, .handlers = edge_store_handlers, .gone = edge_store_gone };
	e->auth_service = (struct ipc_service){ .ctx = e, .handlers = edge_auth_handlers, .late = edge_auth_late };
	return e;
}

static void *edge_in_open(struct host *h)
{
	return edge_open(h, false);
}

static void *edge_user_open(struct host *h)
{
	return edge_open(h, true);
}

static const struct ipc_service *edge_service(void *self, enum role other)
{
	struct edge *e = self;

	return other == ROLE_STORE ? &e->service : other == ROLE_AUTH ? &e->auth_service : NULL;
}

static struct link *edge_link(void *self, enum role other, uint16_t index)
{
	struct edge *e = self;

	if (other == ROLE_POST)
		return &e->post;
	if (other == ROLE_AUTH)
		return &e->auth;
	return other == ROLE_STORE && index < STORE_SHARDS ? &e->stores[index] : NULL;
}

static bool edge_raw_channel(void *self, const struct peer_opts *who)
{
	struct edge *e = self;

	if (who->other != ROLE_KEYS)
		return false;
	if (e->keys_fd >= 0)
		close(e->keys_fd);
	e->keys_fd = who->fd;
	e->keys_greeted = false;
	return true;
}

static void start_accepting(struct listening *l)
{
	watch_open(&l->watch, l->edge->host->sched, l->fd, WATCH_READ);
	l->task = task_spawn(l->edge->host->sched, "accept", edge_accept_main, l);
}

static void edge_listener(void *self, uint16_t number, int fd)
{
	struct edge *e = self;
	struct listening *l = mem_new(struct listening);

	die_unless(number < e->host->conf->conf->n_listeners, "a listener that is not configured");
	*l = (struct listening){ .edge = e, .conf = host_conf_get(e->host->conf), .number = number, .fd = fd };
	list_add_last(&e->listening, &l->node);
	if (e->going && !e->stopping)
		start_accepting(l);
}

static bool edge_go(void *self)
{
	struct edge *e = self;

	e->going = true;
	list_each(it, nxt, &e->listening)
		start_accepting(list_entry(it, struct listening, node));
	e->forgetter = task_spawn(e->host->sched, "forget", edge_forget_main, e);
	if (e->is_user)
		e->greeter = task_spawn(e->host->sched, "greet", edge_greet_main, e);
	return true;
}

/* The sockets themselves stay open in master, so nobody is refused while the tasks change. */
static void stop_accepting(struct edge *e)
{
	list_each(it, nxt, &e->listening) {
		struct listening *l = list_entry(it, struct listening, node);

		if (l->task)
			task_cancel(l->task);
	}
}

/* The new configuration's listeners come after it. */
static void edge_reconfigured(void *self)
{
	struct edge *e = self;

	e->budget.max = budget_of(e->host->conf->conf);
	stop_accepting(e);
	edge_renew_tls(e);
}

/* Sessions that have not left at a command boundary by then are ended where they are. */
static void stop_main(void *arg)
{
	struct edge *e = arg;

	if (task_sleep(e->host->sched, e->host->conf->conf->timeouts.stop_ms) == WAIT_STOP)
		return;
	list_each(it, nxt, &e->sessions)
		task_cancel(list_entry(it, struct session, node)->task);
}

static void edge_stop(void *self, int64_t grace_ms)
{
	struct edge *e = self;

	(void)grace_ms;
	e->stopping = true;
	stop_accepting(e);
	if (e->forgetter)
		task_cancel(e->forgetter);
	if (e->greeter)
		task_cancel(e->greeter);
	gate_open(e->host->sched, &e->stopping_gate);
	list_each(it, nxt, &e->sessions) { /* those in IDLE wait for news */
		struct session *s = list_entry(it, struct session, node);

		gate_open(e->host->sched, &s->door.account.news);
	}
	if (e->n_sessions == 0)
		host_done(e->host);
	else
		e->stopper = task_spawn(e->host->sched, "stop", stop_main, e);
}

static void edge_count(void *self, struct counters *out)
{
	counters_add(out, &((struct edge *)self)->counts, true);
}

static void edge_close(void *self)
{
	struct edge *e = self;

	if (e->keys_fd >= 0)
		close(e->keys_fd);
	tls_server_put(e->tls);
	edge_identities_fini(&e->coming);
	edge_identities_fini(&e->inside);
	free((void *)(uintptr_t)e->ticket_key.p);
	map_fini(&e->by_handle);
	limits_fini(&e->limits);
	free(e);
}

#define EDGE_OPS(which, kind)                                                                                     \
	const struct host_ops which##_ops = { .role = kind, .open = which##_open, .service = edge_service,        \
		.link = edge_link, .raw_channel = edge_raw_channel, .listener = edge_listener,                    \
		.certificate = edge_certificate, .ticket_key = edge_ticket_key, .go = edge_go,                    \
		.reconfigured = edge_reconfigured, .stop = edge_stop, .count = edge_count, .close = edge_close }

EDGE_OPS(edge_in, ROLE_EDGE_IN);
EDGE_OPS(edge_user, ROLE_EDGE_USER);
