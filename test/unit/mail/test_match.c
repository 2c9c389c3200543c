/* test/unit/mail/test_match.c - folding and content search. */
#include "mail/match.h"

#include "unit.h"

static void is_folded(const char *s, const char *want)
{
	struct buf b;

	buf_init(&b, 1000);
	mail_fold(str_z(s), &b);
	is_str(buf_str(&b), want);
	buf_fini(&b);
}

static void folds(void **state)
{
	is_folded("", "");
	is_folded("Hello, WORLD @[`{ and more than sixteen bytes Z", "hello, world @[`{ and more than sixteen bytes z");
	is_folded("\xc3\x89t\xc3\xa9", "\xc3\xa9t\xc3\xa9");
	is_folded("Stra\xc3\x9f"
		  "e",
		"strasse");
	is_folded("e\xcc\x81X", "\xc3\xa9x"); /* composed */
	is_folded("E\xcc\x81", "\xc3\xa9");
	is_folded("\xef\xbc\xa1\xef\xac\x81", "afi"); /* full width A, ligature fi */
	is_folded("\xce\xa3\xcf\x83\xcf\x82", "\xcf\x83\xcf\x83\xcf\x83");
	is_folded("a\xff"
		  "B",
		"a\xef\xbf\xbd"
		"b");
	is_folded("\xd0\x9f\xd0\xa0", "\xd0\xbf\xd1\x80");
}

static void long_text_folds_in_segments(void **state)
{
	struct buf in, out;

	buf_init(&in, 100000);
	buf_init(&out, 100000);
	for (int i = 0; i < 5000; i++)
		buf_addz(&in, i % 7 ? "\xd0\x9f" : "\xe4\xbd\xa0");
	mail_fold(buf_str(&in), &out);
	assert_int_equal(out.n, in.n);
	for (size_t i = 0; i + 3 < out.n; i += 15)
		assert_true(str_starts(str_from(buf_str(&out), i), STR("\xe4\xbd\xa0\xd0\xbf")));
	buf_fini(&in);
	buf_fini(&out);
}

#define LETTER                                                                                                         \
	"From: J=?utf-8?q?=c3=b6rg?= <j@x.test>\r\n"                                                                   \
	"Subject: Meeting\r\n about =?iso-8859-1?q?caf=e9?=\r\n"                                                       \
	"Subject: second one\r\n"                                                                                      \
	"X-Empty:\r\n"                                                                                                 \
	"Content-Type: multipart/mixed; boundary=b\r\n"                                                                \
	"\r\n"                                                                                                         \
	"preamble\r\n"                                                                                                 \
	"--b\r\n"                                                                                                      \
	"Content-Type: text/plain; charset=iso-8859-1\r\n"                                                             \
	"Content-Transfer-Encoding: quoted-printable\r\n"                                                              \
	"\r\n"                                                                                                         \
	"Der K=F6nig=\r\nssohn\r\n"                                                                                    \
	"--b\r\n"                                                                                                      \
	"Content-Type: application/octet-stream; name=secret.bin\r\n"                                                  \
	"\r\n"                                                                                                         \
	"binary needle\r\n"                                                                                            \
	"--b\r\n"                                                                                                      \
	"Content-Type: message/rfc822\r\n"                                                                             \
	"\r\n"                                                                                                         \
	"Subject: inner subject\r\n"                                                                                   \
	"Content-Transfer-Encoding: base64\r\n"                                                                        \
	"\r\n"                                                                                                         \
	"SW5uZXIgdGV4dA==\r\n"                                                                                         \
	"--b--\r\n"

static bool has(int kind, const char *field, const char *needle)
{
	struct mail_match_term t = { .field = str_z(field), .needle = str_z(needle) };
	bool result, all;

	t.kind = kind;
	all = mail_match(STR(LETTER), &t, 1, &result, &mail_match_limits_default);
	assert_int_equal(all, result);
	return result;
}

static void headers(void **state)
{
	assert_true(has(MAIL_MATCH_HEADER, "subject", "ABOUT CAF\xc3\x89"));
	assert_true(has(MAIL_MATCH_HEADER, "Subject", "ting about"));
	assert_true(has(MAIL_MATCH_HEADER, "Subject", "second"));
	assert_true(has(MAIL_MATCH_HEADER, "From", "j\xc3\xb6rg"));
	assert_false(has(MAIL_MATCH_HEADER, "Subject", "inner"));
	assert_false(has(MAIL_MATCH_HEADER, "Subject", "x.test"));
	assert_true(has(MAIL_MATCH_HEADER, "X-Empty", ""));
	assert_true(has(MAIL_MATCH_HEADER, "subject", ""));
	assert_false(has(MAIL_MATCH_HEADER, "X-None", ""));
	assert_false(has(MAIL_MATCH_HEADER, "X-Empty", "a"));
}

static void bodies(void **state)
{
	assert_true(has(MAIL_MATCH_BODY, NULL, "k\xc3\xb6nigssohn"));
	assert_true(has(MAIL_MATCH_BODY, NULL, "inner TEXT"));
	assert_true(has(MAIL_MATCH_BODY, NULL, ""));
	assert_false(has(MAIL_MATCH_BODY, NULL, "inner subject"));
	assert_false(has(MAIL_MATCH_BODY, NULL, "binary needle"));
	assert_false(has(MAIL_MATCH_BODY, NULL, "preamble"));
	assert_false(has(MAIL_MATCH_BODY, NULL, "Meeting"));
}

static void texts(void **state)
{
	assert_true(has(MAIL_MATCH_TEXT, NULL, "k\xc3\xb6nigssohn"));
	assert_true(has(MAIL_MATCH_TEXT, NULL, "Meeting about caf\xc3\xa9"));
	assert_true(has(MAIL_MATCH_TEXT, NULL, "subject: inner"));
	assert_true(has(MAIL_MATCH_TEXT, NULL, "secret.bin"));
	assert_false(has(MAIL_MATCH_TEXT, NULL, "binary needle"));
}

static void many_terms(void **state)
{
	const struct mail_match_term terms[] = {
		{ MAIL_MATCH_TEXT, { 0 }, STR("inner text") },
		{ MAIL_MATCH_HEADER, STR("From"), STR("x.test") },
		{ MAIL_MATCH_BODY, { 0 }, STR("nowhere") },
	};
	bool results[3];

	assert_false(mail_match(STR(LETTER), terms, 3, results, &mail_match_limits_default));
	assert_true(results[0]);
	assert_true(results[1]);
	assert_false(results[2]);
	assert_true(mail_match(STR(LETTER), terms, 2, results, &mail_match_limits_default));
	assert_true(mail_match(STR(""), terms, 0, results, &mail_match_limits_default));
	assert_false(mail_match(STR(""), terms, 3, results, &mail_match_limits_default));
}

static void part_max(void **state)
{
	struct mail_match_limits l = mail_match_limits_default;
	struct mail_match_term t = { MAIL_MATCH_BODY, { 0 }, STR("4567") };
	bool r;

	l.part_max = 8;
	assert_true(mail_match(STR("\r\n0123456789"), &t, 1, &r, &l));
	l.part_max = 7;
	assert_false(mail_match(STR("\r\n0123456789"), &t, 1, &r, &l));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(folds),
		cmocka_unit_test(long_text_folds_in_segments),
		cmocka_unit_test(headers),
		cmocka_unit_test(bodies),
		cmocka_unit_test(texts),
		cmocka_unit_test(many_terms),
		cmocka_unit_test(part_max),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
