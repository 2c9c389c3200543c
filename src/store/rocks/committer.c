/* store/rocks/committer.c - group commit: all that waits becomes one batch with one sync of bodies and one of rows.
 * Purpose     while a group syncs, the next gathers; between groups half-dead files are rewritten in bounded steps.
 * Owns        the write batch and the table of files, both changed by this thread alone.
 * Invariants  I1 bodies are on disk before the rows that point to them are written. I2 a completion is told after the synced write.
 *             I3 an I/O error ends the process: what was not told did not happen, or master's restart will find it whole.
 */
#include "store/rocks/rocks.h"

#include "base/clock.h"
#include "base/die.h"

#include <endian.h>
#include <string.h>

#define GROUP_BYTES ((size_t)64 << 20) /* of rows and bodies merged into one write */
#define REWRITE_STEP ((uint64_t)4 << 20)
#define GROUPS_PER_STEP 16 /* under load a rewriting step comes after so many groups */
#define ROW_VERSION 1

struct packed_body_row {
	uint8_t version;
	uint32_t segment;
	uint64_t at;
	uint32_t size, crc;
	int64_t created_s;
} __attribute__((packed));

bool body_row_decode(struct str v, struct body_row *out)
{
	struct packed_body_row p;

	if (v.n != sizeof p)
		return false;
	memcpy(&p, v.p, sizeof p);
	*out = (struct body_row){ le32toh(p.segment), { le64toh(p.at), le32toh(p.size), le32toh(p.crc) },
		(int64_t)le64toh((uint64_t)p.created_s) };
	return p.version == ROW_VERSION;
}

bool body_row_find(struct rocks *r, uint64_t id, struct body_row *out)
{
	struct rkey k;
	size_t n;
	char *v;
	bool ok;

	rocks_key(&k, 'l', id, STR(""));
	v = rocks_value(r, &k, &n);
	if (!v)
		return false;
	ok = body_row_decode(str_of(v, n), out);
	rocksdb_free(v);
	return ok;
}

static void put_body_row(struct rocks *r, uint64_t id, const struct body_row *row)
{
	struct packed_body_row p = { ROW_VERSION, htole32(row->segment), htole64(row->place.at),
		htole32(row->place.size), htole32(row->place.crc), (int64_t)htole64((uint64_t)row->created_s) };
	struct rkey k;

	rocks_key(&k, 'l', id, STR(""));
	rocksdb_writebatch_put(r->wb, k.p, k.n, (const char *)&p, sizeof p);
}

static void write_rows(struct rocks *r)
{
	char *error = NULL;
	size_t n;

	bodies_put_rows(r);
	rocksdb_writebatch_data(r->wb, &n);
	r->stats.bytes_rows += n;
	r->stats.n_syncs += r->sync;
	rocksdb_write(r->db, r->write_options, r->wb, &error);
	if (error)
		rocks_die(r, "write", error);
	rocksdb_writebatch_clear(r->wb);
}

/* ---- one group */

static bool version_holds(struct rocks *r, const struct engine_batch *b)
{
	struct rkey k;
	size_t n;
	uint64_t version = 0;
	char *v;

	if (!b->partition)
		return true;
	rocks_key(&k, 'v', b->partition, STR(""));
	v = rocks_value(r, &k, &n);
	if (v && n == 8)
		memcpy(&version, v, 8);
	rocksdb_free(v);
	return le64toh(version) == b->version;
}

static void del_blob(struct rocks *r, const struct engine_row *op)
{
	struct body_row row;
	struct rkey k;
	uint64_t id;

	memcpy(&id, op->key.p, 8);
	if (!body_row_find(r, id, &row))
		return;
	bodies_forget(r, &row);
	rocks_key(&k, 'l', id, STR(""));
	rocksdb_writebatch_delete(r->wb, k.p, k.n);
}

static void add_op(struct rocks *r, const struct engine_batch *b, const struct engine_row *op)
{
	bool ref = op->kind == ENGINE_REF_PUT || op->kind == ENGINE_REF_DEL;
	struct rkey *k = &r->key;

	if (op->kind == ENGINE_BLOB_DEL) {
		del_blob(r, op);
		return;
	}
	rocks_key(k, ref ? 'r' : 'p', ref ? 0 : b->partition, op->key);
	if (op->kind == ENGINE_PUT || op->kind == ENGINE_REF_PUT)
		rocksdb_writebatch_put(r->wb, k->p, k->n, op->value.p, op->value.n);
	else
		rocksdb_writebatch_delete(r->wb, k->p, k->n);
}

