/* store/rocks/engine_rocks.c - the engine on disk: rows in RocksDB 7.8, bodies in files of our own.
 * Purpose     opening and closing, reads, ports. What writes is the committer.
 * Owns        the data directory: format, lock, rows/, bodies/.
 * Suspends    a port's task, between completions; port_close.
 * Invariants  I1 one process has the directory (flock). I2 data of a newer format is refused, untouched.
 */
#include "store/rocks/rocks.h"

#include "base/clock.h"
#include "base/die.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* 1: until undelete, authorization codes and the audit log came. 2: all rows of their newest version. upgrade.c knows the way. */
#define FORMAT ENGINE_FORMAT
#define WAL_MAX ((uint64_t)64 << 20)
#define MEMTABLE_SIZE ((size_t)24 << 20) /* about what a restart replays: 64 MiB took 1.5 s on two busy cores */
#define FREE_ASK_MS 500
enum { TORN_TAIL = 0, POINT_IN_TIME = 2 }; /* recovery modes of the log (rocksdb/options.h) */

void rocks_key(struct rkey *k, char kind, uint64_t number, struct str key)
{
	uint64_t be = htobe64(number);

	k->p[0] = kind;
	memcpy(k->p + 1, &be, 8);
	if (key.n)
		memcpy(k->p + 9, key.p, key.n);
	k->n = 9 + key.n;
}

_Noreturn void rocks_die(struct rocks *r, const char *what, char *error)
{
	log_error(r->log, "rows-failed", "%s: %s", what, error);
	die("rows: %s: %s", what, error);
}

char *rocks_value(struct rocks *r, const struct rkey *k, size_t *n)
{
	char *error = NULL;
	char *v = rocksdb_get(r->db, r->read_options, k->p, k->n, n, &error);

	if (error)
		rocks_die(r, "get", error);
	return v;
}

static struct rocks *of(struct engine_port *p)
{
	return ((struct rocks_port *)(void *)p)->rocks;
}

/* ---- reads */

struct engine_snapshot {
	const rocksdb_snapshot_t *snap;
	rocksdb_readoptions_t *options;
};

static rocksdb_readoptions_t *options_of(struct rocks *r, const struct engine_snapshot *snap)
{
	return snap ? snap->options : r->read_options;
}

static bool rocks_get(
	struct engine_port *p, const struct engine_snapshot *snap, uint64_t partition, struct str key, struct buf *out)
{
	struct rocks *r = of(p);
	rocksdb_pinnableslice_t *v;
	char *error = NULL;
	struct rkey k;
	const char *bytes;
	size_t n;

	rocks_key(&k, 'p', partition, key);
	v = rocksdb_get_pinned(r->db, options_of(r, snap), k.p, k.n, &error);
	if (error)
		rocks_die(r, "get", error);
	if (!v)
		return false;
	bytes = rocksdb_pinnableslice_value(v, &n);
	buf_add(out, str_of(bytes, n));
	rocksdb_pinnableslice_destroy(v);
	return true;
}

static void walk(
	rocksdb_iterator_t *it, const struct engine_range *range, const struct rkey *from, engine_each *each, void *arg)
{
	for (rocksdb_iter_seek(it, from->p, from->n); rocksdb_iter_valid(it); rocksdb_iter_next(it)) {
		struct engine_row row = { .kind = ENGINE_PUT };

		row.key.p = rocksdb_iter_key(it, &row.key.n);
		if (row.key.n < 9 || memcmp(row.key.p, from->p, 9) != 0)
			return;
		row.key = str_from(row.key, 9);
		if (range->to.n && str_cmp(row.key, range->to) >= 0)
			return;
		row.value.p = rocksdb_iter_value(it, &row.value.n);
		if (!each(arg, &row))
			return;
	}
}

