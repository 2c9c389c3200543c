/* relay/attempt.c - one attempt to hand a letter to a destination: a kept connection, or else hosts in their order until no recipient is left.
 * Purpose     a straight line: where to, which hosts, which addresses, connect, greet, lock, log in, send. It fills the whole reply.
 * Trust       DNS and other servers are hostile: what they say ends in one of the recipients' states and nothing else.
 * Owns        everything in the caller's arena; connections belong to the pool, or to the step that made them.
 * Suspends    nearly everywhere; the configuration is held by its caller.
 * Invariants  I1 a recipient who is through, or may be, is sent to no other host. I2 a letter whose operator's route leads nowhere waits: the route may be
 *             put right. I3 at most SESSIONS_MAX servers are spoken to.
 */
#include "relay/relay_impl.h"

#include "mail/idn.h"
#include "relay/dial.h"
#include "relay/target.h"

#include <stdio.h>
#include <string.h>

#define SESSIONS_MAX 5 /* servers that are spoken to in one attempt; Postfix has two, of which each has taken or refused the letter */

struct attempt {
	struct relay *relay;
	struct relay_conf *conf;
	const struct ipc_relay_send *m;
	struct arena *arena;
	struct target target;
	struct str body;
	struct ipc_queue_rcpt *left; /* who is to be sent to */
	size_t *at;		     /* their places among m's recipients */
	size_t n_left;
	struct ipc_rcpt_result *results; /* of all; text empty: nobody has said anything */
	struct ipc_tls_fact *facts;
	size_t n_facts;
	const struct ipc_sts_known *fresh;
	struct said said; /* why those that are left are, as far as no server has told it of each */
	bool any_soft;
	bool moved; /* the hosts are not those that post knows */
	enum feedback feedback; /* FEEDBACK_NONE until there is one */
	unsigned n_sessions;
	unsigned generation; /* of the pool when it began: its keys are of that configuration */
	struct ipc_delivery *d;
	int64_t began_ms;
};

/* Of one hop, and of the host that is tried. */
struct way {
	struct attempt *a;
	const struct conf_hop *hop;
	struct lock_plan plan;
	struct lock_host lock;
	struct str host;
	bool named; /* the host is a name, and not an address */
	uint16_t port;
	const struct mx *mx; /* NULL: the hop is the host */
	struct mx_addresses addresses;
	unsigned used; /* bits of addresses */
};

static int64_t now(const struct attempt *a)
{
	return sched_now_ms(a->relay->sched);
}

static uint32_t since(const struct attempt *a, int64_t from_ms)
{
	return (uint32_t)(now(a) - from_ms);
}

/* ---- what is to be told */

static void note(struct attempt *a, enum feedback f)
{
	if (f < a->feedback)
		a->feedback = f;
}

/* One way is closed. That it is so for good counts only when it is of all ways. */
static void tell(struct attempt *a, const struct said *s)
{
	note(a, s->feedback);
	if (s->never && a->any_soft)
		return;
	a->any_soft = a->any_soft || !s->never;
	a->said = *s;
	a->said.status[0] = s->never ? '5' : '4';
}

/* DNS knows no way (I2). */
static void tell_no_way(struct attempt *a, struct said *s)
{
	s->never = s->never && !a->target.chosen;
	tell(a, s);
}

static void tell_lock(struct attempt *a, enum lock_verdict v, const struct lock_said *l)
{
	struct said s;

	/* What can never be is the letter's demand; what cannot be now, the domain's. */
	said_set(&s, v == LOCK_NEVER, v == LOCK_NEVER ? FEEDBACK_NONE : FEEDBACK_DOMAIN, l->status, "%s", l->text);
	tell(a, &s);
}

/* "mx.example.org[192.0.2.1]", with the port where it is none of a mail server's. */
static struct str peer_name(const struct attempt *a, const struct wire *w)
{
	unsigned port = w->address.port;

