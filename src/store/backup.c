/* store/backup.c - what a command reads for a backup. See the header.
 * Purpose     hands out rows of one snapshot, bounded pieces at a time, and bodies; the command keeps them where it likes.
 * Owns        a snapshot a backup, until its channel ends or says nothing for timeouts.command.
 * Invariants  N1 rows of all partitions are of one moment. N2 while a backup is open nothing is collected (store_collect), so a body that a row of
 *             the snapshot refers to is there to be read.
 */
#include "store/backup.h"

#include "base/die.h"
#include "store/garbage.h"

#include <string.h>

#define ROWS_ROOM ((size_t)IPC_RECORD_MAX - 4096) /* of rows: one of a letter with the largest index fits */
#define LOOK_STEP 1000 /* bodies looked at for one answer */

struct backup {
	struct peer *peer;
	struct engine_snapshot *snap;
	int64_t last_ms;
	uint64_t large_id; /* a body that does not fit into one answer, read and checked as a whole */
	struct buf large;
};

static struct backup *find(struct store *s, const struct peer *p)
{
	for (size_t i = 0; i < s->backups.n; i++)
		if (s->backups.v[i]->peer == p) {
			s->backups.v[i]->last_ms = sched_now_ms(s->sched);
			return s->backups.v[i];
		}
	return NULL;
}

static void end(struct store *s, struct backup *b)
{
	for (size_t i = 0; i < s->backups.n; i++)
		if (s->backups.v[i] == b) {
			vec_remove(&s->backups, i);
			break;
		}
	engine_snapshot_free(s->shard.port, b->snap);
	buf_fini(&b->large);
	free(b);
	s->n_holding--;
}

void backup_gone(struct store *s, struct peer *p)
{
	struct backup *b = find(s, p);

	if (b)
		end(s, b);
}

void backups_expire(struct store *s)
{
	int64_t before_ms = sched_now_ms(s->sched) - s->limits.command_ms;

	for (size_t i = s->backups.n; i > 0; i--)
		if (s->limits.command_ms && s->backups.v[i - 1]->last_ms < before_ms) {
			log_error(s->log, "backup-silent", "a backup said nothing for timeouts.command and is ended");
			end(s, s->backups.v[i - 1]);
		}
}

void backups_free(struct store *s)
{
	while (s->backups.n)
		end(s, s->backups.v[s->backups.n - 1]);
	vec_free(&s->backups);
}

static struct backup *begin(struct store *s, struct peer *p)
{
	struct backup *b = mem_new(struct backup);

	b->peer = p;
	b->snap = engine_snapshot(s->shard.port);
	b->last_ms = sched_now_ms(s->sched);
	buf_init(&b->large, SIZE_MAX);
	*vec_push(&s->backups) = b;
	s->n_holding++;
	return b;
}

void serve_backup_begin(void *ctx, struct ipc_call *c, const void *msg)
{
	const struct ipc_backup_begin *q = msg;
	struct ipc_backup_begin_reply r = { 0 };
	struct engine_stats stats = { 0 };
	struct store *s = ctx;
	struct backup *b = find(s, call_peer(c));
	struct buf v;

	if (q->dir.n != 16) {
		call_reply(c, BAD_SYNTAX, NULL);
		return;
	}
	if (b)
		end(s, b);
	b = begin(s, call_peer(c));
	buf_init(&v, 256);
	if (engine_get(s->shard.port, b->snap, PARTITION_DIRECTORY, KEY_STR(key_bytes(key_of('b'), q->dir)), &v) &&
		v.n == sizeof(struct backup_mark)) {
		r.newest = str_sub(buf_str(&v), 0, 16);
		r.before = str_from(buf_str(&v), 16);
	}
	s->engine->ops->stats(s->engine, &stats);
	r.bodies = stats.n_blobs;
	r.bytes = stats.bytes_live;
	r.directory = engine_version_at(s->shard.port, b->snap, PARTITION_DIRECTORY);
	r.lane = PARTITION_LANE(s->shard.number);
	r.lane_version = engine_version_at(s->shard.port, b->snap, r.lane);
	ipc_backup_begin_reply_send(c, OK, &r);
	buf_fini(&v);
}

/* Answers REVOKED when there is none: it was ended, or never begun. */
static struct backup *need(struct store *s, struct ipc_call *c)
{
	struct backup *b = find(s, call_peer(c));

