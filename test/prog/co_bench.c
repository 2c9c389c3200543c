/* What a switch between tasks costs, what waking costs, and what an idle task holds. Prints a line a figure. */
#include "base/clock.h"
#include "base/die.h"
#include "co/sched.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define N_SWITCHES 3000000
#define N_IDLE 10000

struct bench {
	struct sched *s;
	struct gate ping, pong, end;
	int left;
	int64_t took_ms;
	long idle_kb;
};

static long resident_kb(void)
{
	long pages = 0, resident = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	if (!f || fscanf(f, "%ld %ld", &pages, &resident) != 2)
		die("statm");
	fclose(f);
	return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

static void yielder(void *arg)
{
	struct bench *b = arg;

	while (b->left-- > 0) {
		struct gate *mine = b->left & 1 ? &b->ping : &b->pong, *other = b->left & 1 ? &b->pong : &b->ping;

		gate_open(b->s, other);
		task_wait(b->s, &mine, 1, NEVER_MS);
	}
	gate_open(b->s, &b->ping);
	gate_open(b->s, &b->pong);
}

static void idler(void *arg)
{
	struct bench *b = arg;
	struct gate *g = &b->end;

	task_wait(b->s, &g, 1, NEVER_MS);
}

static void idle_main(void *arg)
{
	struct bench *b = arg;
	long before = resident_kb();

	for (int i = 0; i < N_IDLE; i++)
		task_spawn(b->s, "idle", idler, b);
	task_sleep(b->s, 50);
	b->idle_kb = resident_kb() - before;
	gate_open(b->s, &b->end);
}

int main(void)
{
	struct bench *b = mem_new(struct bench);
	int64_t from;

	b->s = sched_new(NULL);
	gate_init(&b->ping);
	gate_init(&b->pong);
	gate_init(&b->end);
	b->left = N_SWITCHES;
	task_spawn(b->s, "a", yielder, b);
	task_spawn(b->s, "b", yielder, b);
	from = clock_monotonic_ms();
	sched_run(b->s);
	b->took_ms = clock_monotonic_ms() - from;
	printf("suspend, wake and two switches: %.0f ns\n", (double)b->took_ms * 1e6 / N_SWITCHES);
	task_spawn(b->s, "idle-main", idle_main, b);
	sched_run(b->s);
	printf("an idle task: %.1f KiB\n", (double)b->idle_kb / N_IDLE);
	sched_free(b->s);
	free(b);
	return 0;
}
