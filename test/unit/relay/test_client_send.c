/* test/unit/relay/test_client_send.c - letters to servers that follow a script: every step refused, lost, answered too little and too much. */
#include "client_fake.h"

static struct fake p;

#define MAIL "MAIL FROM:<from@here.example>"
#define RCPT_A "RCPT TO:<a@there.example>\r\n"
#define RCPT_B "RCPT TO:<b@there.example>\r\n"
#define TEXT "Subject: x\r\n\r\nText\r\n"

static void start(const char *script, const char *rcpts)
{
	static char names[10][2];

	fake_begin(&p, script, 0, CONF_ROUTE_SMTP);
	for (size_t i = 0; rcpts[i]; i++) {
		names[i][0] = rcpts[i];
		fake_rcpt(&p, names[i]);
	}
	fake_open(&p);
}

static void done(bool usable, enum feedback feedback)
{
	assert_int_equal(p.sent.usable, usable);
	assert_int_equal(p.sent.feedback, feedback);
	fake_end(&p);
}

static void one_by_one(void **state)
{
	(void)state;
	start(PLAIN_HELLO "250 ok\r\n250 ok\r\n550 5.1.1 who\r\n354 go\r\n250 2.6.0 kept\r\n", "ab");
	fake_send(&p);
	fake_said(&p, MAIL "\r\n" RCPT_A RCPT_B "DATA\r\n" TEXT ".\r\n");
	fake_got(&p, 0, RCPT_SENT, 250, "2.6.0", "kept");
	fake_got(&p, 1, RCPT_FAILED, 550, "5.1.1", "who");
	done(true, FEEDBACK_FINE);
}

/* The same in one flight: what is sent does not depend on any reply. */
static void pipelined(void **state)
{
	(void)state;
	start(PIPELINED_HELLO "250 ok\r\n250 ok\r\n450 4.2.0 later\r\n354 go\r\n250 kept\r\n", "ab");
	fake_send(&p);
	fake_said(&p, MAIL "\r\n" RCPT_A RCPT_B "DATA\r\n" TEXT ".\r\n");
	fake_got(&p, 0, RCPT_SENT, 250, "2.0.0", "kept");
	fake_got(&p, 1, RCPT_WAITING, 450, "4.2.0", "later");
	done(true, FEEDBACK_FINE);
}

static void chunked(void **state)
{
	(void)state;
	start(HELLO "250-PIPELINING\r\n250 CHUNKING\r\n250 ok\r\n250 ok\r\n250 kept\r\n", "a");
	fake_send(&p);
	fake_said(&p, MAIL "\r\n" RCPT_A "BDAT 20 LAST\r\n" TEXT);
	fake_got(&p, 0, RCPT_SENT, 250, "2.0.0", "kept");
	done(true, FEEDBACK_FINE);
	/* without pipelining, only to those who were taken */
	start(HELLO "250 CHUNKING\r\n250 ok\r\n550 no\r\n250 reset\r\n250 ok\r\n250 ok\r\n250 kept\r\n", "a");
	fake_send(&p);
	fake_said(&p, MAIL "\r\n" RCPT_A);
	fake_got(&p, 0, RCPT_FAILED, 550, "5.0.0", "no");
	buf_reset(&p.s.out);
	fake_send(&p);
	fake_said(&p, "RSET\r\n" MAIL "\r\n" RCPT_A "BDAT 20 LAST\r\n" TEXT);
	fake_got(&p, 0, RCPT_SENT, 250, "2.0.0", "kept");
	done(true, FEEDBACK_FINE);
}

