/* role/edge.c - the roles that speak to the outside: edge_in (strangers, port 25) and edge_user (users' services).
 * Purpose     accept, count, start TLS, run the protocol's session in a task of its own; give sessions what net/door.h promises.
 * Trust       all that comes in is hostile; there are no files here and no secrets but the session tickets' key.
 * Owns        listening sockets, sessions, the table from handles to logins, this process's share of the body budget.
 * Suspends    accept tasks and sessions; the signature from keys blocks the process, with a deadline.
 * Invariants  I1 a handle is in by_handle exactly while its session has it. I2 a session keeps the configuration and the TLS
 *             context it began with. I3 when store is gone every login at it is revoked.
 */
#include "base/die.h"
#include "base/rng.h"
#include "ipc_gen.h"
#include "net/door.h"
#include "net/limits.h"
#include "net/proxy.h"
#include "net/tls.h"
#include "role/host.h"
#include "role/keys.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#define SESSION_ARENA_MAX ((size_t)1 << 20)
#define IDENTITIES_ARENA_MAX ((size_t)32 << 20)
#define KEYS_TIMEOUT_MS 2000
#define LETTER_WINDOW_MS ((int64_t)60 * 1000)
#define ACCEPTS_A_TURN 32 /* before the sessions have a turn: those turned away come without end */
#define REVOKED_EARLY 64
#define FORGET_EVERY_MS ((int64_t)300 * 1000)

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

/* ---- TLS */

static enum outcome ask_keys(void *ctx, struct str key, int padding, struct str digest, struct buf *signature)
{
	struct edge *e = ctx;
	struct ipc_sign m = { .key = key, .padding = (uint8_t)padding, .digest = digest };
	struct ipc_sign_reply reply;
	struct arena a;
	enum outcome o;

	if (e->host->keys)
		return keys_sign(e->host->keys->self, m.key, padding, digest, signature);
	if (e->keys_fd < 0 || digest.n > IPC_SIGN_DIGEST_MAX)
		return TRY_LATER;
	if (!e->keys_greeted && ipc_sync_hello(e->keys_fd, e->host->role, ROLE_KEYS, KEYS_TIMEOUT_MS) != OK)
		return TRY_LATER;
	e->keys_greeted = true;
	arena_init(&a, "signature", IPC_RECORD_MAX * 4);
	o = ipc_sync_call(e->keys_fd, IPC_SIGN, &m, &reply, &a, KEYS_TIMEOUT_MS);
	if (o == OK)
		buf_add(signature, reply.signature);
	arena_fini(&a);
	return o;
}

static void renew_tls(struct edge *e)
{
	struct tls_server *t;
	char why[256];

	if (e->inside.n == 0)
		return;
	t = tls_server_new(e->inside.v, e->inside.n, e->ticket_key, e->host->conf->conf->tls.min_version, &e->signer, why);
	if (!t) {
		log_error(&e->host->log, "certificate-refused", "%s; the one in use stays", why);
		return;
	}
	tls_server_put(e->tls);
	e->tls = t;
}

static struct str own(struct str s)
{
	return str_of(mem_dup(s.p, s.n), s.n);
}

static void identities_fini(struct identities *x)
{
	if (x->n)
		arena_fini(&x->arena);
	*x = (struct identities){ 0 };
}

static void identity_keep(struct identities *x, const struct ipc_certificate *m)
{
	struct str *names = arena_array(&x->arena, m->n_names, sizeof *names);

	for (size_t i = 0; i < m->n_names; i++)
		names[i] = arena_dup(&x->arena, m->names[i]);
	x->v[m->number] = (struct tls_identity){ .chain = arena_dup(&x->arena, m->chain), .key = arena_dup(&x->arena, m->key), .names = names,
		.n_names = m->n_names };
	x->n_known++;
}

/* They count when all are there. */
static void edge_certificate(void *self, const struct ipc_certificate *m)
{
	struct edge *e = self;
	struct identities *x = &e->coming;

	if (m->number == 0) {
		identities_fini(x);
		arena_init(&x->arena, "certificates", IDENTITIES_ARENA_MAX);
		x->n = m->count;
		x->v = arena_array(&x->arena, x->n, sizeof *x->v);
	}
	die_unless(m->number == x->n_known && m->number < x->n && m->count == x->n, "role/edge: certificates out of order");
	identity_keep(x, m);
	if (x->n_known < x->n)
		return;
	identities_fini(&e->inside);
	e->inside = *x;
	*x = (struct identities){ 0 };
	renew_tls(e);
}

static void edge_ticket_key(void *self, struct str key)
{
	struct edge *e = self;

	free((void *)(uintptr_t)e->ticket_key.p);
	e->ticket_key = own(key);
	renew_tls(e);
}

/* ---- what a door offers */

