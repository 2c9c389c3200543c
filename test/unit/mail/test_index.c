/* test/unit/mail/test_index.c - the part index: tree, ENVELOPE, BODYSTRUCTURE, codec, part numbers.
 * With a directory as its argument the program only checks every file of it against the grammar and itself. */
#include "imap_form.h"

#include "mail/decode.h"
#include "mail/envelope.h"

#include "unit.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

static struct arena arena;

static struct mail_index make(struct str letter, const struct mail_index_limits *l)
{
	struct mail_index x;
	const char *wrong;

	mail_index_make(letter, l, &arena, &x);
	wrong = form_index_wrong(letter, &x, l);
	if (wrong)
		fail_msg("index: %s in %.*s", wrong, STR_ARG(x.bodystructure));
	return x;
}

static struct mail_index of(const char *letter)
{
	return make(str_z(letter), &mail_index_limits_default);
}

static void plain(void **state)
{
	struct mail_index x =
		of("From: Terry Gray <gray@cac.washington.edu>\r\nSubject: s\r\n"
		   "Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\r\nMessage-Id: <B27397-0100000@cac.washington.edu>\r\n"
		   "In-Reply-To: <a@b> and <c@d>\r\nReferences: <1@x>\r\n <2@\r\n x> junk <>\r\n\r\none\r\ntwo\r\n");

	is_str(x.envelope,
		"(\"Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\" \"s\" ((\"Terry Gray\" NIL \"gray\" "
		"\"cac.washington.edu\")) "
		"((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) ((\"Terry Gray\" NIL \"gray\" "
		"\"cac.washington.edu\")) NIL NIL NIL \"<a@b> and <c@d>\" \"<B27397-0100000@cac.washington.edu>\")");
	is_str(x.body, "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 10 2)");
	is_str(x.bodystructure,
		"(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 10 2 NIL NIL NIL NIL)");
	is_str(x.message_id, "<B27397-0100000@cac.washington.edu>");
	is_str(x.in_reply_to, "<a@b>");
	is_str(x.references, "<1@x> <2@x>");
	assert_int_equal(x.date_s, 837595405);
	assert_int_equal(x.date_zone_min, -420);
	assert_int_equal(x.n_parts, 1);
	assert_false(x.has_8bit || x.has_nul || x.has_bare || x.cut);
}

static void facts(void **state)
{
	struct mail_index x = make(str_of("a: b\r\n\r\n\0\xff\rx\r\n", 14), &mail_index_limits_default);

	assert_true(x.has_8bit && x.has_nul && x.has_bare);
	assert_int_equal(x.lines, 3);
	assert_true(of("a: b\n\nx").has_bare);
	x = of("");
	assert_int_equal(x.size, 0);
	assert_int_equal(x.date_s, INT64_MIN);
	is_str(x.envelope, "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)");
	x = of("\r\nno header");
	assert_int_equal(x.parts[0].header_n, 2);
	assert_int_equal(x.parts[0].body_n, 9);
	x = of("a: b");
	assert_int_equal(x.parts[0].body_at, 4);
}

/* Each position of a wide load must be seen: sixteen bytes at a time is easy to get wrong at the edges. */
static void facts_at_every_offset(void **state)
{
	char text[100];

	for (size_t i = 0; i < sizeof text; i++) {
		struct mail_index x;

		memset(text, 'x', sizeof text);
		text[i] = '\n';
		x = make(str_of(text, sizeof text), &mail_index_limits_default);
		assert_true(x.has_bare && x.lines == 1 && !x.has_8bit && !x.has_nul);
		if (i) {
			text[i - 1] = '\r';
			assert_false(make(str_of(text, sizeof text), &mail_index_limits_default).has_bare);
		}
		text[i] = (char)0x80;
		x = make(str_of(text, sizeof text), &mail_index_limits_default);
		assert_true(x.has_8bit && x.has_bare == (i > 0));
	}
}