	if (!b)
		call_reply(c, REVOKED, NULL);
	return b;
}

/* ---- accounts */

struct listing {
	struct store *s;
	struct backup *b;
	struct arena *a;
	struct ipc_backup_account *v;
	struct ipc_backup_accounts_reply *r;
};

static bool list_account(void *arg, const struct engine_row *row)
{
	struct listing *l = arg;
	struct str key = str_from(row->key, 1);
	ssize_t zero = str_find(key, '\0');
	struct entry_row e;

	if (l->r->n_list == IPC_BACKUP_ACCOUNTS_LIST_MAX) {
		l->r->more = 1;
		return false;
	}
	l->r->next = arena_dup(l->a, key);
	if (zero <= 0 || !entry_row_decode(row->value, &e) || e.state != ENTRY_LIVE)
		return true;
	l->v[l->r->n_list++] = (struct ipc_backup_account){ e.account,
		engine_version_at(l->s->shard.port, l->b->snap, e.account),
		arena_fmt(l->a, "%.*s@%.*s", STR_ARG(str_from(key, (size_t)zero + 1)), STR_ARG(str_sub(key, 0, (size_t)zero))) };
	return true;
}

void serve_backup_accounts(void *ctx, struct ipc_call *c, const void *msg)
{
	const struct ipc_backup_accounts *q = msg;
	struct ipc_backup_accounts_reply r = { 0 };
	struct listing l = { .s = ctx, .b = need(ctx, c), .a = call_arena(c), .r = &r };
	struct engine_range range = { .partition = PARTITION_DIRECTORY, .to = STR("b") };
	struct buf from;

	if (!l.b)
		return;
	buf_init(&from, ENGINE_KEY_MAX);
	buf_addc(&from, 'a');
	buf_add(&from, q->after);
	if (q->after.n)
		buf_addc(&from, '\0');
	range.from = buf_str(&from);
	range.snapshot = l.b->snap;
	l.v = arena_array(l.a, IPC_BACKUP_ACCOUNTS_LIST_MAX, sizeof *l.v);
	r.list = l.v;
	engine_range(l.s->shard.port, &range, list_account, &l);
	buf_fini(&from);
	ipc_backup_accounts_reply_send(c, OK, &r);
}

/* ---- rows */

struct rows {
	struct buf out;
	struct buf last; /* key */
	uint32_t n;
	bool more;
};

static bool add_row(void *arg, const struct engine_row *row)
{
	struct rows *x = arg;

	if (x->out.n + row->key.n + row->value.n + 6 > ROWS_ROOM) {
		x->more = true;
		return false;
	}
	put_u16(&x->out, (uint16_t)row->key.n);
	put_u32(&x->out, (uint32_t)row->value.n);
	buf_add(&x->out, row->key);
	buf_add(&x->out, row->value);
	buf_reset(&x->last);
	buf_add(&x->last, row->key);
	x->n++;
	return true;
}

void serve_backup_rows(void *ctx, struct ipc_call *c, const void *msg)
{
	const struct ipc_backup_rows *q = msg;
	struct ipc_backup_rows_reply r = { 0 };
	struct store *s = ctx;
	struct backup *b = need(s, c);
	struct engine_range range = { .partition = q->partition };
	struct rows x = { 0 };
	struct buf from;

	if (!b)
		return;
	buf_init(&x.out, SIZE_MAX);
	buf_init(&x.last, ENGINE_KEY_MAX);
	buf_init(&from, ENGINE_KEY_MAX + 1);
	buf_add(&from, q->after);
	if (q->after.n)
		buf_addc(&from, '\0');
	range.from = buf_str(&from);
	range.snapshot = b->snap;
	engine_range(s->shard.port, &range, add_row, &x);
	r.n = x.n;
	r.rows = str_sub(buf_str(&x.out), 0, IPC_BACKUP_ROWS_ROWS_MAX);
	r.rest = str_from(buf_str(&x.out), r.rows.n);
	r.next = buf_str(&x.last);
	r.more = x.more;
	/* A row came in one record, and so it goes out in one: that none fits is a row of nobody's making. */
	ipc_backup_rows_reply_send(c, x.more && x.n == 0 ? FAILED : OK, &r);
	buf_fini(&from);
	buf_fini(&x.last);
	buf_fini(&x.out);
}

/* ---- bodies */