static void add_batch(struct rocks *r, struct engine_batch *b)
{
	uint64_t version = htole64(b->version + 1);
	struct rkey *k = &r->key;
	struct engine_row op;

	for (size_t at = 0; engine_batch_next(b, &at, &op);)
		add_op(r, b, &op);
	if (b->partition) {
		rocks_key(k, 'v', b->partition, STR(""));
		rocksdb_writebatch_put(r->wb, k->p, k->n, (const char *)&version, sizeof version);
	}
}

static void add_bodies(struct rocks *r, struct engine_batch *b)
{
	int64_t now_s = clock_wall_us() / 1000000;

	for (size_t i = 0; i < b->blobs.n; i++) {
		struct body_row row = bodies_add(r, b->blobs.v[i].id, b->blobs.v[i].bytes, now_s);

		put_body_row(r, b->blobs.v[i].id, &row);
	}
}

static void run_group(struct rocks *r, struct node *group)
{
	size_t n = 0;

	list_each (it, nxt, group) {
		struct engine_batch *b = list_entry(it, struct engine_batch, node);

		b->result = version_holds(r, b) ? ENGINE_DONE : ENGINE_LOST;
		if (b->result == ENGINE_DONE)
			add_bodies(r, b);
		n++;
	}
	bodies_sync(r);
	list_each (it, nxt, group) {
		struct engine_batch *b = list_entry(it, struct engine_batch, node);

		if (b->result == ENGINE_DONE)
			add_batch(r, b);
	}
	write_rows(r);
	r->stats.n_batches += n;
	r->stats.n_groups++;
	if (n > r->stats.n_group_max)
		r->stats.n_group_max = n;
}

/* ---- rewriting a file that is half dead */

/* Bodies on their way to the current file: the writer borrows them until they are synced. */
struct moving {
	struct VEC(struct buf) bodies;
	uint64_t bytes;
};

/* The record goes to the current file when a row still points to it. */
static void move_record(struct rocks *r, const struct segment_record *rec, struct moving *m)
{
	struct body_row row, to;
	struct buf bytes;

	if (!body_row_find(r, rec->id, &row) || row.segment != r->victim->number || row.place.at != rec->place.at)
		return;
	buf_init(&bytes, SEGMENT_BODY_MAX);
	if (segment_read(r->victim->fd, rec->id, &row.place, 0, row.place.size, &bytes) != OK) {
		log_error(r->log, "segment-damaged", "segment %u at %llu: body %llu does not match its checksum",
			r->victim->number, (unsigned long long)rec->place.at, (unsigned long long)rec->id);
		r->victim->damaged = true;
		buf_fini(&bytes);
		return;
	}
	*vec_push(&m->bodies) = bytes;
	m->bytes += segment_footprint(bytes.n);
	to = bodies_add(r, rec->id, buf_str(&bytes), row.created_s);
	put_body_row(r, rec->id, &to);
	bodies_forget(r, &row);
}

static void end_victim(struct rocks *r)
{
	struct seg *s = r->victim;
	struct rkey k;

	r->victim = NULL;
	bodies_put(&r->bodies, s);
	if (s->damaged || s->n_live > 0) {
		if (!s->damaged)
			log_error(r->log, "segment-damaged", "segment %u: its records end before its bodies do",
				s->number);
		s->damaged = true;
		return;
	}
	s->dirty = false;
	rocks_key(&k, 's', s->number, STR(""));
	rocksdb_writebatch_delete(r->wb, k.p, k.n);
	write_rows(r);
	bodies_unlink(r, s);
	r->stats.n_compacted++;
}

static bool begin_victim(struct rocks *r)
{
	struct seg *s = bodies_half_dead(&r->bodies);

	if (!s)
		return false;
	r->victim = bodies_get(&r->bodies, s->number);
	r->victim_at = SEGMENT_HEADER_SIZE;
	if (!r->victim)
		s->damaged = true;
	return r->victim;
}

