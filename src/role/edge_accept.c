/* role/edge_accept.c - who may come in, and their sessions
 * Trust       all that comes in is hostile.
 * Suspends    accept tasks and sessions.
 * Invariants  I2 a session keeps the configuration and the TLS context it began with.
 */
#include "role/edge_impl.h"

#include "net/proxy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SESSION_ARENA_MAX ((size_t)1 << 20)
#define ACCEPTS_A_TURN 32 /* before the sessions have a turn: those turned away come without end */
#define FORGET_EVERY_MS ((int64_t)300 * 1000)

/* ---- sessions */

static void (*const protocols[SERVICE_COUNT])(struct door *d) = {
	[SERVICE_SMTP] = smtp_session,
	[SERVICE_SUBMISSION] = smtp_session,
	[SERVICE_SUBMISSIONS] = smtp_session,
	[SERVICE_IMAP] = imap_session,
	[SERVICE_IMAPS] = imap_session,
	[SERVICE_POP3] = pop_session,
	[SERVICE_POP3S] = pop_session,
	[SERVICE_POP2] = pop2_session,
	[SERVICE_METRICS] = metrics_session,
	[SERVICE_LMTP] = smtp_session,
};

static void session_end(struct session *s)
{
	struct edge *e = s->door.edge;

	door_logout(&s->door);
	e->counts.service[s->door.service][COUNT_SESSIONS]--;
	e->counts.service[s->door.service][COUNT_BYTES_IN] += s->door.stream.n_received;
	e->counts.service[s->door.service][COUNT_BYTES_OUT] += s->door.stream.n_sent;
	stream_close(&s->door.stream);
	if (s->counted)
		limits_leave(&e->limits, str_z(s->door.ip));
	list_del(&s->node);
	tls_server_put(s->tls);
	host_conf_put(s->conf);
	arena_fini(&s->door.arena);
	free(s);
	if (--e->n_sessions == 0 && e->stopping)
		host_done(e->host);
}

/* ---- who may come in */

static bool is_listed(const struct conf_networks *n, const char *ip)
{
	return n->n == 0 || cidr_any_has(n->v, n->n, str_z(ip));
}

static void log_outside(struct edge *e, const struct conf_listener *l, const char *ip, const char *why)
{
	char count[24];

	snprintf(count, sizeof count, "%llu", (unsigned long long)++e->n_outside);
	log_fields(&e->host->log, LOG_LEVEL_WARNING, "connection-outside", LOG_S("ip", str_z(ip)),
		LOG_S("service", str_z(conf_service_name(l->service))), LOG_S("reason", str_z(why)), LOG_S("count", str_z(count)));
}

/* Canonical text of an address; IPv4 mapped into IPv6 becomes IPv4, and a unix socket a word. */
static uint16_t address_text(const struct sockaddr_storage *ss, char out[46])
{
	if (ss->ss_family == AF_INET6) {
		const struct sockaddr_in6 *a = (const void *)ss;

		if (IN6_IS_ADDR_V4MAPPED(&a->sin6_addr))
			inet_ntop(AF_INET, a->sin6_addr.s6_addr + 12, out, 46);
		else
			inet_ntop(AF_INET6, &a->sin6_addr, out, 46);
		return ntohs(a->sin6_port);
	}
	if (ss->ss_family == AF_UNIX) {
		memcpy(out, LOCAL_IP, sizeof LOCAL_IP);
		return 0;
	}
	inet_ntop(AF_INET, &((const struct sockaddr_in *)ss)->sin_addr, out, 46);
	return ntohs(((const struct sockaddr_in *)ss)->sin_port);
}

static struct limit_bounds bounds_of(const struct edge *e)
{
	const struct conf *c = e->host->conf->conf;
	uint32_t n = e->is_user ? c->pools.n_users : c->pools.n_strangers;
	uint32_t total = e->is_user ? c->limits.connections_users_max : c->limits.connections_strangers_max;

	return (struct limit_bounds){
		.total_max = (total + n - 1) / n,
		.per_address_max = e->is_user ? c->limits.connections_per_address_users_max : c->limits.connections_per_address_strangers_max,
		.rate_max = c->limits.connection_rate_max,
	};
}