static void envelopes(void **state)
{
	struct mail_index x =
		of("From: =?utf-8?q?J=C3=B6rg?= <j@x.test>\r\nSender: s@x.test\r\nReply-To: \r\n"
		   "To: A Group:Ed <c@a.test>, x@b.test;\r\nTo: more@c.test\r\nCc: \"q\\\"uote\\\\d\" <q@x.test>\r\n"
		   "Bcc: (nothing)\r\nSubject: caf\xc3\xa9\r\n  folded \"quoted\"\r\n\r\n");

	is_str(x.envelope,
		"(NIL {21}\r\ncaf\xc3\xa9 folded \"quoted\" ((\"=?utf-8?q?J=C3=B6rg?=\" NIL \"j\" \"x.test\")) "
		"((NIL NIL \"s\" \"x.test\")) ((\"=?utf-8?q?J=C3=B6rg?=\" NIL \"j\" \"x.test\")) "
		"((NIL NIL \"A Group\" NIL)(\"Ed\" NIL \"c\" \"a.test\")(NIL NIL \"x\" \"b.test\")(NIL NIL NIL NIL)"
		"(NIL NIL \"more\" \"c.test\")) ((\"q\\\"uote\\\\d\" NIL \"q\" \"x.test\")) NIL NIL NIL)");
	is_str(x.from, "J\xc3\xb6rg <j@x.test>");
	is_str(x.to, "A Group:Ed <c@a.test>, x@b.test;, more@c.test");
	is_str(x.subject, "caf\xc3\xa9 folded \"quoted\"");
	is_str(of("To: <Undisclosed Recipients>\r\n\r\n").envelope,
		"(NIL NIL NIL NIL NIL ((NIL NIL \"Undisclosed Recipients\" \"\")) NIL NIL NIL NIL)");
	is_str(of("From: (c)\r\n\r\n").envelope, "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)");
	is_str(of("Subject:\r\n\r\n").envelope, "(NIL \"\" NIL NIL NIL NIL NIL NIL NIL NIL)");
	x = make(str_of("Subject: a\0b\r\n\r\n", 16), &mail_index_limits_default);
	is_str(x.envelope, "(NIL \"a?b\" NIL NIL NIL NIL NIL NIL NIL NIL)");
}

/* The example of RFC 9051 7.5.2, and with what extension data there is. */
static void structures(void **state)
{
	struct mail_index x =
		of("Content-Type: multipart/mixed; boundary=\"x\"\r\n\r\n--x\r\nContent-Type: TEXT/PLAIN; "
		   "CHARSET=US-ASCII\r\n"
		   "\r\n12345\r\n\r\n--x\r\nContent-Type: TEXT/PLAIN; CHARSET=US-ASCII; NAME=cc.diff\r\n"
		   "Content-ID: <960723163407.20117h@cac.washington.edu>\r\nContent-Description: Compiler diff\r\n"
		   "Content-Transfer-Encoding: BASE64\r\n\r\nYQ==\r\n--x--\r\n");

	is_str(x.body, "((\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7bit\" 7 1)(\"TEXT\" \"PLAIN\" "
		       "(\"CHARSET\" \"US-ASCII\" "
		       "\"NAME\" \"cc.diff\") \"<960723163407.20117h@cac.washington.edu>\" \"Compiler diff\" "
		       "\"BASE64\" 4 0) \"mixed\")");
	x = of("Content-Type: image/png\r\nContent-MD5: Q2hlY2sgSW50ZWdyaXR5IQ==\r\nContent-Location: "
	       "http://x.test/\r\n  a\r\n"
	       "Content-Disposition: attachment; filename*0*=utf-8''a%20; filename*1=\"b c\"\r\nContent-Language: en, "
	       "de (x)\r\n\r\nx");
	is_str(x.bodystructure, "(\"image\" \"png\" NIL NIL NIL \"7bit\" 1 \"Q2hlY2sgSW50ZWdyaXR5IQ==\" "
				"(\"attachment\" (\"filename*\" \"utf-8''a%20b%20c\")) "
				"(\"en\" \"de\") \"http://x.test/ a\")");
	is_str(of("Content-Type: a/b; n*1=2; n*0=1; m*1=x; k*=utf-8''x; n*2*=%33\r\nContent-Transfer-Encoding: two "
		  "words\r\n\r\n")
			.body,
		"(\"a\" \"b\" (\"n*\" \"''12%33\" \"m*1\" \"x\" \"k*\" \"utf-8''x\") NIL NIL \"7bit\" 0)");
	x = of("Content-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\nx\r\n");
	is_str(x.bodystructure,
		"(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 18 (NIL \"in\" NIL NIL NIL NIL NIL NIL NIL NIL) "
		"(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 3 1 NIL NIL NIL NIL) 3 NIL NIL NIL "
		"NIL)");
	x = of("Content-Type: multipart/mixed\r\n\r\nno boundary\r\n");
	is_str(x.body, "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 13 1)");
	x = of("Content-Type: multipart/mixed; boundary=b\r\n\r\nnothing\r\n");
	is_str(x.bodystructure, "((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0 NIL NIL NIL NIL) "
				"\"mixed\" (\"boundary\" \"b\") NIL NIL NIL)");
	is_str(of("Content-Type: garbage\r\n\r\n").body,
		"(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0)");
	is_str(of("Content-Type: text; charset=utf-8\r\n\r\n").body,
		"(\"text\" \"plain\" (\"charset\" \"utf-8\") NIL NIL \"7bit\" 0 0)");
}

