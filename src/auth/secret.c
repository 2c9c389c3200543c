/* auth/secret.c - salts, and what is kept of a new password or code.
 * Purpose     a login's salt is made of its name and the installation's secret, so that who does not exist has one as well, the same one
 *             every time (RFC 5802 9 would otherwise tell who exists).
 * Suspends    while store answers and while a thread hashes.
 * Invariants  I1 all codes and the password of an account share one salt as far as the server makes them: one proof can be tried against
 *             each. An imported verifier keeps its own until the password is seen.
 */
#include "auth/login_impl.h"

#include "auth/password.h"
#include "ipc/words.h"
#include "mail/saslprep.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

static SUSPENDS bool need_installation(struct login *l)
{
	struct ipc_installation_reply r;
	struct arena a;

	if (l->has_installation)
		return true;
	arena_init(&a, "installation", IPC_RECORD_MAX * 4);
	if (ipc_installation(&l->o.stores[0], &r, &a) == OK && r.secret.n == LOGIN_KEY_SIZE) {
		memcpy(l->installation, r.secret.p, LOGIN_KEY_SIZE);
		l->has_installation = true;
	}
	arena_fini(&a);
	return l->has_installation;
}

enum outcome login_salt(struct login *l, struct str login, struct scram_salt *out)
{
	unsigned char digest[32];
	unsigned n = sizeof digest;
	struct buf name;

	if (!need_installation(l))
		return TRY_LATER;
	buf_init(&name, 4096);
	buf_addz(&name, "scram salt ");
	for (size_t i = 0; i < login.n; i++)
		buf_addc(&name, ascii_lower(login.p[i]));
	HMAC(EVP_sha256(), l->installation, LOGIN_KEY_SIZE, (const unsigned char *)name.p, name.n, digest, &n);
	buf_fini(&name);
	*out = (struct scram_salt){ .iterations = l->scram_iterations, .n = SCRAM_SALT_SIZE };
	if (out->iterations < SCRAM_ITERATIONS_MIN)
		out->iterations = SCRAM_ITERATIONS_MIN;
	memcpy(out->bytes, digest, SCRAM_SALT_SIZE);
	return OK;
}

enum outcome login_account_salt(
	struct login *l, struct str login, const struct ipc_credential_reply *c, enum scram_hash h, bool with_password, struct scram_salt *out)
{
	struct scram_verifier v;

	if (with_password && scram_decode(c->scram, h, &v)) {
		*out = v.salt;
		return OK;
	}
	for (size_t i = 0; i < c->n_codes; i++)
		if (scram_decode(c->codes[i].scram, h, &v)) {
			*out = v.salt;
			return OK;
		}
	return login_salt(l, login, out);
}

struct make_job {
	enum scram_hash hash;
	struct str secret;
	struct scram_salt salt;
	struct scram_verifier v;
};

static void make_job(void *arg)
{
	struct make_job *j = arg;

	scram_make(j->hash, j->secret, &j->salt, &j->v);
}

enum outcome login_scram(struct login *l, struct str login, const struct ipc_credential_reply *c, bool is_code, struct str secret, struct buf *out)
{
	struct buf prepared;
	enum outcome o = OK;

	if (!is_code && l->scram_iterations == 0)
		return OK;
	buf_init(&prepared, SASLPREP_MAX);
	if (saslprep(secret, true, &prepared) && prepared.n)
		for (int h = 0; o == OK && h < SCRAM_HASHES; h++) {
			struct make_job j = { .hash = (enum scram_hash)h, .secret = buf_str(&prepared) };

			o = login_account_salt(l, login, c, j.hash, is_code, &j.salt);
			if (o != OK)
				break;
			hasher_run(&l->hasher, make_job, &j);
			scram_encode(j.hash, &j.v, out);
			OPENSSL_cleanse(&j, sizeof j);
		}
	if (prepared.p)
		OPENSSL_cleanse(prepared.p, prepared.cap);
	buf_fini(&prepared);
	return o;
}

/* ---- for commands */

struct hash_job {
	struct str secret;
	char hash[PASSWORD_HASH_SIZE];
	bool ok;
};

static void hash_job(void *arg)
{
	struct hash_job *j = arg;

	j->ok = password_hash(j->secret, j->hash);
}

static bool is_old(const struct login *l, const struct ipc_credential_reply *c)
{
	struct scram_verifier v;

	return !password_hash_is_current(c->hash) || (l->scram_iterations && !scram_decode(c->scram, SCRAM_SHA_256, &v));
}

void login_renew(struct login *l, struct str user, struct str secret, const struct ipc_credential_reply *c)
{
	struct hash_job j = { .secret = secret };
	struct ipc_rehash m = { .account = c->account, .version = c->version, .hash = c->hash };
	struct buf scram;

	if (!is_old(l, c))
		return;
	buf_init(&scram, SCRAM_TEXT_MAX);
	if (!password_hash_is_current(c->hash)) {
		hasher_run(&l->hasher, hash_job, &j);
		m.hash = str_z(j.hash);
	}
	if (m.hash.n && login_scram(l, user, c, false, secret, &scram) == OK && (scram.n || m.hash.p != c->hash.p)) {
		m.scram = buf_str(&scram);
		ipc_rehash_cast(l->o.stores[c->account % l->o.n_stores].peer, &m);
	}
	buf_fini(&scram);
}

static SUSPENDS enum outcome hash_secret(struct login *l, const struct ipc_hash_secret *m, struct hash_job *j, struct buf *scram, struct arena *a)
{
	struct str login = arena_fmt(a, "%.*s@%.*s", STR_ARG(m->address.local), STR_ARG(m->address.domain));
	struct ipc_credential_reply c = { 0 };
	enum outcome o = login_credential(l, login, a, &c);

	if (o == TRY_LATER)
		return o;
	if (o != OK)
		c = (struct ipc_credential_reply){ 0 }; /* it is about to be made */
	if (!m->is_code)
		hasher_run(&l->hasher, hash_job, j);
	return j->ok || m->is_code ? login_scram(l, login, &c, m->is_code, m->secret, scram) : BAD_SYNTAX;
}

SUSPENDS void login_on_hash_secret(void *ctx, struct ipc_call *call, const void *msg)
{
	const struct ipc_hash_secret *m = msg;
	struct hash_job j = { .secret = m->secret };
	struct ipc_hash_secret_reply r = { 0 };
	struct buf scram;
	enum outcome o;

	buf_init(&scram, SCRAM_TEXT_MAX);
	o = hash_secret(ctx, m, &j, &scram, call_arena(call));
	if (o == OK) {
		r.hash = str_z(j.hash);
		r.scram = buf_str(&scram);
	}
	ipc_hash_secret_reply_send(call, o, &r);
	buf_fini(&scram);
}
