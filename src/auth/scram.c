/* auth/scram.c - SCRAM verifiers and the server's side of an exchange. See the header.
 * Trust       the client's messages are hostile and at most SCRAM_MESSAGE_MAX long.
 * Invariants  I1 a proof is looked at only when nonce and channel binding are those of this exchange.
 */
#include "auth/scram.h"

#include "base/cur.h"
#include "base/die.h"
#include "base/rng.h"
#include "mail/base64.h"
#include "mail/saslprep.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#define AUTH_MESSAGE_MAX (3 * SCRAM_MESSAGE_MAX)
#define NONCE_BYTES 18

static const struct {
	struct str name;
	size_t size;
	const EVP_MD *(*md)(void);
} hashes[SCRAM_HASHES] = {
	[SCRAM_SHA_1] = { STR("SHA-1"), 20, EVP_sha1 },
	[SCRAM_SHA_256] = { STR("SHA-256"), 32, EVP_sha256 },
};

size_t scram_digest_size(enum scram_hash h)
{
	return hashes[h].size;
}

/* ---- verifiers */

static void hmac(enum scram_hash h, const unsigned char *key, struct str text, unsigned char *out)
{
	unsigned n = SCRAM_DIGEST_MAX;

	if (!HMAC(hashes[h].md(), key, (int)hashes[h].size, (const unsigned char *)text.p, text.n, out, &n))
		die("scram: HMAC failed");
}

static void digest(enum scram_hash h, const unsigned char *in, unsigned char *out)
{
	if (!EVP_Digest(in, hashes[h].size, out, NULL, hashes[h].md(), NULL))
		die("scram: digest failed");
}

void scram_make(enum scram_hash h, struct str password, const struct scram_salt *salt, struct scram_verifier *out)
{
	unsigned char salted[SCRAM_DIGEST_MAX], client[SCRAM_DIGEST_MAX];

	out->salt = *salt;
	if (!PKCS5_PBKDF2_HMAC(password.p, (int)password.n, salt->bytes, (int)salt->n, (int)salt->iterations, hashes[h].md(), (int)hashes[h].size, salted))
		die("scram: PBKDF2 failed");
	hmac(h, salted, STR("Client Key"), client);
	digest(h, client, out->stored);
	hmac(h, salted, STR("Server Key"), out->server);
	OPENSSL_cleanse(salted, sizeof salted);
	OPENSSL_cleanse(client, sizeof client);
}

bool scram_matches(enum scram_hash h, struct str password, const struct scram_verifier *v)
{
	struct scram_verifier mine;
	bool same;

	scram_make(h, password, &v->salt, &mine);
	same = CRYPTO_memcmp(mine.stored, v->stored, hashes[h].size) == 0;
	OPENSSL_cleanse(&mine, sizeof mine);
	return same;
}

void scram_encode(enum scram_hash h, const struct scram_verifier *v, struct buf *out)
{
	buf_addf(out, "%s%.*s$%u$", out->n ? " " : "", STR_ARG(hashes[h].name), v->salt.iterations);
	mail_base64_encode(str_of(v->salt.bytes, v->salt.n), out);
	buf_addc(out, '$');
	mail_base64_encode(str_of(v->stored, hashes[h].size), out);
	buf_addc(out, '$');
	mail_base64_encode(str_of(v->server, hashes[h].size), out);
}

/* Decodes into exactly n bytes, or when n is 0 into 1 to max. 0: it does not fit. */
static size_t bytes_of(struct str text, unsigned char *out, size_t n, size_t max)
{
	size_t got = 0;
	struct buf b;

	buf_init(&b, max);
	if (mail_base64_decode(text, &b) && b.n && (n == 0 || b.n == n)) {
		memcpy(out, b.p, b.n);
		got = b.n;
	}
	buf_fini(&b);
	return got;
}

static bool decode_one(struct str text, enum scram_hash h, struct scram_verifier *out)
{
	struct str part;
	size_t size = hashes[h].size;

	*out = (struct scram_verifier){ 0 };
	if (!str_split(&text, '$', &part) || !str_eq(part, hashes[h].name))
		return false;
	if (!str_split(&text, '$', &part) || !str_to_u32(part, &out->salt.iterations) || !out->salt.iterations || out->salt.iterations > INT32_MAX)
		return false;
	if (!str_split(&text, '$', &part) || !(out->salt.n = (unsigned)bytes_of(part, out->salt.bytes, 0, SCRAM_SALT_MAX)))
		return false;
	if (!str_split(&text, '$', &part) || !bytes_of(part, out->stored, size, size))
		return false;
	return str_split(&text, '$', &part) && bytes_of(part, out->server, size, size) && !text.p;
}