	return port == conf_service_port(CONF_SMTP) ? arena_fmt(a->arena, "%.*s[%s]", STR_ARG(w->host), w->address.text) :
		arena_fmt(a->arena, "%.*s[%s]:%u", STR_ARG(w->host), w->address.text, port);
}

/* As the other server said it, in one line; at most what a recipient's result holds. */
static struct str reply_text(const struct attempt *a, const struct wire *w, unsigned code, struct str status, struct str text)
{
	struct str peer = peer_name(a, w);
	struct str whole = code ? arena_fmt(a->arena, "%.*s: %u %.*s %.*s", STR_ARG(peer), code, STR_ARG(status), STR_ARG(text)) :
		arena_fmt(a->arena, "%.*s: %.*s", STR_ARG(peer), STR_ARG(text));

	return str_sub(whole, 0, IPC_RCPT_RESULT_TEXT_MAX);
}

/* What the last reply said, of the whole connection. */
static void tell_reply(struct attempt *a, const struct wire *w, enum feedback f)
{
	const struct client_reply *r = &w->client.reply;
	struct str text = reply_text(a, w, r->code, str_z(r->status), str_z(r->text));
	struct said s;

	said_set(&s, false, f, r->status[0] ? r->status : "4.3.0", "%.*s", STR_ARG(text));
	s.code = r->code;
	tell(a, &s);
}

/* ---- recipients */

static void begin_rcpts(struct attempt *a)
{
	size_t n = a->m->n_rcpts;

	a->left = arena_array(a->arena, n, sizeof *a->left);
	a->at = arena_array(a->arena, n, sizeof *a->at);
	a->results = arena_array(a->arena, n, sizeof *a->results);
	for (size_t i = 0; i < n; i++) {
		a->results[i].number = a->m->rcpts[i].number;
		a->left[i] = a->m->rcpts[i];
		a->at[i] = i;
	}
	a->n_left = n;
}

/* I1: those who wait stay among those that are left. */
static void take_results(struct attempt *a, const struct wire *w, const struct ipc_rcpt_result *results)
{
	size_t n = 0;

	for (size_t i = 0; i < a->n_left; i++) {
		struct ipc_rcpt_result *r = &a->results[a->at[i]];

		*r = results[i];
		r->number = a->left[i].number;
		r->text = reply_text(a, w, r->code, r->status, r->text);
		if (r->state != RCPT_WAITING)
			continue;
		a->left[n] = a->left[i];
		a->at[n++] = a->at[i];
	}
	a->n_left = n;
}

static void finish_rcpts(struct attempt *a)
{
	for (size_t i = 0; i < a->n_left; i++) {
		struct ipc_rcpt_result *r = &a->results[a->at[i]];

		if (r->text.n)
			continue;
		r->state = a->said.never ? RCPT_FAILED : RCPT_WAITING;
		r->code = a->said.code;
		r->status = arena_dup(a->arena, str_z(a->said.status));
		r->text = arena_dup(a->arena, str_z(a->said.text));
	}
	a->d->rcpts = a->results;
	a->d->n_rcpts = a->m->n_rcpts;
}

/* ---- a connection that stands */

static void describe(struct attempt *a, const struct wire *w)
{
	struct ipc_delivery *d = a->d;

	d->host = w->host.n ? arena_dup(a->arena, str_sub(w->host, 0, IPC_DELIVERY_HOST_MAX)) : arena_fmt(a->arena, "[%s]", w->address.text);
	d->ip = arena_dup(a->arena, str_z(w->address.text));
	d->port = w->address.port;
	d->source = arena_dup(a->arena, str_z(w->source));
	d->tls = arena_dup(a->arena, str_z(w->tls));
	d->lock = (uint8_t)w->lock;
	d->lock_text = arena_dup(a->arena, str_z(w->lock_text));
}

enum next {
	NEXT_NOTHING, /* done, or nothing more may be tried */
	NEXT_HOST,
	NEXT_ADDRESS,
	NEXT_AGAIN,   /* another connection to the same address */
	NEXT_PLAIN,   /* the same without TLS */
};

