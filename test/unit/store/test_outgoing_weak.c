/* unit/store/test_outgoing_weak.c - letters that leave under an engine that is late, loses and does not know, for many seeds: what was
 * acknowledged is there, a recipient that is through never comes back, an attempt is begun and settled once, groups of one letter may end at the same
 * time, and nothing is left of letters that are through. */
#include "unit/store/fixture.h"

#define LETTERS 240
#define GROUPS_MAX 3
#define RCPTS_MAX 2 /* a group */
#define ATTEMPTS_MAX 4

struct group {
	struct weak *w;
	struct letter *letter;
	uint32_t number, n_rcpts;
	uint32_t attempts;		/* begun, as far as was answered */
	uint32_t n_settled;
	uint8_t state[RCPTS_MAX], owed[RCPTS_MAX]; /* as answered last */
};

struct letter {
	uint64_t id;
	uint32_t n_groups;
	struct group groups[GROUPS_MAX];
};

struct weak {
	struct fx *f;
	uint64_t rng;
	unsigned n_letters, n_running;
	struct letter letters[LETTERS];
};

static uint64_t draw(struct weak *w, unsigned n)
{
	return rng_step(&w->rng) % n;
}

/* True: the answer was TRY_LATER, and some time has passed. */
static bool again(struct weak *w, enum outcome o)
{
	if (o != TRY_LATER)
		return false;
	task_sleep(w->f->sched, 1 + (int64_t)draw(w, 20));
	return true;
}

/* Recipient i of group g has the number g * RCPTS_MAX + i. */
static uint32_t number_of(const struct group *g, uint32_t i)
{
	return g->number * RCPTS_MAX + i;
}

static void send_letter(struct weak *w, struct letter *l)
{
	struct str domains[GROUPS_MAX] = { STR("a.test"), STR("b.test"), STR("c.test") };
	struct ipc_out_rcpt rcpts[GROUPS_MAX * RCPTS_MAX] = { 0 };
	struct ipc_queue_send q = { .domains = domains, .n_domains = l->n_groups, .rcpts = rcpts, .prefix = STR("X: y\r\n"),
		.body = body_of(STR("Subject: x\r\n\r\nx\r\n")) };
	struct ipc_queue_send_reply r = { 0 };
	char trace[16];

	snprintf(trace, sizeof trace, "w%zu", (size_t)(l - w->letters));
	q.facts.trace = str_z(trace);
	q.n_rcpts = (size_t)l->n_groups * RCPTS_MAX;
	for (uint32_t i = 0; i < q.n_rcpts; i++)
		rcpts[i] = (struct ipc_out_rcpt){ .to = { STR("u"), domains[i / RCPTS_MAX] }, .group = i / RCPTS_MAX };
	enum outcome o;

	do
		o = ipc_queue_send(&w->f->post, &q, &r, &w->f->a);
	while (again(w, o));
	assert_int_equal(o, OK);
	l->id = r.id;
}

/* What is in the queue of the group is what was answered. */
static void check(struct group *g)
{
	struct ipc_queue_read q = { g->letter->id, g->number };
	struct ipc_queue_read_reply r = { 0 };
	uint32_t n = 0;
	enum outcome o;

	do
		o = ipc_queue_read(&g->w->f->post, &q, &r, &g->w->f->a);
	while (again(g->w, o));
	for (uint32_t i = 0; i < RCPTS_MAX; i++)
		n += g->state[i] == RCPT_WAITING || g->owed[i];
	assert_int_equal(o, n ? OK : NO_SUCH);
	assert_int_equal(r.n_rcpts, n);
	for (size_t j = 0; j < r.n_rcpts; j++) {
		uint32_t i = r.rcpts[j].number % RCPTS_MAX;

		assert_int_equal(r.rcpts[j].number, number_of(g, i));
		assert_int_equal(r.rcpts[j].state, g->state[i]);
		assert_int_equal(r.rcpts[j].report, g->owed[i]);
	}
	if (n)
		assert_int_equal(r.attempts, g->attempts);
}

