/* store/rocks/bodies.c - the table of body files: which there are, how much of each is alive.
 * Purpose     adds bodies to the current file, rolls it, lends files to readers, forgets what died.
 * Owns        descriptors of the files; few stay open.
 * Invariants  I1 a file's row is written in the same synced write as the rows of the bodies that changed it, so its counts are exact.
 *             I2 every life begins a file of its own; what lies behind an older file's end is nobody's.
 */
#include "store/rocks/rocks.h"

#include "base/cur.h"
#include "base/die.h"

#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OPEN_MAX 256 /* descriptors kept for reading */
#define ROW_VERSION 1
#define RESERVE_STEP ((uint64_t)16 << 20)

struct seg_row {
	uint8_t version;
	uint64_t end, live, dead, n_live;
} __attribute__((packed));

struct seg *bodies_find(struct bodies *b, uint32_t number)
{
	for (size_t i = b->segs.n; i > 0; i--)
		if (b->segs.v[i - 1]->number == number)
			return b->segs.v[i - 1];
	return NULL;
}

static struct seg *seg_add(struct bodies *b, uint32_t number)
{
	struct seg *s = mem_new(struct seg);

	s->number = number;
	s->fd = -1;
	s->end = SEGMENT_HEADER_SIZE;
	pthread_mutex_lock(&b->lock);
	*vec_push(&b->segs) = s;
	pthread_mutex_unlock(&b->lock);
	if (number >= b->next_number)
		b->next_number = number + 1;
	return s;
}

/* ---- readers */

static void close_some(struct bodies *b, const struct seg *keep)
{
	for (size_t i = 0; i < b->segs.n && b->n_open > OPEN_MAX; i++) {
		struct seg *s = b->segs.v[i];

		if (s->fd < 0 || s->refs > 0 || s == b->current || s == keep)
			continue;
		close(s->fd);
		s->fd = -1;
		b->n_open--;
	}
}

static bool seg_open(struct bodies *b, struct seg *s)
{
	if (s->fd >= 0)
		return true;
	s->fd = segment_open(b->dir_fd, s->number);
	if (s->fd < 0)
		return false;
	b->n_open++;
	close_some(b, s);
	return true;
}

struct seg *bodies_get(struct bodies *b, uint32_t number)
{
	struct seg *s;

	pthread_mutex_lock(&b->lock);
	s = bodies_find(b, number);
	if (s && !seg_open(b, s))
		s = NULL;
	if (s)
		s->refs++;
	pthread_mutex_unlock(&b->lock);
	return s;
}

static void seg_free(struct seg *s)
{
	if (s->fd >= 0)
		close(s->fd);
	free(s);
}

void bodies_put(struct bodies *b, struct seg *s)
{
	bool last;

	pthread_mutex_lock(&b->lock);
	last = --s->refs == 0 && s->gone;
	pthread_mutex_unlock(&b->lock);
	if (last)
		seg_free(s);
}

/* ---- the committer's side */

/* Gives the room ahead back; what lies behind the end was never acknowledged. */
static void trim(struct rocks *r, struct seg *s)
{
	char name[SEGMENT_NAME_SIZE];
	struct stat st;
	int fd;

	segment_name(s->number, name);
	fd = openat(r->bodies.dir_fd, name, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0 && (uint64_t)st.st_size > s->end && ftruncate(fd, (off_t)s->end) != 0)
		log_error(r->log, "segment-trim", "%s: %s", name, strerror(errno));
	close(fd);
}

static void begin_file(struct rocks *r)
{
	struct bodies *b = &r->bodies;
	struct seg *s = seg_add(b, b->next_number);
	int fd = segment_create(b->dir_fd, s->number, b->sync);

	pthread_mutex_lock(&b->lock);
	s->fd = fd;
	b->n_open++;
	b->current = s;
	pthread_mutex_unlock(&b->lock);
	segment_writer_init(&b->writer, fd, SEGMENT_HEADER_SIZE);
}