static void tell_unsuited(struct attempt *a, const struct wire *w, const struct ipc_rcpt_result *r)
{
	struct str text = reply_text(a, w, 0, r->status, r->text);
	struct said s;

	said_set(&s, r->state == RCPT_FAILED, FEEDBACK_FINE, "5.3.3", "%.*s", STR_ARG(text));
	snprintf(s.status, sizeof s.status, "%.*s", STR_ARG(r->status));
	tell(a, &s);
}

/* The letter to those that are left. The connection goes to the pool. */
static SUSPENDS enum next send_over(struct attempt *a, struct wire *w, struct client_sent *sent)
{
	struct client_letter letter = { .facts = &a->m->facts, .prefix = a->m->prefix, .body = a->body, .rcpts = a->left, .n_rcpts = a->n_left,
		.now_s = sched_wall_us(a->relay->sched) / 1000000 };
	struct ipc_rcpt_result *results = arena_array(a->arena, a->n_left, sizeof *results);

	client_send(&w->client, &letter, a->arena, results, sent);
	w->n_letters++;
	describe(a, w);
	if (sent->unsuited) {
		tell_unsuited(a, w, &results[0]);
		pool_give(&a->relay->pool, w, sent->usable);
		return NEXT_HOST;
	}
	note(a, sent->feedback);
	take_results(a, w, results);
	pool_give(&a->relay->pool, w, sent->usable);
	if (sent->unknown || a->n_left == 0)
		return NEXT_NOTHING;
	return sent->again ? NEXT_AGAIN : NEXT_HOST;
}

/* ---- a new connection */

static struct lock_session session_of(const struct wire *w)
{
	return (struct lock_session){ .ip = str_z(w->address.text), .source = str_z(w->source), .helo = str_z(w->client.name) };
}

/* A step of the session was not answered as it should be. A refusal for good is one of this host now, as Postfix takes it: the next one is tried, and the
 * letter waits when all say so. */
static enum next step_failed(struct attempt *a, const struct wire *w, enum client_end end)
{
	if (end == CLIENT_LOST)
		tell_reply(a, w, w->stream.end == STREAM_STOPPED ? FEEDBACK_LOCAL : FEEDBACK_DOWN);
	else
		tell_reply(a, w, FEEDBACK_SLOW);
	return NEXT_ADDRESS;
}

static enum next lack(struct way *way, const struct wire *w, enum lock_lack what, const char *why)
{
	struct attempt *a = way->a;
	struct lock_session session = session_of(w);
	struct lock_said said;

	if (lock_plain(a->relay->locks, &way->lock, &session, what, &said))
		return NEXT_PLAIN;
	if (why[0]) { /* what the handshake had to say belongs to it */
		size_t n = strlen(said.text);

		snprintf(said.text + n, sizeof said.text - n, " (%.*s)", (int)(sizeof said.text - n - 4), why);
	}
	tell_lock(a, said.code >= 500 ? LOCK_NEVER : LOCK_LATER, &said);
	return NEXT_HOST;
}

/* NEXT_NOTHING: locked. */
static SUSPENDS enum next handshake(struct way *way, struct wire *w)
{
	struct attempt *a = way->a;
	struct lock_session session = session_of(w);
	struct lock_closed closed;
	int64_t from = now(a);
	bool ok;

	stream_deadline(&w->stream, w->timeouts.tls_handshake_ms);
	ok = lock_close(a->relay->locks, &way->lock, &session, &w->stream, &closed);
	a->d->tls_ms += since(a, from);
	if (!ok) {
		snprintf(w->lock_text, sizeof w->lock_text, "%.*s", (int)sizeof w->lock_text - 1, closed.why);
		describe(a, w);
		return lack(way, w, LOCK_BROKEN, closed.why);
	}
	w->lock = closed.lock;
	snprintf(w->tls, sizeof w->tls, "%s", closed.tls);
	return NEXT_NOTHING;
}

