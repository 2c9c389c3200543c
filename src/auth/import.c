/* auth/import.c - password hashes that other servers made. See the header.
 * Trust       hashes come from the administrator's commands, secrets from anybody.
 */
#include "auth/import.h"

#include "auth/scram.h"
#include "base/die.h"
#include "mail/base64.h"

#include <argon2.h>
#include <crypt.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#define BYTES_MAX 256 /* of a digest and its salt */
#define PBKDF2_SIZE 20

enum kind { KIND_CRYPT, KIND_ARGON2, KIND_DIGEST, KIND_SALTED, KIND_PBKDF2, KIND_SCRAM, KIND_PLAIN };

static const struct scheme {
	const char *name;
	enum kind kind;
	const EVP_MD *(*md)(void);
	size_t size;
	bool hex; /* as Dovecot writes it without a suffix */
	enum scram_hash scram;
} schemes[] = {
	{ .name = "ARGON2ID", .kind = KIND_ARGON2 },
	{ .name = "ARGON2I", .kind = KIND_ARGON2 },
	{ .name = "CRYPT", .kind = KIND_CRYPT },
	{ .name = "SHA512-CRYPT", .kind = KIND_CRYPT },
	{ .name = "SHA256-CRYPT", .kind = KIND_CRYPT },
	{ .name = "BLF-CRYPT", .kind = KIND_CRYPT },
	{ .name = "MD5-CRYPT", .kind = KIND_CRYPT },
	{ .name = "DES-CRYPT", .kind = KIND_CRYPT },
	{ .name = "SSHA", .kind = KIND_SALTED, .md = EVP_sha1, .size = 20 },
	{ .name = "SSHA256", .kind = KIND_SALTED, .md = EVP_sha256, .size = 32 },
	{ .name = "SSHA512", .kind = KIND_SALTED, .md = EVP_sha512, .size = 64 },
	{ .name = "SMD5", .kind = KIND_SALTED, .md = EVP_md5, .size = 16 },
	{ .name = "SHA", .kind = KIND_DIGEST, .md = EVP_sha1, .size = 20 },
	{ .name = "SHA1", .kind = KIND_DIGEST, .md = EVP_sha1, .size = 20 },
	{ .name = "SHA256", .kind = KIND_DIGEST, .md = EVP_sha256, .size = 32 },
	{ .name = "SHA512", .kind = KIND_DIGEST, .md = EVP_sha512, .size = 64 },
	{ .name = "PLAIN-MD5", .kind = KIND_DIGEST, .md = EVP_md5, .size = 16, .hex = true },
	{ .name = "LDAP-MD5", .kind = KIND_DIGEST, .md = EVP_md5, .size = 16 },
	{ .name = "PBKDF2", .kind = KIND_PBKDF2 },
	{ .name = "SCRAM-SHA-1", .kind = KIND_SCRAM, .scram = SCRAM_SHA_1 },
	{ .name = "SCRAM-SHA-256", .kind = KIND_SCRAM, .scram = SCRAM_SHA_256 },
	{ .name = "PLAIN", .kind = KIND_PLAIN },
	{ .name = "CLEARTEXT", .kind = KIND_PLAIN },
};

const char *import_schemes(void)
{
	return "{ARGON2ID} {ARGON2I} {CRYPT} {SHA512-CRYPT} {SHA256-CRYPT} {BLF-CRYPT} {MD5-CRYPT} {DES-CRYPT} {SSHA} {SSHA256} {SSHA512} {SMD5} "
	       "{SHA} {SHA1} {SHA256} {SHA512} {PLAIN-MD5} {LDAP-MD5} {PBKDF2} {SCRAM-SHA-1} {SCRAM-SHA-256} {PLAIN} {CLEARTEXT}, "
	       "$argon2id$, and crypt(3)'s $1$ $5$ $6$ $2a$ $2b$ $2y$ $y$ $gy$ $7$";
}

/* A hash taken apart. */
struct parsed {
	const struct scheme *scheme;
	struct str rest;
	bool hex;
};

static const struct scheme *scheme_find(struct str name)
{
	for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
		if (str_ieq(str_z(schemes[i].name), name))
			return &schemes[i];
	return NULL;
}

