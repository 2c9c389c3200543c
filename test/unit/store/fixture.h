/* unit/store/fixture.h - a store with the channels of the roles that use it, in one scheduler; included by tests of store. */
#ifndef SALLYPORT_TEST_STORE_FIXTURE_H
#define SALLYPORT_TEST_STORE_FIXTURE_H

#include "base/die.h"
#include "base/rng.h"
#include "ipc/words.h"
#include "ipc_gen.h"
#include "mail/index.h"
#include "store/service.h"
#include "store/verify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define FX_EDGES 2

struct fx {
	struct sched *sched;
	struct log log;
	struct buf why;
	bool rocks;
	uint64_t seed;
	struct engine_opts engine_opts;
	struct store_opts opts;
	struct engine *engine;
	struct store *store;
	struct link post, auth, ctl, edge[FX_EDGES], scan;
	struct link *scans[1];
	const struct ipc_service *scan_service; /* of scan's end; NULL: there is none */
	unsigned edge_life[FX_EDGES];
	struct ipc_service *edge_service[FX_EDGES];
	struct arena a;
	char dir[64], module[1024];
	unsigned n_changed, n_revoked;
	uint64_t last_revoked;
	uint32_t last_changed;
	uint64_t account; /* alice@x.test, by fx_account */
	uint64_t handle;
};

typedef void fx_test(struct fx *f);

static inline void fx_on_changed(void *ctx, struct ipc_call *c, const void *msg)
{
	struct fx *f = ctx;

	(void)c;
	f->n_changed++;
	f->last_changed = ((const struct ipc_changed *)msg)->sel;
}

static inline void fx_on_revoked(void *ctx, struct ipc_call *c, const void *msg)
{
	struct fx *f = ctx;

	(void)c;
	f->n_revoked++;
	f->last_revoked = ((const struct ipc_revoked *)msg)->handle;
}

static inline void fx_join(
	struct fx *f, enum role other, unsigned index, const struct ipc_service *service, struct link *l, unsigned life)
{
	struct peer_opts o = {
		.sched = f->sched, .log = &f->log, .service = service, .self = other, .other = ROLE_STORE, .life = 1
	};
	struct peer_opts mine = { .sched = f->sched,
		.log = &f->log,
		.service = other == ROLE_SCAN ? NULL : store_service(f->store),
		.self = ROLE_STORE,
		.other = other,
		.index = (uint16_t)index,
		.life = life };
	struct peer *theirs, *ours;
	int fds[2];

	ipc_channel(fds);
	o.fd = fds[0];
	mine.fd = fds[1];
	theirs = peer_open(&o);
	ours = peer_open(&mine);
	link_set(l, other == ROLE_SCAN ? ours : theirs);
}

static inline void fx_join_edge(struct fx *f, unsigned i)
{
	static ipc_handler *const handlers[IPC_TYPE_COUNT] = {
		[IPC_CHANGED] = fx_on_changed, [IPC_REVOKED] = fx_on_revoked
	};
	struct ipc_service *s = f->edge_service[i];

	if (!s)
		s = f->edge_service[i] = mem_new(struct ipc_service);
	*s = (struct ipc_service){ .ctx = f, .handlers = handlers };
	fx_join(f, ROLE_EDGE_USER, i, s, &f->edge[i], ++f->edge_life[i]);
}

static inline struct store_limits fx_limits(void)
{
	return (struct store_limits){ .message_size_max = 50 << 20,
		.mailbox_name_size_max = 255,
		.mailbox_depth_max = 32,
		.mailboxes_max = 10000,
		.keywords_max = 56,
		.saved_ranges_max = 4,
		.keep_expunged_ms = 3600 * 1000 };
}

static inline void fx_module(char *out, size_t n)
{
	ssize_t m = readlink("/proc/self/exe", out, n - 40);
	char *slash;

	die_unless(m > 0, "readlink");
	out[m] = 0;
	slash = strrchr(out, '/');
	strcpy(slash + 1, "sallyport-rocks.so"); /* NOLINT: test */
}