static void begin(struct group *g)
{
	struct ipc_queue_begin q = { g->letter->id, g->number, g->attempts + 1 };
	bool unknown = false;
	enum outcome o;

	for (;;) {
		o = ipc_queue_begin(&g->w->f->post, &q);
		if (!again(g->w, o))
			break;
		unknown = true;
	}
	assert_true(o == OK || (o == BAD_STATE && unknown)); /* it had happened */
	g->attempts++;
}

static void settle(struct group *g)
{
	struct ipc_rcpt_result v[RCPTS_MAX] = { 0 };
	struct ipc_queue_settle q = { .id = g->letter->id, .group = g->number, .attempt = g->attempts, .delivery = { .rcpts = v } };
	struct ipc_queue_settle_reply r = { 0 };
	uint32_t left = 0;
	enum outcome o;

	for (uint32_t i = 0; i < RCPTS_MAX; i++) {
		static const uint8_t states[] = { RCPT_WAITING, RCPT_SENT, RCPT_FAILED };
		bool through = g->state[i] != RCPT_WAITING;

		if (!through) {
			g->state[i] = states[draw(g->w, 3)];
			g->owed[i] = g->state[i] == RCPT_FAILED ? REPORT_FAILURE : REPORT_NONE;
		}
		/* Those that are through are told of once more as waiting: it must change nothing. */
		v[q.delivery.n_rcpts++] = (struct ipc_rcpt_result){ .number = number_of(g, i),
			.state = through ? RCPT_WAITING : g->state[i], .report = g->owed[i], .code = 1 };
		left += g->state[i] == RCPT_WAITING || g->owed[i];
	}
	do
		o = ipc_queue_settle(&g->w->f->post, &q, &r, &g->w->f->a);
	while (again(g->w, o));
	assert_int_equal(o, OK);
	assert_int_equal(r.left, left);
	g->n_settled++;
}

static void report(struct group *g)
{
	uint32_t numbers[RCPTS_MAX];
	struct ipc_queue_reported q = { g->letter->id, g->number, REPORT_FAILURE, numbers, 0 };
	struct ipc_queue_reported_reply r = { 0 };
	uint32_t left = 0;
	enum outcome o;

	for (uint32_t i = 0; i < RCPTS_MAX; i++) {
		if (g->owed[i])
			numbers[q.n_numbers++] = number_of(g, i);
		g->owed[i] = REPORT_NONE;
		left += g->state[i] == RCPT_WAITING;
	}
	if (q.n_numbers == 0)
		return;
	do
		o = ipc_queue_reported(&g->w->f->post, &q, &r, &g->w->f->a);
	while (again(g->w, o));
	assert_int_equal(o, OK);
	assert_int_equal(r.left, left);
}

static bool waits(const struct group *g)
{
	for (uint32_t i = 0; i < RCPTS_MAX; i++)
		if (g->state[i] == RCPT_WAITING)
			return true;
	return false;
}

static void group_task(void *arg)
{
	struct group *g = arg;

	for (uint64_t n = draw(g->w, ATTEMPTS_MAX + 1); n > 0 && waits(g); n--) {
		begin(g);
		check(g);
		settle(g);
		check(g);
		report(g);
		check(g);
	}
	g->w->n_running--;
}

static void letter_task(void *arg)
{
	struct weak *w = arg;

	while (w->n_letters < LETTERS) {
		struct letter *l = &w->letters[w->n_letters++];

		l->n_groups = 1 + (uint32_t)draw(w, GROUPS_MAX);
		send_letter(w, l);
		for (uint32_t i = 0; i < l->n_groups; i++) {
			l->groups[i] = (struct group){ .w = w, .letter = l, .number = i };
			w->n_running++;
			task_spawn(w->f->sched, "group", group_task, &l->groups[i]);
		}
	}
	w->n_running--;
}

static size_t load_all(struct fx *f)
{
	struct ipc_queue_load q = { 0 };
	struct ipc_queue_load_reply r = { 0 };

	assert_int_equal(ipc_queue_load(&f->post, &q, &r, &f->a), OK);
	assert_int_equal(r.more, 0);
	return r.n_entries;
}

