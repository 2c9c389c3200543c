/* unit/store/test_account.c - what is told when: nothing before it is durable; what a failed commit leaves: nothing. And the same
 * under an engine that is late, loses and does not know, for many seeds. */
#include "unit/store/fixture.h"

/* ---- durability, with an engine that is held */

struct call {
	struct fx *f;
	int kind;
	uint32_t sel;
	bool ended;
	enum outcome outcome;
	uint32_t value;
	const char *id;
};

enum { DELIVER, STATUS, FETCH, SYNC, FLAGS };

static void call_task(void *arg)
{
	struct call *c = arg;
	struct fx *f = c->f;
	struct ipc_range all = { 1, 0 };
	struct ipc_status s = { .handle = f->handle, .name = STR("INBOX") };
	struct ipc_status_reply sr = { 0 };
	struct ipc_fetch q = { .handle = f->handle, .sel = c->sel, .set = &all, .n_set = 1 };
	struct ipc_fetch_reply r = { 0 };
	struct ipc_sync y = { .handle = f->handle, .sel = c->sel, .expunges = 1 };
	struct ipc_sync_reply yr = { 0 };
	struct ipc_set_flags g = {
		.handle = f->handle, .sel = c->sel, .set = &all, .n_set = 1, .mode = 1, .flags = MSG_SEEN
	};
	struct ipc_set_flags_reply gr = { 0 };

	switch (c->kind) {
	case DELIVER:
		c->outcome = fx_deliver_to(f, f->account, c->id, "", fx_letter(f, "x", 300), &c->value);
		break;
	case STATUS:
		c->outcome = ipc_status(&f->edge[0], &s, &sr, &f->a);
		c->value = sr.messages;
		break;
	case FETCH:
		c->outcome = ipc_fetch(&f->edge[0], &q, &r, &f->a);
		c->value = (uint32_t)r.n_rows;
		break;
	case SYNC:
		c->outcome = ipc_sync(&f->edge[0], &y, &yr, &f->a);
		c->value = yr.messages;
		break;
	default:
		c->outcome = ipc_set_flags(&f->edge[0], &g, &gr, &f->a);
		c->value = gr.n_changed;
	}
	c->ended = true;
}

static void begin(struct fx *f, struct call *c, int kind, uint32_t sel, const char *id)
{
	*c = (struct call){ .f = f, .kind = kind, .sel = sel, .id = id };
	task_spawn(f->sched, "call", call_task, c);
	fx_settle(f);
}

static void nothing_before_durable(struct fx *f)
{
	struct call deliver, status, sync, flags, again;
	struct ipc_select_reply sel;

	fx_account(f);
	fx_deliver(f, "0", "x");
	sel = fx_select(f, "INBOX");
	fx_settle(f);
	engine_mem_hold(f->engine, true);
	begin(f, &status, STATUS, 0, NULL);
	assert_true(status.ended); /* nothing is staged: readers need not wait */
	begin(f, &deliver, DELIVER, 0, "1");
	assert_false(deliver.ended);
	assert_int_equal(f->n_changed, 0);
	begin(f, &status, STATUS, 0, NULL);
	begin(f, &sync, SYNC, sel.sel, NULL);
	begin(f, &flags, FLAGS, sel.sel, NULL);
	begin(f, &again, DELIVER, 0, "1");
	assert_false(status.ended || sync.ended || flags.ended || again.ended);
	engine_mem_hold(f->engine, false);
	fx_settle(f);
	assert_true(deliver.ended && status.ended && sync.ended && flags.ended && again.ended);
	assert_int_equal(deliver.value, 2);
	assert_int_equal(again.value, 2);
	assert_int_equal(status.value, 2);
	assert_int_equal(sync.value, 2);
	assert_int_equal(flags.value, 2);
	fx_verified(f);
}

