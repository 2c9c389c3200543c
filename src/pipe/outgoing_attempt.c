/* pipe/outgoing_attempt.c - one attempt to hand a group of recipients over, from its record to the record of what became of it
 * Purpose     read, begin, ask relay, settle, report.
 * Owns        struct attempt and the job it is about, which is running meanwhile.
 * Suspends    in calls to store and relay, the latter for as long as the other server takes.
 * Invariants  A1 an attempt is durable before relay hears of it. A2 relay forgets a result only after store has it. A3 nobody but the attempt changes
 *             its job. A4 whatever happens, the job is given a place or removed, once.
 */
#include "pipe/outgoing_impl.h"

#include "mail/bounce_class.h"
#include "mail/idn.h"
#include "queue/site.h"

#define AGAIN_S 5 /* after something of ours failed */
#define LOST_S 30 /* after relay ended in the middle */
#define BODY_STEP 131072

struct link *outgoing_store(struct outgoing_state *out, const struct job *j)
{
	return out->lanes[j->lane].store;
}

/* ---- the end of it (A4) */

static void place(struct attempt *x, int64_t due_s)
{
	struct outgoing_state *out = x->out;

	x->job->due_s = due_s;
	queue_place(&out->queue, x->job, JOB_LATER, outgoing_now_ms(out), outgoing_wall_s(out));
}

static void ended(struct attempt *x, int feedback)
{
	struct outgoing_state *out = x->out;

	queue_ended(&out->queue, x->job, feedback, outgoing_now_ms(out), outgoing_wall_s(out));
}

static void not_made(struct attempt *x, int64_t in_s)
{
	ended(x, -1);
	place(x, outgoing_wall_s(x->out) + in_s);
}

static void is_gone(struct attempt *x, int feedback)
{
	ended(x, feedback);
	queue_remove(&x->out->queue, x->job);
}

/* ---- before relay */

static bool waits(const struct ipc_queue_rcpt *r)
{
	return r->state == RCPT_WAITING;
}

/* What relay needs not hear of: those that are through, about whom a report is owed. */
static void keep_waiting(struct attempt *x)
{
	struct ipc_queue_rcpt *all = arena_array(x->a, x->letter.n_rcpts + 1, sizeof *all);
	size_t n = 0;

	for (size_t i = 0; i < x->letter.n_rcpts; i++)
		if (waits(&x->letter.rcpts[i]))
			all[n++] = x->letter.rcpts[i];
	x->letter.rcpts = all;
	x->letter.n_rcpts = n;
}

static SUSPENDS enum outcome read_letter(struct attempt *x)
{
	struct ipc_queue_read m = { x->job->id, x->job->group };
	enum outcome o;

	if (x->read)
		return OK;
	o = ipc_queue_read(outgoing_store(x->out, x->job), &m, &x->letter, x->a);
	x->read = o == OK;
	if (o == OK && x->job->owed && outgoing_report(x->out, x->job, &x->letter))
		x->job->owed = false;
	if (o == OK)
		keep_waiting(x);
	return o;
}

static SUSPENDS enum outcome body_into(const struct attempt *x, struct body_writer *w)
{
	struct arena a;
	enum outcome o = OK;

	arena_init(&a, "queue body", IPC_REPLY_MEMORY);
	while (o == OK && w->size < x->letter.facts.size && !w->failed && !w->over_budget) {
		struct ipc_queue_body m = { x->job->id, w->size, BODY_STEP };
		struct ipc_queue_body_reply r = { 0 };

		o = ipc_queue_body(outgoing_store(x->out, x->job), &m, &r, &a);
		if (o == OK && r.bytes.n == 0)
			o = FAILED;
		if (o == OK)
			body_writer_add(w, r.bytes);
		arena_reset(&a);
	}
	arena_fini(&a);
	return o;
}

