/* pipe/outgoing.c - letters into the queue, and what commands do to it. See the header.
 * Invariants  O1 OK only when the letter is durable in a lane. O2 the same trace twice is one letter: what an unanswered call made is found again.
 *             O3 a first attempt that is recorded with the letter is made by this call, or by nobody: who reads the lane meanwhile makes the second.
 */
#include "pipe/outgoing_impl.h"

#include "base/rng.h"
#include "mail/idn.h"

#define TRACE_MAX 24 /* a part's number is added to it: IPC_OUT_FACTS_TRACE_MAX in all */
#define RCPTS_BYTES_MAX ((size_t)IPC_RECORD_MAX - BODY_INLINE_MAX - IPC_QUEUE_SEND_PREFIX_MAX - 8192)

/* One record's worth of a letter: the recipients it takes, by destination. */
struct part {
	struct outgoing_state *out;
	const struct outgoing *o;
	struct arena *a;
	size_t at, n; /* of o->rcpts */
	struct ipc_queue_send m;
	struct str *domains;
	struct ipc_out_rcpt *rcpts;
	struct site **reserved; /* for each domain, when the first attempts are made at once; NULL: it goes along with an earlier one */
	uint32_t *with;		/* which one; or the domain itself */
	uint8_t lane;
};

/* ---- into groups */

static uint32_t group_of(struct part *p, struct str domain)
{
	struct str key = mail_domain_fold(p->a, domain);

	for (size_t i = 0; i < p->m.n_domains; i++)
		if (str_eq(p->domains[i], key))
			return (uint32_t)i;
	p->domains[p->m.n_domains] = key;
	return (uint32_t)p->m.n_domains++;
}

static size_t bytes_of(const struct outgoing *o, size_t i)
{
	return 2 * o->rcpts[i].domain.n + o->rcpts[i].local.n + (o->dsn ? o->dsn[i].orcpt.n : 0) + IPC_OUT_RCPT_FIXED + 8;
}

static void fill_rcpts(struct part *p)
{
	const struct outgoing *o = p->o;
	size_t bytes = 0;

	p->domains = arena_array(p->a, IPC_QUEUE_SEND_DOMAINS_MAX, sizeof *p->domains);
	p->rcpts = arena_array(p->a, IPC_QUEUE_SEND_RCPTS_MAX, sizeof *p->rcpts);
	while (p->at + p->n < o->n && p->n < IPC_QUEUE_SEND_RCPTS_MAX) {
		size_t i = p->at + p->n;

		bytes += bytes_of(o, i);
		if (bytes > RCPTS_BYTES_MAX)
			break;
		p->rcpts[p->n] = (struct ipc_out_rcpt){ .to = o->rcpts[i], .group = group_of(p, o->rcpts[i].domain) };
		if (o->dsn)
			p->rcpts[p->n].dsn = o->dsn[i];
		p->n++;
	}
	p->m.domains = p->domains;
	p->m.rcpts = p->rcpts;
	p->m.n_rcpts = p->n;
}

static uint16_t n_in_group(const struct part *p, uint32_t group)
{
	uint16_t n = 0;

	for (size_t i = 0; i < p->n; i++)
		n += p->rcpts[i].group == group;
	return n;
}

static void fill_facts(struct part *p)
{
	const struct conf_queue *c = &p->out->post->conf->queue;
	struct ipc_out_facts *f = &p->m.facts;
	int64_t lifetime_ms = f->from_null ? c->report_lifetime_ms : c->lifetime_ms, from_s;

	*f = p->o->facts;
	f->size = p->o->body.size;
	if (p->at)
		f->trace = arena_fmt(p->a, "%.*s-%zu", STR_ARG(f->trace), p->at);
	from_s = f->wishes.hold_until_s > f->date_s ? f->wishes.hold_until_s : f->date_s;
	if (!f->until_s)
		f->until_s = from_s + lifetime_ms / 1000;
	if (f->wishes.by_mode == BY_RETURN && f->wishes.by_s && f->wishes.by_s < f->until_s)
		f->until_s = f->wishes.by_s;
	p->m.prefix = p->o->prefix;
	p->m.body = p->o->body;
}

/* ---- the first attempts at once */

static void give_back(struct part *p)
{
	struct outgoing_state *out = p->out;

	for (size_t i = 0; p->reserved && i < p->m.n_domains; i++)
		if (p->reserved[i])
			queue_connection_ended(&out->queue, p->reserved[i], -1, outgoing_now_ms(out));
	p->reserved = NULL;
}