/* "kind header_at+header_n body_at+body_n/lines parent" a part. */
static void is_tree(const char *letter, const char *want)
{
	struct mail_index x = of(letter);
	struct buf b;

	buf_init(&b, 4096);
	for (size_t i = 0; i < x.n_parts; i++) {
		const struct mail_part *p = &x.parts[i];

		buf_addf(&b, "%s%c %u+%u+%u/%u<%u", i ? "|" : "", "lMm"[p->kind], p -> header_at, p -> header_n,
			p -> body_n, p -> body_lines, p -> parent);
	}
	is_str(buf_str(&b), want);
	buf_fini(&b);
}

#define MIXED(b) "Content-Type: multipart/mixed; boundary=" b "\n\n" /* 41 bytes and the boundary's */

static void trees(void **state)
{
	is_tree(MIXED("b") "--b\n\nx\n--b--\n", "M 0+43+13/4<0|l 47+1+1/0<0");
	is_tree(MIXED("b") "--b\n\nx", "M 0+43+6/2<0|l 47+1+1/0<0");			  /* no final boundary */
	is_tree(MIXED("b") "--b\nA: b\n--b--", "M 0+43+14/2<0|l 47+5+0/0<0");		  /* a header alone */
	is_tree(MIXED("b") "--b\n--b\n--b--", "M 0+43+13/2<0|l 47+0+0/0<0|l 51+0+0/0<0"); /* nothing at all */
	is_tree(MIXED("b") "--b \t\n\nx\n--b-- \n", "M 0+43+16/4<0|l 49+1+1/0<0");	  /* transport padding */
	is_tree(MIXED("b") "--bb\n\n--b\n\nx\n--bx\n", "M 0+43+18/6<0|l 53+1+7/2<0");	  /* longer words are not it */
	is_tree(MIXED("b") "--b\n\nx\n--b--\n--b\n\ny\n", "M 0+43+20/7<0|l 47+1+1/0<0");  /* an epilogue has no parts */
	/* An inner multipart that is not closed ends with the outer one's boundary. */
	is_tree(MIXED("o") "--o\n" MIXED("i") "--i\n\nx\n--o\n\ny\n--o--",
		"M 0+43+66/9<0|M 47+43+6/2<0|l 94+1+1/0<1|l 101+1+1/0<0");
	/* One boundary for both: the inner one is closed first. */
	is_tree(MIXED("b") "--b\n" MIXED("b") "--b\n\nx\n--b--\n--b\n\ny\n--b--",
		"M 0+43+72/10<0|M 47+43+12/3<0|l 94+1+1/0<1|l 107+1+1/0<0");
	/* The inner one begins with the outer one's. */
	is_tree(MIXED("b") "--b\n" MIXED("bb") "--bb\n\nx\n--bb--\n--b--", "M 0+43+68/7<0|M 47+44+14/3<0|l 96+1+1/0<1");
	/* A message in a part, and its multipart. */
	is_tree(MIXED("b") "--b\nContent-Type: message/rfc822\n\n" MIXED("c") "--c\n\nx\n--c--\n--b--",
		"M 0+43+95/9<0|m 47+30+55/5<0|M 77+43+12/3<1|l 124+1+1/0<2");
	/* Its header alone, cut by the boundary: the message's body reaches as far. */
	is_tree(MIXED("b") "--b\nContent-Type: message/rfc822\n\nA: b\n--b--",
		"M 0+43+44/4<0|m 47+30+5/1<0|l 77+5+0/0<1");
	/* A digest's parts are messages. */
	is_tree("Content-Type: multipart/digest; boundary=b\n\n--b\n\nA: b\n\nx\n--b\nContent-Type: "
		"text/plain\n\ny\n--b--",
		"M 0+44+50/9<0|m 48+1+7/2<0|l 49+6+1/0<1|l 61+26+1/0<0");
	/* A message that is encoded is not looked into. */
	is_tree("Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nQTogYgoK\n",
		"m 0+64+9/1<0|l 64+0+9/1<0");
}

