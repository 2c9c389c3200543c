/* test/unit/mail/test_date.c - dates of letters and of IMAP. */
#include "mail/date.h"

#include "unit.h"

static void is_date(const char *s, int64_t want)
{
	int64_t t = 0;

	if (!mail_date_parse(str_z(s), &t, NULL))
		fail_msg("no date: %s", s);
	if (t != want)
		print_error("of [%s]\n", s);
	assert_int_equal(t, want);
}

static void no_date(const char *s)
{
	int64_t t = 7;

	if (mail_date_parse(str_z(s), &t, NULL))
		fail_msg("a date: %s", s);
	assert_int_equal(t, 7);
}

static void rfc_5322(void **state)
{
	is_date("Fri, 21 Nov 1997 09:55:06 -0600", 880127706);
	is_date("Tue, 1 Jul 2003 10:52:37 +0200", 1057049557);
	is_date("Thu,\r\n      13\r\n        Feb\r\n          1969\r\n      23:32\r\n               -0330 "
		"(Newfoundland Time)",
		-27723480);
	is_date("21 Nov 97 09:55:06 GMT", 880106106);
	is_date("Fri, 21 Nov 1997 09(comment):   55  :  06 -0600", 880127706);
	is_date("22 Nov 49 00:00 +0000", 2521152000);
	is_date("22 Nov 50 00:00 +0000", -603072000);
	is_date("22 Nov 126 00:00 +0000", 1795305600);
	is_date("31 Dec 2016 23:59:60 +0000", 1483228800);
}

static void zones(void **state)
{
	is_date("21 Nov 1997 09:55:06 EST", 880106106 + 5 * 3600);
	is_date("21 Nov 1997 09:55:06 PDT", 880106106 + 7 * 3600);
	is_date("21 Nov 1997 09:55:06 Z", 880106106);
	is_date("21 Nov 1997 09:55:06 XYZ", 880106106);
	is_date("21 Nov 1997 09:55:06", 880106106);
	is_date("21 Nov 1997 09:55:06 GMT+0100", 880106106 - 3600);
	is_date("21 Nov 1997 09:55:06 +01:00", 880106106 - 3600);
	is_date("21 Nov 1997 09:55:06 +9999", 880106106);
	int64_t t;
	int zone;

	assert_true(mail_date_parse(STR("1 Jan 2020 00:30:00 +0100"), &t, &zone));
	assert_int_equal(zone, 60);
	assert_int_equal(mail_date_day(t, zone), 18262);
	assert_int_equal(mail_date_day(t, 0), 18261);
	assert_int_equal(mail_date_day(-1, 0), -1);
}

static void wild(void **state)
{
	is_date("Sun Nov 22 15:30:00 2026", 1795361400);
	is_date("Sun, Nov 22, 2026 15:30:00 +0000", 1795361400);
	is_date("22-Nov-2026 15:30:00", 1795361400);
	is_date("Sonntag, 22 November 2026 15.30.00 +0000", 1795361400);
	is_date("Wed,22 Nov 2026 15:30 +0000", 1795361400);
	is_date("Sun Nov 22 15:30:00 +0100 2026", 1795357800);
	no_date("");
	no_date("yesterday");
	no_date("Sun,");
	no_date("32 Nov 2026 00:00:00 +0000");
	no_date("29 Feb 2025 00:00:00 +0000");
	is_date("29 Feb 2024 00:00:00 +0000", 1709164800);
	no_date("22 Nov 2026 24:00:00 +0000");
	no_date("22 Nov 2026 10:60:00 +0000");
	no_date("22 Nov 2026");
	no_date("22 Foo 2026 10:00");
	no_date("22 Nov 1899 10:00 +0000");
	no_date("22 Nov 20266 10:00 +0000");
	no_date("(unclosed");
}

static void imap_datetime(void **state)
{
	int64_t t;
	struct buf b;

	buf_init(&b, 100);
	assert_true(mail_imap_datetime_parse(STR("\"17-Jul-1996 02:44:25 -0700\""), &t));
	assert_int_equal(t, 837596665);
	mail_imap_datetime_add(&b, t);
	is_str(buf_str(&b), "\"17-Jul-1996 09:44:25 +0000\"");
	assert_true(mail_imap_datetime_parse(STR(" 1-Feb-1994 00:00:00 +0000"), &t));
	assert_int_equal(t, 760060800);
	buf_reset(&b);
	mail_imap_datetime_add(&b, INT64_MIN);
	is_str(buf_str(&b), "\"01-Jan-0000 00:00:00 +0000\"");
	buf_reset(&b);
	mail_imap_datetime_add(&b, INT64_MAX);
	is_str(buf_str(&b), "\"31-Dec-9999 23:59:59 +0000\"");
	assert_false(mail_imap_datetime_parse(STR("1-Feb-1994 00:00:00 +0000"), &t));
	assert_false(mail_imap_datetime_parse(STR("17-Jul-1996 2:44:25 -0700"), &t));
	assert_false(mail_imap_datetime_parse(STR("17-Jul-1996 02:44:25 -0760"), &t));
	assert_false(mail_imap_datetime_parse(STR("17-Jul-1996 02:44:25"), &t));
	assert_false(mail_imap_datetime_parse(STR("17-July-1996 02:44:25 -0700"), &t));
	assert_false(mail_imap_datetime_parse(STR("17-Jul-1996 02:44:25 -0700 "), &t));
	assert_false(mail_imap_datetime_parse(STR("31-Jun-1996 02:44:25 -0700"), &t));
	buf_fini(&b);
}

static void imap_date(void **state)
{
	int64_t day;

	assert_true(mail_imap_date_parse(STR("1-Feb-1994"), &day));
	assert_int_equal(day, 8797);
	assert_true(mail_imap_date_parse(STR("\"01-FEB-1994\""), &day));
	assert_int_equal(day, 8797);
	assert_true(mail_imap_date_parse(STR("1-Jan-1970"), &day));
	assert_int_equal(day, 0);
	assert_false(mail_imap_date_parse(STR("1-Feb-94"), &day));
	assert_false(mail_imap_date_parse(STR("001-Feb-1994"), &day));
	assert_false(mail_imap_date_parse(STR("30-Feb-1994"), &day));
	assert_false(mail_imap_date_parse(STR("0-Feb-1994"), &day));
	assert_false(mail_imap_date_parse(STR(""), &day));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc_5322),
		cmocka_unit_test(zones),
		cmocka_unit_test(wild),
		cmocka_unit_test(imap_datetime),
		cmocka_unit_test(imap_date),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
