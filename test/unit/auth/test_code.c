/* unit/auth/test_code.c - authorization codes, and the networks they are used from. */
#include "auth/code.h"
#include "base/cidr.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void made_and_known(void **state)
{
	char text[CODE_TEXT_SIZE], other[CODE_TEXT_SIZE], plain[CODE_TEXT_SIZE], big[CODE_TEXT_SIZE];
	unsigned char hash[CODE_HASH_SIZE] = { 0 }, again[CODE_HASH_SIZE];
	struct str h = str_of(hash, sizeof hash);
	size_t n = 0;

	(void)state;
	code_new(text);
	code_new(other);
	assert_int_equal(str_z(text).n, 27);
	assert_string_not_equal(text, other);
	for (char *p = text; *p; p++) {
		if (*p != '-')
			plain[n++] = *p;
		big[p - text] = ascii_upper(*p);
	}
	code_hash(str_z(text), hash);
	code_hash(str_z(text), again);
	assert_memory_not_equal(hash, again, sizeof hash);
	assert_true(code_matches(str_z(text), h));
	assert_true(code_matches(str_of(plain, n), h));
	assert_true(code_matches(str_of(big, str_z(text).n), h));
	assert_false(code_matches(str_z(other), h));
	assert_false(code_matches(str_sub(str_z(text), 0, 26), h));
	assert_false(code_matches(STR(""), h));
	assert_false(code_matches(str_z(text), STR("")));
	assert_false(code_matches(STR("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"), h));
}

static void networks(void **state)
{
	static const struct {
		const char *net, *in, *out;
	} cases[] = {
		{ "192.0.2.0/24", "192.0.2.255", "192.0.3.0" },
		{ "192.0.2.1", "192.0.2.1", "192.0.2.2" },
		{ "0.0.0.0/0", "8.8.8.8", "::1" },
		{ "::/0", "2001:db8::1", "1.2.3.4" },
		{ "2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::1" },
		{ "10.128.0.0/9", "10.255.0.1", "10.127.0.1" },
		{ "::ffff:10.0.0.0/104", "10.1.2.3", "11.0.0.1" },
		{ "10.0.0.0/8", "::ffff:10.9.9.9", "::ffff:11.9.9.9" },
	};
	static const char *const bad[] = { "", "10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/", "10.0.0/8", "::1/129", "x", "::ffff:10.0.0.0/95", "1.2.3.4/-1" };
	struct cidr n;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		assert_null(cidr_parse(str_z(cases[i].net), &n));
		assert_true(cidr_has(&n, str_z(cases[i].in)));
		assert_false(cidr_has(&n, str_z(cases[i].out)));
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_non_null(cidr_parse(str_z(bad[i]), &n));
	assert_true(cidr_list_has(STR(""), STR("1.2.3.4")));
	assert_true(cidr_list_has(STR("10.0.0.0/8,192.0.2.0/24"), STR("192.0.2.9")));
	assert_false(cidr_list_has(STR("10.0.0.0/8,192.0.2.0/24"), STR("192.0.3.9")));
}

static void peers(void **state)
{
	char text[CIDR_TEXT_SIZE];
	struct cidr n;

	(void)state;
	assert_true(cidr_of_peer(STR("2001:db8:1:2:3:4:5:6"), &n));
	cidr_text(&n, text);
	assert_string_equal(text, "2001:db8:1:2::/64");
	assert_true(cidr_of_peer(STR("192.0.2.9"), &n));
	cidr_text(&n, text);
	assert_string_equal(text, "192.0.2.9/32");
	assert_false(cidr_of_peer(STR("nothing"), &n));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(made_and_known), cmocka_unit_test(networks), cmocka_unit_test(peers) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
