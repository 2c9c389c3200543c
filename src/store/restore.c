/* store/restore.c - what a command gives back of a backup. See the header.
 * Purpose     bodies get new ids and are garbage candidates until a row refers to them; rows are put as they were, but for what this store
 *             numbers itself.
 * Trust       rows come from a file that anybody may have written: those that this file changes must decode, the others are checked by verify.
 * Suspends    until what was given is durable.
 * Invariants  O1 nothing is collected while a restore is open, so its bodies stay until rows refer to them. O2 an account is loaded by nobody
 *             before its end: its head is put then. O3 a restore that ends early leaves accounts "in the making", which directory_sweep undoes.
 */
#include "store/restore.h"

#include "base/die.h"
#include "store/deleted.h"
#include "store/garbage.h"
#include "store/lane.h"
#include "store/outgoing_restore.h"
#include "store/queue.h"

#include <string.h>

#define PIECE 4000 /* rows between two yields */

struct filled {
	uint64_t account;
	struct ipc_addr address; /* heap */
	struct buf head;	 /* its row, kept until the end */
};

struct restore {
	struct peer *peer;
	int64_t last_ms;
	struct VEC(struct filled *) accounts;
	struct outgoing_restore outgoing;
	bool all;
};

static struct restore *find(struct store *s, const struct peer *p)
{
	for (size_t i = 0; i < s->restores.n; i++)
		if (s->restores.v[i]->peer == p) {
			s->restores.v[i]->last_ms = sched_now_ms(s->sched);
			return s->restores.v[i];
		}
	return NULL;
}

static void filled_free(struct store *s, struct filled *f)
{
	directory_restore_forget(&s->directory, f->account);
	buf_fini(&f->head);
	free((char *)(uintptr_t)f->address.local.p);
	free((char *)(uintptr_t)f->address.domain.p);
	free(f);
}

static void end(struct store *s, struct restore *r)
{
	for (size_t i = 0; i < s->restores.n; i++)
		if (s->restores.v[i] == r) {
			vec_remove(&s->restores, i);
			break;
		}
	for (size_t i = 0; i < r->accounts.n; i++)
		filled_free(s, r->accounts.v[i]);
	vec_free(&r->accounts);
	outgoing_restore_fini(&r->outgoing);
	free(r);
	s->n_holding--;
}

void restore_gone(struct store *s, struct peer *p)
{
	struct restore *r = find(s, p);

	if (r)
		end(s, r);
}

void restores_expire(struct store *s)
{
	int64_t before_ms = sched_now_ms(s->sched) - s->limits.command_ms;

	for (size_t i = s->restores.n; i > 0; i--)
		if (s->limits.command_ms && s->restores.v[i - 1]->last_ms < before_ms) {
			log_error(s->log, "restore-silent", "a restore said nothing for timeouts.command and is ended");
			end(s, s->restores.v[i - 1]);
		}
}

void restores_free(struct store *s)
{
	while (s->restores.n)
		end(s, s->restores.v[s->restores.n - 1]);
	vec_free(&s->restores);
}

static struct restore *need(struct store *s, struct ipc_call *c)
{
	struct restore *r = find(s, call_peer(c));

	if (!r)
		call_reply(c, REVOKED, NULL);
	return r;
}

static struct filled *find_filled(struct restore *r, uint64_t account)
{
	for (size_t i = 0; r && i < r->accounts.n; i++)
		if (r->accounts.v[i]->account == account)
			return r->accounts.v[i];
	return NULL;
}

void serve_restore_begin(void *ctx, struct ipc_call *c, const void *msg)
{
	const struct ipc_restore_begin *q = msg;
	struct store *s = ctx;
	struct restore *r = find(s, call_peer(c));

	if (q->all && !directory_is_empty(&s->directory)) {
		call_reply(c, EXISTS, NULL);
		return;
	}
	if (r)
		end(s, r);
	r = mem_new(struct restore);
	outgoing_restore_init(&r->outgoing);
	r->peer = call_peer(c);
	r->last_ms = sched_now_ms(s->sched);
	r->all = q->all;
	*vec_push(&s->restores) = r;
	s->n_holding++;
	ipc_restore_begin_reply_send(c, OK);
}