static void count(struct edge *e, unsigned service, enum service_counter what)
{
	e->counts.service[service][what]++;
}

static struct session *session_of(struct door *d)
{
	return (struct session *)(void *)((char *)d - offsetof(struct session, door));
}

bool door_can_tls(const struct door *d)
{
	return session_of((struct door *)(uintptr_t)d)->tls && !d->secured && d->listener->tls != CONF_TLS_NONE;
}

bool door_start_tls(struct door *d)
{
	struct session *s = session_of(d);
	struct tls_wish wish = { .client_cert = d->listener->client_certificate };
	char why[256] = "";

	stream_flush(&d->stream);
	stream_deadline(&d->stream, d->conf->timeouts.tls_handshake_ms);
	if (!stream_ok(&d->stream) || !tls_accept(&d->stream, s->tls, &wish, why)) {
		count(d->edge, d->service, COUNT_TLS_FAILED);
		door_log(d, LOG_LEVEL_INFO, "tls-failed", (struct log_field[]){ LOG_S("reason", str_z(why)), { 0 } });
		return false;
	}
	stream_deadline(&d->stream, NEVER_MS);
	d->secured = true;
	count(d->edge, d->service, COUNT_TLS);
	tls_describe(&d->stream, d->tls_text, sizeof d->tls_text);
	d->has_client_cert = wish.client_cert && tls_client_cert(&d->stream, d->client_cert);
	return true;
}

bool door_channel_binding(struct door *d, const char *type, struct buf *out)
{
	return d->secured && tls_channel_binding(&d->stream, type, out);
}

bool door_may_login(const struct door *d)
{
	return d->auth && (d->secured || d->listener->auth_without_tls);
}

static void adopt_login(struct door *d, uint64_t handle, uint64_t account, struct str address)
{
	struct door_account *a = &d->account;

	*a = (struct door_account){ .handle = handle, .account = account, .address = arena_dup(&d->arena, address) };
	a->store = &d->edge->stores[(handle >> 56) % STORE_SHARDS];
	gate_init(&a->news);
	map_put(&d->edge->by_handle, MAP_KEY(a->handle), a);
	for (size_t i = 0; i < REVOKED_EARLY; i++)
		a->revoked |= d->edge->revoked_early[i] == handle;
}

/* Refusals are answered a whole number of waits after they were asked for, so that how long it took to find out shows nothing, on a busy machine too. */
static SUSPENDS enum outcome login_ended(struct door *d, enum outcome o, int64_t asked_ms, uint32_t wait_ms, const char *how, struct str user)
{
	if (o == DENIED && wait_ms)
		task_sleep(d->sched, wait_ms - (sched_now_ms(d->sched) - asked_ms) % wait_ms);
	if (o == UNANSWERED)
		o = TRY_LATER;
	count(d->edge, d->service, o == OK ? COUNT_LOGINS : COUNT_LOGINS_REFUSED);
	door_log(d, o == OK ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING, o == OK ? "login" : "login-refused",
		(struct log_field[]){ LOG_S("user", user), LOG_S("how", str_z(how)), LOG_S("tls", str_z(d->tls_text)),
			LOG_S("outcome", str_z(outcome_name(o))), { 0 } });
	return o;
}

enum outcome door_login(struct door *d, struct str user, struct str secret)
{
	struct ipc_login m = { .service = (uint8_t)d->service, .ip = str_z(d->ip), .user = user, .secret = secret };
	int64_t asked_ms = sched_now_ms(d->sched);
	struct ipc_login_reply r = { 0 };
	enum outcome o = DENIED;
	struct arena a;

	arena_init(&a, "login", IPC_RECORD_MAX * 4);
	if (user.n && user.n <= IPC_LOGIN_USER_MAX && secret.n <= IPC_LOGIN_SECRET_MAX)
		o = ipc_login(&d->edge->auth, &m, &r, &a);
	if (o == OK)
		adopt_login(d, r.handle, r.account, r.address);
	o = login_ended(d, o, asked_ms, r.wait_ms, "password", user);
	arena_fini(&a);
	return o;
}

static SUSPENDS enum outcome ask_first(struct door *d, const struct door_sasl *x, struct str response, struct ipc_sasl_step_reply *out, struct arena *a)
{
	struct ipc_sasl m = { .mechanism = (uint8_t)x->mechanism, .service = (uint8_t)d->service, .ip = str_z(d->ip), .response = response,
		.announced_plus = d->secured && conf_announces_plus(d->listener) };
	static const char *const types[] = { "tls-exporter", "tls-unique", "tls-server-end-point" };
	struct str *fields[] = { &m.exporter, &m.unique, &m.end_point };
	struct ipc_sasl_reply r;
	enum outcome o;

	for (size_t i = 0; i < 3; i++) {
		struct buf b;

		buf_init(&b, IPC_SASL_EXPORTER_MAX);
		if (door_channel_binding(d, types[i], &b))
			*fields[i] = arena_dup(a, buf_str(&b));
		buf_fini(&b);
	}
	if (d->has_client_cert)
		m.certificate = str_of(d->client_cert, sizeof d->client_cert);
	o = ipc_sasl(&d->edge->auth, &m, &r, a);
	*out = (struct ipc_sasl_step_reply){ r.id, r.challenge, r.wait_ms, r.handle, r.account, r.address };
	return o;
}