/* A letter of several chunks, one of which is refused: the rest is not sent. */
static void chunks(void **state)
{
	static char big[3 * CLIENT_BDAT_SIZE];

	(void)state;
	memset(big, 'x', sizeof big);
	for (size_t i = 70; i < sizeof big; i += 72)
		memcpy(big + i, "\r\n", 2);
	memcpy(big, "\r\n", 2);
	start(HELLO "250 CHUNKING\r\n250 ok\r\n250 ok\r\n250 one\r\n250 two\r\n250 three\r\n250 kept\r\n", "a");
	p.letter.body = str_of(big, sizeof big);
	fake_send(&p);
	fake_got(&p, 0, RCPT_SENT, 250, "2.0.0", "");
	assert_true(p.s.out.n > sizeof big && p.s.out.n < sizeof big + 200);
	done(true, FEEDBACK_FINE);
	start(HELLO "250 CHUNKING\r\n250 ok\r\n250 ok\r\n250 one\r\n452 4.3.1 full\r\n", "a");
	p.letter.body = str_of(big, sizeof big);
	fake_send(&p);
	fake_got(&p, 0, RCPT_WAITING, 452, "4.3.1", "full");
	assert_true(p.s.out.n < sizeof big);
	done(true, FEEDBACK_SLOW);
	/* pipelined: the reply to the next is still heard */
	start(HELLO "250-PIPELINING\r\n250 CHUNKING\r\n250 ok\r\n250 ok\r\n552 5.3.4 big\r\n503 what\r\n250 reset\r\n250 ok\r\n250 ok\r\n250 kept\r\n", "a");
	p.letter.body = str_of(big, sizeof big);
	fake_send(&p);
	fake_got(&p, 0, RCPT_FAILED, 552, "5.3.4", "big");
	p.letter.body = STR(TEXT);
	fake_send(&p);
	fake_got(&p, 0, RCPT_SENT, 250, "2.0.0", "kept");
	done(true, FEEDBACK_FINE);
}

/* ---- refused steps */

static void mail_refused(void **state)
{
	(void)state;
	start(PLAIN_HELLO "550 5.7.1 no\r\n", "ab");
	fake_send(&p);
	fake_said(&p, MAIL "\r\n");
	fake_got(&p, 0, RCPT_FAILED, 550, "5.7.1", "no");
	fake_got(&p, 1, RCPT_FAILED, 550, "5.7.1", "no");
	done(true, FEEDBACK_FINE);
	start(PIPELINED_HELLO "451 4.7.1 slow\r\n503 x\r\n503 x\r\n503 x\r\n", "ab");
	fake_send(&p);
	fake_got(&p, 0, RCPT_WAITING, 451, "4.7.1", "slow");
	fake_got(&p, 1, RCPT_WAITING, 451, "4.7.1", "slow");
	done(true, FEEDBACK_SLOW);
}

/* RFC 2920 3.1: nobody was taken, and DATA may be refused or not. */
static void none_taken(void **state)
{
	(void)state;
	start(PIPELINED_HELLO "250 ok\r\n550 no\r\n554 5.5.1 no recipients\r\n", "a");
	fake_send(&p);
	fake_said(&p, MAIL "\r\n" RCPT_A "DATA\r\n");
	fake_got(&p, 0, RCPT_FAILED, 550, "5.0.0", "no");
	done(true, FEEDBACK_FINE);
	start(PIPELINED_HELLO "250 ok\r\n550 no\r\n354 go\r\n554 nobody\r\n", "a");
	fake_send(&p);
	fake_said(&p, MAIL "\r\n" RCPT_A "DATA\r\n.\r\n");
	fake_got(&p, 0, RCPT_FAILED, 550, "5.0.0", "no");
	done(true, FEEDBACK_FINE);
	start(PLAIN_HELLO "250 ok\r\n550 no\r\n", "a");
	fake_send(&p);
	fake_said(&p, MAIL "\r\n" RCPT_A);
	done(true, FEEDBACK_FINE);
	start(HELLO "250-PIPELINING\r\n250 CHUNKING\r\n250 ok\r\n550 no\r\n503 nobody\r\n", "a");
	fake_send(&p);
	fake_got(&p, 0, RCPT_FAILED, 550, "5.0.0", "no");
	done(true, FEEDBACK_FINE);
}

static void data_refused(void **state)
{
	(void)state;
	start(PIPELINED_HELLO "250 ok\r\n250 ok\r\n550 5.1.1 who\r\n451 4.3.0 no room\r\n", "ab");
	fake_send(&p);
	fake_got(&p, 0, RCPT_WAITING, 451, "4.3.0", "no room");
	fake_got(&p, 1, RCPT_FAILED, 550, "5.1.1", "who");
	done(true, FEEDBACK_SLOW);
	start(PLAIN_HELLO "250 ok\r\n250 ok\r\n554 no\r\n", "a");
	fake_send(&p);
	fake_got(&p, 0, RCPT_FAILED, 554, "5.0.0", "no");
	done(true, FEEDBACK_FINE);
}

static void letter_refused(void **state)
{
	(void)state;
	start(PLAIN_HELLO "250 ok\r\n250 ok\r\n354 go\r\n554 5.7.1 spam\r\n", "a");
	fake_send(&p);
	fake_got(&p, 0, RCPT_FAILED, 554, "5.7.1", "spam");
	done(true, FEEDBACK_FINE);
	start(PLAIN_HELLO "250 ok\r\n250 ok\r\n354 go\r\n451 4.7.1 grey\r\n", "a");
	fake_send(&p);
	fake_got(&p, 0, RCPT_WAITING, 451, "4.7.1", "grey");
	done(true, FEEDBACK_SLOW);
}

