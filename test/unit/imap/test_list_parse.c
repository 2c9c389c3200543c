/* test/unit/imap/test_list_parse.c - the arguments of LIST and STATUS. */
#include "unit.h"

#include "imap/list_parse.h"

static enum outcome parse(const char *args, struct imap_list *out)
{
	struct cur c = cur_of(str_z(args));

	return imap_list_parse(&c, &arena, 3, out);
}

static void accepted(void **state)
{
	static const struct {
		const char *args;
		bool extended;
		unsigned select, returns, status;
		size_t n_patterns;
	} cases[] = {
		{ "\"\" *", false, 0, 0, 0, 1 },
		{ "{2}\r\na/ {1+}\r\n%", false, 0, 0, 0, 1 },
		{ "() \"\" *", true, 0, 0, 0, 1 },
		{ "\"\" (a)", true, 0, 0, 0, 1 },
		{ "\"\" (a \"b c\" {1}\r\nd)", true, 0, 0, 0, 3 },
		{ "\"\" * return ()", true, 0, 0, 0, 1 },
		{ "(subscribed) \"\" *", true, IMAP_LIST_SUBSCRIBED, 0, 0, 1 },
		{ "(SUBSCRIBED RECURSIVEMATCH) \"\" *", true, IMAP_LIST_SUBSCRIBED | IMAP_LIST_RECURSIVEMATCH, 0, 0,
			1 },
		{ "(RECURSIVEMATCH SPECIAL-USE REMOTE) \"\" *", true,
			IMAP_LIST_SPECIAL_USE | IMAP_LIST_REMOTE | IMAP_LIST_RECURSIVEMATCH, 0, 0, 1 },
		{ "\"\" * RETURN (CHILDREN SPECIAL-USE SUBSCRIBED)", true, 0,
			IMAP_RETURN_CHILDREN | IMAP_RETURN_SPECIAL_USE | IMAP_RETURN_SUBSCRIBED, 0, 1 },
		{ "\"\" * RETURN (STATUS (SIZE DELETED-STORAGE) CHILDREN)", true, 0,
			IMAP_RETURN_CHILDREN | IMAP_RETURN_STATUS,
			1u << IMAP_STATUS_SIZE | 1u << IMAP_STATUS_DELETED_STORAGE, 1 },
		{ "\"\" * RETURN (STATUS (DELETED))", true, 0, IMAP_RETURN_STATUS, 1u << IMAP_STATUS_DELETED, 1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct imap_list x;

		if (parse(cases[i].args, &x) != OK || x.extended != cases[i].extended || x.select != cases[i].select ||
			x.returns != cases[i].returns || x.status != cases[i].status ||
			x.n_patterns != cases[i].n_patterns)
			fail_msg("%s", cases[i].args);
	}
}

static void refused(void **state)
{
	static const char *const cases[] = {
		"",
		"\"\"",
		"\"\" ",
		"\"\" * ",
		"\"\" ()",
		"\"\" (a",
		"\"\" (a  b)",
		"(SUBSCRIBED)\"\" *",
		"(SUBSCRIBED  REMOTE) \"\" *",
		"(SUBSCRIBEDX) \"\" *",
		"(RECURSIVEMATCH) \"\" *",
		"(RECURSIVEMATCH REMOTE) \"\" *",
		"(CHILDREN) \"\" *",
		"\"\" * RETURN",
		"\"\" * RETURN (",
		"\"\" * RETURN (REMOTE)",
		"\"\" * RETURN (STATUS)",
		"\"\" * RETURN (STATUS ())",
		"\"\" * RETURN (STATUS (MESSAGES) )",
		"\"\" * RETURN (STATUS (DELETED-))",
		"\"\" * RETURN () x",
		"(SUBSCRIBED) \"\" * (SUBSCRIBED)",
		"{9}\r\na *",
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct imap_list x;

		if (parse(cases[i], &x) != BAD_SYNTAX)
			fail_msg("%s", cases[i]);
	}
}

static void limits(void **state)
{
	struct imap_list x;

	(void)state;
	assert_int_equal(parse("\"\" (a b c)", &x), OK);
	assert_str(x.patterns[2], STR("c"));
	assert_int_equal(parse("\"\" (a b c d)", &x), OVER_LIMIT);
}

RUN(TEST(accepted), TEST(refused), TEST(limits))