/* The upper bound keeps RocksDB from reading past rows that were deleted behind the range. */
static void upper_bound(const struct engine_range *range, bool refs, struct rkey *out)
{
	if (range->to.n)
		rocks_key(out, refs ? 'r' : 'p', refs ? 0 : range->partition, range->to);
	else
		rocks_key(out, refs ? 'r' : 'p', refs ? 1 : range->partition + 1, STR(""));
}

static void rocks_range(struct engine_port *p, const struct engine_range *range, engine_each *each, void *arg)
{
	struct rocks *r = of(p);
	bool refs = range->space == ENGINE_REFS;
	rocksdb_readoptions_t *o = rocksdb_readoptions_create();
	rocksdb_iterator_t *it;
	struct rkey *keys = mem_array(2, sizeof *keys);
	char *error = NULL;

	rocks_key(&keys[0], refs ? 'r' : 'p', refs ? 0 : range->partition, range->from);
	upper_bound(range, refs, &keys[1]);
	rocksdb_readoptions_set_iterate_upper_bound(o, keys[1].p, keys[1].n);
	if (range->snapshot)
		rocksdb_readoptions_set_snapshot(o, range->snapshot->snap);
	it = rocksdb_create_iterator(r->db, o);
	walk(it, range, &keys[0], each, arg);
	rocksdb_iter_get_error(it, &error);
	if (error)
		rocks_die(r, "range", error);
	rocksdb_iter_destroy(it);
	rocksdb_readoptions_destroy(o);
	free(keys);
}

static uint64_t rocks_version(struct engine_port *p, const struct engine_snapshot *snap, uint64_t partition)
{
	struct rocks *r = of(p);
	uint64_t version = 0;
	char *error = NULL;
	struct rkey k;
	size_t n;
	char *v;

	rocks_key(&k, 'v', partition, STR(""));
	v = rocksdb_get(r->db, options_of(r, snap), k.p, k.n, &n, &error);
	if (error)
		rocks_die(r, "get", error);
	if (v && n == 8)
		memcpy(&version, v, 8);
	rocksdb_free(v);
	return le64toh(version);
}

/* A file may be rewritten between the look at the row and the look at the file: then the row has changed. */
static enum outcome rocks_blob_get(struct engine_port *p, uint64_t id, uint64_t at, size_t n, struct buf *out)
{
	struct rocks *r = of(p);

	for (int tries = 0; tries < 3; tries++) {
		struct body_row row;
		enum outcome o;
		struct seg *s;

		if (!body_row_find(r, id, &row))
			return NO_SUCH;
		s = bodies_get(&r->bodies, row.segment);
		if (!s)
			continue;
		o = segment_read(s->fd, id, &row.place, at, n, out);
		bodies_put(&r->bodies, s);
		if (o != OK)
			log_error(r->log, "body-damaged", "body %llu in segment %u at %llu", (unsigned long long)id,
				row.segment, (unsigned long long)row.place.at);
		return o;
	}
	log_error(r->log, "body-damaged", "body %llu: its segment is missing", (unsigned long long)id);
	return FAILED;
}

static bool rocks_blob_next(
	struct engine_port *p, const struct engine_snapshot *snap, uint64_t after, struct engine_blob_info *out)
{
	struct rocks *r = of(p);
	rocksdb_iterator_t *it;
	struct body_row row;
	struct rkey k;
	struct str key, value;
	bool found;
	uint64_t be;

	if (after == UINT64_MAX)
		return false;
	rocks_key(&k, 'l', after + 1, STR(""));
	it = rocksdb_create_iterator(r->db, options_of(r, snap));
	rocksdb_iter_seek(it, k.p, k.n);
	found = rocksdb_iter_valid(it);
	if (found) {
		key.p = rocksdb_iter_key(it, &key.n);
		value.p = rocksdb_iter_value(it, &value.n);
		found = key.n == 9 && key.p[0] == 'l' && body_row_decode(value, &row);
	}
	if (found) {
		memcpy(&be, key.p + 1, 8);
		*out = (struct engine_blob_info){ be64toh(be), row.place.size, row.created_s };
	}
	rocksdb_iter_destroy(it);
	return found;
}

