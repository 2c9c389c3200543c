/* test/unit/imap/test_section.c - where sections lie, in a letter with a prefix. */
#include "unit.h"

#include "imap/section.h"

#define PREFIX "Return-Path: <>\r\n"
#define LETTER                                                                                                         \
	"Subject: s\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\npreamble\r\n--b\r\n\r\none\r\n--b\r\n"         \
	"Content-Type: message/rfc822\r\n\r\nSubject: in\r\nContent-Type: multipart/x; boundary=c\r\n\r\n--c\r\nA: "   \
	"1\r\n\r\ndeep\r\n--c--\r\n--b--\r\n"

static struct str find(struct str letter, struct str prefix, const char *what, bool with_index)
{
	struct str whole = arena_fmt(&arena, "%.*s%.*s", STR_ARG(prefix), STR_ARG(letter));
	struct imap_message m = { .size = (uint32_t)whole.n, .prefix_n = (uint32_t)prefix.n };
	struct cur c = cur_of(arena_fmt(&arena, "BODY.PEEK[%s", what));
	struct mail_index x;
	struct imap_fetch f;
	uint32_t at, n;

	m.header_n = (uint32_t)(prefix.n + (size_t)str_search(letter, STR("\r\n\r\n")) + 4);
	mail_index_make(letter, &mail_index_limits_default, &arena, &x);
	m.index = with_index ? &x : NULL;
	imap_fetch_parse(&c, &arena, &f);
	assert_true(cur_done(&c));
	if (!imap_section_find(&m, &f.items[0], &at, &n))
		return STR("NIL");
	imap_section_cut(&f.items[0], &at, &n);
	assert_true((uint64_t)at + n <= whole.n);
	return str_sub(whole, at, n);
}

static void sections(void **state)
{
	static const char *const cases[][2] = {
		{ "1]", "one" },
		{ "2.1]", "deep" },
		{ "2.1.MIME]", "A: 1\r\n\r\n" },
		{ "2.MIME]", "Content-Type: message/rfc822\r\n\r\n" },
		{ "2.HEADER]", "Subject: in\r\nContent-Type: multipart/x; boundary=c\r\n\r\n" },
		{ "2.TEXT]", "--c\r\nA: 1\r\n\r\ndeep\r\n--c--" },
		{ "1.HEADER]", "NIL" },
		{ "3]", "NIL" },
		{ "HEADER]", PREFIX "Subject: s\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" },
		{ "]<3.5>", "urn-P" },
		{ "1]<1.1>", "n" },
		{ "1]<1.99>", "ne" },
		{ "1]<9.99>", "" },
		{ "TEXT]<0.8>", "preamble" },
		{ "TEXT]<4294967295.4294967295>", "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		assert_str(find(STR(LETTER), STR(PREFIX), cases[i][0], true), str_z(cases[i][1]));
	assert_str(find(STR(LETTER), STR(PREFIX), "]", true), STR(PREFIX LETTER));
}

static void without_index(void **state)
{
	(void)state;
	assert_str(find(STR(LETTER), STR(PREFIX), "TEXT]<0.8>", false), STR("preamble"));
	assert_str(find(STR(LETTER), STR(PREFIX), "1]", false), STR("NIL"));
}

static void one_part(void **state)
{
	(void)state;
	assert_str(find(STR("A: b\r\n\r\nbody\r\n"), STR(PREFIX), "1]", true), STR("body\r\n"));
	assert_str(find(STR("A: b\r\n\r\nbody\r\n"), STR(PREFIX), "TEXT]", true), STR("body\r\n"));
	assert_str(find(STR("A: b\r\n\r\nbody\r\n"), STR(PREFIX), "1.TEXT]", true), STR("NIL"));
	assert_str(find(STR("A: b\r\n\r\nbody\r\n"), STR(PREFIX), "2]", true), STR("NIL"));
}

RUN(TEST(sections), TEST(without_index), TEST(one_part))
