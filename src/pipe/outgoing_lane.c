/* pipe/outgoing_lane.c - the task that starts attempts, and how the queue is read when post or store has come anew
 * Invariants  L1 nothing is started before relay has said what it still does for an earlier life of post: no attempt runs twice. L2 what is known of a
 *             lane is read again with each new life of its store; what runs meanwhile goes on.
 */
#include "pipe/outgoing_impl.h"

#include "base/rng.h"

#define TICK_MS 1000 /* between two looks at what is over */
#define AGAIN_MS 1000
#define SETTLED_MS 300 /* that relay keeps results that were recorded */

/* ---- what relay still does (L1) */

struct outstanding {
	struct VEC(struct ipc_relay_job) jobs;
	struct map by_group; /* their places in it and 1, by id and group */
};

/* Of a group, whichever attempt. */
static struct ipc_relay_job group_key(uint64_t id, uint32_t group)
{
	return (struct ipc_relay_job){ .id = id, .group = group };
}

static void outstanding_add(struct outstanding *o, const struct ipc_relay_job *j)
{
	struct ipc_relay_job key = group_key(j->id, j->group);

	*vec_push(&o->jobs) = *j;
	map_put(&o->by_group, MAP_KEY(key), (void *)(uintptr_t)o->jobs.n);
}

static SUSPENDS bool ask_outstanding(struct outgoing_state *out, struct outstanding *o)
{
	struct ipc_relay_outstanding m = { 0 };
	struct ipc_relay_outstanding_reply r;
	struct arena a;
	enum outcome got;

	arena_init(&a, "outstanding", IPC_REPLY_MEMORY);
	do {
		arena_reset(&a);
		got = ipc_relay_outstanding(out->relay, &m, &r, &a);
		for (size_t i = 0; got == OK && i < r.n_jobs; i++)
			outstanding_add(o, &r.jobs[i]);
		m.after += got == OK ? (uint32_t)r.n_jobs : 0;
	} while (got == OK && r.more);
	arena_fini(&a);
	return got == OK;
}

/* The attempt at that job, or 0; it is then no longer among them. */
static uint32_t take_outstanding(struct outstanding *o, uint64_t id, uint32_t group)
{
	struct ipc_relay_job key = group_key(id, group);
	size_t at = (size_t)(uintptr_t)map_del(&o->by_group, MAP_KEY(key));

	return at ? o->jobs.v[at - 1].attempt : 0;
}

/* ---- the rows of a lane */

struct loading {
	struct outgoing_state *out;
	uint8_t lane;
	struct outstanding *outstanding;
	uint64_t n;
};

static struct job job_of(const struct loading *l, const struct ipc_queue_entry *e)
{
	return (struct job){ .id = e->id, .group = e->group, .account = e->account, .lane = l->lane,
		.attempts = (uint16_t)(e->attempts < UINT16_MAX ? e->attempts : UINT16_MAX), .n_rcpts = (uint16_t)e->n_rcpts, .due_s = e->due_s,
		.date_s = e->date_s, .until_s = e->until_s, .priority = e->priority ? e->priority : PRIORITY_OF_NORMAL, .owed = e->owed != 0,
		.place = e->state == QUEUE_HELD ? JOB_HELD : JOB_LATER };
}

static void refresh(struct outgoing_state *out, struct job *j, const struct job *now)
{
	j->lost = false;
	if (j->place == JOB_RUNNING || j->place == JOB_NOWHERE)
		return;
	j->attempts = now->attempts;
	j->due_s = now->due_s;
	j->owed = now->owed;
	queue_place(&out->queue, j, (enum job_place)now->place, outgoing_now_ms(out), outgoing_wall_s(out));
}

