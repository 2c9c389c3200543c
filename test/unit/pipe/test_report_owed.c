/* test/unit/pipe/test_report_owed.c - what a sender is told of, by NOTIFY (RFC 3461 4.1), BY (RFC 2852) and the null path. */
#include "pipe/report.h"

#include "ipc/words.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define F REPORT_FAILURE
#define D REPORT_DELAY
#define R REPORT_RELAYED

struct row {
	uint8_t notify, by_mode, by_trace;
	uint8_t owed[RCPT_STATE_COUNT]; /* WAITING SENT RELAYED FAILED EXPIRED REMOVED */
};

static const struct row rows[] = {
	{ 0, BY_NONE, 0, { D, 0, 0, F, F, 0 } },
	{ NOTIFY_NEVER, BY_NONE, 0, { 0, 0, 0, 0, 0, 0 } },
	{ NOTIFY_NEVER, BY_NOTIFY, 1, { 0, 0, 0, 0, 0, 0 } },
	{ NOTIFY_FAILURE, BY_NONE, 0, { 0, 0, 0, F, F, 0 } },
	{ NOTIFY_DELAY, BY_NONE, 0, { D, 0, 0, 0, 0, 0 } },
	{ NOTIFY_SUCCESS, BY_NONE, 0, { 0, 0, R, 0, 0, 0 } },
	{ NOTIFY_SUCCESS | NOTIFY_FAILURE | NOTIFY_DELAY, BY_NONE, 0, { D, 0, R, F, F, 0 } },
	{ NOTIFY_FAILURE, BY_NOTIFY, 0, { D, 0, 0, F, F, 0 } },
	{ 0, BY_RETURN, 0, { D, 0, 0, F, F, 0 } },
	{ 0, BY_NOTIFY, 1, { D, R, R, F, F, 0 } },
	{ NOTIFY_FAILURE, BY_RETURN, 1, { 0, R, R, F, F, 0 } },
	{ 0, BY_NONE, 1, { D, 0, 0, F, F, 0 } },
};

static uint8_t owed(const struct row *w, bool null, bool delayed, uint8_t state)
{
	struct ipc_out_facts f = { .from_null = null, .wishes = { .by_mode = w->by_mode, .by_trace = w->by_trace } };
	struct ipc_queue_rcpt r = { .dsn = { .notify = w->notify }, .delayed = delayed };

	return report_owed(&f, &r, state);
}

static void table(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		for (uint8_t s = 0; s < RCPT_STATE_COUNT; s++)
			if (owed(&rows[i], false, false, s) != rows[i].owed[s])
				fail_msg("row %zu, state %u: %u", i, s, owed(&rows[i], false, false, s));
}

static void never_about_a_report(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		for (uint8_t s = 0; s < RCPT_STATE_COUNT; s++)
			assert_int_equal(owed(&rows[i], true, false, s), REPORT_NONE);
}

static void delay_once(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		assert_int_equal(owed(&rows[i], false, true, RCPT_WAITING), REPORT_NONE);
		assert_int_equal(owed(&rows[i], false, true, RCPT_EXPIRED), rows[i].owed[RCPT_EXPIRED]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table), cmocka_unit_test(never_about_a_report), cmocka_unit_test(delay_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