static int find(const struct mail_index *x, const char *path)
{
	struct str rest = str_z(path), head;
	uint32_t numbers[10];
	size_t n = 0;

	while (*path && str_split(&rest, '.', &head))
		assert_true(str_to_u32(head, &numbers[n++]));
	return mail_index_find(x, numbers, n);
}

static void part_numbers(void **state)
{
	/* RFC 9051 6.4.5.1's example: 1 text, 2 octets, 3 message (1 text, 2 octets), 4 mixed (1 gif, 2 message (1 text, 2 alternative)) */
	struct mail_index x = of(MIXED("a") "--a\n\nx\n--a\n\nx\n--a\nContent-Type: message/rfc822\n\n" MIXED(
		"c") "--c\n\nx\n--c\n\nx\n--c--\n--a\n" MIXED("d") "--d\n\nx\n--d\nContent-Type: "
								   "message/rfc822\n\n" MIXED("e") "--e\n\nx\n--"
												   "e\n" MIXED(
													   "f") "--"
														"f"
														"\n"
														"\n"
														"x"
														"\n"
														"--"
														"f"
														"\n"
														"\n"
														"x"
														"\n"
														"--"
														"f-"
														"-"
														"\n"
														"--"
														"e-"
														"-"
														"\n"
														"--"
														"d-"
														"-"
														"\n"
														"--"
														"a-"
														"-");

	assert_int_equal(x.n_parts, 15);
	assert_int_equal(find(&x, ""), 0);
	assert_int_equal(find(&x, "1"), 1);
	assert_int_equal(find(&x, "2"), 2);
	assert_int_equal(find(&x, "3"), 3);
	assert_int_equal(find(&x, "3.1"), 5);
	assert_int_equal(find(&x, "3.2"), 6);
	assert_int_equal(find(&x, "3.3"), -1);
	assert_int_equal(find(&x, "4"), 7);
	assert_int_equal(find(&x, "4.1"), 8);
	assert_int_equal(find(&x, "4.2"), 9);
	assert_int_equal(find(&x, "4.2.1"), 11);
	assert_int_equal(find(&x, "4.2.2"), 12);
	assert_int_equal(find(&x, "4.2.2.1"), 13);
	assert_int_equal(find(&x, "4.2.2.2"), 14);
	assert_int_equal(find(&x, "5"), -1);
	assert_int_equal(find(&x, "0"), -1);
	assert_int_equal(find(&x, "1.2"), -1);
	assert_int_equal(find(&x, "1.1"), -1); /* only a letter has a part 1 without being a multipart */
	assert_int_equal(find(&x, "3.1.1"), -1);
	x = of("A: b\n\nx");
	assert_int_equal(find(&x, "1"), 0);
	assert_int_equal(find(&x, "2"), -1);
	assert_int_equal(find(&x, "1.1"), -1);
	x = of("Content-Type: message/rfc822\n\nA: b\n\nx");
	assert_int_equal(find(&x, "1"), 0);
	assert_int_equal(find(&x, "1.1"), 1);
	assert_int_equal(find(&x, "1.1.1"), -1);
	assert_int_equal(find(&x, "1.2"), -1);
}

static void add_nest(struct buf *b, int depth)
{
	for (int i = 0; i < depth; i++)
		buf_addf(b, "Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n", i, i);
}

