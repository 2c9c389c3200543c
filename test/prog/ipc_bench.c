/* test/prog/ipc_bench.c - what a call costs: round trips with a letter in the record, between two processes.
 * ipc_bench [body bytes] [calls]: a line for each number of callers at once, with the processor time of either side a
 * call. */
#include "base/clock.h"
#include "base/die.h"
#include "ipc_gen.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

struct bench {
	struct sched *sched;
	struct link link;
	struct body body;
	long left;
	int n_callers;
};

static double cpu_us(int who)
{
	struct rusage u;

	getrusage(who, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static void serve_append(void *ctx, struct ipc_call *call, const void *msg)
{
	const struct ipc_append *m = msg;

	(void)ctx;
	ipc_append_reply_send(call, OK, &(struct ipc_append_reply){ .uid = (uint32_t)m->body.size });
}

static void serve(int fd)
{
	static ipc_handler *const handlers[IPC_TYPE_COUNT] = { [IPC_APPEND] = serve_append };
	static const struct ipc_service service = { .handlers = handlers };
	struct sched *s = sched_new(NULL);

	peer_open(&(struct peer_opts){
		.sched = s, .service = &service, .self = ROLE_POST, .other = ROLE_EDGE_USER, .fd = fd });
	sched_run(s);
	sched_free(s);
}

static void caller(void *arg)
{
	struct bench *b = arg;
	struct ipc_append m = { .handle = 1, .mailbox = STR("INBOX"), .body = b->body };
	struct ipc_append_reply r;

	while (b->left-- > 0)
		if (ipc_append(&b->link, &m, &r, NULL) != OK)
			die("the call failed");
	if (--b->n_callers == 0)
		link_close(&b->link);
}

static void measure(size_t n_bytes, long n_calls, int n_callers)
{
	char *letter = mem_alloc(n_bytes);
	struct bench b = { .sched = sched_new(NULL),
		.body = body_of(str_of(letter, n_bytes)),
		.left = n_calls,
		.n_callers = n_callers };
	struct peer_opts opts = { .sched = b.sched, .self = ROLE_EDGE_USER, .other = ROLE_POST };
	double mine = cpu_us(RUSAGE_SELF), theirs = cpu_us(RUSAGE_CHILDREN);
	int64_t started_us = clock_wall_us();
	int fds[2];

	ipc_channel(fds);
	pid_t pid = fork();
	if (pid == 0) {
		close(fds[0]);
		serve(fds[1]);
		_exit(0);
	}
	close(fds[1]);
	link_init(&b.link, b.sched);
	opts.fd = fds[0];
	link_set(&b.link, peer_open(&opts));
	for (int i = 0; i < n_callers; i++)
		task_spawn(b.sched, "caller", caller, &b);
	sched_run(b.sched);
	double wall_us = (double)(clock_wall_us() - started_us);
	waitpid(pid, NULL, 0);
	printf("bytes=%zu callers=%d calls_per_s=%.0f round_trip_us=%.1f caller_cpu_us=%.2f callee_cpu_us=%.2f\n",
		n_bytes, n_callers, (double)n_calls * 1e6 / wall_us, wall_us * n_callers / (double)n_calls,
		(cpu_us(RUSAGE_SELF) - mine) / (double)n_calls, (cpu_us(RUSAGE_CHILDREN) - theirs) / (double)n_calls);
	sched_free(b.sched);
	free(letter);
}

int main(int argc, char **argv)
{
	size_t n_bytes = argc > 1 ? strtoul(argv[1], NULL, 10) : 10240;
	long n_calls = argc > 2 ? strtol(argv[2], NULL, 10) : 200000;

	for (int n_callers = 1; n_callers <= 256; n_callers *= 4)
		measure(n_bytes, n_calls, n_callers);
	return 0;
}