/* NEXT_NOTHING: it is locked as well as it can be. NEXT_PLAIN: on a new connection. */
static SUSPENDS enum next lock(struct way *way, struct wire *w)
{
	enum client_end end;
	enum next next;

	if (!(w->client.can & CLIENT_STARTTLS)) {
		next = lack(way, w, LOCK_NOT_OFFERED, "");
		return next == NEXT_PLAIN ? NEXT_NOTHING : next; /* there is no reason for another one */
	}
	end = client_starttls(&w->client);
	if (end == CLIENT_LOST)
		return step_failed(way->a, w, end);
	if (end != CLIENT_OK)
		return lack(way, w, LOCK_REFUSED, "");
	next = handshake(way, w);
	if (next != NEXT_NOTHING)
		return next;
	end = client_hello(&w->client);
	return end == CLIENT_OK ? NEXT_NOTHING : step_failed(way->a, w, end);
}

static bool is_loopback(const struct address *a)
{
	static const uint8_t one[16] = { [15] = 1 };

	return a->family == AF_INET ? a->bytes[0] == 127 : memcmp(a->bytes, one, 16) == 0;
}

/* Our operator's password is wrong, or the server's mood: neither is the letter's fault (I2). */
static SUSPENDS enum next log_in(struct attempt *a, struct wire *w)
{
	const struct conf_route *route = a->target.route;
	size_t number = route ? (size_t)(route - a->conf->conf->routes) : 0;
	enum client_end end;

	if (!route || !route->login.n)
		return NEXT_NOTHING;
	end = client_login(&w->client, route->login, a->conf->logins[number], w->lock != LOCK_NONE, is_loopback(&w->address));
	if (end == CLIENT_OK)
		return NEXT_NOTHING;
	log_fields(a->relay->log, LOG_LEVEL_WARNING, "relay-login-failed", LOG_S("host", peer_name(a, w)), LOG_S("login", route->login),
		LOG_S("reply", str_z(w->client.reply.text)));
	tell_reply(a, w, end == CLIENT_LOST ? FEEDBACK_DOWN : FEEDBACK_LOCAL);
	return NEXT_HOST;
}

static bool greets_as_us(const struct attempt *a, const struct wire *w)
{
	struct str name = str_z(w->client.name);

	return !a->target.chosen && name.n && (str_ieq(name, w->helo) || str_ieq(name, a->conf->conf->hostname));
}

static enum next tell_loop(struct attempt *a, const struct wire *w)
{
	struct str peer = peer_name(a, w);
	struct said s;

	said_set(&s, true, FEEDBACK_FINE, "5.4.6", "%.*s greets with our own name: mail for %.*s loops back to this server", STR_ARG(peer),
		STR_ARG(a->target.domain));
	tell(a, &s);
	return NEXT_HOST;
}

/* Everything before the letter. NEXT_NOTHING: it can be sent. */
static SUSPENDS enum next prepare(struct way *way, struct wire *w, bool plain)
{
	struct attempt *a = way->a;
	struct lock_said said;
	enum client_end end;
	enum next next = NEXT_NOTHING;

	if (a->target.implicit_tls)
		next = handshake(way, w);
	if (next != NEXT_NOTHING)
		return next == NEXT_PLAIN ? NEXT_ADDRESS : next; /* there is nothing without */
	end = client_open(&w->client);
	if (end != CLIENT_OK)
		return step_failed(a, w, end);
	if (greets_as_us(a, w))
		return tell_loop(a, w);
	if (!a->target.implicit_tls && !plain && way->lock.tls_wanted)
		next = lock(way, w);
	if (next != NEXT_NOTHING)
		return next;
	if (!lock_requiretls(&way->lock, w->client.can & CLIENT_REQUIRETLS, &said)) {
		tell_lock(a, LOCK_NEVER, &said);
		return NEXT_HOST;
	}
	return log_in(a, w);
}

