/* test/unit/base/test_str.c - views: comparing, finding, cutting, numbers. */
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void assert_str(struct str s, const char *z)
{
	if (!str_eq(s, str_z(z)))
		fail_msg("'%.*s' is not '%s'", STR_ARG(s), z);
}

static void test_compare(void **state)
{
	struct str empty = { 0 };

	(void)state;
	assert_true(str_eq(empty, STR("")));
	assert_true(str_eq(str_z(NULL), empty));
	assert_true(str_eq(STR("a\0b"), str_of("a\0b", 3)));
	assert_false(str_eq(STR("a\0b"), STR("a\0c")));
	assert_false(str_eq(STR("a"), STR("A")));
	assert_true(str_ieq(STR("FETCH"), STR("fetch")));
	assert_false(str_ieq(STR("[{"), STR("{["))); /* 0x5b and 0x7b differ by 0x20, too */
	assert_false(str_ieq(STR("\xc4"), STR("\xe4")));
	assert_true(str_cmp(STR("a"), STR("ab")) < 0 && str_cmp(STR("b"), STR("ab")) > 0 && str_cmp(empty, empty) == 0);
	assert_true(str_cmp(STR("\xff"), STR("a")) > 0);
	assert_true(str_icmp(STR("ABC"), STR("abd")) < 0 && str_icmp(STR("abc"), STR("ABC")) == 0);
	assert_true(str_icmp(STR("\xff"), STR("a")) > 0 && str_icmp(STR("a"), STR("AB")) < 0);
}

static void test_ends(void **state)
{
	(void)state;
	assert_true(str_starts(STR("INBOX/a"), STR("INBOX")) && str_starts(STR("a"), STR("")));
	assert_false(str_starts(STR("IN"), STR("INBOX")));
	assert_true(str_istarts(STR("inbox/a"), STR("INBOX")));
	assert_true(str_ends(STR("a@b.test"), STR(".test")) && str_ends(STR("x"), STR("x")));
	assert_false(str_ends(STR("st"), STR(".test")));
}

static void test_sub(void **state)
{
	struct str s = STR("hello");

	(void)state;
	assert_str(str_sub(s, 1, 3), "ell");
	assert_str(str_sub(s, 4, 9), "o");
	assert_str(str_sub(s, 5, 1), "");
	assert_str(str_sub(s, 9, SIZE_MAX), "");
	assert_str(str_sub(s, 2, SIZE_MAX), "llo");
	assert_str(str_from(s, 3), "lo");
	assert_str(str_sub((struct str){ 0 }, 1, 1), "");
}

static void test_find(void **state)
{
	struct str s = STR("a.b.c");

	(void)state;
	assert_int_equal(str_find(s, '.'), 1);
	assert_int_equal(str_rfind(s, '.'), 3);
	assert_int_equal(str_find(s, 'x'), -1);
	assert_int_equal(str_rfind(s, 'x'), -1);
	assert_int_equal(str_find((struct str){ 0 }, 'x'), -1);
	assert_int_equal(str_search(s, STR("b.c")), 2);
	assert_int_equal(str_search(s, STR("b.d")), -1);
	assert_int_equal(str_search(s, STR("")), 0);
	assert_int_equal(str_search((struct str){ 0 }, STR("a")), -1);
	assert_int_equal(str_search(STR("ab"), STR("abc")), -1);
	assert_int_equal(str_ifind(STR("xxSubJect"), STR("subject")), 2);
	assert_int_equal(str_ifind(STR("subjec"), STR("subject")), -1);
	assert_int_equal(str_ifind((struct str){ 0 }, STR("")), 0);
}

static void test_split(void **state)
{
	struct str rest = STR("a,,b,"), head;

	(void)state;
	assert_true(str_split(&rest, ',', &head));
	assert_str(head, "a");
	assert_true(str_split(&rest, ',', &head));
	assert_str(head, "");
	assert_true(str_split(&rest, ',', &head));
	assert_str(head, "b");
	assert_true(str_split(&rest, ',', &head)); /* what follows the last separator, empty as it is */
	assert_str(head, "");
	assert_false(str_split(&rest, ',', &head));
	rest = (struct str){ 0 };
	assert_false(str_split(&rest, ',', &head));
}

static void test_trim(void **state)
{
	(void)state;
	assert_str(str_trim(STR(" \t a b\r\n")), "a b");
	assert_str(str_trim(STR(" \t\r\n")), "");
	assert_str(str_trim(STR("")), "");
}

static void test_numbers(void **state)
{
	static const char *const bad[] = { "", "-1", "+1", " 1", "1 ", "0x1", "1a", "4294967296", "99999999999999999999" };
	uint64_t v;
	uint32_t u;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(str_to_u32(str_z(bad[i]), &u));
	assert_true(str_to_u32(STR("4294967295"), &u) && u == UINT32_MAX);
	assert_true(str_to_u32(STR("007"), &u) && u == 7);
	assert_true(str_to_u64(STR("18446744073709551615"), &v) && v == UINT64_MAX);
	assert_false(str_to_u64(STR("18446744073709551616"), &v));
	assert_false(str_to_u64(STR("18446744073709551620"), &v));
	assert_false(str_to_u64(STR("1\0002"), &v));
}

static void test_hash(void **state)
{
	(void)state;
	assert_true(str_hash(STR("a"), 1) == str_hash(STR("a"), 1));
	assert_true(str_hash(STR("a"), 1) != str_hash(STR("a"), 2));
	assert_true(str_hash(STR("a"), 1) != str_hash(STR("b"), 1));
	assert_true(str_hash(STR(""), 1) != str_hash(STR("\0"), 1));
}

static void test_classes(void **state)
{
	(void)state;
	for (int i = 0; i < 256; i++) {
		char c = (char)i;
		bool upper = i >= 'A' && i <= 'Z', lower = i >= 'a' && i <= 'z', digit = i >= '0' && i <= '9';

		assert_int_equal(ascii_is_alpha(c), upper || lower);
		assert_int_equal(ascii_is_digit(c), digit);
		assert_int_equal(ascii_is_alnum(c), upper || lower || digit);
		assert_int_equal(ascii_is_print(c), i >= 0x20 && i < 0x7f);
		assert_int_equal((unsigned char)ascii_lower(c), upper ? i + 32 : i);
		assert_int_equal((unsigned char)ascii_upper(c), lower ? i - 32 : i);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_compare), cmocka_unit_test(test_ends),	cmocka_unit_test(test_sub),
		cmocka_unit_test(test_find),	cmocka_unit_test(test_split),	cmocka_unit_test(test_trim),
		cmocka_unit_test(test_numbers), cmocka_unit_test(test_hash),	cmocka_unit_test(test_classes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