bool scram_decode(struct str text, enum scram_hash h, struct scram_verifier *out)
{
	struct str one;

	while (str_split(&text, ' ', &one))
		if (decode_one(one, h, out))
			return true;
	return false;
}

/* ---- the exchange */

void scram_init(struct scram *x, enum scram_hash h, bool plus)
{
	unsigned char r[NONCE_BYTES];
	struct buf b;

	*x = (struct scram){ .hash = h, .plus = plus };
	buf_init(&x->user, SCRAM_MESSAGE_MAX);
	buf_init(&x->nonce, SCRAM_MESSAGE_MAX + sizeof x->server_nonce);
	buf_init(&x->binding, SCRAM_MESSAGE_MAX + 256);
	buf_init(&x->auth_message, AUTH_MESSAGE_MAX);
	rng_bytes(r, sizeof r);
	buf_init(&b, sizeof x->server_nonce - 1);
	mail_base64_encode(str_of(r, sizeof r), &b);
	memcpy(x->server_nonce, b.p, b.n);
	buf_fini(&b);
}

void scram_fini(struct scram *x)
{
	OPENSSL_cleanse(x->proof, sizeof x->proof);
	buf_fini(&x->user);
	buf_fini(&x->nonce);
	buf_fini(&x->binding);
	buf_fini(&x->auth_message);
}

/* name "=" value, up to a comma or the end; the comma is consumed. */
static bool attribute(struct str *rest, char name, struct str *value)
{
	struct str part;

	if (!rest->p || !str_split(rest, ',', &part) || part.n < 2 || part.p[0] != name || part.p[1] != '=')
		return false;
	*value = str_from(part, 2);
	return true;
}

/* Extensions that this server does not know are passed over, mandatory ones ("m=") refused (RFC 5802 5.1). */
static bool extensions(struct str rest)
{
	struct str part;

	while (rest.p && str_split(&rest, ',', &part))
		if (part.n < 3 || !ascii_is_alpha(part.p[0]) || part.p[1] != '=' || part.p[0] == 'm')
			return false;
	return true;
}

/* saslname: "=2C" is a comma, "=3D" a "="; any other "=" is wrong. */
static bool name_decode(struct str s, struct buf *out)
{
	for (size_t i = 0; i < s.n; i++) {
		struct str code = str_sub(s, i, 3);

		if (s.p[i] == 0)
			return false;
		if (s.p[i] != '=') {
			buf_addc(out, s.p[i]);
			continue;
		}
		if (!str_ieq(code, STR("=2C")) && !str_ieq(code, STR("=3D")))
			return false;
		buf_addc(out, code.p[1] == '2' ? ',' : '=');
		i += 2;
	}
	return s.n > 0 && !out->full;
}

static bool name_prepared(struct str s, struct buf *out)
{
	struct buf raw;
	bool ok;

	buf_init(&raw, SCRAM_MESSAGE_MAX);
	ok = name_decode(s, &raw) && saslprep(buf_str(&raw), false, out) && out->n;
	buf_fini(&raw);
	return ok;
}

static bool nonce_ok(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!ascii_is_print(s.p[i]) || s.p[i] == ' ') /* printable, without blank and comma */
			return false;
	return s.n > 0;
}

/* gs2-cbind-flag: what of the connection the client binds itself to. */
static enum outcome binding_of(const struct scram *x, struct str flag, const struct scram_bindings *b, bool announced_plus, struct str *data)
{
	*data = (struct str){ 0 };
	if (str_eq(flag, STR("n")))
		return x->plus ? DENIED : OK;
	if (str_eq(flag, STR("y"))) /* RFC 5802 6: somebody in between took -PLUS from our list */
		return x->plus || announced_plus ? DENIED : OK;
	if (!str_starts(flag, STR("p=")))
		return BAD_SYNTAX;
	flag = str_from(flag, 2);
	*data = str_eq(flag, STR("tls-exporter")) ? b->exporter :
		str_eq(flag, STR("tls-unique")) ? b->unique :
		str_eq(flag, STR("tls-server-end-point")) ? b->end_point : (struct str){ 0 };
	return x->plus && data->n ? OK : DENIED;
}

