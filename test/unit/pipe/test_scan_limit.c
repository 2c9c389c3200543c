/* A letter that takes too much processor time ends the process that reads it, and one that does not does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/die.h"
#include "ipc_gen.h"
#include "pipe/scan_service.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define LETTER_SIZE ((size_t)24 << 20)

struct world {
	struct sched *s;
	struct link scan;
	struct body body;
	enum outcome o;
};

static void ask(void *arg)
{
	struct world *w = arg;
	struct ipc_index_letter m = { .body = w->body };
	struct ipc_index_letter_reply r;
	struct arena a;

	arena_init(&a, "test", (size_t)16 << 20);
	w->o = ipc_index_letter_within(&w->scan, &m, &r, &a, 60000);
	arena_fini(&a);
	sched_stop(w->s);
}

/* A letter of many parts' headers, which costs time a byte. */
static void write_letter(struct body_writer *bw)
{
	struct str part = STR("--b\r\nContent-Type: text/plain; charset=utf-8; name=\"x y z\"\r\n\r\nx\r\n");

	body_writer_add(bw, STR("MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"));
	for (size_t n = 0; n < LETTER_SIZE; n += part.n)
		body_writer_add(bw, part);
}

static _Noreturn void child(int64_t limit_ms)
{
	struct world w = { .s = sched_new(NULL), .o = FAILED };
	struct body_budget budget = { .max = LETTER_SIZE * 2 };
	struct body_writer bw;
	struct conf conf = { .limits = { .mime_parts_max = 1000, .mime_depth_max = 32 } };
	struct log log;
	struct scan *scan;
	int fds[2];

	log_init(&log, -1, "test");
	body_writer_open(&bw, &budget, LETTER_SIZE * 2);
	write_letter(&bw);
	if (body_writer_seal(&bw, &w.body) != OK)
		_exit(3);
	scan = scan_new(w.s, &log, &conf);
	scan_limit(scan, limit_ms);
	ipc_channel(fds);
	link_init(&w.scan, w.s);
	peer_open(&(struct peer_opts){ .sched = w.s, .log = &log, .service = scan_service(scan), .self = ROLE_SCAN, .other = ROLE_POST,
		.life = 1, .fd = fds[0] });
	link_set(&w.scan, peer_open(&(struct peer_opts){ .sched = w.s, .log = &log, .self = ROLE_POST, .other = ROLE_SCAN, .life = 1, .fd = fds[1] }));
	task_spawn(w.s, "ask", ask, &w);
	sched_run(w.s);
	_exit(w.o == OK ? 0 : 4);
}

static int status_of(int64_t limit_ms)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0)
		child(limit_ms);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void too_much_time_ends_the_process(void **state)
{
	int status = status_of(1);

	(void)state;
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGVTALRM);
}

static void within_the_limit_it_goes_on(void **state)
{
	int status = status_of(60000);

	(void)state;
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(too_much_time_ends_the_process),
		cmocka_unit_test(within_the_limit_it_goes_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
