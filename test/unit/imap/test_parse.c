/* test/unit/imap/test_parse.c - tokens, literals, flags, the head of APPEND. */
#include "unit.h"

#include "imap/parse.h"
#include "ipc/words.h"

static void astrings(void **state)
{
	static const struct {
		struct str in, want;
		bool good;
	} cases[] = {
		{ STR("abc"), STR("abc"), true },
		{ STR("a]b+c&-"), STR("a]b+c&-"), true },
		{ STR("\"\""), STR(""), true },
		{ STR("\"a b\""), STR("a b"), true },
		{ STR("\"a\\\"b\\\\\""), STR("a\"b\\"), true },
		{ STR("\"\\\\\\\"\""), STR("\\\""), true },
		{ STR("{3}\r\na b"), STR("a b"), true },
		{ STR("{3+}\r\n\"\r\n"), STR("\"\r\n"), true },
		{ STR("{0}\r\n"), STR(""), true },
		{ STR("\"\xc3\xa9\""), STR("\xc3\xa9"), true },
		{ STR(""), STR(""), false },
		{ STR("("), STR(""), false },
		{ STR("\"abc"), STR(""), false },
		{ STR("\"a\\b\""), STR(""), false },
		{ STR("\"a\\"), STR(""), false },
		{ STR("\"a\r\nb\""), STR(""), false },
		{ STR("{3}\r\nab"), STR(""), false },
		{ STR("{3}"), STR(""), false },
		{ STR("{3}\nabc"), STR(""), false },
		{ STR("{}\r\n"), STR(""), false },
		{ STR("{-1}\r\n"), STR(""), false },
		{ STR("{18446744073709551615}\r\nabc"), STR(""), false },
		{ STR("{99999999999999999999}\r\nabc"), STR(""), false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct cur c = cur_of(cases[i].in);
		struct str got = imap_astring(&c, &arena);

		if (cur_done(&c) != cases[i].good)
			fail_msg("%.*s", STR_ARG(cases[i].in));
		if (cases[i].good)
			assert_str(got, cases[i].want);
	}
}

static void literals(void **state)
{
	static const struct {
		const char *in;
		bool is, sync;
		uint64_t size;
	} cases[] = {
		{ "a {5}", true, true, 5 },
		{ "a {5+}", true, false, 5 },
		{ "{0}", true, true, 0 },
		{ "a {99999999999999999999999+}", true, false, UINT64_MAX },
		{ "a", false, 0, 0 },
		{ "a }", false, 0, 0 },
		{ "a {}", false, 0, 0 },
		{ "a {+}", false, 0, 0 },
		{ "a {5-}", false, 0, 0 },
		{ "a {5++}", false, 0, 0 },
		{ "a {5} ", false, 0, 0 },
		{ "a {x5}", false, 0, 0 },
		{ "}{", false, 0, 0 },
		{ "{{5}", true, true, 5 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct imap_literal l = { 0 };

		if (imap_literal_at_end(str_z(cases[i].in), &l) != cases[i].is)
			fail_msg("%s", cases[i].in);
		if (cases[i].is) {
			assert_true(l.size == cases[i].size);
			assert_int_equal(l.sync, cases[i].sync);
		}
	}
}

static bool flags(struct str in, struct imap_flags *f)
{
	struct cur c = cur_of(in);

	imap_flag_list(&c, f);
	return cur_done(&c);
}

static void flag_lists(void **state)
{
	struct imap_flags *f = arena_new(&arena, struct imap_flags);
	struct buf many;

	(void)state;
	assert_true(flags(STR("()"), f));
	assert_int_equal(f->bits, 0);
	assert_true(flags(STR("(\\seen \\FLAGGED work $Junk Work)"), f));
	assert_int_equal(f->bits, MSG_SEEN | MSG_FLAGGED);
	assert_int_equal(f->n_keywords, 2);
	assert_str(f->keywords[1], STR("$Junk"));
	assert_false(flags(STR("(\\Recent)"), f));
	assert_false(flags(STR("(\\Seen)x"), f));
	assert_false(flags(STR("( \\Seen)"), f));
	assert_false(flags(STR("(\\Seen  a)"), f));
	assert_false(flags(STR("(a]b)"), f));
	assert_false(flags(STR("(\\*)"), f));
	buf_init(&many, 4096);
	buf_addc(&many, '(');
	for (int i = 0; i < 64; i++)
		buf_addf(&many, "%sk%d", i ? " " : "", i);
	buf_addc(&many, ')');
	assert_true(flags(buf_str(&many), f) && f->n_keywords == 64 && !f->over);
	buf_cut(&many, many.n - 1);
	buf_addz(&many, " k64)");
	assert_true(flags(buf_str(&many), f) && f->n_keywords == 64 && f->over);
	buf_fini(&many);
}

static void append_heads(void **state)
{
	static const struct {
		const char *in;
		bool ready;
	} cases[] = {
		{ "inbox {5}", true },
		{ "\"a b\" (\\Seen) {5+}", true },
		{ "{3}\r\na b {5}", true },
		{ "x () \" 1-Jan-2026 00:00:00 +0000\" {5}", true },
		{ "x \"17-Jul-1996 02:44:25 -0700\" {5}", true },
		{ "{5}", false },
		{ "inbox", false },
		{ "inbox (\\Seen {5}", false },
		{ "inbox (\\Recent) {5}", false },
		{ "inbox \"32-Jul-1996 02:44:25 -0700\" {5}", false },
		{ "inbox  {5}", false },
		{ "inbox {5} {6}", false },
		{ "inbox () () {5}", false },
		{ "inbox \"17-Jul-1996 02:44:25 -0700\"{5}", false },
		{ "inbox ~{5}", true },
		{ "inbox () ~{5+}", true },
		{ "inbox UTF8 (~{5}", true },
		{ "inbox \"17-Jul-1996 02:44:25 -0700\" utf8 (~{5+}", true },
		{ "inbox UTF8 ({5}", false },
		{ "inbox UTF8 ~{5}", false },
		{ "inbox UTF8 (~{5})", false },
		{ "inbox ~~{5}", false },
	};
	struct imap_append *x = arena_new(&arena, struct imap_append);

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		if (imap_append_parse(str_z(cases[i].in), &arena, x) != cases[i].ready)
			fail_msg("%s", cases[i].in);
	assert_true(imap_append_parse(STR("x \"01-Jan-1970 01:00:00 +0100\" {5}"), &arena, x));
	assert_true(x->has_date && x->date_s == 0);
}

static void append_more(void **state)
{
	static const struct {
		const char *line;
		bool utf8;
		enum imap_append_next next;
	} cases[] = {
		{ "", false, IMAP_APPEND_END },
		{ "", true, IMAP_APPEND_BAD },
		{ ")", true, IMAP_APPEND_END },
		{ ")", false, IMAP_APPEND_BAD },
		{ " {5}", false, IMAP_APPEND_MORE },
		{ ") (\\Seen) {5}", true, IMAP_APPEND_MORE },
		{ " (a b) \"17-Jul-1996 02:44:25 -0700\" ~{5+}", false, IMAP_APPEND_MORE },
		{ " ", false, IMAP_APPEND_BAD },
		{ "{5}", false, IMAP_APPEND_BAD },
		{ " inbox {5}", false, IMAP_APPEND_BAD },
		{ " {5} ", false, IMAP_APPEND_BAD },
	};
	struct imap_append *x = arena_new(&arena, struct imap_append);

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		x->utf8 = cases[i].utf8;
		if (imap_append_behind(str_z(cases[i].line), x) != cases[i].next)
			fail_msg("[%s]", cases[i].line);
	}
	x->utf8 = false;
	assert_true(imap_append_behind(STR(" (k) {7+}"), x) == IMAP_APPEND_MORE);
	assert_true(x->flags.n_keywords == 1 && x->literal.size == 7 && !x->literal.sync && !x->binary);
}

static void writing(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 100);
	imap_add_quoted(&b, STR("a\"\\\r\n"));
	assert_str(buf_str(&b), STR("\"a\\\"\\\\??\""));
	buf_reset(&b);
	imap_add_astring(&b, STR("a]"));
	imap_add_astring(&b, STR(""));
	imap_add_astring(&b, STR("a b"));
	assert_str(buf_str(&b), STR("a]\"\"\"a b\""));
	buf_fini(&b);
}

static void words(void **state)
{
	struct cur c = cur_of(STR("BODYSTRUCTURE"));

	(void)state;
	assert_false(imap_try_word(&c, STR("BODY")));
	assert_true(imap_try_word(&c, STR("bodystructure")) && cur_done(&c));
	c = cur_of(STR("ALL)"));
	assert_true(imap_try_word(&c, STR("ALL")));
}

RUN(TEST(astrings), TEST(literals), TEST(flag_lists), TEST(append_heads), TEST(append_more), TEST(writing), TEST(words))
