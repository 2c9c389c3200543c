/* auth/login.c - logging in with a password: credential from store, hash, grant; bans; the service's wiring.
 * Purpose     one answer for a wrong name and a wrong password, in the same time; hashing on threads of its own.
 * Trust       the secret comes from an edge, hence from anybody; store is trusted.
 * Owns        a bounded table of recently verified secrets, as keyed digests bound to the credential's version.
 * Suspends    while store answers and while a thread hashes; nothing of the table is held across either.
 * Invariants  I1 a handle is given out only after store has granted it. I2 no secret outlives its request. I3 a try is counted before
 *             its secret is looked at.
 */
#include "auth/login.h"

#include "audit/chain.h"
#include "auth/code.h"
#include "auth/login_impl.h"
#include "base/cidr.h"
#include "auth/password.h"
#include "base/clock.h"
#include "base/die.h"
#include "base/rng.h"
#include "ipc/words.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REMEMBERED_MAX 20000
#define REMEMBER_MS ((int64_t)3600 * 1000)
#define CHANGES_MAX 4 /* of an account while its login is checked, before it is told to come later */

/* ---- hashing */

struct verify_job {
	struct str secret, hash;
	bool right;
};

static void verify_job(void *arg)
{
	struct verify_job *j = arg;

	j->right = password_verify(j->secret, j->hash);
}

static SUSPENDS bool verify(struct login *l, struct str secret, struct str hash)
{
	struct verify_job j = { secret, hash, false };

	hasher_run(&l->hasher, verify_job, &j);
	return j.right;
}

/* ---- what was verified lately */

static void digest_of(const struct login *l, struct str secret, const struct ipc_credential_reply *c, unsigned char out[LOGIN_KEY_SIZE])
{
	unsigned n = LOGIN_KEY_SIZE;
	struct buf b;

	buf_init(&b, 4096);
	buf_add(&b, str_of(&c->account, sizeof c->account));
	buf_add(&b, str_of(&c->version, sizeof c->version));
	buf_add(&b, secret);
	HMAC(EVP_sha256(), l->key, LOGIN_KEY_SIZE, (const unsigned char *)b.p, b.n, out, &n);
	explicit_bzero(b.p, b.n);
	buf_fini(&b);
}

static bool remembered(struct login *l, const unsigned char digest[LOGIN_KEY_SIZE])
{
	int64_t *until = map_get(&l->verified, str_of(digest, LOGIN_KEY_SIZE));

	return until && *until > sched_now_ms(l->o.sched);
}

static void forget_all(struct login *l)
{
	struct str key;
	void *v;

	for (size_t at = 0; map_next(&l->verified, &at, &key, &v);)
		free(v);
	map_fini(&l->verified);
}

static void remember(struct login *l, const unsigned char digest[LOGIN_KEY_SIZE])
{
	int64_t *until = map_get(&l->verified, str_of(digest, LOGIN_KEY_SIZE));

	if (!until) {
		if (l->verified.n >= REMEMBERED_MAX)
			forget_all(l);
		until = mem_new(int64_t);
		map_put(&l->verified, str_of(digest, LOGIN_KEY_SIZE), until);
	}
	*until = sched_now_ms(l->o.sched) + REMEMBER_MS;
}

static SUSPENDS bool secret_is_right(struct login *l, struct str secret, const struct ipc_credential_reply *c)
{
	unsigned char digest[LOGIN_KEY_SIZE];
	bool right;

	digest_of(l, secret, c, digest);
	if (remembered(l, digest)) {
		l->n_remembered++;
		return true;
	}
	right = verify(l, secret, c->hash);
	if (right)
		remember(l, digest);
	explicit_bzero(digest, sizeof digest);
	return right;
}

/* ---- what all mechanisms share */

enum outcome login_credential(struct login *l, struct str user, struct arena *a, struct ipc_credential_reply *c)
{
	struct ipc_credential ask = { .login = user };
	enum outcome o = ipc_credential(&l->o.stores[0], &ask, c, a);

	return o == OK ? OK : o == NO_SUCH || o == DENIED ? DENIED : TRY_LATER;
}

