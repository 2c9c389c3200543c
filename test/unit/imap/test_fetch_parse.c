/* test/unit/imap/test_fetch_parse.c - what FETCH asks. */
#include "unit.h"

#include "imap/fetch_parse.h"

/* The labels in order, a comma between; those that set \Seen with a "!". */
static bool labels(const char *in, struct str *out)
{
	struct cur c = cur_of(str_z(in));
	struct imap_fetch f;

	imap_fetch_parse(&c, &arena, &f);
	*out = STR("");
	for (size_t i = 0; i < f.n && cur_done(&c); i++)
		*out = arena_fmt(&arena, "%.*s%s%.*s%s", STR_ARG(*out), i ? "," : "", STR_ARG(f.items[i].label),
			f.items[i].sets_seen ? "!" : "");
	return cur_done(&c);
}

static void good(void **state)
{
	static const char *const cases[][2] = {
		{ "ALL", "FLAGS,INTERNALDATE,RFC822.SIZE,ENVELOPE" },
		{ "fast", "FLAGS,INTERNALDATE,RFC822.SIZE" },
		{ "FULL", "FLAGS,INTERNALDATE,RFC822.SIZE,ENVELOPE,BODY" },
		{ "flags", "FLAGS" },
		{ "(FLAGS UID FLAGS)", "FLAGS,UID" },
		{ "RFC822", "RFC822!" },
		{ "(rfc822.size rfc822.header rfc822.text)", "RFC822.SIZE,RFC822.HEADER,RFC822.TEXT!" },
		{ "(BODY BODYSTRUCTURE BODY[])", "BODY,BODYSTRUCTURE,BODY[]!" },
		{ "body.peek[]", "BODY[]" },
		{ "BODY[]<0.100>", "BODY[]<0>!" },
		{ "BODY[1.2.3]", "BODY[1.2.3]!" },
		{ "BODY[1.header]", "BODY[1.HEADER]!" },
		{ "BODY.PEEK[4.2.MIME]<5.1>", "BODY[4.2.MIME]<5>" },
		{ "BODY[TEXT]", "BODY[TEXT]!" },
		{ "BODY.PEEK[HEADER.FIELDS (From \"To\" {2}\r\ncc)]", "BODY[HEADER.FIELDS (From To cc)]" },
		{ "BODY.PEEK[HEADER.FIELDS.NOT (\"a b\")]", "BODY[HEADER.FIELDS.NOT (\"a b\")]" },
	};
	struct str got;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		if (!labels(cases[i][0], &got))
			fail_msg("%s", cases[i][0]);
		assert_str(got, str_z(cases[i][1]));
	}
}

static void bad(void **state)
{
	static const char *const cases[] = {
		"",
		"()",
		"(ALL)",
		"FLAGS UID",
		"(FLAGS  UID)",
		"(FLAGS",
		"FOO",
		"BODY[",
		"BODY[0]",
		"BODY[1.]",
		"BODY[.1]",
		"BODY[1.0]",
		"BODY[MIME]",
		"BODY[1MIME]",
		"BODY[1.FOO]",
		"BODY[HEADER.FIELDS]",
		"BODY[HEADER.FIELDS ()]",
		"BODY[HEADER.FIELDS (a]",
		"BODY[HEADERX]",
		"BODY[]<>",
		"BODY[]<1>",
		"BODY[]<1.0>",
		"BODY[]<-1.5>",
		"BODY[]<1.99999999999>",
		"BODY.PEEK",
		"BODYX",
		"RFC822.SIZEX",
		"BODY[TEXT.1]",
		"BODY[4294967296]",
		"BODY []",
		"RFC822.PEEK",
	};
	struct str got;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		if (labels(cases[i], &got))
			fail_msg("%s", cases[i]);
}

static void limits(void **state)
{
	struct str got;
	struct buf b;

	(void)state;
	for (int over = 0; over < 2; over++) {
		buf_init(&b, 4096);
		for (int i = 0; i < IMAP_FETCH_ITEMS_MAX + over; i++)
			buf_addz(&b, i ? " BODY[]" : "(BODY[]");
		buf_addz(&b, ")");
		buf_addc(&b, 0);
		assert_int_equal(labels(b.p, &got), !over);
		buf_reset(&b);
		buf_addz(&b, "BODY[");
		for (int i = 0; i < IMAP_PATH_MAX + over; i++)
			buf_addz(&b, i ? ".1" : "1");
		buf_addz(&b, "]");
		buf_addc(&b, 0);
		assert_int_equal(labels(b.p, &got), !over);
		buf_fini(&b);
	}
}

RUN(TEST(good), TEST(bad), TEST(limits))
