/* Networks: what is one, what lies in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/cidr.h"

#include <string.h>

static struct cidr net(const char *text)
{
	struct cidr c;

	assert_null(cidr_parse(str_z(text), &c));
	return c;
}

static bool has(const char *text, const char *ip)
{
	struct cidr c = net(text);

	return cidr_has(&c, str_z(ip));
}

static void texts(void **state)
{
	static const char *const pairs[][2] = {
		{ "10.0.0.0/8", "10.0.0.0/8" }, { "0.0.0.0/0", "0.0.0.0/0" }, { "192.0.2.7", "192.0.2.7/32" }, { "::/0", "::/0" },
		{ "2001:DB8::/32", "2001:db8::/32" }, { "::1", "::1/128" }, { "::ffff:192.0.2.0/120", "192.0.2.0/24" },
		{ "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128" },
	};
	static const char *const wrong[] = { "", "/", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/08x", "10.0.0.0/-1", "10.0.0/8", "10.0.0.1/8",
		"::1/127", "2001:db8::/129", "::ffff:192.0.2.0/95", "example.org", "10.0.0.0/8/8", "fe80::1%lo", " 10.0.0.0/8" };
	struct buf b;
	struct cidr c;

	(void)state;
	buf_init(&b, CIDR_TEXT_MAX);
	for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
		c = net(pairs[i][0]);
		buf_reset(&b);
		cidr_show(&c, &b);
		assert_true(str_eq(buf_str(&b), str_z(pairs[i][1])));
		assert_null(cidr_parse(buf_str(&b), &c));
	}
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		assert_non_null(cidr_parse(str_z(wrong[i]), &c));
	buf_fini(&b);
}

static void membership(void **state)
{
	(void)state;
	assert_true(has("10.0.0.0/8", "10.255.255.255"));
	assert_false(has("10.0.0.0/8", "11.0.0.0"));
	assert_true(has("10.0.0.0/9", "10.127.255.255"));
	assert_false(has("10.0.0.0/9", "10.128.0.0"));
	assert_true(has("0.0.0.0/0", "255.1.2.3"));
	assert_false(has("0.0.0.0/0", "2001:db8::1"));
	assert_false(has("::/0", "192.0.2.1"));
	assert_true(has("192.0.2.1", "::ffff:192.0.2.1"));
	assert_true(has("2001:db8:8000::/33", "2001:db8:ffff::1"));
	assert_false(has("2001:db8:8000::/33", "2001:db8:7fff::1"));
	assert_false(has("0.0.0.0/0", "local"));
	assert_false(has("0.0.0.0/0", ""));
}

static void loopback(void **state)
{
	struct cidr yes[] = { net("127.0.0.0/8"), net("127.0.0.1"), net("::1") }, no[] = { net("0.0.0.0/0"), net("126.0.0.0/7"), net("::/127") };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		assert_true(cidr_is_loopback(&yes[i]));
		assert_false(cidr_is_loopback(&no[i]));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(texts), cmocka_unit_test(membership), cmocka_unit_test(loopback) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
