/* test/unit/relay/test_client.c - the client's replies, hello, STARTTLS and quit against servers that follow a script. */
#include "client_fake.h"

#include "relay/client_impl.h"

static struct fake p;

/* ---- one line */

static void lines(void **state)
{
	static const struct {
		const char *line, *status, *text;
		unsigned code;
		bool more;
	} good[] = {
		{ "250 OK", "", "OK", 250, false },
		{ "250-5.1.1 x", "5.1.1", "x", 250, true },
		{ "550 5.1.1 no such user", "5.1.1", "no such user", 550, false },
		{ "550 5.1.1", "5.1.1", "", 550, false },
		{ "250", "", "", 250, false },
		{ "250-", "", "", 250, true },
		{ "599 5.999.999 x", "5.999.999", "x", 599, false },
		{ "550 5.1.1000 x", "", "5.1.1000 x", 550, false },
		{ "550 3.1.1 x", "", "3.1.1 x", 550, false },
		{ "550 5.1.1x y", "", "5.1.1x y", 550, false },
		{ "550 5.1 y", "", "5.1 y", 550, false },
		{ "550 10.1.1 y", "", "10.1.1 y", 550, false },
	};
	static const char *const bad[] = { "", "2", "25", "25x OK", "199 x", "600 x", "999", "2500 OK", "250_x", " 250 x", "+250 x", "-25 x",
		"abc", "\x80\xff\x80 x" };
	struct client_reply_line out;

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		assert_true(client_reply_line(str_z(good[i].line), &out));
		assert_int_equal(out.code, good[i].code);
		assert_int_equal(out.more, good[i].more);
		assert_true(str_eq(out.status, str_z(good[i].status)));
		assert_true(str_eq(out.text, str_z(good[i].text)));
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(client_reply_line(str_z(bad[i]), &out));
}

/* ---- whole replies, in pieces of every small size */

static void hear(const char *script, enum client_end end, unsigned code, const char *status, const char *text, bool broken)
{
	for (size_t chunk = 0; chunk < 5; chunk++) {
		fake_begin(&p, script, chunk, CONF_ROUTE_SMTP);
		assert_int_equal(client_hear(&p.c, 2, 1000, "NOOP"), end);
		assert_int_equal(p.c.reply.code, code);
		assert_string_equal(p.c.reply.status, status);
		assert_string_equal(p.c.reply.text, text);
		assert_int_equal(p.c.broken, broken);
		fake_end(&p);
	}
}

static void replies(void **state)
{
	(void)state;
	hear("250 2.0.0 fine\r\n", CLIENT_OK, 250, "2.0.0", "fine", false);
	hear("250 fine\n", CLIENT_OK, 250, "2.0.0", "fine", false); /* a bare LF ends a line of a reply too */
	hear("450-4.2.0 one\r\n450 4.2.0 two\r\n", CLIENT_LATER, 450, "4.2.0", "one two", false);
	hear("550 5.7.1 \x01\x7f\xffno\r\n", CLIENT_NEVER, 550, "5.7.1", "???no", false);
	hear("550 no\r\n", CLIENT_NEVER, 550, "5.0.0", "no", false);
	hear("550 4.2.2 no\r\n", CLIENT_NEVER, 550, "5.2.2", "no", false); /* the class is the code's */
	hear("421 4.3.2 bye\r\n", CLIENT_LATER, 421, "4.3.2", "bye", true);
	hear("250-x\r\n251 y\r\n", CLIENT_OK, 251, "2.0.0", "x y", false);
	hear("250-x\r\n550 y\r\n", CLIENT_LATER, 0, "4.5.0", "NOOP: the other side does not speak SMTP: \"550 y\"", true);
	hear("HTTP/1.1 400 Bad\r\n", CLIENT_LATER, 0, "4.5.0", "NOOP: the other side does not speak SMTP: \"HTTP/1.1 400 Bad\"", true);
	hear("354 go\r\n", CLIENT_LATER, 0, "4.5.0", "NOOP: the other side gave an answer that belongs to something else: \"354 go\"", true);
	hear("", CLIENT_LOST, 0, "4.4.2", "NOOP: the other side closed the connection", true);
	hear("250-x\r\n", CLIENT_LOST, 0, "4.4.2", "NOOP: the other side closed the connection", true);
	hear("250 x", CLIENT_LOST, 0, "4.4.2", "NOOP: the other side closed the connection", true);
}

static void nul_in_reply(void **state)
{
	static const char script[] = "250 a\0b\r\n";

	(void)state;
	fake_begin(&p, "", 0, CONF_ROUTE_SMTP);
	stream_close(&p.s);
	stream_open_memory(&p.s, str_of(script, sizeof script - 1), 0);
	assert_int_equal(client_hear(&p.c, 2, 1000, "NOOP"), CLIENT_OK);
	assert_string_equal(p.c.reply.text, "a?b");
	fake_end(&p);
}

