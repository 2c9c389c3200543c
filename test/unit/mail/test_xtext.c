/* test/unit/mail/test_xtext.c - envelope ids and original recipients as they travel (RFC 3461 4, RFC 6533 3). */
#include "mail/xtext.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

static char text[2000];

static const char *taken(struct buf *b, bool fine)
{
	memcpy(text, b->p ? b->p : "", b->n);
	text[b->n] = 0;
	buf_fini(b);
	return fine ? text : NULL;
}

static const char *decode(const char *s)
{
	struct buf b;

	buf_init(&b, 1000);
	return taken(&b, mail_xtext_decode(str_z(s), &b));
}

static const char *orcpt(const char *s, bool utf8)
{
	struct buf b;

	buf_init(&b, 1000);
	return taken(&b, mail_orcpt_decode(str_z(s), utf8, &b));
}

static const char *back(const char *s, bool utf8)
{
	struct buf b;

	buf_init(&b, 1000);
	mail_orcpt_encode(str_z(s), utf8, &b);
	return taken(&b, true);
}

static void xtext(void **state)
{
	struct buf b;

	(void)state;
	assert_string_equal(decode("QQ314159"), "QQ314159");
	assert_string_equal(decode("a+2Bb+3D+20c"), "a+b= c");
	assert_string_equal(decode("a+2b"), "a+");
	assert_null(decode("a+2"));
	assert_null(decode("a+"));
	assert_null(decode("a+GG"));
	assert_null(decode("a+0A"));
	assert_null(decode("a+7F"));
	assert_null(decode("a+E4"));
	assert_null(decode("a=b"));
	assert_null(decode("a b"));
	buf_init(&b, 100);
	mail_xtext_encode(STR("a+b= c\r\n~"), &b);
	assert_string_equal(taken(&b, true), "a+2Bb+3D+20c+0D+0A~");
	buf_init(&b, 2);
	assert_false(mail_xtext_decode(STR("abc"), &b));
	buf_fini(&b);
}

static void original_recipients(void **state)
{
	(void)state;
	assert_string_equal(orcpt("rfc822;Bob+2Bx@example.org", false), "rfc822;Bob+x@example.org");
	assert_string_equal(orcpt("x400;/PN=+20", false) ? "taken" : "refused", "refused");
	assert_string_equal(orcpt("x400;/PN+3Da+20b", false), "x400;/PN=a b");
	assert_null(orcpt("rfc822", false));
	assert_null(orcpt("rfc822;", false));
	assert_null(orcpt(";a@b", false));
	assert_null(orcpt("rfc 822;a@b", false));
	assert_null(orcpt("rfc822;a+0D+0Ab", false));
	assert_null(orcpt("rfc822;j\xc3\xb6rg@b", true));
}

static void internationalized(void **state)
{
	static const char *const bad[] = { "utf-8;\\x{}", "utf-8;\\x{D800}", "utf-8;\\x{110000}", "utf-8;\\x{0000F6}\\", "utf-8;\\xF6",
		"utf-8;\\x{A}", "utf-8;\\x{85}", "utf-8;\\x{00000F6}", "utf-8;a+20b", "utf-8;\\x{7F}" };

	(void)state;
	assert_string_equal(orcpt("utf-8;j\\x{F6}rg@\\x{4F8B}.test", false), "utf-8;j\xc3\xb6rg@\xe4\xbe\x8b.test");
	assert_string_equal(orcpt("UTF-8;j\xc3\xb6rg\\x{2B}\\x{1F600}@b", true), "UTF-8;j\xc3\xb6rg+\xf0\x9f\x98\x80@b");
	assert_null(orcpt("utf-8;j\xc3\xb6rg@b", false));
	assert_null(orcpt("utf-8;j\xc3rg@b", true));
	assert_null(orcpt("utf-8;a\xc2\x85z", true)); /* NEXT LINE */
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		if (orcpt(bad[i], true))
			fail_msg("%s is taken", bad[i]);
	assert_string_equal(back("utf-8;j\xc3\xb6rg+\xf0\x9f\x98\x80\\@b", false), "utf-8;j\\x{F6}rg\\x{2B}\\x{1F600}\\x{5C}@b");
	assert_string_equal(back("utf-8;j\xc3\xb6rg+@b", true), "utf-8;j\xc3\xb6rg\\x{2B}@b");
	assert_string_equal(back("rfc822;a b+c@d", true), "rfc822;a+20b+2Bc@d");
}

static void bounds(void **state)
{
	char s[600] = "rfc822;";

	(void)state;
	memset(s + 7, 'a', 493);
	assert_non_null(orcpt(s, false));
	s[500] = 'a';
	assert_null(orcpt(s, false));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(xtext), cmocka_unit_test(original_recipients), cmocka_unit_test(internationalized), cmocka_unit_test(bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