enum outcome login_grant(struct login *l, const struct login_try *t, const struct ipc_credential_reply *c, uint32_t code, struct arena *a,
	struct login_grant *out)
{
	struct ipc_grant grant = { .edge = peer_index(t->edge), .edge_life = peer_life(t->edge), .account = c->account, .version = c->version,
		.code = code, .service = t->service, .ip = t->ip };
	struct ipc_grant_reply granted;
	enum outcome o = ipc_grant(&l->o.stores[c->account % l->o.n_stores], &grant, &granted, a);

	*out = (struct login_grant){ .handle = granted.handle, .account = c->account, .address = c->address };
	if (o == OK || o == BAD_STATE)
		return o;
	return o == DENIED || o == NO_SUCH ? DENIED : TRY_LATER; /* deleted meanwhile */
}

bool login_code_usable(const struct ipc_code *k, const struct login_try *t)
{
	return (k->services & access_of(t->service)) && (!k->expires_s || k->expires_s > clock_wall_us() / 1000000) && cidr_list_has(k->networks, t->ip);
}

void login_ended(struct login *l, const struct login_try *t, struct str user, uint64_t account, enum outcome o)
{
	struct ipc_audited a = { .kind = o == OK ? AUDIT_LOGIN : AUDIT_LOGIN_REFUSED, .account = o == OK ? account : 0, .service = t->service,
		.ip = t->ip, .user = str_sub(user, 0, IPC_AUDITED_USER_MAX) };

	l->n_ok += o == OK;
	l->n_denied += o == DENIED;
	l->n_banned += o == OVER_LIMIT;
	if (o == OK || o == DENIED)
		ipc_audited_cast(l->o.stores[0].peer, &a);
}

/* ---- a password */

/* A code that this secret is, in use here and now; 0: none. Every one is tried, so that time tells nothing. */
static uint32_t matching_code(struct str secret, const struct login_try *t, const struct ipc_credential_reply *c)
{
	uint32_t found = 0;

	for (size_t i = 0; i < c->n_codes; i++)
		if (code_matches(secret, c->codes[i].hash) && login_code_usable(&c->codes[i], t))
			found = c->codes[i].id;
	return found;
}

/* What opens the account: a code, else the main password. The hash is verified also where it opens nothing. */
static SUSPENDS bool may_enter(struct login *l, struct str secret, const struct login_try *t, const struct ipc_credential_reply *c, uint32_t *code)
{
	bool open = (c->services & access_of(t->service)) != 0;

	*code = matching_code(secret, t, c);
	if (*code && open)
		return true;
	*code = 0;
	if (open && !(c->flags & SETTING_SECOND_FACTOR))
		return secret_is_right(l, secret, c);
	verify(l, secret, c->hash); /* not the remembered answer, which would come sooner */
	return false;
}

/* *c, *code: by what it was let in. */
static SUSPENDS enum outcome check(struct login *l, const struct login_try *t, const struct ipc_login *m, struct login_grant *out, struct arena *a,
	struct ipc_credential_reply *c, uint32_t *code)
{
	enum outcome o = login_credential(l, m->user, a, c);

	if (o == DENIED)
		verify(l, m->secret, (struct str){ 0 }); /* the same work for a name that does not exist */
	if (o != OK)
		return o;
	return may_enter(l, m->secret, t, c, code) ? login_grant(l, t, c, *code, a, out) : DENIED;
}

static SUSPENDS void on_login(void *ctx, struct ipc_call *call, const void *msg)
{
	const struct ipc_login *m = msg;
	struct login_try t = { call_peer(call), m->service, m->ip };
	struct ipc_login_reply out = { 0 };
	struct login_grant g = { 0 };
	struct login *l = ctx;
	struct ipc_credential_reply c = { 0 };
	struct guard_try try;
	uint32_t code = 0;
	enum outcome o = guard_enter(&l->guard, m->ip, m->user, &try);

	if (o == OK) {
		o = BAD_STATE;
		for (int i = 0; i < CHANGES_MAX && o == BAD_STATE; i++)
			o = check(l, &t, m, &g, call_arena(call), &c, &code);
		if (o == BAD_STATE)
			o = TRY_LATER;
		out.wait_ms = (uint32_t)guard_leave(&l->guard, &try, o);
	}
	login_ended(l, &t, m->user, g.account, o);
	out.handle = g.handle;
	out.account = g.account;
	out.address = g.address;
	ipc_login_reply_send(call, o, &out);
	if (o == OK && !code)
		login_renew(l, m->user, m->secret, &c);
}

