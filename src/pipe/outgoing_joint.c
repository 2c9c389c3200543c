/* pipe/outgoing_joint.c - attempts at several groups of a letter that relay is handed at once
 * Purpose     to a next hop of our operator's a letter goes with all its recipients in as few transactions as it takes, whatever their domains are.
 * Owns        struct joint, what is in its arena, and the attempts, until the last of them has left.
 * Suspends    in the calls to store and relay, and while others of the joint are not ready.
 * Invariants  J1 relay hears of those whose attempts are durable, and of nobody else. J2 who waits for others is woken by each that comes or leaves.
 *             J3 a result is looked up by recipient, so that each attempt records its own.
 */
#include "pipe/outgoing_impl.h"

#include "pipe/tlsrpt.h"

#define RELAY_CALL_MS (6 * 3600 * 1000) /* longer than any letter takes: its own times end an attempt */

struct joint *joint_new(struct outgoing_state *out, struct site *site)
{
	struct joint *joint = mem_new(struct joint);

	*joint = (struct joint){ .out = out, .site = site };
	arena_init(&joint->a, "attempt", ATTEMPT_ARENA_MAX);
	gate_init(&joint->changed);
	return joint;
}

struct attempt *joint_add(struct joint *joint, struct job *j, enum attempt_kind kind)
{
	struct attempt *x = arena_new(&joint->a, struct attempt);

	*x = (struct attempt){ .out = joint->out, .joint = joint, .job = j, .kind = kind, .a = &joint->a };
	*vec_push(&joint->all) = x;
	joint->n_users++;
	joint->n_coming++;
	return x;
}

void joint_start(struct joint *joint)
{
	for (size_t i = 0; i < joint->all.n; i++) {
		joint->out->n_tasks++;
		task_spawn(joint->out->post->sched, "attempt", attempt_main, joint->all.v[i]);
	}
}

/* f < 0: relay was not asked, or its news are of no such host. */
static void connection_ended(struct joint *joint, int f)
{
	if (joint->site)
		queue_connection_ended(&joint->out->queue, joint->site, f, outgoing_now_ms(joint->out));
	joint->site = NULL;
}

void joint_leave(struct attempt *x)
{
	struct joint *joint = x->joint;

	for (size_t i = 0; i < joint->all.n; i++)
		if (joint->all.v[i] == x)
			joint->all.v[i] = NULL;
	joint->n_coming -= !x->ready;
	gate_open(joint->out->post->sched, &joint->changed);
	if (--joint->n_users)
		return;
	connection_ended(joint, -1);
	shared_body_put(joint->body);
	vec_free(&joint->all);
	arena_fini(&joint->a);
	free(joint);
}

/* J2. False: we are to stop. */
static SUSPENDS bool wait_for_others(struct joint *joint)
{
	struct gate *g = &joint->changed;

	return task_wait(joint->out->post->sched, &g, 1, NEVER_MS) != WAIT_STOP;
}

SUSPENDS enum outcome joint_body(struct attempt *x)
{
	struct joint *joint = x->joint;
	enum outcome o;

	while (joint->reading)
		if (!wait_for_others(joint))
			return TRY_LATER;
	if (joint->body)
		return OK;
	joint->reading = true;
	o = attempt_read_body(x, &joint->body);
	joint->reading = false;
	gate_open(joint->out->post->sched, &joint->changed);
	return o;
}

/* ---- relay */

/* Without what was said of them before, which relay needs not: long replies of another server would pass what a record holds. */
static size_t add_rcpts(struct ipc_queue_rcpt *v, const struct attempt *x)
{
	for (size_t i = 0; i < x->letter.n_rcpts; i++) {
		v[i] = x->letter.rcpts[i];
		v[i].status = v[i].text = STR("");
	}
	return x->letter.n_rcpts;
}

static struct ipc_relay_job id_of(const struct job *j)
{
	return (struct ipc_relay_job){ j->id, j->group, j->attempts };
}

/* J1. A letter's recipients are of one queue_send, so that all of them fit here too. */
static void fill(struct joint *joint, struct ipc_relay_send *m)
{
	const struct attempt *first = joint->leader;
	const struct job *j = first->job;
	struct ipc_queue_rcpt *rcpts = arena_array(&joint->a, IPC_RELAY_SEND_RCPTS_MAX, sizeof *rcpts);
	struct ipc_relay_job *along = arena_array(&joint->a, joint->all.n, sizeof *along);

	*m = (struct ipc_relay_send){ .id = j->id, .group = j->group, .attempt = j->attempts, .along = along, .facts = first->letter.facts,
		.domain = first->letter.domain, .route = first->letter.route, .source = joint->source, .prefix = first->letter.prefix, .rcpts = rcpts,
		.body = joint->body->body };
	joint->strayed = j->to->site != joint->site; /* its hosts were found to be others since the connection was taken */
	if (!joint->strayed) {
		m->hosts = arena_dup(&joint->a, queue_known_hosts(j->to));
		m->shared = queue_shares_hosts(j->to, outgoing_now_ms(joint->out));
		m->secure = j->to->secure;
	}
	m->n_rcpts = add_rcpts(rcpts, first);
	for (size_t i = 0; i < joint->all.n; i++) {
		const struct attempt *x = joint->all.v[i];

		if (!x || x == first || !x->ready)
			continue;
		m->n_rcpts += add_rcpts(rcpts + m->n_rcpts, x);
		along[m->n_along++] = id_of(x->job);
	}
}

static SUSPENDS enum outcome ask_again(struct joint *joint)
{
	const struct job *j = joint->leader->job;
	struct ipc_relay_result m = { j->id, j->group, j->attempts };
	struct ipc_relay_result_reply r;
	enum outcome o = ipc_relay_result_within(joint->out->relay, &m, &r, &joint->a, RELAY_CALL_MS);

	if (o == OK)
		joint->reply = (struct ipc_relay_send_reply){ r.delivery, r.tls_facts, r.n_tls_facts, r.sts, r.n_sts, r.moved };
	return o;
}

static SUSPENDS enum outcome ask(struct joint *joint)
{
	struct ipc_relay_send m;

	if (joint->leader->kind == ATTEMPT_RESUMED)
		return ask_again(joint);
	fill(joint, &m);
	outgoing_tell_settled(joint->out, true);
	return ipc_relay_send_within(joint->out->relay, &m, &joint->reply, &joint->a, RELAY_CALL_MS);
}

static SUSPENDS void speak(struct joint *joint)
{
	struct post *post = joint->out->post;

	joint->result = ask(joint);
	if (joint->result == OK) {
		tls_reports_note(post->tls_reports, joint->reply.tls_facts, joint->reply.n_tls_facts);
		tls_reports_keep(post->tls_reports, joint->reply.sts, joint->reply.n_sts);
	}
	/* Of hosts that are no longer the domain's own site learns nothing: whoever names others' hosts in DNS has no say about them. */
	connection_ended(joint, joint->result == OK && !joint->reply.moved && !joint->strayed ? joint->reply.delivery.feedback : -1);
	joint->done = true;
	gate_open(post->sched, &joint->changed);
	gate_open(post->sched, &joint->out->wake);
}

SUSPENDS enum outcome joint_send(struct attempt *x)
{
	struct joint *joint = x->joint;

	x->ready = true;
	joint->n_coming--;
	if (!joint->leader)
		joint->leader = x;
	gate_open(joint->out->post->sched, &joint->changed);
	while (joint->leader == x ? joint->n_coming > 0 : !joint->done)
		if (!wait_for_others(joint))
			break;
	if (joint->leader == x)
		speak(joint);
	return joint->result;
}