enum outcome door_sasl(struct door *d, struct door_sasl *x, struct str response)
{
	static const char *const names[SASL_COUNT] = { [SASL_SCRAM_SHA_1] = "scram-sha-1", [SASL_SCRAM_SHA_256] = "scram-sha-256",
		[SASL_SCRAM_SHA_1_PLUS] = "scram-sha-1-plus", [SASL_SCRAM_SHA_256_PLUS] = "scram-sha-256-plus", [SASL_EXTERNAL] = "external" };
	struct ipc_sasl_step m = { .id = x->id, .response = response };
	int64_t asked_ms = sched_now_ms(d->sched);
	struct ipc_sasl_step_reply r = { 0 };
	struct arena a;
	enum outcome o = BAD_SYNTAX;

	arena_init(&a, "login", IPC_RECORD_MAX * 4);
	if (response.n <= IPC_SASL_STEP_RESPONSE_MAX)
		o = x->id ? ipc_sasl_step(&d->edge->auth, &m, &r, &a) : ask_first(d, x, response, &r, &a);
	x->id = r.id;
	buf_reset(&x->challenge);
	buf_add(&x->challenge, r.challenge);
	if (o == OK && !r.id)
		adopt_login(d, r.handle, r.account, r.address);
	if (o != OK || !r.id)
		o = login_ended(d, o, asked_ms, r.wait_ms, names[x->mechanism], d->account.address);
	arena_fini(&a);
	return o;
}

void door_sasl_end(struct door *d, struct door_sasl *x)
{
	if (x->id && d->edge->auth.peer)
		ipc_sasl_end_cast(d->edge->auth.peer, &(struct ipc_sasl_end){ .id = x->id });
	x->id = 0;
}

void door_logout(struct door *d)
{
	struct door_account *a = &d->account;

	if (!a->handle)
		return;
	map_del(&d->edge->by_handle, MAP_KEY(a->handle));
	if (a->store->peer && !a->revoked)
		ipc_logout_cast(a->store->peer, &(struct ipc_logout){ .handle = a->handle });
	*a = (struct door_account){ 0 };
	gate_init(&a->news);
}

bool door_may_send_letter(struct door *d)
{
	return limits_count(&d->edge->limits, str_z(d->ip), LIMIT_LETTERS, d->conf->limits.letter_rate_max, LETTER_WINDOW_MS,
		sched_now_ms(d->sched));
}

enum outcome door_metrics(struct door *d, struct arena *a, struct str *text)
{
	struct ipc_metrics_reply r;
	enum outcome o = peer_call(d->edge->host->master, IPC_METRICS, NULL, &r, a, d->conf->timeouts.call_ms);

	*text = r.text;
	return o;
}

static void random_name(char *out, size_t n)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
	unsigned char r[16];

	rng_bytes(r, n);
	for (size_t i = 0; i < n; i++)
		out[i] = letters[r[i] % 36];
	out[n] = 0;
}

void door_trace(struct door *d, char out[16])
{
	(void)d;
	random_name(out, 12);
}

void door_log(struct door *d, enum log_level level, const char *event, const struct log_field *fields)
{
	struct log_field all[20];
	size_t n = 0;

	if (level < d->log->least)
		return;
	all[n++] = LOG_S("session", str_z(d->session_id));
	all[n++] = LOG_S("service", str_z(conf_service_name((enum conf_service)d->service)));
	all[n++] = LOG_S("ip", str_z(d->ip));
	if (d->account.handle)
		all[n++] = LOG_S("login", d->account.address);
	for (; fields && fields->key && n < 19; fields++)
		all[n++] = *fields;
	all[n] = (struct log_field){ 0 };
	log_event(d->log, level, event, all);
}

/* ---- what store says */

static void revoke_login(struct edge *e, struct door_account *a)
{
	a->revoked = true;
	gate_open(e->host->sched, &a->news);
}

static void on_changed(void *ctx, struct ipc_call *call, const void *msg)
{
	struct edge *e = ctx;
	const struct ipc_changed *m = msg;
	struct door_account *a = map_get(&e->by_handle, MAP_KEY(m->handle));

	(void)call;
	if (!a)
		return; /* it logged out meanwhile */
	a->changed = true;
	gate_open(e->host->sched, &a->news);
}

