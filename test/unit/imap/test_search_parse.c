/* test/unit/imap/test_search_parse.c - search programs. */
#include "unit.h"

#include "imap/search_parse.h"
#include "ipc/words.h"

#include <stdio.h>

static const char *const ops[SEARCH_OP_COUNT] = {
	[SEARCH_AND] = "&",
	[SEARCH_OR] = "|",
	[SEARCH_NOT] = "!",
	[SEARCH_ALL] = "all",
	[SEARCH_FLAG] = "flag",
	[SEARCH_KEYWORD] = "keyword",
	[SEARCH_SEQ] = "seq",
	[SEARCH_UID] = "uid",
	[SEARCH_BEFORE] = "before",
	[SEARCH_ON] = "on",
	[SEARCH_SINCE] = "since",
	[SEARCH_SENT_BEFORE] = "sbefore",
	[SEARCH_SENT_ON] = "son",
	[SEARCH_SENT_SINCE] = "ssince",
	[SEARCH_LARGER] = "larger",
	[SEARCH_SMALLER] = "smaller",
	[SEARCH_SUBJECT] = "subject",
	[SEARCH_FROM] = "from",
	[SEARCH_TO] = "to",
	[SEARCH_CC] = "cc",
	[SEARCH_BCC] = "bcc",
	[SEARCH_HEADER] = "header",
	[SEARCH_BODY] = "body",
	[SEARCH_TEXT] = "text",
	[SEARCH_OLDER] = "older",
	[SEARCH_YOUNGER] = "younger",
};

static enum outcome parse(const char *in, struct str *out)
{
	struct cur c = cur_of(str_z(in));
	struct imap_search s;
	enum outcome o = imap_search_parse(&c, &arena, 256, &s);

	*out = STR("");
	for (size_t i = 0; i < s.n && o == OK; i++) {
		const struct ipc_search_key *k = &s.keys[i];

		*out = arena_fmt(&arena, "%.*s%s%s", STR_ARG(*out), i ? " " : "", ops[k->op]);
		if (k->number)
			*out = arena_fmt(&arena, "%.*s%lld", STR_ARG(*out), (long long)k->number);
		if (k->field.n || k->text.n)
			*out = arena_fmt(&arena, "%.*s<%.*s,%.*s>", STR_ARG(*out), STR_ARG(k->field), STR_ARG(k->text));
		for (size_t r = 0; r < k->n_set; r++)
			*out = arena_fmt(&arena, "%.*s[%u:%u]", STR_ARG(*out), k->set[r].lo, k->set[r].hi);
	}
	return o;
}

static void good(void **state)
{
	static const char *const cases[][2] = {
		{ "ALL", "&1 all" },
		{ "SEEN unseen", "&2 flag1 ! flag1" },
		{ "NEW OLD RECENT", "&3 &2 flag32 ! flag1 ! flag32 flag32" },
		{ "ANSWERED DELETED DRAFT FLAGGED", "&4 flag2 flag8 flag16 flag4" },
		{ "UNANSWERED UNDELETED UNDRAFT UNFLAGGED", "&4 ! flag2 ! flag8 ! flag16 ! flag4" },
		{ "KEYWORD work UNKEYWORD $x", "&2 keyword<,work> ! keyword<,$x>" },
		{ "OR SEEN NOT DELETED", "&1 | flag1 ! flag8" },
		{ "OR OR SEEN DRAFT NOT NOT ALL 1", "&2 | | flag1 flag16 ! ! all seq[1:1]" },
		{ "(SEEN (DRAFT)) ALL", "&2 &2 flag1 &1 flag16 all" },
		{ "NOT (SEEN DRAFT)", "&1 ! &2 flag1 flag16" },
		{ "OR (SEEN) (DRAFT ALL)", "&1 | &1 flag1 &2 flag16 all" },
		{ "1:3,7 UID 5:*", "&2 seq[1:3][7:7] uid[5:0]" },
		{ "*", "&1 seq[0:0]" },
		{ "BEFORE 1-Feb-1970 ON \"2-Jan-1970\" SINCE 01-Jan-1970", "&3 before31 on1 since" },
		{ "SENTBEFORE 2-Jan-1970 SENTON 3-Jan-1970 SENTSINCE 4-Jan-1970", "&3 sbefore1 son2 ssince3" },
		{ "LARGER 10 SMALLER 0", "&2 larger10 smaller" },
		{ "OLDER 60 YOUNGER 5", "&2 older60 younger5" },
		{ "FROM a TO \"b c\" CC {1}\r\nd BCC e SUBJECT f", "&5 from<,a> to<,b c> cc<,d> bcc<,e> subject<,f>" },
		{ "HEADER X-A \"\" BODY b TEXT t", "&3 header<X-A,> body<,b> text<,t>" },
		{ "charset UTF-8 SUBJECT \"\xc3\xa9\"", "&1 subject<,\xc3\xa9>" },
		{ "CHARSET \"us-ascii\" ALL", "&1 all" },
	};
	struct str got;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		if (parse(cases[i][0], &got) != OK)
			fail_msg("%s", cases[i][0]);
		assert_str(got, str_z(cases[i][1]));
	}
}

