/* test/unit/mail/test_decode.c - encoded words (RFC 2047 8) and charsets. */
#include "mail/decode.h"

#include "unit.h"

static void is_header(const char *value, const char *want)
{
	struct buf b;

	buf_init(&b, 1000);
	mail_header_decode(str_z(value), &b);
	is_str(buf_str(&b), want);
	buf_fini(&b);
}

static void rfc_2047(void **state)
{
	is_header("=?ISO-8859-1?Q?a?=", "a");
	is_header("=?ISO-8859-1?Q?a?= b", "a b");
	is_header("=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=", "ab");
	is_header("=?ISO-8859-1?Q?a?=  =?ISO-8859-1?Q?b?=", "ab");
	is_header("=?ISO-8859-1?Q?a?=\r\n    =?ISO-8859-1?Q?b?=", "ab");
	is_header("=?ISO-8859-1?Q?a_b?=", "a b");
	is_header("=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=", "a b");
	is_header("=?US-ASCII?Q?Keith_Moore?= <moore@cs.utk.edu>", "Keith Moore <moore@cs.utk.edu>");
	is_header("=?ISO-8859-1?Q?Patrik_F=E4ltstr=F6m?= <paf@nada.kth.se>",
		"Patrik F\xc3\xa4ltstr\xc3\xb6m <paf@nada.kth.se>");
	is_header("=?ISO-8859-1?B?SWYgeW91IGNhbiByZWFkIHRoaXMgeW8=?=\r\n "
		  "=?ISO-8859-2?B?dSB1bmRlcnN0YW5kIHRoZSBleGFtcGxlLg==?=",
		"If you can read this you understand the example.");
	is_header("=?utf-8*en?q?lang?=", "lang");
}

static void joined(void **state)
{
	/* A character may be halved by software that folds where it likes. */
	is_header("=?utf-8?Q?=E2=82?= =?utf-8?Q?=AC?=", "\xe2\x82\xac");
	is_header("=?utf-8?B?4oI=?= =?UTF-8?B?rA==?=", "\xe2\x82\xac");
	is_header("x=?utf-8?q?y?=z", "xyz");
	is_header("=?utf-8?q?y?==?utf-8?q?z?=", "yz");
}

static void broken(void **state)
{
	is_header("", "");
	is_header("  a \r\n\t b\x01  c  ", "a b c");
	is_header("=?", "=?");
	is_header("=?utf-8?q?open", "=?utf-8?q?open");
	is_header("=?utf-8?x?a?=", "=?utf-8?x?a?=");
	is_header("=??q?a?=", "=??q?a?=");
	is_header("=?utf-8?q?\?=", "");
	is_header("=?utf-8?q?with space?=", "with space");
	is_header("=?utf-8?q?=ff=zz?=", "\xef\xbf\xbd=zz");
	is_header("=?no-such-charset?q?=e9?=", "\xc3\xa9");
	is_header("caf\xe9", "caf\xc3\xa9");
	is_header("caf\xc3\xa9", "caf\xc3\xa9");
	is_header("=?utf-8?q?a=0d=0aEvil:_x?=", "a Evil: x");
}

static void charsets(void **state)
{
	is_header("=?gb2312?B?xOO6ww==?=", "\xe4\xbd\xa0\xe5\xa5\xbd");
	is_header("=?gb2312?B?6rs=?=", "\xe6\x98\x8a");
	is_header("=?gb2312?B?gZU=?=", "\xe4\xbb\x8c"); /* 8195: only its successors have it */
	is_header("=?ks_c_5601-1987?B?vsiz5w==?=", "\xec\x95\x88\xeb\x85\x95");
	is_header("=?iso-2022-jp?B?GyRCJDMbKEI=?=", "\xe3\x81\x93");
	is_header("=?iso-8859-1?q?=80?=", "\xe2\x82\xac"); /* windows-1252 in truth */
	is_header("=?koi8-r?B?8NLJ18XU?=", "\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82");
	is_header("=?shift_jis?B?gqA=?=", "\xe3\x81\x82");
	is_header("=?big5?B?p0E=?=", "\xe4\xbd\xa0");
	is_header("=?utf-7?q?+AOk-?=", "\xc3\xa9");
}

static void cut_between_characters(void **state)
{
	struct buf b;

	buf_init(&b, 4);
	mail_header_decode(STR("ab\xe2\x82\xac"), &b);
	is_str(buf_str(&b), "ab");
	assert_true(b.full);
	buf_reset(&b);
	mail_header_decode(STR("abc d"), &b);
	is_str(buf_str(&b), "abc");
	buf_reset(&b);
	mail_header_decode(STR("a\xe2\x82\xac"), &b);
	is_str(buf_str(&b), "a\xe2\x82\xac");
	assert_false(b.full);
	buf_fini(&b);
}

static void bodies(void **state)
{
	struct buf b;

	buf_init(&b, 100);
	mail_text_decode(STR("caf=E9=\r\n!"), MAIL_ENCODING_QP, STR("iso-8859-1"), 100, &b);
	is_str(buf_str(&b), "caf\xc3\xa9!");
	buf_reset(&b);
	mail_text_decode(STR("Y2Fm6Q=="), MAIL_ENCODING_BASE64, STR("\"latin1\""), 100, &b);
	is_str(buf_str(&b), "caf\xc3\xa9");
	buf_reset(&b);
	mail_text_decode(STR("caf\xc3\xa9\xff"), MAIL_ENCODING_8BIT, STR("utf-8"), 100, &b);
	is_str(buf_str(&b), "caf\xc3\xa9\xef\xbf\xbd");
	buf_reset(&b);
	mail_text_decode(str_of("\0a\0b", 4), MAIL_ENCODING_BINARY, STR("utf-16be"), 100, &b);
	is_str(buf_str(&b), "ab");
	buf_reset(&b);
	mail_text_decode(STR("0123456789"), MAIL_ENCODING_7BIT, STR(""), 4, &b);
	is_str(buf_str(&b), "0123");
	assert_true(b.full);
	buf_fini(&b);
}

static void encodings(void **state)
{
	assert_int_equal(mail_encoding_parse(STR(" Base64 (comment)")), MAIL_ENCODING_BASE64);
	assert_int_equal(mail_encoding_parse(STR("QUOTED-printable")), MAIL_ENCODING_QP);
	assert_int_equal(mail_encoding_parse((struct str){ 0 }), MAIL_ENCODING_7BIT);
	assert_int_equal(mail_encoding_parse(STR("x-uuencode")), MAIL_ENCODING_OTHER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc_2047),
		cmocka_unit_test(joined),
		cmocka_unit_test(broken),
		cmocka_unit_test(charsets),
		cmocka_unit_test(cut_between_characters),
		cmocka_unit_test(bodies),
		cmocka_unit_test(encodings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