static void one_commit_at_a_time(struct fx *f)
{
	struct call calls[20];
	struct engine_stats a, b;
	char ids[20][8];

	fx_account(f);
	f->engine->ops->stats(f->engine, &a);
	engine_mem_hold(f->engine, true);
	for (int i = 0; i < 20; i++) {
		snprintf(ids[i], sizeof ids[i], "d%d", i);
		begin(f, &calls[i], DELIVER, 0, ids[i]);
	}
	engine_mem_hold(f->engine, false);
	fx_settle(f);
	f->engine->ops->stats(f->engine, &b);
	assert_int_equal(b.n_batches - a.n_batches, 2); /* the first alone, the others together */
	for (int i = 0; i < 20; i++)
		assert_int_equal(calls[i].value, i + 1);
	fx_verified(f);
}

static void failed_commit(struct fx *f, enum engine_result how)
{
	struct call deliver, second, status, flags;
	struct ipc_select_reply sel;

	fx_account(f);
	fx_deliver(f, "0", "x");
	sel = fx_select(f, "INBOX");
	fx_settle(f);
	engine_mem_hold(f->engine, true);
	engine_mem_fail_next(f->engine, 1, how);
	begin(f, &deliver, DELIVER, 0, "1");
	begin(f, &second, DELIVER, 0, "2");
	begin(f, &status, STATUS, 0, NULL);
	begin(f, &flags, FLAGS, sel.sel, NULL);
	engine_mem_hold(f->engine, false);
	fx_settle(f);
	assert_true(deliver.ended && second.ended && status.ended && flags.ended);
	assert_int_equal(deliver.outcome, TRY_LATER);
	assert_int_equal(second.outcome, TRY_LATER);
	assert_int_equal(status.outcome, TRY_LATER);
	assert_int_equal(flags.outcome, TRY_LATER);
	assert_int_equal(f->n_revoked, 1);
	assert_int_equal(f->n_changed, 0);
	assert_int_equal(fx_login(f, "alice@x.test", 0, &f->handle), OK);
	fx_deliver(f, "1", "x");
	fx_deliver(f, "1", "x");
	assert_int_equal(fx_status(f, "INBOX").messages, 2);
	assert_int_equal(fx_status(f, "INBOX").unseen, 2);
	fx_verified(f);
}

static void lost_commit(struct fx *f)
{
	failed_commit(f, ENGINE_LOST);
}

static void unknown_commit(struct fx *f)
{
	failed_commit(f, ENGINE_UNKNOWN);
}

/* ---- other rules of accounts */

static void quota_holds(struct fx *f)
{
	struct ipc_account_add q = {
		.address = { STR("small"), STR("x.test") }, .hash = STR("h"), .quota_bytes = 1500, .quota_messages = 2
	};
	struct ipc_account_add_reply r = { 0 };
	struct ipc_resolve res = { .rcpt = { STR("small"), STR("x.test") }, .size = 700 };
	struct ipc_resolve_reply rr = { 0 };

	fx_account(f);
	assert_int_equal(ipc_account_add(&f->ctl, &q, &r, &f->a), OK);
	assert_int_equal(ipc_resolve(&f->post, &res, &rr, &f->a), OK);
	assert_int_equal(fx_deliver_to(f, r.account, "1", "", fx_letter(f, "x", 500), NULL), OK);
	assert_int_equal(fx_deliver_to(f, r.account, "2", "", fx_letter(f, "x", 2000), NULL), OVER_QUOTA);
	assert_int_equal(fx_deliver_to(f, r.account, "3", "", fx_letter(f, "x", 500), NULL), OK);
	assert_int_equal(ipc_resolve(&f->post, &res, &rr, &f->a), OVER_QUOTA);
	assert_int_equal(fx_deliver_to(f, r.account, "4", "", fx_letter(f, "x", 200), NULL), OVER_QUOTA);
	fx_verified(f);
}

static void disk_reserve_refuses_letters_only(struct fx *f)
{
	struct ipc_select_reply sel;

	fx_account(f);
	fx_deliver(f, "1", "x");
	sel = fx_select(f, "INBOX");
	f->store->limits.disk_reserve = (uint64_t)1 << 60;
	if (f->rocks)
		assert_int_equal(fx_deliver_to(f, f->account, "2", "", fx_letter(f, "x", 300), NULL), NO_ROOM);
	assert_int_equal(fx_fetch(f, sel.sel, false, 1, 1, WANT_BODY).n_rows, 1);
	assert_int_equal(fx_expunge(f, sel.sel, 1, 1), 1);
}