static void depth_limit(void **state)
{
	struct mail_index_limits l = mail_index_limits_default;
	struct mail_index x;
	struct buf b;

	buf_init(&b, 100000);
	add_nest(&b, 3);
	buf_addz(&b, "\nx");
	l.depth_max = 3;
	x = make(buf_str(&b), &l);
	assert_int_equal(x.n_parts, 4);
	assert_false(x.cut);
	l.depth_max = 2;
	x = make(buf_str(&b), &l);
	assert_int_equal(x.n_parts, 3);
	assert_true(x.cut);
	assert_int_equal(x.parts[2].kind, MAIL_PART_LEAF);
	assert_true(str_search(x.body, STR("\"application\" \"octet-stream\"")) >= 0);
	buf_reset(&b);
	add_nest(&b, 300);
	x = make(buf_str(&b), &mail_index_limits_default);
	assert_int_equal(x.n_parts, 51);
	assert_true(x.cut);
	buf_fini(&b);
}

static void parts_limit(void **state)
{
	static const char letter[] = MIXED("b") "--b\n\n1\n--b\n\n2\n--b\n\n3\n--b--\n";
	struct mail_index_limits l = mail_index_limits_default;
	struct mail_index x;

	l.parts_max = 4;
	x = make(str_z(letter), &l);
	assert_int_equal(x.n_parts, 4);
	assert_false(x.cut);
	assert_int_equal(x.parts[3].body_n, 1);
	l.parts_max = 3;
	x = make(str_z(letter), &l);
	assert_int_equal(x.n_parts, 3);
	assert_true(x.cut);
	assert_int_equal(x.parts[2].body_at + x.parts[2].body_n, sizeof letter - 1); /* it takes the rest */
	l.parts_max = 1;
	x = make(str_z(letter), &l);
	assert_int_equal(x.n_parts, 1);
	assert_true(x.cut);
	x = make(STR("Content-Type: message/rfc822\n\nA: b\n"), &l);
	assert_int_equal(x.parts[0].kind, MAIL_PART_LEAF);
}

/* The forms become shorter step by step, and each is whole: of() checks the grammar. */
static void text_limit(void **state)
{
	struct mail_index_limits l = mail_index_limits_default;
	struct mail_index x;
	struct buf b;
	size_t last = SIZE_MAX;

	buf_init(&b, 1000000);
	buf_addz(&b, "From: a@b.test\nTo: ");
	for (int i = 0; i < 200; i++)
		buf_addf(&b, "%sUser %d <user%d@example.com>,\n ", i == 100 ? "Group: " : "", i, i);
	buf_addz(&b, "last@x.test\nSubject: s\n" MIXED("b"));
	for (int i = 0; i < 50; i++)
		buf_addf(&b,
			"--b\nContent-Type: text/plain; charset=utf-8; name=file%d\nContent-ID: "
			"<%d>\nContent-Language: en\n\nx\n",
			i, i);
	for (l.text_max = 40000; l.text_max > 0; l.text_max = l.text_max * 2 / 3) {
		x = make(buf_str(&b), &l);
		assert_true(x.bodystructure.n <= last);
		last = x.bodystructure.n;
	}
	is_str(x.envelope, "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)");
	is_str(x.body, "(\"application\" \"octet-stream\" NIL NIL NIL \"8bit\" 4880)");
	l.text_max = 3000; /* 50 parts of 43 bytes */
	x = make(buf_str(&b), &l);
	assert_true(str_starts(x.bodystructure, STR("((\"text\" \"plain\" NIL NIL NIL \"7bit\" 1 0)(")));
	l.text_max = 10000;
	x = make(buf_str(&b), &l);
	assert_true(str_search(x.envelope, STR("user20@")) < 0 || x.envelope.n <= 10000);
	assert_true(str_search(x.envelope, STR("\"User 1\" NIL \"user1\" \"example.com\"")) > 0);
	buf_fini(&b);
}

