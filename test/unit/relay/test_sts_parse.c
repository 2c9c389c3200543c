/* test/unit/relay/test_sts_parse.c - MTA-STS: which TXT record counts, which policy is valid, which host it covers. */
#include "relay/sts_parse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void the_record_counts_when_it_is_one_and_whole(void **state)
{
	static const struct {
		const char *texts[3];
		const char *id; /* NULL: none */
	} cases[] = {
		{ { "v=STSv1; id=20160831085700Z;" }, "20160831085700Z" },
		{ { "v=STSv1;id=1" }, "1" },
		{ { "v=STSv1 ; id=1 ; more=x" }, "1" },
		{ { "v=spf1 -all", "v=STSv1; id=7;" }, "7" },
		{ { "v=STSv10; id=3", "v=STSv1; id=7;" }, "7" },
		{ { "v=STSv1; id=12345678901234567890123456789012" }, "12345678901234567890123456789012" },
		{ { "v=STSv1; id=123456789012345678901234567890123" }, NULL },
		{ { "v=STSv1; id=7;", "v=STSv1; id=8;" }, NULL },
		{ { "v=STSv1; id=7;", "v=STSv1;" }, NULL },
		{ { "v=STSv1;" }, NULL },
		{ { "v=STSv1; id=;" }, NULL },
		{ { "v=STSv1; id=a b" }, NULL },
		{ { "v=STSv1; id=a-b" }, NULL },
		{ { "v=STSv1 id=7" }, NULL },
		{ { "id=7; v=STSv1" }, NULL },
		{ { "V=STSv1; id=7" }, NULL },
		{ { NULL }, NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct str texts[3], id;
		size_t n = 0;
		bool found;

		while (n < 3 && cases[i].texts[n]) {
			texts[n] = str_z(cases[i].texts[n]);
			n++;
		}
		found = sts_id_find(texts, n, &id);
		if (found != (cases[i].id != NULL) || (found && !str_eq(id, str_z(cases[i].id))))
			fail_msg("case %zu: %s", i, cases[i].texts[0]);
	}
}

struct policy_case {
	const char *text;
	bool valid;
	enum sts_mode mode;
	unsigned max_age_s;
	size_t n_mx;
};

static void a_policy_is_read_or_refused(void **state)
{
	static const struct policy_case cases[] = {
		{ "version: STSv1\nmode: enforce\nmx: mail.a.test\nmax_age: 604800\n", true, STS_ENFORCE, 604800, 1 },
		{ "version: STSv1\r\nmode: testing\r\nmx: mail.a.test\r\nmx: *.b.test\r\nmax_age: 86400", true, STS_TESTING, 86400, 2 },
		{ "mode:none\nmax_age:1\nversion:STSv1", true, STS_NONE, 1, 0 },
		{ "version: STSv1\nmode: enforce\nmode: none\nmx: a.test\nmax_age: 5\nmax_age: x\n", true, STS_ENFORCE, 5, 1 },
		{ "version: STSv1\nmode: enforce\nmx: a.test\nmax_age: 5\nother: thing\n", true, STS_ENFORCE, 5, 1 },
		{ "version: STSv1\nmode: enforce\nmx: a.test\nmax_age: 31557601\n", true, STS_ENFORCE, 31557600, 1 },
		{ "version: STSv1\nmode: enforce\nmx: a.test\nmax_age: 9999999999\n", true, STS_ENFORCE, 31557600, 1 },
		{ "version: STSv1\nmode: enforce\nmx: a.test\nmax_age: 10000000000\n", false },
		{ "version: STSv1\nmode: enforce\nmx: a.test\nmax_age: -5\n", false },
		{ "version: STSv1\nmode: enforce\nmax_age: 5\n", false },
		{ "version: STSv1\nmode: Enforce\nmx: a.test\nmax_age: 5\n", false },
		{ "version: STSv2\nmode: enforce\nmx: a.test\nmax_age: 5\n", false },
		{ "mode: enforce\nmx: a.test\nmax_age: 5\n", false },
		{ "version: STSv1\nmx: a.test\nmax_age: 5\n", false },
		{ "version: STSv1\nmode: enforce\nmx: a.test\n", false },
		{ "version: STSv1\nmode: enforce\nmx: a.*.test\nmax_age: 5\n", false },
		{ "version: STSv1\nmode: enforce\nmx: *\nmax_age: 5\n", false },
		{ "version: STSv1\nmode: enforce\nmx: a..test\nmax_age: 5\n", false },
		{ "version: STSv1\nmode: enforce\nmx: .test\nmax_age: 5\n", false },
		{ "<html>not found</html>", false },
		{ "", false },
	};
	struct arena a;

	(void)state;
	arena_init(&a, "test", 1 << 20);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct sts_policy p;
		bool valid = sts_policy_parse(str_z(cases[i].text), &a, &p);

		if (valid != cases[i].valid)
			fail_msg("case %zu", i);
		if (valid) {
			assert_int_equal(p.mode, cases[i].mode);
			assert_int_equal(p.max_age_s, cases[i].max_age_s);
			assert_int_equal(p.n_mx, cases[i].n_mx);
		}
	}
	arena_fini(&a);
}

