/* test/unit/mail/test_traits.c - what a letter asks of the way it takes. */
#include "mail/traits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

static void octets(void **state)
{
	char bytes[200];

	(void)state;
	memset(bytes, 0x7f, sizeof bytes);
	for (size_t n = 0; n <= 100; n++)
		for (size_t at = 0; at <= n; at++) {
			bytes[at] = (char)0x80;
			assert_int_equal(mail_has_8bit(str_of(bytes, n)), at < n);
			bytes[at] = 0x7f;
		}
}

static void parts(void **state)
{
	struct mail_traits t;

	(void)state;
	t = mail_traits_of(STR("Subject: a\r\n\r\nb\r\n"));
	assert_true(!t.header_8bit && !t.body_8bit && !t.tls_optional);
	t = mail_traits_of(STR("Subject: \xc3\xb6\r\n\r\nb\r\n"));
	assert_true(t.header_8bit && !t.body_8bit);
	t = mail_traits_of(STR("Subject: a\r\n\r\n\xff\r\n"));
	assert_true(!t.header_8bit && t.body_8bit);
	t = mail_traits_of(STR("\xff"));
	assert_true(t.header_8bit && !t.body_8bit);
	t = mail_traits_of(STR("\r\n\xff"));
	assert_true(!t.header_8bit && t.body_8bit);
	t = mail_traits_of(STR(""));
	assert_true(!t.header_8bit && !t.body_8bit);
}

static void tls(void **state)
{
	(void)state;
	assert_true(mail_traits_of(STR("A: b\r\ntls-required:  no \r\n\r\n")).tls_optional);
	assert_true(mail_traits_of(STR("TLS-Required: No\r\n")).tls_optional);
	assert_false(mail_traits_of(STR("TLS-Required: Yes\r\n\r\n")).tls_optional);
	assert_false(mail_traits_of(STR("TLS-Required: No, really\r\n\r\n")).tls_optional);
	assert_false(mail_traits_of(STR("A: b\r\n\r\nTLS-Required: No\r\n")).tls_optional);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(octets), cmocka_unit_test(parts), cmocka_unit_test(tls) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
