/* role/edge_door.c - what net/door.h promises to the sessions of all protocols
 * Suspends    in calls to auth, post and store.
 * Invariants  I1 a handle is in by_handle exactly while its session has it.
 */
#include "role/edge_impl.h"

#include "base/rng.h"

#define LETTER_WINDOW_MS ((int64_t)60 * 1000)

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
		edge_counted(d->edge, d->service, COUNT_TLS_FAILED);
		door_log(d, LOG_LEVEL_INFO, "tls-failed", (struct log_field[]){ LOG_S("reason", str_z(why)), { 0 } });
		return false;
	}
	stream_deadline(&d->stream, NEVER_MS);
	d->secured = true;
	edge_counted(d->edge, d->service, COUNT_TLS);
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
	edge_counted(d->edge, d->service, o == OK ? COUNT_LOGINS : COUNT_LOGINS_REFUSED);
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

void edge_random_name(char *out, size_t n)
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
	edge_random_name(out, 12);
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
