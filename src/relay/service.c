/* relay/service.c - what post asks of relay: attempts and their results, which are kept until post has recorded them.
 * Purpose     an attempt is carried out once, whoever asks how often and whether post lives or not.
 * Trust       post is trusted to ask for what it has begun; what it does not acknowledge is bounded by RELAY_JOBS_MAX.
 * Owns        the jobs.
 * Suspends    in handlers. A job that somebody waits for is freed by the last of them.
 */
#include "relay/relay_impl.h"

#include "base/die.h"
#include "relay/hosts.h"
#include "relay/texts.h"

#include <stdlib.h>
#include <string.h>

#define ATTEMPT_MEMORY ((size_t)64 << 20) /* DNS answers of all hosts at their largest */
#define REPLY_MEMORY ((size_t)2 << 20)

/* ---- jobs */

static struct relay_job *job_find(struct relay *r, const struct ipc_relay_job *id)
{
	return map_get(&r->by_id, MAP_KEY(*id));
}

static void job_add_id(struct relay *r, struct relay_job *j, const struct ipc_relay_job *id)
{
	j->ids[j->n_ids++] = *id;
	map_put(&r->by_id, MAP_KEY(*id), j);
}

static struct relay_job *job_new(struct relay *r, const struct ipc_relay_job *id, const struct ipc_relay_send *m)
{
	struct relay_job *j = mem_new(struct relay_job);

	arena_init(&j->arena, "result", REPLY_MEMORY);
	j->ids = arena_array(&j->arena, m->n_along + 1, sizeof *j->ids);
	job_add_id(r, j, id);
	for (size_t i = 0; i < m->n_along; i++)
		if (!job_find(r, &m->along[i]))
			job_add_id(r, j, &m->along[i]);
	gate_init(&j->gate);
	list_init(&j->node);
	list_add_last(&r->jobs, &j->node);
	r->n_jobs++;
	return j;
}

/* Somebody who waits still reads it then, and frees it. */
static void job_free_if_unused(struct relay_job *j)
{
	if (j->n_ids || j->n_waiting || !j->done)
		return;
	arena_fini(&j->arena);
	free(j);
}

/* It is known by its other ids until they are forgotten too. */
static void job_forget(struct relay *r, struct relay_job *j, const struct ipc_relay_job *id)
{
	struct ipc_relay_job gone = *id; /* which may be among those */

	map_del(&r->by_id, MAP_KEY(gone));
	for (size_t i = 0; i < j->n_ids; i++)
		if (memcmp(&j->ids[i], &gone, sizeof gone) == 0)
			j->ids[i] = j->ids[--j->n_ids];
	if (j->n_ids == 0) {
		list_del(&j->node);
		r->n_jobs--;
	}
	job_free_if_unused(j);
}

void relay_jobs_fini(struct relay *r)
{
	list_each(it, next, &r->jobs)
	{
		struct relay_job *j = list_entry(it, struct relay_job, node);

		for (size_t n = j->n_ids; n > 0; n--)
			job_forget(r, j, &j->ids[n - 1]);
	}
	map_fini(&r->by_id);
}

/* ---- a result outlives what it was made of */

static struct ipc_rcpt_result *keep_rcpts(const struct ipc_delivery *d, struct arena *a)
{
	struct ipc_rcpt_result *v = arena_array(a, d->n_rcpts, sizeof *v);

	for (size_t i = 0; i < d->n_rcpts; i++) {
		v[i] = d->rcpts[i];
		v[i].status = arena_dup(a, v[i].status);
		v[i].text = arena_dup(a, v[i].text);
	}
	return v;
}

static struct ipc_tls_fact *keep_facts(const struct ipc_tls_fact *facts, size_t n, struct arena *a)
{
	struct ipc_tls_fact *v = arena_array(a, n, sizeof *v);

	for (size_t i = 0; i < n; i++) {
		v[i] = facts[i];
		v[i].domain = arena_dup(a, v[i].domain);
		v[i].policy_text = arena_dup(a, v[i].policy_text);
		v[i].mx = arena_dup(a, v[i].mx);
		v[i].helo = arena_dup(a, v[i].helo);
		v[i].ip = arena_dup(a, v[i].ip);
		v[i].source = arena_dup(a, v[i].source);
		v[i].text = arena_dup(a, v[i].text);
	}
	return v;
}