static struct engine_snapshot *rocks_snapshot(struct engine_port *p)
{
	struct engine_snapshot *s = mem_new(struct engine_snapshot);

	s->snap = rocksdb_create_snapshot(of(p)->db);
	s->options = rocksdb_readoptions_create();
	rocksdb_readoptions_set_snapshot(s->options, s->snap);
	return s;
}

static void rocks_snapshot_free(struct engine_port *p, struct engine_snapshot *s)
{
	rocksdb_readoptions_destroy(s->options);
	rocksdb_release_snapshot(of(p)->db, s->snap);
	free(s);
}

static uint64_t rocks_blob_id(struct engine *e)
{
	return __atomic_add_fetch(&((struct rocks *)(void *)e)->next_blob, 1, __ATOMIC_RELAXED);
}

static uint64_t rocks_bytes_free(struct engine *e)
{
	struct rocks *r = (struct rocks *)(void *)e;
	int64_t now = clock_monotonic_ms();
	struct statvfs v;
	uint64_t ahead;

	if (r->free_asked_ms == 0 || now - r->free_asked_ms >= FREE_ASK_MS) {
		r->free_asked_ms = now;
		r->free_bytes = fstatvfs(r->dir_fd, &v) == 0 ? (uint64_t)v.f_bavail * v.f_frsize : 0;
	}
	pthread_mutex_lock(&r->lock);
	ahead = r->ahead;
	pthread_mutex_unlock(&r->lock);
	return r->free_bytes + ahead;
}

static void rocks_stats(struct engine *e, struct engine_stats *out)
{
	struct rocks *r = (struct rocks *)(void *)e;

	pthread_mutex_lock(&r->lock);
	*out = r->published;
	pthread_mutex_unlock(&r->lock);
}

/* ---- ports */

static void take_done(struct rocks_port *p, struct node *done)
{
	pthread_mutex_lock(&p->rocks->lock);
	list_each (n, nxt, &p->done) {
		list_del(n);
		list_add_last(done, n);
	}
	pthread_mutex_unlock(&p->rocks->lock);
}

static void tell_done(struct rocks_port *p)
{
	struct node done;

	list_init(&done);
	take_done(p, &done);
	list_each (n, nxt, &done) {
		struct engine_batch *b = list_entry(n, struct engine_batch, node);

		list_del(n);
		b->done(b, b->result);
	}
}

static void step_inline(void *arg)
{
	committer_step(arg);
}

/* Without threads the port's task is the committer: it runs after the tasks that are ready now, so their commits gather too. */
static SUSPENDS void work_inline(struct rocks_port *p)
{
	struct rocks *r = p->rocks;

	while (!list_empty(&r->queue)) {
		sched_call(p->base.sched, step_inline, r);
		tell_done(p);
		task_yield(p->base.sched);
	}
	sched_call(p->base.sched, step_inline, r); /* a step of rewriting, when there is something */
}

static void port_task(void *arg)
{
	struct rocks_port *p = arg;

	while (!p->closing) {
		if (bell_wait(&p->bell, NEVER_MS) == WAIT_STOP)
			break;
		if (!p->rocks->threads)
			work_inline(p);
		tell_done(p);
	}
	p->ended = true;
	gate_open(p->base.sched, &p->gone);
}

static struct engine_port *rocks_port_open(struct engine *e, struct sched *s)
{
	struct rocks_port *p = mem_new(struct rocks_port);

	p->base = (struct engine_port){ e, s };
	p->rocks = (struct rocks *)(void *)e;
	list_init(&p->done);
	gate_init(&p->gone);
	bell_open(&p->bell, s);
	pthread_mutex_lock(&p->rocks->lock);
	list_add_last(&p->rocks->ports, &p->node);
	pthread_mutex_unlock(&p->rocks->lock);
	task_spawn(s, "engine-rocks", port_task, p);
	return &p->base;
}

