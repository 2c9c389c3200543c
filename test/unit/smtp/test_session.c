/* test/unit/smtp/test_session.c - whole SMTP sessions over memory, in pieces of every small size. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fake.h"

static struct fake f;

static int setup(void **state)
{
	(void)state;
	fake_open(&f);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fake_close(&f);
	return 0;
}

/* The codes of the replies, the last line of each; "220 250 " ... */
static void codes(struct str said, struct buf *out)
{
	struct str line;

	while (str_split(&said, '\n', &line))
		if (line.n > 3 && line.p[3] == ' ') {
			buf_add(out, str_sub(line, 0, 3));
			buf_addc(out, ' ');
		}
}

/* Runs the input whole and in pieces of 1..7 bytes: the same replies every time. */
static void replies(struct str in, const char *want)
{
	for (size_t chunk = 0; chunk < 8; chunk++) {
		struct buf said, got;

		buf_init(&said, 1 << 20);
		buf_init(&got, 1 << 20);
		f.door.secured = false;
		f.n_letters = 0;
		fake_run(&f, smtp_session, in, chunk, &said);
		codes(buf_str(&said), &got);
		if (!str_eq(buf_str(&got), str_z(want)))
			fail_msg("chunk %zu: got [%.*s], want [%s]\n%.*s", chunk, STR_ARG(buf_str(&got)), want, STR_ARG(buf_str(&said)));
		buf_fini(&got);
		buf_fini(&said);
	}
}

#define HELLO "EHLO c.test\r\n"
#define ENVELOPE "MAIL FROM:<a@b.test>\r\nRCPT TO:<alice@demo.test>\r\n"

static void letter(void **state)
{
	(void)state;
	replies(STR(HELLO ENVELOPE "DATA\r\nSubject: x\r\n\r\n..dot\r\n.\r\nQUIT\r\n"), "220 250 250 250 354 250 221 ");
	assert_true(str_eq(buf_str(&f.letter), STR("Subject: x\r\n\r\n.dot\r\n")));
	assert_int_equal(f.n_accepted, 8);
	replies(STR("HELO c.test\r\n" ENVELOPE "RCPT TO:<bob@demo.test>\r\nDATA\r\n.\r\n" ENVELOPE "RSET\r\nDATA\r\nQUIT\r\n"),
		"220 250 250 250 250 354 250 250 250 250 503 221 ");
	assert_int_equal(f.n_rcpts, 2);
}

/* What was asked for reaches post with the letter it was asked for, and no other. */
static void wishes(void **state)
{
	(void)state;
	replies(STR(HELLO "MAIL FROM:<a@b.test> RET=HDRS BY=60;N\r\nRCPT TO:<alice@demo.test>\r\nRCPT TO:<nobody@demo.test> NOTIFY=DELAY\r\n"
		"RCPT TO:<bob@demo.test> NOTIFY=NEVER\r\nDATA\r\n.\r\nQUIT\r\n"), "220 250 250 250 550 250 354 250 221 ");
	assert_int_equal(f.n_dsn, 2);
	assert_true(f.notify[0] == 0 && f.notify[1] == NOTIFY_NEVER);
	assert_int_equal(f.wishes.ret, RET_HDRS);
	assert_true(f.wishes.by_mode == BY_NOTIFY && f.wishes.by_s >= 1800000060);
	replies(STR(HELLO "MAIL FROM:<a@b.test> RET=HDRS\r\nRCPT TO:<alice@demo.test> NOTIFY=DELAY\r\nRSET\r\n" ENVELOPE "DATA\r\n.\r\nQUIT\r\n"),
		"220 250 250 250 250 250 250 354 250 221 ");
	assert_int_equal(f.n_dsn, 0);
	assert_true(f.wishes.ret == RET_NOT_GIVEN && f.wishes.by_mode == BY_NONE);
}

static void etrn(void **state)
{
	(void)state;
	replies(STR("ETRN backed.test\r\n" HELLO "ETRN\r\nETRN backed.test\r\nETRN other.test\r\nETRN later.test\r\nETRN @backed.test\r\n"
		"MAIL FROM:<a@b.test>\r\nETRN backed.test\r\nQUIT\r\n"), "220 503 250 501 250 459 458 501 250 503 221 ");
	f.door.service = SERVICE_LMTP;
	replies(STR("LHLO c.test\r\nETRN backed.test\r\nQUIT\r\n"), "220 250 502 221 ");
	f.door.service = SERVICE_SMTP;
}

