/* test/unit/smtp/test_params.c - what MAIL and RCPT may ask for: RFC 3461, 4865, 2852, 6710, 8689, 6533. */
#include "smtp/grammar.h"

#include "ipc/words.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#define NOW 1800000000 /* 2027-01-15T08:00:00Z */
#define HOLD_MAX 86400

static struct arena arena;
static const struct smtp_offer everything = { NOW, HOLD_MAX, true, true, true, true };

static enum smtp_reply mail_at(const struct smtp_offer *o, const char *params, struct ipc_wishes *w)
{
	struct smtp_mail m;
	char line[2000];
	enum smtp_reply r;

	snprintf(line, sizeof line, "FROM:<a@b.test> %s", params);
	r = smtp_mail_parse(arena_dup(&arena, str_z(line)), &mail_path_limits_default, o, &arena, &m);
	*w = m.wishes;
	return r;
}

static struct ipc_wishes wishes(const char *params)
{
	struct ipc_wishes w;
	enum smtp_reply r = mail_at(&everything, params, &w);

	if (r)
		fail_msg("%s: %s", params, smtp_reply_text(r)->text);
	return w;
}

static enum smtp_reply refusal(const char *params)
{
	struct ipc_wishes w;

	return mail_at(&everything, params, &w);
}

static void refused(const char *const *bad, size_t n, enum smtp_reply want)
{
	for (size_t i = 0; i < n; i++)
		if (refusal(bad[i]) != want)
			fail_msg("%s: %d, not %d", bad[i], refusal(bad[i]), want);
}
#define REFUSED(bad, want) refused(bad, sizeof(bad) / sizeof *(bad), want)

static void return_and_id(void **state)
{
	static const char *const bad[] = { "RET", "RET=ALL", "RET=FULL RET=FULL", "ENVID", "ENVID=+0A", "ENVID=a+", "ENVID=1 ENVID=1",
		"ENVID=\xc3\xb6" };
	char id[130] = "ENVID=";

	(void)state;
	assert_int_equal(wishes("RET=full").ret, RET_FULL);
	assert_int_equal(wishes("RET=HDRS SIZE=5").ret, RET_HDRS);
	assert_int_equal(wishes("SIZE=5").ret, RET_NOT_GIVEN);
	assert_true(str_eq(wishes("ENVID=QQ+2B+20x").envid, STR("QQ+ x")));
	REFUSED(bad, SMTP_BAD_PARAM);
	memset(id + 6, 'a', 100);
	assert_int_equal(wishes(id).envid.n, 100);
	id[106] = 'a';
	assert_int_equal(refusal(id), SMTP_BAD_PARAM);
}

static void future_release(void **state)
{
	static const char *const bad[] = { "HOLDFOR", "HOLDFOR=0", "HOLDFOR=-1", "HOLDFOR=1000000000", "HOLDFOR=1h", "HOLDUNTIL",
		"HOLDUNTIL=2027-01-15", "HOLDUNTIL=2027-01-15T09:00:00", "HOLDUNTIL=2027-02-30T09:00:00Z", "HOLDUNTIL=2027-13-01T09:00:00Z",
		"HOLDUNTIL=2027-01-15T24:00:00Z", "HOLDUNTIL=2027-01-15T09:60:00Z", "HOLDUNTIL=2027-01-15T09:00:00ZZ",
		"HOLDUNTIL=2027-01-15T09:00:00+2400", "HOLDUNTIL=2027-00-15T09:00:00Z", "HOLDFOR=1 HOLDUNTIL=2027-01-15T09:00:00Z",
		"HOLDUNTIL=2027-01-15T09:00:00Z HOLDFOR=1", "HOLDFOR=60 BY=60;R" };
	static const char *const late[] = { "HOLDFOR=86401", "HOLDFOR=999999999", "HOLDUNTIL=2027-01-16T08:00:01Z", "HOLDUNTIL=9999-12-31T23:59:60Z" };

	(void)state;
	assert_int_equal(wishes("HOLDFOR=1").hold_until_s, NOW + 1);
	assert_int_equal(wishes("HOLDFOR=86400").hold_until_s, NOW + HOLD_MAX);
	assert_int_equal(wishes("HOLDUNTIL=2027-01-15T09:00:00Z").hold_until_s, NOW + 3600);
	assert_int_equal(wishes("HOLDUNTIL=2027-01-15t10:30:00.25+02:00").hold_until_s, NOW + 1800);
	assert_int_equal(wishes("HOLDUNTIL=2027-01-16T08:00:00Z").hold_until_s, NOW + HOLD_MAX);
	assert_int_equal(wishes("HOLDUNTIL=2027-01-15T08:00:00Z").hold_until_s, 0); /* it has come */
	assert_int_equal(wishes("HOLDUNTIL=1999-01-15T08:00:00Z").hold_until_s, 0);
	assert_int_equal(wishes("HOLDFOR=60 BY=61;R").by_s, NOW + 61);
	assert_int_equal(wishes("HOLDFOR=60 BY=1;N").by_s, NOW + 1);
	REFUSED(bad, SMTP_BAD_PARAM);
	REFUSED(late, SMTP_HOLD_LONG);
}