static size_t events_of(struct fx *f, uint64_t id)
{
	struct ipc_history_find q = { .filter.id = id };
	struct ipc_history_find_reply r = { 0 };

	assert_int_equal(ipc_history_find(&f->ctl, &q, &r, &f->a), OK);
	return r.n_entries;
}

static void check_all(struct weak *w)
{
	size_t n_waiting = 0;

	for (unsigned i = 0; i < w->n_letters; i++) {
		size_t n_events = 0;

		for (uint32_t j = 0; j < w->letters[i].n_groups; j++) {
			n_waiting += waits(&w->letters[i].groups[j]);
			n_events += w->letters[i].groups[j].n_settled;
			check(&w->letters[i].groups[j]);
		}
		assert_int_equal(events_of(w->f, w->letters[i].id), n_events); /* each attempt once */
	}
	assert_int_equal(load_all(w->f), n_waiting);
}

static void weak_engine(struct fx *f)
{
	struct weak *w = mem_new(struct weak);

	w->f = f;
	w->rng = f->seed;
	f->store->limits.keep_history_ms = 86400000;
	for (int i = 0; i < 6; i++) {
		w->n_running++;
		task_spawn(f->sched, "letters", letter_task, w);
	}
	while (w->n_running)
		task_sleep(f->sched, 20);
	task_sleep(f->sched, 2000); /* repairs end */
	assert_true(f->store->shard.stats.n_failed_commits > 0);
	check_all(w);
	fx_verified(f);
	free(w);
}

static void weak_seeds(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= (getenv("SEEDS") ? 300 : 8); seed++) {
		struct fx *f = mem_new(struct fx);
		struct fx_run r = { f, weak_engine };

		fx_init(f, false);
		f->seed = seed;
		f->sched = sched_new(&(struct sched_opts){ .virtual_time = true, .wall_start_s = 1795341600 });
		task_spawn(f->sched, "test", fx_main, &r);
		sched_run(f->sched);
		sched_free(f->sched);
		fx_end(f);
	}
}

/* One commit that fails, each way, at each of the changes. */
static void fail_next(struct fx *f, enum engine_result how)
{
	engine_mem_fail_next(f->engine, 1, how);
}

static uint64_t put(struct fx *f, const char *trace, enum outcome want)
{
	struct str domain = STR("a.test");
	struct ipc_out_rcpt rcpt = { .to = fx_addr("u@a.test") };
	struct ipc_queue_send q = { .facts.trace = str_z(trace), .domains = &domain, .n_domains = 1, .rcpts = &rcpt, .n_rcpts = 1,
		.body = body_of(STR("Subject: x\r\n\r\nx\r\n")) };
	struct ipc_queue_send_reply r = { 0 };

	assert_int_equal(ipc_queue_send(&f->post, &q, &r, &f->a), want);
	return r.id;
}

static void failed_commits(struct fx *f, enum engine_result how)
{
	struct ipc_queue_begin begin = { .attempt = 1 };

	task_sleep(f->sched, 20); /* the store's own records are through */
	fail_next(f, how);
	put(f, "x", TRY_LATER);
	task_sleep(f->sched, 20);
	assert_int_equal(load_all(f), 0); /* without a seed unknown ones do not happen */
	fx_verified(f);
	begin.id = put(f, "x", OK);
	fail_next(f, how);
	assert_int_equal(ipc_queue_begin(&f->post, &begin), TRY_LATER);
	task_sleep(f->sched, 20);
	assert_int_equal(ipc_queue_begin(&f->post, &begin), OK);
	assert_int_equal(load_all(f), 1);
	fx_verified(f);
}

static void lost(struct fx *f)
{
	failed_commits(f, ENGINE_LOST);
}

static void unknown(struct fx *f)
{
	failed_commits(f, ENGINE_UNKNOWN);
}

ON(mem, lost)
ON(mem, unknown)

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(mem_lost), cmocka_unit_test(mem_unknown), cmocka_unit_test(weak_seeds) };

	return cmocka_run_group_tests_name("store/outgoing_weak", tests, NULL, NULL);
}