/* The first domain whose letters go where those of number i go, in one transaction; i itself when there is none. */
static uint32_t goes_with(struct part *p, const struct site **joining, uint32_t i)
{
	joining[i] = queue_joining_site(&p->out->queue, (struct queue_to){ p->domains[i], STR("") }, outgoing_now_ms(p->out));
	for (uint32_t k = 0; joining[i] && k < i; k++)
		if (joining[k] == joining[i])
			return k;
	return i;
}

static bool reserve_all(struct part *p)
{
	const struct site **joining = arena_array(p->a, p->m.n_domains, sizeof *joining);

	p->reserved = arena_array(p->a, p->m.n_domains, sizeof *p->reserved);
	p->with = arena_array(p->a, p->m.n_domains, sizeof *p->with);
	for (uint32_t i = 0; i < p->m.n_domains; i++) {
		p->with[i] = goes_with(p, joining, i);
		if (p->with[i] != i)
			continue;
		p->reserved[i] = queue_reserve(&p->out->queue, (struct queue_to){ p->domains[i], STR("") }, p->m.facts.account, (uint32_t)p->n,
			outgoing_now_ms(p->out));
		if (!p->reserved[i])
			return false;
	}
	return true;
}

static void reserve(struct part *p)
{
	struct outgoing_state *out = p->out;

	if (!out->task || !out->asked_relay || !out->relay->peer || p->m.facts.wishes.hold_until_s > outgoing_wall_s(out) ||
		out->post->conf->queue.source_rate_max)
		return;
	if (reserve_all(p))
		p->m.attempt = 1;
	else
		give_back(p);
}

static struct str dup(struct attempt *x, struct str s)
{
	return arena_dup(x->a, s);
}

static struct ipc_addr dup_addr(struct attempt *x, const struct ipc_addr *a)
{
	return (struct ipc_addr){ dup(x, a->local), dup(x, a->domain) };
}

/* What store would say of it, without asking. */
static void fill_letter(struct attempt *x, const struct part *p, uint32_t group)
{
	struct ipc_queue_read_reply *l = &x->letter;
	struct ipc_queue_rcpt *v = arena_array(x->a, p->n, sizeof *v);

	l->facts = p->m.facts;
	l->facts.trace = dup(x, l->facts.trace);
	l->facts.login = dup(x, l->facts.login);
	l->facts.from = dup_addr(x, &l->facts.from);
	l->facts.wishes.envid = dup(x, l->facts.wishes.envid);
	l->domain = dup(x, p->domains[group]);
	l->prefix = dup(x, p->m.prefix);
	l->attempts = 1;
	for (uint32_t i = 0; i < p->n; i++) {
		const struct ipc_out_rcpt *r = &p->rcpts[i];

		if (r->group == group)
			v[l->n_rcpts++] = (struct ipc_queue_rcpt){ .number = i, .to = dup_addr(x, &r->to),
				.dsn = { r->dsn.notify, dup(x, r->dsn.orcpt) } };
	}
	l->rcpts = v;
	x->read = true;
}

/* The connection that was reserved is of all that go together. */
static void add_first(struct part *p, struct job *j, struct joint **joints, struct shared_body *body)
{
	uint32_t with = p->with[j->group];
	struct joint *joint = joints[with];

	if (!joint) {
		joint = joints[with] = joint_new(p->out, p->reserved[with]);
		joint->body = body;
		if (body)
			body->n_users++;
		p->reserved[with] = NULL;
	}
	fill_letter(joint_add(joint, j, ATTEMPT_BEGUN), p, j->group);
}

/* O3. */
static void add_jobs(struct part *p, uint64_t id)
{
	struct outgoing_state *out = p->out;
	const struct ipc_out_facts *f = &p->m.facts;
	struct shared_body *body = p->m.attempt ? shared_body_new(&out->post->budget, &p->o->body) : NULL;
	struct joint **joints = arena_array(p->a, p->m.n_domains, sizeof *joints);

	for (uint32_t i = 0; i < p->m.n_domains; i++) {
		struct job j = { .id = id, .group = i, .account = f->account, .lane = p->lane, .attempts = p->m.attempt, .n_rcpts = n_in_group(p, i),
			.due_s = f->wishes.hold_until_s > f->date_s ? f->wishes.hold_until_s : f->date_s, .date_s = f->date_s, .until_s = f->until_s,
			.priority = f->wishes.priority ? f->wishes.priority : PRIORITY_OF_NORMAL,
			.place = p->m.attempt ? JOB_RUNNING : JOB_LATER };
		struct job *added;

		if (queue_find(&out->queue, id, i)) /* the lane was read meanwhile */
			continue;
		added = queue_add(&out->queue, &j, (struct queue_to){ p->domains[i], STR("") }, outgoing_now_ms(out), outgoing_wall_s(out));
		if (p->m.attempt)
			add_first(p, added, joints, body);
	}
	for (uint32_t i = 0; i < p->m.n_domains; i++)
		if (joints[i])
			joint_start(joints[i]);
	give_back(p);
	shared_body_put(body);
	gate_open(out->post->sched, &out->wake);
}