static void deliver_by(void **state)
{
	static const char *const bad[] = { "BY", "BY=60", "BY=60;", "BY=60;X", "BY=;R", "BY=0;R", "BY=-1;R", "BY=1000000000;N", "BY=60;RX", "BY=60;RTT",
		"BY=--6;N", "BY=6x;N" };
	struct ipc_wishes w;

	(void)state;
	w = wishes("BY=120;R");
	assert_true(w.by_mode == BY_RETURN && w.by_s == NOW + 120 && !w.by_trace);
	w = wishes("BY=-999999999;nt");
	assert_true(w.by_mode == BY_NOTIFY && w.by_s == NOW - 999999999 && w.by_trace);
	w = wishes("BY=+0;N");
	assert_true(w.by_mode == BY_NOTIFY && w.by_s == NOW);
	REFUSED(bad, SMTP_BAD_PARAM);
}

static void priorities(void **state)
{
	static const char *const bad[] = { "MT-PRIORITY", "MT-PRIORITY=10", "MT-PRIORITY=-0", "MT-PRIORITY=+1", "MT-PRIORITY=-10", "MT-PRIORITY=x",
		"MT-PRIORITY=-", "REQUIRETLS=yes", "REQUIRETLS REQUIRETLS" };

	(void)state;
	assert_int_equal(wishes("MT-PRIORITY=0").priority, PRIORITY_OF_NORMAL);
	assert_int_equal(wishes("MT-PRIORITY=9").priority, PRIORITY_OF_NORMAL + 9);
	assert_int_equal(wishes("mt-priority=-9").priority, PRIORITY_OF_NORMAL - 9);
	assert_int_equal(wishes("SIZE=1").priority, 0);
	assert_int_equal(wishes("REQUIRETLS").require_tls, 1);
	REFUSED(bad, SMTP_BAD_PARAM);
}

static void only_what_is_offered(void **state)
{
	static const char *const unknown[] = { "HOLDFOR=1", "HOLDUNTIL=2027-01-15T09:00:00Z", "BY=1;N", "MT-PRIORITY=1", "REQUIRETLS", "RET=FULL", "ENVID=1" };
	static const struct smtp_offer nothing = { .now_s = NOW };
	struct ipc_wishes w;

	(void)state;
	for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
		assert_int_equal(mail_at(&nothing, unknown[i], &w), SMTP_PARAM_UNKNOWN);
	assert_int_equal(mail_at(&nothing, "SIZE=1", &w), SMTP_FINE);
}

static enum smtp_reply rcpt(const char *params, bool utf8, struct ipc_rcpt_dsn *dsn)
{
	struct mail_path p;
	char line[2000];

	snprintf(line, sizeof line, "TO:<a@b.test> %s", params);
	return smtp_rcpt_parse(arena_dup(&arena, str_z(line)), utf8, &mail_path_limits_default, &arena, &p, dsn);
}

static void recipients(void **state)
{
	static const char *const bad[] = { "NOTIFY", "NOTIFY=NEVER,SUCCESS", "NOTIFY=SUCCESS,NEVER", "NOTIFY=SUCCESS,", "NOTIFY=,DELAY", "NOTIFY=ALWAYS",
		"NOTIFY=NEVER NOTIFY=NEVER", "ORCPT", "ORCPT=a@b.test", "ORCPT=rfc822;a+0Ab", "ORCPT=utf-8;\xc3\xb6@b.test" };
	struct ipc_rcpt_dsn d;

	(void)state;
	assert_int_equal(rcpt("NOTIFY=never", false, &d), SMTP_FINE);
	assert_int_equal(d.notify, NOTIFY_NEVER);
	assert_int_equal(rcpt("NOTIFY=SUCCESS,delay,FAILURE ORCPT=rfc822;A+2Bb@c.test", false, &d), SMTP_FINE);
	assert_int_equal(d.notify, NOTIFY_SUCCESS | NOTIFY_FAILURE | NOTIFY_DELAY);
	assert_true(str_eq(d.orcpt, STR("rfc822;A+b@c.test")));
	assert_int_equal(rcpt("ORCPT=utf-8;\xc3\xb6@b.test", true, &d), SMTP_FINE);
	assert_true(d.notify == 0 && str_eq(d.orcpt, STR("utf-8;\xc3\xb6@b.test")));
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		if (rcpt(bad[i], false, &d) != SMTP_BAD_PARAM)
			fail_msg("%s: %d", bad[i], rcpt(bad[i], false, &d));
	assert_int_equal(rcpt("RET=FULL", false, &d), SMTP_PARAM_UNKNOWN);
	assert_int_equal(rcpt("NOTIFY=", false, &d), SMTP_SYNTAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(return_and_id), cmocka_unit_test(future_release), cmocka_unit_test(deliver_by), cmocka_unit_test(priorities),
		cmocka_unit_test(only_what_is_offered), cmocka_unit_test(recipients),
	};
	int r;

	arena_init(&arena, "test", 1 << 20);
	r = cmocka_run_group_tests(tests, NULL, NULL);
	arena_fini(&arena);
	return r;
}