/* ---- bans */

static void record_ban(struct login *l, enum audit_kind kind, struct str who, struct str text)
{
	ipc_audited_cast(l->o.stores[0].peer, &(struct ipc_audited){ .kind = (uint8_t)kind, .service = SERVICE_COUNT, .user = who, .text = text });
}

/* A login's name is anybody's, and its account's owner sees who was kept out. */
static void on_ban(void *ctx, const struct cidr *n, struct str what, int64_t ms)
{
	struct login *l = ctx;
	struct ipc_banned m = { .network = what, .seconds = (uint32_t)((ms + 999) / 1000) };
	char why[CIDR_TEXT_SIZE + 60];

	for (size_t i = 0; n && i < l->edges.n; i++)
		ipc_banned_cast(l->edges.v[i], &m);
	if (!ms)
		return;
	snprintf(why, sizeof why, "%.*s for %u s: too many failed logins", STR_ARG(n ? what : STR("the login")), m.seconds);
	log_warning(l->o.log, "banned", "%.*s for %u s: too many failed logins", STR_ARG(what), m.seconds);
	record_ban(l, AUDIT_BAN, n ? STR("auth") : str_sub(what, 0, IPC_AUDITED_USER_MAX), str_z(why));
}

static bool tell_ban(void *arg, bool is_network, const char *what, int64_t left_ms)
{
	struct ipc_banned m = { .network = str_z(what), .seconds = (uint32_t)(left_ms / 1000 + 1) };

	if (is_network)
		ipc_banned_cast(arg, &m);
	return true;
}

static void on_watch_bans(void *ctx, struct ipc_call *call, const void *msg)
{
	struct login *l = ctx;

	(void)msg;
	for (size_t i = 0; i < l->edges.n; i++)
		if (l->edges.v[i] == call_peer(call)) /* asked before */
			return;
	*vec_push(&l->edges) = call_peer(call);
	guard_bans(&l->guard, tell_ban, call_peer(call));
}

#define LINE_PREFIX 4 /* bytes in front of a text of a list */

struct ban_lines {
	struct arena *a;
	struct str *v;
	size_t n, room; /* bytes left in the answer */
};

static bool add_ban(void *arg, bool is_network, const char *what, int64_t left_ms)
{
	struct ban_lines *b = arg;
	struct str line = arena_fmt(b->a, "%s\t%lld", what, (long long)(left_ms / 1000 + 1));

	(void)is_network;
	if (b->room < line.n + LINE_PREFIX)
		return false;
	b->room -= line.n + LINE_PREFIX;
	for (size_t i = 0; what[i]; i++) /* what was tried as a login makes no fields and no lines */
		if ((unsigned char)what[i] < 0x20 || what[i] == 0x7f)
			((char *)(uintptr_t)line.p)[i] = '?';
	b->v[b->n++] = line;
	return b->n < IPC_BAN_LIST_LINES_MAX;
}

static void on_ban_list(void *ctx, struct ipc_call *call, const void *msg)
{
	struct arena *a = call_arena(call);
	struct ban_lines b = { a, arena_array(a, IPC_BAN_LIST_LINES_MAX, sizeof(struct str)), 0, IPC_RECORD_MAX - IPC_BAN_LIST_REPLY_FIXED };
	struct ipc_ban_list_reply r;

	(void)msg;
	guard_bans(&((struct login *)ctx)->guard, add_ban, &b);
	r = (struct ipc_ban_list_reply){ .lines = b.v, .n_lines = b.n };
	ipc_ban_list_reply_send(call, OK, &r);
}