void serve_backup_bodies(void *ctx, struct ipc_call *c, const void *msg)
{
	const struct ipc_backup_bodies *q = msg;
	struct ipc_backup_bodies_reply r = { .next = q->after };
	struct ipc_backup_body *list;
	struct engine_blob_info info;
	struct store *s = ctx;
	struct backup *b = need(s, c);
	bool found = true;

	if (!b)
		return;
	list = arena_array(call_arena(c), IPC_BACKUP_BODIES_LIST_MAX, sizeof *list);
	for (unsigned n = 0; n < LOOK_STEP && (found = engine_blob_next(s->shard.port, b->snap, r.next, &info)); n++) {
		r.next = info.id;
		if (blob_is_referenced(&s->shard, b->snap, info.id))
			list[r.n_list++] = (struct ipc_backup_body){ info.id, (uint32_t)info.size };
	}
	r.list = list;
	r.more = found;
	ipc_backup_bodies_reply_send(c, OK, &r);
}

enum { BODY_THERE, BODY_LOST };

static void add_frame(struct buf *out, uint64_t id, uint8_t status, struct str bytes)
{
	put_u64(out, id);
	put_u8(out, status);
	put_u32(out, (uint32_t)bytes.n);
	buf_add(out, bytes);
}

/* All of a body, its checksum checked. */
static bool read_whole(struct store *s, uint64_t id, struct buf *out)
{
	buf_reset(out);
	return engine_blob_get(s->shard.port, id, 0, SIZE_MAX / 2, out) == OK;
}

/* Whole bodies as long as there is room; of the first, when it is larger than that, the piece at `at`. */
static void read_bodies(struct store *s, struct backup *b, const struct ipc_backup_read *q, struct buf *out)
{
	struct buf one;

	buf_init(&one, SIZE_MAX);
	for (size_t i = 0; i < q->n_ids; i++) {
		uint64_t id = q->ids[i];
		struct buf *body = b->large_id == id ? &b->large : &one;

		if (b->large_id != id && !read_whole(s, id, &one)) {
			add_frame(out, id, BODY_LOST, STR(""));
			continue;
		}
		if (out->n + body->n + 13 <= IPC_BACKUP_READ_BYTES_MAX && (i > 0 || q->at == 0)) {
			add_frame(out, id, BODY_THERE, buf_str(body));
			continue;
		}
		if (i > 0)
			break;
		if (body == &one) {
			b->large_id = id;
			buf_reset(&b->large);
			buf_add(&b->large, buf_str(&one));
		}
		add_frame(out, id, BODY_THERE, str_sub(buf_str(&b->large), q->at, IPC_BACKUP_READ_BYTES_MAX - 13));
		break;
	}
	buf_fini(&one);
}

void serve_backup_read(void *ctx, struct ipc_call *c, const void *msg)
{
	const struct ipc_backup_read *q = msg;
	struct ipc_backup_read_reply r = { 0 };
	struct store *s = ctx;
	struct backup *b = need(s, c);
	struct buf out;

	if (!b)
		return;
	buf_init(&out, IPC_BACKUP_READ_BYTES_MAX);
	if (b->large_id && (q->n_ids == 0 || q->ids[0] != b->large_id)) {
		b->large_id = 0;
		buf_fini(&b->large);
	}
	read_bodies(s, b, q, &out);
	r.bytes = buf_str(&out);
	ipc_backup_read_reply_send(c, OK, &r);
	buf_fini(&out);
}

SUSPENDS void serve_backup_mark(void *ctx, struct ipc_call *c, const void *msg)
{
	const struct ipc_backup_mark *q = msg;
	struct backup_mark mark = { 0 };
	struct store *s = ctx;

	if (q->dir.n != 16 || q->newest.n != 16 || (q->before.n != 16 && q->before.n != 0)) {
		call_reply(c, BAD_SYNTAX, NULL);
		return;
	}
	memcpy(mark.newest, q->newest.p, 16);
	if (q->before.n)
		memcpy(mark.before, q->before.p, 16);
	ipc_backup_mark_reply_send(c, directory_put_mark(&s->directory, q->dir, &mark));
}

void serve_backup_end(void *ctx, struct ipc_call *c, const void *msg)
{
	struct backup *b = need(ctx, c);

	(void)msg;
	if (!b)
		return;
	end(ctx, b);
	ipc_backup_end_reply_send(c, OK);
}