static void field_limit(void **state)
{
	struct mail_index_limits l = mail_index_limits_default;
	struct mail_index x;

	l.field_max = 8;
	x = make(STR("Subject: 12345678\nFrom: 1234567\xc3\xa9\nTo: 12345678 9\nReferences: <1@x> <2@x>\nMessage-ID: "
		     "<1@34567>\n\n"),
		&l);
	is_str(x.subject, "12345678");
	is_str(x.from, "1234567");
	is_str(x.to, "12345678");
	is_str(x.references, "<1@x>");
	is_str(x.message_id, "");
	l.field_max = 11;
	x = make(STR("References: <1@x> <2@x> <3@x>\n\n"), &l);
	is_str(x.references, "<1@x> <3@x>");
	l.field_max = 17;
	x = make(STR("References: <1@x> <2@x> <3@x>\n\n"), &l);
	is_str(x.references, "<1@x> <2@x> <3@x>");
	l.header_max = 12;
	x = make(STR("A: b\nC: d\nSubject: x\n\n"), &l);
	is_str(x.subject, "");
	assert_int_equal(x.parts[0].header_n, 22);
}

static void codec(void **state)
{
	struct mail_index x = of(MIXED("b") "--b\nContent-Type: message/rfc822\n\nSubject: caf\xc3\xa9\n\nx\n--b--"), y;
	struct buf b;

	buf_init(&b, 10000);
	mail_index_encode(&x, &b);
	assert_int_equal(mail_index_decode(buf_str(&b), &arena, &y), OK);
	assert_true(str_eq(x.envelope, y.envelope) && str_eq(x.bodystructure, y.bodystructure) &&
		    str_eq(x.references, y.references));
	assert_int_equal(y.n_parts, x.n_parts);
	assert_int_equal(y.date_s, INT64_MIN);
	assert_memory_equal(x.parts, y.parts, x.n_parts * sizeof *x.parts);
	for (size_t n = 0; n < b.n; n++)
		assert_int_equal(mail_index_decode(str_sub(buf_str(&b), 0, n), &arena, &y), FAILED);
	buf_addc(&b, 0);
	assert_int_equal(mail_index_decode(buf_str(&b), &arena, &y), FAILED);
	buf_cut(&b, b.n - 1);
	b.p[0] = 2;
	assert_int_equal(mail_index_decode(buf_str(&b), &arena, &y), FAILED);
	b.p[0] = 1;
	for (size_t part = 0; part < x.n_parts; part++) /* every integer of every part, made too great */
		for (size_t at = 3; at < 25; at++) {
			char *p = &b.p[b.n - (x.n_parts - part) * 25 + at], was = *p;

			*p = (char)0xff;
			if ((at + 1) % 4 == 0 || at >= 20)
				assert_int_equal(mail_index_decode(buf_str(&b), &arena, &y), FAILED);
			*p = was;
		}
	buf_fini(&b);
}

static struct str read_file(const char *dir, const char *name)
{
	char path[700];
	FILE *f;
	char *p = arena_alloc(&arena, 4 << 20);
	size_t n;

	snprintf(path, sizeof path, "%s/%s", dir, name);
	f = fopen(path, "rb");
	if (!f)
		return (struct str){ 0 };
	n = fread(p, 1, 4 << 20, f);
	fclose(f);
	return str_of(p, n);
}

/* The letters of test/data/mime: where a program may have been started from. */
static const char *find_data(void)
{
	static const char *const places[] = { "test/data/mime", "../test/data/mime", "../../test/data/mime" };

	for (size_t i = 0; i < 3; i++) {
		DIR *d = opendir(places[i]);

		if (d) {
			closedir(d);
			return places[i];
		}
	}
	return NULL;
}