/* ---- put */

static SUSPENDS enum outcome put_part(struct part *p)
{
	struct ipc_queue_send_reply r = { 0 };
	struct link *store = p->out->lanes[p->lane].store;
	enum outcome o;

	fill_rcpts(p);
	fill_facts(p);
	reserve(p);
	o = ipc_queue_send(store, &p->m, &r, NULL);
	if (o == TRY_LATER || o == UNANSWERED) { /* O2 */
		enum outcome second = ipc_queue_send(store, &p->m, &r, NULL);

		o = second != OK && o == UNANSWERED ? UNANSWERED : second;
	}
	if (o != OK || r.again) {
		give_back(p);
		if (o == OK || o == UNANSWERED)
			outgoing_reread(p->out); /* there may be a letter in the lane that we do not know of */
		return o;
	}
	add_jobs(p, r.id);
	return OK;
}

SUSPENDS enum outcome outgoing_put(struct post *post, const struct outgoing *o, struct arena *a)
{
	uint8_t lane = (uint8_t)(str_hash(o->facts.trace, 0) % post->n_lanes);

	if (o->n == 0 || o->facts.trace.n == 0 || o->facts.trace.n > TRACE_MAX || o->prefix.n > IPC_QUEUE_SEND_PREFIX_MAX)
		return BAD_SYNTAX;
	for (size_t at = 0; at < o->n;) {
		struct part p = { .out = post->outgoing, .o = o, .a = a, .at = at, .lane = lane };
		enum outcome result = put_part(&p);

		if (result != OK)
			return at ? UNANSWERED : result;
		at += p.n;
	}
	return OK;
}

/* ---- commands */

static struct job *job_find(struct post *p, uint64_t id, uint32_t group)
{
	return queue_find(&p->outgoing->queue, id, group);
}

static bool is_busy(const struct job *j)
{
	return j->place == JOB_RUNNING || j->place == JOB_NOWHERE;
}

/* What is held stays held, with another route too, until it is released. */
static void follow(struct outgoing_state *out, struct job *j, unsigned what, struct str route, bool was_held)
{
	int64_t now_s = outgoing_wall_s(out);
	bool held = what == QUEUE_HOLD || (was_held && what != QUEUE_RELEASE);

	if (what == QUEUE_DELETE) {
		queue_remove(&out->queue, j);
		return;
	}
	if (what == QUEUE_REROUTE)
		queue_reroute(&out->queue, j, route, outgoing_now_ms(out));
	if (what != QUEUE_HOLD)
		j->due_s = now_s;
	if (what == QUEUE_RETRY || what == QUEUE_REROUTE)
		queue_unpause(&out->queue, j->to, outgoing_now_ms(out), now_s);
	queue_place(&out->queue, j, held ? JOB_HELD : JOB_LATER, outgoing_now_ms(out), now_s);
	gate_open(out->post->sched, &out->wake);
}

/* The job is nobody's while store is asked. */
SUSPENDS enum outcome sending_change(struct post *p, uint64_t id, uint32_t group, unsigned what, struct str text)
{
	struct outgoing_state *out = p->outgoing;
	struct job *j = job_find(p, id, group);
	struct ipc_queue_change m = { id, group, (uint8_t)what, outgoing_wall_s(out), text };
	enum job_place before;
	enum outcome o;

	if (!j || is_busy(j))
		return j ? IN_USE : NO_SUCH;
	before = (enum job_place)j->place;
	queue_place(&out->queue, j, JOB_NOWHERE, outgoing_now_ms(out), outgoing_wall_s(out));
	o = ipc_queue_change(outgoing_store(out, j), &m);
	if (o == OK)
		follow(out, j, what, text, before == JOB_HELD);
	else if (o == NO_SUCH)
		queue_remove(&out->queue, j);
	else
		queue_place(&out->queue, j, before, outgoing_now_ms(out), outgoing_wall_s(out));
	return o;
}

size_t outgoing_flush(struct post *p, struct str domain)
{
	struct outgoing_state *out = p->outgoing;
	size_t n = queue_flush(&out->queue, domain, outgoing_now_ms(out), outgoing_wall_s(out));

	gate_open(p->sched, &out->wake);
	return n;
}