static void rocks_port_close(struct engine_port *base)
{
	struct rocks_port *p = (struct rocks_port *)(void *)base;
	struct gate *gates[] = { &p->gone };

	p->closing = true;
	bell_ring(&p->bell);
	while (!p->ended)
		if (task_wait(base->sched, gates, 1, NEVER_MS) == WAIT_STOP)
			die("engine-rocks: cancelled while closing");
	pthread_mutex_lock(&p->rocks->lock);
	list_del(&p->node);
	pthread_mutex_unlock(&p->rocks->lock);
	bell_close(&p->bell);
	free(p);
}

static void rocks_commit(struct engine_port *base, struct engine_batch *b)
{
	struct rocks_port *p = (struct rocks_port *)(void *)base;
	struct rocks *r = p->rocks;

	pthread_mutex_lock(&r->lock);
	list_add_last(&r->queue, &b->node);
	pthread_cond_signal(&r->work);
	pthread_mutex_unlock(&r->lock);
	if (!r->threads)
		bell_ring(&p->bell);
}

/* ---- opening */

static rocksdb_options_t *make_options(void)
{
	rocksdb_options_t *o = rocksdb_options_create();
	rocksdb_block_based_table_options_t *t = rocksdb_block_based_options_create();
	rocksdb_cache_t *cache = rocksdb_cache_create_lru((size_t)64 << 20);

	rocksdb_options_set_create_if_missing(o, 1);
	rocksdb_options_set_paranoid_checks(o, 1);
	rocksdb_options_set_wal_recovery_mode(o, 0); /* tolerate a torn tail, and nothing else */
	rocksdb_options_set_max_total_wal_size(o, WAL_MAX);
	rocksdb_options_set_write_buffer_size(o, MEMTABLE_SIZE);
	rocksdb_options_set_max_write_buffer_number(o, 3);
	rocksdb_options_set_max_background_jobs(o, 2);
	rocksdb_options_set_max_open_files(o, 512);
	rocksdb_options_set_level_compaction_dynamic_level_bytes(o, 1);
	rocksdb_options_set_compression(o, rocksdb_lz4_compression);
	rocksdb_options_set_bytes_per_sync(o, 1 << 20);
	rocksdb_options_set_stats_dump_period_sec(o, 0);
	rocksdb_options_set_stats_persist_period_sec(o, 0);
	rocksdb_options_set_info_log_level(o, 2);
	rocksdb_options_set_keep_log_file_num(o, 3);
	rocksdb_options_set_max_log_file_size(o, 1 << 20);
	rocksdb_block_based_options_set_block_size(t, 8192);
	rocksdb_block_based_options_set_format_version(t, 5);
	rocksdb_block_based_options_set_filter_policy(t, rocksdb_filterpolicy_create_bloom_full(10));
	rocksdb_block_based_options_set_block_cache(t, cache);
	rocksdb_options_set_block_based_table_factory(o, t);
	rocksdb_block_based_options_destroy(t);
	rocksdb_cache_destroy(cache);
	return o;
}

static bool refuse(const struct engine_opts *o, const char *what)
{
	buf_addf(o->why, "%s: %s: %s", o->data_dir, what, strerror(errno));
	return false;
}

static bool make_dir(int dir_fd, const char *name)
{
	return mkdirat(dir_fd, name, 0700) == 0 || errno == EEXIST;
}