/* Others who have these hosts may use the connection when DNS says of them now what post was told, and nothing is asked of it for this domain alone. */
static struct str wire_key(const struct way *way)
{
	const struct attempt *a = way->a;
	bool shared = way->mx && a->target.shared_key.n && str_eq(way->mx->spelling, a->m->hosts) && way->mx->secure == (a->m->secure != 0) &&
		!way->lock.alone;

	return shared ? a->target.shared_key : a->target.key;
}

static struct wire *open_wire(const struct way *way, const struct dialled *found)
{
	struct attempt *a = way->a;
	struct wire *w = wire_new(&a->relay->pool, wire_key(way), a->target.helo, way->named ? way->host : STR(""), &a->conf->conf->timeouts);

	w->generation = a->generation;
	w->address = way->addresses.v[found->at];
	snprintf(w->source, sizeof w->source, "%s", found->source);
	stream_open_fd(&w->stream, a->relay->sched, found->fd);
	client_init(&w->client, &w->stream, a->target.protocol, w->helo, &w->timeouts);
	a->relay->n_connections++;
	return w;
}

static SUSPENDS enum next session(struct way *way, const struct dialled *found, bool plain)
{
	struct attempt *a = way->a;
	struct wire *w = open_wire(way, found);
	struct client_sent sent;
	enum next next;

	a->n_sessions++;
	next = prepare(way, w, plain);
	if (next == NEXT_NOTHING)
		return send_over(a, w, &sent);
	describe(a, w);
	pool_give(&a->relay->pool, w, false);
	return next;
}

static void tell_unreachable(struct way *way, const struct dialled *found)
{
	struct said s;

	way->a->relay->n_connections_failed++;
	said_set(&s, false, FEEDBACK_DOWN, "4.4.1", "connecting to %.*s%s", STR_ARG(way->host), found->why[0] ? found->why : ": stopped");
	tell(way->a, &s);
}

/* Connections to the host's addresses, until the letter was sent or nothing is left to try. */
static SUSPENDS enum next try_addresses(struct way *way)
{
	struct attempt *a = way->a;
	struct dial d = { .sched = a->relay->sched, .bad = &a->relay->bad, .source = a->target.source,
		.timeout_ms = a->conf->conf->timeouts.relay_connect_ms };
	struct dialled found;
	enum next next = NEXT_ADDRESS;
	bool plain = false;

	while (a->n_sessions < SESSIONS_MAX && !a->relay->stopping) {
		int64_t from = now(a);
		bool ok;

		if (next == NEXT_AGAIN || next == NEXT_PLAIN)
			way->used &= ~(1u << found.at);
		ok = dial(&d, way->addresses.v, way->addresses.n, &way->used, &found);
		a->d->connect_ms += since(a, from);
		if (!ok) {
			if (next == NEXT_ADDRESS && (a->n_sessions == 0 || found.why[0]))
				tell_unreachable(way, &found);
			return NEXT_HOST;
		}
		next = session(way, &found, plain);
		plain = plain || next == NEXT_PLAIN;
		if (next == NEXT_NOTHING || next == NEXT_HOST)
			return next;
	}
	return NEXT_NOTHING;
}

/* ---- hosts */

static bool leads_to_us(const struct way *way)
{
	const struct attempt *a = way->a;

	for (size_t i = 0; !a->target.chosen && way->port == conf_service_port(CONF_SMTP) && i < way->addresses.n; i++)
		if (own_has_address(&a->relay->own, &way->addresses.v[i]))
			return true;
	return false;
}