void bodies_sync(struct rocks *r)
{
	struct bodies *b = &r->bodies;
	int error;

	if (!b->current || b->writer.parts.n == 0)
		return;
	error = segment_flush(&b->writer);
	if (error) {
		log_error(r->log, "segment-write", "segment %u: %s", b->current->number, strerror(error));
		die("segment %u: write: %s", b->current->number, strerror(error));
	}
	if (b->sync && fdatasync(b->current->fd) != 0) {
		log_error(r->log, "segment-sync", "segment %u: %s", b->current->number, strerror(errno));
		die_errno("segment %u: sync", b->current->number);
	}
	r->stats.n_syncs += b->sync;
}

static void end_file(struct rocks *r)
{
	struct bodies *b = &r->bodies;

	bodies_sync(r);
	segment_writer_fini(&b->writer);
	b->current->closed = true;
	trim(r, b->current);
	pthread_mutex_lock(&b->lock);
	b->current = NULL;
	pthread_mutex_unlock(&b->lock);
}

/* In steps, so that little is set aside for nothing. Without room ahead writing goes on; it is the write that finds the disk full. */
static void reserve(struct bodies *b, uint64_t footprint)
{
	struct seg *s = b->current;
	uint64_t to = b->writer.at + footprint + RESERVE_STEP;

	if (b->writer.at + footprint <= s->reserved)
		return;
	if (to > b->segment_size)
		to = b->segment_size;
	if (segment_reserve(b->writer.fd, s->reserved, to))
		s->reserved = to > s->reserved ? to : s->reserved;
}

struct body_row bodies_add(struct rocks *r, uint64_t id, struct str body, int64_t created_s)
{
	struct bodies *b = &r->bodies;
	uint64_t footprint = segment_footprint(body.n);
	struct body_row row = { .created_s = created_s };

	if (b->current && b->writer.at > SEGMENT_HEADER_SIZE && b->writer.at + footprint > b->segment_size)
		end_file(r);
	if (!b->current)
		begin_file(r);
	reserve(b, footprint);
	row.segment = b->current->number;
	row.place = segment_add(&b->writer, id, body);
	b->current->end = b->writer.at;
	b->current->live += footprint;
	b->current->n_live++;
	b->current->dirty = true;
	r->stats.bytes_bodies += footprint;
	return row;
}

void bodies_forget(struct rocks *r, const struct body_row *row)
{
	struct seg *s = bodies_find(&r->bodies, row->segment);
	uint64_t footprint = segment_footprint(row->place.size);

	if (!s)
		return;
	s->live -= footprint;
	s->dead += footprint;
	s->n_live--;
	s->dirty = true;
}

void bodies_put_rows(struct rocks *r)
{
	for (size_t i = 0; i < r->bodies.segs.n; i++) {
		struct seg *s = r->bodies.segs.v[i];
		struct seg_row row = { ROW_VERSION, htole64(s->end), htole64(s->live), htole64(s->dead),
			htole64(s->n_live) };
		struct rkey k;

		if (!s->dirty)
			continue;
		s->dirty = false;
		rocks_key(&k, 's', s->number, STR(""));
		rocksdb_writebatch_put(r->wb, k.p, k.n, (const char *)&row, sizeof row);
	}
}

void bodies_unlink(struct rocks *r, struct seg *s)
{
	struct bodies *b = &r->bodies;
	char name[SEGMENT_NAME_SIZE];
	bool last;

	segment_name(s->number, name);
	if (unlinkat(b->dir_fd, name, 0) != 0 && errno != ENOENT)
		log_error(r->log, "segment-unlink", "%s: %s", name, strerror(errno));
	pthread_mutex_lock(&b->lock);
	for (size_t i = 0; i < b->segs.n; i++)
		if (b->segs.v[i] == s) {
			vec_remove(&b->segs, i);
			break;
		}
	b->n_open -= s->fd >= 0;
	s->gone = true;
	last = s->refs == 0;
	pthread_mutex_unlock(&b->lock);
	if (last)
		seg_free(s);
}