static void fits(const char *bytes, size_t n)
{
	assert_int_equal(f.letter.n, n);
	assert_memory_equal(f.letter.p, bytes, n);
}

static void chunks(void **state)
{
	(void)state;
	replies(STR(HELLO ENVELOPE "BDAT 14\r\nSubject: x\r\n\r\nBDAT 3\r\n.\r\nBDAT 0 LAST\r\nQUIT\r\n"), "220 250 250 250 250 250 250 221 ");
	fits("Subject: x\r\n\r\n.\r\n", 17);
	assert_int_equal(f.wire, WIRE_EXTENDED);
	/* A CRLF may lie in two chunks; dots are letters. */
	replies(STR(HELLO ENVELOPE "BDAT 4\r\na\r\n.BDAT 5\r\n.\r\n.\rBDAT 1 last\r\n\nQUIT\r\n"), "220 250 250 250 250 250 250 221 ");
	fits("a\r\n..\r\n.\r\n", 10);
	replies(STR(HELLO ENVELOPE "BDAT 0 LAST\r\n" ENVELOPE "DATA\r\n.\r\nQUIT\r\n"), "220 250 250 250 250 250 250 354 250 221 ");
}

static void binary_letters(void **state)
{
	(void)state;
	replies(STR(HELLO "MAIL FROM:<a@b.test> BODY=BINARYMIME\r\nRCPT TO:<alice@demo.test>\r\nDATA\r\nBDAT 12 LAST\r\nA: b\r\n\r\n\0\n\r\xffQUIT\r\n"),
		"220 250 250 250 503 250 221 ");
	fits("A: b\r\n\r\n\0\n\r\xff", 12);
	assert_int_equal(f.wire, WIRE_EXTENDED | WIRE_8BIT | WIRE_BINARY);
	/* The header is lines all the same. */
	f.n_accepted = 0;
	replies(STR(HELLO "MAIL FROM:<a@b.test> BODY=BINARYMIME\r\nRCPT TO:<alice@demo.test>\r\nBDAT 9 LAST\r\nA: b\n\r\n\r\nQUIT\r\n"),
		"220 250 250 250 554 221 ");
	replies(STR(HELLO "MAIL FROM:<a@b.test> BODY=BINARYMIME\r\nRCPT TO:<alice@demo.test>\r\nBDAT 4 LAST\r\nA:\0bQUIT\r\n"), "220 250 250 250 554 221 ");
	replies(STR(HELLO "MAIL FROM:<a@b.test> BODY=BINARYMIME\r\nRCPT TO:<alice@demo.test>\r\nBDAT 7 LAST\r\nA: b\rc\rQUIT\r\n"), "220 250 250 250 554 221 ");
	/* And a text is lines throughout. */
	replies(STR(HELLO ENVELOPE "BDAT 5 LAST\r\na\nb\r\nQUIT\r\n"), "220 250 250 250 554 221 ");
	replies(STR(HELLO ENVELOPE "BDAT 3 LAST\r\na\0bQUIT\r\n"), "220 250 250 250 554 221 ");
	replies(STR(HELLO ENVELOPE "BDAT 2\r\na\rBDAT 1 LAST\r\nbQUIT\r\n"), "220 250 250 250 250 554 221 ");
	replies(STR(HELLO ENVELOPE "BDAT 2 LAST\r\na\rQUIT\r\n"), "220 250 250 250 554 221 ");
	assert_int_equal(f.n_accepted, 0);
}