static void hear_buf(const struct buf *script, enum client_end end, const char *text)
{
	fake_begin(&p, "", 0, CONF_ROUTE_SMTP);
	stream_close(&p.s);
	stream_open_memory(&p.s, buf_str(script), 0);
	assert_int_equal(client_hear(&p.c, 2, 1000, "NOOP"), end);
	assert_non_null(strstr(p.c.reply.text, text));
	assert_true(strlen(p.c.reply.text) <= CLIENT_TEXT_MAX);
	fake_end(&p);
}

static void fill(struct buf *b, char c, size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf_addc(b, c);
}

/* A line of CLIENT_REPLY_LINE_MAX bytes with its end is one, a byte more is not; likewise lines; and text is cut. */
static void limits(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 1 << 20);
	buf_addz(&b, "250 ");
	fill(&b, 'a', CLIENT_REPLY_LINE_MAX - 6);
	buf_addz(&b, "\r\n");
	hear_buf(&b, CLIENT_OK, "aaa");
	buf_cut(&b, b.n - 2);
	buf_addz(&b, "a\r\n");
	hear_buf(&b, CLIENT_LATER, "without an end");
	buf_reset(&b);
	fill(&b, '2', 100000);
	hear_buf(&b, CLIENT_LATER, "without an end");
	buf_reset(&b);
	for (size_t i = 1; i < CLIENT_REPLY_LINES_MAX; i++)
		buf_addz(&b, "250-x\r\n");
	buf_addz(&b, "250 y\r\n");
	hear_buf(&b, CLIENT_OK, "x x");
	buf_cut(&b, b.n - 7);
	buf_addz(&b, "250-x\r\n250 y\r\n");
	hear_buf(&b, CLIENT_LATER, "without an end");
	buf_fini(&b);
}

static void text_is_cut(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 1 << 20);
	for (size_t i = 0; i < 10; i++) {
		buf_addz(&b, "550-5.7.1 ");
		fill(&b, 'b', 100);
		buf_addz(&b, "\r\n");
	}
	buf_addz(&b, "550 end\r\n");
	fake_begin(&p, "", 0, CONF_ROUTE_SMTP);
	stream_close(&p.s);
	stream_open_memory(&p.s, buf_str(&b), 0);
	assert_int_equal(client_hear(&p.c, 2, 1000, "NOOP"), CLIENT_NEVER);
	assert_int_equal(strlen(p.c.reply.text), CLIENT_TEXT_MAX);
	fake_end(&p);
	buf_fini(&b);
}

/* ---- hello */

static void extensions(void **state)
{
	(void)state;
	fake_begin(&p, "220-there\r\n220 x\r\n250-there.example at your service\r\n250-PIPELINING\r\n250-size 1000\r\n250-8BITMIME\r\n"
		"250-BINARYMIME\r\n250-CHUNKING\r\n"
		       "250-SMTPUTF8\r\n250-DSN\r\n250-ENHANCEDSTATUSCODES\r\n250-STARTTLS\r\n250-AUTH PLAIN LOGIN SCRAM-SHA-256 X\r\n250-REQUIRETLS\r\n"
		"250-MT-PRIORITY MIXER\r\n"
		       "250-DELIVERBY 60\r\n250-FUTURERELEASE 1 2\r\n250-LIMITS RCPTMAX=20 X MAILMAX=5 RCPTDOMAINMAX=1\r\n250 WHATEVER\r\n",
		0, CONF_ROUTE_SMTP);
	assert_int_equal(client_open(&p.c), CLIENT_OK);
	assert_int_equal(p.c.can, (1 << 17) - 1);
	assert_int_equal(p.c.size_max, 1000);
	assert_int_equal(p.c.by_min_s, 60);
	assert_int_equal(p.c.rcpt_max, 20);
	assert_int_equal(p.c.mail_max, 5);
	assert_string_equal(p.c.name, "there.example");
	fake_said(&p, "EHLO us.example\r\n");
	fake_end(&p);
}

static void odd_extensions(void **state)
{
	(void)state;
	fake_begin(&p, "220 x\r\n250-DSN\r\n250-AUTH=LOGIN PLAIN\r\n250-SIZE x\r\n250-SIZE 99999999999999999999999\r\n"
		"250-LIMITS RCPTMAX=-1 MAILMAX= =\r\n250-DSNX\r\n250 \r\n", 0,
		CONF_ROUTE_SMTP);
	assert_int_equal(client_open(&p.c), CLIENT_OK);
	assert_int_equal(p.c.can, CLIENT_EXTENDED | CLIENT_AUTH_PLAIN | CLIENT_AUTH_LOGIN | CLIENT_SIZE);
	assert_int_equal(p.c.size_max, 0);
	assert_int_equal(p.c.rcpt_max, 0);
	assert_int_equal(p.c.mail_max, 0);
	fake_end(&p);
}