/* {SCHEME} or {SCHEME.HEX}, {SCHEME.B64}; or bare, when it says itself what it is. */
static bool parse(struct str text, struct parsed *p)
{
	ssize_t end = str_find(text, '}'), dot;
	struct str name;

	*p = (struct parsed){ .rest = text };
	if (str_starts(text, STR("$argon2")))
		p->scheme = scheme_find(STR("ARGON2ID"));
	else if (str_starts(text, STR("$")))
		p->scheme = scheme_find(STR("CRYPT"));
	if (p->scheme || !str_starts(text, STR("{")) || end < 0)
		return p->scheme != NULL;
	name = str_sub(text, 1, (size_t)end - 1);
	dot = str_rfind(name, '.');
	p->rest = str_from(text, (size_t)end + 1);
	p->scheme = scheme_find(dot < 0 ? name : str_sub(name, 0, (size_t)dot));
	if (!p->scheme)
		return false;
	p->hex = p->scheme->hex;
	if (dot >= 0) {
		struct str suffix = str_from(name, (size_t)dot + 1);

		p->hex = str_ieq(suffix, STR("HEX"));
		return p->hex || str_ieq(suffix, STR("B64")) || str_ieq(suffix, STR("BASE64"));
	}
	return true;
}

static bool hex_decode(struct str s, struct buf *out)
{
	if (s.n % 2)
		return false;
	for (size_t i = 0; i < s.n; i += 2) {
		int hi = mail_hex_digit(s.p[i]), lo = mail_hex_digit(s.p[i + 1]);

		if (hi < 0 || lo < 0)
			return false;
		buf_addc(out, (char)(hi << 4 | lo));
	}
	return !out->full;
}

/* Dovecot guesses the encoding of an unsalted digest by its length; so do we. */
static bool digest_decode(const struct parsed *p, struct buf *out)
{
	size_t size = p->scheme->size;
	bool hex = p->hex || (p->scheme->kind == KIND_DIGEST && p->rest.n == size * 2);

	if (!(hex ? hex_decode(p->rest, out) : mail_base64_decode(p->rest, out)))
		return false;
	return p->scheme->kind == KIND_SALTED ? out->n > size : out->n == size;
}

static bool digest_verify(struct str secret, const struct parsed *p)
{
	unsigned char got[EVP_MAX_MD_SIZE];
	struct buf want, in;
	bool same = false;

	buf_init(&want, BYTES_MAX);
	buf_init(&in, 2048);
	if (digest_decode(p, &want)) {
		buf_add(&in, secret);
		buf_add(&in, str_from(buf_str(&want), p->scheme->size));
		same = !in.full && EVP_Digest(in.p, in.n, got, NULL, p->scheme->md(), NULL) && CRYPTO_memcmp(got, want.p, p->scheme->size) == 0;
		OPENSSL_cleanse(in.p, in.n);
	}
	buf_fini(&want);
	buf_fini(&in);
	return same;
}

/* crypt_r's work area is 32 KiB, and it wants C strings. */
static bool crypt_verify(struct str secret, struct str hash)
{
	struct crypt_data *data = mem_new(struct crypt_data);
	char setting[IMPORT_HASH_MAX + 1], word[1025];
	const char *got = NULL;
	bool same;

	if (hash.n && hash.n < sizeof setting && secret.n < sizeof word && str_find(secret, 0) < 0) {
		memcpy(setting, hash.p, hash.n);
		setting[hash.n] = 0;
		memcpy(word, secret.p, secret.n);
		word[secret.n] = 0;
		got = crypt_rn(word, setting, data, sizeof *data);
		OPENSSL_cleanse(word, secret.n);
	}
	same = got && got[0] != '*' && str_z(got).n == hash.n && CRYPTO_memcmp(got, hash.p, hash.n) == 0;
	OPENSSL_cleanse(data, sizeof *data);
	free(data);
	return same;
}

static bool crypt_ok(struct str hash)
{
	struct crypt_data *data;
	char setting[IMPORT_HASH_MAX + 1];
	const char *got;
	bool ok;

	if (hash.n == 0 || hash.n >= sizeof setting || str_find(hash, 0) >= 0)
		return false;
	memcpy(setting, hash.p, hash.n);
	setting[hash.n] = 0;
	data = mem_new(struct crypt_data);
	got = crypt_rn("x", setting, data, sizeof *data); /* of another length: it is cut off, or is a setting alone */
	ok = got && got[0] != '*' && str_z(got).n == hash.n;
	free(data);
	return ok;
}

static bool argon2_verify_any(struct str secret, struct str hash)
{
	char z[IMPORT_HASH_MAX + 1];

	if (hash.n == 0 || hash.n >= sizeof z)
		return false;
	memcpy(z, hash.p, hash.n);
	z[hash.n] = 0;
	return argon2_verify(z, secret.p, secret.n, str_starts(hash, STR("$argon2id$")) ? Argon2_id : Argon2_i) == ARGON2_OK;
}

