/* test/unit/pop/test_pop2.c - whole POP2 sessions over memory, in pieces of every small size (RFC 937). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "pop/pop2_parse.h"
#include "unit/smtp/fake.h"

static struct fake f;

static int setup(void **state)
{
	(void)state;
	fake_open(&f);
	f.may_login = true;
	f.messages[0] = STR("A: b\r\n\r\n.one\r\n");
	f.messages[1] = STR("A: c\r\n\r\ntwo\r\n");
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

#define HELLO "+ POP2 mx.demo.test Sallyport\r\n"
#define LOGIN "HELO alice@demo.test de\\ mo\r\n"
#define IN HELLO "#3 messages\r\n"
#define LEN(n, i) "=" n " characters in message " i "\r\n"

static void says(struct str in, const char *want)
{
	for (size_t chunk = 0; chunk < 8; chunk++) {
		struct buf said;

		buf_init(&said, 1 << 20);
		f.removed = 0;
		f.n_closed = 0;
		fake_run(&f, pop2_session, in, chunk, &said);
		if (!str_eq(buf_str(&said), str_z(want)))
			fail_msg("chunk %zu: got [%.*s], want [%s]", chunk, STR_ARG(buf_str(&said)), want);
		buf_fini(&said);
	}
}

/* The data is as many octets as announced, a line that begins with a dot like all others. */
static void reads_and_acknowledges(void **state)
{
	(void)state;
	says(STR(LOGIN "READ\r\nRETR\r\nACKS\r\nRETR\r\nNACK\r\nRETR\r\nACKD\r\nRETR\r\nACKD\r\nREAD 2\r\nREAD 1\r\nQUIT\r\n"),
		IN LEN("14", "1") "A: b\r\n\r\n.one\r\n" LEN("13", "2") "A: c\r\n\r\ntwo\r\n" LEN("13", "2") "A: c\r\n\r\ntwo\r\n"
			LEN("6", "3") "no end" "=0 no message\r\n=0 no message\r\n" LEN("14", "1") "+ OK\r\n");
	assert_int_equal(f.removed, 2 | 4);
	assert_int_equal(f.n_closed, 1);
}

static void removes_nothing_when_lost(void **state)
{
	(void)state;
	says(STR(LOGIN "READ\r\nRETR\r\nACKD\r\n"), IN LEN("14", "1") "A: b\r\n\r\n.one\r\n" LEN("13", "2"));
	assert_int_equal(f.removed, 0);
	assert_int_equal(f.n_closed, 1);
}

/* FOLD releases the mailbox before; one that is not there has no messages. */
static void folds(void **state)
{
	(void)state;
	says(STR(LOGIN "READ 1\r\nRETR\r\nACKD\r\nFOLD my box\r\nREAD\r\nFOLD nothing\r\nREAD 1\r\nFOLD my\\ box\r\nQUIT\r\n"),
		IN LEN("14", "1") "A: b\r\n\r\n.one\r\n" LEN("13", "2") "#1 messages\r\n" LEN("14", "1")
			"#0 messages\r\n=0 no message\r\n#1 messages\r\n+ OK\r\n");
	assert_int_equal(f.removed, 1);
}

/* The decision table: what is garbage ends the session. */
static void garbage_ends(void **state)
{
	static const struct {
		const char *in, *want;
	} rows[] = {
		{ "NOOP\r\nQUIT\r\n", HELLO "- No such command\r\n" },
		{ "READ\r\n", HELLO "- Say HELO first\r\n" },
		{ "FOLD my box\r\n", HELLO "- Say HELO first\r\n" },
		{ "QUIT now\r\n", HELLO "- The command takes no argument\r\n" },
		{ "HELO\r\n", HELLO "- The command needs an argument\r\n" },
		{ "HELO alice@demo.test\r\n", HELLO "- Wrong name or password\r\n" },
		{ "HELO alice@demo.test de mo\r\n", HELLO "- Wrong name or password\r\n" },
		{ "HELO alice@demo.test wrong\r\n", HELLO "- Wrong name or password\r\n" },
		{ "HELO nobody x\r\n", HELLO "- Wrong name or password\r\n" },
		{ LOGIN LOGIN, IN "- Not in this state\r\n" },
		{ LOGIN "RETR\r\n", IN "- Not in this state\r\n" },
		{ LOGIN "ACKS\r\n", IN "- Not in this state\r\n" },
		{ LOGIN "READ 0\r\n", IN "- READ takes a message number\r\n" },
		{ LOGIN "READ x\r\n", IN "- READ takes a message number\r\n" },
		{ LOGIN "READ 9\r\nRETR\r\nQUIT\r\n", IN "=0 no message\r\n" },
		{ LOGIN "READ\r\nRETR\r\nQUIT\r\n", IN LEN("14", "1") "A: b\r\n\r\n.one\r\n- Acknowledge the message\r\n" },
		{ LOGIN "READ\r\nRETR\r\nREAD\r\n", IN LEN("14", "1") "A: b\r\n\r\n.one\r\n- Acknowledge the message\r\n" },
		{ LOGIN "FOLD a\\\r\n", IN "- FOLD needs the name of a mailbox\r\n" },
		{ "QUIT\r\nQUIT\r\n", HELLO "+ OK\r\n" },
		{ "HE\nLO\r\n", HELLO "- A CR or LF stands alone; lines end with CRLF\r\n" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		says(str_z(rows[i].in), rows[i].want);
	f.open_outcome = IN_USE;
	says(STR(LOGIN "QUIT\r\n"), HELLO "- Another session has the maildrop\r\n");
	f.may_login = false;
	says(STR(LOGIN "QUIT\r\n"), HELLO "- Wrong name or password\r\n");
}

/* A line of exactly the limit is taken, one octet more is not. */
static void line_limit(void **state)
{
	char line[600];

	(void)state;
	memset(line, 'x', sizeof line);
	memcpy(line, "HELO a ", 7);
	memcpy(line + 510, "\r\n", 2);
	says(str_of(line, 512), HELLO "- Wrong name or password\r\n");
	line[510] = 'x';
	memcpy(line + 511, "\r\n", 2);
	says(str_of(line, 513), HELLO "- The line is too long\r\n");
}

static void quoting(void **state)
{
	struct str line = STR("a\\ b\\\\c d e\\");
	struct buf out;

	(void)state;
	buf_init(&out, 8);
	assert_true(pop2_word(&line, &out));
	assert_true(str_eq(buf_str(&out), STR("a b\\c")));
	buf_reset(&out);
	assert_true(pop2_word(&line, &out));
	assert_true(str_eq(buf_str(&out), STR("d")));
	buf_reset(&out);
	assert_false(pop2_word(&line, &out)); /* nothing follows the last backslash */
	buf_reset(&out);
	assert_false(pop2_string(STR("longer than 8"), &out));
	buf_fini(&out);
}

#define T(x) cmocka_unit_test_setup_teardown(x, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = { T(reads_and_acknowledges), T(removes_nothing_when_lost), T(folds), T(garbage_ends),
		T(line_limit), T(quoting) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
