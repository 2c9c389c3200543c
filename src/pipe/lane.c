/* pipe/lane.c - the fan-out of queued letters, one lane a store shard
 * Purpose     a letter for several accounts was answered once it was durable in a lane; here it reaches the accounts.
 * Owns        the list of ids that wait; the letters themselves are store's.
 * Suspends    in calls to store and between attempts.
 * Invariants  I1 an id leaves the list only when store says that nothing of it is left.
 *             I2 delivery is idempotent in store, hence an id may be tried again after any loss.
 *             I3 whenever the store's channel is a new one, the lane is read again.
 */
#include "pipe/post_impl.h"

#define RUNNING_MAX 16 /* deliveries of a lane at once */
#define BACKOFF_FIRST_MS 1000
#define BACKOFF_MAX_MS 300000
#define LIST_RETRY_MS 1000

/* ---- one attempt */

struct attempt {
	struct lane *lane;
	struct queued q;
};

static int64_t next_backoff(int64_t ms)
{
	return ms * 2 < BACKOFF_MAX_MS ? ms * 2 : BACKOFF_MAX_MS;
}

static void run_attempt(void *arg)
{
	struct attempt *x = arg;
	struct lane *l = x->lane;
	struct post *p = l->post;
	struct ipc_queue_deliver m = { .id = x->q.id };
	struct ipc_queue_deliver_reply r = { 0 };
	enum outcome o = ipc_queue_deliver(l->store, &m, &r, NULL);

	if (o == NO_SUCH || (o == OK && r.left == 0)) {
		p->n_fanned++;
	} else {
		if (x->q.backoff_ms > BACKOFF_FIRST_MS)
			log_warning(p->log, "queue-deferred", "queued letter %llu: %s, %u left", (unsigned long long)x->q.id,
				outcome_name(o), r.left);
		x->q.due_ms = sched_now_ms(p->sched) + x->q.backoff_ms;
		x->q.backoff_ms = next_backoff(x->q.backoff_ms);
		*vec_push(&l->waiting) = x->q;
	}
	l->n_running--;
	gate_open(p->sched, &l->wake);
	free(x);
}

static void start_attempt(struct lane *l, size_t at)
{
	struct attempt *x = mem_new(struct attempt);

	x->lane = l;
	x->q = l->waiting.v[at];
	vec_remove(&l->waiting, at);
	l->n_running++;
	task_spawn(l->post->sched, "queue-attempt", run_attempt, x);
}

/* ---- the lane's own task */

/* Starts what is due; returns when the next will be. */
static int64_t start_due(struct lane *l)
{
	int64_t now = sched_now_ms(l->post->sched), next = NEVER_MS;

	for (size_t i = 0; i < l->waiting.n;) {
		struct queued *q = &l->waiting.v[i];

		if (l->n_running >= RUNNING_MAX)
			return NEVER_MS; /* the end of an attempt wakes us */
		if (q->due_ms <= now) {
			start_attempt(l, i);
			continue;
		}
		next = q->due_ms < next ? q->due_ms : next;
		i++;
	}
	return next;
}

static bool is_waiting(const struct lane *l, uint64_t id)
{
	for (size_t i = 0; i < l->waiting.n; i++)
		if (l->waiting.v[i].id == id)
			return true;
	return false;
}

/* One page of the lane's rows. False: store could not answer. */
static SUSPENDS bool list_page(struct lane *l, uint64_t *after, bool *more)
{
	struct ipc_queue_list m = { .after = *after };
	struct ipc_queue_list_reply r = { 0 };
	size_t known = l->waiting.n;
	struct arena a;
	enum outcome o;

	arena_init(&a, "queue list", IPC_REPLY_MEMORY);
	o = ipc_queue_list(l->store, &m, &r, &a);
	for (size_t i = 0; o == OK && i < r.n_ids; i++) {
		*after = r.ids[i];
		if (known < 1000 && is_waiting(l, r.ids[i])) /* a second entry does no harm (I2) */
			continue;
		*vec_push(&l->waiting) = (struct queued){ .id = r.ids[i], .backoff_ms = BACKOFF_FIRST_MS };
	}
	*more = o == OK && r.n_ids > 0;
	arena_fini(&a);
	return o == OK;
}

static SUSPENDS bool list(struct lane *l)
{
	uint64_t after = 0;
	bool more = true;

	while (more && !task_stopping(l->task))
		if (!list_page(l, &after, &more))
			return false;
	if (l->waiting.n)
		log_info(l->post->log, "queue-resumed", "%zu letters to deliver", l->waiting.n);
	return true;
}

/* I3. Returns when to look again. */
static SUSPENDS int64_t list_if_new(struct lane *l)
{
	struct peer *now = l->store->peer;

	if (!now) {
		l->listed = false;
		return NEVER_MS;
	}
	if (l->listed && l->life == peer_life(now))
		return NEVER_MS;
	l->life = peer_life(now);
	l->listed = list(l);
	return l->listed ? NEVER_MS : sched_now_ms(l->post->sched) + LIST_RETRY_MS;
}

static void run_lane(void *arg)
{
	struct lane *l = arg;
	struct gate *gates[] = { &l->wake, &l->store->changed };

	l->task = task_self(l->post->sched);
	while (!task_stopping(l->task)) {
		int64_t a = list_if_new(l), b = start_due(l);

		if (task_wait(l->post->sched, gates, 2, a < b ? a : b) == WAIT_STOP)
			break;
	}
	l->task = NULL;
}

void post_lane_open(struct lane *l, struct post *p, struct link *store)
{
	*l = (struct lane){ .post = p, .store = store };
	gate_init(&l->wake);
	l->task = task_spawn(p->sched, "queue-lane", run_lane, l);
}

void lane_stop(struct lane *l)
{
	if (l->task)
		task_cancel(l->task);
}

bool lane_stopped(const struct lane *l)
{
	return !l->task && !l->n_running;
}

void lane_close(struct lane *l)
{
	vec_free(&l->waiting);
}

void lane_add(struct lane *l, uint64_t id)
{
	*vec_push(&l->waiting) = (struct queued){ .id = id, .backoff_ms = BACKOFF_FIRST_MS };
	gate_open(l->post->sched, &l->wake);
}
