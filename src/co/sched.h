/* co/sched.h - one thread's scheduler: stackful tasks over libevent's core loop.
 *
 * A task runs until it suspends in task_wait(); there is no preemption, so what happens between two suspensions is
 * atomic to the other tasks of the scheduler. A function that may suspend is declared SUSPENDS. Across a suspension
 * hold no pointer into a shared table and no half-made invariant. A suspended stack is never freed: cancelling makes
 * the wait return WAIT_STOP and the code returns normally.
 *
 * Nothing here is shared between threads except bell_ring().
 */
#ifndef SALLYPORT_CO_SCHED_H
#define SALLYPORT_CO_SCHED_H

#include "base/list.h"

#include <event2/event_struct.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SUSPENDS /* an empty mark that tools/lint follows */

struct sched;
struct task;

struct sched_opts {
	size_t stack_size;   /* bytes a task, 0: 64 KiB */
	bool virtual_time;   /* the clock jumps to the next deadline when nothing is ready: simulator */
	int64_t wall_start_s; /* virtual time only: wall clock at the start */
};

struct sched *sched_new(const struct sched_opts *opts); /* NULL: defaults */
void sched_free(struct sched *s);                       /* no task may be alive */
/* Runs until sched_stop(), or until no task is left. */
void sched_run(struct sched *s);
void sched_stop(struct sched *s);

int64_t sched_now_ms(struct sched *s);  /* monotonic (or virtual), as of the current turn of the loop */
int64_t sched_wall_us(struct sched *s); /* wall clock (or virtual) */

/* Makes a task that runs fn(arg) soon, after the tasks that are ready now. name is a literal. */
struct task *task_spawn(struct sched *s, const char *name, void (*fn)(void *arg), void *arg);
struct task *task_self(struct sched *s);       /* NULL outside any task */
const char *task_name(const struct task *t);
void task_cancel(struct task *t);              /* its present and all later waits return WAIT_STOP */
bool task_stopping(const struct task *t);
size_t sched_n_tasks(const struct sched *s);

/* Runs fn(arg) on the scheduler's own large stack and comes back: for libraries that want room (OpenSSL, ICU). fn must not
 * suspend. Outside a task it is a plain call. */
void sched_call(struct sched *s, void (*fn)(void *arg), void *arg);

/* A gate is what tasks wait at. Opening it wakes those who wait now and leaves no memory: who waits asks first whether
 * what it waits for is true already. */
struct gate {
	struct node waiters;
	uint64_t n_opened; /* so that who had to suspend before waiting can see that it was opened meanwhile */
};
void gate_init(struct gate *g);
void gate_open(struct sched *s, struct gate *g);

#define NEVER_MS INT64_MAX
enum { WAIT_TIMEOUT = -1, WAIT_STOP = -2 };
#define WAIT_GATES_MAX 4
/* The one wait point. Suspends until one of n (0..4) gates opens (its index is returned), deadline_ms on the clock of
 * sched_now_ms passes (WAIT_TIMEOUT) or the task is cancelled (WAIT_STOP). Must be called in a task. */
SUSPENDS int task_wait(struct sched *s, struct gate *const *gates, size_t n, int64_t deadline_ms);
SUSPENDS int task_sleep(struct sched *s, int64_t ms);
/* Gives back the pages of the current task's stack that lie below its present frames: before a wait that is likely to be long. */
void task_trim(struct sched *s);
SUSPENDS void task_yield(struct sched *s); /* lets the other ready tasks and events run once */

/* Readiness of one descriptor, edge triggered: a flag stays set until the reader or writer met EAGAIN and cleared it. */
struct watch {
	struct sched *sched;
	int fd;
	bool readable, writable;
	struct gate read_gate, write_gate;
	struct event event;
	bool on;
};
enum { WATCH_READ = 1, WATCH_WRITE = 2 };
/* what: WATCH_READ, or both. A unix socket is watched for writing only while that is wanted (watch_for), since its
 * peer's every read would wake the writer. */
void watch_open(struct watch *w, struct sched *s, int fd, unsigned what);
void watch_for(struct watch *w, unsigned what);
void watch_close(struct watch *w); /* does not close the descriptor; nobody may be waiting */

/* Wakes a scheduler from another thread. */
struct bell {
	struct watch watch;
	int fd;
};
void bell_open(struct bell *b, struct sched *s);
void bell_close(struct bell *b);
void bell_ring(struct bell *b); /* from any thread, and from signal handlers */
/* Suspends until somebody has rung since the last call. As task_wait. */
SUSPENDS int bell_wait(struct bell *b, int64_t deadline_ms);

/* Calls fn(arg) on the scheduler's stack when the signal arrives; fn must not suspend. */
struct sched_signal;
struct sched_signal *sched_on_signal(struct sched *s, int signal, void (*fn)(void *arg), void *arg);
void sched_signal_free(struct sched_signal *x);

#endif