static void letters_of_others(void **state)
{
	static const struct {
		const char *name, *body;
	} cases[] = {
		{ "boundary-name-clash.eml",
			"(((\"text\" \"plain\" (\"charset\" \"utf-8\") NIL NIL \"7bit\" 60 0)(\"text\" \"html\" "
			"(\"charset\" "
			"\"utf-8\") NIL NIL \"7bit\" 271 8) \"alternative\")(\"application\" \"pdf\" (\"name\" "
			"\"Daily_Stats-2022-05-12-0700.pdf\") NIL NIL \"base64\" 46) \"mixed\")" },
		{ "ending-boundaries.eml",
			"((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 12 1) \"mixed\")" },
		{ "intermediate-boundaries.eml", "((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 12 "
						 "1)(\"text\" \"plain\" (\"charset\" "
						 "\"us-ascii\") NIL NIL \"7bit\" 620 21) \"mixed\")" },
		{ "bad-newlines-multiple-parts.eml",
			"((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 10 1) \"mixed\")" },
		{ "empty-multipart.eml", "(((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0) "
					 "\"alternative\")(\"text\" \"plain\" "
					 "(\"charset\" \"us-ascii\") NIL NIL \"7bit\" 84 1) \"mixed\")" },
		{ "missing-inner-boundary.eml", "((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 5 "
						"1)((\"text\" \"plain\" (\"charset\" "
						"\"us-ascii\") NIL NIL \"7bit\" 0 0) \"alternative\") \"mixed\")" },
	};
	const char *dir = find_data();

	if (!dir)
		skip();
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		is_str(make(read_file(dir, cases[i].name), &mail_index_limits_default).body, cases[i].body);
	assert_int_equal(make(read_file(dir, "part-numbers.eml"), &mail_index_limits_default).n_parts, 15);
	assert_int_equal(make(read_file(dir, "message-rfc822-multipart.eml"), &mail_index_limits_default).n_parts, 12);
	assert_int_equal(
		make(read_file(dir, "multipartdigestnestedemptyparts.eml"), &mail_index_limits_default).n_parts, 4);
}

/* Every file of a directory has an index that fits it; prints what it is. */
static int run_directory(const char *dir)
{
	DIR *d = opendir(dir);
	int n_wrong = 0;

	if (!d) {
		perror(dir);
		return 1;
	}
	for (struct dirent *e; (e = readdir(d));) {
		struct str letter = read_file(dir, e->d_name);
		struct mail_index x;
		const char *wrong;

		mail_index_make(letter, &mail_index_limits_default, &arena, &x);
		wrong = form_index_wrong(letter, &x, &mail_index_limits_default);
		n_wrong += wrong != NULL;
		printf("%s %s: %s\n%.*s\n%.*s\n", wrong ? "not ok" : "ok", e->d_name, wrong ? wrong : "",
			STR_ARG(x.envelope), STR_ARG(x.bodystructure));
		arena_reset(&arena);
	}
	closedir(d);
	return n_wrong > 0;
}

static void unparsed_letters_have_an_index(void **state)
{
	static const struct {
		const char *letter;
		uint32_t header_n;
	} cases[] = { { "A: b\r\n\r\nbody", 8 }, { "no header at all", 16 }, { "\r\n\r\n", 4 }, { "", 0 } };
	struct mail_index x, back;
	struct arena a;
	struct buf out;

	(void)state;
	arena_init(&a, "test", 1 << 20);
	buf_init(&out, 1 << 20);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		buf_reset(&out);
		mail_index_opaque(str_z(cases[i].letter), &a, &x);
		mail_index_encode(&x, &out);
		assert_int_equal(mail_index_decode(buf_str(&out), &a, &back), OK);
		assert_int_equal(back.n_parts, 1);
		assert_int_equal(back.parts[0].header_n, cases[i].header_n);
		assert_int_equal(back.parts[0].header_n + back.parts[0].body_n, strlen(cases[i].letter));
		assert_true(str_starts(back.bodystructure, STR("(\"APPLICATION\" \"OCTET-STREAM\" NIL NIL NIL \"BINARY\" ")));
	}
	buf_fini(&out);
	arena_fini(&a);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unparsed_letters_have_an_index),
		cmocka_unit_test(plain),
		cmocka_unit_test(facts),
		cmocka_unit_test(facts_at_every_offset),
		cmocka_unit_test(envelopes),
		cmocka_unit_test(structures),
		cmocka_unit_test(trees),
		cmocka_unit_test(part_numbers),
		cmocka_unit_test(depth_limit),
		cmocka_unit_test(parts_limit),
		cmocka_unit_test(text_limit),
		cmocka_unit_test(field_limit),
		cmocka_unit_test(codec),
		cmocka_unit_test(letters_of_others),
	};
	int failed;

	arena_init(&arena, "test", 256 << 20);
	failed = argc > 1 ? run_directory(argv[1]) : cmocka_run_group_tests(tests, NULL, NULL);
	arena_fini(&arena);
	return failed;
}
