/* test/prog/dkim_bench.c - what a signature costs: bytes a second of canonical body hashed, and processor time a letter in scan and in keys.
 *
 * usage: test-dkim_bench [MB]; prints a line a measure.
 */
#include "base/die.h"
#include "check/dkim_canon.h"
#include "check/dkim_private.h"
#include "check/dkim_sign.h"
#include "ctl/dkim_key.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define HEADER                                                                                                                      \
	"From: Alice <alice@demo.test>\r\nTo: Bob <bob@far.test>\r\nSubject: a letter\r\nDate: Mon, 1 Jan 2024 00:00:00 +0000\r\n"   \
	"Message-ID: <1@demo.test>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"

static double cpu_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* A letter whose lines are line, of about n bytes. */
static struct str make_letter(struct buf *b, const char *line, size_t n)
{
	buf_reset(b);
	buf_addz(b, HEADER);
	while (b->n < n)
		buf_addz(b, line);
	return buf_str(b);
}

static void count(void *ctx, struct str piece)
{
	*(size_t *)ctx += piece.n;
}

static void prepare(struct str letter, unsigned rounds, const char *what)
{
	static const struct dkim_signer both[] = { { STR("demo.test"), STR("r20240101"), DKIM_RSA_SHA256 },
		{ STR("demo.test"), STR("e20240101"), DKIM_ED25519_SHA256 } };
	struct dkim_work w = { letter, both, 2, 1700000000, 1701000000 };
	struct dkim_unsigned out[2];
	struct arena a;
	double began = cpu_s(), took;

	arena_init(&a, "bench", (size_t)1 << 20);
	for (unsigned i = 0; i < rounds; i++) {
		if (!dkim_prepare(&w, &a, out))
			die("not prepared");
		arena_reset(&a);
	}
	took = cpu_s() - began;
	printf("%-40s %8.1f us a letter  %8.0f MB/s\n", what, took * 1e6 / rounds, (double)letter.n * rounds / took / 1e6);
	arena_fini(&a);
}

static void canon(struct str letter, unsigned rounds, const char *what)
{
	double began = cpu_s(), took;
	size_t n = 0;

	for (unsigned i = 0; i < rounds; i++)
		dkim_body_relaxed(letter, count, &n);
	took = cpu_s() - began;
	printf("%-40s %8s              %8.0f MB/s\n", what, "", (double)letter.n * rounds / took / 1e6);
}

static void sign(enum dkim_algorithm algorithm, unsigned rounds, const char *what)
{
	char why[256], digest[DKIM_DIGEST_SIZE] = "a digest";
	struct dkim_private *k;
	struct buf pem, signature;
	double began;

	buf_init(&pem, 65536);
	buf_init(&signature, DKIM_SIGNATURE_MAX);
	dkim_key_make(algorithm, &pem);
	k = dkim_private_new(buf_str(&pem), why);
	began = cpu_s();
	for (unsigned i = 0; i < rounds; i++) {
		buf_reset(&signature);
		if (dkim_private_sign(k, str_of(digest, sizeof digest), &signature) != OK)
			die("not signed");
	}
	printf("%-40s %8.1f us a signature\n", what, (cpu_s() - began) * 1e6 / rounds);
	dkim_private_free(k);
	buf_fini(&pem);
	buf_fini(&signature);
}

int main(int argc, char **argv)
{
	size_t mb = argc > 1 ? strtoul(argv[1], NULL, 10) : 16;
	struct buf b;
	static const char base64[] = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ejAxMjM0NQ==\r\n";
	static const char prose[] = "It was a bright cold day in April, and the clocks were striking thirteen; he went in.\r\n";
	static const char blanks[] = "a  b \tc  d \t e  f  g \t h  i  \r\n";

	buf_init(&b, (mb << 20) + 1000);
	canon(make_letter(&b, base64, mb << 20), 20, "canonical form alone, base64");
	canon(make_letter(&b, prose, mb << 20), 20, "canonical form alone, prose");
	canon(make_letter(&b, blanks, mb << 20), 5, "canonical form alone, blanks everywhere");
	prepare(make_letter(&b, base64, mb << 20), 10, "two signatures up to the key, base64");
	prepare(make_letter(&b, prose, mb << 20), 10, "two signatures up to the key, prose");
	prepare(make_letter(&b, blanks, mb << 20), 5, "two signatures up to the key, blanks");
	prepare(make_letter(&b, prose, 10240), 20000, "the same, a letter of 10 KB");
	sign(DKIM_RSA_SHA256, 2000, "RSA of 2048 bits");
	sign(DKIM_ED25519_SHA256, 5000, "Ed25519");
	buf_fini(&b);
	return 0;
}
