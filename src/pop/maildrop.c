/* pop/maildrop.c - the account's INBOX as a maildrop: locked, listed, read, updated
 * Purpose     the few calls to store that POP3 needs.
 * Owns        the list of messages, at most POP_MESSAGES_MAX of them.
 * Suspends    in calls to store.
 * Invariants  I1 the list is a snapshot: numbers mean the same message for the whole session.
 *             I2 an answer that has begun is finished or the stream is ended: a client never takes half a message for one.
 */
#include "pop/session.h"

#include "base/die.h"
#include "base/vec.h"
#include "pop/text.h"

#define POP_MESSAGES_MAX 1000000
#define CHUNK (128u * 1024)

/* ---- lock and list */

static SUSPENDS enum outcome list_page(struct pop *p, uint32_t *after, bool *more)
{
	struct ipc_range all = { 1, 0 };
	struct ipc_fetch m = { .handle = p->d->account.handle, .sel = p->drop.sel, .by_uid = 1, .set = &all, .n_set = 1,
		.after = *after };
	struct ipc_fetch_reply r;
	enum outcome o = ipc_fetch(p->d->account.store, &m, &r, &p->command);

	for (size_t i = 0; o == OK && i < r.n_rows; i++) {
		*vec_push(&p->drop) = (struct pop_message){ .uid = r.rows[i].uid, .size = r.rows[i].size };
		*after = r.rows[i].uid;
	}
	*more = o == OK && r.more && r.n_rows;
	arena_reset(&p->command);
	return o;
}

static SUSPENDS enum outcome list(struct pop *p)
{
	uint32_t after = 0;
	bool more = true;
	enum outcome o = OK;

	while (o == OK && more)
		o = p->drop.n <= POP_MESSAGES_MAX ? list_page(p, &after, &more) : OVER_LIMIT;
	return o;
}

SUSPENDS enum outcome pop_drop_lock(struct pop *p)
{
	struct ipc_select m = { .handle = p->d->account.handle, .name = STR("INBOX"), .exclusive = 1 };
	struct ipc_select_reply r;
	enum outcome o = ipc_select(p->d->account.store, &m, &r, &p->command);

	if (o != OK)
		return o;
	p->drop.sel = r.sel;
	p->drop.uidvalidity = r.uidvalidity;
	p->drop.locked = true;
	o = r.messages ? list(p) : OK;
	if (o != OK)
		pop_drop_unlock(p);
	return o;
}

SUSPENDS void pop_drop_unlock(struct pop *p)
{
	struct ipc_unselect m = { .handle = p->d->account.handle, .sel = p->drop.sel };

	if (p->drop.locked && ipc_unselect(p->d->account.store, &m) != OK)
		p->closing = true; /* the lock ends with the login */
	p->drop.locked = false;
	p->drop.n_deleted = 0;
	vec_free(&p->drop);
}

/* ---- read */

struct reading {
	struct pop *p;
	const struct pop_message *m;
	uint32_t at;
	struct arena arena; /* of one chunk */
};

static SUSPENDS enum outcome read_chunk(struct reading *x, struct str *bytes)
{
	struct ipc_read_body m = { .handle = x->p->d->account.handle, .sel = x->p->drop.sel, .uid = x->m->uid, .at = x->at,
		.n = CHUNK };
	struct ipc_read_body_reply r;
	enum outcome o;

	arena_reset(&x->arena);
	o = ipc_read_body(x->p->d->account.store, &m, &r, &x->arena);
	*bytes = r.bytes;
	x->at += (uint32_t)r.bytes.n;
	return o;
}

static SUSPENDS void write_piece(void *ctx, struct str piece)
{
	stream_write(ctx, piece);
}

static SUSPENDS void send_text(struct reading *x, uint32_t lines, struct str bytes)
{
	struct stream *st = &x->p->d->stream;
	int64_t part_ms = x->p->d->conf->timeouts.pop_ms;
	struct pop_text text;

	pop_text_init(&text, lines);
	for (;;) {
		stream_deadline(st, part_ms);
		pop_text_feed(&text, bytes, write_piece, st);
		if (text.cut || x->at >= x->m->size || !stream_ok(st))
			break;
		if (read_chunk(x, &bytes) != OK || bytes.n == 0) {
			stream_fail(st, STREAM_RESET); /* I2 */
			return;
		}
	}
	stream_write(st, pop_text_end(&text));
}

SUSPENDS void pop_drop_send(struct pop *p, const struct pop_message *m, uint32_t lines)
{
	struct reading x = { .p = p, .m = m };
	struct str bytes;
	enum outcome o;

	arena_init(&x.arena, "pop message", IPC_REPLY_MEMORY);
	o = read_chunk(&x, &bytes);
	if (o == OK) {
		pop_ok(p, "%u octets", m->size);
		send_text(&x, lines, bytes);
		p->n_retrieved++;
	} else {
		pop_say_outcome(p, POP_STEP_READ, o);
	}
	arena_fini(&x.arena);
}

/* ---- update */

/* Fills ranges with runs of deleted messages from *at on. What lies between two neighbours of the list was expunged before
 * it was made, and what came later has a higher UID than all: a run names nothing else. */
static size_t next_ranges(const struct pop_drop *drop, size_t *at, struct ipc_range *ranges)
{
	size_t n = 0;

	for (; *at < drop->n; ++*at) {
		const struct pop_message *m = &drop->v[*at];
		bool extends = n && *at && drop->v[*at - 1].deleted;

		if (!m->deleted)
			continue;
		if (extends)
			ranges[n - 1].hi = m->uid;
		else if (n == IPC_EXPUNGE_UIDS_MAX)
			break;
		else
			ranges[n++] = (struct ipc_range){ m->uid, m->uid };
	}
	return n;
}

SUSPENDS enum outcome pop_drop_update(struct pop *p)
{
	struct ipc_range *ranges = arena_array(&p->command, IPC_EXPUNGE_UIDS_MAX, sizeof *ranges);
	size_t at = 0, n;

	while (p->drop.n_deleted && (n = next_ranges(&p->drop, &at, ranges)) > 0) {
		struct ipc_expunge m = { .handle = p->d->account.handle, .sel = p->drop.sel, .uids = ranges, .n_uids = n };
		struct ipc_expunge_reply r;
		enum outcome o = ipc_expunge(p->d->account.store, &m, &r, NULL);

		if (o != OK)
			return o;
	}
	p->updated = true;
	return OK;
}
