/* test/unit/mail/test_nfc.c - composed text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "mail/nfc.h"

static void forms(void **state)
{
	static const struct {
		const char *text, *composed;
	} cases[] = {
		{ "", "" },
		{ "plain/text", "plain/text" },
		{ "u\xcc\x88", "\xc3\xbc" },
		{ "\xc3\xbc", "\xc3\xbc" },
		{ "\xe2\x84\xab", "\xc3\x85" },				/* the sign of the angstrom */
		{ "\xef\xac\x81", "\xef\xac\x81" },				/* a ligature stays: no compatibility forms */
		{ "\xe1\x84\x92\xe1\x85\xa1\xe1\x86\xab", "\xed\x95\x9c" }, /* Hangul */
		{ "\xf0\x9f\x93\xac", "\xf0\x9f\x93\xac" },
	};
	struct buf out;

	(void)state;
	buf_init(&out, 100);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		buf_reset(&out);
		if (!mail_nfc(str_z(cases[i].text), &out) || !str_eq(buf_str(&out), str_z(cases[i].composed)))
			fail_msg("%zu: %.*s", i, STR_ARG(buf_str(&out)));
	}
	buf_fini(&out);
}

static void refused(void **state)
{
	struct buf out, big;

	(void)state;
	buf_init(&out, 4);
	buf_init(&big, MAIL_NFC_MAX + 1);
	buf_addz(&out, "ab");
	assert_false(mail_nfc(STR("\xff"), &out));
	assert_false(mail_nfc(STR("\xed\xa0\x80"), &out));
	assert_false(mail_nfc(STR("abc"), &out));
	assert_true(str_eq(buf_str(&out), STR("ab")) && !out.full);
	for (int i = 0; i < MAIL_NFC_MAX; i++)
		buf_addc(&big, 'x');
	buf_fini(&out);
	buf_init(&out, 2 * MAIL_NFC_MAX);
	assert_true(mail_nfc(buf_str(&big), &out));
	buf_addc(&big, 'x');
	assert_false(mail_nfc(buf_str(&big), &out));
	buf_fini(&out);
	buf_fini(&big);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(forms), cmocka_unit_test(refused) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