static inline void fx_open(struct fx *f)
{
	f->engine_opts.data_dir = f->dir;
	f->engine_opts.module = f->module;
	f->engine_opts.log = &f->log;
	f->engine_opts.seed = f->seed;
	f->engine_opts.why = &f->why;
	f->engine = f->rocks ? engine_rocks_load(&f->engine_opts) : engine_mem_open(&f->engine_opts);
	if (!f->engine)
		die("engine: %.*s", STR_ARG(buf_str(&f->why)));
	f->opts.sched = f->sched;
	f->opts.log = &f->log;
	f->opts.engine = f->engine;
	f->scans[0] = &f->scan;
	f->opts.scan = f->scans;
	f->opts.n_scan = f->scan_service ? 1 : 0;
	f->store = store_open(&f->opts, &f->why);
	die_unless(f->store, "store_open");
	link_init(&f->post, f->sched);
	link_init(&f->auth, f->sched);
	link_init(&f->ctl, f->sched);
	link_init(&f->scan, f->sched);
	fx_join(f, ROLE_POST, 0, NULL, &f->post, 1);
	fx_join(f, ROLE_AUTH, 0, NULL, &f->auth, 1);
	fx_join(f, ROLE_CTL, 0, NULL, &f->ctl, 1);
	if (f->scan_service)
		fx_join(f, ROLE_SCAN, 0, f->scan_service, &f->scan, 1);
	for (unsigned i = 0; i < FX_EDGES; i++) {
		link_init(&f->edge[i], f->sched);
		fx_join_edge(f, i);
	}
}

static inline void fx_settle(struct fx *f)
{
	for (int i = 0; i < 5; i++)
		task_sleep(f->sched, 2);
}

static inline void fx_close(struct fx *f)
{
	link_close(&f->post);
	link_close(&f->auth);
	link_close(&f->ctl);
	for (unsigned i = 0; i < FX_EDGES; i++)
		link_close(&f->edge[i]);
	fx_settle(f);
	link_close(&f->scan);
	fx_settle(f);
	store_close(f->store);
}

static inline void fx_reopen(struct fx *f)
{
	fx_close(f);
	fx_open(f);
}

struct fx_run {
	struct fx *f;
	fx_test *test;
};

static inline void fx_main(void *arg)
{
	struct fx_run *r = arg;

	fx_open(r->f);
	r->test(r->f);
	fx_close(r->f);
}

static inline void fx_init(struct fx *f, bool rocks)
{
	*f = (struct fx){ .rocks = rocks };
	log_init(&f->log, 2, "test");
	f->log.least = LOG_LEVEL_ERROR;
	buf_init(&f->why, 4096);
	arena_init(&f->a, "test", (size_t)1 << 30);
	f->opts.limits = fx_limits();
	f->opts.keep_garbage = true;
	f->engine_opts.segment_size = 1 << 20;
	f->engine_opts.threads = true;
	if (!rocks)
		return;
	strcpy(f->dir, "/tmp/sallyport-store-XXXXXX"); /* NOLINT: test */
	die_unless(mkdtemp(f->dir), "mkdtemp");
	fx_module(f->module, sizeof f->module);
}

static inline void fx_remove_dir(const char *dir)
{
	char cmd[100];

	snprintf(cmd, sizeof cmd, "rm -rf %s", dir);
	die_unless(system(cmd) == 0, "rm"); /* NOLINT: test */
}

static inline void fx_end(struct fx *f)
{
	arena_fini(&f->a);
	buf_fini(&f->why);
	for (unsigned i = 0; i < FX_EDGES; i++)
		free(f->edge_service[i]);
	if (f->rocks)
		fx_remove_dir(f->dir);
	free(f);
}

static inline void fx_run_all(struct fx *f, fx_test *test)
{
	struct fx_run r = { f, test };

	f->sched = sched_new(NULL);
	task_spawn(f->sched, "test", fx_main, &r);
	sched_run(f->sched);
	sched_free(f->sched);
	fx_end(f);
}

static inline void fx_go(bool rocks, fx_test *test)
{
	struct fx *f = mem_new(struct fx);

	fx_init(f, rocks);
	fx_run_all(f, test);
}

