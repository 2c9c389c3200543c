/* test/unit/pop/test_session.c - whole POP3 sessions over memory, in pieces of every small size. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "unit/smtp/fake.h"

static struct fake f;

static int setup(void **state)
{
	(void)state;
	fake_open(&f);
	f.may_login = true;
	f.messages[0] = STR("A: b\r\n\r\n.one\r\n");
	f.messages[1] = STR("A: c\r\n\r\ntwo\r\nlines\r\n");
	f.messages[2] = STR("no end");
	f.n_messages = 3;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fake_close(&f);
	return 0;
}

#define LOGIN "USER alice@demo.test\r\nPASS de mo\r\n"
#define HELLO "+OK mx.demo.test POP3 Sallyport\r\n"
#define IN HELLO "+OK Send PASS\r\n+OK 3 messages\r\n"

static void says(struct str in, const char *want)
{
	for (size_t chunk = 0; chunk < 8; chunk++) {
		struct buf said;

		buf_init(&said, 1 << 20);
		f.removed = 0;
		f.door.secured = false;
		f.n_closed = 0;
		fake_run(&f, pop_session, in, chunk, &said);
		if (!str_eq(buf_str(&said), str_z(want)))
			fail_msg("chunk %zu: got [%.*s], want [%s]", chunk, STR_ARG(buf_str(&said)), want);
		buf_fini(&said);
	}
}

static void lists(void **state)
{
	(void)state;
	says(STR(LOGIN "STAT\r\nLIST\r\nLIST 2\r\nUIDL\r\nUIDL 3\r\nLIST 4\r\nQUIT\r\n"),
		IN "+OK 3 40\r\n+OK 3 messages\r\n1 14\r\n2 20\r\n3 6\r\n.\r\n+OK 2 20\r\n"
		   "+OK 3 messages\r\n1 id-0\r\n2 id-1\r\n3 id-2\r\n.\r\n+OK 3 id-2\r\n-ERR No such message\r\n+OK Bye\r\n");
	assert_int_equal(f.n_closed, 1);
}

static void reads(void **state)
{
	(void)state;
	says(STR(LOGIN "RETR 1\r\nTOP 2 1\r\nRETR 3\r\nTOP 2\r\nRETR x\r\nQUIT\r\n"),
		IN "+OK 14 octets\r\nA: b\r\n\r\n..one\r\n.\r\n+OK 20 octets\r\nA: c\r\n\r\ntwo\r\n.\r\n+OK 6 octets\r\nno end\r\n.\r\n"
		   "-ERR A message number and a number of lines are needed\r\n-ERR A message number is needed\r\n+OK Bye\r\n");
}

static void deletes(void **state)
{
	(void)state;
	says(STR(LOGIN "DELE 1\r\nDELE 1\r\nRETR 1\r\nDELE 2\r\nSTAT\r\nLIST\r\nQUIT\r\n"),
		IN "+OK Deleted when you quit\r\n-ERR The message is deleted\r\n-ERR The message is deleted\r\n"
		   "+OK Deleted when you quit\r\n+OK 1 6\r\n+OK 1 messages\r\n3 6\r\n.\r\n+OK Bye\r\n");
	assert_int_equal(f.removed, 3);
	says(STR(LOGIN "DELE 1\r\nRSET\r\nDELE 3\r\nQUIT\r\n"),
		IN "+OK Deleted when you quit\r\n+OK 3 messages\r\n+OK Deleted when you quit\r\n+OK Bye\r\n");
	assert_int_equal(f.removed, 4);
	says(STR(LOGIN "DELE 1\r\n"), IN "+OK Deleted when you quit\r\n"); /* lost before QUIT */
	assert_int_equal(f.removed, 0);
	assert_int_equal(f.n_closed, 1);
}

#define CAPAS "+OK Capabilities follow\r\nTOP\r\nUIDL\r\nPIPELINING\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\n" \
	      "EXPIRE NEVER\r\nUTF8 USER\r\nLANG\r\n"

static void logins(void **state)
{
	(void)state;
	says(STR("PASS x\r\nUSER nobody\r\nPASS x\r\nUSER alice@demo.test\r\nPASS x\r\nSTAT\r\n" LOGIN "USER x\r\nQUIT\r\n"),
		HELLO "-ERR Send USER first\r\n+OK Send PASS\r\n-ERR [AUTH] Wrong name or password\r\n+OK Send PASS\r\n"
		      "-ERR [AUTH] Wrong name or password\r\n-ERR Log in first\r\n+OK Send PASS\r\n+OK 3 messages\r\n"
		      "-ERR You are logged in already\r\n+OK Bye\r\n");
	f.open_outcome = IN_USE;
	says(STR(LOGIN "QUIT\r\n"),
		HELLO "+OK Send PASS\r\n-ERR [IN-USE] Another session has the maildrop\r\n+OK Bye\r\n");
	f.open_outcome = OVER_LIMIT;
	says(STR(LOGIN "QUIT\r\n"), HELLO "+OK Send PASS\r\n-ERR [LOGIN-DELAY] Too soon after the last login\r\n+OK Bye\r\n");
	f.may_login = false;
	says(STR("USER alice@demo.test\r\nPASS x\r\nCAPA\r\nQUIT\r\n"),
		HELLO "-ERR Start TLS (STLS) before you log in\r\n-ERR Start TLS (STLS) before you log in\r\n"
		      CAPAS ".\r\n+OK Bye\r\n");
}