static struct str policy_with(struct buf *b, size_t n_mx, size_t n_filler)
{
	buf_addz(b, "version: STSv1\nmode: enforce\nmax_age: 5\n");
	for (size_t i = 0; i < n_mx; i++)
		buf_addf(b, "mx: m%zu.a.test\n", i);
	while (b->n < n_filler)
		buf_addz(b, b->n + 10 <= n_filler ? "x: yyyyyy\n" : "\n");
	return buf_str(b);
}

static void bounds_of_a_policy_hold_at_their_edges(void **state)
{
	static const struct {
		size_t n_mx, size;
		bool valid;
	} cases[] = { { STS_MX_MAX, 0, true }, { STS_MX_MAX + 1, 0, false }, { 1, STS_TEXT_MAX, true }, { 1, STS_TEXT_MAX + 1, false } };

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct arena a;
		struct buf b;
		struct sts_policy p;

		arena_init(&a, "test", 1 << 20);
		buf_init(&b, 2 * STS_TEXT_MAX);
		assert_int_equal(sts_policy_parse(policy_with(&b, cases[i].n_mx, cases[i].size), &a, &p), cases[i].valid);
		buf_fini(&b);
		arena_fini(&a);
	}
}

static void the_canonical_form_parses_back_and_fits(void **state)
{
	struct arena a;
	struct buf b, shown;
	struct sts_policy p, again;

	(void)state;
	arena_init(&a, "test", 1 << 20);
	buf_init(&b, STS_TEXT_MAX);
	buf_init(&shown, STS_SHOWN_MAX);
	buf_addz(&b, "mode: testing\nmax_age: 31557600\nversion: STSv1\n");
	for (size_t i = 0; i < STS_MX_MAX; i++) {
		static const char label[] = "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz012345678";

		buf_addf(&b, "mx: *.%s.%s.%s.%s\n", label, label, label, label);
	}
	assert_true(sts_policy_parse(buf_str(&b), &a, &p));
	sts_policy_show(&p, &shown);
	assert_false(shown.full);
	assert_true(sts_policy_parse(buf_str(&shown), &a, &again));
	assert_int_equal(again.mode, STS_TESTING);
	assert_int_equal(again.max_age_s, 31557600);
	assert_int_equal(again.n_mx, STS_MX_MAX);
	assert_true(str_eq(again.mx[STS_MX_MAX - 1], p.mx[STS_MX_MAX - 1]));
	buf_fini(&shown);
	buf_fini(&b);
	arena_fini(&a);
}

static void a_wildcard_stands_for_one_label(void **state)
{
	static const struct {
		const char *host;
		bool covered;
	} cases[] = {
		{ "mail.a.test", true }, { "MAIL.A.Test", true }, { "x.b.test", true }, { "x.y.b.test", false }, { "b.test", false },
		{ ".b.test", false }, { "a.test", false }, { "xmail.a.test", false }, { "", false },
	};
	struct arena a;
	struct sts_policy p;

	(void)state;
	arena_init(&a, "test", 1 << 20);
	assert_true(sts_policy_parse(STR("version: STSv1\nmode: enforce\nmx: Mail.A.test\nmx: *.b.test\nmax_age: 5\n"), &a, &p));
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		if (sts_policy_covers(&p, str_z(cases[i].host)) != cases[i].covered)
			fail_msg("%s", cases[i].host);
	arena_fini(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_record_counts_when_it_is_one_and_whole),
		cmocka_unit_test(a_policy_is_read_or_refused),
		cmocka_unit_test(bounds_of_a_policy_hold_at_their_edges),
		cmocka_unit_test(the_canonical_form_parses_back_and_fits),
		cmocka_unit_test(a_wildcard_stands_for_one_label),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