/* A case on both engines: BOTH(name) defines mem_name and rocks_name, TESTS(name) lists them. */
#define ON(engine, name)                                                                                               \
	static void engine##_##name(void **state)                                                                      \
	{                                                                                                              \
		(void)state;                                                                                           \
		fx_go(strcmp(#engine, "rocks") == 0, name);                                                            \
	}
#define BOTH(name) ON(mem, name) ON(rocks, name)
#define TESTS(name) cmocka_unit_test(mem_##name), cmocka_unit_test(rocks_##name)

/* ---- what roles ask */

static inline struct ipc_addr fx_addr(const char *address)
{
	const char *at = strchr(address, '@');

	return (struct ipc_addr){ str_of(address, (size_t)(at - address)), str_z(at + 1) };
}

static inline enum outcome fx_try_account(struct fx *f, const char *address, uint64_t *id)
{
	struct ipc_account_add q = { .address = fx_addr(address), .hash = STR("$hash$") };
	struct ipc_account_add_reply r = { 0 };
	enum outcome o = ipc_account_add(&f->ctl, &q, &r, &f->a);

	*id = r.account;
	return o;
}

static inline uint64_t fx_add_account(struct fx *f, const char *address)
{
	uint64_t id;

	assert_int_equal(fx_try_account(f, address, &id), OK);
	return id;
}

static inline enum outcome fx_login(struct fx *f, const char *address, unsigned edge, uint64_t *handle)
{
	struct ipc_credential q = { .login = str_z(address) };
	struct ipc_credential_reply r = { 0 };
	struct ipc_grant g = { .edge = (uint16_t)edge, .edge_life = f->edge_life[edge] };
	struct ipc_grant_reply gr = { 0 };
	enum outcome o = ipc_credential(&f->auth, &q, &r, &f->a);

	if (o != OK)
		return o;
	g.account = r.account;
	g.version = r.version;
	o = ipc_grant(&f->auth, &g, &gr, &f->a);
	*handle = gr.handle;
	return o;
}

static inline void fx_account(struct fx *f)
{
	struct ipc_domain_add d = { .name = STR("x.test") };

	assert_int_equal(ipc_domain_add(&f->ctl, &d), OK);
	f->account = fx_add_account(f, "alice@x.test");
	assert_int_equal(fx_login(f, "alice@x.test", 0, &f->handle), OK);
}

static inline struct str fx_index(struct fx *f, struct str letter)
{
	struct mail_index x;
	struct buf out;
	struct str s;

	mail_index_make(letter, &mail_index_limits_default, &f->a, &x);
	buf_init(&out, 1 << 20);
	mail_index_encode(&x, &out);
	s = arena_dup(&f->a, buf_str(&out));
	buf_fini(&out);
	return s;
}

static inline struct str fx_letter(struct fx *f, const char *subject, size_t size)
{
	struct buf b;
	struct str s;

	buf_init(&b, size + 4096);
	buf_addf(&b,
		"From: Bob <bob@y.test>\r\nTo: alice@x.test\r\nSubject: %s\r\nDate: Sun, 22 Nov 2026 10:00:00 "
		"+0000\r\n\r\n",
		subject);
	while (b.n < size)
		buf_addz(&b, "All work and no play makes a dull letter.\r\n");
	s = arena_dup(&f->a, buf_str(&b));
	buf_fini(&b);
	return s;
}

static inline struct str fx_prefix(void)
{
	return STR("Return-Path: <bob@y.test>\r\nDelivered-To: alice@x.test\r\n");
}

static inline enum outcome fx_deliver_to(
	struct fx *f, uint64_t account, const char *id, const char *mailbox, struct str letter, uint32_t *uid)
{
	struct ipc_deliver q = { .account = account,
		.delivery = str_z(id),
		.mailbox = str_z(mailbox),
		.date_s = 1795341600,
		.prefix = fx_prefix(),
		.index = fx_index(f, letter) };
	struct ipc_deliver_reply r = { 0 };
	struct body_budget budget = { .max = 1 << 30 };
	struct body_writer w;
	enum outcome o;

	body_writer_open(&w, &budget, 1 << 30);
	body_writer_add(&w, letter);
	assert_int_equal(body_writer_seal(&w, &q.body), OK);
	o = ipc_deliver(&f->post, &q, &r, &f->a);
	body_writer_close(&w);
	if (uid)
		*uid = r.uid;
	return o;
}

static inline uint32_t fx_deliver(struct fx *f, const char *id, const char *subject)
{
	uint32_t uid = 0;

	assert_int_equal(fx_deliver_to(f, f->account, id, "", fx_letter(f, subject, 500), &uid), OK);
	return uid;
}

static inline struct ipc_select_reply fx_select_as(
	struct fx *f, unsigned edge, uint64_t handle, const char *name, bool readonly)
{
	struct ipc_select q = { .handle = handle, .name = str_z(name), .readonly = readonly };
	struct ipc_select_reply r = { 0 };

	assert_int_equal(ipc_select(&f->edge[edge], &q, &r, &f->a), OK);
	return r;
}

static inline struct ipc_select_reply fx_select(struct fx *f, const char *name)
{
	return fx_select_as(f, 0, f->handle, name, false);
}

static inline struct ipc_sync_reply fx_sync_as(
	struct fx *f, unsigned edge, uint64_t handle, uint32_t sel, bool expunges)
{
	struct ipc_sync q = { .handle = handle, .sel = sel, .expunges = expunges };
	struct ipc_sync_reply r = { 0 };

	assert_int_equal(ipc_sync(&f->edge[edge], &q, &r, &f->a), OK);
	return r;
}

static inline struct ipc_sync_reply fx_sync(struct fx *f, uint32_t sel, bool expunges)
{
	return fx_sync_as(f, 0, f->handle, sel, expunges);
}

static inline struct ipc_fetch_reply fx_fetch(
	struct fx *f, uint32_t sel, bool by_uid, uint32_t lo, uint32_t hi, uint32_t want)
{
	struct ipc_range set = { lo, hi };
	struct ipc_fetch q = {
		.handle = f->handle, .sel = sel, .by_uid = by_uid, .set = &set, .n_set = 1, .want = want
	};
	struct ipc_fetch_reply r = { 0 };

	assert_int_equal(ipc_fetch(&f->edge[0], &q, &r, &f->a), OK);
	return r;
}

static inline uint32_t fx_flags_as(struct fx *f, unsigned edge, uint64_t handle, uint32_t sel, uint32_t lo, uint32_t hi,
	uint8_t mode, uint32_t flags)
{
	struct ipc_range set = { lo, hi };
	struct ipc_set_flags q = {
		.handle = handle, .sel = sel, .by_uid = 1, .set = &set, .n_set = 1, .mode = mode, .flags = flags
	};
	struct ipc_set_flags_reply r = { 0 };

	assert_int_equal(ipc_set_flags(&f->edge[edge], &q, &r, &f->a), OK);
	return r.n_changed;
}

static inline uint32_t fx_flags(struct fx *f, uint32_t sel, uint32_t lo, uint32_t hi, uint8_t mode, uint32_t flags)
{
	return fx_flags_as(f, 0, f->handle, sel, lo, hi, mode, flags);
}

static inline uint32_t fx_expunge(struct fx *f, uint32_t sel, uint32_t lo, uint32_t hi)
{
	struct ipc_range set = { lo, hi };
	struct ipc_expunge q = { .handle = f->handle, .sel = sel, .uids = &set, .n_uids = lo ? 1 : 0 };
	struct ipc_expunge_reply r = { 0 };

	assert_int_equal(ipc_expunge(&f->edge[0], &q, &r, &f->a), OK);
	return r.n;
}

static inline struct ipc_status_reply fx_status(struct fx *f, const char *name)
{
	struct ipc_status q = { .handle = f->handle, .name = str_z(name) };
	struct ipc_status_reply r = { 0 };

	assert_int_equal(ipc_status(&f->edge[0], &q, &r, &f->a), OK);
	return r;
}

/* All steps; returns the number of violations and keeps the first. */
static inline size_t fx_verify(struct fx *f, struct str *first)
{
	struct str after = STR("");
	size_t n = 0;

	for (bool more = true; more;) {
		struct verify_step v = {
			.a = &f->a, .max_lines = 200, .lines = arena_array(&f->a, 200, sizeof(struct str))
		};

		assert_int_equal(store_verify_step(f->store, after, &v), OK);
		if (n == 0 && v.n_lines && first)
			*first = v.lines[0];
		n += v.n_lines;
		after = v.next;
		more = v.more;
	}
	return n;
}

static inline void fx_verified(struct fx *f)
{
	struct str first = STR("");
	size_t n = fx_verify(f, &first);

	if (n)
		print_message("%zu violations, the first: %.*s\n", n, STR_ARG(first));
	assert_int_equal(n, 0);
}

#endif
