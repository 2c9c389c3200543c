/* Tasks, gates, deadlines, cancelling, the large stack, bells; streams over socket pairs and memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/die.h"
#include "co/sched.h"
#include "co/stream.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct world {
	struct sched *s;
	struct gate gate;
	struct bell bell;
	char trace[256];
	int result;
	int fds[2];
	struct task *victim;
};

static void note(struct world *w, const char *what)
{
	strncat(w->trace, what, sizeof w->trace - strlen(w->trace) - 1);
}

static struct world *make_world(bool virtual_time)
{
	struct world *w = mem_new(struct world);

	w->s = sched_new(&(struct sched_opts){ .virtual_time = virtual_time });
	gate_init(&w->gate);
	return w;
}

static void end_world(struct world *w)
{
	sched_free(w->s);
	free(w);
}

static void use_aligned_stack(void *arg)
{
	struct world *w = arg;
	_Alignas(16) volatile char here[16];
	double sum = 0;

	for (int i = 0; i < 16; i++)
		here[i] = (char)i;
	w->result = ((uintptr_t)here & 15) == 0;
	/* vararg calls with floats save vector registers by aligned moves: they fault on a stack laid out wrong */
	w->result += snprintf(w->trace, sizeof w->trace, "%.1f", sum + here[1]) == 3;
}

static void a_fresh_stack_is_aligned(void **state)
{
	struct world *w = make_world(false);

	(void)state;
	task_spawn(w->s, "aligned", use_aligned_stack, w);
	sched_run(w->s);
	assert_int_equal(w->result, 2);
	end_world(w);
}

static void say_a(void *arg)
{
	struct world *w = arg;

	note(w, "a1 ");
	task_yield(w->s);
	note(w, "a2 ");
}

static void say_b(void *arg)
{
	struct world *w = arg;

	note(w, "b1 ");
	task_yield(w->s);
	note(w, "b2 ");
}

static void tasks_take_turns(void **state)
{
	struct world *w = make_world(false);

	(void)state;
	task_spawn(w->s, "a", say_a, w);
	task_spawn(w->s, "b", say_b, w);
	sched_run(w->s);
	assert_string_equal(w->trace, "a1 b1 a2 b2 ");
	end_world(w);
}

static void wait_gate(void *arg)
{
	struct world *w = arg;
	struct gate *g = &w->gate;

	w->result = task_wait(w->s, &g, 1, sched_now_ms(w->s) + 5000);
	note(w, "woken ");
}

static void open_gate(void *arg)
{
	struct world *w = arg;

	note(w, "open ");
	gate_open(w->s, &w->gate);
}

static void gate_wakes_before_deadline(void **state)
{
	struct world *w = make_world(true);

	(void)state;
	task_spawn(w->s, "wait", wait_gate, w);
	task_spawn(w->s, "open", open_gate, w);
	sched_run(w->s);
	assert_int_equal(w->result, 0);
	assert_string_equal(w->trace, "open woken ");
	end_world(w);
}

static void deadline_passes_in_virtual_time(void **state)
{
	struct world *w = make_world(true);
	int64_t before = sched_now_ms(w->s);

	(void)state;
	task_spawn(w->s, "wait", wait_gate, w);
	sched_run(w->s);
	assert_int_equal(w->result, WAIT_TIMEOUT);
	assert_int_equal(sched_now_ms(w->s) - before, 5000);
	end_world(w);
}

static void cancel_victim(void *arg)
{
	struct world *w = arg;

	task_cancel(w->victim);
}

static void cancelled_wait_returns_stop(void **state)
{
	struct world *w = make_world(true);

	(void)state;
	w->victim = task_spawn(w->s, "wait", wait_gate, w);
	task_spawn(w->s, "cancel", cancel_victim, w);
	sched_run(w->s);
	assert_int_equal(w->result, WAIT_STOP);
	end_world(w);
}

#define N_SLEEPERS 500
struct sleeper {
	struct world *w;
	int64_t ms;
	int64_t *last;
	bool *ordered;
};

static void sleep_and_check(void *arg)
{
	struct sleeper *x = arg;

	task_sleep(x->w->s, x->ms);
	if (x->ms < *x->last)
		*x->ordered = false;
	*x->last = x->ms;
}