static void load_entry(struct loading *l, const struct ipc_queue_entry *e)
{
	struct outgoing_state *out = l->out;
	struct job now = job_of(l, e), *j = queue_find(&out->queue, e->id, e->group);
	uint32_t attempt = take_outstanding(l->outstanding, e->id, e->group);

	l->n++;
	if (j) {
		refresh(out, j, &now);
		return;
	}
	if (attempt) {
		now.place = JOB_RUNNING;
		now.attempts = (uint16_t)attempt;
	}
	j = queue_add(&out->queue, &now, (struct queue_to){ e->domain, e->route }, outgoing_now_ms(out), outgoing_wall_s(out));
	if (attempt) {
		struct joint *joint = joint_new(out, queue_reserve_elsewhere(&out->queue));

		joint_add(joint, j, ATTEMPT_RESUMED);
		joint_start(joint);
	}
}

static SUSPENDS bool load_rows(struct loading *l)
{
	struct ipc_queue_load m = { 0 };
	struct ipc_queue_load_reply r;
	struct arena a;
	enum outcome o;

	arena_init(&a, "queue load", IPC_REPLY_MEMORY);
	do {
		arena_reset(&a);
		o = ipc_queue_load(l->out->lanes[l->lane].store, &m, &r, &a);
		for (size_t i = 0; o == OK && i < r.n_entries; i++)
			load_entry(l, &r.entries[i]);
		if (o == OK && r.n_entries) {
			m.after_id = r.entries[r.n_entries - 1].id;
			m.after_group = r.entries[r.n_entries - 1].group;
		}
	} while (o == OK && r.more && !task_stopping(l->out->task));
	arena_fini(&a);
	return o == OK;
}

static bool is_idle(const struct job *j)
{
	return j->place != JOB_RUNNING && j->place != JOB_NOWHERE;
}

static void mark_lost(struct outgoing_state *out, uint8_t lane)
{
	struct job *j;

	for (size_t at = 0; (j = queue_each(&out->queue, &at));)
		j->lost = j->lane == lane;
}

static void drop_lost(struct outgoing_state *out, uint8_t lane)
{
	struct job *j;

	for (size_t at = 0; (j = queue_each(&out->queue, &at));)
		if (j->lane == lane && j->lost && is_idle(j))
			queue_remove(&out->queue, j);
}

/* L2. False: store could not answer. */
static SUSPENDS bool load(struct outgoing_state *out, uint8_t lane, struct outstanding *o)
{
	struct loading l = { out, lane, o, 0 };

	mark_lost(out, lane);
	if (!load_rows(&l))
		return false;
	drop_lost(out, lane);
	if (l.n)
		log_info(out->post->log, "queue-read", "%llu groups of recipients are on their way elsewhere", (unsigned long long)l.n);
	return true;
}

int64_t outgoing_tell_settled(struct outgoing_state *out, bool force)
{
	int64_t due_ms = out->settled_ms + SETTLED_MS;

	if (!out->settled.n)
		return NEVER_MS;
	if (!force && outgoing_now_ms(out) < due_ms)
		return due_ms;
	for (size_t at = 0; at < out->settled.n && out->relay->peer; at += IPC_RELAY_ACKNOWLEDGE_JOBS_MAX) {
		size_t n = out->settled.n - at;

		ipc_relay_acknowledge_cast(out->relay->peer,
			&(struct ipc_relay_acknowledge){ &out->settled.v[at], n < IPC_RELAY_ACKNOWLEDGE_JOBS_MAX ? n : IPC_RELAY_ACKNOWLEDGE_JOBS_MAX });
	}
	out->settled.n = 0; /* a relay that is gone has forgotten it all */
	return NEVER_MS;
}

/* What it did of letters that are gone. */
static void forget(struct outgoing_state *out, struct outstanding *o)
{
	struct str key;
	void *at;

	for (size_t i = 0; map_next(&o->by_group, &i, &key, &at);)
		*vec_push(&out->settled) = o->jobs.v[(size_t)(uintptr_t)at - 1];
	outgoing_tell_settled(out, true);
}

static bool is_current(const struct outgoing_lane *l)
{
	return l->loaded && l->store->peer && l->life == peer_life(l->store->peer);
}

static SUSPENDS bool load_lane(struct outgoing_state *out, size_t i, struct outstanding *o)
{
	struct outgoing_lane *l = &out->lanes[i];

	if (!l->store->peer)
		return l->loaded; /* what we know holds until it is back */
	if (is_current(l))
		return true;
	l->life = peer_life(l->store->peer);
	l->loaded = load(out, (uint8_t)i, o);
	return l->loaded;
}