SUSPENDS enum outcome attempt_read_body(const struct attempt *x, struct shared_body **out)
{
	struct body_writer w;
	struct body body;
	enum outcome o;

	body_writer_open(&w, &x->out->post->budget, x->letter.facts.size);
	o = body_into(x, &w);
	if (o == OK)
		o = body_writer_seal(&w, &body);
	if (o == OK) {
		*out = shared_body_new(&x->out->post->budget, &body);
		o = *out ? OK : TRY_LATER;
	}
	body_writer_close(&w);
	return o;
}

/* ---- the source (an address of ours) */

static struct str sender_domain(struct attempt *x)
{
	return x->letter.facts.from_null ? STR("") : mail_domain_fold(x->a, x->letter.facts.from.domain);
}

/* TRY_LATER: all that it may leave from have used up their rate. */
static enum outcome choose_source(struct attempt *x)
{
	struct outgoing_state *out = x->out;
	struct joint *joint = x->joint;
	const struct conf *c = out->post->conf;
	uint32_t max = c->queue.source_rate_max;
	uint16_t *list = arena_array(x->a, CONF_SOURCES_MAX, sizeof *list);
	size_t n = conf_sources_for(c, conf_route_find(c, x->letter.domain), sender_domain(x), list);

	for (size_t i = 0; i < n && !joint->sourced; i++) {
		size_t at = list[(out->source_next + i) % n];
		struct source_rate *r = &out->sources[at];

		if (max) {
			r->tokens = bucket_fill(r->tokens, &r->tokens_ms, max, 60000, outgoing_now_ms(out));
			if (r->tokens < 1)
				continue;
			r->tokens -= 1;
		}
		out->source_next++;
		joint->source = (uint16_t)(at + 1);
		joint->sourced = true;
	}
	return n && !joint->sourced ? TRY_LATER : OK;
}

/* A1. */
static SUSPENDS enum outcome begin(struct attempt *x)
{
	struct ipc_queue_begin m = { x->job->id, x->job->group, x->job->attempts + 1u };
	enum outcome o;

	if (x->kind != ATTEMPT_NEW)
		return OK;
	o = ipc_queue_begin(outgoing_store(x->out, x->job), &m);
	if (o == OK && x->job->attempts < UINT16_MAX)
		x->job->attempts++;
	if (o == BAD_STATE) /* our number is not store's: it is read anew */
		x->job->attempts = (uint16_t)x->letter.attempts;
	return o;
}

/* ---- after relay */

static void note_lock(struct outgoing_state *out, const struct ipc_delivery *d)
{
	if (d->lock < LOCK_COUNT && d->host.n)
		out->n_locked[d->lock]++;
}

static const struct ipc_rcpt_result *result_of(const struct ipc_delivery *d, uint32_t number)
{
	for (size_t i = 0; i < d->n_rcpts; i++)
		if (d->rcpts[i].number == number)
			return &d->rcpts[i];
	return NULL;
}

static int64_t by_s(const struct attempt *x, uint8_t mode)
{
	const struct ipc_wishes *w = &x->letter.facts.wishes;

	return w->by_mode == mode && w->by_s ? w->by_s : INT64_MAX;
}

/* The one that is over first. */
static int64_t until_s(const struct attempt *x)
{
	int64_t by = by_s(x, BY_RETURN);

	return x->job->until_s < by ? x->job->until_s : by;
}

static void count(struct outgoing_state *out, uint8_t state)
{
	out->n_sent += state == RCPT_SENT || state == RCPT_RELAYED;
	out->n_deferred += state == RCPT_WAITING;
	out->n_failed += state == RCPT_FAILED || state == RCPT_EXPIRED;
}

