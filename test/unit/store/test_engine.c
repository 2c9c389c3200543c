/* unit/store/test_engine.c - the contract of engine.h on both engines, and what the one on disk adds: reopening, damage, rewriting. */
#include "unit/store/fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

/* An engine alone. */
struct eng {
	struct sched *sched;
	struct engine *engine;
	struct engine_port *port;
	struct engine_opts opts;
	struct log log;
	struct buf why;
	bool rocks, inline_;
	char dir[64], module[1024];
	struct gate gate;
	unsigned n_waiting;
	enum engine_result last;
};

typedef void eng_test(struct eng *e);

static void eng_open(struct eng *e)
{
	e->opts = (struct engine_opts){ .data_dir = e->dir,
		.module = e->module,
		.segment_size = 64 << 10,
		.sync = true,
		.threads = !e->inline_,
		.log = &e->log,
		.why = &e->why };
	e->engine = e->rocks ? engine_rocks_load(&e->opts) : engine_mem_open(&e->opts);
	if (!e->engine)
		die("%.*s", STR_ARG(buf_str(&e->why)));
	e->port = e->engine->ops->port_open(e->engine, e->sched);
}

static void eng_close(struct eng *e)
{
	e->engine->ops->port_close(e->port);
	engine_close(e->engine);
}

static void on_done(struct engine_batch *b, enum engine_result r)
{
	struct eng *e = b->arg;

	e->last = r;
	e->n_waiting--;
	gate_open(e->sched, &e->gate);
	engine_batch_free(b);
}

static void submit(struct eng *e, struct engine_batch *b)
{
	b->done = on_done;
	b->arg = e;
	e->n_waiting++;
	engine_commit(e->port, b);
}

static void wait_all(struct eng *e)
{
	struct gate *gates[] = { &e->gate };

	while (e->n_waiting)
		task_wait(e->sched, gates, 1, NEVER_MS);
}

static enum engine_result commit(struct eng *e, struct engine_batch *b)
{
	submit(e, b);
	wait_all(e);
	return e->last;
}

static struct engine_batch *batch(struct eng *e, uint64_t partition)
{
	return engine_batch_new(partition, engine_version(e->port, partition));
}

static bool get_is(
	struct eng *e, const struct engine_snapshot *s, uint64_t partition, const char *key, const char *want)
{
	struct buf v;
	bool ok;

	buf_init(&v, 1 << 20);
	ok = engine_get(e->port, s, partition, str_z(key), &v);
	ok = want ? ok && str_eq(buf_str(&v), str_z(want)) : !ok;
	buf_fini(&v);
	return ok;
}

struct eng_run {
	struct eng *e;
	eng_test *test;
};

static void eng_main(void *arg)
{
	struct eng_run *r = arg;

	eng_open(r->e);
	r->test(r->e);
	eng_close(r->e);
}

static void eng_go(const char *which, eng_test *test)
{
	struct eng *e = mem_new(struct eng);
	struct eng_run r = { e, test };

	e->rocks = strcmp(which, "mem") != 0;
	e->inline_ = strcmp(which, "inline") == 0;
	log_init(&e->log, 2, "test");
	e->log.least = LOG_LEVEL_ERROR;
	buf_init(&e->why, 4096);
	gate_init(&e->gate);
	if (e->rocks) {
		strcpy(e->dir, "/tmp/sallyport-engine-XXXXXX"); /* NOLINT */
		assert_non_null(mkdtemp(e->dir));
		fx_module(e->module, sizeof e->module);
	}
	e->sched = sched_new(NULL);
	task_spawn(e->sched, "test", eng_main, &r);
	sched_run(e->sched);
	sched_free(e->sched);
	buf_fini(&e->why);
	if (e->rocks)
		fx_remove_dir(e->dir);
	free(e);
}

/* ---- the contract */

struct seen {
	char text[200];
	size_t most;
};

static bool note(void *arg, const struct engine_row *row)
{
	struct seen *s = arg;
	size_t n = strlen(s->text);

	snprintf(s->text + n, sizeof s->text - n, "%.*s=%.*s ", STR_ARG(row->key), STR_ARG(row->value));
	return s->most == 0 || --s->most > 0;
}

static const char *range(struct eng *e, struct seen *s, struct engine_range r, size_t most)
{
	*s = (struct seen){ .most = most };
	engine_range(e->port, &r, note, s);
	return s->text;
}