static void refused_chunks_are_swallowed(void **state)
{
	(void)state;
	f.n_accepted = 0;
	replies(STR("BDAT 6\r\nQUIT\r\n" HELLO "BDAT 6 LAST\r\nQUIT\r\nMAIL FROM:<a@b.test>\r\nBDAT 6\r\nQUIT\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\nQUIT\r\n"),
		"220 503 250 503 250 554 503 250 221 ");
	/* What comes behind a refused chunk is refused, until the last or RSET. */
	replies(STR(HELLO ENVELOPE "BDAT 1\r\n\nBDAT 6\r\nQUIT\r\nRCPT TO:<bob@demo.test>\r\nBDAT 0 LAST\r\n" ENVELOPE "BDAT 2 LAST\r\n\r\nQUIT\r\n"),
		"220 250 250 250 554 503 503 503 250 250 250 221 ");
	replies(STR(HELLO ENVELOPE "BDAT 1\r\n\nRSET\r\n" ENVELOPE "BDAT 2\r\n\r\nRSET\r\nBDAT 0 LAST\r\nQUIT\r\n"),
		"220 250 250 250 554 250 250 250 250 250 503 221 ");
	/* EHLO in between ends the letter as well. */
	replies(STR(HELLO ENVELOPE "BDAT 2\r\nx\rEHLO again.test\r\nBDAT 0 LAST\r\nQUIT\r\n"), "220 250 250 250 250 250 503 221 ");
	assert_int_equal(f.n_accepted, 8);
	/* No size, no way to tell what is a command. */
	replies(STR(HELLO ENVELOPE "BDAT x\r\nQUIT\r\n"), "220 250 250 250 501 ");
	replies(STR(HELLO ENVELOPE "BDAT\r\nQUIT\r\n"), "220 250 250 250 501 ");
	replies(STR(HELLO ENVELOPE "BDAT 1 FIRST\r\nxQUIT\r\n"), "220 250 250 250 501 ");
	replies(STR(HELLO ENVELOPE "BDAT 18446744073709551616\r\nQUIT\r\n"), "220 250 250 250 501 ");
	replies(STR(HELLO ENVELOPE "BDAT 65537\r\nQUIT\r\n"), "220 250 250 250 552 ");
}

static void chunks_beyond_the_size(void **state)
{
	struct buf in;

	(void)state;
	buf_init(&in, 1 << 20);
	buf_addz(&in, HELLO ENVELOPE "BDAT 65534\r\n");
	for (int i = 0; i < 65534 / 2; i++)
		buf_addz(&in, i % 30 ? "xx" : "\r\n");
	buf_addz(&in, "BDAT 2 LAST\r\n\r\n" ENVELOPE "BDAT 65534\r\n");
	for (int i = 0; i < 65534 / 2; i++)
		buf_addz(&in, "xx");
	buf_addz(&in, "BDAT 3\r\nyyyBDAT 5 LAST\r\nQUIT\nQUIT\r\n");
	replies(buf_str(&in), "220 250 250 250 250 250 250 250 250 552 503 221 ");
	buf_fini(&in);
}

static void utf8_addresses(void **state)
{
	(void)state;
	replies(STR(HELLO "MAIL FROM:<j\xc3\xb6rg@m\xc3\xbcller.test>\r\nMAIL FROM:<j\xc3\xb6rg@m\xc3\xbcller.test> SMTPUTF8=1\r\n"
		"MAIL FROM:<j\xc3\xb6rg@m\xc3\xbcller.test> SMTPUTF8\r\nRCPT TO:<\xe5\xa7\x94@demo.test>\r\nRCPT TO:<\xe5\xa7@demo.test>\r\n"
		"DATA\r\n.\r\nQUIT\r\n"),
		"220 250 553 501 250 250 501 354 250 221 ");
	assert_int_equal(f.wire, WIRE_EXTENDED | WIRE_UTF8);
	replies(STR(HELLO "MAIL FROM:<a@b.test>\r\nRCPT TO:<\xe5\xa7\x94@demo.test>\r\nVRFY \xe5\xa7\x94 SMTPUTF8\r\nQUIT\r\n"), "220 250 250 553 252 221 ");
}

#define LHLO "LHLO c.test\r\n"

static void lmtp(void **state)
{
	(void)state;
	f.door.service = SERVICE_LMTP;
	replies(STR("EHLO c.test\r\nHELO c.test\r\nMAIL FROM:<a@b.test>\r\n" LHLO "QUIT\r\n"), "220 500 500 503 250 221 ");
	replies(STR(LHLO "MAIL FROM:<a@b.test>\r\nDATA\r\nRCPT TO:<nobody@demo.test>\r\nDATA\r\nRCPT TO:<alice@demo.test>\r\nRCPT TO:<fills@demo.test>\r\n"
		"RCPT TO:<bob@demo.test>\r\nDATA\r\nSubject: x\r\n.\r\nQUIT\r\n"),
		"220 250 250 503 550 503 250 250 250 354 250 452 250 221 ");
	/* BDAT: once a chunk, and at the last once a recipient. */
	replies(STR(LHLO ENVELOPE "RCPT TO:<fills@demo.test>\r\nBDAT 2\r\n\r\nBDAT 2 LAST\r\n\r\nQUIT\r\n"), "220 250 250 250 250 250 250 452 221 ");
	replies(STR(LHLO ENVELOPE "RCPT TO:<bob@demo.test>\r\nBDAT 2 LAST\r\n\n\nQUIT\r\n"), "220 250 250 250 250 554 554 221 ");
	replies(STR(LHLO ENVELOPE "RCPT TO:<bob@demo.test>\r\nBDAT 2\r\n\n\nBDAT 0 LAST\r\nQUIT\r\n"), "220 250 250 250 250 554 503 221 ");
	replies(STR(LHLO "MAIL FROM:<a@b.test>\r\nBDAT 2 LAST\r\n\r\nQUIT\r\n"), "220 250 250 503 221 ");
	replies(STR(LHLO "AUTH PLAIN x\r\nQUIT\r\n"), "220 250 503 221 ");
	f.letter_outcome = UNANSWERED;
	replies(STR(LHLO ENVELOPE "DATA\r\n.\r\nQUIT\r\n"), "220 250 250 250 354 ");
	f.letter_outcome = NO_ROOM;
	replies(STR(LHLO ENVELOPE "RCPT TO:<bob@demo.test>\r\nDATA\r\n.\r\nQUIT\r\n"), "220 250 250 250 250 354 452 452 221 ");
	f.door.service = SERVICE_SMTP;
	replies(STR("LHLO c.test\r\nQUIT\r\n"), "220 500 221 ");
}