/* RFC 2449 6.5, 6.9: the delay is announced when there is one, the implementation to those who have logged in. */
static void capabilities(void **state)
{
	(void)state;
	f.conf->limits.pop_login_delay_ms = 60001;
	says(STR("CAPA\r\n" LOGIN "CAPA\r\nQUIT\r\n"),
		HELLO CAPAS "LOGIN-DELAY 61\r\nUSER\r\nSASL SCRAM-SHA-256 SCRAM-SHA-1 PLAIN LOGIN\r\n.\r\n+OK Send PASS\r\n+OK 3 messages\r\n" CAPAS
			    "LOGIN-DELAY 61\r\nUSER\r\nSASL SCRAM-SHA-256 SCRAM-SHA-1 PLAIN LOGIN\r\nIMPLEMENTATION Sallyport\r\n.\r\n+OK Bye\r\n");
}

/* RFC 6856. */
static void languages(void **state)
{
	(void)state;
	says(STR("LANG\r\nLANG tlh\r\nLANG de-AT\r\nNONSENSE\r\nLANG *\r\nNONSENSE\r\nLANG i-default\r\nLANG zh\r\nQUIT\r\n"),
		HELLO "+OK Languages follow\r\nen English\r\ni-default English, for everybody\r\nde Deutsch\r\nzh 中文\r\n.\r\n"
		      "-ERR No such language\r\n+OK de Antworten sind auf Deutsch\r\n-ERR Unbekannter Befehl\r\n"
		      "+OK en Answers are in English\r\n-ERR No such command\r\n+OK i-default Answers are in English\r\n"
		      "+OK zh 将使用中文回复\r\n+OK 再见\r\n");
	says(STR("LANG de\r\n" LOGIN "RETR 9\r\nQUIT\r\n"),
		HELLO "+OK de Antworten sind auf Deutsch\r\n+OK PASS wird erwartet\r\n+OK 3 Nachrichten\r\n"
		      "-ERR Diese Nachricht gibt es nicht\r\n+OK Auf Wiedersehen\r\n");
}

static void utf8(void **state)
{
	(void)state;
	f.can_tls = true;
	says(STR("UTF8\r\nSTLS\r\n" LOGIN "UTF8\r\nQUIT\r\n"),
		HELLO "+OK UTF8 is on\r\n-ERR STLS comes before UTF8\r\n+OK Send PASS\r\n+OK 3 messages\r\n"
		      "-ERR You are logged in already\r\n+OK Bye\r\n");
}

static void errors(void **state)
{
	(void)state;
	says(STR("WHAT\r\nUSER\r\nQUIT x\r\nNO\0OP\r\nCAPA\nUSER\rx\r\n \r\nQUIT\r\n"),
		HELLO "-ERR No such command\r\n-ERR The command needs an argument\r\n-ERR The command takes no argument\r\n"
		      "-ERR The line holds a NUL byte\r\n-ERR A CR or LF stands alone; lines end with CRLF\r\n"
		      "-ERR A CR or LF stands alone; lines end with CRLF\r\n-ERR No such command\r\n+OK Bye\r\n");
	says(STR("A\r\nB\r\nC\r\nD\r\nE\r\nF\r\nG\r\nH\r\nI\r\nJ\r\nCAPA\r\nQUIT\r\n"),
		HELLO "-ERR No such command\r\n-ERR No such command\r\n-ERR No such command\r\n-ERR No such command\r\n"
		      "-ERR No such command\r\n-ERR No such command\r\n-ERR No such command\r\n-ERR No such command\r\n"
		      "-ERR No such command\r\n-ERR No such command\r\n-ERR Too many errors\r\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(lists, setup, teardown), cmocka_unit_test_setup_teardown(reads, setup, teardown),
		cmocka_unit_test_setup_teardown(deletes, setup, teardown), cmocka_unit_test_setup_teardown(logins, setup, teardown),
		cmocka_unit_test_setup_teardown(errors, setup, teardown), cmocka_unit_test_setup_teardown(capabilities, setup, teardown),
		cmocka_unit_test_setup_teardown(languages, setup, teardown), cmocka_unit_test_setup_teardown(utf8, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