/* "a=" only names who logs in: nobody acts for somebody else here. */
static enum outcome authzid_ok(struct str part, struct str user)
{
	enum outcome o = BAD_SYNTAX;
	struct buf name;

	if (part.n == 0)
		return OK;
	buf_init(&name, SCRAM_MESSAGE_MAX);
	if (str_starts(part, STR("a=")) && name_prepared(str_from(part, 2), &name))
		o = str_ieq(buf_str(&name), user) ? OK : DENIED;
	buf_fini(&name);
	return o;
}

enum outcome scram_client_first(struct scram *x, struct str message, const struct scram_bindings *b, bool announced_plus)
{
	struct str rest = message, flag, authzid, user, nonce, data;
	size_t n_header;
	enum outcome o, z;

	if (message.n > SCRAM_MESSAGE_MAX || !str_split(&rest, ',', &flag) || !rest.p || !str_split(&rest, ',', &authzid) || !rest.p)
		return BAD_SYNTAX;
	n_header = flag.n + authzid.n + 2;
	if (!attribute(&rest, 'n', &user) || !name_prepared(user, &x->user) || !attribute(&rest, 'r', &nonce) || !nonce_ok(nonce) || !extensions(rest))
		return BAD_SYNTAX;
	o = binding_of(x, flag, b, announced_plus, &data);
	z = authzid_ok(authzid, buf_str(&x->user));
	if (o == BAD_SYNTAX || z == BAD_SYNTAX)
		return BAD_SYNTAX;
	buf_add(&x->binding, str_sub(message, 0, n_header));
	buf_add(&x->binding, data);
	buf_add(&x->nonce, nonce);
	buf_addz(&x->nonce, x->server_nonce);
	buf_add(&x->auth_message, str_from(message, n_header));
	return o == OK ? z : o;
}

void scram_server_first(struct scram *x, const struct scram_salt *salt, struct buf *out)
{
	size_t at = out->n;

	buf_addz(out, "r=");
	buf_add(out, buf_str(&x->nonce));
	buf_addz(out, ",s=");
	mail_base64_encode(str_of(salt->bytes, salt->n), out);
	buf_addf(out, ",i=%u", salt->iterations);
	buf_addc(&x->auth_message, ',');
	buf_add(&x->auth_message, str_from(buf_str(out), at));
}

/* c= says again, in base64, what the exchange is bound to. */
static bool binding_matches(const struct scram *x, struct str value)
{
	struct buf b;
	bool same;

	buf_init(&b, x->binding.max);
	same = mail_base64_decode(value, &b) && b.n == x->binding.n && CRYPTO_memcmp(b.p, x->binding.p, b.n) == 0;
	buf_fini(&b);
	return same;
}

enum outcome scram_client_final(struct scram *x, struct str message)
{
	ssize_t at = str_rfind(message, ',');
	struct str rest, binding, nonce, proof;

	if (message.n > SCRAM_MESSAGE_MAX || at <= 0)
		return BAD_SYNTAX;
	rest = str_sub(message, 0, (size_t)at);
	proof = str_from(message, (size_t)at + 1);
	if (!attribute(&rest, 'c', &binding) || !attribute(&rest, 'r', &nonce) || !extensions(rest) || !str_starts(proof, STR("p=")))
		return BAD_SYNTAX;
	if (!bytes_of(str_from(proof, 2), x->proof, hashes[x->hash].size, SCRAM_DIGEST_MAX))
		return BAD_SYNTAX;
	buf_addc(&x->auth_message, ',');
	buf_add(&x->auth_message, str_sub(message, 0, (size_t)at));
	return str_eq(nonce, buf_str(&x->nonce)) && binding_matches(x, binding) ? OK : DENIED; /* I1 */
}

bool scram_proven(struct scram *x, const struct scram_verifier *v, struct buf *out)
{
	size_t size = hashes[x->hash].size;
	unsigned char key[SCRAM_DIGEST_MAX], mine[SCRAM_DIGEST_MAX];
	bool right;

	hmac(x->hash, v->stored, buf_str(&x->auth_message), key);
	for (size_t i = 0; i < size; i++)
		key[i] ^= x->proof[i];
	digest(x->hash, key, mine);
	right = CRYPTO_memcmp(mine, v->stored, size) == 0;
	OPENSSL_cleanse(key, sizeof key);
	if (!right)
		return false;
	hmac(x->hash, v->server, buf_str(&x->auth_message), mine);
	buf_addz(out, "v=");
	mail_base64_encode(str_of(mine, size), out);
	return true;
}
