/* co/sched.c - tasks, gates, timers: one thread's scheduler.
 * Purpose     run ready tasks in order of becoming ready; when none is, wait in libevent for descriptors or the next deadline.
 * Owns        stacks and tasks; a task's struct lies in its stack's memory below the stack's own.
 * Suspends    only in task_wait(); every other way to suspend ends there.
 * Invariants  I1 a task is in exactly one of: running, the ready ring, waiting. I2 a waiting task's waiters are linked in its gates
 *             and its timer, if any, in the heap; waking unlinks all. I3 the scheduler's own code runs on the thread's stack.
 */
#include "co/sched.h"

#include "base/clock.h"
#include "base/die.h"
#include "base/vec.h"
#include "co/stack.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#ifdef SALLYPORT_SANITIZED
#include <sanitizer/common_interface_defs.h>
#endif

#define STACK_SIZE_DEFAULT ((size_t)64 * 1024)
#define TURNS_PER_POLL 64 /* ready tasks that may run before descriptors are looked at again */

struct waiter {
	struct node node; /* in the gate */
	struct task *task;
	int index;
};

struct task {
	struct stack *stack;
	struct sched *sched;
	const char *name;
	void (*fn)(void *);
	void *arg;
	struct node ready; /* in the ready ring */
	struct waiter waiters[WAIT_GATES_MAX];
	size_t n_waiters;
	int64_t deadline_ms;
	ssize_t timer_at; /* place in the heap, -1: none */
	int woken_by;
	bool waiting, stop, done;
};

struct sched {
	struct event_base *base;
	struct event *timer;
	struct stack_pool stacks;
	struct node ready;
	size_t n_tasks;
	struct VEC(struct task *) timers; /* binary heap, earliest first */
	struct task *current;
	void *main_sp;
	void *asan_main_fake;
	const void *asan_main_low;
	size_t asan_main_size;
	void (*call_fn)(void *); /* what the current task wants run on the main stack */
	void *call_arg;
	int64_t now_ms;
	int64_t timer_set_ms; /* what the libevent timer is set to; NEVER_MS: off */
	bool virtual_time, stop;
	int64_t wall_start_us;
};

/* ---- the heap of deadlines */

static void heap_place(struct sched *s, size_t i, struct task *t)
{
	s->timers.v[i] = t;
	t->timer_at = (ssize_t)i;
}