static void states(void **state)
{
	(void)state;
	replies(STR("MAIL FROM:<a@b.test>\r\nNOOP x\r\nQUIT\r\n"), "220 503 250 221 ");
	replies(STR(HELLO "RCPT TO:<alice@demo.test>\r\nDATA\r\nQUIT\r\n"), "220 250 503 503 221 ");
	replies(STR(HELLO ENVELOPE "MAIL FROM:<a@b.test>\r\nEHLO again.test\r\nDATA\r\nQUIT\r\n"),
		"220 250 250 250 503 250 503 221 ");
	replies(STR(HELLO "MAIL FROM:<a@b.test>\r\nRCPT TO:<nobody@demo.test>\r\nDATA\r\nQUIT\r\n"),
		"220 250 250 550 554 221 ");
	replies(STR("VRFY alice\r\nEXPN list\r\nHELP\r\nWHAT\r\nQUIT now\r\nQUIT\r\n"), "220 252 252 214 500 501 221 ");
	replies(STR("EHLO\r\nEHLO a b\r\nHELO <x>\r\nQUIT\r\n"), "220 501 501 501 221 ");
}

static void recipients(void **state)
{
	(void)state;
	replies(STR(HELLO "MAIL FROM:<>\r\nRCPT TO:<full@demo.test>\r\nRCPT TO:<later@demo.test>\r\nRCPT TO:<x@other.test>\r\n"
		"RCPT TO:<Postmaster>\r\nRCPT TO:<alice@demo.test>\r\nDATA\r\n.\r\nQUIT\r\n"),
		"220 250 250 452 451 550 250 250 354 250 221 ");
	assert_int_equal(f.n_rcpts, 2);
}

static void smuggling(void **state)
{
	(void)state;
	f.n_accepted = 0;
	replies(STR(HELLO ENVELOPE "DATA\r\nx\n.\r\nMAIL FROM:<evil@x.test>\r\n.\r\nQUIT\r\n"), "220 250 250 250 354 554 221 ");
	replies(STR(HELLO ENVELOPE "DATA\r\nx\r\n.\rQUIT\r\n.\r\nQUIT\r\n"), "220 250 250 250 354 554 221 ");
	replies(STR(HELLO ENVELOPE "DATA\r\nx\0y\r\n.\r\nQUIT\r\n"), "220 250 250 250 354 554 221 ");
	assert_int_equal(f.n_accepted, 0);
	replies(STR("EHLO c.test\nNOOP\rx\r\nNOOP\r\nQUIT\r\n"), "220 500 500 250 221 ");
	replies(STR("NO\0OP\r\nQUIT\r\n"), "220 500 221 ");
}

/* What came in the same packet as STARTTLS was put there by somebody else. */
static void injection(void **state)
{
	struct buf said, got;

	(void)state;
	f.can_tls = true;
	buf_init(&said, 1 << 16);
	buf_init(&got, 1 << 16);
	fake_run(&f, smtp_session, STR(HELLO "STARTTLS\r\nRSET\r\nMAIL FROM:<a@b.test>\r\n"), 0, &said);
	codes(buf_str(&said), &got);
	assert_true(str_eq(buf_str(&got), STR("220 250 503 ")));
	assert_false(f.door.secured);
	buf_fini(&said);
	buf_fini(&got);
}

