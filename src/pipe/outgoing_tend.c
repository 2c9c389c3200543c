/* pipe/outgoing_tend.c - what happens to letters in the queue beside attempts: results into store, reports, and the end of their time
 * Suspends    in calls to store, and in what makes reports.
 * Invariants  T1 a report is durable before store hears that it is owed no more; making it twice does no harm (pipe/report.h).
 */
#include "pipe/outgoing_impl.h"

#include "pipe/report.h"

#define SETTLE_AGAIN_MS 500
#define AGAIN_S 60
#define TENDED_MAX 50	/* at once */
#define SWEEP_STEP 20000 /* places of the table looked at in one go */
#define GRACE_S 3	/* an attempt at the very end of a letter's time tells more than the clock */

/* ---- results */

SUSPENDS bool sending_settle(struct outgoing_state *out, const struct job *j, uint32_t attempt, int64_t due_s, const struct ipc_delivery *d,
	uint32_t *left)
{
	struct ipc_queue_settle m = { j->id, j->group, attempt, outgoing_wall_s(out), due_s, *d };
	struct ipc_queue_settle_reply r = { 0 };
	enum outcome o;

	while ((o = ipc_queue_settle(outgoing_store(out, j), &m, &r, NULL)) != OK) {
		if (o == NO_SUCH)
			break; /* an earlier try did it all */
		if (o != TRY_LATER && o != UNANSWERED && o != NO_ROOM) {
			log_error(out->post->log, "settle-refused", "letter %llu, group %u: %s; the group is tried again", (unsigned long long)j->id,
				j->group, outcome_name(o));
			return false;
		}
		if (out->post->stopping || task_sleep(out->post->sched, SETTLE_AGAIN_MS) == WAIT_STOP)
			return false;
	}
	*left = o == OK ? r.left : 0;
	return true;
}

uint8_t outgoing_owed(const struct outgoing_state *out, const struct ipc_queue_read_reply *letter, const struct ipc_queue_rcpt *r, uint8_t state)
{
	const struct conf_queue *c = &out->post->conf->queue;
	const struct ipc_wishes *w = &letter->facts.wishes;
	int64_t now = outgoing_wall_s(out), warn = letter->facts.date_s + c->warn_after_ms / 1000;

	if (state == RCPT_WAITING && w->by_mode == BY_NOTIFY && w->by_s && w->by_s < warn)
		warn = w->by_s;
	if (state == RCPT_WAITING && (now < warn || (!c->warn_after_ms && !(r->dsn.notify & NOTIFY_DELAY) && w->by_mode != BY_NOTIFY)))
		return REPORT_NONE;
	return report_owed(&letter->facts, r, state);
}

/* ---- reports */

/* T1. */
static SUSPENDS bool report_kind(struct outgoing_state *out, const struct job *j, const struct ipc_queue_read_reply *letter, uint8_t kind,
	struct arena *a)
{
	uint32_t *numbers = arena_array(a, letter->n_rcpts + 1, sizeof *numbers);
	struct ipc_queue_reported m = { .id = j->id, .group = j->group, .report = kind, .numbers = numbers };
	struct ipc_queue_reported_reply r;
	enum outcome o;

	for (size_t i = 0; i < letter->n_rcpts; i++)
		if (letter->rcpts[i].report == kind)
			numbers[m.n_numbers++] = letter->rcpts[i].number;
	if (!m.n_numbers)
		return true;
	o = report_send(out->post, j->id, j->group, letter, kind, a);
	if (o == OK) {
		out->n_reports++;
		o = ipc_queue_reported(outgoing_store(out, j), &m, &r, NULL);
	}
	return o == OK || o == NO_SUCH;
}

SUSPENDS bool outgoing_report(struct outgoing_state *out, const struct job *j, const struct ipc_queue_read_reply *letter)
{
	struct arena a;
	bool all = true;

	arena_init(&a, "report", ATTEMPT_ARENA_MAX); /* of its own: those of 200 groups of a letter would not fit together */
	for (uint8_t kind = REPORT_NONE + 1; kind < REPORT_KINDS; kind++) {
		all &= report_kind(out, j, letter, kind, &a);
		arena_reset(&a);
	}
	arena_fini(&a);
	return all;
}