static struct ipc_sts_known *keep_sts(const struct ipc_sts_known *sts, size_t n, struct arena *a)
{
	struct ipc_sts_known *v = arena_array(a, n, sizeof *v);

	for (size_t i = 0; i < n; i++) {
		v[i] = sts[i];
		v[i].domain = arena_dup(a, v[i].domain);
		v[i].id = arena_dup(a, v[i].id);
		v[i].policy = arena_dup(a, v[i].policy);
	}
	return v;
}

static void keep_reply(struct relay_job *j, const struct ipc_relay_send_reply *from)
{
	struct ipc_relay_send_reply *to = &j->reply;
	struct ipc_delivery *d = &to->delivery;
	struct arena *a = &j->arena;

	*to = *from;
	d->host = arena_dup(a, d->host);
	d->ip = arena_dup(a, d->ip);
	d->source = arena_dup(a, d->source);
	d->tls = arena_dup(a, d->tls);
	d->lock_text = arena_dup(a, d->lock_text);
	d->rcpts = keep_rcpts(d, a);
	to->tls_facts = keep_facts(from->tls_facts, from->n_tls_facts, a);
	to->sts = keep_sts(from->sts, from->n_sts, a);
}

/* ---- attempts */

static SUSPENDS void job_run(struct relay *r, struct relay_job *j, const struct ipc_relay_send *m)
{
	struct relay_conf *conf = relay_conf_get(r->conf);
	struct ipc_relay_send_reply reply = { 0 };
	struct arena a;

	arena_init(&a, "attempt", ATTEMPT_MEMORY);
	j->task = task_self(r->sched);
	r->n_running++;
	attempt_run(r, conf, m, &a, &reply);
	r->n_running--;
	j->task = NULL;
	keep_reply(j, &reply);
	arena_fini(&a);
	relay_conf_put(conf);
	j->done = true;
	gate_open(r->sched, &j->gate);
}

/* Until it has ended; false: we are to stop. */
static SUSPENDS bool job_await(struct relay *r, struct relay_job *j)
{
	struct gate *g = &j->gate;
	int w = 0;

	while (!j->done && w != WAIT_STOP)
		w = task_wait(r->sched, &g, 1, NEVER_MS);
	return j->done;
}

static void job_release(struct relay_job *j)
{
	j->n_waiting--;
	job_free_if_unused(j);
}

static SUSPENDS void on_send(void *ctx, struct ipc_call *call, const void *msg)
{
	struct relay *r = ctx;
	const struct ipc_relay_send *m = msg;
	struct ipc_relay_job id = { .id = m->id, .group = m->group, .attempt = m->attempt };
	struct relay_job *j = job_find(r, &id);

	if (r->stopping || (!j && r->n_jobs >= RELAY_JOBS_MAX)) {
		call_reply(call, TRY_LATER, NULL);
		return;
	}
	r->n_calls++;
	if (j) {
		j->n_waiting++;
	} else {
		j = job_new(r, &id, m);
		j->n_waiting++;
		job_run(r, j, m);
	}
	if (job_await(r, j))
		ipc_relay_send_reply_send(call, OK, &j->reply);
	job_release(j);
	r->n_calls--;
}

static SUSPENDS void on_result(void *ctx, struct ipc_call *call, const void *msg)
{
	struct relay *r = ctx;
	const struct ipc_relay_result *m = msg;
	struct ipc_relay_job id = { .id = m->id, .group = m->group, .attempt = m->attempt };
	struct relay_job *j = job_find(r, &id);
	struct ipc_relay_result_reply reply = { 0 };

	if (!j) {
		ipc_relay_result_reply_send(call, NO_SUCH, &reply);
		return;
	}
	r->n_calls++;
	j->n_waiting++;
	if (job_await(r, j)) {
		reply = (struct ipc_relay_result_reply){ .delivery = j->reply.delivery, .tls_facts = j->reply.tls_facts,
			.n_tls_facts = j->reply.n_tls_facts, .sts = j->reply.sts, .n_sts = j->reply.n_sts, .moved = j->reply.moved };
		ipc_relay_result_reply_send(call, OK, &reply);
	}
	job_release(j);
	r->n_calls--;
}

