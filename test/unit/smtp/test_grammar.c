/* test/unit/smtp/test_grammar.c - command lines and their parameters (RFC 5321 4.1.1). */
#include "smtp/grammar.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

static struct arena arena;

static enum smtp_reply mail(const char *args, struct smtp_mail *m)
{
	static const struct smtp_offer nothing;

	return smtp_mail_parse(str_z(args), &mail_path_limits_default, &nothing, &arena, m);
}

static enum smtp_reply rcpt(const char *args)
{
	struct mail_path p;
	struct ipc_rcpt_dsn dsn;

	return smtp_rcpt_parse(str_z(args), false, &mail_path_limits_default, &arena, &p, &dsn);
}

static void mail_args(void **state)
{
	struct smtp_mail m;

	(void)state;
	assert_int_equal(mail("FROM:<a@b.test>", &m), SMTP_FINE);
	assert_true(str_eq(m.from.local, STR("a")) && m.size == 0 && !m.eight_bit);
	assert_int_equal(mail("from: <a@b.test> SIZE=123 BODY=8bitmime", &m), SMTP_FINE);
	assert_true(m.size == 123 && m.eight_bit);
	assert_int_equal(mail("FROM:<> BODY=7BIT AUTH=<>", &m), SMTP_FINE);
	assert_true(m.from.null && !m.eight_bit);
	assert_int_equal(mail("FROM:<a@b.test>  SIZE=0 ", &m), SMTP_FINE);
	assert_int_equal(mail("FROM:<a@b.test> SIZE=18446744073709551615", &m), SMTP_FINE);
}

static void mail_refused(void **state)
{
	static const struct {
		const char *args;
		enum smtp_reply r;
	} bad[] = {
		{ "<a@b.test>", SMTP_SYNTAX }, { "FROM", SMTP_SYNTAX }, { "TO:<a@b.test>", SMTP_SYNTAX },
		{ "FROM:a@b.test", SMTP_BAD_SENDER }, { "FROM:<a@b.test", SMTP_BAD_SENDER }, { "FROM:<a b@c.test>", SMTP_BAD_SENDER },
		{ "FROM:<postmaster>", SMTP_BAD_SENDER }, { "FROM:", SMTP_BAD_SENDER },
		{ "FROM:<a@b.test> SIZE=x", SMTP_BAD_PARAM }, { "FROM:<a@b.test> SIZE=", SMTP_SYNTAX },
		{ "FROM:<a@b.test> SIZE", SMTP_BAD_PARAM }, { "FROM:<a@b.test> SIZE=-1", SMTP_BAD_PARAM },
		{ "FROM:<a@b.test> SIZE=18446744073709551616", SMTP_BAD_PARAM },
		{ "FROM:<a@b.test> SIZE=1 SIZE=1", SMTP_BAD_PARAM }, { "FROM:<a@b.test> BODY=BINARY", SMTP_BAD_PARAM },
		{ "FROM:<a@b.test> AUTH", SMTP_BAD_PARAM }, { "FROM:<a@b.test> SMTPUTF8=yes", SMTP_BAD_PARAM }, { "FROM:<\xc3\xb6@b.test>", SMTP_SENDER_UTF8 },
		{ "FROM:<a@b.test> SMTPUTF8 SMTPUTF8", SMTP_BAD_PARAM },
		{ "FROM:<a@b.test> XRET=FULL", SMTP_PARAM_UNKNOWN }, { "FROM:<a@b.test>SIZE=1", SMTP_SYNTAX },
		{ "FROM:<a@b.test> =1", SMTP_SYNTAX }, { "FROM:<a@b.test> SIZE=1=2", SMTP_SYNTAX },
		{ "FROM:<a@b.test> <c@d.test>", SMTP_SYNTAX },
	};
	struct smtp_mail m;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		if (mail(bad[i].args, &m) != bad[i].r)
			fail_msg("%s: %d, not %d", bad[i].args, mail(bad[i].args, &m), bad[i].r);
}

static void rcpt_args(void **state)
{
	(void)state;
	assert_int_equal(rcpt("TO:<a@b.test>"), SMTP_FINE);
	assert_int_equal(rcpt("to:<@relay.test:a@b.test>"), SMTP_FINE);
	assert_int_equal(rcpt("TO:<Postmaster>"), SMTP_FINE);
	assert_int_equal(rcpt("TO:<\"a b\"@b.test>"), SMTP_FINE);
	assert_int_equal(rcpt("TO:<a@[192.0.2.1]>"), SMTP_FINE);
	assert_int_equal(rcpt("TO:<>"), SMTP_BAD_RCPT);
	assert_int_equal(rcpt("TO:<a>"), SMTP_BAD_RCPT);
	assert_int_equal(rcpt("FROM:<a@b.test>"), SMTP_SYNTAX);
	assert_int_equal(rcpt("TO:<a@b.test> RRVS=2014-04-03T23:01:00Z"), SMTP_PARAM_UNKNOWN);
	assert_int_equal(rcpt("TO:<a@b.test>x"), SMTP_SYNTAX);
}

static void limits(void **state)
{
	char line[400] = "TO:<";

	(void)state;
	memset(line + 4, 'a', 64);
	memcpy(line + 68, "@b.test>", sizeof "@b.test>");
	assert_int_equal(rcpt(line), SMTP_FINE);
	memset(line + 4, 'a', 65);
	memcpy(line + 69, "@b.test>", sizeof "@b.test>");
	assert_int_equal(rcpt(line), SMTP_BAD_RCPT);
}

static void names(void **state)
{
	static const char *const good[] = { "mx.a.test", "localhost", "a_b.test", "a.test.", "[192.0.2.1]", "[IPv6:::1]" };
	static const char *const bad[] = { "a b", "a..b", ".a", "[1.2.3]", "a!b", "<script>", "a\x80.test" };

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		assert_int_equal(smtp_helo_check(str_z(good[i]), true), SMTP_FINE);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(smtp_helo_check(str_z(bad[i]), true), SMTP_BAD_NAME);
	assert_int_equal(smtp_helo_check(STR(""), true), SMTP_NEEDS_ARG);
	assert_int_equal(smtp_helo_check(STR("Alice's-PC!"), false), SMTP_FINE);
	assert_int_equal(smtp_helo_check(STR("Alice's PC"), false), SMTP_BAD_NAME);
}

static void every_reply(void **state)
{
	(void)state;
	for (int r = 1; r < SMTP_REPLY_COUNT; r++) {
		const struct smtp_reply_text *t = smtp_reply_text((enum smtp_reply)r);

		assert_true(t->code >= 211 && t->code < 600 && t->text);
		if (t->status)
			assert_int_equal(t->status[0] - '0', t->code / 100);
		else
			assert_int_equal(t->code, 354);
	}
	for (int s = 0; s < SMTP_STEP_COUNT; s++)
		for (int o = 0; o < OUTCOME_COUNT; o++) {
			unsigned code = smtp_reply_text(smtp_reply_of((enum smtp_step)s, (enum outcome)o))->code;

			assert_int_equal(code / 100 == 2, o == OK);
			if (o == TRY_LATER)
				assert_int_equal(code / 100, 4);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mail_args), cmocka_unit_test(mail_refused), cmocka_unit_test(rcpt_args), cmocka_unit_test(limits),
		cmocka_unit_test(names), cmocka_unit_test(every_reply),
	};
	int r;

	arena_init(&arena, "test", 1 << 20);
	r = cmocka_run_group_tests(tests, NULL, NULL);
	arena_fini(&arena);
	return r;
}