void serve_restore_end(void *ctx, struct ipc_call *c, const void *msg)
{
	struct restore *r = need(ctx, c);

	(void)msg;
	if (!r)
		return;
	end(ctx, r);
	ipc_restore_end_reply_send(c, OK);
}

/* ---- bodies */

static bool unpack(struct store *s, struct str pack, struct engine_batch *b, uint64_t *first)
{
	struct cur c = cur_of(pack);
	int64_t now = shard_now_s(&s->shard);

	while (!cur_end(&c)) {
		uint32_t n = cur_le32(&c);
		struct str bytes = cur_bytes(&c, n);
		uint64_t id;

		if (!cur_ok(&c))
			return false;
		id = shard_blob_id(&s->shard); /* nothing suspends here, so they are in a row */
		if (!*first)
			*first = id;
		engine_blob_copy(b, id, bytes);
		engine_ref_put(b, KEY_STR(key_garbage(now, id)), STR(""));
	}
	return cur_done(&c) && *first;
}

SUSPENDS void serve_restore_bodies(void *ctx, struct ipc_call *c, const void *msg)
{
	const struct ipc_restore_bodies *q = msg;
	struct ipc_restore_bodies_reply r = { 0 };
	struct store *s = ctx;
	struct engine_batch *b;
	struct body_map map;
	enum outcome o = OK;

	if (!need(s, c))
		return;
	if (!shard_has_room(&s->shard))
		o = NO_ROOM;
	else if (body_map(&q->pack, &map) != OK)
		o = TRY_LATER;
	if (o != OK) {
		call_reply(c, o, NULL);
		return;
	}
	b = engine_batch_new(0, 0);
	if (!unpack(s, map.bytes, b, &r.first)) {
		engine_batch_free(b);
		o = BAD_SYNTAX;
	} else if (!commit_and_wait(&s->shard, b)) {
		o = TRY_LATER;
	}
	body_unmap(&map);
	ipc_restore_bodies_reply_send(c, o, &r);
}

/* ---- rows */

struct given {
	struct str key, value;
	uint64_t blob;
};

static bool next_given(struct cur *c, struct given *g)
{
	uint16_t key_n = cur_le16(c);
	uint32_t value_n = cur_le32(c);

	g->blob = cur_le64(c);
	g->key = cur_bytes(c, key_n);
	g->value = cur_bytes(c, value_n);
	return cur_ok(c) && key_n > 0 && key_n <= ENGINE_KEY_MAX;
}

static struct str joined(struct arena *a, struct str rows, struct str rest)
{
	char *p;

	if (rest.n == 0)
		return rows;
	p = arena_alloc(a, rows.n + rest.n);
	memcpy(p, rows.p, rows.n);
	memcpy(p + rows.n, rest.p, rest.n);
	return str_of(p, rows.n + rest.n);
}

struct putting {
	struct engine_batch *b;
	struct filled *f;
};

static bool put_head(struct putting *p, const struct given *g, struct buf *v)
{
	struct head_row r;

	(void)v;
	if (!head_row_decode(g->value, &r))
		return false;
	r.modseq += RESTORE_MODSEQS;
	buf_reset(&p->f->head);
	head_row_encode(&r, &p->f->head);
	return true;
}

static bool put_credential(struct putting *p, const struct given *g, struct buf *v)
{
	struct credential_row r;
	struct buf address;

	if (!credential_row_decode(g->value, &r))
		return false;
	buf_init(&address, 512);
	buf_addf(&address, "%.*s@%.*s", STR_ARG(p->f->address.local), STR_ARG(p->f->address.domain));
	r.address = buf_str(&address);
	credential_row_encode(&r, v);
	engine_put(p->b, g->key, buf_str(v));
	buf_fini(&address);
	return true;
}