static void many_deadlines_fire_in_order(void **state)
{
	struct world *w = make_world(true);
	struct sleeper *x = mem_array(N_SLEEPERS, sizeof *x);
	int64_t last = -1;
	bool ordered = true;

	(void)state;
	for (int i = 0; i < N_SLEEPERS; i++) {
		x[i] = (struct sleeper){ w, i * 7919 % 1000, &last, &ordered };
		task_spawn(w->s, "sleeper", sleep_and_check, &x[i]);
	}
	sched_run(w->s);
	assert_true(ordered);
	free(x);
	end_world(w);
}

static void use_much_stack(void *arg)
{
	volatile char room[512 * 1024]; /* far beyond a task's own stack */
	struct world *w = arg;

	room[0] = 1;
	room[sizeof room - 1] = 2;
	w->result = room[0] + room[sizeof room - 1];
}

static void call_large(void *arg)
{
	struct world *w = arg;

	sched_call(w->s, use_much_stack, w);
	note(w, "back ");
}

static void large_stack_is_lent(void **state)
{
	struct world *w = make_world(false);

	(void)state;
	task_spawn(w->s, "large", call_large, w);
	sched_run(w->s);
	assert_int_equal(w->result, 3);
	assert_string_equal(w->trace, "back ");
	end_world(w);
}

static void *ring_from_thread(void *arg)
{
	struct world *w = arg;

	usleep(1000);
	bell_ring(&w->bell);
	return NULL;
}

static void await_bell(void *arg)
{
	struct world *w = arg;

	w->result = bell_wait(&w->bell, sched_now_ms(w->s) + 60000);
	bell_close(&w->bell);
}

static void bell_rings_across_threads(void **state)
{
	struct world *w = make_world(false);
	pthread_t t;

	(void)state;
	w->result = -9;
	bell_open(&w->bell, w->s);
	task_spawn(w->s, "bell", await_bell, w);
	assert_int_equal(pthread_create(&t, NULL, ring_from_thread, w), 0);
	sched_run(w->s);
	pthread_join(t, NULL);
	assert_int_equal(w->result, 0);
	end_world(w);
}

/* ---- streams */

static void echo_server(void *arg)
{
	struct world *w = arg;
	struct stream s;
	struct str line;

	stream_open_fd(&s, w->s, w->fds[0]);
	while (stream_line(&s, &line, 100) == LINE_OK)
		stream_printf(&s, "<%.*s>\r\n", STR_ARG(line));
	stream_close(&s);
}

static void talk(void *arg)
{
	struct world *w = arg;
	struct stream s;
	struct str line;

	stream_open_fd(&s, w->s, w->fds[1]);
	stream_write(&s, STR("one\r\ntwo\r\nthr"));
	stream_flush(&s);
	task_sleep(w->s, 5);
	stream_write(&s, STR("ee\r\n"));
	stream_flush(&s);
	shutdown(s.fd, SHUT_WR);
	while (stream_line(&s, &line, 100) == LINE_OK) {
		strncat(w->trace, line.p, line.n);
		note(w, " ");
	}
	stream_close(&s);
}

static void lines_cross_a_socket_and_half_close_gets_its_replies(void **state)
{
	struct world *w = make_world(false);

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, w->fds), 0);
	task_spawn(w->s, "server", echo_server, w);
	task_spawn(w->s, "client", talk, w);
	sched_run(w->s);
	assert_string_equal(w->trace, "<one> <two> <three> ");
	end_world(w);
}

static void expire(void *arg)
{
	struct world *w = arg;
	struct stream s;
	struct str line;

	stream_open_fd(&s, w->s, w->fds[0]);
	stream_deadline(&s, 3000);
	w->result = stream_line(&s, &line, 100) == LINE_GONE && s.end == STREAM_EXPIRED;
	stream_close(&s);
	close(w->fds[1]);
}

static void a_silent_peer_expires(void **state)
{
	struct world *w = make_world(true);

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, w->fds), 0);
	task_spawn(w->s, "expire", expire, w);
	sched_run(w->s);
	assert_int_equal(w->result, 1);
	end_world(w);
}