static void starttls(void **state)
{
	struct buf said;

	(void)state;
	f.can_tls = true;
	buf_init(&said, 1 << 16);
	fake_run(&f, smtp_session, STR(HELLO "STARTTLS\r\n"), 1, &said);
	assert_true(str_search(buf_str(&said), STR("250-STARTTLS")) > 0);
	assert_true(str_search(buf_str(&said), STR("220 2.0.0 Ready")) > 0);
	assert_true(f.door.secured);
	buf_fini(&said);
}

/* Who logged in before the handshake is not who speaks after it (RFC 3207 4.2). */
static void starttls_ends_a_login(void **state)
{
	struct buf said;

	(void)state;
	f.can_tls = f.may_login = true;
	f.door.service = SERVICE_SUBMISSION;
	buf_init(&said, 1 << 16);
	fake_run(&f, smtp_session,
		STR(HELLO "AUTH PLAIN AGFsaWNlQGRlbW8udGVzdABkZSBtbw==\r\nSTARTTLS\r\n" HELLO "MAIL FROM:<alice@demo.test>\r\n"), 1, &said);
	assert_true(str_search(buf_str(&said), STR("\r\n235 ")) > 0);
	assert_true(f.door.secured);
	assert_true(str_search(buf_str(&said), STR("\r\n530 5.7.0 Log in first")) > 0);
	buf_fini(&said);
}

static void size_limits(void **state)
{
	struct buf in, got;

	(void)state;
	replies(STR(HELLO "MAIL FROM:<a@b.test> SIZE=65536\r\nMAIL FROM:<a@b.test>\r\nQUIT\r\n"), "220 250 250 503 221 ");
	replies(STR(HELLO "MAIL FROM:<a@b.test> SIZE=65537\r\nQUIT\r\n"), "220 250 552 221 ");
	for (size_t n = 65536; n <= 65537; n++) {
		buf_init(&in, 1 << 20);
		buf_init(&got, 1 << 20);
		buf_addz(&in, HELLO ENVELOPE "DATA\r\n");
		for (size_t i = 0; i < n - 2; i++)
			buf_addc(&in, 'x');
		buf_addz(&in, "\r\n.\r\nQUIT\r\n");
		fake_run(&f, smtp_session, buf_str(&in), 0, &got);
		assert_true(str_search(buf_str(&got), n == 65536 ? STR("\r\n250 2.0.0 trace") : STR("\r\n552 5.3.4")) > 0);
		buf_fini(&in);
		buf_fini(&got);
	}
	f.budget.max = 1000;
	replies(STR(HELLO ENVELOPE "DATA\r\nQUIT\r\n"), "220 250 250 250 452 221 ");
}

static void loops(void **state)
{
	for (unsigned n = f.conf->limits.received_max; n <= f.conf->limits.received_max + 1; n++) {
		struct buf in, got;

		(void)state;
		buf_init(&in, 1 << 20);
		buf_init(&got, 1 << 20);
		buf_addz(&in, HELLO ENVELOPE "DATA\r\n");
		for (unsigned i = 0; i < n; i++)
			buf_addz(&in, "received: from x\r\n\tby y\r\n");
		buf_addz(&in, "\r\nReceived: in the body\r\n.\r\nQUIT\r\n");
		fake_run(&f, smtp_session, buf_str(&in), 0, &got);
		assert_true(str_search(buf_str(&got), n == f.conf->limits.received_max ? STR("\r\n250 2.0.0 trace") : STR("\r\n554 5.4.6")) > 0);
		buf_fini(&in);
		buf_fini(&got);
	}
}

