/* test/unit/base/test_log.c - log lines: both formats, hostile values, a full pipe, last words. */
#include "base/log.h"

#include "base/die.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static int64_t fixed_now(void *ctx)
{
	(void)ctx;
	return 1795361400123456;
}

struct logged {
	struct log log;
	int read_fd;
};

static void logged_open(struct logged *l)
{
	int fds[2];

	assert_int_equal(pipe2(fds, O_NONBLOCK), 0);
	log_init(&l->log, fds[1], "edge1");
	l->log.now_us = fixed_now;
	l->read_fd = fds[0];
}

static void logged_close(struct logged *l)
{
	close(l->log.fd);
	close(l->read_fd);
}

/* What was written since the last look. */
static const char *logged_take(struct logged *l)
{
	static char line[8192];
	ssize_t n = read(l->read_fd, line, sizeof line - 1);

	line[n > 0 ? n : 0] = '\0';
	return line;
}

static void test_text(void **state)
{
	struct logged l;

	(void)state;
	logged_open(&l);
	log_event(&l.log, LOG_LEVEL_INFO, "ready", NULL);
	assert_string_equal(logged_take(&l), "2026-11-22T15:30:00.123Z info edge1 ready\n");
	log_fields(&l.log, LOG_LEVEL_WARNING, "smtp-accepted", LOG_S("trace", STR("k3v9x2")), LOG_S("from", STR("<a@b.test>")));
	assert_string_equal(logged_take(&l), "2026-11-22T15:30:00.123Z warning edge1 smtp-accepted trace=k3v9x2 from=<a@b.test>\n");
	log_error(&l.log, "failed", "%s %d", "code", 7);
	assert_string_equal(logged_take(&l), "2026-11-22T15:30:00.123Z error edge1 failed text=\"code 7\"\n");
	logged_close(&l);
}

/* No value can end its line, its field or its quotes. */
static void test_escapes(void **state)
{
	struct logged l;

	(void)state;
	logged_open(&l);
	log_fields(&l.log, LOG_LEVEL_INFO, "x", LOG_S("a", STR("b\nc\0\x7f\xc3 \"\\=")), LOG_S("e", STR("")), LOG_S("q", STR("a=b")));
	assert_string_equal(logged_take(&l),
		"2026-11-22T15:30:00.123Z info edge1 x a=\"b\\x0ac\\x00\\x7f\\xc3 \\\"\\\\=\" e=\"\" q=\"a=b\"\n");
	l.log.json = true;
	log_fields(&l.log, LOG_LEVEL_INFO, "x", LOG_S("a", STR("b\nc\0\xc3\"\\")));
	assert_string_equal(logged_take(&l), "{\"time\":\"2026-11-22T15:30:00.123Z\",\"level\":\"info\",\"role\":\"edge1\",\"event\":\"x\","
					     "\"a\":\"b\\u000ac\\u0000\\u00c3\\\"\\\\\"}\n");
	logged_close(&l);
}

static void test_levels(void **state)
{
	static const char *const names[] = { "debug", "info", "warning", "error" };
	struct logged l;
	enum log_level level;

	(void)state;
	logged_open(&l);
	log_debug(&l.log, "hidden", "x");
	assert_string_equal(logged_take(&l), "");
	l.log.least = LOG_LEVEL_ERROR;
	log_warning(&l.log, "hidden", "x");
	assert_string_equal(logged_take(&l), "");
	for (unsigned i = 0; i < 4; i++)
		assert_true(log_level_parse(str_z(names[i]), &level) && level == (enum log_level)i);
	assert_false(log_level_parse(STR("loud"), &level));
	assert_false(log_level_parse(STR("INFO"), &level));
	logged_close(&l);
}

/* A field too long for the line is left out whole; the others and the line's end stay. */
static void test_long(void **state)
{
	static char value[5000];
	struct logged l;

	(void)state;
	memset(value, '\n', sizeof value);
	for (int json = 0; json < 2; json++)
		for (size_t n = 900; n < sizeof value; n += 50) {
			const char *line;

			logged_open(&l);
			l.log.json = json;
			log_fields(&l.log, LOG_LEVEL_INFO, "x", LOG_S("long", str_of(value, n)), LOG_S("after", STR("y")));
			line = logged_take(&l);
			assert_true(strlen(line) <= 4000);
			assert_true(str_ends(str_z(line), json ? STR("\"after\":\"y\"}\n") : STR(" after=y\n")));
			assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
			logged_close(&l);
		}
}

static void test_full_pipe(void **state)
{
	char big[1000];
	struct logged l;
	uint64_t dropped;

	(void)state;
	memset(big, 'x', sizeof big);
	logged_open(&l);
	while (!l.log.dropped)
		log_fields(&l.log, LOG_LEVEL_INFO, "big", LOG_S("v", str_of(big, sizeof big)));
	for (int i = 0; i < 200; i++)
		logged_take(&l);
	dropped = l.log.dropped;
	assert_true(dropped >= 1);
	log_event(&l.log, LOG_LEVEL_INFO, "first", NULL);
	assert_non_null(strstr(logged_take(&l), "first lines_dropped="));
	assert_int_equal(l.log.dropped, 0);
	assert_int_equal(l.log.dropped_total, dropped);
	log_event(&l.log, LOG_LEVEL_INFO, "second", NULL);
	assert_null(strstr(logged_take(&l), "lines_dropped"));
	logged_close(&l);
	log_event(&(struct log){ .fd = -1 }, LOG_LEVEL_ERROR, "nowhere", NULL);
}

static void test_last_words(void **state)
{
	int fds[2], status;
	char text[200] = "";
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		close(2);
		log_set_last_words(fds[1], "store");
		die("view %d is lost", 7);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	assert_true(read(fds[0], text, sizeof text - 1) > 0);
	assert_string_equal(text, "store died: view 7 is lost\n");
	close(fds[0]);
	close(fds[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text), cmocka_unit_test(test_escapes),   cmocka_unit_test(test_levels),
		cmocka_unit_test(test_long), cmocka_unit_test(test_full_pipe), cmocka_unit_test(test_last_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
