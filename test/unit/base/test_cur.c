/* test/unit/base/test_cur.c - cursors: takes, the sticky error, and that nothing leaves the view. */
#include "base/cur.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static bool is_lower(unsigned char c)
{
	return c >= 'a' && c <= 'z';
}

static void assert_str(struct str s, const char *z)
{
	if (!str_eq(s, str_z(z)))
		fail_msg("'%.*s' is not '%s'", STR_ARG(s), z);
}

static void test_bytes(void **state)
{
	struct cur c = cur_of(STR("a\xff!"));

	(void)state;
	assert_int_equal(cur_left(&c), 3);
	assert_int_equal(cur_peek(&c), 'a');
	assert_int_equal(cur_take(&c), 'a');
	assert_int_equal(cur_take(&c), 0xff);
	assert_false(cur_try(&c, '?'));
	assert_true(cur_try(&c, '!'));
	assert_true(cur_end(&c) && cur_done(&c) && cur_ok(&c));
	assert_int_equal(cur_peek(&c), -1);
	assert_true(cur_ok(&c)); /* looking is no failure */
	assert_int_equal(cur_take(&c), -1);
	assert_false(cur_ok(&c));
	assert_true(cur_end(&c));
	assert_false(cur_done(&c));
}

static void test_literals(void **state)
{
	struct cur c = cur_of(STR("MAIL FROM:<x>"));

	(void)state;
	assert_false(cur_try_lit(&c, STR("mail")));
	assert_true(cur_try_ilit(&c, STR("mail ")));
	assert_true(cur_try_lit(&c, STR("FROM:")));
	assert_false(cur_try_lit(&c, STR("<x>>")));
	cur_need(&c, '<');
	cur_need_ilit(&c, STR("X"));
	assert_str(cur_rest(&c), ">");
	cur_need_ilit(&c, STR(">>"));
	assert_false(cur_ok(&c));
}

/* After a failure nothing matches, not even what is empty, and nothing moves. */
static void test_sticky(void **state)
{
	struct cur c = cur_of(STR("abc123"));

	(void)state;
	cur_fail(&c);
	assert_int_equal(cur_take(&c), -1);
	assert_int_equal(cur_peek(&c), -1);
	assert_false(cur_try(&c, 'a'));
	assert_false(cur_try_lit(&c, STR("abc")));
	assert_false(cur_try_lit(&c, STR("")));
	assert_false(cur_try_ilit(&c, STR("")));
	assert_int_equal(cur_span(&c, is_lower).n, 0);
	assert_int_equal(cur_bytes(&c, 1).n, 0);
	assert_int_equal(cur_u32(&c), 0);
	assert_int_equal(cur_le32(&c), 0);
	assert_int_equal(cur_left(&c), 0);
	assert_int_equal(cur_rest(&c).n, 0);
	assert_int_equal(c.p[0], 'a');
}

static void test_spans(void **state)
{
	struct cur c = cur_of(STR("abcDEF"));

	(void)state;
	assert_str(cur_span(&c, is_lower), "abc");
	assert_str(cur_span(&c, is_lower), "");
	assert_true(cur_ok(&c));
	assert_str(cur_bytes(&c, 0), "");
	assert_str(cur_bytes(&c, 2), "DE");
	assert_str(cur_bytes(&c, 2), "");
	assert_false(cur_ok(&c));
	c = cur_of(STR("DEF"));
	assert_str(cur_need_span(&c, is_lower), "");
	assert_false(cur_ok(&c));
	c = cur_of((struct str){ 0 });
	assert_true(cur_done(&c));
	assert_str(cur_bytes(&c, 0), "");
	assert_true(cur_ok(&c));
	cur_bytes(&c, SIZE_MAX);
	assert_false(cur_ok(&c));
}

static void test_numbers(void **state)
{
	static const struct {
		const char *text;
		bool u32, u64;
	} rows[] = {
		{ "0", true, true },
		{ "4294967295", true, true },
		{ "4294967296", false, true },
		{ "18446744073709551615", false, true },
		{ "18446744073709551616", false, false },
		{ "", false, false },
		{ "-1", false, false },
		{ "x", false, false },
	};
	struct cur c;

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		c = cur_of(str_z(rows[i].text));
		cur_u32(&c);
		assert_int_equal(cur_ok(&c), rows[i].u32);
		c = cur_of(str_z(rows[i].text));
		cur_u64(&c);
		assert_int_equal(cur_ok(&c), rows[i].u64);
	}
	c = cur_of(STR("12:34"));
	assert_int_equal(cur_u32(&c), 12);
	cur_need(&c, ':');
	assert_int_equal(cur_u64(&c), 34);
	assert_true(cur_done(&c));
}

static void test_fixed_width(void **state)
{
	struct cur c = cur_of(STR("\x01\x02\x03\xff\xfe\xfd\xfc\x08\x07\x06\x05\x04\x03\x02\x81"));

	(void)state;
	assert_int_equal(cur_le8(&c), 1);
	assert_int_equal(cur_le16(&c), 0x0302);
	assert_true(cur_le32(&c) == 0xfcfdfeffu);
	assert_true(cur_le64(&c) == 0x8102030405060708ull);
	assert_true(cur_done(&c));
	c = cur_of(STR("\x01"));
	assert_int_equal(cur_le16(&c), 0);
	assert_false(cur_ok(&c));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bytes), cmocka_unit_test(test_literals), cmocka_unit_test(test_sticky),
		cmocka_unit_test(test_spans), cmocka_unit_test(test_numbers),  cmocka_unit_test(test_fixed_width),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