static bool put_mailbox(struct putting *p, const struct given *g, struct buf *v)
{
	struct mailbox_row *r = mem_new(struct mailbox_row);
	bool ok = mailbox_row_decode(g->value, r);

	if (ok) {
		r->uidnext = r->uidnext < UINT32_MAX - RESTORE_UIDS ? r->uidnext + RESTORE_UIDS : UINT32_MAX;
		mailbox_row_encode(r, v);
		engine_put(p->b, g->key, buf_str(v));
	}
	free(r);
	return ok;
}

static bool message_key(struct str key, uint32_t *mailbox, uint32_t *uid)
{
	struct cur c = cur_of(str_from(key, 1));

	*mailbox = cur_be32(&c);
	*uid = cur_be32(&c);
	return cur_done(&c);
}

static bool put_message(struct putting *p, const struct given *g, struct buf *v)
{
	struct message_row r;
	uint32_t mailbox, uid;

	if (!message_row_decode(g->value, &r) || !message_key(g->key, &mailbox, &uid) || !g->blob)
		return false;
	r.blob = g->blob;
	message_row_encode(&r, v);
	engine_put(p->b, g->key, buf_str(v));
	engine_ref_put(p->b, KEY_STR(key_ref(r.blob, p->f->account, mailbox, uid)), STR(""));
	return true;
}

static bool put_deleted(struct putting *p, const struct given *g, struct buf *v)
{
	struct deleted_row r;
	uint32_t mailbox, uid;

	if (!deleted_row_decode(g->value, &r) || !message_key(g->key, &mailbox, &uid) || !g->blob)
		return false;
	r.message.blob = g->blob;
	deleted_row_encode(&r, v);
	engine_put(p->b, g->key, buf_str(v));
	engine_ref_put(p->b, KEY_STR(key_ref(g->blob, p->f->account, mailbox, uid)), STR(""));
	engine_ref_put(p->b, KEY_STR(key_deleted(r.time_s, p->f->account, mailbox, uid)), STR(""));
	return true;
}

static bool put_gone(struct putting *p, const struct given *g, struct buf *v)
{
	struct gone_row *r = mem_new(struct gone_row);
	struct cur c = cur_of(str_from(g->key, 1));
	uint32_t mailbox = cur_be32(&c);
	bool ok = cur_done(&c) && gone_row_decode(g->value, r);

	(void)v;
	if (ok) {
		engine_put(p->b, g->key, g->value);
		engine_ref_put(p->b, KEY_STR(key_deleted(r->time_s, p->f->account, mailbox, DELETED_MAILBOX)), STR(""));
	}
	free(r);
	return ok;
}

/* Kinds of rows that are not put as they are. */
static const struct {
	char tag;
	bool (*put)(struct putting *p, const struct given *g, struct buf *v);
} kinds[] = {
	{ 'H', put_head },
	{ 'C', put_credential },
	{ 'B', put_mailbox },
	{ 'M', put_message },
	{ 'Z', put_deleted },
	{ 'W', put_gone },
};

static bool put_given(struct putting *p, const struct given *g)
{
	struct buf v;
	bool ok = true, put = false;

	buf_init(&v, SIZE_MAX);
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		if (kinds[i].tag == g->key.p[0]) {
			ok = kinds[i].put(p, g, &v);
			put = true;
		}
	if (!put)
		engine_put(p->b, g->key, g->value);
	buf_fini(&v);
	return ok;
}

static const struct partition_ops no_calls = { 0 };

static SUSPENDS enum outcome commit_rows(struct store *s, struct filled *f, struct str rows)
{
	struct cur c = cur_of(rows);
	struct partition part;
	struct putting p = { .f = f };
	struct given g;
	bool ok = true;
	enum outcome o = BAD_SYNTAX;

	partition_open(&part, s->shard.port, f->account, &no_calls);
	p.b = partition_batch(&part);
	while (ok && !cur_end(&c))
		ok = next_given(&c, &g) && put_given(&p, &g);
	if (ok)
		o = partition_wait(&part, partition_stage(&part)) ? OK : TRY_LATER;
	partition_fini(&part);
	return o;
}

