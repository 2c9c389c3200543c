/* check/dkim_private.c - private keys that sign letters. See the header.
 * Owns        the key, in OpenSSL's memory, which wipes it.
 */
#include "check/dkim_private.h"

#include "base/die.h"
#include "mail/base64.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>

#define BITS_MIN 1024 /* RFC 8301 3.2: what verifiers take at least; new ones have 2048 */
#define BITS_MAX 4096

struct dkim_private {
	EVP_PKEY *pkey;
	enum dkim_algorithm algorithm;
};

/* True: why is empty. */
static bool is_usable(EVP_PKEY *key, char why[256])
{
	int type = key ? EVP_PKEY_get_base_id(key) : 0, bits = key ? EVP_PKEY_get_bits(key) : 0;

	why[0] = 0;
	if (!key)
		snprintf(why, 256, "no private key in the PEM file");
	else if (type != EVP_PKEY_RSA && type != EVP_PKEY_ED25519)
		snprintf(why, 256, "the private key is neither RSA nor Ed25519");
	else if (type == EVP_PKEY_RSA && (bits < BITS_MIN || bits > BITS_MAX))
		snprintf(why, 256, "an RSA key of %d bits; %d to %d are taken", bits, BITS_MIN, BITS_MAX);
	return !why[0];
}

struct dkim_private *dkim_private_new(struct str pem, char why[256])
{
	BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
	EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, (void *)(uintptr_t)"");
	struct dkim_private *k;

	BIO_free(bio);
	ERR_clear_error();
	if (!is_usable(key, why)) {
		EVP_PKEY_free(key);
		return NULL;
	}
	k = mem_new(struct dkim_private);
	k->pkey = key;
	k->algorithm = EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA ? DKIM_RSA_SHA256 : DKIM_ED25519_SHA256;
	return k;
}

void dkim_private_free(struct dkim_private *k)
{
	if (k)
		EVP_PKEY_free(k->pkey);
	free(k);
}

enum dkim_algorithm dkim_private_algorithm(const struct dkim_private *k)
{
	return k->algorithm;
}

/* RSA: SubjectPublicKeyInfo as every verifier takes it; Ed25519: the 32 bytes alone (RFC 8463 4.2). */
void dkim_private_record(const struct dkim_private *k, struct buf *out)
{
	unsigned char *der = NULL, raw[32];
	size_t n_raw = sizeof raw;
	int n;

	if (k->algorithm == DKIM_ED25519_SHA256) {
		if (EVP_PKEY_get_raw_public_key(k->pkey, raw, &n_raw) != 1)
			die("an Ed25519 key without a public half");
		buf_addz(out, "v=DKIM1; k=ed25519; p=");
		mail_base64_encode(str_of(raw, n_raw), out);
		return;
	}
	n = i2d_PUBKEY(k->pkey, &der);
	if (n <= 0)
		die("an RSA key without a public half");
	buf_addz(out, "v=DKIM1; k=rsa; p=");
	mail_base64_encode(str_of(der, (size_t)n), out);
	OPENSSL_free(der);
}

/* The digest is what is signed: by PKCS #1 as SHA-256's, by Ed25519 as a message of 32 bytes (RFC 8463 3). */
static bool sign_rsa(EVP_PKEY *key, struct str digest, unsigned char *to, size_t *n)
{
	EVP_PKEY_CTX *x = EVP_PKEY_CTX_new(key, NULL);
	bool ok = x && EVP_PKEY_sign_init(x) == 1 && EVP_PKEY_CTX_set_rsa_padding(x, RSA_PKCS1_PADDING) == 1 &&
		EVP_PKEY_CTX_set_signature_md(x, EVP_sha256()) == 1 && EVP_PKEY_sign(x, to, n, (const unsigned char *)digest.p, digest.n) == 1;

	EVP_PKEY_CTX_free(x);
	return ok;
}

static bool sign_ed25519(EVP_PKEY *key, struct str digest, unsigned char *to, size_t *n)
{
	EVP_MD_CTX *x = EVP_MD_CTX_new();
	bool ok = x && EVP_DigestSignInit(x, NULL, NULL, NULL, key) == 1 &&
		EVP_DigestSign(x, to, n, (const unsigned char *)digest.p, digest.n) == 1;

	EVP_MD_CTX_free(x);
	return ok;
}

enum outcome dkim_private_sign(struct dkim_private *k, struct str digest, struct buf *signature)
{
	size_t n = (size_t)EVP_PKEY_get_size(k->pkey);
	char *room = digest.n == DKIM_DIGEST_SIZE ? buf_room(signature, n) : NULL;
	bool ok = room && (k->algorithm == DKIM_RSA_SHA256 ? sign_rsa : sign_ed25519)(k->pkey, digest, (unsigned char *)room, &n);

	ERR_clear_error();
	if (!ok)
		return FAILED;
	buf_grew(signature, n);
	return OK;
}