/* False: not all could be read; nothing is started. */
static SUSPENDS bool load_all(struct outgoing_state *out)
{
	struct outstanding o = { 0 };
	bool all = true;

	map_init(&o.by_group, rng_u64());
	if (!out->asked_relay && !ask_outstanding(out, &o))
		all = false;
	for (size_t i = 0; all && i < out->post->n_lanes; i++)
		all &= load_lane(out, i, &o);
	if (all && !out->asked_relay) {
		forget(out, &o);
		out->asked_relay = true;
	}
	vec_free(&o.jobs);
	map_fini(&o.by_group);
	return all;
}

void outgoing_reread(struct outgoing_state *out)
{
	for (size_t i = 0; i < out->post->n_lanes; i++)
		out->lanes[i].loaded = false;
	gate_open(out->post->sched, &out->wake);
}

/* ---- the task */

static bool start_next(struct outgoing_state *out, int64_t now_ms, int64_t *look_ms)
{
	int64_t now_s = outgoing_wall_s(out);
	struct site *site;
	struct job *j = queue_next(&out->queue, now_ms, now_s, &site, look_ms), *along;
	struct joint *joint;

	if (!j)
		return false;
	joint = joint_new(out, site);
	joint_add(joint, j, ATTEMPT_NEW);
	while ((along = queue_next_along(&out->queue, j, site, now_ms, now_s)))
		joint_add(joint, along, ATTEMPT_NEW);
	joint_start(joint);
	return true;
}

static int64_t start_due(struct outgoing_state *out)
{
	int64_t now_ms = outgoing_now_ms(out), look_ms = NEVER_MS, tell_ms;

	while (start_next(out, now_ms, &look_ms))
		;
	outgoing_ask_hosts(out);
	tell_ms = outgoing_tell_settled(out, false);
	if (tell_ms < look_ms)
		look_ms = tell_ms;
	if (out->queue.n_jobs == 0)
		return look_ms;
	outgoing_tend(out);
	return look_ms < now_ms + TICK_MS ? look_ms : now_ms + TICK_MS;
}

static SUSPENDS void outgoing_main(void *arg)
{
	struct outgoing_state *out = arg;
	struct gate *gates[] = { &out->wake, &out->lanes[0].store->changed };

	out->task = task_self(out->post->sched);
	while (!task_stopping(out->task)) {
		int64_t look_ms = load_all(out) ? start_due(out) : outgoing_now_ms(out) + AGAIN_MS;

		if (task_wait(out->post->sched, gates, 2, look_ms) == WAIT_STOP)
			break;
	}
	out->task = NULL;
	gate_open(out->post->sched, &out->ended);
}

/* ---- life */

void outgoing_open(struct post *p, struct link *relay)
{
	struct outgoing_state *out = mem_new(struct outgoing_state);

	out->post = p;
	out->relay = relay;
	out->lanes = mem_array(p->n_lanes, sizeof *out->lanes);
	for (size_t i = 0; i < p->n_lanes; i++)
		out->lanes[i].store = p->lanes[i].store;
	gate_init(&out->wake);
	gate_init(&out->ended);
	queue_init(&out->queue, p->conf, rng_u64());
	p->outgoing = out;
	out->task = task_spawn(p->sched, "queue", outgoing_main, out);
}

void outgoing_configure(struct outgoing_state *out)
{
	queue_configure(&out->queue, out->post->conf, outgoing_now_ms(out), outgoing_wall_s(out));
	gate_open(out->post->sched, &out->wake);
}

void outgoing_stop(struct outgoing_state *out)
{
	if (out->task)
		task_cancel(out->task);
}

bool outgoing_stopped(const struct outgoing_state *out)
{
	return !out->task && !out->n_tasks;
}

void outgoing_close(struct outgoing_state *out)
{
	queue_fini(&out->queue);
	vec_free(&out->settled);
	free(out->lanes);
	free(out);
}
