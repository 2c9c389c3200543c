/* test/unit/base/test_clock.c - civil dates against the C library's over 800 years, and the two formats. */
#include "base/clock.h"

#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <time.h>

static void test_civil(void **state)
{
	(void)state;
	for (int64_t day = -146097; day < 146097; day++) {
		time_t t = (time_t)(day * 86400);
		struct tm tm;
		struct civil c = civil_of_days(day);

		assert_non_null(gmtime_r(&t, &tm));
		assert_int_equal(c.year, tm.tm_year + 1900);
		assert_int_equal(c.month, tm.tm_mon + 1);
		assert_int_equal(c.day, tm.tm_mday);
		assert_int_equal(civil_to_days(c), day);
	}
}

static void rfc3339(int64_t us, const char *want)
{
	char got[CLOCK_RFC3339_SIZE];

	clock_rfc3339(us, got);
	assert_string_equal(got, want);
}

static void test_rfc3339(void **state)
{
	(void)state;
	rfc3339(0, "1970-01-01T00:00:00.000Z");
	rfc3339(1795361400123999, "2026-11-22T15:30:00.123Z");
	rfc3339(-1, "1969-12-31T23:59:59.999Z");
	rfc3339(951782400000000, "2000-02-29T00:00:00.000Z");
	rfc3339(253402300799999999, "9999-12-31T23:59:59.999Z");
}

static void rfc5322(int64_t s, const char *want)
{
	struct buf b;

	buf_init(&b, 100);
	clock_add_rfc5322(&b, s);
	buf_addc(&b, '\0');
	assert_string_equal(b.p, want);
	buf_fini(&b);
}

static void test_rfc5322(void **state)
{
	(void)state;
	rfc5322(0, "Thu, 1 Jan 1970 00:00:00 +0000");
	rfc5322(1795361400, "Sun, 22 Nov 2026 15:30:00 +0000");
	rfc5322(-1, "Wed, 31 Dec 1969 23:59:59 +0000");
	rfc5322(951782400, "Tue, 29 Feb 2000 00:00:00 +0000");
}

/* The day of the week and all else against strftime, at odd times through 60 years. */
static void test_rfc5322_model(void **state)
{
	(void)state;
	for (int64_t s = 0; s < (int64_t)60 * 365 * 86400; s += 100003) {
		time_t t = (time_t)s;
		struct tm tm;
		char day[8], rest[64], want[100];

		gmtime_r(&t, &tm);
		strftime(day, sizeof day, "%a", &tm);
		strftime(rest, sizeof rest, "%b %Y %H:%M:%S", &tm);
		snprintf(want, sizeof want, "%s, %d %s +0000", day, tm.tm_mday, rest);
		rfc5322(s, want);
	}
}

static void test_now(void **state)
{
	int64_t wall = clock_wall_us(), mono = clock_monotonic_ms();

	(void)state;
	assert_true(wall / 1000000 >= time(NULL) - 2 && wall / 1000000 <= time(NULL) + 2);
	assert_true(clock_monotonic_ms() >= mono);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_civil),	      cmocka_unit_test(test_rfc3339), cmocka_unit_test(test_rfc5322),
		cmocka_unit_test(test_rfc5322_model), cmocka_unit_test(test_now),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