/* What becomes of each recipient, by what relay says and the time. Returns how many wait on. */
static size_t judge(struct attempt *x, struct ipc_delivery *d)
{
	struct outgoing_state *out = x->out;
	struct ipc_rcpt_result *v = arena_array(x->a, x->letter.n_rcpts + 1, sizeof *v);
	bool over = outgoing_wall_s(out) >= until_s(x);
	size_t n_waiting = 0;

	for (size_t i = 0; i < x->letter.n_rcpts; i++) {
		const struct ipc_queue_rcpt *r = &x->letter.rcpts[i];
		const struct ipc_rcpt_result *found = result_of(d, r->number);

		v[i] = found ? *found : (struct ipc_rcpt_result){ .status = STR("4.4.2"), .text = STR("nothing is known of this attempt") };
		v[i].number = r->number;
		if (v[i].state == RCPT_WAITING && over)
			v[i].state = RCPT_EXPIRED;
		v[i].report = outgoing_owed(out, &x->letter, r, v[i].state);
		n_waiting += v[i].state == RCPT_WAITING;
		count(out, v[i].state);
	}
	d->rcpts = v;
	d->n_rcpts = x->letter.n_rcpts;
	return n_waiting;
}

static int64_t next_s(struct attempt *x, const struct ipc_delivery *d)
{
	int64_t now = outgoing_wall_s(x->out), due = now + (d->retry_s ? d->retry_s : queue_retry_s(&x->out->queue, x->job->id, x->job->attempts));
	int64_t until = until_s(x), notify = by_s(x, BY_NOTIFY);

	if (due > notify && now < notify)
		due = notify; /* its sender is told then (RFC 2852 4.1.4.1) */
	return due < until ? due : until > now ? until : now;
}

/* No other reason makes it an address that is not written to again. */
static bool is_dead(const struct ipc_rcpt_result *r)
{
	return bounce_class_is_address(bounce_class_of(r->code, r->status, r->text));
}

static SUSPENDS void note_failures(struct attempt *x, const struct ipc_delivery *d)
{
	for (size_t i = 0; i < d->n_rcpts; i++) {
		struct ipc_suppress_note m = { .account = x->letter.facts.account, .rcpt = x->letter.rcpts[i].to, .failed = 1 };

		if (m.account && d->rcpts[i].state == RCPT_FAILED && is_dead(&d->rcpts[i]) &&
			ipc_suppress_note(outgoing_store(x->out, x->job), &m) != OK)
			log_warning(x->out->post->log, "suppress-failed", "the failure of an address was not noted");
		if (d->rcpts[i].state == RCPT_FAILED)
			recent_forget_owners(&x->out->post->recent);
	}
}

static void log_result(struct attempt *x, const struct ipc_delivery *d)
{
	struct arena *a = x->a;
	static const char *const names[RCPT_STATE_COUNT] = { "deferred", "sent", "relayed", "failed", "expired", "removed" };

	for (size_t i = 0; i < d->n_rcpts; i++) {
		const struct ipc_rcpt_result *r = &d->rcpts[i];
		const struct ipc_addr *to = &x->letter.rcpts[i].to;

		log_fields(x->out->post->log, r->state == RCPT_SENT || r->state == RCPT_RELAYED ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING, "delivery",
			LOG_S("trace", x->letter.facts.trace), LOG_S("to", arena_fmt(a, "%.*s@%.*s", STR_ARG(to->local), STR_ARG(to->domain))),
			LOG_S("result", str_z(names[r->state < RCPT_STATE_COUNT ? r->state : 0])),
			LOG_S("attempt", arena_fmt(a, "%u", x->job->attempts)), LOG_S("status", r->status), LOG_S("reply", r->text),
			LOG_S(d->host.n ? "host" : NULL, d->host), LOG_S("ip", d->ip), LOG_S(d->tls.n ? "tls" : NULL, d->tls));
	}
}

/* Recipients about whom a report is owed now, as report makers see them. */
static bool make_owed(struct attempt *x, const struct ipc_delivery *d)
{
	struct ipc_queue_rcpt *v = arena_array(x->a, d->n_rcpts + 1, sizeof *v);
	bool any = false;

	for (size_t i = 0; i < d->n_rcpts; i++) {
		const struct ipc_rcpt_result *r = &d->rcpts[i];

		v[i] = x->letter.rcpts[i];
		v[i].state = r->state;
		v[i].report = r->report;
		v[i].code = r->code;
		v[i].status = r->status;
		v[i].text = r->text;
		any |= r->report != REPORT_NONE;
	}
	x->letter.rcpts = v;
	return any;
}