/* ---- one job that is not tried now */

struct tended {
	struct outgoing_state *out;
	struct job *job; /* NOWHERE, hence ours */
	struct arena a;
	struct ipc_queue_read_reply letter;
	int64_t due_s;
};

/* Recipients that wait expire, or their sender is warned. The results; none: there is nothing to say. */
static size_t judge(struct tended *t, struct ipc_rcpt_result *v)
{
	bool over = t->job->until_s <= outgoing_wall_s(t->out);
	size_t n = 0;

	for (size_t i = 0; i < t->letter.n_rcpts; i++) {
		struct ipc_queue_rcpt *r = (struct ipc_queue_rcpt *)(uintptr_t)&t->letter.rcpts[i]; /* of our own arena */
		uint8_t state = over ? RCPT_EXPIRED : RCPT_WAITING;
		uint8_t owed = r->state == RCPT_WAITING ? outgoing_owed(t->out, &t->letter, r, state) : REPORT_NONE;

		if (r->state != RCPT_WAITING || (!over && owed == REPORT_NONE))
			continue;
		r->state = state;
		r->report = owed;
		v[n++] = (struct ipc_rcpt_result){ r->number, state, owed, r->code, r->status, r->text };
	}
	return n;
}

/* False: it could not be done, or not all of it. */
static SUSPENDS bool tend(struct tended *t)
{
	struct outgoing_state *out = t->out;
	struct ipc_rcpt_result *v = arena_array(&t->a, t->letter.n_rcpts + 1, sizeof *v);
	struct ipc_delivery d = { .feedback = FEEDBACK_LOCAL, .rcpts = v };
	uint32_t left;

	d.n_rcpts = judge(t, v);
	if (d.n_rcpts && !sending_settle(out, t->job, 0, t->due_s, &d, &left))
		return false;
	t->job->warned = true;
	t->job->owed = !outgoing_report(out, t->job, &t->letter);
	return !t->job->owed;
}

static bool any_waits(const struct tended *t)
{
	for (size_t i = 0; i < t->letter.n_rcpts; i++)
		if (t->letter.rcpts[i].state == RCPT_WAITING)
			return true;
	return false;
}

static SUSPENDS void tend_main(void *arg)
{
	struct tended *t = arg;
	struct outgoing_state *out = t->out;
	struct ipc_queue_read m = { t->job->id, t->job->group };
	enum outcome o = ipc_queue_read(outgoing_store(out, t->job), &m, &t->letter, &t->a);
	bool done = o == OK && tend(t);

	if (o == NO_SUCH || (done && !any_waits(t))) {
		queue_remove(&out->queue, t->job);
	} else {
		t->job->untended = !done;
		t->job->due_s = done ? t->due_s : outgoing_wall_s(out) + AGAIN_S;
		queue_place(&out->queue, t->job, JOB_LATER, outgoing_now_ms(out), outgoing_wall_s(out));
	}
	arena_fini(&t->a);
	free(t);
	out->n_tasks--;
	out->n_tended--;
	gate_open(out->post->sched, &out->wake);
	gate_open(out->post->sched, &out->ended);
}

static void start(void *ctx, struct job *j)
{
	struct outgoing_state *out = ctx;
	struct tended *t;

	if (out->n_tended >= TENDED_MAX || ((j->owed || j->untended) && j->due_s > outgoing_wall_s(out)))
		return; /* the next round finds it again */
	t = mem_new(struct tended);
	*t = (struct tended){ .out = out, .job = j, .due_s = j->due_s };
	arena_init(&t->a, "tended", ATTEMPT_ARENA_MAX);
	queue_place(&out->queue, j, JOB_NOWHERE, outgoing_now_ms(out), outgoing_wall_s(out));
	out->n_tasks++;
	out->n_tended++;
	task_spawn(out->post->sched, "tend", tend_main, t);
}

void outgoing_tend(struct outgoing_state *out)
{
	queue_sweep(&out->queue, SWEEP_STEP, outgoing_wall_s(out) - GRACE_S, start, out);
}