static void session_limits(void **state)
{
	(void)state;
	replies(STR("A\r\nB\r\nC\r\nD\r\nNOOP\r\nE\r\nNOOP\r\nNOOP\r\n"), "220 500 500 500 500 250 500 421 ");
	replies(STR("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), "220 421 ");
	f.n_letters_max = 1;
	replies(STR(HELLO ENVELOPE "DATA\r\n.\r\nMAIL FROM:<a@b.test>\r\nQUIT\r\n"), "220 250 250 250 354 250 451 221 ");
	f.stopping = true;
	replies(STR(HELLO), "421 ");
}

static void answers(void **state)
{
	static const struct {
		enum outcome o;
		const char *codes;
	} a[] = { { TRY_LATER, "220 250 250 250 354 451 221 " }, { FAILED, "220 250 250 250 354 554 221 " },
		{ OVER_LIMIT, "220 250 250 250 354 452 221 " }, { DENIED, "220 250 250 250 354 550 221 " },
		{ REVOKED, "220 250 250 250 354 421 " } };

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		f.letter_outcome = a[i].o;
		replies(STR(HELLO ENVELOPE "DATA\r\n.\r\nQUIT\r\n"), a[i].codes);
	}
}

static void submission(void **state)
{
	(void)state;
	f.door.service = SERVICE_SUBMISSION;
	f.can_tls = true;
	replies(STR(HELLO "MAIL FROM:<alice@demo.test>\r\nAUTH PLAIN AGFsaWNlAGRlbW8=\r\nQUIT\r\n"), "220 250 530 538 221 ");
	f.can_tls = false;
	f.may_login = true;
	/* \0alice@demo.test\0de mo */
	replies(STR(HELLO "AUTH PLAIN AGFsaWNlQGRlbW8udGVzdABkZSBtbw==\r\nAUTH PLAIN x\r\n"
		"MAIL FROM:<bob@demo.test>\r\nMAIL FROM:<alice@demo.test>\r\nRCPT TO:<x@other.test>\r\nRCPT TO:<bob@demo.test>\r\n"
		"DATA\r\n.\r\nQUIT\r\n"), "220 250 235 503 553 250 550 250 354 250 221 ");
	replies(STR(HELLO "AUTH PLAIN\r\nAGFsaWNlQGRlbW8udGVzdABkZSBtbw==\r\nQUIT\r\n"), "220 250 334 235 221 ");
	replies(STR(HELLO "AUTH LOGIN\r\nYWxpY2VAZGVtby50ZXN0\r\nZGUgbW8=\r\nQUIT\r\n"), "220 250 334 334 235 221 ");
	replies(STR(HELLO "AUTH LOGIN YWxpY2VAZGVtby50ZXN0\r\nZGUgbW8=\r\nQUIT\r\n"), "220 250 334 235 221 ");
	replies(STR(HELLO "AUTH PLAIN\r\n*\r\nAUTH PLAIN =\r\nAUTH PLAIN !!\r\nAUTH X\r\nQUIT\r\n"), "220 250 334 501 501 501 504 221 ");
	replies(STR(HELLO "AUTH LOGIN\r\nYWxpY2VAZGVtby50ZXN0\r\neA==\r\nAUTH LOGIN bGF0ZXI=\r\neA==\r\nQUIT\r\n"),
		"220 250 334 334 535 334 454 221 ");
	replies(STR("HELO x\r\nAUTH PLAIN AGFsaWNlQGRlbW8udGVzdABkZSBtbw==\r\nQUIT\r\n"), "220 250 503 221 ");
	f.door.service = SERVICE_SMTP;
	replies(STR(HELLO "AUTH PLAIN AGFsaWNlQGRlbW8udGVzdABkZSBtbw==\r\nQUIT\r\n"), "220 250 503 221 ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(letter, setup, teardown), cmocka_unit_test_setup_teardown(states, setup, teardown),
		cmocka_unit_test_setup_teardown(wishes, setup, teardown), cmocka_unit_test_setup_teardown(etrn, setup, teardown),
		cmocka_unit_test_setup_teardown(chunks, setup, teardown), cmocka_unit_test_setup_teardown(binary_letters, setup, teardown),
		cmocka_unit_test_setup_teardown(refused_chunks_are_swallowed, setup, teardown),
		cmocka_unit_test_setup_teardown(chunks_beyond_the_size, setup, teardown),
		cmocka_unit_test_setup_teardown(utf8_addresses, setup, teardown), cmocka_unit_test_setup_teardown(lmtp, setup, teardown),
		cmocka_unit_test_setup_teardown(recipients, setup, teardown),
		cmocka_unit_test_setup_teardown(smuggling, setup, teardown),
		cmocka_unit_test_setup_teardown(injection, setup, teardown),
		cmocka_unit_test_setup_teardown(starttls, setup, teardown),
		cmocka_unit_test_setup_teardown(starttls_ends_a_login, setup, teardown),
		cmocka_unit_test_setup_teardown(size_limits, setup, teardown), cmocka_unit_test_setup_teardown(loops, setup, teardown),
		cmocka_unit_test_setup_teardown(session_limits, setup, teardown),
		cmocka_unit_test_setup_teardown(answers, setup, teardown),
		cmocka_unit_test_setup_teardown(submission, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