/* Telling it costs waking it: that waits for the next attempt, of which it hears anyway. */
static void settled(struct attempt *x)
{
	struct outgoing_state *out = x->out;

	if (!out->settled.n)
		out->settled_ms = outgoing_now_ms(out);
	*vec_push(&out->settled) = (struct ipc_relay_job){ x->job->id, x->job->group, x->job->attempts };
}

/* What its domain learns; the hosts learn it from the joint. */
static int news_of(const struct attempt *x, const struct ipc_delivery *d)
{
	if (!x->joint->reply.moved || x->joint->result != OK)
		return d->feedback;
	queue_forget_hosts(x->job->to);
	return d->feedback == FEEDBACK_FINE ? FEEDBACK_NONE : d->feedback < FEEDBACK_LOCAL ? FEEDBACK_DOMAIN : d->feedback;
}

static SUSPENDS void finish(struct attempt *x, struct ipc_delivery *d)
{
	struct outgoing_state *out = x->out;
	size_t n_waiting = judge(x, d);
	int64_t due = n_waiting ? next_s(x, d) : 0;
	uint32_t left = 0;

	log_result(x, d);
	note_lock(out, d);
	if (!sending_settle(out, x->job, x->job->attempts, due, d, &left)) {
		not_made(x, AGAIN_S); /* relay has the result, for whoever comes after us */
		return;
	}
	settled(x); /* A2 */
	note_failures(x, d);
	x->job->n_rcpts = (uint16_t)n_waiting;
	x->job->owed = false;
	if (make_owed(x, d) && !outgoing_report(out, x->job, &x->letter))
		x->job->owed = true;
	if (!n_waiting && !x->job->owed) {
		is_gone(x, news_of(x, d));
		return;
	}
	ended(x, news_of(x, d));
	place(x, n_waiting ? due : outgoing_wall_s(out) + AGAIN_S);
}

/* ---- the whole */

/* Relay ended, or has never heard of it: nobody knows whether the letter was taken. */
static void unknown(struct ipc_delivery *d, enum outcome o)
{
	*d = (struct ipc_delivery){ .feedback = FEEDBACK_LOCAL, .retry_s = LOST_S,
		.lock_text = o == UNANSWERED ? STR("the process that was sending it ended") : STR("the process that sends could not take it") };
}

static SUSPENDS enum outcome prepare(struct attempt *x)
{
	enum outcome o = read_letter(x);

	if (o != OK || x->letter.n_rcpts == 0)
		return o;
	if (x->kind == ATTEMPT_RESUMED)
		return OK;
	o = joint_body(x);
	if (o == OK)
		o = choose_source(x);
	return o == OK ? begin(x) : o;
}

static SUSPENDS void run(struct attempt *x)
{
	enum outcome o = prepare(x);
	struct ipc_delivery d;

	if (o == NO_SUCH || (o == OK && x->letter.n_rcpts == 0 && !x->job->owed)) {
		is_gone(x, -1);
		return;
	}
	if (o != OK || x->letter.n_rcpts == 0) {
		not_made(x, AGAIN_S);
		return;
	}
	x->out->n_attempts++;
	o = joint_send(x);
	d = x->joint->reply.delivery;
	if (o != OK)
		unknown(&d, o);
	finish(x, &d);
}

SUSPENDS void attempt_main(void *arg)
{
	struct attempt *x = arg;
	struct outgoing_state *out = x->out;

	run(x);
	joint_leave(x);
	out->n_tasks--;
	gate_open(out->post->sched, &out->wake);
	gate_open(out->post->sched, &out->ended);
}
