/* auth/exchange.c - SASL exchanges that need secrets: SCRAM (RFC 5802, 7677) in steps, EXTERNAL (RFC 4422 A) in one.
 * Purpose     who does not exist, has no verifier, or may not enter goes through the same steps and fails at the proof.
 * Trust       messages are a client's by way of an edge, which says truly what the connection is bound to and which certificate was shown.
 * Owns        the exchanges under way: bounded, each for one edge, forgotten after a time or with the edge.
 * Suspends    while store answers; an exchange is taken out of the table meanwhile.
 * Invariants  I1 only verifiers that would let in here and now are tried. I2 a proof is counted by the guard before it is looked at.
 */
#include "auth/login_impl.h"

#include "base/die.h"
#include "base/rng.h"
#include "ipc/words.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#define EXCHANGES_MAX 4096
#define EXCHANGE_MS ((int64_t)120 * 1000)

struct candidate {
	uint32_t code; /* 0: the main password */
	struct scram_verifier v;
};

struct exchange {
	struct node node; /* in by_age */
	uint64_t id;
	struct peer *edge;
	uint8_t service;
	char ip[46];
	int64_t until_ms;
	struct scram scram;
	uint64_t account, version;
	struct str address; /* heap */
	struct VEC(struct candidate) candidates;
	bool proven;
	uint32_t code;
};

void exchanges_init(struct login *l)
{
	map_init(&l->exchanges, rng_u64());
	list_init(&l->by_age);
}

static void take_out(struct login *l, struct exchange *x)
{
	map_del(&l->exchanges, MAP_KEY(x->id));
	list_del(&x->node);
}

static void exchange_free(struct exchange *x)
{
	scram_fini(&x->scram);
	for (size_t i = 0; i < x->candidates.n; i++)
		OPENSSL_cleanse(&x->candidates.v[i], sizeof *x->candidates.v);
	vec_free(&x->candidates);
	free((char *)(uintptr_t)x->address.p);
	free(x);
}

static struct exchange *oldest(struct login *l)
{
	return list_empty(&l->by_age) ? NULL : list_entry(l->by_age.next, struct exchange, node);
}

static void drop(struct login *l, struct exchange *x)
{
	take_out(l, x);
	exchange_free(x);
}

void exchanges_fini(struct login *l)
{
	while (oldest(l))
		drop(l, oldest(l));
	map_fini(&l->exchanges);
}

void exchanges_of_gone(struct login *l, struct peer *edge)
{
	list_each(it, nxt, &l->by_age) {
		struct exchange *x = list_entry(it, struct exchange, node);

		if (x->edge == edge)
			drop(l, x);
	}
}

static void put_in(struct login *l, struct exchange *x)
{
	int64_t now = sched_now_ms(l->o.sched);

	while (oldest(l) && (l->exchanges.n >= EXCHANGES_MAX || oldest(l)->until_ms <= now))
		drop(l, oldest(l));
	x->id = ++l->last_exchange;
	x->until_ms = now + EXCHANGE_MS;
	map_put(&l->exchanges, MAP_KEY(x->id), x);
	list_add_last(&l->by_age, &x->node);
}

/* ---- what may let in */

static void add_candidate(struct exchange *x, struct str text, const struct scram_salt *salt, uint32_t code)
{
	struct scram_verifier v;

	if (!scram_decode(text, x->scram.hash, &v))
		return;
	if (v.salt.iterations != salt->iterations || v.salt.n != salt->n || memcmp(v.salt.bytes, salt->bytes, salt->n) != 0)
		return; /* of another salt than the client was told: the proof cannot be by it */
	*vec_push(&x->candidates) = (struct candidate){ code, v };
}

static struct login_try try_of(const struct exchange *x)
{
	return (struct login_try){ x->edge, x->service, str_z(x->ip) };
}

static SUSPENDS enum outcome find_candidates(struct login *l, struct exchange *x, struct arena *a, struct scram_salt *salt)
{
	struct str user = buf_str(&x->scram.user);
	struct login_try t = try_of(x);
	struct ipc_credential_reply c = { 0 };
	enum outcome o = user.n <= IPC_CREDENTIAL_LOGIN_MAX ? login_credential(l, user, a, &c) : DENIED;

	if (o == DENIED)
		return login_salt(l, user, salt);
	if (o == OK)
		o = login_account_salt(l, user, &c, x->scram.hash, true, salt);
	if (o != OK)
		return o;
	x->account = c.account;
	x->version = c.version;
	x->address = str_of(mem_dup(c.address.p, c.address.n), c.address.n);
	if (!(c.services & access_of(x->service))) /* I1 */
		return OK;
	if (!(c.flags & SETTING_SECOND_FACTOR))
		add_candidate(x, c.scram, salt, 0);
	for (size_t i = 0; i < c.n_codes; i++)
		if (login_code_usable(&c.codes[i], &t))
			add_candidate(x, c.codes[i].scram, salt, c.codes[i].id);
	return OK;
}