/* Addresses of the host, and what is demanded of it. False: said. */
static SUSPENDS bool prepare_host(struct way *way)
{
	struct attempt *a = way->a;
	const struct conf_source *s = a->target.source;
	struct mx_addresses_ask ask = { .name = way->host, .port = way->port, .v4 = !s || s->address4.family, .v6 = !s || s->address6.family,
		.any = a->target.chosen || a->conf->conf->queue.private_addresses };
	struct lock_host_ask lock_ask = { .port = way->port };
	struct lock_said lock_said;
	struct said said;
	int64_t from = now(a);
	enum lock_verdict v;

	if (!mx_addresses_find(&a->relay->resolver, &ask, a->arena, &way->addresses, &said)) {
		a->d->dns_ms += since(a, from);
		tell_no_way(a, &said);
		return false;
	}
	if (way->named) {
		lock_ask.host = way->host;
		lock_ask.expanded = way->addresses.expanded;
		lock_ask.addresses_secure = way->addresses.secure;
	}
	v = lock_host_make(a->relay->locks, &way->plan, &lock_ask, &way->lock, &lock_said);
	a->d->dns_ms += since(a, from);
	if (v != LOCK_GO)
		tell_lock(a, v, &lock_said);
	addresses_order(way->addresses.v, way->addresses.n, &a->relay->bad, now(a), &a->relay->seed);
	return v == LOCK_GO;
}

static bool is_address(struct str host)
{
	struct address x;

	return address_read(host, 0, &x);
}

static SUSPENDS enum next try_host(struct way *way, struct str host, uint16_t port)
{
	struct attempt *a = way->a;
	struct said s;

	way->host = host;
	way->port = port;
	way->named = !is_address(host);
	way->used = 0;
	if (!prepare_host(way))
		return NEXT_HOST;
	if (leads_to_us(way)) { /* and so would those behind it (RFC 5321 5.1) */
		said_set(&s, true, FEEDBACK_FINE, "5.4.6", "mail for %.*s comes back to this server, which does not know that domain",
			STR_ARG(a->target.domain));
		tell(a, &s);
		return NEXT_NOTHING;
	}
	return try_addresses(way);
}

/* ---- hops */

static void take_plan(struct attempt *a, const struct lock_plan *plan)
{
	for (size_t i = 0; i < plan->n_facts && a->n_facts < LOCK_FACTS_MAX; i++)
		a->facts[a->n_facts++] = plan->facts[i];
	if (plan->fresh)
		a->fresh = plan->fresh;
}

static SUSPENDS bool make_plan(struct way *way, bool secure)
{
	struct attempt *a = way->a;
	struct lock_ask ask = { .domain = way->hop->host, .tls = a->target.tls, .mx = way->hop->mx, .mx_secure = secure,
		.require_tls = a->m->facts.wishes.require_tls, .tls_optional = a->m->facts.flags & OUT_TLS_OPTIONAL };
	struct lock_said said;
	enum lock_verdict v = lock_plan_make(a->relay->locks, &ask, a->arena, &way->plan, &said);

	if (v != LOCK_GO)
		tell_lock(a, v, &said);
	return v == LOCK_GO;
}

static SUSPENDS enum next try_mx(struct way *way)
{
	struct attempt *a = way->a;
	struct mx *mx = arena_new(a->arena, struct mx);
	int64_t from = now(a);
	struct said said;
	bool found = mx_find(&a->relay->resolver, way->hop->host, &a->relay->own, &a->relay->seed, a->arena, mx, &said);
	enum next next = NEXT_HOST;

	a->d->dns_ms += since(a, from);
	a->moved |= a->m->hosts.n && (!found || !str_eq(mx->spelling, a->m->hosts));
	if (!found)
		tell_no_way(a, &said);
	way->mx = mx;
	if (found && make_plan(way, mx->secure))
		for (size_t i = 0; i < mx->n && next == NEXT_HOST && a->n_sessions < SESSIONS_MAX; i++)
			next = try_host(way, mx->hosts[i].name, way->hop->port);
	return next;
}

static SUSPENDS void try_hops(struct attempt *a)
{
	struct way *way = arena_new(a->arena, struct way);
	enum next next = NEXT_HOST;

	for (size_t i = 0; i < a->target.n_hops && next == NEXT_HOST && a->n_sessions < SESSIONS_MAX; i++) {
		*way = (struct way){ .a = a, .hop = &a->target.hops[i] };
		if (way->hop->mx)
			next = try_mx(way);
		else if (make_plan(way, false))
			next = try_host(way, way->hop->host, way->hop->port);
		take_plan(a, &way->plan);
	}
}