struct seg *bodies_half_dead(struct bodies *b)
{
	for (size_t i = 0; i < b->segs.n; i++) {
		struct seg *s = b->segs.v[i];

		if (s->closed && !s->damaged && s->dead >= s->live)
			return s;
	}
	return NULL;
}

/* ---- opening */

static void load_rows(struct rocks *r)
{
	rocksdb_iterator_t *it = rocksdb_create_iterator(r->db, r->read_options);
	size_t n;

	for (rocksdb_iter_seek(it, "s", 1); rocksdb_iter_valid(it); rocksdb_iter_next(it)) {
		const char *key = rocksdb_iter_key(it, &n);
		struct seg_row row;
		struct seg *s;
		uint64_t be;
		size_t value_n;
		const char *value = rocksdb_iter_value(it, &value_n);

		if (n != 9 || key[0] != 's')
			break;
		if (value_n != sizeof row)
			die("segment row of %zu bytes", value_n);
		memcpy(&be, key + 1, 8);
		memcpy(&row, value, sizeof row);
		s = seg_add(&r->bodies, (uint32_t)be64toh(be));
		s->end = le64toh(row.end);
		s->live = le64toh(row.live);
		s->dead = le64toh(row.dead);
		s->n_live = le64toh(row.n_live);
		s->closed = true;
	}
	rocksdb_iter_destroy(it);
}

/* Rows that came of a damaged log may know less than there was: then bodies are kept for whoever looks into it. */
static void set_aside(struct rocks *r, uint32_t number)
{
	char name[SEGMENT_NAME_SIZE], lost[SEGMENT_NAME_SIZE + 8];

	segment_name(number, name);
	snprintf(lost, sizeof lost, "%s.lost", name);
	log_error(r->log, "segment-unknown", "%s is kept as %s", name, lost);
	if (renameat(r->bodies.dir_fd, name, r->bodies.dir_fd, lost) != 0)
		die_errno("bodies: %s", lost);
}

/* A file without a row was begun and never acknowledged, or was rewritten and its row went. */
static void sweep_file(struct rocks *r, const char *name, uint32_t number, uint32_t newest)
{
	struct seg *s = bodies_find(&r->bodies, number);

	if (!s && r->torn)
		set_aside(r, number);
	else if (!s)
		unlinkat(r->bodies.dir_fd, name, 0);
	else if (number == newest && !r->torn)
		trim(r, s);
}

static void sweep_files(struct rocks *r, uint32_t newest)
{
	int fd = dup(r->bodies.dir_fd);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	uint32_t number;

	if (!d)
		die_errno("bodies: opendir");
	rewinddir(d);
	while ((e = readdir(d)))
		if (segment_name_parse(e->d_name, &number))
			sweep_file(r, e->d_name, number, newest);
	closedir(d);
}

bool bodies_open(struct rocks *r, int data_dir_fd, const struct engine_opts *o)
{
	struct bodies *b = &r->bodies;

	b->segment_size = o->segment_size ? o->segment_size : (uint64_t)256 << 20;
	b->sync = o->sync;
	b->next_number = 1;
	pthread_mutex_init(&b->lock, NULL);
	b->dir_fd = openat(data_dir_fd, "bodies", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (b->dir_fd < 0) {
		buf_addf(o->why, "%s/bodies: %s", o->data_dir, strerror(errno));
		return false;
	}
	load_rows(r);
	sweep_files(r, b->next_number - 1);
	return true;
}

void bodies_close(struct rocks *r)
{
	struct bodies *b = &r->bodies;

	if (b->current)
		end_file(r);
	for (size_t i = 0; i < b->segs.n; i++)
		seg_free(b->segs.v[i]);
	vec_free(&b->segs);
	pthread_mutex_destroy(&b->lock);
	if (b->dir_fd >= 0)
		close(b->dir_fd);
}
