/* pipe/queue_act.c - what an operator does to letters in the queue, group by group as the command has listed them.
 * Trust       a command's: root's, or the server's user's. Store has recorded its words before.
 * Suspends    in each change, which is durable before it counts; several are under way at once, so that store merges their syncs.
 * Invariants  I1 a group that is being sent stays as it is, and is told of as busy.
 */
#include "pipe/outgoing.h"

#define WORKERS 128

struct acting {
	struct post *post;
	const struct ipc_queue_act *m;
	size_t next;
	unsigned n_workers;
	struct gate ended;
	struct ipc_queue_act_reply r;
	enum outcome failed; /* the first that was none of the answers below; OK: none */
};

static void count(struct acting *x, enum outcome o)
{
	if (o == OK)
		x->r.done++;
	else if (o == IN_USE)
		x->r.busy++;
	else if (o == NO_SUCH)
		x->r.gone++;
	else if (x->failed == OK)
		x->failed = o;
}

static SUSPENDS void work(void *arg)
{
	struct acting *x = arg;

	while (x->next < x->m->n_groups && x->failed == OK) {
		const struct ipc_queue_group *g = &x->m->groups[x->next++];

		count(x, sending_change(x->post, g->id, g->group, x->m->what, x->m->text));
	}
	x->n_workers--;
	gate_open(x->post->sched, &x->ended);
}

SUSPENDS void post_queue_act(void *ctx, struct ipc_call *c, const void *msg)
{
	struct acting *x = arena_new(call_arena(c), struct acting);
	struct gate *g = &x->ended;

	*x = (struct acting){ .post = ctx, .m = msg, .failed = OK };
	gate_init(&x->ended);
	if (x->m->what > QUEUE_REROUTE) {
		ipc_queue_act_reply_send(c, BAD_SYNTAX, &x->r);
		return;
	}
	for (; x->n_workers < WORKERS && x->n_workers < x->m->n_groups; x->n_workers++)
		task_spawn(x->post->sched, "queue-act", work, x);
	while (x->n_workers)
		task_wait(x->post->sched, &g, 1, NEVER_MS); /* a call's task is not cancelled */
	ipc_queue_act_reply_send(c, x->failed, &x->r);
}