/* About REWRITE_STEP bytes move. False: there is nothing to rewrite. */
static bool rewrite_step(struct rocks *r)
{
	struct segment_record rec;
	struct moving m = { 0 };

	if (!r->victim && !begin_victim(r))
		return false;
	while (m.bytes < REWRITE_STEP && !r->victim->damaged && r->victim_at < r->victim->end &&
		segment_next(r->victim->fd, &r->victim_at, &rec))
		move_record(r, &rec, &m);
	if (m.bytes > 0) {
		bodies_sync(r);
		write_rows(r);
	}
	if (m.bytes < REWRITE_STEP)
		end_victim(r);
	for (size_t i = 0; i < m.bodies.n; i++)
		buf_fini(&m.bodies.v[i]);
	vec_free(&m.bodies);
	return true;
}

/* ---- the queue */

static size_t batch_bytes(const struct engine_batch *b)
{
	size_t n = b->ops.n;

	for (size_t i = 0; i < b->blobs.n; i++)
		n += b->blobs.v[i].bytes.n;
	return n;
}

static void take_group(struct rocks *r, struct node *group)
{
	size_t bytes = 0;

	list_each (it, nxt, &r->queue) {
		struct engine_batch *b = list_entry(it, struct engine_batch, node);

		list_del(it);
		list_add_last(group, it);
		bytes += batch_bytes(b);
		if (bytes >= GROUP_BYTES)
			break;
	}
}

/* The committer counts in a struct of its own; readers see what was published under the lock. */
static void publish(struct rocks *r)
{
	struct engine_stats *s = &r->stats;

	s->n_segments = r->bodies.segs.n;
	s->n_blobs = s->bytes_live = s->bytes_dead = 0;
	for (size_t i = 0; i < r->bodies.segs.n; i++) {
		s->n_blobs += r->bodies.segs.v[i]->n_live;
		s->bytes_live += r->bodies.segs.v[i]->live;
		s->bytes_dead += r->bodies.segs.v[i]->dead;
	}
	r->published = *s;
	r->ahead = r->bodies.current && r->bodies.current->reserved > r->bodies.current->end
			   ? r->bodies.current->reserved - r->bodies.current->end
			   : 0;
}

/* The caller holds the lock, when there are threads. */
static void complete(struct rocks *r, struct node *group)
{
	publish(r);
	list_each (it, nxt, group) {
		struct engine_batch *b = list_entry(it, struct engine_batch, node);
		struct rocks_port *p = (struct rocks_port *)(void *)b->port;

		list_del(it);
		list_add_last(&p->done, it);
	}
	list_each (it, nxt, &r->ports) {
		struct rocks_port *p = list_entry(it, struct rocks_port, node);

		if (!list_empty(&p->done))
			bell_ring(&p->bell);
	}
}

bool committer_step(struct rocks *r)
{
	struct node group;

	list_init(&group);
	take_group(r, &group);
	if (list_empty(&group)) {
		bool rewrote = rewrite_step(r);

		publish(r);
		return rewrote;
	}
	run_group(r, &group);
	complete(r, &group);
	return true;
}

static void *committer_main(void *arg)
{
	struct rocks *r = arg;
	unsigned n_groups = 0;
	struct node group;
	bool rewrote = true;

	list_init(&group);
	pthread_mutex_lock(&r->lock);
	while (!r->stop || !list_empty(&r->queue)) {
		take_group(r, &group);
		if (list_empty(&group) && !rewrote) {
			pthread_cond_wait(&r->work, &r->lock);
			continue;
		}
		pthread_mutex_unlock(&r->lock);
		rewrote = false;
		if (list_empty(&group) || ++n_groups % GROUPS_PER_STEP == 0)
			rewrote = rewrite_step(r);
		if (!list_empty(&group)) {
			run_group(r, &group);
			rewrote = true; /* something may have died */
		}
		pthread_mutex_lock(&r->lock);
		complete(r, &group);
	}
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

void committer_start(struct rocks *r)
{
	publish(r);
	if (r->threads && pthread_create(&r->thread, NULL, committer_main, r) != 0)
		die("committer: no thread");
}

void committer_stop(struct rocks *r)
{
	if (!r->threads)
		return;
	pthread_mutex_lock(&r->lock);
	r->stop = true;
	pthread_cond_signal(&r->work);
	pthread_mutex_unlock(&r->lock);
	pthread_join(r->thread, NULL);
}
