/* test/unit/mail/test_base64.c - base64 (RFC 4648 10) and quoted-printable (RFC 2045 6.7). */
#include "mail/base64.h"

#include "unit.h"

#include <string.h>

static void vectors(void **state)
{
	static const char *const pairs[][2] = { { "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" }, { "foo", "Zm9v" },
		{ "foob", "Zm9vYg==" }, { "fooba", "Zm9vYmE=" }, { "foobar", "Zm9vYmFy" }, { "\xff\xfe\xfd", "//79" } };
	struct buf b;

	buf_init(&b, 100);
	for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
		buf_reset(&b);
		mail_base64_encode(str_z(pairs[i][0]), &b);
		is_str(buf_str(&b), pairs[i][1]);
		buf_reset(&b);
		assert_true(mail_base64_decode(str_z(pairs[i][1]), &b));
		is_str(buf_str(&b), pairs[i][0]);
		buf_reset(&b);
		mail_base64_decode_lax(str_z(pairs[i][1]), &b);
		is_str(buf_str(&b), pairs[i][0]);
	}
	buf_fini(&b);
}

static void strict(void **state)
{
	static const char *const bad[] = { "Z", "Zg", "Zg=", "Zg===", "====", "Zh==", "Zm9=", "Zm9v\n", " Zm9v", "Zm=v",
		"Zg==Zg==", "Zm9-", "Zm\xc3v", "=m9v" };
	struct buf b;

	buf_init(&b, 5);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		if (mail_base64_decode(str_z(bad[i]), &b))
			fail_msg("accepted: %s", bad[i]);
		assert_int_equal(b.n, 0);
	}
	assert_false(mail_base64_decode(STR("Zm9vYmFy"), &b));
	buf_fini(&b);
}

static void lax(void **state)
{
	struct buf b;

	buf_init(&b, 100);
	mail_base64_decode_lax(STR("Zm 9v\r\nYm*Fy"), &b);
	is_str(buf_str(&b), "foobar");
	buf_reset(&b);
	mail_base64_decode_lax(STR("Zg==Zm8=Zm9v"), &b);
	is_str(buf_str(&b), "ffofoo");
	buf_reset(&b);
	mail_base64_decode_lax(STR("Zm9vYg"), &b);
	is_str(buf_str(&b), "foob");
	buf_fini(&b);
	buf_init(&b, 4);
	mail_base64_decode_lax(STR("Zm9vYmFy"), &b);
	is_str(buf_str(&b), "foob");
	assert_true(b.full);
	buf_fini(&b);
	buf_init(&b, 6);
	mail_base64_decode_lax(STR("Zm9vYmFy"), &b);
	assert_false(b.full);
	buf_fini(&b);
}

static void is_qp(const char *text, const char *want)
{
	struct buf b;

	buf_init(&b, 200);
	mail_qp_decode(str_z(text), &b);
	is_str(buf_str(&b), want);
	assert_false(b.full);
	buf_fini(&b);
}

static void quoted_printable(void **state)
{
	is_qp("Now's the time =\r\nfor all folk to come=\r\n to the aid of their country.",
		"Now's the time for all folk to come to the aid of their country.");
	is_qp("=3D=e9=E9", "=\xe9\xe9");
	is_qp("trailing  \t\r\nx", "trailing\r\nx");
	is_qp("soft= \t\r\nx", "softx");
	is_qp("bare lf=\nx\ny", "bare lfx\ny");
	is_qp("=ZZ = =4", "=ZZ = =4");
	is_qp("end=", "end");
	is_qp("end=3", "end=3");
	is_qp("", "");
}

static void quoted_printable_cut(void **state)
{
	struct buf b;

	buf_init(&b, 3);
	mail_qp_decode(STR("abc"), &b);
	assert_false(b.full);
	buf_reset(&b);
	mail_qp_decode(STR("ab\ncd"), &b);
	is_str(buf_str(&b), "ab\n");
	assert_true(b.full);
	buf_reset(&b);
	mail_qp_decode(STR("abcdef"), &b);
	is_str(buf_str(&b), "abc");
	assert_true(b.full);
	buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors),
		cmocka_unit_test(strict),
		cmocka_unit_test(lax),
		cmocka_unit_test(quoted_printable),
		cmocka_unit_test(quoted_printable_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
