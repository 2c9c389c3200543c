/* test/unit/imap/unit.h - what the tests of IMAP's parsers share. */
#ifndef SALLYPORT_TEST_IMAP_UNIT_H
#define SALLYPORT_TEST_IMAP_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/cur.h"

static struct arena arena;

static inline int arena_setup(void **state)
{
	(void)state;
	arena_init(&arena, "test", 64 << 20);
	return 0;
}

static inline int arena_teardown(void **state)
{
	(void)state;
	arena_fini(&arena);
	return 0;
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, arena_setup, arena_teardown)
#define RUN(...)                                                                                                       \
	int main(void)                                                                                                 \
	{                                                                                                              \
		const struct CMUnitTest tests[] = { __VA_ARGS__ };                                                     \
                                                                                                                       \
		return cmocka_run_group_tests(tests, NULL, NULL);                                                      \
	}

#define assert_str(got, want)                                                                                          \
	do {                                                                                                           \
		struct str got_ = (got), want_ = (want);                                                               \
                                                                                                                       \
		if (!str_eq(got_, want_))                                                                              \
			fail_msg("got [%.*s], want [%.*s]", STR_ARG(got_), STR_ARG(want_));                            \
	} while (0)

#endif