SUSPENDS void serve_restore_rows(void *ctx, struct ipc_call *c, const void *msg)
{
	const struct ipc_restore_rows *q = msg;
	struct store *s = ctx;
	struct filled *f = find_filled(need(s, c), q->account);

	if (!find(s, call_peer(c)))
		return;
	ipc_restore_rows_reply_send(c, f ? commit_rows(s, f, joined(call_arena(c), q->rows, q->rest)) : BAD_STATE);
}

SUSPENDS void serve_restore_directory(void *ctx, struct ipc_call *c, const void *msg)
{
	const struct ipc_restore_directory *q = msg;
	struct store *s = ctx;
	struct restore *r = need(s, c);
	struct cur cur = cur_of(joined(call_arena(c), q->rows, q->rest));
	enum outcome o = OK;
	struct given g;

	if (!r)
		return;
	if (!r->all)
		o = DENIED;
	while (o == OK && !cur_end(&cur))
		o = next_given(&cur, &g) ? directory_restore_row(&s->directory, g.key, g.value) : BAD_SYNTAX;
	ipc_restore_directory_reply_send(c, o);
}

SUSPENDS void serve_restore_queued(void *ctx, struct ipc_call *c, const void *msg)
{
	const struct ipc_restore_queued *q = msg;
	struct store *s = ctx;
	struct restore *r = need(s, c);
	struct queued_row *row;
	enum outcome o = BAD_SYNTAX;

	if (!r)
		return;
	row = arena_new(call_arena(c), struct queued_row);
	if (!r->all)
		o = DENIED;
	else if (q->blob && queued_row_decode(joined(call_arena(c), q->row, q->rest), row)) {
		row->blob = q->blob;
		o = queue_restore(&s->shard, row);
	}
	ipc_restore_queued_reply_send(c, o);
}

/* What was put before a row that does not decode goes with the lane's next commit: each is whole (O4). */
SUSPENDS void serve_restore_outgoing(void *ctx, struct ipc_call *c, const void *msg)
{
	const struct ipc_restore_outgoing *q = msg;
	struct store *s = ctx;
	struct restore *r = need(s, c);
	struct cur cur = cur_of(joined(call_arena(c), q->rows, q->rest));
	enum outcome o = OK;
	struct given g;

	if (!r)
		return;
	if (!r->all)
		o = DENIED;
	else if (!lane_ready(&s->shard))
		o = TRY_LATER;
	while (o == OK && !cur_end(&cur))
		if (!next_given(&cur, &g) || !outgoing_restore_row(&s->shard, &r->outgoing, g.key, g.value, g.blob))
			o = BAD_SYNTAX;
	if (r->all && o != TRY_LATER && lane_commit(&s->shard) != OK)
		o = TRY_LATER;
	ipc_restore_outgoing_reply_send(c, o);
}

/* ---- accounts */

SUSPENDS void serve_restore_account(void *ctx, struct ipc_call *c, const void *msg)
{
	const struct ipc_restore_account *q = msg;
	struct ipc_restore_account_reply r = { .account = q->id };
	struct store *s = ctx;
	struct restore *x;
	struct filled *f;
	enum outcome o;

	if (!need(s, c))
		return;
	o = directory_restore_begin(&s->directory, &q->address, &r.account);
	x = find(s, call_peer(c));
	if (o != OK || !x) {
		directory_restore_forget(&s->directory, r.account);
		call_reply(c, o == OK ? REVOKED : o, NULL);
		return;
	}
	f = mem_new(struct filled);
	f->account = r.account;
	f->address.local = str_of(mem_dup(q->address.local.p, q->address.local.n), q->address.local.n);
	f->address.domain = str_of(mem_dup(q->address.domain.p, q->address.domain.n), q->address.domain.n);
	buf_init(&f->head, 4096);
	*vec_push(&x->accounts) = f;
	ipc_restore_account_reply_send(c, OK, &r);
}

/* What mailboxes say of their messages, counted anew where messages are missing. */
struct recount {
	uint64_t account;
	struct VEC(struct mailbox_row *) rows;
	struct VEC(uint32_t) ids;
	struct head_row head;
	struct key from;
	unsigned n;
	struct arena arena;
};