static SUSPENDS enum outcome let_in(struct login *l, const struct login_try *t, uint64_t account, uint64_t version, struct str address, uint32_t code,
	struct arena *a, struct ipc_sasl_reply *r)
{
	struct ipc_credential_reply c = { .account = account, .version = version, .address = address };
	struct login_grant g;
	enum outcome o = login_grant(l, t, &c, code, a, &g);

	if (o == OK) {
		r->handle = g.handle;
		r->account = g.account;
		r->address = arena_dup(a, g.address);
	}
	return o == BAD_STATE ? TRY_LATER : o;
}

/* ---- EXTERNAL */

static SUSPENDS enum outcome external(struct login *l, const struct ipc_sasl *m, const struct login_try *t, struct arena *a, struct ipc_sasl_reply *r)
{
	struct ipc_certificate_owner q = { .fingerprint = m->certificate, .login = m->response };
	struct ipc_certificate_owner_reply c;
	enum outcome o;

	if (m->certificate.n == 0 || m->response.n > IPC_CERTIFICATE_OWNER_LOGIN_MAX)
		return DENIED;
	o = ipc_certificate_owner(&l->o.stores[0], &q, &c, a);
	if (o != OK)
		return o == NO_SUCH || o == DENIED ? DENIED : TRY_LATER;
	return c.services & access_of(m->service) ? let_in(l, t, c.account, c.version, c.address, 0, a, r) : DENIED;
}

/* What the guard counts it as: who names no login has the certificate's, not one that all of them share. */
static struct str external_name(const struct ipc_sasl *m, struct arena *a)
{
	struct str name = m->response;

	for (size_t i = 0; !m->response.n && i < m->certificate.n; i++)
		name = arena_fmt(a, "%.*s%02x", STR_ARG(i ? name : STR("certificate ")), (unsigned char)m->certificate.p[i]);
	return name;
}

static SUSPENDS enum outcome guarded_external(struct login *l, struct ipc_call *call, const struct ipc_sasl *m, struct ipc_sasl_reply *r)
{
	struct login_try t = { call_peer(call), m->service, m->ip };
	struct guard_try try;
	struct str name = external_name(m, call_arena(call));
	enum outcome o = guard_enter(&l->guard, m->ip, name, &try);

	if (o != OK)
		return o;
	o = external(l, m, &t, call_arena(call), r);
	r->wait_ms = (uint32_t)guard_leave(&l->guard, &try, o);
	login_ended(l, &t, r->handle ? r->address : name, r->account, o);
	return o;
}

/* ---- SCRAM */

static const struct {
	bool is_scram, plus;
	enum scram_hash hash;
} scrams[SASL_COUNT] = {
	[SASL_SCRAM_SHA_1] = { true, false, SCRAM_SHA_1 },
	[SASL_SCRAM_SHA_1_PLUS] = { true, true, SCRAM_SHA_1 },
	[SASL_SCRAM_SHA_256] = { true, false, SCRAM_SHA_256 },
	[SASL_SCRAM_SHA_256_PLUS] = { true, true, SCRAM_SHA_256 },
};

static SUSPENDS enum outcome begin(struct login *l, struct ipc_call *call, const struct ipc_sasl *m, struct exchange *x, struct ipc_sasl_reply *r)
{
	struct scram_bindings b = { m->exporter, m->unique, m->end_point };
	struct arena *a = call_arena(call);
	struct scram_salt salt;
	struct buf out;
	enum outcome o = scram_client_first(&x->scram, m->response, &b, m->announced_plus);

	if (o == OK)
		o = find_candidates(l, x, a, &salt);
	if (o != OK)
		return o;
	buf_init(&out, IPC_SASL_CHALLENGE_MAX);
	scram_server_first(&x->scram, &salt, &out);
	r->challenge = arena_dup(a, buf_str(&out));
	o = out.full ? BAD_SYNTAX : OK;
	buf_fini(&out);
	return o;
}

/* Refused before there was a proof: counted as those are. */
static SUSPENDS enum outcome count_refused(struct login *l, const struct exchange *x, uint32_t *wait_ms)
{
	struct guard_try try;
	enum outcome o = guard_enter(&l->guard, str_z(x->ip), buf_str(&x->scram.user), &try);

	if (o != OK)
		return o;
	*wait_ms = (uint32_t)guard_leave(&l->guard, &try, DENIED);
	return DENIED;
}