static void closing_421(void **state)
{
	(void)state;
	start(PIPELINED_HELLO "250 ok\r\n550 5.1.1 who\r\n421 4.3.2 bye\r\n", "abc");
	fake_send(&p);
	fake_got(&p, 0, RCPT_FAILED, 550, "5.1.1", "who");
	fake_got(&p, 1, RCPT_WAITING, 421, "4.3.2", "bye");
	fake_got(&p, 2, RCPT_WAITING, 421, "4.3.2", "bye");
	done(false, FEEDBACK_SLOW);
	start(PLAIN_HELLO "250 ok\r\n250 ok\r\n354 go\r\n421 4.3.0 bye\r\n", "a");
	fake_send(&p);
	fake_got(&p, 0, RCPT_WAITING, 421, "4.3.0", "bye");
	assert_false(p.sent.unknown); /* it said no */
	done(false, FEEDBACK_SLOW);
}

/* ---- lost at each step */

static void lost(void **state)
{
	static const struct {
		const char *script, *text;
		bool unknown;
	} cases[] = {
		{ PLAIN_HELLO, "MAIL FROM: the other side closed", false },
		{ PLAIN_HELLO "250 ok\r\n", "RCPT TO: the other side closed", false },
		{ PLAIN_HELLO "250 ok\r\n250 ok\r\n", "DATA: the other side closed", false },
		{ PLAIN_HELLO "250 ok\r\n250 ok\r\n354 go\r\n", "may have arrived", true },
		{ PIPELINED_HELLO, "MAIL FROM: the other side closed", false },
		{ PIPELINED_HELLO "250 ok\r\n250 ok\r\n", "DATA: the other side closed", false },
		{ PIPELINED_HELLO "250 ok\r\n250 ok\r\n354 go\r\n250", "may have arrived", true },
		{ HELLO "250-PIPELINING\r\n250 CHUNKING\r\n250 ok\r\n250 ok\r\n", "may have arrived", true },
		{ HELLO "250 CHUNKING\r\n250 ok\r\n250 ok\r\n", "may have arrived", true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		start(cases[i].script, "a");
		fake_send(&p);
		fake_got(&p, 0, RCPT_WAITING, 0, "4.4.2", cases[i].text);
		assert_int_equal(p.sent.unknown, cases[i].unknown);
		done(false, FEEDBACK_DOWN);
	}
}

/* An answer of another class than the command has: nobody knows what the next answers. */
static void out_of_order(void **state)
{
	(void)state;
	start(PLAIN_HELLO "354 go\r\n", "a");
	fake_send(&p);
	fake_got(&p, 0, RCPT_WAITING, 0, "4.5.0", "belongs to something else");
	done(false, FEEDBACK_DOWN);
	start(PLAIN_HELLO "250 ok\r\n250 ok\r\n250 no data wanted\r\n", "a");
	fake_send(&p);
	fake_got(&p, 0, RCPT_WAITING, 0, "4.5.0", "belongs to something else");
	done(false, FEEDBACK_DOWN);
	start(PLAIN_HELLO "250 ok\r\n250 ok\r\n354 go\r\ngarbage\r\n", "a");
	fake_send(&p);
	fake_got(&p, 0, RCPT_WAITING, 0, "4.4.2", "may have arrived");
	assert_true(p.sent.unknown);
	done(false, FEEDBACK_DOWN);
}

/* ---- too many recipients */

static void too_many(void **state)
{
	(void)state;
	start(PIPELINED_HELLO "250 ok\r\n250 ok\r\n452 4.5.3 too many\r\n354 go\r\n250 one\r\n"
			      "250 ok\r\n250 ok\r\n354 go\r\n250 two\r\n", "ab");
	fake_send(&p);
	fake_said(&p, MAIL "\r\n" RCPT_A RCPT_B "DATA\r\n" TEXT ".\r\n" MAIL "\r\n" RCPT_B "DATA\r\n" TEXT ".\r\n");
	fake_got(&p, 0, RCPT_SENT, 250, "2.0.0", "one");
	fake_got(&p, 1, RCPT_SENT, 250, "2.0.0", "two");
	assert_false(p.sent.again);
	done(true, FEEDBACK_FINE);
	/* the first: it is not about their number, and is not tried on and on */
	start(PIPELINED_HELLO "250 ok\r\n452 4.5.3 too many\r\n554 nobody\r\n", "a");
	fake_send(&p);
	fake_got(&p, 0, RCPT_WAITING, 452, "4.5.3", "too many");
	assert_false(p.sent.again);
	done(true, FEEDBACK_FINE);
}

/* RFC 5321 4.5.3.1.10: 552 counts as 452, unless it says that it is about a mailbox. */
static void too_many_552(void **state)
{
	(void)state;
	start(PIPELINED_HELLO "250 ok\r\n250 ok\r\n552 too many\r\n552 5.2.2 full\r\n354 go\r\n250 one\r\n"
			      "250 ok\r\n250 ok\r\n354 go\r\n250 two\r\n", "abc");
	fake_send(&p);
	fake_got(&p, 0, RCPT_SENT, 250, "2.0.0", "one");
	fake_got(&p, 1, RCPT_SENT, 250, "2.0.0", "two");
	fake_got(&p, 2, RCPT_FAILED, 552, "5.2.2", "full");
	done(true, FEEDBACK_FINE);
}

static void announced_limits(void **state)
{
	(void)state;
	start(HELLO "250-PIPELINING\r\n250 LIMITS RCPTMAX=2\r\n250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n250 one\r\n250 ok\r\n250 ok\r\n354 go\r\n"
		"250 two\r\n", "abc");
	fake_send(&p);
	fake_got(&p, 1, RCPT_SENT, 250, "2.0.0", "one");
	fake_got(&p, 2, RCPT_SENT, 250, "2.0.0", "two");
	done(true, FEEDBACK_FINE);
	start(HELLO "250-PIPELINING\r\n250 LIMITS RCPTMAX=2 MAILMAX=1\r\n250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n250 one\r\n", "abc");
	fake_send(&p);
	fake_got(&p, 1, RCPT_SENT, 250, "2.0.0", "one");
	fake_got(&p, 2, RCPT_WAITING, 0, "4.5.3", "no more at once");
	assert_true(p.sent.again);
	done(false, FEEDBACK_FINE);
}

/* Of three recipients at two domains: a@there, b@other, c@there. */
static void start_two_domains(const char *script)
{
	start(script, "abc");
	p.rcpts[1].to.domain = STR("other.example");
}

#define RCPT_OTHER "RCPT TO:<b@other.example>\r\n"

static void domains_apart_by_limit(void **state)
{
	(void)state;
	start_two_domains(HELLO "250-PIPELINING\r\n250 LIMITS RCPTDOMAINMAX=1\r\n250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n250 one\r\n"
		"250 ok\r\n250 ok\r\n354 go\r\n250 two\r\n");
	fake_send(&p);
	fake_said(&p, MAIL "\r\n" RCPT_A "RCPT TO:<c@there.example>\r\n" "DATA\r\n" TEXT ".\r\n" MAIL "\r\n" RCPT_OTHER "DATA\r\n" TEXT ".\r\n");
	fake_got(&p, 1, RCPT_SENT, 250, "2.0.0", "two");
	fake_got(&p, 2, RCPT_SENT, 250, "2.0.0", "one");
	done(true, FEEDBACK_FINE);
}

static void domains_apart_by_refusal(void **state)
{
	(void)state;
	start_two_domains(PIPELINED_HELLO "250 ok\r\n250 ok\r\n451 4.3.0 multiple destination domains\r\n250 ok\r\n354 go\r\n250 one\r\n"
		"250 ok\r\n250 ok\r\n354 go\r\n250 two\r\n");
	fake_send(&p);
	fake_said(&p, MAIL "\r\n" RCPT_A RCPT_OTHER "RCPT TO:<c@there.example>\r\n" "DATA\r\n" TEXT ".\r\n" MAIL "\r\n" RCPT_OTHER "DATA\r\n" TEXT ".\r\n");
	fake_got(&p, 1, RCPT_SENT, 250, "2.0.0", "two");
	fake_got(&p, 2, RCPT_SENT, 250, "2.0.0", "one");
	done(true, FEEDBACK_FINE);
	/* its own transaction says the same: then it is about the recipient */
	start_two_domains(PIPELINED_HELLO "250 ok\r\n250 ok\r\n451 4.3.0 later\r\n250 ok\r\n354 go\r\n250 one\r\n"
		"250 ok\r\n451 4.2.0 grey\r\n554 nobody\r\n");
	fake_send(&p);
	fake_got(&p, 0, RCPT_SENT, 250, "2.0.0", "one");
	fake_got(&p, 1, RCPT_WAITING, 451, "4.2.0", "grey");
	done(true, FEEDBACK_FINE);
	/* nobody of the first domain is taken, and the other has its turn all the same */
	start_two_domains(PIPELINED_HELLO "250 ok\r\n450 4.2.0 grey\r\n451 4.3.0 later\r\n450 4.2.0 grey\r\n554 nobody\r\n"
		"250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n250 two\r\n");
	fake_send(&p);
	fake_got(&p, 0, RCPT_WAITING, 450, "4.2.0", "grey");
	fake_got(&p, 1, RCPT_SENT, 250, "2.0.0", "two");
	fake_got(&p, 2, RCPT_WAITING, 450, "4.2.0", "grey");
	done(true, FEEDBACK_FINE);
}

/* Commands in flights of CLIENT_FLIGHT_MAX bytes: the last one carries DATA, and a refused MAIL ends it after the first. */
static void long_envelope(void **state)
{
	static char names[RCPTS_MAX][61], script[RCPTS_MAX * 8 + 200];
	size_t n = (size_t)snprintf(script, sizeof script, "%s250 ok\r\n", PIPELINED_HELLO);

	(void)state;
	for (size_t i = 0; i < RCPTS_MAX; i++) {
		memset(names[i], 'a', 60);
		n += (size_t)snprintf(script + n, sizeof script - n, "250 ok\r\n");
	}
	snprintf(script + n, sizeof script - n, "354 go\r\n250 ok\r\n");
	start(script, "");
	for (size_t i = 0; i < RCPTS_MAX; i++)
		fake_rcpt(&p, names[i]);
	fake_send(&p);
	for (size_t i = 0; i < RCPTS_MAX; i++)
		fake_got(&p, i, RCPT_SENT, 250, "2.0.0", "ok");
	done(true, FEEDBACK_FINE);
	start(PIPELINED_HELLO "550 no\r\n" "503 a\r\n", "");
	for (size_t i = 0; i < 2; i++)
		fake_rcpt(&p, names[i]);
	fake_send(&p);
	fake_got(&p, 1, RCPT_FAILED, 550, "5.0.0", "no");
	fake_end(&p);
}

/* ---- LMTP */

static void lmtp(void **state)
{
	(void)state;
	fake_begin(&p, PIPELINED_HELLO "250 ok\r\n250 ok\r\n550 5.1.1 who\r\n250 ok\r\n250 ok\r\n354 go\r\n250 2.1.5 a\r\n552 5.2.2 c full\r\n"
		"451 4.2.0 d later\r\n", 0, CONF_ROUTE_LMTP);
	for (const char *const *name = (const char *const[]){ "a", "b", "c", "d", NULL }; *name; name++)
		fake_rcpt(&p, *name);
	fake_open(&p);
	fake_send(&p);
	fake_got(&p, 0, RCPT_SENT, 250, "2.1.5", "a");
	fake_got(&p, 1, RCPT_FAILED, 550, "5.1.1", "who");
	fake_got(&p, 2, RCPT_FAILED, 552, "5.2.2", "c full");
	fake_got(&p, 3, RCPT_WAITING, 451, "4.2.0", "d later");
	done(true, FEEDBACK_FINE);
}

static void lmtp_too_few(void **state)
{
	(void)state;
	fake_begin(&p, HELLO "250-PIPELINING\r\n250 CHUNKING\r\n250 ok\r\n250 ok\r\n250 ok\r\n250 2.1.5 a\r\n", 0, CONF_ROUTE_LMTP);
	fake_rcpt(&p, "a");
	fake_rcpt(&p, "b");
	fake_open(&p);
	fake_send(&p);
	fake_got(&p, 0, RCPT_SENT, 250, "2.1.5", "a");
	fake_got(&p, 1, RCPT_WAITING, 0, "4.4.2", "may have arrived");
	assert_true(p.sent.unknown);
	done(false, FEEDBACK_DOWN);
}

/* ---- what the sender asks for */

#define ALL HELLO "250-PIPELINING\r\n250-SIZE 1000\r\n250-8BITMIME\r\n250-DSN\r\n250-REQUIRETLS\r\n250-MT-PRIORITY\r\n250-DELIVERBY 10\r\n250 SMTPUTF8\r\n"

static void parameters(void **state)
{
	struct ipc_queue_rcpt *r;

	(void)state;
	fake_begin(&p, ALL "250 ok\r\n250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n250 ok\r\n", 0, CONF_ROUTE_SMTP);
	p.facts.wishes = (struct ipc_wishes){ .ret = RET_HDRS, .envid = STR("a+b =c"), .priority = PRIORITY_OF_NORMAL - 3, .by_mode = BY_RETURN,
		.by_trace = 1, .by_s = 1100,
		.require_tls = 1 };
	r = fake_rcpt(&p, "a");
	r->dsn = (struct ipc_rcpt_dsn){ NOTIFY_SUCCESS | NOTIFY_FAILURE | NOTIFY_DELAY, STR("rfc822;x+y@z.example") };
	r = fake_rcpt(&p, "b c");
	r->dsn = (struct ipc_rcpt_dsn){ NOTIFY_NEVER, STR("utf-8;\xc3\xbc+\\@z.example") };
	r = fake_rcpt(&p, "d");
	fake_open(&p);
	fake_send(&p);
	fake_said(&p, MAIL " SIZE=20 RET=HDRS ENVID=a+2Bb+20+3Dc REQUIRETLS MT-PRIORITY=-3 BY=100;RT\r\n"
		"RCPT TO:<a@there.example> NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;x+2By@z.example\r\n"
		"RCPT TO:<\"b c\"@there.example> NOTIFY=NEVER ORCPT=utf-8;\\x{FC}\\x{2B}\\x{5C}@z.example\r\n"
		"RCPT TO:<d@there.example>\r\nDATA\r\n" TEXT ".\r\n");
	fake_got(&p, 0, RCPT_RELAYED, 250, "2.0.0", "ok"); /* a trace was asked for */
	fake_got(&p, 1, RCPT_SENT, 250, "2.0.0", "ok");
	done(true, FEEDBACK_FINE);
}

/* A server that knows none of it hears none of it. */
static void parameters_unknown(void **state)
{
	struct ipc_queue_rcpt *r;

	(void)state;
	fake_begin(&p, PIPELINED_HELLO "250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n250 ok\r\n", 0, CONF_ROUTE_SMTP);
	p.facts.wishes = (struct ipc_wishes){ .ret = RET_FULL, .envid = STR("x"), .priority = PRIORITY_OF_NORMAL + 3, .by_mode = BY_NOTIFY, .by_s = 900 };
	r = fake_rcpt(&p, "a");
	r->dsn = (struct ipc_rcpt_dsn){ NOTIFY_SUCCESS, STR("rfc822;x@z.example") };
	r = fake_rcpt(&p, "b");
	r->dsn.notify = NOTIFY_NEVER;
	fake_open(&p);
	fake_send(&p);
	fake_said(&p, MAIL "\r\n" RCPT_A RCPT_B "DATA\r\n" TEXT ".\r\n");
	fake_got(&p, 0, RCPT_RELAYED, 250, "2.0.0", "ok"); /* it will not report: we do */
	fake_got(&p, 1, RCPT_SENT, 250, "2.0.0", "ok");
	done(true, FEEDBACK_FINE);
}

static void refused_before(unsigned require_tls, unsigned by_mode, int64_t by_s, const char *hello, const char *status, bool unsuited)
{
	fake_begin(&p, hello, 0, CONF_ROUTE_SMTP);
	p.facts.wishes = (struct ipc_wishes){ .require_tls = (uint8_t)require_tls, .by_mode = (uint8_t)by_mode, .by_s = by_s };
	fake_rcpt(&p, "a");
	fake_open(&p);
	fake_send(&p);
	fake_said(&p, "");
	fake_got(&p, 0, RCPT_FAILED, 0, status, "");
	assert_int_equal(p.sent.unsuited, unsuited);
	done(true, FEEDBACK_FINE);
}

static void demands(void **state)
{
	(void)state;
	refused_before(1, BY_NONE, 0, PLAIN_HELLO, "5.7.30", true);
	refused_before(0, BY_RETURN, 1100, PLAIN_HELLO, "5.3.3", true);
	refused_before(0, BY_RETURN, 1000, ALL, "5.4.7", false); /* now */
	refused_before(0, BY_RETURN, 1009, ALL, "5.4.7", false); /* 9 seconds, and it takes 10 at least */
	refused_before(0, BY_NONE, 0, HELLO "250 SIZE 19\r\n", "5.3.4", false);
}

static void size_at_the_edge(void **state)
{
	(void)state;
	start(HELLO "250 SIZE 20\r\n250 ok\r\n250 ok\r\n354 go\r\n250 ok\r\n", "a");
	fake_send(&p);
	fake_got(&p, 0, RCPT_SENT, 250, "2.0.0", "ok");
	done(true, FEEDBACK_FINE);
}

static void null_sender(void **state)
{
	(void)state;
	start(PLAIN_HELLO "250 ok\r\n250 ok\r\n354 go\r\n250 ok\r\n", "a");
	p.facts.from_null = 1;
	fake_send(&p);
	fake_said(&p, "MAIL FROM:<>\r\n" RCPT_A "DATA\r\n" TEXT ".\r\n");
	done(true, FEEDBACK_FINE);
}

/* ---- other alphabets */

static void utf8(void **state)
{
	(void)state;
	fake_begin(&p, ALL "250 ok\r\n250 ok\r\n354 go\r\n250 ok\r\n", 0, CONF_ROUTE_SMTP);
	p.facts.wire = WIRE_UTF8;
	p.letter.body = STR("Subject: \xc3\xbc\r\n\r\nx\r\n");
	fake_rcpt(&p, "\xc3\xbc");
	fake_open(&p);
	fake_send(&p);
	fake_said(&p, MAIL " SIZE=18 BODY=8BITMIME SMTPUTF8\r\nRCPT TO:<\xc3\xbc@there.example>\r\nDATA\r\nSubject: \xc3\xbc\r\n\r\nx\r\n.\r\n");
	fake_got(&p, 0, RCPT_SENT, 250, "2.0.0", "ok");
	done(true, FEEDBACK_FINE);
}

static void utf8_unknown(void **state)
{
	(void)state;
	fake_begin(&p, PLAIN_HELLO "250 ok\r\n250 ok\r\n354 go\r\n250 ok\r\n", 0, CONF_ROUTE_SMTP);
	p.facts.wire = WIRE_UTF8;
	p.facts.from.domain = STR("m\xc3\xbcller.example");
	p.letter.body = STR("Subject: \xc3\xbc\r\nFrom: x@m\xc3\xbcller.example\r\n\r\nx\r\n");
	fake_rcpt(&p, "\xc3\xbc");
	fake_rcpt(&p, "b");
	fake_open(&p);
	fake_send(&p);
	fake_said(&p, "MAIL FROM:<from@xn--mller-kva.example> BODY=8BITMIME\r\n" RCPT_B "DATA\r\nSubject: =?utf-8?B?w7w=?=\r\n"
		"From: <x@xn--mller-kva.example>\r\n\r\nx\r\n.\r\n");
	fake_got(&p, 0, RCPT_FAILED, 0, "5.6.7", "SMTPUTF8");
	fake_got(&p, 1, RCPT_SENT, 250, "2.0.0", "ok");
	done(true, FEEDBACK_FINE);
	fake_begin(&p, PLAIN_HELLO, 0, CONF_ROUTE_SMTP);
	p.facts.wire = WIRE_UTF8;
	p.facts.from.local = STR("\xc3\xbc");
	fake_rcpt(&p, "b");
	fake_open(&p);
	fake_send(&p);
	fake_got(&p, 0, RCPT_FAILED, 0, "5.6.7", "sender");
	assert_true(p.sent.unsuited);
	done(true, FEEDBACK_FINE);
	fake_begin(&p, PLAIN_HELLO, 0, CONF_ROUTE_SMTP);
	p.facts.wire = WIRE_UTF8;
	p.letter.body = STR("From: \xc3\xbc@x.example\r\n\r\nx\r\n");
	fake_rcpt(&p, "b");
	fake_open(&p);
	fake_send(&p);
	fake_got(&p, 0, RCPT_FAILED, 0, "5.6.7", "header");
	done(true, FEEDBACK_FINE);
}

static void eight_bit(void **state)
{
	(void)state;
	start(PLAIN_HELLO "250 ok\r\n250 ok\r\n354 go\r\n250 ok\r\n", "a");
	p.letter.body = STR("Subject: x\r\n\r\n\xc3\xbc\r\n");
	fake_send(&p);
	fake_said(&p, MAIL " BODY=8BITMIME\r\n" RCPT_A "DATA\r\nSubject: x\r\n\r\n\xc3\xbc\r\n.\r\n");
	done(true, FEEDBACK_FINE);
	start(HELLO "250 SIZE\r\n250 ok\r\n250 ok\r\n354 go\r\n250 ok\r\n", "a");
	p.letter.body = STR("Subject: x\r\n\r\nabcdefghijklm\xc3\xbc\r\n");
	fake_send(&p);
	fake_said(&p, MAIL " SIZE=140\r\n" RCPT_A "DATA\r\nSubject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
		"Content-Transfer-Encoding: quoted-printable\r\n\r\nabcdefghijklm=C3=BC\r\n.\r\n");
	done(true, FEEDBACK_FINE);
}

static void signed_text(void **state)
{
	(void)state;
	start(HELLO "250 SIZE\r\n", "a");
	p.letter.body = STR("Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\n\xc3\xbc\r\n--b\r\n\r\ns\r\n--b--\r\n");
	fake_send(&p);
	fake_said(&p, "");
	fake_got(&p, 0, RCPT_FAILED, 0, "5.6.3", "signed");
	assert_true(p.sent.unsuited);
	done(true, FEEDBACK_FINE);
}

/* Binary goes as it is to who takes it, in chunks, and encoded to the others. */
static void binary(void **state)
{
	static const char body[] = "Content-Transfer-Encoding: binary\r\n\r\na\0b\nc";

	(void)state;
	start(HELLO "250-CHUNKING\r\n250 BINARYMIME\r\n250 ok\r\n250 ok\r\n250 ok\r\n", "a");
	p.facts.wire = WIRE_BINARY;
	p.letter.body = str_of(body, sizeof body - 1);
	fake_send(&p);
	assert_true(str_starts(buf_str(&p.s.out), STR(MAIL " BODY=BINARYMIME\r\n" RCPT_A "BDAT 42 LAST\r\n")));
	assert_true(str_ends(buf_str(&p.s.out), p.letter.body));
	done(true, FEEDBACK_FINE);
	start(HELLO "250 CHUNKING\r\n250 ok\r\n250 ok\r\n250 ok\r\n", "a");
	p.facts.wire = WIRE_BINARY;
	p.letter.body = str_of(body, sizeof body - 1);
	fake_send(&p);
	assert_true(str_search(buf_str(&p.s.out), STR("Content-Transfer-Encoding: base64\r\n\r\nYQBiCmM=\r\n")) > 0);
	done(true, FEEDBACK_FINE);
}

/* ---- lines */

static void dots_and_ends(void **state)
{
	(void)state;
	start(PLAIN_HELLO "250 ok\r\n250 ok\r\n354 go\r\n250 ok\r\n", "a");
	p.letter.prefix = STR("Received: x\r\n");
	p.letter.body = STR(".a\r\n..b\r\n\r\n.\n.\r.c\nd\re\r\r\n.");
	fake_send(&p);
	fake_said(&p, MAIL "\r\n" RCPT_A "DATA\r\nReceived: x\r\n..a\r\n...b\r\n\r\n..\r\n..\r\n..c\r\nd\r\ne\r\n\r\n..\r\n.\r\n");
	done(true, FEEDBACK_FINE);
	start(PLAIN_HELLO "250 ok\r\n250 ok\r\n354 go\r\n250 ok\r\n", "a");
	p.letter.body = (struct str){ 0 };
	fake_send(&p);
	fake_said(&p, MAIL "\r\n" RCPT_A "DATA\r\n.\r\n");
	done(true, FEEDBACK_FINE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_by_one),
		cmocka_unit_test(pipelined),
		cmocka_unit_test(chunked),
		cmocka_unit_test(chunks),
		cmocka_unit_test(mail_refused),
		cmocka_unit_test(none_taken),
		cmocka_unit_test(data_refused),
		cmocka_unit_test(letter_refused),
		cmocka_unit_test(closing_421),
		cmocka_unit_test(lost),
		cmocka_unit_test(out_of_order),
		cmocka_unit_test(too_many),
		cmocka_unit_test(too_many_552),
		cmocka_unit_test(announced_limits),
		cmocka_unit_test(domains_apart_by_limit),
		cmocka_unit_test(domains_apart_by_refusal),
		cmocka_unit_test(long_envelope),
		cmocka_unit_test(lmtp),
		cmocka_unit_test(lmtp_too_few),
		cmocka_unit_test(parameters),
		cmocka_unit_test(parameters_unknown),
		cmocka_unit_test(demands),
		cmocka_unit_test(size_at_the_edge),
		cmocka_unit_test(null_sender),
		cmocka_unit_test(utf8),
		cmocka_unit_test(utf8_unknown),
		cmocka_unit_test(eight_bit),
		cmocka_unit_test(signed_text),
		cmocka_unit_test(binary),
		cmocka_unit_test(dots_and_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
