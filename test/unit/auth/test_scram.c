/* unit/auth/test_scram.c - SCRAM against the RFCs' examples, and what must be refused. */
#include "auth/scram.h"
#include "mail/base64.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const struct scram_bindings unbound;

static const struct vector {
	enum scram_hash hash;
	const char *salt, *server_nonce, *client_first, *server_first, *client_final, *server_final;
} vectors[] = {
	{ SCRAM_SHA_1, "QSXCR+Q6sek8bf92", "3rfcNHYJY1ZVvWVs7j", "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
		"r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
		"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=", "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=" }, /* RFC 5802 5 */
	{ SCRAM_SHA_256, "W22ZaJ0SNY7soEsUEjb6gQ==", "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0", "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
		"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
		"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
		"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=" }, /* RFC 7677 3 */
};

static struct scram_salt salt_of(const char *text)
{
	struct scram_salt s = { .iterations = 4096 };
	struct buf b;

	buf_init(&b, 64);
	assert_true(mail_base64_decode(str_z(text), &b));
	memcpy(s.bytes, b.p, b.n);
	s.n = (unsigned)b.n;
	buf_fini(&b);
	return s;
}

static void begin(struct scram *x, const struct vector *v)
{
	scram_init(x, v->hash, false);
	strcpy(x->server_nonce, v->server_nonce); /* NOLINT: test */
}

static void rfc_examples(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
		const struct vector *v = &vectors[i];
		struct scram_salt salt = salt_of(v->salt);
		struct scram_verifier good, bad;
		struct scram x;
		struct buf out;

		scram_make(v->hash, STR("pencil"), &salt, &good);
		scram_make(v->hash, STR("Pencil"), &salt, &bad);
		assert_true(scram_matches(v->hash, STR("pencil"), &good));
		assert_false(scram_matches(v->hash, STR("pencil"), &bad));
		buf_init(&out, 1000);
		begin(&x, v);
		assert_int_equal(scram_client_first(&x, str_z(v->client_first), &unbound, false), OK);
		assert_true(str_eq(buf_str(&x.user), STR("user")));
		scram_server_first(&x, &salt, &out);
		assert_true(str_eq(buf_str(&out), str_z(v->server_first)));
		assert_int_equal(scram_client_final(&x, str_z(v->client_final)), OK);
		buf_reset(&out);
		assert_false(scram_proven(&x, &bad, &out));
		assert_int_equal(out.n, 0);
		assert_true(scram_proven(&x, &good, &out));
		assert_true(str_eq(buf_str(&out), str_z(v->server_final)));
		scram_fini(&x);
		buf_fini(&out);
	}
}

static void text_and_back(void **state)
{
	static const char *const bad[] = { "", "SHA-256", "SHA-256$0$YQ==$YQ==$YQ==", "SHA-256$4096$$$", "SHA-256$4096$YWJj$YQ==$YQ==", "SHA-512$1$a$b$c",
		"SHA-1$4096$YWJj$AAAAAAAAAAAAAAAAAAAAAAAAAAA=$AAAAAAAAAAAAAAAAAAAAAAAAAAA=$", "SHA-1$99999999999$YWJj$a$b" };
	struct scram_salt salt = salt_of(vectors[0].salt);
	struct scram_verifier a, b, got;
	struct buf text;

	(void)state;
	buf_init(&text, SCRAM_TEXT_MAX);
	scram_make(SCRAM_SHA_1, STR("x"), &salt, &a);
	scram_make(SCRAM_SHA_256, STR("x"), &salt, &b);
	scram_encode(SCRAM_SHA_1, &a, &text);
	scram_encode(SCRAM_SHA_256, &b, &text);
	assert_false(text.full);
	assert_true(scram_decode(buf_str(&text), SCRAM_SHA_256, &got));
	assert_memory_equal(got.stored, b.stored, 32);
	assert_memory_equal(got.server, b.server, 32);
	assert_int_equal(got.salt.n, salt.n);
	assert_true(scram_decode(buf_str(&text), SCRAM_SHA_1, &got));
	assert_memory_equal(got.stored, a.stored, 20);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_false(scram_decode(str_z(bad[i]), SCRAM_SHA_256, &got));
		assert_false(scram_decode(str_z(bad[i]), SCRAM_SHA_1, &got));
	}
	buf_fini(&text);
}

static enum outcome first(const char *message, bool plus, bool announced)
{
	struct scram_bindings b = { .exporter = STR("exported") };
	enum outcome o;
	struct scram x;

	scram_init(&x, SCRAM_SHA_256, plus);
	o = scram_client_first(&x, str_z(message), &b, announced);
	scram_fini(&x);
	return o;
}

