/* test/unit/imap/test_set.c - sequence sets. */
#include "unit.h"

#include "imap/set.h"

static struct str shown(const struct imap_set *s)
{
	struct str out = STR("");

	for (size_t i = 0; i < s->n; i++)
		out = arena_fmt(&arena, "%.*s%s%u:%u", STR_ARG(out), i ? "," : "", s->v[i].lo, s->v[i].hi);
	return out;
}

static void forms(void **state)
{
	static const struct {
		const char *in, *want; /* NULL: refused */
	} cases[] = {
		{ "1", "1:1" },
		{ "2:4", "2:4" },
		{ "4:2", "2:4" },
		{ "*", "0:0" },
		{ "5:*", "5:0" },
		{ "*:5", "5:0" },
		{ "*:*", "0:0" },
		{ "3,1,2", "1:3" },
		{ "1:3,2:9,11", "1:9,11:11" },
		{ "7:*,3:*,*", "3:0" },
		{ "*,9:*", "9:0" },
		{ "1,4294967295", "1:1,4294967295:4294967295" },
		{ "4294967295:1,5", "1:4294967295" },
		{ "1,3:*,2", "1:2,3:0" },
		{ "", NULL },
		{ "0", NULL },
		{ "1:0", NULL },
		{ "1,", NULL },
		{ ",1", NULL },
		{ "1:", NULL },
		{ ":1", NULL },
		{ "4294967296", NULL },
		{ "-1", NULL },
		{ "1::2", NULL },
		{ "a", NULL },
		{ "99999999999999999999", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct cur c = cur_of(str_z(cases[i].in));
		struct imap_set s = { 0 };
		enum outcome o = imap_set_parse(&c, &arena, 100, &s);

		if ((o == OK && cur_done(&c)) != (cases[i].want != NULL))
			fail_msg("%s", cases[i].in);
		if (cases[i].want)
			assert_str(shown(&s), str_z(cases[i].want));
	}
}

static void rest_is_left(void **state)
{
	struct cur c = cur_of(STR("1:3 FLAGS"));
	struct imap_set s;

	(void)state;
	assert_int_equal(imap_set_parse(&c, &arena, 100, &s), OK);
	assert_str(cur_rest(&c), STR(" FLAGS"));
}

static void too_many(void **state)
{
	struct imap_set s;
	struct cur c = cur_of(STR("1,3,5"));

	(void)state;
	assert_int_equal(imap_set_parse(&c, &arena, 3, &s), OK);
	c = cur_of(STR("1,3,5"));
	assert_int_equal(imap_set_parse(&c, &arena, 2, &s), OVER_LIMIT);
}

static void resolving(void **state)
{
	static const struct {
		const char *in;
		uint32_t messages;
		const char *want;
	} cases[] = {
		{ "*", 5, "5:5" },
		{ "2:*", 5, "2:5" },
		{ "1,4,*", 5, "1:1,4:5" },
		{ "5:*", 5, "5:5" },
		{ "1:5", 5, "1:5" },
		{ "6:*", 5, NULL },
		{ "6", 5, NULL },
		{ "1:6", 5, NULL },
		{ "*", 0, NULL },
		{ "1:*", 0, NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct cur c = cur_of(str_z(cases[i].in));
		struct imap_set s;

		assert_int_equal(imap_set_parse(&c, &arena, 100, &s), OK);
		assert_int_equal(imap_set_resolve(&s, cases[i].messages), cases[i].want != NULL);
		if (cases[i].want)
			assert_str(shown(&s), str_z(cases[i].want));
	}
}

RUN(TEST(forms), TEST(rest_is_left), TEST(too_many), TEST(resolving))
