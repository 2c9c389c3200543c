/* test/unit/relay/test_client_login.c - logging in at other servers, and SCRAM's client by the example of RFC 7677 3. */
#include "client_fake.h"

#include "mail/base64.h"
#include "relay/scram_client.h"

static struct fake p;

#define FIRST "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
#define FINAL "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="

static void scram_example(void **state)
{
	struct scram_client x;
	struct buf out;
	const char *why;

	(void)state;
	buf_init(&out, 4096);
	client_scram_init(&x, STR("rOprNGfwEbeRWgbNEkqO"));
	client_scram_first(&x, STR("user"), &out);
	assert_true(str_eq(buf_str(&out), STR("n,,n=user,r=rOprNGfwEbeRWgbNEkqO")));
	buf_reset(&out);
	assert_true(client_scram_final(&x, STR("pencil"), STR(FIRST), &out, &why));
	assert_true(str_eq(buf_str(&out), STR(FINAL)));
	assert_true(client_scram_verify(&x, STR("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")));
	assert_false(client_scram_verify(&x, STR("v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")));
	assert_false(client_scram_verify(&x, STR("e=other-error")));
	assert_false(client_scram_verify(&x, STR("v=")));
	assert_false(client_scram_verify(&x, STR("")));
	client_scram_fini(&x);
	buf_fini(&out);
}

static bool final_of(const char *first, const char **why)
{
	struct scram_client x;
	struct buf out;
	bool ok;

	buf_init(&out, 4096);
	client_scram_init(&x, STR("abc"));
	client_scram_first(&x, STR("a=b,c"), &out);
	assert_true(str_eq(buf_str(&out), STR("n,,n=a=3Db=2Cc,r=abc")));
	buf_reset(&out);
	ok = client_scram_final(&x, STR("pw"), str_z(first), &out, why);
	client_scram_fini(&x);
	buf_fini(&out);
	return ok;
}

static void scram_hostile(void **state)
{
	static const struct {
		const char *first, *why;
	} cases[] = {
		{ "r=abcd,s=c2FsdA==,i=4095", "too few" },
		{ "r=abcd,s=c2FsdA==,i=300001", "too many" },
		{ "r=abcd,s=c2FsdA==,i=99999999999", "no SCRAM" },
		{ "r=abc,s=c2FsdA==,i=4096", "another exchange" },
		{ "r=xyz,s=c2FsdA==,i=4096", "another exchange" },
		{ "r=abcd,s=,i=4096", "no SCRAM" },
		{ "r=abcd,s=!!,i=4096", "no SCRAM" },
		{ "m=x,r=abcd,s=c2FsdA==,i=4096", "no SCRAM" },
		{ "r=abcd", "no SCRAM" },
		{ "", "no SCRAM" },
	};
	const char *why;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		assert_false(final_of(cases[i].first, &why));
		assert_non_null(strstr(why, cases[i].why));
	}
	assert_true(final_of("r=abcd,s=c2FsdA==,i=4096", &why));
	assert_true(final_of("r=abcd,s=c2FsdA==,i=300000,x=y", &why));
}

static enum client_end log_in(const char *script, bool tls, bool bare_ok)
{
	fake_begin(&p, script, 0, CONF_ROUTE_SMTP);
	fake_open(&p);
	return client_login(&p.c, STR("me"), STR("secret"), tls, bare_ok);
}

static void plain(void **state)
{
	(void)state;
	assert_int_equal(log_in(HELLO "250 AUTH LOGIN PLAIN\r\n235 2.7.0 in\r\n", true, false), CLIENT_OK);
	fake_said(&p, "AUTH PLAIN AG1lAHNlY3JldA==\r\n");
	fake_end(&p);
	assert_int_equal(log_in(HELLO "250 AUTH PLAIN\r\n535 5.7.8 no\r\n", true, false), CLIENT_NEVER);
	assert_string_equal(p.c.reply.text, "no");
	fake_end(&p);
	assert_int_equal(log_in(HELLO "250 AUTH PLAIN\r\n454 4.7.0 later\r\n", true, false), CLIENT_LATER);
	fake_end(&p);
}

static void login(void **state)
{
	(void)state;
	assert_int_equal(log_in(HELLO "250 AUTH LOGIN\r\n334 VXNlcm5hbWU6\r\n334 UGFzc3dvcmQ6\r\n235 in\r\n", true, false), CLIENT_OK);
	fake_said(&p, "AUTH LOGIN\r\nbWU=\r\nc2VjcmV0\r\n");
	fake_end(&p);
	assert_int_equal(log_in(HELLO "250 AUTH LOGIN\r\n334 VXNlcm5hbWU6\r\n535 no such\r\n", true, false), CLIENT_NEVER);
	fake_said(&p, "AUTH LOGIN\r\nbWU=\r\n");
	fake_end(&p);
}

/* A password is shown under TLS, or to those a route names. */
static void bare(void **state)
{
	(void)state;
	assert_int_equal(log_in(HELLO "250 AUTH LOGIN PLAIN\r\n", false, false), CLIENT_NEVER);
	fake_said(&p, "");
	assert_int_equal(p.c.reply.code, 0);
	assert_non_null(strstr(p.c.reply.text, "without TLS"));
	fake_end(&p);
	assert_int_equal(log_in(HELLO "250 AUTH PLAIN\r\n235 in\r\n", false, true), CLIENT_OK);
	fake_end(&p);
	assert_int_equal(log_in(HELLO "250 AUTH GSSAPI\r\n", true, false), CLIENT_NEVER);
	fake_said(&p, "");
	fake_end(&p);
}

/* SCRAM comes first, and is given up when the server's part does not fit. */
static void scram(void **state)
{
	struct str said;

	(void)state;
	assert_int_equal(log_in(HELLO "250 AUTH PLAIN SCRAM-SHA-256\r\n334 cj14eXoscz1jMkZzZEE9PSxpPTQwOTY=\r\n501 given up\r\n", false, false), CLIENT_NEVER);
	said = buf_str(&p.s.out);
	assert_true(str_starts(said, STR("AUTH SCRAM-SHA-256 ")));
	assert_true(str_ends(said, STR("\r\n*\r\n")));
	assert_int_equal(p.c.reply.code, 0);
	assert_non_null(strstr(p.c.reply.text, "another exchange"));
	fake_end(&p);
	assert_int_equal(log_in(HELLO "250 AUTH SCRAM-SHA-256\r\n334 ****\r\n501 given up\r\n", true, false), CLIENT_NEVER);
	assert_non_null(strstr(p.c.reply.text, "no base64"));
	fake_end(&p);
	assert_int_equal(log_in(HELLO "250 AUTH SCRAM-SHA-256\r\n235 let in without proof\r\n", true, false), CLIENT_LATER);
	assert_true(p.c.broken);
	fake_end(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scram_example),
		cmocka_unit_test(scram_hostile),
		cmocka_unit_test(plain),
		cmocka_unit_test(login),
		cmocka_unit_test(bare),
		cmocka_unit_test(scram),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