static bool sync_parent(int dir_fd)
{
	int fd = openat(dir_fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool ok = fd >= 0 && fsync(fd) == 0;

	if (fd >= 0)
		close(fd);
	return ok;
}

static bool lock_dir(struct rocks *r, const struct engine_opts *o)
{
	bool made = mkdir(o->data_dir, 0700) == 0;

	if (!made && errno != EEXIST)
		return refuse(o, "make directory");
	r->dir_fd = open(o->data_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (r->dir_fd < 0 || (made && !sync_parent(r->dir_fd)))
		return refuse(o, "open directory");
	r->lock_fd = openat(r->dir_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (r->lock_fd < 0)
		return refuse(o, "open lock");
	if (flock(r->lock_fd, LOCK_EX | LOCK_NB) != 0) {
		buf_addf(o->why, "%s: in use by another process", o->data_dir);
		return false;
	}
	return true;
}

static bool write_format(struct rocks *r, const struct engine_opts *o)
{
	char text[32];
	int n = snprintf(text, sizeof text, "sallyport %d\n", FORMAT);
	int fd = openat(r->dir_fd, "format.new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0)
		return refuse(o, "format");
	if (write(fd, text, (size_t)n) != n || fsync(fd) != 0) {
		close(fd);
		return refuse(o, "format");
	}
	close(fd);
	if (renameat(r->dir_fd, "format.new", r->dir_fd, "format") != 0 || fsync(r->dir_fd) != 0)
		return refuse(o, "format");
	return true;
}

static bool refuse_older(const struct engine_opts *o, uint32_t version)
{
	if (version >= FORMAT || o->upgrade)
		return false;
	buf_addf(o->why, "%s: its format is %u, this program's is %d; stop the server, make a backup with the older program, and run: sallyport upgrade",
		o->data_dir, version, FORMAT);
	return true;
}

static bool check_format(struct rocks *r, const struct engine_opts *o)
{
	char text[32] = "";
	int fd = openat(r->dir_fd, "format", O_RDONLY | O_CLOEXEC);
	ssize_t n;
	uint32_t version;

	r->base.format = FORMAT;
	if (fd < 0)
		return errno == ENOENT ? write_format(r, o) : refuse(o, "format");
	n = read(fd, text, sizeof text - 1);
	close(fd);
	if (n < 11 || !str_starts(str_z(text), STR("sallyport ")) ||
		!str_to_u32(str_trim(str_z(text + 10)), &version)) {
		buf_addf(o->why, "%s/format: not a data directory of Sallyport", o->data_dir);
		return false;
	}
	if (version > FORMAT) {
		buf_addf(o->why,
			"%s: written by a newer Sallyport (format %u, this program knows %d); nothing was changed: start the newer program",
			o->data_dir, version, FORMAT);
		return false;
	}
	r->base.format = version;
	return !refuse_older(o, version);
}

/* The write that a crash cut short may have become long before its bytes arrived: then its checksum fails, and RocksDB takes only an
 * early end for a torn tail. What follows the last sync was never acknowledged, so the rows up to there are all of them. */
static rocksdb_t *open_db(struct rocks *r, const char *path, char **error)
{
	rocksdb_t *db = rocksdb_open(r->options, path, error);

	if (!*error || !str_starts(str_z(*error), STR("Corruption:")))
		return db;
	log_error(r->log, "rows-torn", "%s: the log of writes is opened up to the first record that is not whole",
		*error);
	rocksdb_free(*error);
	*error = NULL;
	r->torn = true;
	rocksdb_options_set_wal_recovery_mode(r->options, POINT_IN_TIME);
	return rocksdb_open(r->options, path, error);
}

static bool open_rows(struct rocks *r, const struct engine_opts *o)
{
	char path[1100];
	char *error = NULL;

	if (snprintf(path, sizeof path, "%s/rows", o->data_dir) >= (int)sizeof path) {
		errno = ENAMETOOLONG;
		return refuse(o, "rows");
	}
	r->options = make_options();
	r->write_options = rocksdb_writeoptions_create();
	rocksdb_writeoptions_set_sync(r->write_options, o->sync);
	r->read_options = rocksdb_readoptions_create();
	r->wb = rocksdb_writebatch_create();
	r->db = open_db(r, path, &error);
	if (error) {
		buf_addf(o->why, "%s: %s", path, error);
		rocksdb_free(error);
		return false;
	}
	return true;
}

/* Every opening has a number: body ids carry it, handles show it. */
static void count_life(struct rocks *r)
{
	rocksdb_writeoptions_t *w = rocksdb_writeoptions_create();
	char *error = NULL;
	uint32_t life = 0;
	struct rkey k;
	size_t n;
	char *v;

	rocks_key(&k, 'e', 0, STR(""));
	v = rocks_value(r, &k, &n);
	if (v && n == sizeof life)
		memcpy(&life, v, sizeof life);
	rocksdb_free(v);
	r->base.life = le32toh(life) + 1;
	r->next_blob = (uint64_t)r->base.life << 32;
	life = htole32(r->base.life);
	rocksdb_writeoptions_set_sync(w, r->sync);
	rocksdb_put(r->db, w, k.p, k.n, (const char *)&life, sizeof life, &error);
	rocksdb_writeoptions_destroy(w);
	if (error)
		rocks_die(r, "life", error);
}

static void rocks_free(struct rocks *r)
{
	if (r->wb)
		rocksdb_writebatch_destroy(r->wb);
	if (r->db)
		rocksdb_close(r->db);
	if (r->options) {
		rocksdb_readoptions_destroy(r->read_options);
		rocksdb_writeoptions_destroy(r->write_options);
		rocksdb_options_destroy(r->options);
	}
	if (r->lock_fd >= 0)
		close(r->lock_fd);
	if (r->dir_fd >= 0)
		close(r->dir_fd);
	pthread_mutex_destroy(&r->lock);
	pthread_cond_destroy(&r->work);
	free(r);
}

static void rocks_close(struct engine *e)
{
	struct rocks *r = (struct rocks *)(void *)e;

	die_unless(list_empty(&r->ports), "engine-rocks closed with open ports");
	committer_stop(r);
	if (r->victim)
		bodies_put(&r->bodies, r->victim);
	bodies_close(r);
	rocks_free(r);
}

static bool rocks_upgraded(struct engine *e, struct buf *why)
{
	struct engine_opts o = { .data_dir = ".", .why = why };

	if (!write_format((struct rocks *)(void *)e, &o))
		return false;
	e->format = FORMAT;
	return true;
}

static const struct engine_ops rocks_ops = {
	.upgraded = rocks_upgraded,
	.name = "rocks",
	.close = rocks_close,
	.port_open = rocks_port_open,
	.port_close = rocks_port_close,
	.commit = rocks_commit,
	.get = rocks_get,
	.range = rocks_range,
	.version = rocks_version,
	.blob_get = rocks_blob_get,
	.blob_next = rocks_blob_next,
	.snapshot = rocks_snapshot,
	.snapshot_free = rocks_snapshot_free,
	.blob_id = rocks_blob_id,
	.bytes_free = rocks_bytes_free,
	.stats = rocks_stats,
};

struct engine *engine_rocks_open(const struct engine_opts *o)
{
	struct rocks *r = mem_new(struct rocks);

	r->base.ops = &rocks_ops;
	r->dir_fd = r->lock_fd = r->bodies.dir_fd = -1;
	r->threads = o->threads;
	r->sync = o->sync;
	r->log = o->log;
	list_init(&r->queue);
	list_init(&r->ports);
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->work, NULL);
	if (!lock_dir(r, o) || !check_format(r, o) || !make_dir(r->dir_fd, "rows") || !make_dir(r->dir_fd, "bodies") ||
		(o->sync && fsync(r->dir_fd) != 0) || !open_rows(r, o) || !bodies_open(r, r->dir_fd, o)) {
		if (o->why->n == 0)
			refuse(o, "open");
		rocks_free(r);
		return NULL;
	}
	count_life(r);
	committer_start(r);
	return &r->base;
}