static void views_come_and_go(struct fx *f)
{
	struct ipc_select_reply sel;
	struct ipc_unselect u;
	char address[40], id[16];
	uint64_t ids[20], handle = 0;

	fx_account(f);
	f->store->limits.cache_size = 20000;
	for (int i = 0; i < 20; i++) {
		snprintf(address, sizeof address, "u%d@x.test", i);
		ids[i] = fx_add_account(f, address);
	}
	for (int n = 0; n < 100; n++) {
		int i = n % 20;

		snprintf(id, sizeof id, "%d", n);
		assert_int_equal(fx_deliver_to(f, ids[i], id, "", fx_letter(f, "x", 300), NULL), OK);
		snprintf(address, sizeof address, "u%d@x.test", i);
		assert_int_equal(fx_login(f, address, 1, &handle), OK);
		sel = fx_select_as(f, 1, handle, "INBOX", false);
		assert_int_equal(sel.messages, n / 20 + 1);
		assert_int_equal(sel.recent, 1);
		u = (struct ipc_unselect){ handle, sel.sel };
		assert_int_equal(ipc_unselect(&f->edge[1], &u), OK);
		ipc_logout_cast(f->edge[1].peer, &(struct ipc_logout){ handle });
	}
	assert_true(f->store->shard.accounts.n < 12);
	fx_verified(f);
}

static void silent_changes(struct fx *f)
{
	struct ipc_range all = { 1, 0 };
	struct ipc_set_flags g = { .set = &all, .n_set = 1, .mode = 1, .silent = 1, .flags = MSG_SEEN };
	struct ipc_set_flags_reply gr = { 0 };
	struct ipc_select_reply a, b;
	struct ipc_sync_reply s;
	uint64_t other;

	fx_account(f);
	fx_deliver(f, "1", "x");
	fx_deliver(f, "2", "x");
	assert_int_equal(fx_login(f, "alice@x.test", 1, &other), OK);
	a = fx_select(f, "INBOX");
	b = fx_select_as(f, 1, other, "INBOX", false);
	g.handle = f->handle;
	g.sel = a.sel;
	assert_int_equal(ipc_set_flags(&f->edge[0], &g, &gr, &f->a), OK);
	assert_int_equal(fx_sync(f, a.sel, true).n_changes, 0);
	assert_int_equal(fx_sync_as(f, 1, other, b.sel, true).n_changes, 2);
	fx_flags_as(f, 1, other, b.sel, 1, 1, 1, MSG_FLAGGED); /* news for a, then its own silent one on top */
	all = (struct ipc_range){ 2, 2 };
	g.flags = MSG_ANSWERED;
	assert_int_equal(ipc_set_flags(&f->edge[0], &g, &gr, &f->a), OK);
	s = fx_sync(f, a.sel, true);
	assert_int_equal(s.n_changes, 1);
	assert_int_equal(s.changes[0].uid, 1);
	fx_verified(f);
}

