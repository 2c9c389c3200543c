/* auth/code.c - authorization codes. See the header. */
#include "auth/code.h"

#include "base/rng.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

#define SALT_SIZE 16
#define DIGEST_SIZE 32

static const char alphabet[] = "abcdefghjkmnpqrstuvwxyz23456789"; /* without i, l, o, 0, 1 */
#define N_ALPHABET (sizeof alphabet - 1)

static char random_letter(void)
{
	unsigned char r;

	do
		rng_bytes(&r, 1);
	while (r >= 256 / N_ALPHABET * N_ALPHABET); /* every letter as likely as any other */
	return alphabet[r % N_ALPHABET];
}

void code_new(char text[CODE_TEXT_SIZE])
{
	char *p = text;

	for (unsigned i = 0; i < CODE_LETTERS; i++) {
		if (i && i % CODE_GROUP == 0)
			*p++ = '-';
		*p++ = random_letter();
	}
	*p = 0;
}

/* The letters alone. 0: too many, hence no code. */
static size_t letters_of(struct str text, char out[CODE_LETTERS])
{
	size_t n = 0;

	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] == '-' || text.p[i] == ' ')
			continue;
		if (n == CODE_LETTERS)
			return 0;
		out[n++] = ascii_lower(text.p[i]);
	}
	return n;
}

static void digest(const char letters[CODE_LETTERS], const unsigned char *salt, unsigned char out[DIGEST_SIZE])
{
	unsigned char in[SALT_SIZE + CODE_LETTERS];

	memcpy(in, salt, SALT_SIZE);
	memcpy(in + SALT_SIZE, letters, CODE_LETTERS);
	EVP_Digest(in, sizeof in, out, NULL, EVP_sha256(), NULL);
	OPENSSL_cleanse(in, sizeof in);
}

void code_hash(struct str text, unsigned char out[CODE_HASH_SIZE])
{
	char letters[CODE_LETTERS] = { 0 };

	letters_of(text, letters);
	rng_bytes(out, SALT_SIZE);
	digest(letters, out, out + SALT_SIZE);
	OPENSSL_cleanse(letters, sizeof letters);
}

bool code_matches(struct str secret, struct str hash)
{
	unsigned char d[DIGEST_SIZE];
	char letters[CODE_LETTERS];
	bool same;

	if (hash.n != CODE_HASH_SIZE || letters_of(secret, letters) != CODE_LETTERS)
		return false;
	digest(letters, (const unsigned char *)hash.p, d);
	same = CRYPTO_memcmp(d, hash.p + SALT_SIZE, DIGEST_SIZE) == 0;
	OPENSSL_cleanse(letters, sizeof letters);
	OPENSSL_cleanse(d, sizeof d);
	return same;
}
