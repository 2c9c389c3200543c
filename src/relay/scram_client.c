/* relay/scram_client.c - the client's side of SCRAM-SHA-256 (RFC 5802 3, 5, 7; RFC 7677). See the header.
 * Trust       the server's messages are hostile: lengths, the nonce and the count of iterations are checked before any work is done.
 * Owns        the first message; keys on the way are wiped.
 */
#include "relay/scram_client.h"

#include "base/die.h"
#include "mail/base64.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>

#define SALT_MAX 256
#define MESSAGE_MAX 4096
#define DIGEST 32

void client_scram_init(struct scram_client *x, struct str nonce)
{
	*x = (struct scram_client){ 0 };
	buf_init(&x->first_bare, MESSAGE_MAX);
	snprintf(x->nonce, sizeof x->nonce, "%.*s", STR_ARG(nonce));
}

void client_scram_fini(struct scram_client *x)
{
	OPENSSL_cleanse(x->server_signature, sizeof x->server_signature);
	buf_fini(&x->first_bare);
}

void client_scram_first(struct scram_client *x, struct str user, struct buf *out)
{
	buf_addz(&x->first_bare, "n=");
	for (size_t i = 0; i < user.n; i++)
		if (user.p[i] == ',' || user.p[i] == '=')
			buf_addz(&x->first_bare, user.p[i] == ',' ? "=2C" : "=3D");
		else
			buf_addc(&x->first_bare, user.p[i]);
	buf_addf(&x->first_bare, ",r=%s", x->nonce);
	buf_addz(out, "n,,");
	buf_add(out, buf_str(&x->first_bare));
}

static void hmac(const unsigned char *key, struct str text, unsigned char *out)
{
	unsigned n = DIGEST;

	if (!HMAC(EVP_sha256(), key, DIGEST, (const unsigned char *)text.p, text.n, out, &n))
		die("scram_client: HMAC failed");
}

struct server_first {
	struct str nonce;
	unsigned char salt[SALT_MAX];
	size_t n_salt;
	uint32_t iterations;
};

/* "r=" nonce ",s=" salt ",i=" iterations, and extensions, which are ignored; "m=" before them is one that must not be (RFC 5802 5.1). */
static bool parse_first(struct str text, struct server_first *out)
{
	struct str r, s, i;
	struct buf salt;
	bool ok;

	if (!str_split(&text, ',', &r) || !str_split(&text, ',', &s) || !str_split(&text, ',', &i) || !str_starts(r, STR("r=")) ||
		!str_starts(s, STR("s=")) || !str_starts(i, STR("i=")))
		return false;
	out->nonce = str_from(r, 2);
	buf_init(&salt, SALT_MAX);
	ok = mail_base64_decode(str_from(s, 2), &salt) && salt.n && str_to_u32(str_from(i, 2), &out->iterations);
	out->n_salt = salt.n;
	if (ok)
		memcpy(out->salt, salt.p, salt.n);
	buf_fini(&salt);
	return ok;
}

static const char *judge(const struct scram_client *x, const struct server_first *f)
{
	struct str ours = str_z(x->nonce);

	if (!str_starts(f->nonce, ours) || f->nonce.n <= ours.n)
		return "it answers another exchange than ours";
	if (f->iterations < SCRAM_CLIENT_ITERATIONS_MIN)
		return "it asks for too few iterations, which would give the password away";
	if (f->iterations > SCRAM_CLIENT_ITERATIONS_MAX)
		return "it asks for too many iterations";
	return NULL;
}

/* RFC 5802 3: proof = ClientKey XOR HMAC(StoredKey, AuthMessage); what the server is to sign with is kept. */
static void prove(struct scram_client *x, struct str password, const struct server_first *f, struct str auth_message, unsigned char *proof)
{
	unsigned char salted[DIGEST], client[DIGEST], stored[DIGEST], server[DIGEST];

	if (!PKCS5_PBKDF2_HMAC(password.p, (int)password.n, f->salt, (int)f->n_salt, (int)f->iterations, EVP_sha256(), DIGEST, salted))
		die("scram_client: PBKDF2 failed");
	hmac(salted, STR("Client Key"), client);
	if (!EVP_Digest(client, DIGEST, stored, NULL, EVP_sha256(), NULL))
		die("scram_client: digest failed");
	hmac(stored, auth_message, proof);
	for (size_t i = 0; i < DIGEST; i++)
		proof[i] ^= client[i];
	hmac(salted, STR("Server Key"), server);
	hmac(server, auth_message, x->server_signature);
	OPENSSL_cleanse(salted, sizeof salted);
	OPENSSL_cleanse(client, sizeof client);
	OPENSSL_cleanse(stored, sizeof stored);
	OPENSSL_cleanse(server, sizeof server);
}

bool client_scram_final(struct scram_client *x, struct str password, struct str server_first, struct buf *out, const char **why)
{
	struct server_first f;
	unsigned char proof[DIGEST];
	struct buf auth;
	size_t start = out->n;

	*why = "what it says is no SCRAM";
	if (server_first.n > MESSAGE_MAX || !parse_first(server_first, &f) || (*why = judge(x, &f)))
		return false;
	buf_addf(out, "c=biws,r=%.*s", STR_ARG(f.nonce));
	buf_init(&auth, 3 * MESSAGE_MAX);
	buf_add(&auth, buf_str(&x->first_bare));
	buf_addc(&auth, ',');
	buf_add(&auth, server_first);
	buf_addc(&auth, ',');
	buf_add(&auth, str_from(buf_str(out), start));
	prove(x, password, &f, buf_str(&auth), proof);
	buf_fini(&auth);
	buf_addz(out, ",p=");
	mail_base64_encode(str_of(proof, sizeof proof), out);
	return !out->full;
}

bool client_scram_verify(const struct scram_client *x, struct str server_final)
{
	struct buf signature;
	bool ok;

	buf_init(&signature, DIGEST);
	ok = str_starts(server_final, STR("v=")) && mail_base64_decode(str_from(server_final, 2), &signature) && signature.n == DIGEST &&
	     CRYPTO_memcmp(signature.p, x->server_signature, DIGEST) == 0;
	buf_fini(&signature);
	return ok;
}
