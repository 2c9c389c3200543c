/* test/unit/mail/test_header.c - header fields and the choice of them for IMAP. */
#include "mail/header.h"

#include "unit.h"

#define LETTER                                                                                                         \
	"From: a@b.test\r\n"                                                                                           \
	"Subject : folded\r\n"                                                                                         \
	" value\r\n"                                                                                                   \
	"not a field\r\n"                                                                                              \
	"To: c@d.test\n"                                                                                               \
	"X-Empty:\r\n"                                                                                                 \
	"subject: second\r\n"                                                                                          \
	"\r\n"                                                                                                         \
	"Body: no field\r\n"

static void walks_fields(void **state)
{
	struct mail_header h = mail_header_of(STR(LETTER));
	struct mail_field f;

	assert_true(mail_header_next(&h, &f));
	is_str(f.name, "From");
	is_str(f.value, " a@b.test");
	assert_int_equal(f.at, 0);
	assert_int_equal(f.n, 16);
	assert_true(mail_header_next(&h, &f));
	is_str(f.name, "Subject");
	is_str(f.value, " folded\r\n value");
	assert_int_equal(f.n, 26);
	assert_true(mail_header_next(&h, &f));
	is_str(f.name, "");
	is_str(f.value, "not a field");
	assert_true(mail_header_next(&h, &f));
	is_str(f.name, "To");
	is_str(f.value, " c@d.test");
	assert_true(mail_header_next(&h, &f));
	is_str(f.value, "");
	assert_true(mail_header_next(&h, &f));
	assert_false(mail_header_next(&h, &f));
	assert_int_equal(mail_header_size(STR(LETTER)), sizeof LETTER - 1 - 16);
}

static void finds_the_first(void **state)
{
	struct mail_field f;

	assert_true(mail_header_find(STR(LETTER), STR("SUBJECT"), &f));
	is_str(f.value, " folded\r\n value");
	is_str(mail_header_value(STR(LETTER), STR("to")), "c@d.test");
	assert_false(mail_header_find(STR(LETTER), STR("Body"), &f));
	assert_false(mail_header_find(STR(LETTER), STR(""), &f));
}

static void ends_of_headers(void **state)
{
	struct mail_field f;
	struct mail_header h;

	assert_int_equal(mail_header_size(STR("")), 0);
	assert_int_equal(mail_header_size(STR("\r\nx")), 2);
	assert_int_equal(mail_header_size(STR("\nx")), 1);
	assert_int_equal(mail_header_size(STR("a: b")), 4);
	assert_int_equal(mail_header_size(STR("a: b\r\n \r\nc: d\r\n\r\nx")), 17);
	h = mail_header_of(STR(" starts folded\r\na: b"));
	assert_true(mail_header_next(&h, &f));
	is_str(f.name, "");
	assert_true(mail_header_next(&h, &f));
	is_str(f.value, " b");
	h = mail_header_of(STR("From x@y Mon Jan  1 00:00:00 2024\nA: b\n"));
	assert_true(mail_header_next(&h, &f));
	is_str(f.name, "");
	h = mail_header_of(STR("n\xc3\xa9: 8-bit name\r\n: no name\r\n"));
	assert_true(mail_header_next(&h, &f));
	is_str(f.name, "");
	assert_true(mail_header_next(&h, &f));
	is_str(f.name, "");
}

static void picks(void **state)
{
	struct str names[] = { STR("TO"), STR("from"), STR("absent") };
	struct buf b;

	buf_init(&b, 1000);
	mail_header_pick(STR(LETTER), names, 3, false, &b);
	is_str(buf_str(&b), "From: a@b.test\r\nTo: c@d.test\n\r\n");
	buf_reset(&b);
	mail_header_pick(STR(LETTER), names, 3, true, &b);
	is_str(buf_str(&b), "Subject : folded\r\n value\r\nnot a field\r\nX-Empty:\r\nsubject: second\r\n\r\n");
	buf_reset(&b);
	mail_header_pick(STR("A: b"), &STR("a"), 1, false, &b);
	is_str(buf_str(&b), "A: b\r\n\r\n");
	buf_fini(&b);
}

static void unfolds(void **state)
{
	struct buf b;

	buf_init(&b, 100);
	mail_header_unfold(STR(" a\r\n\tb\n c \r\n"), &b);
	is_str(buf_str(&b), "a b c");
	buf_reset(&b);
	mail_header_unfold(STR("a  b\tc \r\n \r\n d"), &b);
	is_str(buf_str(&b), "a  b\tc d");
	buf_reset(&b);
	mail_header_unfold(str_of("x\0y", 3), &b);
	is_str(buf_str(&b), "x?y");
	buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(walks_fields),
		cmocka_unit_test(finds_the_first),
		cmocka_unit_test(ends_of_headers),
		cmocka_unit_test(picks),
		cmocka_unit_test(unfolds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
