/* test/unit/ctl/test_report.c - JSON of findings, options of commands, records as zone files have them. */
#include "ctl/options.h"
#include "ctl/records.h"
#include "ctl/report.h"

#include "ctl/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void assert_str(struct str s, const char *z)
{
	if (!str_eq(s, str_z(z)))
		fail_msg("'%.*s' is not '%s'", STR_ARG(s), z);
}

static void json_escapes_what_it_must(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 1000);
	json_add(&b, STR("a\"b\\c\n\x7f caf\xc3\xa9"));
	assert_str(buf_str(&b), "\"a\\\"b\\\\c\\u000a\\u007f caf\xc3\xa9\"");
	buf_reset(&b);
	json_add(&b, STR("bad \xff utf-8 \xc3\xa9"));
	assert_str(buf_str(&b), "\"bad ? utf-8 ??\"");
	buf_fini(&b);
}

static void a_report_is_an_array(void **state)
{
	struct report r;

	(void)state;
	report_init(&r, true);
	assert_str(report_json(&r), "[]");
	report_fini(&r);
	report_init(&r, true);
	report_ok(&r, "a", "one %d", 1);
	report_problem(&r, "b", "do this", "two");
	r.strict = true;
	report_problem(&r, "c", "do that", "three");
	r.quiet = true;
	report_ok(&r, "d", "not told");
	assert_int_equal(r.n[REPORT_OK] * 100 + r.n[REPORT_WARNING] * 10 + r.n[REPORT_ERROR], 111);
	assert_str(report_json(&r), "[\n{\"level\":\"ok\",\"check\":\"a\",\"text\":\"one 1\"},\n"
				    "{\"level\":\"warning\",\"check\":\"b\",\"text\":\"two\",\"way_out\":\"do this\"},\n"
				    "{\"level\":\"error\",\"check\":\"c\",\"text\":\"three\",\"way_out\":\"do that\"}\n]");
	report_fini(&r);
}

static void options_are_taken_off(void **state)
{
	char *words[] = { (char[]){ "x" }, (char[]){ "--dir" }, (char[]){ "/d" }, (char[]){ "--json" }, (char[]){ "y" } };
	char *twice[] = { (char[]){ "--dir" }, (char[]){ "a" }, (char[]){ "--dir" }, (char[]){ "b" } };
	const char *dir = NULL, *other = NULL;
	bool json = false;
	const struct option_row table[] = { { "--dir", &dir, NULL }, { "--json", NULL, &json }, { 0 } };
	const struct option_row one[] = { { "--dir", &other, NULL }, { 0 } };

	(void)state;
	assert_int_equal(options_take(table, words, 5), 2);
	assert_string_equal(words[0], "x");
	assert_string_equal(words[1], "y");
	assert_string_equal(dir, "/d");
	assert_true(json);
	assert_int_equal(options_take(one, twice, 4), -1);
	other = NULL;
	assert_int_equal(options_take(one, twice, 1), -1);
	assert_int_equal(options_take(one, (char *[]){ (char[]){ "--no" } }, 1), -1);
}

static void long_texts_are_cut_at_255(void **state)
{
	char text[600];
	struct record r = { .purpose = "DKIM", .type = DNS_TXT, .name = STR("s.a.test") };
	struct buf b;

	(void)state;
	memset(text, 'x', sizeof text);
	buf_init(&b, 4000);
	r.data = str_of(text, 255);
	record_add_zone(&r, &b);
	assert_int_equal(b.n, strlen("s.a.test. 3600 IN TXT \"\"\n") + 255);
	buf_reset(&b);
	r.data = str_of(text, 256);
	record_add_zone(&r, &b);
	assert_true(str_ends(buf_str(&b), STR("x\" \"x\"\n")));
	buf_reset(&b);
	r.data = str_of(text, 600);
	record_add_zone(&r, &b);
	assert_int_equal(b.n, strlen("s.a.test. 3600 IN TXT \"\" \"\" \"\"\n") + 600);
	buf_fini(&b);
}

static void public_addresses_are_told_from_others(void **state)
{
	static const char *const public[] = { "192.0.2.1", "8.8.8.8", "172.15.0.1", "172.32.0.1", "2001:db8::1" };
	static const char *const others[] = { "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "100.127.0.1", "127.0.0.1",
		"169.254.1.1",
		"0.0.0.0", "224.0.0.1", "255.255.255.255", "::1", "fe80::1", "fd00::2", "ff02::1", "::" };
	struct conf_address a;

	(void)state;
	for (size_t i = 0; i < sizeof public / sizeof *public; i++)
		assert_true(address_parse(str_z(public[i]), &a) && address_is_public(&a));
	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		if (!address_parse(str_z(others[i]), &a) || address_is_public(&a))
			fail_msg("%s is public", others[i]);
	assert_false(address_parse(STR("1.2.3"), &a));
	assert_false(address_parse(STR(""), &a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(json_escapes_what_it_must),	   cmocka_unit_test(a_report_is_an_array),
		cmocka_unit_test(options_are_taken_off),	   cmocka_unit_test(long_texts_are_cut_at_255),
		cmocka_unit_test(public_addresses_are_told_from_others),
	};

	return cmocka_run_group_tests_name("ctl-report", tests, NULL, NULL);
}