/* $1$salt$rounds$digest in hex, HMAC-SHA-1 */
static bool pbkdf2_parse(struct str rest, struct str *salt, uint32_t *rounds, struct buf *digest)
{
	struct str part;

	if (!str_starts(rest, STR("$1$")))
		return false;
	rest = str_from(rest, 3);
	return str_split(&rest, '$', salt) && str_split(&rest, '$', &part) && str_to_u32(part, rounds) && *rounds && *rounds <= INT32_MAX && rest.p &&
	       hex_decode(rest, digest) && digest->n == PBKDF2_SIZE;
}

static bool pbkdf2_verify(struct str secret, struct str rest)
{
	unsigned char got[PBKDF2_SIZE];
	uint32_t rounds;
	struct str salt;
	struct buf want;
	bool same;

	buf_init(&want, BYTES_MAX);
	same = pbkdf2_parse(rest, &salt, &rounds, &want) &&
	       PKCS5_PBKDF2_HMAC(secret.p, (int)secret.n, (const unsigned char *)salt.p, (int)salt.n, (int)rounds, EVP_sha1(), sizeof got, got) &&
	       CRYPTO_memcmp(got, want.p, sizeof got) == 0;
	buf_fini(&want);
	return same;
}

/* Dovecot's: iterations,salt,stored,server */
static bool scram_parse(const struct parsed *p, struct scram_verifier *v, struct buf *text)
{
	struct buf ours;
	bool ok;

	buf_init(&ours, SCRAM_TEXT_MAX);
	buf_addf(&ours, "%s$%.*s", p->scheme->scram == SCRAM_SHA_1 ? "SHA-1" : "SHA-256", STR_ARG(p->rest));
	for (size_t i = 0; i < ours.n; i++)
		if (ours.p[i] == ',')
			ours.p[i] = '$';
	ok = !ours.full && scram_decode(buf_str(&ours), p->scheme->scram, v);
	if (ok && text)
		scram_encode(p->scheme->scram, v, text);
	buf_fini(&ours);
	return ok;
}

static bool is_sound(const struct parsed *p, struct buf *scram)
{
	struct scram_verifier v;
	struct buf bytes;
	uint32_t rounds;
	struct str salt;
	bool ok;

	buf_init(&bytes, BYTES_MAX);
	switch (p->scheme->kind) {
	case KIND_CRYPT:
		ok = crypt_ok(p->rest);
		break;
	case KIND_ARGON2:
		ok = str_starts(p->rest, STR("$argon2id$")) || str_starts(p->rest, STR("$argon2i$"));
		break;
	case KIND_PBKDF2:
		ok = pbkdf2_parse(p->rest, &salt, &rounds, &bytes);
		break;
	case KIND_SCRAM:
		ok = scram_parse(p, &v, scram);
		break;
	case KIND_PLAIN:
		ok = p->rest.n > 0;
		break;
	default:
		ok = digest_decode(p, &bytes);
	}
	buf_fini(&bytes);
	return ok;
}

enum import_result import_hash(struct str text, struct buf *hash, struct buf *scram, struct str *secret)
{
	struct parsed p;

	if (!parse(text, &p))
		return IMPORT_UNKNOWN;
	if (text.n > IMPORT_HASH_MAX || !is_sound(&p, scram))
		return IMPORT_MALFORMED;
	*secret = p.rest;
	if (p.scheme->kind == KIND_PLAIN)
		return IMPORT_PLAIN;
	buf_add(hash, p.scheme->kind == KIND_ARGON2 ? p.rest : text);
	return IMPORT_OK;
}

bool import_verify(struct str secret, struct str hash)
{
	struct scram_verifier v;
	struct parsed p;

	if (!parse(hash, &p))
		return false;
	switch (p.scheme->kind) {
	case KIND_CRYPT:
		return crypt_verify(secret, p.rest);
	case KIND_ARGON2:
		return argon2_verify_any(secret, p.rest);
	case KIND_PBKDF2:
		return pbkdf2_verify(secret, p.rest);
	case KIND_SCRAM:
		return scram_parse(&p, &v, NULL) && scram_matches(p.scheme->scram, secret, &v);
	case KIND_PLAIN:
		return false; /* never kept */
	default:
		return digest_verify(secret, &p);
	}
}