static void keywords(struct fx *f)
{
	struct str names[3] = { STR("$Label1"), STR("Work"), STR("x") };
	struct ipc_range all = { 1, 0 };
	struct ipc_set_flags g = { .set = &all, .n_set = 1, .mode = 0, .keywords = names, .n_keywords = 2 };
	struct ipc_set_flags_reply gr = { 0 };
	struct ipc_copy c = { .set = &all, .n_set = 1, .to = STR("Archive") };
	struct ipc_copy_reply cr = { 0 };
	struct ipc_select_reply sel;
	struct ipc_sync_reply s;

	fx_account(f);
	f->store->limits.keywords_max = 2;
	fx_deliver(f, "1", "x");
	sel = fx_select(f, "INBOX");
	g.handle = c.handle = f->handle;
	g.sel = c.sel = sel.sel;
	assert_int_equal(ipc_set_flags(&f->edge[0], &g, &gr, &f->a), OK);
	s = fx_sync(f, sel.sel, true);
	assert_int_equal(s.n_keywords, 2);
	assert_int_equal(s.changes[0].keywords, 3);
	g.keywords = names + 2;
	g.n_keywords = 1;
	assert_int_equal(ipc_set_flags(&f->edge[0], &g, &gr, &f->a), OVER_LIMIT);
	g.mode = 2;
	assert_int_equal(ipc_set_flags(&f->edge[0], &g, &gr, &f->a), OK);
	assert_int_equal(gr.n_changed, 0);
	names[0] = STR("work");
	g.mode = 2;
	g.keywords = names;
	assert_int_equal(ipc_set_flags(&f->edge[0], &g, &gr, &f->a), OK);
	assert_int_equal(fx_fetch(f, sel.sel, false, 1, 1, 0).rows[0].keywords, 1);
	assert_int_equal(ipc_copy(&f->edge[0], &c, &cr, &f->a), OK);
	sel = fx_select(f, "Archive");
	assert_int_equal(sel.n_keywords, 1);
	assert_int_equal(fx_fetch(f, sel.sel, false, 1, 1, 0).rows[0].keywords, 1);
	fx_verified(f);
}

static void fetch_of_an_unreported_expunge(struct fx *f)
{
	struct ipc_select_reply a, b;
	uint64_t other;
	struct ipc_range all = { 1, 0 };
	struct ipc_fetch q = { .set = &all, .n_set = 1 };
	struct ipc_fetch_reply r = { 0 };

	fx_account(f);
	fx_deliver(f, "1", "x");
	fx_deliver(f, "2", "x");
	assert_int_equal(fx_login(f, "alice@x.test", 1, &other), OK);
	a = fx_select(f, "INBOX");
	b = fx_select_as(f, 1, other, "INBOX", false);
	fx_expunge(f, a.sel, 1, 1);
	q.handle = other;
	q.sel = b.sel;
	assert_int_equal(ipc_fetch(&f->edge[1], &q, &r, &f->a), OK);
	assert_int_equal(r.n_rows, 2);
	assert_int_equal(r.rows[1].seq, 2);
	q.want = WANT_INDEX;
	assert_int_equal(ipc_fetch(&f->edge[1], &q, &r, &f->a), OK);
	assert_int_equal(r.n_rows, 1);
	assert_int_equal(r.rows[0].seq, 2);
}

/* ---- under the weakest engine */

struct weak {
	struct fx *f;
	uint64_t rng;
	unsigned n_delivered, n_running;
	bool acknowledged[400];
};

static void weak_task(void *arg)
{
	struct weak *w = arg;
	struct fx *f = w->f;

	for (int i = 0; i < 40; i++) {
		unsigned n = w->n_delivered++;
		char id[16];
		enum outcome o;

		snprintf(id, sizeof id, "w%u", n);
		do {
			o = fx_deliver_to(f, f->account, id, "", fx_letter(f, id, 300), NULL);
			if (o == TRY_LATER)
				task_sleep(f->sched, 1 + (int64_t)(rng_step(&w->rng) % 20));
		} while (o == TRY_LATER);
		assert_int_equal(o, OK);
		w->acknowledged[n] = true;
		if (rng_step(&w->rng) % 4 == 0) {
			struct ipc_select q = { .handle = f->handle, .name = STR("INBOX") };
			struct ipc_select_reply sel = { 0 };
			struct ipc_range set = { (uint32_t)(1 + rng_step(&w->rng) % 30),
				(uint32_t)(1 + rng_step(&w->rng) % 30) };
			struct ipc_copy c = { .set = &set, .n_set = 1, .to = STR("Archive") };
			struct ipc_copy_reply r = { 0 };

			if (fx_login(f, "alice@x.test", 0, &q.handle) != OK ||
				ipc_select(&f->edge[0], &q, &sel, &f->a) != OK)
				continue;
			c.handle = q.handle;
			c.sel = sel.sel;
			o = ipc_copy(&f->edge[0], &c, &r, &f->a);
			assert_true(o == OK || o == TRY_LATER || o == REVOKED);
		}
	}
	w->n_running--;
}