static SUSPENDS void begin_scram(struct login *l, struct ipc_call *call, const struct ipc_sasl *m)
{
	struct exchange *x = mem_new(struct exchange);
	struct login_try t = { call_peer(call), m->service, m->ip };
	struct ipc_sasl_reply r = { 0 };
	enum outcome o;

	x->edge = call_peer(call);
	x->service = m->service;
	memcpy(x->ip, m->ip.p, m->ip.n < sizeof x->ip ? m->ip.n : sizeof x->ip - 1);
	scram_init(&x->scram, scrams[m->mechanism].hash, scrams[m->mechanism].plus);
	o = begin(l, call, m, x, &r);
	if (o == OK && !peer_is_lost(x->edge)) {
		put_in(l, x);
		r.id = x->id;
	} else {
		r.wait_ms = (uint32_t)l->guard.rules.delay_ms;
		if (o == DENIED)
			o = count_refused(l, x, &r.wait_ms);
		login_ended(l, &t, buf_str(&x->scram.user), 0, o == DENIED || o == OVER_LIMIT ? o : TRY_LATER);
		exchange_free(x);
	}
	ipc_sasl_reply_send(call, o, &r);
}

SUSPENDS void login_on_sasl(void *ctx, struct ipc_call *call, const void *msg)
{
	const struct ipc_sasl *m = msg;
	struct ipc_sasl_reply r = { 0 };
	struct login *l = ctx;
	enum outcome o;

	if (m->mechanism == SASL_EXTERNAL) {
		o = guarded_external(l, call, m, &r);
		ipc_sasl_reply_send(call, o, &r);
	} else if (m->mechanism < SASL_COUNT && scrams[m->mechanism].is_scram) {
		begin_scram(l, call, m);
	} else {
		ipc_sasl_reply_send(call, NO_SUCH, &r);
	}
}

static bool find_proof(struct exchange *x, struct buf *out)
{
	for (size_t i = 0; i < x->candidates.n; i++)
		if (scram_proven(&x->scram, &x->candidates.v[i].v, out)) {
			x->code = x->candidates.v[i].code;
			return true;
		}
	return false;
}

static SUSPENDS enum outcome prove(struct login *l, struct exchange *x, struct str message, struct arena *a, struct ipc_sasl_reply *r)
{
	struct guard_try try;
	struct buf out;
	enum outcome o = guard_enter(&l->guard, str_z(x->ip), buf_str(&x->scram.user), &try);

	if (o != OK)
		return o;
	buf_init(&out, IPC_SASL_STEP_CHALLENGE_MAX);
	o = scram_client_final(&x->scram, message);
	if (o == OK)
		o = find_proof(x, &out) ? OK : DENIED;
	r->challenge = arena_dup(a, buf_str(&out));
	buf_fini(&out);
	r->wait_ms = (uint32_t)guard_leave(&l->guard, &try, o == BAD_SYNTAX ? DENIED : o);
	x->proven = o == OK;
	return o;
}

static SUSPENDS enum outcome step(struct login *l, struct exchange *x, struct str message, struct arena *a, struct ipc_sasl_reply *r)
{
	struct login_try t = try_of(x);

	if (!x->proven)
		return prove(l, x, message, a, r);
	/* The client has seen the server's signature, and has nothing more to say. */
	return message.n ? BAD_SYNTAX : let_in(l, &t, x->account, x->version, x->address, x->code, a, r);
}

static struct exchange *exchange_of(struct login *l, struct ipc_call *call, uint64_t id)
{
	struct exchange *x = map_get(&l->exchanges, MAP_KEY(id));

	return x && x->edge == call_peer(call) ? x : NULL;
}

SUSPENDS void login_on_sasl_step(void *ctx, struct ipc_call *call, const void *msg)
{
	const struct ipc_sasl_step *m = msg;
	struct ipc_sasl_reply r = { 0 };
	struct login *l = ctx;
	struct exchange *x = exchange_of(l, call, m->id);
	struct ipc_sasl_step_reply out;
	struct login_try t;
	enum outcome o = BAD_STATE;
	bool goes_on;

	if (x) {
		take_out(l, x);
		o = step(l, x, m->response, call_arena(call), &r);
	}
	goes_on = o == OK && !r.handle && !peer_is_lost(x->edge);
	if (goes_on) {
		put_in(l, x);
		r.id = x->id;
	} else if (x) {
		t = try_of(x);
		login_ended(l, &t, buf_str(&x->scram.user), x->account, o == BAD_SYNTAX ? DENIED : o);
		exchange_free(x);
	}
	out = (struct ipc_sasl_step_reply){ r.id, r.challenge, r.wait_ms, r.handle, r.account, r.address };
	ipc_sasl_step_reply_send(call, o, &out);
}

void login_on_sasl_end(void *ctx, struct ipc_call *call, const void *msg)
{
	struct exchange *x = exchange_of(ctx, call, ((const struct ipc_sasl_end *)msg)->id);

	if (x)
		drop(ctx, x);
}