static void rows_and_ranges(struct eng *e)
{
	struct engine_batch *b = batch(e, 5);
	struct seen s;

	engine_put(b, STR("a"), STR("1"));
	engine_put(b, STR("b"), STR("2"));
	engine_put(b, STR("c"), STR("3"));
	engine_put(b, STR("b"), STR("22"));
	engine_ref_put(b, STR("r1"), STR("x"));
	assert_true(get_is(e, NULL, 5, "a", NULL));
	assert_int_equal(commit(e, b), ENGINE_DONE);
	b = batch(e, 6);
	engine_put(b, STR("a"), STR("other"));
	engine_ref_put(b, STR("r2"), STR("y"));
	assert_int_equal(commit(e, b), ENGINE_DONE);
	assert_true(get_is(e, NULL, 5, "b", "22"));
	assert_true(get_is(e, NULL, 6, "a", "other"));
	assert_true(get_is(e, NULL, 6, "b", NULL));
	assert_string_equal(range(e, &s, (struct engine_range){ .partition = 5 }, 0), "a=1 b=22 c=3 ");
	assert_string_equal(range(e, &s, (struct engine_range){ .partition = 5, .from = STR("b") }, 1), "b=22 ");
	assert_string_equal(range(e, &s, (struct engine_range){ .partition = 5, .from = STR("a"), .to = STR("c") }, 0),
		"a=1 b=22 ");
	assert_string_equal(range(e, &s, (struct engine_range){ .partition = 4 }, 0), "");
	assert_string_equal(range(e, &s, (struct engine_range){ .space = ENGINE_REFS }, 0), "r1=x r2=y ");
	b = batch(e, 5);
	engine_del(b, STR("b"));
	engine_ref_del(b, STR("r2"));
	assert_int_equal(commit(e, b), ENGINE_DONE);
	assert_string_equal(range(e, &s, (struct engine_range){ .partition = 5 }, 0), "a=1 c=3 ");
	assert_string_equal(range(e, &s, (struct engine_range){ .space = ENGINE_REFS }, 0), "r1=x ");
}

static void versions(struct eng *e)
{
	struct engine_batch *b = batch(e, 5);

	assert_int_equal(engine_version(e->port, 5), 0);
	engine_put(b, STR("a"), STR("1"));
	assert_int_equal(commit(e, b), ENGINE_DONE);
	assert_int_equal(engine_version(e->port, 5), 1);
	b = engine_batch_new(5, 0);
	engine_put(b, STR("a"), STR("2"));
	assert_int_equal(commit(e, b), ENGINE_LOST);
	assert_true(get_is(e, NULL, 5, "a", "1"));
	b = engine_batch_new(0, 0);
	engine_ref_put(b, STR("r"), STR(""));
	assert_int_equal(commit(e, b), ENGINE_DONE);
	assert_int_equal(engine_version(e->port, 0), 0);
}

static void snapshots(struct eng *e)
{
	struct engine_batch *b = batch(e, 5);
	struct engine_snapshot *snap;

	engine_put(b, STR("a"), STR("1"));
	commit(e, b);
	snap = engine_snapshot(e->port);
	b = batch(e, 5);
	engine_put(b, STR("a"), STR("2"));
	commit(e, b);
	assert_true(get_is(e, snap, 5, "a", "1"));
	assert_true(get_is(e, NULL, 5, "a", "2"));
	engine_snapshot_free(e->port, snap);
}

static uint64_t put_blob(struct eng *e, struct engine_batch *b, char fill, size_t n)
{
	uint64_t id = engine_blob_id(e->engine);
	char *bytes = mem_alloc(n + 1);
	struct body body = { .size = n, .inl = str_of(bytes, n), .fd = -1 };

	memset(bytes, fill, n);
	assert_int_equal(engine_blob_put(b, id, &body), OK);
	free(bytes);
	return id;
}

static void check_blob(struct eng *e, uint64_t id, char fill, size_t n)
{
	struct buf v;

	buf_init(&v, 1 << 24);
	assert_int_equal(engine_blob_get(e->port, id, 0, SIZE_MAX, &v), OK);
	assert_int_equal(v.n, n);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(v.p[i], fill);
	buf_fini(&v);
}