static struct wire *take_kept(struct attempt *a)
{
	bool shared = a->target.shared_key.n && !lock_knows_policy(a->relay->locks, a->m->domain); /* it may have one since post was told */
	struct wire *w = shared ? pool_take(&a->relay->pool, a->target.shared_key) : NULL;

	return w ? w : pool_take(&a->relay->pool, a->target.key);
}

/* A kept connection takes the letter without another question to DNS. False: there is none, or it has ended before it had the letter (by 421 too: it was
 * there for too long), which is nobody's fault; those that are left go over a new one. */
static SUSPENDS bool is_done_by_kept(struct attempt *a)
{
	struct wire *w = take_kept(a);
	struct client_sent sent;
	enum next next;

	if (!w)
		return false;
	next = send_over(a, w, &sent);
	if (next == NEXT_AGAIN || (next == NEXT_HOST && !sent.usable)) {
		a->feedback = FEEDBACK_NONE;
		return false;
	}
	a->d->reused = 1;
	a->relay->n_reused++;
	return true;
}

/* ---- the whole */

/* Groups of several domains come together when one route takes them all, by the configuration that post had. */
static bool go_together(const struct attempt *a)
{
	const struct ipc_relay_send *m = a->m;

	if (!m->n_along || m->route.n)
		return true;
	for (size_t i = 0; i < m->n_rcpts; i++)
		if (conf_route_find(a->conf->conf, mail_domain_fold(a->arena, m->rcpts[i].to.domain)) != a->target.route)
			return false;
	return a->target.chosen;
}

static SUSPENDS void run(struct attempt *a)
{
	const struct ipc_relay_send *m = a->m;
	struct target_ask ask = { .domain = m->domain, .route = m->route, .source = m->source, .require_tls = m->facts.wishes.require_tls,
		.tls_optional = m->facts.flags & OUT_TLS_OPTIONAL, .hosts = m->shared ? m->hosts : STR(""), .secure = m->secure };
	struct said s;

	if (!target_make(a->conf->conf, &ask, a->arena, &a->target)) {
		said_set(&s, !m->route.n, FEEDBACK_FINE, "5.1.2", "%.*s cannot be understood as %s", STR_ARG(m->route.n ? m->route : m->domain),
			m->route.n ? "a next hop" : "an address");
		tell(a, &s);
		return;
	}
	if (!go_together(a)) {
		said_set(&s, false, FEEDBACK_LOCAL, "4.3.5", "the configuration has changed: these recipients have several routes now");
		tell(a, &s);
		return;
	}
	if (!is_done_by_kept(a))
		try_hops(a);
}

SUSPENDS void attempt_run(struct relay *r, struct relay_conf *conf, const struct ipc_relay_send *m, struct arena *arena, struct ipc_relay_send_reply *out)
{
	struct attempt *a = arena_new(arena, struct attempt);
	struct body_map map = { 0 };

	*a = (struct attempt){ .relay = r, .conf = conf, .m = m, .arena = arena, .d = &out->delivery, .feedback = FEEDBACK_NONE };
	a->began_ms = now(a);
	a->generation = r->pool.generation;
	a->facts = arena_array(arena, LOCK_FACTS_MAX, sizeof *a->facts);
	begin_rcpts(a);
	said_set(&a->said, false, FEEDBACK_LOCAL, "4.3.0", "this server ended the attempt");
	if (body_map(&m->body, &map) == OK) {
		a->body = map.bytes;
		run(a);
		body_unmap(&map);
	} else {
		note(a, FEEDBACK_LOCAL);
	}
	finish_rcpts(a);
	out->delivery.feedback = (uint8_t)a->feedback;
	out->moved = a->moved;
	out->delivery.total_ms = since(a, a->began_ms);
	out->tls_facts = a->facts;
	out->n_tls_facts = a->n_facts;
	if (a->fresh) {
		out->sts = a->fresh;
		out->n_sts = 1;
	}
}