static void heap_up(struct sched *s, size_t i)
{
	struct task *t = s->timers.v[i];

	while (i > 0 && s->timers.v[(i - 1) / 2]->deadline_ms > t->deadline_ms) {
		heap_place(s, i, s->timers.v[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	heap_place(s, i, t);
}

static void heap_down(struct sched *s, size_t i)
{
	struct task *t = s->timers.v[i];

	for (;;) {
		size_t child = 2 * i + 1;

		if (child >= s->timers.n)
			break;
		if (child + 1 < s->timers.n && s->timers.v[child + 1]->deadline_ms < s->timers.v[child]->deadline_ms)
			child++;
		if (s->timers.v[child]->deadline_ms >= t->deadline_ms)
			break;
		heap_place(s, i, s->timers.v[child]);
		i = child;
	}
	heap_place(s, i, t);
}

static void timer_add(struct task *t)
{
	*vec_push(&t->sched->timers) = t;
	heap_up(t->sched, t->sched->timers.n - 1);
}

static void timer_remove(struct task *t)
{
	struct sched *s = t->sched;
	size_t i = (size_t)t->timer_at;
	struct task *last;

	if (t->timer_at < 0)
		return;
	t->timer_at = -1;
	last = s->timers.v[--s->timers.n];
	if (last == t)
		return;
	heap_place(s, i, last);
	heap_up(s, i);
	heap_down(s, (size_t)last->timer_at);
}

/* ---- waking */

static void wake(struct task *t, int by)
{
	if (!t->waiting)
		return;
	t->waiting = false;
	t->woken_by = by;
	for (size_t i = 0; i < t->n_waiters; i++)
		list_del(&t->waiters[i].node);
	t->n_waiters = 0;
	timer_remove(t);
	list_add_last(&t->sched->ready, &t->ready);
}

void gate_init(struct gate *g)
{
	list_init(&g->waiters);
	g->n_opened = 0;
}

void gate_open(struct sched *s, struct gate *g)
{
	(void)s;
	g->n_opened++;
	while (!list_empty(&g->waiters)) {
		struct waiter *w = list_entry(g->waiters.next, struct waiter, node);

		wake(w->task, w->index);
	}
}

void task_cancel(struct task *t)
{
	t->stop = true;
	wake(t, WAIT_STOP);
}

bool task_stopping(const struct task *t)
{
	return t->stop;
}

/* ---- switching */

static void enter_task(struct sched *s, struct task *t)
{
	s->current = t;
#ifdef SALLYPORT_SANITIZED
	__sanitizer_start_switch_fiber(&s->asan_main_fake, t->stack->low, t->stack->size);
#endif
	co_switch(&s->main_sp, t->stack->sp);
#ifdef SALLYPORT_SANITIZED
	__sanitizer_finish_switch_fiber(s->asan_main_fake, NULL, NULL);
#endif
	s->current = NULL;
}

static void leave_task(struct sched *s, struct task *t)
{
#ifdef SALLYPORT_SANITIZED
	__sanitizer_start_switch_fiber(t->done ? NULL : &t->stack->asan_fake, s->asan_main_low, s->asan_main_size);
#endif
	co_switch(&t->stack->sp, s->main_sp);
#ifdef SALLYPORT_SANITIZED
	__sanitizer_finish_switch_fiber(t->stack->asan_fake, &s->asan_main_low, &s->asan_main_size);
#endif
}

static void task_main(void *arg)
{
	struct task *t = arg;

#ifdef SALLYPORT_SANITIZED
	__sanitizer_finish_switch_fiber(NULL, &t->sched->asan_main_low, &t->sched->asan_main_size);
#endif
	t->fn(t->arg);
	t->done = true;
	leave_task(t->sched, t);
	die("co/sched: task %s ran on after its end", t->name);
}

static void run_task(struct sched *s, struct task *t)
{
	enter_task(s, t);
	while (s->call_fn) { /* it asked for the large stack: serve it and go on with the same task */
		void (*fn)(void *) = s->call_fn;

		s->call_fn = NULL;
		fn(s->call_arg);
		enter_task(s, t);
	}
	if (t->done) {
		struct stack *stack = t->stack;

		s->n_tasks--;
		stack_put(&s->stacks, stack);
	}
}

void sched_call(struct sched *s, void (*fn)(void *), void *arg)
{
	if (!s->current) {
		fn(arg);
		return;
	}
	s->call_fn = fn;
	s->call_arg = arg;
	leave_task(s, s->current);
}

struct task *task_spawn(struct sched *s, const char *name, void (*fn)(void *), void *arg)
{
	struct stack *stack = stack_get(&s->stacks);
	struct task *t;

	/* The task's struct takes the top of the stack's memory, which is otherwise touched first anyway. */
	t = (struct task *)(void *)(((uintptr_t)stack->low + stack->size - sizeof *t) & ~(uintptr_t)15);
	*t = (struct task){ .stack = stack, .sched = s, .name = name, .fn = fn, .arg = arg, .timer_at = -1 };
	{
		size_t whole = stack->size;

		stack->size = (size_t)((char *)t - stack->low);
		stack_prepare(stack, task_main, t);
		stack->size = whole;
	}
	list_add_last(&s->ready, &t->ready);
	s->n_tasks++;
	return t;
}

struct task *task_self(struct sched *s)
{
	return s->current;
}

const char *task_name(const struct task *t)
{
	return t->name;
}

size_t sched_n_tasks(const struct sched *s)
{
	return s->n_tasks;
}

int task_wait(struct sched *s, struct gate *const *gates, size_t n, int64_t deadline_ms)
{
	struct task *t = s->current;

	die_unless(t, "task_wait outside a task");
	die_unless(n <= WAIT_GATES_MAX, "task_wait at too many gates");
	if (t->stop)
		return WAIT_STOP;
	for (size_t i = 0; i < n; i++) {
		t->waiters[i] = (struct waiter){ .task = t, .index = (int)i };
		list_add_last(&gates[i]->waiters, &t->waiters[i].node);
	}
	t->n_waiters = n;
	t->deadline_ms = deadline_ms;
	if (deadline_ms != NEVER_MS)
		timer_add(t);
	t->waiting = true;
	leave_task(s, t);
	return t->woken_by;
}

int task_sleep(struct sched *s, int64_t ms)
{
	return task_wait(s, NULL, 0, s->now_ms + ms);
}

void task_trim(struct sched *s)
{
	if (s->current)
		stack_trim(s->current->stack, __builtin_frame_address(0));
}

void task_yield(struct sched *s)
{
	task_wait(s, NULL, 0, s->now_ms);
}

/* ---- the loop */

static int64_t real_ms(void)
{
	return clock_monotonic_ms();
}

static void fire_timers(struct sched *s)
{
	while (s->timers.n && s->timers.v[0]->deadline_ms <= s->now_ms)
		wake(s->timers.v[0], WAIT_TIMEOUT);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct sched *s = arg;

	(void)fd;
	(void)what;
	s->timer_set_ms = NEVER_MS;
}

/* libevent's timer is one alarm for the earliest deadline; it may ring early, never late. */
static void set_alarm(struct sched *s)
{
	int64_t at = s->timers.n ? s->timers.v[0]->deadline_ms : NEVER_MS;
	struct timeval tv;

	if (at == NEVER_MS || s->timer_set_ms <= at)
		return;
	tv.tv_sec = (at - s->now_ms) / 1000;
	tv.tv_usec = (at - s->now_ms) % 1000 * 1000;
	event_add(s->timer, &tv);
	s->timer_set_ms = at;
}

static void poll_events(struct sched *s)
{
	bool busy = !list_empty(&s->ready);

	if (!s->virtual_time) {
		if (!busy)
			set_alarm(s);
		event_base_loop(s->base, EVLOOP_ONCE | (busy ? EVLOOP_NONBLOCK : 0));
		s->now_ms = real_ms();
		return;
	}
	event_base_loop(s->base, EVLOOP_NONBLOCK);
	/* Nothing is ready and the kernel has nothing for us: the next thing that can happen is a deadline. */
	if (list_empty(&s->ready) && s->timers.n && s->timers.v[0]->deadline_ms > s->now_ms)
		s->now_ms = s->timers.v[0]->deadline_ms;
}

void sched_run(struct sched *s)
{
	s->stop = false;
	s->now_ms = s->virtual_time ? s->now_ms : real_ms();
	while (!s->stop && s->n_tasks) {
		fire_timers(s);
		for (int i = 0; i < TURNS_PER_POLL && !list_empty(&s->ready); i++) {
			struct task *t = list_entry(s->ready.next, struct task, ready);

			list_del(&t->ready);
			run_task(s, t);
		}
		if (s->stop || !s->n_tasks)
			break;
		poll_events(s);
	}
}

void sched_stop(struct sched *s)
{
	s->stop = true;
	if (s->base)
		event_base_loopbreak(s->base);
}

int64_t sched_now_ms(struct sched *s)
{
	return s->now_ms;
}

int64_t sched_wall_us(struct sched *s)
{
	return s->virtual_time ? s->wall_start_us + s->now_ms * 1000 : clock_wall_us();
}

struct sched *sched_new(const struct sched_opts *opts)
{
	struct sched *s = mem_new(struct sched);
	struct event_config *cfg = event_config_new();

	/* Sandboxed roles may not open what libevent's defaults would; the alarm needs no more than milliseconds. */
	event_config_set_flag(cfg, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_IGNORE_ENV | EVENT_BASE_FLAG_NO_CACHE_TIME);
	event_config_avoid_method(cfg, "select");
	event_config_avoid_method(cfg, "poll");
	s->base = event_base_new_with_config(cfg);
	event_config_free(cfg);
	if (!s->base)
		die("co/sched: no event base");
	s->timer = event_new(s->base, -1, 0, on_timer, s);
	s->timer_set_ms = NEVER_MS;
	list_init(&s->ready);
	stack_pool_init(&s->stacks, opts && opts->stack_size ? opts->stack_size : STACK_SIZE_DEFAULT);
	s->virtual_time = opts && opts->virtual_time;
	s->wall_start_us = opts ? opts->wall_start_s * 1000000 : 0;
	s->now_ms = s->virtual_time ? 1000 : real_ms();
	return s;
}

void sched_free(struct sched *s)
{
	die_unless(s->n_tasks == 0, "scheduler freed while tasks are alive");
	event_free(s->timer);
	event_base_free(s->base);
	stack_pool_fini(&s->stacks);
	vec_free(&s->timers);
	free(s);
}

/* ---- descriptors */

static void on_watch(evutil_socket_t fd, short what, void *arg)
{
	struct watch *w = arg;

	(void)fd;
	if (what & EV_READ)
		w->readable = true;
	if (what & EV_WRITE)
		w->writable = true;
	if (what & EV_READ)
		gate_open(w->sched, &w->read_gate);
	if (what & EV_WRITE)
		gate_open(w->sched, &w->write_gate);
}

static void watch_add(struct watch *w, unsigned what)
{
	short ev = (short)(EV_PERSIST | EV_ET | (what & WATCH_READ ? EV_READ : 0) | (what & WATCH_WRITE ? EV_WRITE : 0));

	event_assign(&w->event, w->sched->base, w->fd, ev, on_watch, w);
	if (event_add(&w->event, NULL) != 0)
		die("co/sched: cannot watch descriptor %d", w->fd);
}

void watch_open(struct watch *w, struct sched *s, int fd, unsigned what)
{
	*w = (struct watch){ .sched = s, .fd = fd, .readable = true, .writable = true, .on = true };
	gate_init(&w->read_gate);
	gate_init(&w->write_gate);
	watch_add(w, what);
}

void watch_for(struct watch *w, unsigned what)
{
	event_del(&w->event);
	watch_add(w, what);
}

void watch_close(struct watch *w)
{
	if (!w->on)
		return;
	w->on = false;
	event_del(&w->event);
	die_unless(list_empty(&w->read_gate.waiters) && list_empty(&w->write_gate.waiters),
		"a watched descriptor was closed while a task waits for it");
}

void bell_open(struct bell *b, struct sched *s)
{
	b->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (b->fd < 0)
		die_errno("co/sched: eventfd");
	watch_open(&b->watch, s, b->fd, WATCH_READ);
}

void bell_close(struct bell *b)
{
	watch_close(&b->watch);
	close(b->fd);
	b->fd = -1;
}

void bell_ring(struct bell *b)
{
	uint64_t one = 1;

	if (write(b->fd, &one, sizeof one) < 0)
		return; /* the counter is full: it rings already */
}

int bell_wait(struct bell *b, int64_t deadline_ms)
{
	for (;;) {
		struct gate *g = &b->watch.read_gate;
		uint64_t n;
		int r;

		if (read(b->fd, &n, sizeof n) == sizeof n)
			return 0;
		r = task_wait(b->watch.sched, &g, 1, deadline_ms);
		if (r < 0)
			return r;
	}
}

/* ---- signals */

struct sched_signal {
	struct event *event;
	void (*fn)(void *);
	void *arg;
};

static void on_signal(evutil_socket_t fd, short what, void *arg)
{
	struct sched_signal *x = arg;

	(void)fd;
	(void)what;
	x->fn(x->arg);
}

struct sched_signal *sched_on_signal(struct sched *s, int signal, void (*fn)(void *), void *arg)
{
	struct sched_signal *x = mem_new(struct sched_signal);

	x->fn = fn;
	x->arg = arg;
	x->event = evsignal_new(s->base, signal, on_signal, x);
	event_add(x->event, NULL);
	return x;
}

void sched_signal_free(struct sched_signal *x)
{
	event_free(x->event);
	free(x);
}