static void bodies(struct eng *e)
{
	struct engine_batch *b = batch(e, 5);
	uint64_t a = put_blob(e, b, 'a', 1000), c = put_blob(e, b, 'c', 0), d = put_blob(e, b, 'd', 200000);
	struct engine_blob_info info;
	struct buf v;

	assert_int_equal(commit(e, b), ENGINE_DONE);
	check_blob(e, a, 'a', 1000);
	check_blob(e, c, 'c', 0);
	check_blob(e, d, 'd', 200000);
	buf_init(&v, 1000);
	assert_int_equal(engine_blob_get(e->port, d, 199990, 100, &v), OK);
	assert_int_equal(v.n, 10);
	assert_int_equal(engine_blob_get(e->port, d + 1000, 0, 1, &v), NO_SUCH);
	buf_fini(&v);
	assert_true(engine_blob_next(e->port, NULL, 0, &info));
	assert_true(info.id == a && info.size == 1000);
	assert_true(engine_blob_next(e->port, NULL, c, &info));
	assert_true(info.id == d);
	assert_false(engine_blob_next(e->port, NULL, d, &info));
	b = engine_batch_new(0, 0);
	engine_blob_del(b, a);
	assert_int_equal(commit(e, b), ENGINE_DONE);
	assert_true(engine_blob_next(e->port, NULL, 0, &info));
	assert_true(info.id == c);
}

static void many_at_once(struct eng *e)
{
	struct engine_stats st;
	uint64_t ids[60];

	for (uint64_t i = 0; i < 60; i++) {
		struct engine_batch *b = batch(e, 100 + i);

		ids[i] = put_blob(e, b, (char)('A' + i % 26), 5000);
		engine_put(b, STR("k"), STR("v"));
		submit(e, b);
	}
	wait_all(e);
	for (uint64_t i = 0; i < 60; i++) {
		check_blob(e, ids[i], (char)('A' + i % 26), 5000);
		assert_true(get_is(e, NULL, 100 + i, "k", "v"));
	}
	e->engine->ops->stats(e->engine, &st);
	assert_int_equal(st.n_batches, 60);
	assert_true(!e->rocks || st.n_groups < 30);
}

/* ---- on disk */

static void reopen(struct eng *e)
{
	eng_close(e);
	eng_open(e);
}

static void reopening(struct eng *e)
{
	struct engine_batch *b = batch(e, 5);
	uint64_t a = put_blob(e, b, 'a', 1000), c;
	uint32_t life = e->engine->life;

	engine_put(b, STR("k"), STR("v"));
	commit(e, b);
	reopen(e);
	assert_int_equal(e->engine->life, life + 1);
	assert_true(get_is(e, NULL, 5, "k", "v"));
	assert_int_equal(engine_version(e->port, 5), 1);
	check_blob(e, a, 'a', 1000);
	b = batch(e, 5);
	c = put_blob(e, b, 'c', 10);
	assert_true(c > a);
	commit(e, b);
	reopen(e);
	check_blob(e, a, 'a', 1000);
	check_blob(e, c, 'c', 10);
}

static void two_stores(struct eng *e)
{
	struct engine_opts o = e->opts;
	struct buf why;

	buf_init(&why, 1000);
	o.why = &why;
	assert_null(engine_rocks_load(&o));
	assert_true(str_search(buf_str(&why), STR("in use by another process")) > 0);
	buf_fini(&why);
}

