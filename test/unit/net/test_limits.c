/* Counting by address: totals, per address, windows, IPv6 networks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "net/limits.h"

static void connections_are_bounded_in_all_and_by_address(void **state)
{
	struct limits l;
	struct limit_bounds b = { .total_max = 3, .per_address_max = 2 };

	(void)state;
	limits_init(&l);
	assert_true(limits_enter(&l, STR("192.0.2.1"), &b, 0));
	assert_true(limits_enter(&l, STR("192.0.2.1"), &b, 0));
	assert_false(limits_enter(&l, STR("192.0.2.1"), &b, 0));
	assert_true(limits_enter(&l, STR("192.0.2.2"), &b, 0));
	assert_false(limits_enter(&l, STR("192.0.2.3"), &b, 0)); /* the total */
	limits_leave(&l, STR("192.0.2.1"));
	assert_true(limits_enter(&l, STR("192.0.2.3"), &b, 0));
	limits_fini(&l);
}

static void ipv6_counts_by_64_and_mapped_as_ipv4(void **state)
{
	struct limits l;
	struct limit_bounds b = { .per_address_max = 1 };

	(void)state;
	limits_init(&l);
	assert_true(limits_enter(&l, STR("2001:db8:1:2:3::1"), &b, 0));
	assert_false(limits_enter(&l, STR("2001:db8:1:2:ffff::9"), &b, 0));
	assert_true(limits_enter(&l, STR("2001:db8:1:3::1"), &b, 0));
	assert_true(limits_enter(&l, STR("192.0.2.1"), &b, 0));
	assert_false(limits_enter(&l, STR("::ffff:192.0.2.1"), &b, 0));
	limits_fini(&l);
}

static void rates_slide(void **state)
{
	struct limits l;
	struct str a = STR("192.0.2.1");

	(void)state;
	limits_init(&l);
	for (int i = 0; i < 10; i++)
		assert_true(limits_count(&l, a, LIMIT_LETTERS, 10, 60000, 1000));
	assert_false(limits_count(&l, a, LIMIT_LETTERS, 10, 60000, 1000));
	assert_true(limits_over(&l, a, LIMIT_LETTERS, 10, 60000, 1000));
	assert_false(limits_over(&l, a, LIMIT_CONNECTIONS, 10, 60000, 1000)); /* each kind on its own */
	assert_false(limits_over(&l, STR("192.0.2.2"), LIMIT_LETTERS, 10, 60000, 1000));
	/* half a window later about half of what was counted still stands */
	assert_true(limits_over(&l, a, LIMIT_LETTERS, 5, 60000, 60000 + 30000));
	assert_false(limits_over(&l, a, LIMIT_LETTERS, 6, 60000, 60000 + 30000));
	assert_false(limits_over(&l, a, LIMIT_LETTERS, 1, 60000, 1000 + 2 * 60000));
	assert_true(limits_count(&l, a, LIMIT_LETTERS, 0, 60000, 1000)); /* 0 is no bound */
	limits_fini(&l);
}

static void quiet_addresses_are_forgotten(void **state)
{
	struct limits l;
	struct limit_bounds b = { 0 };

	(void)state;
	limits_init(&l);
	assert_true(limits_enter(&l, STR("192.0.2.1"), &b, 0));
	assert_true(limits_enter(&l, STR("192.0.2.2"), &b, 0));
	limits_leave(&l, STR("192.0.2.2"));
	limits_forget(&l, 3600001);
	assert_int_equal(l.by_address.n, 1); /* the one that is still connected */
	limits_fini(&l);
}

static void bans(void **state)
{
	struct limits l;

	(void)state;
	limits_init(&l);
	limits_ban(&l, STR("192.0.2.9/32"), 5000);
	limits_ban(&l, STR("2001:db8:1:2::/64"), 5000);
	assert_true(limits_banned(&l, STR("192.0.2.9"), 4999));
	assert_false(limits_banned(&l, STR("192.0.2.9"), 5000));
	assert_false(limits_banned(&l, STR("192.0.2.8"), 0));
	assert_true(limits_banned(&l, STR("2001:db8:1:2:9::1"), 0));
	assert_false(limits_banned(&l, STR("2001:db8:1:3::1"), 0));
	limits_ban(&l, STR("192.0.2.9/32"), 0);
	assert_false(limits_banned(&l, STR("192.0.2.9"), 0));
	limits_fini(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connections_are_bounded_in_all_and_by_address),
		cmocka_unit_test(ipv6_counts_by_64_and_mapped_as_ipv4),
		cmocka_unit_test(rates_slide),
		cmocka_unit_test(bans), cmocka_unit_test(quiet_addresses_are_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