static void on_ban_remove(void *ctx, struct ipc_call *call, const void *msg)
{
	const struct ipc_ban_remove *m = msg;
	struct login *l = ctx;
	bool was = guard_lift(&l->guard, m->what);
	struct arena *a = call_arena(call);

	if (was)
		record_ban(l, AUDIT_COMMAND, arena_fmt(a, "uid %u", (unsigned)peer_uid(call_peer(call))),
			arena_fmt(a, "ban remove %.*s", STR_ARG(str_sub(m->what, 0, m->what.n < 150 ? m->what.n : 150))));
	ipc_ban_remove_reply_send(call, was ? OK : NO_SUCH);
}

/* ---- the service */

static void on_status(void *ctx, struct ipc_call *call, const void *msg)
{
	struct login *l = ctx;
	struct str lines[1];
	struct ipc_auth_status_reply reply = { .lines = lines, .n_lines = 1 };

	(void)msg;
	lines[0] = arena_fmt(call_arena(call), "logins\t%llu\trefused\t%llu\tremembered\t%llu\tbanned\t%llu", (unsigned long long)l->n_ok,
		(unsigned long long)l->n_denied, (unsigned long long)l->n_remembered, (unsigned long long)l->n_banned);
	ipc_auth_status_reply_send(call, OK, &reply);
}

static void on_gone(void *ctx, struct peer *p)
{
	struct login *l = ctx;

	exchanges_of_gone(l, p);
	for (size_t i = l->edges.n; i > 0; i--)
		if (l->edges.v[i - 1] == p)
			l->edges.v[i - 1] = l->edges.v[--l->edges.n];
}

static ipc_handler *const handlers[IPC_TYPE_COUNT] = {
	[IPC_LOGIN] = on_login,
	[IPC_SASL] = login_on_sasl,
	[IPC_SASL_STEP] = login_on_sasl_step,
	[IPC_SASL_END] = login_on_sasl_end,
	[IPC_WATCH_BANS] = on_watch_bans,
	[IPC_HASH_SECRET] = login_on_hash_secret,
	[IPC_BAN_LIST] = on_ban_list,
	[IPC_BAN_REMOVE] = on_ban_remove,
	[IPC_AUTH_STATUS] = on_status,
};

void login_reconfigure(struct login *l, const struct conf *c)
{
	l->guard.rules = (struct guard_rules){ .address_max = c->limits.login_failures_max, .login_max = c->limits.login_failures_login_max,
		.window_ms = c->timeouts.login_window_ms, .ban_ms = c->timeouts.login_ban_ms, .delay_ms = c->timeouts.login_delay_ms,
		.delay_max_ms = c->timeouts.login_delay_max_ms };
	l->scram_iterations = c->limits.scram_iterations;
}

struct login *login_new(const struct login_opts *opts, const struct conf *c)
{
	struct login *l = mem_new(struct login);

	l->o = *opts;
	l->service = (struct ipc_service){ .ctx = l, .handlers = handlers, .gone = on_gone };
	rng_bytes(l->key, sizeof l->key);
	map_init(&l->verified, rng_u64());
	exchanges_init(l);
	hasher_init(&l->hasher, opts->sched, opts->n_threads);
	guard_init(&l->guard, opts->sched, &(struct guard_rules){ 0 });
	l->guard.on_ban = on_ban;
	l->guard.ctx = l;
	login_reconfigure(l, c);
	return l;
}

void login_start(struct login *l)
{
	hasher_start(&l->hasher);
}

const struct ipc_service *login_service(struct login *l)
{
	return &l->service;
}

void login_stop(struct login *l)
{
	hasher_stop(&l->hasher);
}

void login_count(const struct login *l, struct counters *out)
{
	out->server[COUNT_PASSWORDS_RIGHT] = l->n_ok;
	out->server[COUNT_PASSWORDS_WRONG] = l->n_denied;
	out->server[COUNT_PASSWORDS_REMEMBERED] = l->n_remembered;
}

void login_free(struct login *l)
{
	forget_all(l);
	exchanges_fini(l);
	guard_fini(&l->guard);
	vec_free(&l->edges);
	explicit_bzero(l->key, sizeof l->key);
	explicit_bzero(l->installation, sizeof l->installation);
	free(l);
}
