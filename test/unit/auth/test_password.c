/* Argon2id hashes and their edges. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "auth/password.h"

#include <string.h>

static void a_hash_fits_its_password_alone(void **state)
{
	char a[PASSWORD_HASH_SIZE], b[PASSWORD_HASH_SIZE];

	(void)state;
	assert_true(password_hash(STR("demo"), a));
	assert_true(password_hash(STR("demo"), b));
	assert_string_not_equal(a, b); /* salted */
	assert_true(password_verify(STR("demo"), str_z(a)));
	assert_false(password_verify(STR("Demo"), str_z(a)));
	assert_false(password_verify(STR("demo "), str_z(a)));
	assert_false(password_verify(STR(""), str_z(a)));
}

static void lengths_have_edges(void **state)
{
	char long_one[PASSWORD_SIZE_MAX + 1], hash[PASSWORD_HASH_SIZE];

	(void)state;
	memset(long_one, 'x', sizeof long_one);
	assert_true(password_hash(str_of(long_one, PASSWORD_SIZE_MAX), hash));
	assert_true(password_verify(str_of(long_one, PASSWORD_SIZE_MAX), str_z(hash)));
	assert_false(password_hash(str_of(long_one, PASSWORD_SIZE_MAX + 1), hash));
	assert_false(password_hash(STR(""), hash));
}

static void unreadable_hashes_fit_nothing(void **state)
{
	(void)state;
	assert_false(password_verify(STR("x"), STR("")));
	assert_false(password_verify(STR("x"), STR("plain")));
	assert_false(password_verify(STR("x"), STR("$argon2id$broken")));
	assert_false(password_verify(STR("x"), STR("$argon2id$v=19$m=19456,t=2,p=1$AAAA$AAAA")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_hash_fits_its_password_alone),
		cmocka_unit_test(lengths_have_edges),
		cmocka_unit_test(unreadable_hashes_fit_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