static void retry_account(struct fx *f)
{
	struct ipc_domain_add d = { .name = STR("x.test") };
	enum outcome o;

	do
		o = ipc_domain_add(&f->ctl, &d);
	while (o == TRY_LATER);
	assert_true(o == OK || o == EXISTS);
	do {
		o = fx_try_account(f, "alice@x.test", &f->account);
		task_sleep(f->sched, 5);
	} while (o == TRY_LATER);
	if (o == EXISTS) {
		struct ipc_credential q = { .login = STR("alice@x.test") };
		struct ipc_credential_reply r = { 0 };

		assert_int_equal(ipc_credential(&f->auth, &q, &r, &f->a), OK);
		f->account = r.account;
	}
}

/* Every acknowledged letter is there exactly once. */
static void check_letters(struct fx *f, const struct weak *w)
{
	struct ipc_select_reply sel;
	struct ipc_fetch_reply r;
	unsigned found[400] = { 0 };
	uint32_t n = 0;

	while (fx_login(f, "alice@x.test", 0, &f->handle) != OK)
		task_sleep(f->sched, 5);
	for (;;) {
		struct ipc_select q = { .handle = f->handle, .name = STR("INBOX"), .readonly = 1 };

		if (ipc_select(&f->edge[0], &q, &sel, &f->a) == OK)
			break;
		while (fx_login(f, "alice@x.test", 0, &f->handle) != OK)
			task_sleep(f->sched, 5);
	}
	for (uint32_t after = 0;;) {
		struct ipc_range all = { 1, 0 };
		struct ipc_fetch q = { .handle = f->handle,
			.sel = sel.sel,
			.by_uid = 1,
			.set = &all,
			.n_set = 1,
			.after = after,
			.want = WANT_HEADER };

		assert_int_equal(ipc_fetch(&f->edge[0], &q, &r, &f->a), OK);
		for (size_t i = 0; i < r.n_rows; i++) {
			ssize_t at = str_search(r.rows[i].body, STR("Subject: w"));
			uint32_t number = 0;

			assert_true(at > 0);
			at += 10;
			for (; ascii_is_digit(r.rows[i].body.p[at]); at++)
				number = number * 10 + (uint32_t)(r.rows[i].body.p[at] - '0');
			found[number]++;
			after = r.rows[i].uid;
			n++;
		}
		if (!r.more)
			break;
	}
	for (unsigned i = 0; i < w->n_delivered; i++)
		assert_int_equal(found[i], w->acknowledged[i]);
	assert_int_equal(n, w->n_delivered);
}

static void weak_engine(struct fx *f)
{
	struct weak *w = mem_new(struct weak);

	w->f = f;
	w->rng = f->seed;
	retry_account(f);
	for (int i = 0; i < 8; i++) {
		w->n_running++;
		task_spawn(f->sched, "weak", weak_task, w);
	}
	while (w->n_running)
		task_sleep(f->sched, 20);
	task_sleep(f->sched, 2000); /* repairs end */
	assert_true(f->store->shard.stats.n_failed_commits > 0);
	check_letters(f, w);
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

ON(mem, nothing_before_durable)
ON(mem, one_commit_at_a_time)
ON(mem, lost_commit)
ON(mem, unknown_commit)
BOTH(quota_holds)
BOTH(disk_reserve_refuses_letters_only)
BOTH(views_come_and_go)
BOTH(silent_changes)
BOTH(keywords)
BOTH(fetch_of_an_unreported_expunge)

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(mem_nothing_before_durable),
		cmocka_unit_test(mem_one_commit_at_a_time), cmocka_unit_test(mem_lost_commit),
		cmocka_unit_test(mem_unknown_commit), TESTS(quota_holds), TESTS(disk_reserve_refuses_letters_only),
		TESTS(views_come_and_go), TESTS(silent_changes), TESTS(keywords), TESTS(fetch_of_an_unreported_expunge),
		cmocka_unit_test(weak_seeds) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