static void bad(void **state)
{
	static const char *const cases[] = {
		"",
		" ",
		"FOO",
		"SEENX",
		"SEEN ",
		"SEEN  ALL",
		"()",
		"(SEEN",
		"SEEN)",
		"OR",
		"OR SEEN",
		"OR SEEN ",
		"OR (SEEN DRAFT)",
		"NOT",
		"NOT )",
		"KEYWORD",
		"KEYWORD \"a\"",
		"KEYWORD \\Seen",
		"BEFORE 30-Feb-2026",
		"BEFORE x",
		"ON \"1-Jan-1970",
		"LARGER -1",
		"LARGER 4294967296",
		"OLDER 0",
		"HEADER a",
		"SUBJECT",
		"UID",
		"UID 0",
		"0",
		"1,",
		"CHARSET",
		"CHARSET UTF-8",
		"SUBJECT \"\xff\"",
		"SUBJECT {5}\r\nab",
		"ALL(SEEN)",
		"(SEEN)(SEEN)",
		"NOT(SEEN)",
	};
	struct str got;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		if (parse(cases[i], &got) != BAD_SYNTAX)
			fail_msg("%s", cases[i]);
}

static void charset(void **state)
{
	struct cur c = cur_of(STR("CHARSET KOI8-R SUBJECT \"\xff\""));
	struct imap_search s;

	(void)state;
	assert_int_equal(imap_search_parse(&c, &arena, 256, &s), OK);
	assert_true(s.bad_charset);
}

static enum outcome repeated(const char *head, const char *item, int n, const char *last)
{
	struct str got;
	struct buf b;
	enum outcome o;

	buf_init(&b, 1 << 20);
	buf_addz(&b, head);
	for (int i = 0; i < n; i++)
		buf_addz(&b, item);
	buf_addz(&b, last);
	buf_addc(&b, 0);
	o = parse(b.p, &got);
	buf_fini(&b);
	return o;
}

static void limits(void **state)
{
	(void)state;
	assert_int_equal(repeated("ALL", " ALL", 254, ""), OK); /* and the AND of all */
	assert_int_equal(repeated("ALL", " ALL", 255, ""), OVER_LIMIT);
	assert_int_equal(repeated("", "NOT ", IMAP_SEARCH_DEPTH_MAX - 1, "ALL"), OK);
	assert_int_equal(repeated("", "NOT ", IMAP_SEARCH_DEPTH_MAX, "ALL"), OVER_LIMIT);
	assert_int_equal(repeated("", "(", IMAP_SEARCH_DEPTH_MAX, "ALL"), OVER_LIMIT);
	assert_int_equal(repeated("SUBJECT ", "x", 1024, ""), OK);
	assert_int_equal(repeated("SUBJECT ", "x", 1025, ""), OVER_LIMIT);
	assert_int_equal(repeated("HEADER ", "x", 129, " a"), OVER_LIMIT);
	assert_int_equal(repeated("KEYWORD ", "x", 65, ""), OVER_LIMIT);
	assert_int_equal(repeated("1", ",1", 999, ""), OK);
	assert_int_equal(repeated("1", ",1", 1000, ""), OVER_LIMIT);
}

RUN(TEST(good), TEST(bad), TEST(charset), TEST(limits))