static void on_acknowledge(void *ctx, struct ipc_call *call, const void *msg)
{
	struct relay *r = ctx;
	const struct ipc_relay_acknowledge *m = msg;

	(void)call;
	for (size_t i = 0; i < m->n_jobs; i++) {
		struct relay_job *j = job_find(r, &m->jobs[i]);

		if (j && j->done)
			job_forget(r, j, &m->jobs[i]);
	}
}

/* after: how many of the list the asker has; it acknowledges none of them before it has all. */
static void on_outstanding(void *ctx, struct ipc_call *call, const void *msg)
{
	struct relay *r = ctx;
	const struct ipc_relay_outstanding *m = msg;
	struct ipc_relay_job *v = arena_array(call_arena(call), IPC_RELAY_OUTSTANDING_JOBS_MAX, sizeof *v);
	struct ipc_relay_outstanding_reply reply = { .jobs = v };
	uint32_t n = 0;

	list_each(it, next, &r->jobs)
	{
		const struct relay_job *j = list_entry(it, struct relay_job, node);

		for (size_t i = 0; i < j->n_ids && !reply.more; i++) {
			if (n++ < m->after)
				continue;
			reply.more = reply.n_jobs == IPC_RELAY_OUTSTANDING_JOBS_MAX;
			if (!reply.more)
				v[reply.n_jobs++] = j->ids[i];
		}
	}
	ipc_relay_outstanding_reply_send(call, OK, &reply);
}

/* ---- the rest */

/* Not while the role winds down; and it does not end meanwhile. */
static SUSPENDS void answer(struct relay *r, struct ipc_call *call, const void *msg, void (*fn)(struct relay *r, struct ipc_call *call, const void *msg))
{
	if (r->stopping) {
		call_reply(call, TRY_LATER, NULL);
		return;
	}
	r->n_calls++;
	fn(r, call, msg);
	r->n_calls--;
}

static SUSPENDS void texts(struct relay *r, struct ipc_call *call, const void *msg)
{
	relay_answer_texts(r->dns, call, msg);
}

static SUSPENDS void hosts(struct relay *r, struct ipc_call *call, const void *msg)
{
	relay_answer_hosts(r, call, msg);
}

static SUSPENDS void report(struct relay *r, struct ipc_call *call, const void *msg)
{
	locks_answer_report(r->locks, call, msg);
}

static SUSPENDS void on_texts(void *ctx, struct ipc_call *call, const void *msg)
{
	answer(ctx, call, msg, texts);
}

static SUSPENDS void on_hosts(void *ctx, struct ipc_call *call, const void *msg)
{
	answer(ctx, call, msg, hosts);
}

static SUSPENDS void on_report(void *ctx, struct ipc_call *call, const void *msg)
{
	answer(ctx, call, msg, report);
}

static void on_sts(void *ctx, struct ipc_call *call, const void *msg)
{
	struct relay *r = ctx;

	(void)call;
	if (!r->stopping)
		locks_remember(r->locks, msg);
}

void relay_service_init(struct relay *r)
{
	map_init(&r->by_id, r->seed);
	list_init(&r->jobs);
	r->handlers[IPC_RELAY_SEND] = on_send;
	r->handlers[IPC_RELAY_RESULT] = on_result;
	r->handlers[IPC_RELAY_OUTSTANDING] = on_outstanding;
	r->handlers[IPC_RELAY_ACKNOWLEDGE] = on_acknowledge;
	r->handlers[IPC_DNS_TEXTS] = on_texts;
	r->handlers[IPC_RELAY_HOSTS] = on_hosts;
	r->handlers[IPC_STS_REMEMBER] = on_sts;
	r->handlers[IPC_TLSRPT_POST] = on_report;
	r->service = (struct ipc_service){ .ctx = r, .handlers = r->handlers };
}