static void write_file(struct eng *e, const char *name, const char *text)
{
	char path[200];
	FILE *f;

	snprintf(path, sizeof path, "%s/%s", e->dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void newer_format(struct eng *e)
{
	struct engine_opts o = e->opts;
	struct buf why;

	eng_close(e);
	buf_init(&why, 1000);
	o.why = &why;
	write_file(e, "format", "sallyport 3\n");
	assert_null(engine_rocks_load(&o));
	assert_true(str_search(buf_str(&why), STR("newer Sallyport")) > 0);
	buf_reset(&why);
	write_file(e, "format", "something else\n");
	assert_null(engine_rocks_load(&o));
	assert_true(str_search(buf_str(&why), STR("not a data directory")) > 0);
	buf_reset(&why);
	write_file(e, "format", "sallyport 1\n");
	assert_null(engine_rocks_load(&o));
	assert_true(str_search(buf_str(&why), STR("format is 1, this program's is 2")) > 0);
	assert_true(str_search(buf_str(&why), STR("sallyport upgrade")) > 0);
	buf_fini(&why);
	write_file(e, "format", "sallyport 2\n");
	eng_open(e);
}

static unsigned count_segments(struct eng *e)
{
	char path[200];
	struct dirent *d;
	unsigned n = 0;
	DIR *dir;

	snprintf(path, sizeof path, "%s/bodies", e->dir);
	dir = opendir(path);
	while ((d = readdir(dir)))
		n += strstr(d->d_name, ".seg") != NULL;
	closedir(dir);
	return n;
}

static void torn_tail(struct eng *e)
{
	struct engine_batch *b = batch(e, 5);
	uint64_t a = put_blob(e, b, 'a', 1000), c;
	char path[200];
	FILE *f;

	commit(e, b);
	eng_close(e);
	snprintf(path, sizeof path, "%s/bodies/00000001.seg", e->dir);
	f = fopen(path, "a"); /* what a crash amid a write leaves: part of a record, and a file begun */
	fputs("Sdbl and half a record", f);
	fclose(f);
	write_file(e, "bodies/00000002.seg", "x");
	eng_open(e);
	assert_int_equal(count_segments(e), 1);
	check_blob(e, a, 'a', 1000);
	b = batch(e, 5);
	c = put_blob(e, b, 'c', 1000);
	commit(e, b);
	check_blob(e, c, 'c', 1000);
	assert_int_equal(count_segments(e), 2);
}

static void half_dead_files_are_rewritten(struct eng *e)
{
	struct engine_stats st = { 0 };
	uint64_t ids[200];
	struct engine_batch *b;

	for (int i = 0; i < 200; i++) {
		b = batch(e, 5);
		ids[i] = put_blob(e, b, (char)('A' + i % 26), 3000);
		assert_int_equal(commit(e, b), ENGINE_DONE);
	}
	assert_true(count_segments(e) >= 9);
	for (int i = 0; i < 200; i++) {
		if (i % 3 == 0)
			continue;
		b = engine_batch_new(0, 0);
		engine_blob_del(b, ids[i]);
		assert_int_equal(commit(e, b), ENGINE_DONE);
	}
	for (int i = 0; i < 100 && st.n_compacted < 8; i++) {
		b = batch(e, 6); /* inline, a step comes with a commit */
		engine_put(b, STR("k"), STR("v"));
		commit(e, b);
		task_sleep(e->sched, 5);
		e->engine->ops->stats(e->engine, &st);
	}
	assert_true(st.n_compacted >= 8);
	assert_int_equal(st.n_blobs, 67);
	assert_true(st.bytes_dead < st.bytes_live);
	for (int i = 0; i < 200; i += 3)
		check_blob(e, ids[i], (char)('A' + i % 26), 3000);
	reopen(e);
	for (int i = 0; i < 200; i += 3)
		check_blob(e, ids[i], (char)('A' + i % 26), 3000);
	assert_true(count_segments(e) <= 6);
}

static void damage_is_not_answered(struct eng *e)
{
	struct engine_batch *b = batch(e, 5);
	uint64_t a = put_blob(e, b, 'a', 1000);
	char path[200];
	struct buf v;
	int fd;

	commit(e, b);
	snprintf(path, sizeof path, "%s/bodies/00000001.seg", e->dir);
	fd = open(path, O_RDWR);
	assert_int_equal(pwrite(fd, "X", 1, 4096 + 24 + 500), 1);
	close(fd);
	buf_init(&v, 2000);
	e->log.least = (enum log_level)(LOG_LEVEL_ERROR + 1);
	assert_int_equal(engine_blob_get(e->port, a, 0, SIZE_MAX, &v), FAILED);
	e->log.least = LOG_LEVEL_ERROR;
	assert_int_equal(v.n, 0);
	buf_fini(&v);
}

#define CASE(which, name)                                                                                              \
	static void which##_##name(void **state)                                                                       \
	{                                                                                                              \
		(void)state;                                                                                           \
		eng_go(#which, name);                                                                                  \
	}
#define ALL(name) CASE(mem, name) CASE(threads, name) CASE(inline, name)
#define DISK(name) CASE(threads, name) CASE(inline, name)
ALL(rows_and_ranges)
ALL(versions)
ALL(snapshots)
ALL(bodies)
ALL(many_at_once)
DISK(reopening)
DISK(torn_tail)
DISK(half_dead_files_are_rewritten)
CASE(threads, two_stores)
CASE(threads, newer_format)
CASE(threads, damage_is_not_answered)

#define ALL_OF(name) cmocka_unit_test(mem_##name), cmocka_unit_test(threads_##name), cmocka_unit_test(inline_##name)
#define DISK_OF(name) cmocka_unit_test(threads_##name), cmocka_unit_test(inline_##name)

int main(void)
{
	const struct CMUnitTest tests[] = { ALL_OF(rows_and_ranges), ALL_OF(versions), ALL_OF(snapshots),
		ALL_OF(bodies), ALL_OF(many_at_once), DISK_OF(reopening), DISK_OF(torn_tail),
		DISK_OF(half_dead_files_are_rewritten), cmocka_unit_test(threads_two_stores),
		cmocka_unit_test(threads_newer_format), cmocka_unit_test(threads_damage_is_not_answered) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