static void on_revoked(void *ctx, struct ipc_call *call, const void *msg)
{
	struct edge *e = ctx;
	const struct ipc_revoked *m = msg;
	struct door_account *a = map_get(&e->by_handle, MAP_KEY(m->handle));

	(void)call;
	if (a)
		revoke_login(e, a);
	else
		e->revoked_early[e->n_revoked_early++ % REVOKED_EARLY] = m->handle;
}

static void store_gone(void *ctx, struct peer *p)
{
	struct edge *e = ctx;
	struct str key;
	void *v;

	for (size_t at = 0; map_next(&e->by_handle, &at, &key, &v);) {
		struct door_account *a = v;

		if (a->store == &e->stores[peer_index(p) % STORE_SHARDS])
			revoke_login(e, a);
	}
}

static ipc_handler *const handlers[IPC_TYPE_COUNT] = { [IPC_CHANGED] = on_changed, [IPC_REVOKED] = on_revoked };

/* ---- what auth says */

static void on_banned(void *ctx, struct ipc_call *call, const void *msg)
{
	struct edge *e = ctx;
	const struct ipc_banned *m = msg;

	(void)call;
	limits_ban(&e->limits, m->network, m->seconds ? sched_now_ms(e->host->sched) + (int64_t)m->seconds * 1000 : 0);
}

/* It let somebody in who has stopped waiting. */
static void on_late(void *ctx, int type, enum outcome o, const void *msg)
{
	struct edge *e = ctx;
	uint64_t handle = o != OK ? 0 :
		type == IPC_LOGIN ? ((const struct ipc_login_reply *)msg)->handle :
		type == IPC_SASL ? ((const struct ipc_sasl_reply *)msg)->handle :
		type == IPC_SASL_STEP ? ((const struct ipc_sasl_step_reply *)msg)->handle : 0;
	struct link *store = &e->stores[(handle >> 56) % STORE_SHARDS];

	if (handle && store->peer)
		ipc_logout_cast(store->peer, &(struct ipc_logout){ .handle = handle });
}

static ipc_handler *const auth_handlers[IPC_TYPE_COUNT] = { [IPC_BANNED] = on_banned };

/* Each auth that comes up is asked for the bans, each store told that this edge is there. */
static void greet(struct link *l, struct peer **greeted, void (*cast)(struct peer *p))
{
	if (l->peer && l->peer != *greeted)
		cast(l->peer);
	*greeted = l->peer;
}

static SUSPENDS void greet_main(void *arg)
{
	struct edge *e = arg;
	struct gate *changed[1 + STORE_SHARDS] = { &e->auth.changed };
	struct peer *greeted[1 + STORE_SHARDS] = { 0 };

	for (int i = 0; i < STORE_SHARDS; i++)
		changed[i + 1] = &e->stores[i].changed;
	do {
		greet(&e->auth, &greeted[0], ipc_watch_bans_cast);
		for (int i = 0; i < STORE_SHARDS; i++)
			greet(&e->stores[i], &greeted[i + 1], ipc_present_cast);
	} while (task_wait(e->host->sched, changed, 1 + STORE_SHARDS, NEVER_MS) >= 0);
}

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
		count(d->edge, d->service, COUNT_TURNED_AWAY);
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
		count(e, cl->service, COUNT_TURNED_AWAY);
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
	random_name(d->session_id, 10);
	gate_init(&d->account.news);
	arena_init(&d->arena, "session", SESSION_ARENA_MAX);
	stream_open_fd(&d->stream, d->sched, fd);
	list_add_last(&e->sessions, &s->node);
	e->n_sessions++;
	count(e, d->service, COUNT_SESSIONS);
	count(e, d->service, COUNT_CONNECTIONS);
	s->task = task_spawn(d->sched, "session", session_main, s);
}

static void accept_main(void *arg)
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

static void forget_main(void *arg)
{
	struct edge *e = arg;

	while (task_sleep(e->host->sched, FORGET_EVERY_MS) != WAIT_STOP)
		limits_forget(&e->limits, sched_now_ms(e->host->sched));
}

/* ---- the role */

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
	e->signer = (struct tls_signer){ ask_keys, e };
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
	e->service = (struct ipc_service){ .ctx = e, .handlers = handlers, .gone = store_gone };
	e->auth_service = (struct ipc_service){ .ctx = e, .handlers = auth_handlers, .late = on_late };
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
	l->task = task_spawn(l->edge->host->sched, "accept", accept_main, l);
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
	e->forgetter = task_spawn(e->host->sched, "forget", forget_main, e);
	if (e->is_user)
		e->greeter = task_spawn(e->host->sched, "greet", greet_main, e);
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
	renew_tls(e);
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
	identities_fini(&e->coming);
	identities_fini(&e->inside);
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