static bool note_mailbox(void *arg, const struct engine_row *row)
{
	struct recount *r = arg;
	struct cur c = cur_of(str_from(row->key, 1));
	struct mailbox_row *m = arena_new(&r->arena, struct mailbox_row);

	if (!mailbox_row_decode(arena_dup(&r->arena, row->value), m))
		return true;
	m->messages = m->unseen = m->deleted = m->recent = 0;
	m->size = 0;
	*vec_push(&r->rows) = m;
	*vec_push(&r->ids) = cur_be32(&c);
	return true;
}

static bool count_message(void *arg, const struct engine_row *row)
{
	struct recount *r = arg;
	struct message_row m;
	uint32_t mailbox, uid;

	if (r->n++ == PIECE) {
		r->from = key_bytes((struct key){ 0 }, row->key);
		return false;
	}
	if (!message_key(row->key, &mailbox, &uid) || !message_row_decode(row->value, &m))
		return true;
	for (size_t i = 0; i < r->ids.n; i++) {
		struct mailbox_row *b = r->rows.v[i];

		if (r->ids.v[i] != mailbox)
			continue;
		b->messages++;
		b->unseen += !(m.flags & 1);
		b->deleted += (m.flags & 8) != 0;
		b->recent += uid >= b->watermark;
		b->size += m.size;
		r->head.messages++;
		r->head.bytes += m.size;
	}
	return true;
}

static SUSPENDS void count_all(struct store *s, struct recount *r)
{
	struct engine_range boxes = { .partition = r->account, .from = STR("B"), .to = STR("C") };

	engine_range(s->shard.port, &boxes, note_mailbox, r);
	r->from = key_of('M');
	do {
		struct key from = r->from;
		struct engine_range m = { .partition = r->account, .from = KEY_STR(from), .to = STR("N") };

		r->n = 0;
		engine_range(s->shard.port, &m, count_message, r);
		task_yield(s->sched);
	} while (r->n > PIECE);
}

static void put_counts(const struct recount *r, struct engine_batch *b)
{
	struct buf v;

	buf_init(&v, 65536);
	for (size_t i = 0; i < r->ids.n; i++) {
		buf_reset(&v);
		mailbox_row_encode(r->rows.v[i], &v);
		engine_put(b, KEY_STR(key_u32(key_of('B'), r->ids.v[i])), buf_str(&v));
	}
	buf_fini(&v);
}

static SUSPENDS enum outcome finish(struct store *s, struct filled *f, bool recount)
{
	struct partition part;
	struct recount r = { .account = f->account };
	struct buf head;
	enum outcome o = BAD_STATE;

	if (!head_row_decode(buf_str(&f->head), &r.head))
		return BAD_STATE;
	arena_init(&r.arena, "store-recount", STORE_WORK_MAX);
	buf_init(&head, 4096);
	if (recount) {
		r.head.bytes = r.head.messages = 0;
		count_all(s, &r);
	}
	partition_open(&part, s->shard.port, f->account, &no_calls);
	put_counts(&r, partition_batch(&part));
	head_row_encode(&r.head, &head);
	engine_put(partition_batch(&part), STR("H"), buf_str(&head));
	o = partition_wait(&part, partition_stage(&part)) ? OK : TRY_LATER;
	partition_fini(&part);
	buf_fini(&head);
	vec_free(&r.rows);
	vec_free(&r.ids);
	arena_fini(&r.arena);
	return o == OK ? directory_restore_end(&s->directory, &f->address, f->account) : o;
}

SUSPENDS void serve_restore_account_end(void *ctx, struct ipc_call *c, const void *msg)
{
	const struct ipc_restore_account_end *q = msg;
	struct store *s = ctx;
	struct restore *r = need(s, c);
	struct filled *f = find_filled(r, q->account);
	enum outcome o = BAD_STATE;

	if (!r)
		return;
	for (size_t i = 0; f && i < r->accounts.n; i++) /* its channel may end meanwhile: it is this call's now */
		if (r->accounts.v[i] == f) {
			vec_remove(&r->accounts, i);
			break;
		}
	if (f) {
		o = finish(s, f, q->recount);
		filled_free(s, f);
	}
	ipc_restore_account_end_reply_send(c, o);
}