static void first_messages(void **state)
{
	static const char *const bad[] = { "", "n", "n,", "n,,", "n,,n=user", "n,,r=abc", "n,,n=,r=abc", "n,,n=user,r=", "n,,m=x,n=user,r=abc",
		"x,,n=user,r=abc",
		"n,b=user,n=user,r=abc", "n,,n=us=er,r=abc", "n,,n=us=2,r=abc", "n,,n=user,r=a c", "n,,n=user,r=abc,", "n,,n=user,r=abc,m=x",
		"n,,n=user,r=abc,1=x", "n,,n=\x07,r=abc", "n,,n=\xff,r=abc", "n,,n=user\xd8\xa7" "1,r=abc" };

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(first(bad[i], false, false), BAD_SYNTAX);
	assert_int_equal(first("n,,n=user,r=abc", false, true), OK);
	assert_int_equal(first("n,,n=user,r=abc,x=extension", false, true), OK);
	assert_int_equal(first("n,a=User,n=user,r=abc", false, false), OK);
	assert_int_equal(first("n,a=other,n=user,r=abc", false, false), DENIED);
	assert_int_equal(first("y,,n=user,r=abc", false, false), OK);
	assert_int_equal(first("y,,n=user,r=abc", false, true), DENIED); /* somebody hid -PLUS from it */
	assert_int_equal(first("y,,n=user,r=abc", true, true), DENIED);
	assert_int_equal(first("n,,n=user,r=abc", true, true), DENIED); /* -PLUS without a binding */
	assert_int_equal(first("p=tls-exporter,,n=user,r=abc", true, true), OK);
	assert_int_equal(first("p=tls-exporter,,n=user,r=abc", false, true), DENIED);
	assert_int_equal(first("p=tls-unique,,n=user,r=abc", true, true), DENIED); /* this connection has none */
	assert_int_equal(first("p=nonsense,,n=user,r=abc", true, true), DENIED);
}

static void names(void **state)
{
	struct scram x;

	(void)state;
	scram_init(&x, SCRAM_SHA_256, false);
	assert_int_equal(scram_client_first(&x, STR("n,,n=a=2Cb=3Dc@x.test,r=abc"), &unbound, false), OK);
	assert_true(str_eq(buf_str(&x.user), STR("a,b=c@x.test")));
	scram_fini(&x);
}

static enum outcome final(const char *message, const char *binding)
{
	struct scram_bindings b = { .exporter = STR("exported") };
	struct scram_salt salt = salt_of(vectors[1].salt);
	enum outcome o;
	struct buf out;
	struct scram x;

	buf_init(&out, 1000);
	scram_init(&x, SCRAM_SHA_1, *binding == 'p');
	strcpy(x.server_nonce, "SERVER"); /* NOLINT: test */
	assert_int_equal(scram_client_first(&x, str_z(binding), &b, *binding == 'p'), OK);
	scram_server_first(&x, &salt, &out);
	o = scram_client_final(&x, str_z(message));
	scram_fini(&x);
	buf_fini(&out);
	return o;
}

#define PROOF ",p=AAAAAAAAAAAAAAAAAAAAAAAAAAA="
static void final_messages(void **state)
{
	static const char n[] = "n,,n=user,r=abc", p[] = "p=tls-exporter,,n=user,r=abc";
	static const char *const bad[] = { "", "c=biws", "c=biws,r=abcSERVER", "c=biws,r=abcSERVER,p=", "c=biws,r=abcSERVER,p=AAAA", "r=abcSERVER,c=biws" PROOF,
		"c=biws,r=abcSERVER,m=x" PROOF, "c=biws" PROOF, "c=biws,r=abcSERVER,p=AAAAAAAAAAAAAAAAAAAAAAAAAAA=,x=y" };

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(final(bad[i], n), BAD_SYNTAX);
	assert_int_equal(final("c=biws,r=abcSERVER" PROOF, n), OK);
	assert_int_equal(final("c=biws,r=abcSERVER,x=y" PROOF, n), OK);
	assert_int_equal(final("c=biws,r=abcSERVEr" PROOF, n), DENIED);
	assert_int_equal(final("c=eSws,r=abcSERVER" PROOF, n), DENIED); /* "y,," */
	assert_int_equal(final("c=cD10bHMtZXhwb3J0ZXIsLGV4cG9ydGVk,r=abcSERVER" PROOF, p), OK);
	assert_int_equal(final("c=cD10bHMtZXhwb3J0ZXIsLGV4cG9ydGVj,r=abcSERVER" PROOF, p), DENIED); /* of another connection */
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(rfc_examples), cmocka_unit_test(text_and_back), cmocka_unit_test(first_messages),
		cmocka_unit_test(names), cmocka_unit_test(final_messages) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