/* Names without what they are followed by, and lines without any. */
static void empty_extensions(void **state)
{
	(void)state;
	fake_begin(&p, "220\r\n250-\r\n250-SIZE\r\n250-\r\n250-LIMITS RCPTMAX MAILMAX= =3\r\n250-DELIVERBY\r\n250 AUTH\r\n", 0, CONF_ROUTE_SMTP);
	assert_int_equal(client_open(&p.c), CLIENT_OK);
	assert_int_equal(p.c.can, CLIENT_EXTENDED | CLIENT_SIZE | CLIENT_DELIVERBY);
	assert_int_equal(p.c.size_max + p.c.rcpt_max + p.c.mail_max + p.c.by_min_s, 0);
	assert_string_equal(p.c.name, "");
	fake_end(&p);
}

static void helo(void **state)
{
	(void)state;
	fake_begin(&p, "220 x\r\n502-DSN\r\n502 no\r\n250-old.example\r\n250 DSN\r\n", 0, CONF_ROUTE_SMTP);
	assert_int_equal(client_open(&p.c), CLIENT_OK);
	assert_int_equal(p.c.can, 0);
	assert_string_equal(p.c.name, "old.example");
	fake_said(&p, "EHLO us.example\r\nHELO us.example\r\n");
	fake_end(&p);
}

static void not_helo(void **state)
{
	(void)state;
	fake_begin(&p, "220 x\r\n450 later\r\n", 0, CONF_ROUTE_SMTP);
	assert_int_equal(client_open(&p.c), CLIENT_LATER);
	fake_said(&p, "EHLO us.example\r\n");
	fake_end(&p);
	fake_begin(&p, "220 x\r\n502 no\r\n", 0, CONF_ROUTE_LMTP);
	assert_int_equal(client_open(&p.c), CLIENT_NEVER);
	fake_said(&p, "LHLO us.example\r\n");
	fake_end(&p);
	fake_begin(&p, "554 5.3.2 not here\r\n", 0, CONF_ROUTE_SMTP);
	assert_int_equal(client_open(&p.c), CLIENT_NEVER);
	assert_string_equal(p.c.reply.text, "not here");
	fake_said(&p, "");
	fake_end(&p);
}

/* What was said before TLS is gone (CVE-2011-0411's class), and so is what came behind the 220. */
static void starttls(void **state)
{
	(void)state;
	fake_begin(&p, "220 x\r\n250-a\r\n250-AUTH PLAIN\r\n250-DSN\r\n250 STARTTLS\r\n220 go\r\n250-evil\r\n250 AUTH PLAIN\r\n", 0, CONF_ROUTE_SMTP);
	assert_int_equal(client_open(&p.c), CLIENT_OK);
	assert_int_equal(client_starttls(&p.c), CLIENT_OK);
	assert_false(stream_has_input(&p.s));
	assert_int_equal(client_hello(&p.c), CLIENT_LOST); /* nothing of the injected reply is left */
	assert_int_equal(p.c.can, 0);
	fake_end(&p);
	fake_begin(&p, "220 x\r\n250-a\r\n250 STARTTLS\r\n454 4.7.0 not now\r\n", 0, CONF_ROUTE_SMTP);
	assert_int_equal(client_open(&p.c), CLIENT_OK);
	assert_int_equal(client_starttls(&p.c), CLIENT_LATER);
	assert_false(p.c.broken);
	fake_end(&p);
}

static void reset_and_quit(void **state)
{
	(void)state;
	fake_begin(&p, PLAIN_HELLO "250 ok\r\n221 bye\r\n", 0, CONF_ROUTE_SMTP);
	fake_open(&p);
	assert_int_equal(client_reset(&p.c), CLIENT_OK);
	client_quit(&p.c);
	client_quit(&p.c); /* once */
	fake_said(&p, "RSET\r\nQUIT\r\n");
	fake_end(&p);
	fake_begin(&p, PLAIN_HELLO "421 bye\r\n", 0, CONF_ROUTE_SMTP);
	fake_open(&p);
	assert_int_equal(client_reset(&p.c), CLIENT_LATER);
	assert_true(p.c.broken);
	assert_int_equal(client_reset(&p.c), CLIENT_LOST);
	fake_end(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines),
		cmocka_unit_test(replies),
		cmocka_unit_test(nul_in_reply),
		cmocka_unit_test(limits),
		cmocka_unit_test(text_is_cut),
		cmocka_unit_test(extensions),
		cmocka_unit_test(odd_extensions),
		cmocka_unit_test(empty_extensions),
		cmocka_unit_test(helo),
		cmocka_unit_test(not_helo),
		cmocka_unit_test(starttls),
		cmocka_unit_test(reset_and_quit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
