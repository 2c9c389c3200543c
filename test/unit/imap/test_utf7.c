/* test/unit/imap/test_utf7.c - mailbox names on the wire. */
#include "unit.h"

#include "imap/utf7.h"

static void both_ways(void **state)
{
	static const struct {
		struct str wire, utf8;
	} cases[] = {
		{ STR(""), STR("") },
		{ STR("INBOX"), STR("INBOX") },
		{ STR("a&-b"), STR("a&b") },
		{ STR("&-&-"), STR("&&") },
		{ STR("~peter/mail/&U,BTFw-/&ZeVnLIqe-"),
			STR("~peter/mail/\xe5\x8f\xb0\xe5\x8c\x97/\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e") },
		{ STR("Entw&APw-rfe"), STR("Entw\xc3\xbcrfe") },
		{ STR("&2D3eAA-"), STR("\xf0\x9f\x98\x80") },
		{ STR("&AOkA6QDp-"), STR("\xc3\xa9\xc3\xa9\xc3\xa9") },
		{ STR("&AOk-&-"), STR("\xc3\xa9&") },
		{ STR("&AP8-"), STR("\xc3\xbf") },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct buf b;

		buf_init(&b, 1000);
		if (!imap_utf7_decode(cases[i].wire, &b))
			fail_msg("%.*s", STR_ARG(cases[i].wire));
		assert_str(buf_str(&b), cases[i].utf8);
		buf_reset(&b);
		imap_utf7_encode(cases[i].utf8, &b);
		assert_str(buf_str(&b), cases[i].wire);
		buf_fini(&b);
	}
}

static void strict(void **state)
{
	static const struct str cases[] = {
		STR("\xc3\xa9"),
		STR("a\tb"),
		STR("a\x7f"),
		STR("&"),
		STR("a&"),
		STR("&AOk"),
		STR("&AOk a-"),
		STR("&A-"),
		STR("&AO-"),
		STR("&AOl-"),
		STR("&AOkA-"),
		STR("&AGE-"),
		STR("&ACY-"),
		STR("&AAA-"),
		STR("&AH8-"),
		STR("&2D0-"),
		STR("&3gA-"),
		STR("&3gDYPQ-"),
		STR("&2D3YPQ-"),
		STR("&AOk-&AOk-"),
		STR("&AO=-"),
		STR("&//8"),
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct buf b;

		buf_init(&b, 1000);
		buf_addz(&b, "before");
		if (imap_utf7_decode(cases[i], &b))
			fail_msg("%.*s", STR_ARG(cases[i]));
		assert_str(buf_str(&b), STR("before"));
		buf_fini(&b);
	}
}

static void full(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 3);
	assert_true(imap_utf7_decode(STR("abc"), &b));
	buf_reset(&b);
	assert_false(imap_utf7_decode(STR("abcd"), &b));
	buf_fini(&b);
}

RUN(TEST(both_ways), TEST(strict), TEST(full))