/* A word to who is turned away before there is a session; what does not fit into the socket's buffer is lost. */
static void say_too_many(struct edge *e, const struct conf_listener *l, const char *ip, int fd, const char *what)
{
	static const char smtp[] = "421 4.7.0 Too many %s from your network, try again later\r\n";
	static const char *const words[SERVICE_COUNT] = {
		[SERVICE_SMTP] = smtp,
		[SERVICE_SUBMISSION] = smtp,
		[SERVICE_LMTP] = smtp,
		[SERVICE_IMAP] = "* BYE [LIMIT] Too many %s from your network, try again later\r\n",
		[SERVICE_POP3] = "-ERR [SYS/TEMP] Too many %s from your network, try again later\r\n",
		[SERVICE_POP2] = "- Too many %s from your network, try again later\r\n",
	};
	const char *format = l->tls == CONF_TLS_IMPLICIT ? NULL : words[l->service];
	char text[120];

	log_fields(&e->host->log, LOG_LEVEL_WARNING, "connection-refused", LOG_S("ip", str_z(ip)),
		LOG_S("reason", str_z(what)));
	if (format && send(fd, text, (size_t)snprintf(text, sizeof text, format, what), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		(void)0; /* it is gone already */
}

/* Takes a place for it among the connections of its address. False: it gets none, and has been told so where there is a word for it. */
static bool take_place(struct edge *e, const struct conf_listener *l, const struct limit_bounds *bounds, const char *ip, int fd)
{
	int64_t now = sched_now_ms(e->host->sched);

	if (limits_banned(&e->limits, str_z(ip), now))
		say_too_many(e, l, ip, fd, "failed logins");
	else if (limits_enter(&e->limits, str_z(ip), bounds, now))
		return true;
	else
		say_too_many(e, l, ip, fd, "connections");
	return false;
}

/* Exactly the header's bytes: those behind it may be of TLS. False: none came in time, or a bad one. */
static SUSPENDS bool read_proxy_header(struct door *d, struct proxy *p)
{
	size_t max = d->conf->limits.proxy_header_size_max, n = 0, need;
	int64_t until = sched_now_ms(d->sched) + d->conf->timeouts.proxy_ms;
	char *head = arena_alloc(&d->arena, max);
	struct gate *g = &d->stream.watch.read_gate;
	enum proxy_result r;

	while ((r = proxy_parse(str_of(head, n), max, p, &need)) == PROXY_MORE) {
		ssize_t got = recv(d->stream.fd, head + n, need, 0);

		if (got > 0)
			n += (size_t)got;
		else if (got == 0 || (errno != EAGAIN && errno != EINTR))
			return false;
		else if (errno == EAGAIN && task_wait(d->sched, &g, 1, until) < 0)
			return false;
	}
	return r == PROXY_DONE;
}

/* Until the header is read a connection counts as the proxy's, in the total alone; from then on as the client's. */
static SUSPENDS bool meet_proxy(struct session *s)
{
	struct door *d = &s->door;
	struct edge *e = d->edge;
	struct limit_bounds bounds = bounds_of(e);
	struct proxy p;

	if (!read_proxy_header(d, &p)) {
		log_outside(e, d->listener, d->ip, "no PROXY header in time, or a wrong one");
		return false;
	}
	limits_leave(&e->limits, str_z(d->ip));
	s->counted = false;
	if (p.told) { /* otherwise the proxy speaks for itself, as its health checks do */
		memcpy(d->ip, p.ip, sizeof d->ip);
		memcpy(d->local_ip, p.local_ip, sizeof d->local_ip);
		d->port = p.port;
		d->local_port = p.local_port;
		if (!is_listed(&d->listener->networks, d->ip)) {
			log_outside(e, d->listener, d->ip, "its network is not listed");
			return false;
		}
	}
	s->counted = take_place(e, d->listener, &bounds, d->ip, d->stream.fd);
	return s->counted;
}

static void session_main(void *arg)
{
	struct session *s = arg;
	struct door *d = &s->door;

	if (d->listener->proxy_protocol && !meet_proxy(s)) {
		edge_counted(d->edge, d->service, COUNT_TURNED_AWAY);
		session_end(s);
		return;
	}
	if (d->listener->tls == CONF_TLS_IMPLICIT && (!door_can_tls(d) || !door_start_tls(d))) {
		session_end(s);
		return;
	}
	protocols[d->service](d);
	session_end(s);
}

/* False: the connection is not wanted, and has been told so where there is a word for it. */
static bool may_enter(struct edge *e, const struct conf_listener *l, const char *ip, int fd)
{
	const struct conf_networks *listed = l->proxy_protocol ? &l->proxy_networks : &l->networks;
	struct limit_bounds bounds = bounds_of(e);

	if (!l->path.n && !is_listed(listed, ip)) {
		log_outside(e, l, ip, "its network is not listed");
		return false;
	}
	if (l->proxy_protocol)
		bounds.per_address_max = bounds.rate_max = 0;
	return take_place(e, l, &bounds, ip, fd);
}

static void admit(struct listening *l, int fd, const struct sockaddr_storage *from)
{
	struct edge *e = l->edge;
	const struct conf_listener *cl = &l->conf->conf->listeners[l->number];
	struct sockaddr_storage local;
	socklen_t n = sizeof local;
	struct session *s;
	struct door *d;
	char ip[46];
	uint16_t port = address_text(from, ip);

	if (!may_enter(e, cl, ip, fd)) {
		edge_counted(e, cl->service, COUNT_TURNED_AWAY);
		close(fd);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
	s = mem_new(struct session);
	s->counted = true;
	d = &s->door;
	s->conf = host_conf_get(l->conf);
	s->tls = e->tls ? tls_server_get(e->tls) : NULL;
	*d = (struct door){ .edge = e, .sched = e->host->sched, .conf = s->conf->conf, .service = (enum service)cl->service, .log = &e->host->log,
		.budget = &e->budget, .post = &e->post, .auth = e->is_user ? &e->auth : NULL, .port = port,
		.stopping_gate = &e->stopping_gate, .stopping = &e->stopping };
	d->listener = &d->conf->listeners[l->number];
	memcpy(d->ip, ip, sizeof d->ip);
	if (getsockname(fd, (struct sockaddr *)&local, &n) == 0)
		d->local_port = address_text(&local, d->local_ip);
	edge_random_name(d->session_id, 10);
	gate_init(&d->account.news);
	arena_init(&d->arena, "session", SESSION_ARENA_MAX);
	stream_open_fd(&d->stream, d->sched, fd);
	list_add_last(&e->sessions, &s->node);
	e->n_sessions++;
	edge_counted(e, d->service, COUNT_SESSIONS);
	edge_counted(e, d->service, COUNT_CONNECTIONS);
	s->task = task_spawn(d->sched, "session", session_main, s);
}

void edge_accept_main(void *arg)
{
	struct listening *l = arg;
	struct sched *sched = l->edge->host->sched;
	struct gate *g = &l->watch.read_gate;
	unsigned n_accepted = 0;
	int w = 0;

	while (w != WAIT_STOP) {
		struct sockaddr_storage from;
		socklen_t n = sizeof from;
		int fd = accept4(l->fd, (struct sockaddr *)&from, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			admit(l, fd, &from);
			if (++n_accepted % ACCEPTS_A_TURN == 0)
				w = task_sleep(sched, 0);
		} else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			w = task_sleep(sched, 100); /* what waits in the backlog is served when something closes */
		} else if (errno == EAGAIN) {
			w = task_wait(sched, &g, 1, NEVER_MS);
		}
	}
	watch_close(&l->watch);
	close(l->fd);
	list_del(&l->node);
	host_conf_put(l->conf);
	free(l);
}

void edge_forget_main(void *arg)
{
	struct edge *e = arg;

	while (task_sleep(e->host->sched, FORGET_EVERY_MS) != WAIT_STOP)
		limits_forget(&e->limits, sched_now_ms(e->host->sched));
}
