/* test/unit/mail/unit.h - cmocka and what the tests of this folder share. */
#ifndef SALLYPORT_TEST_MAIL_UNIT_H
#define SALLYPORT_TEST_MAIL_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"

#include <stdio.h>

#pragma GCC diagnostic ignored "-Wunused-parameter" /* the state that cmocka passes to every test */

static inline void is_str_at(struct str got, struct str want, const char *file, int line)
{
	if (str_eq(got, want))
		return;
	print_error("%s:%d: got  [%.*s]\n%s:%d: want [%.*s]\n", file, line, STR_ARG(got), file, line, STR_ARG(want));
	_fail(file, line);
}

#define is_str(got, want) is_str_at((got), str_z(want), __FILE__, __LINE__)

#endif