static enum line_result only_line(const char *input, size_t n, size_t chunk, size_t max, struct buf *text)
{
	struct stream s;
	struct str line;
	enum line_result r;

	stream_open_memory(&s, str_of(input, n), chunk);
	r = stream_line(&s, &line, max);
	buf_reset(text);
	buf_add(text, line);
	stream_close(&s);
	return r;
}

static void line_ends_are_strict_at_every_split(void **state)
{
	static const struct {
		const char *input;
		size_t max;
		enum line_result want;
		const char *text;
	} cases[] = {
		{ "abc\r\n", 100, LINE_OK, "abc" },
		{ "\r\n", 100, LINE_OK, "" },
		{ "abc\n", 100, LINE_BARE, "" },
		{ "a\rbc\r\n", 100, LINE_BARE, "" },
		{ "abc\r\r\n", 100, LINE_BARE, "" },
		{ "abc", 100, LINE_GONE, "" },
		{ "12345678\r\n", 10, LINE_OK, "12345678" },
		{ "123456789\r\n", 10, LINE_TOO_LONG, "" },
		{ "123456789012345678901234567890\r\n", 10, LINE_TOO_LONG, "" },
	};
	struct buf text;

	(void)state;
	buf_init(&text, 1000);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		for (size_t chunk = 0; chunk < 8; chunk++) {
			assert_int_equal(only_line(cases[i].input, strlen(cases[i].input), chunk, cases[i].max, &text),
				cases[i].want);
			assert_true(str_eq(buf_str(&text), str_z(cases[i].text)));
		}
	buf_fini(&text);
}

/* A peer that has always more to say. */
static ssize_t read_endless(struct stream *s, char *p, size_t n)
{
	(void)s;
	for (size_t i = 0; i < n; i++)
		p[i] = i % 3 == 0 ? 'a' : i % 3 == 1 ? '\r' : '\n';
	return (ssize_t)(n - n % 3);
}

static void close_nothing(struct stream *s)
{
	(void)s;
}

static void hear_endless(void *arg)
{
	static const struct stream_ops endless = { .read = read_endless, .close = close_nothing };
	struct world *w = arg;
	struct stream s;
	struct str line;

	stream_open_memory(&s, STR(""), 0);
	s.ops->close(&s);
	s.ops = &endless;
	s.sched = w->s;
	stream_deadline(&s, 20);
	for (long i = 0; i < 100000000 && stream_line(&s, &line, 100) == LINE_OK; i++)
		w->result += w->trace[0] == 0;
	note(w, s.end == STREAM_EXPIRED ? " expired" : s.end == STREAM_STOPPED ? " stopped" : " went on");
	stream_close(&s);
}

static void look(void *arg)
{
	struct world *w = arg;

	note(w, "looked");
	if (w->victim)
		task_cancel(w->victim);
}

static void one_that_never_waits_keeps_nobody_waiting(void **state)
{
	(void)state;
	for (int stop = 0; stop < 2; stop++) {
		struct world *w = make_world(false);
		struct task *t = task_spawn(w->s, "endless", hear_endless, w);

		w->victim = stop ? t : NULL;
		task_spawn(w->s, "look", look, w);
		sched_run(w->s);
		assert_in_range(w->result, 1, 100000);
		assert_string_equal(w->trace, stop ? "looked stopped" : "looked expired");
		end_world(w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_fresh_stack_is_aligned),
		cmocka_unit_test(tasks_take_turns),
		cmocka_unit_test(gate_wakes_before_deadline),
		cmocka_unit_test(deadline_passes_in_virtual_time),
		cmocka_unit_test(cancelled_wait_returns_stop),
		cmocka_unit_test(many_deadlines_fire_in_order),
		cmocka_unit_test(large_stack_is_lent),
		cmocka_unit_test(bell_rings_across_threads),
		cmocka_unit_test(lines_cross_a_socket_and_half_close_gets_its_replies),
		cmocka_unit_test(a_silent_peer_expires),
		cmocka_unit_test(line_ends_are_strict_at_every_split),
		cmocka_unit_test(one_that_never_waits_keeps_nobody_waiting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
