/* store/service_fetch.c - reading messages: rows with columns, part index, bytes (RFC 9051 6.4.5).
 * Suspends    until what the rows rest on is durable; parts and bodies are read after that.
 * Invariants  F1 an answer fits its record. F2 a message that another session expunged and this one has not been told of keeps its
 *             number. Its columns are still answered; with parts or bytes wanted it is left out, and the edge answers as RFC 2180
 *             4.1.2 says (NO, some were expunged).
 */
#include "store/walk.h"

#include "base/die.h"
#include "store/uidl.h"
#include "ipc/words.h"

#define RECORD_SLACK 256

/* ---- parts and bytes of one message */

struct parts {
	struct buf row; /* the P row */
	struct str prefix, index;
};

/* False: expunged meanwhile, or damaged. */
static bool parts_get(struct account *a, uint32_t mailbox, uint32_t uid, struct parts *p)
{
	buf_init(&p->row, SIZE_MAX);
	return engine_get(a->part.port, NULL, a->id, KEY_STR(key_message('P', mailbox, uid)), &p->row) &&
	       parts_row_decode(buf_str(&p->row), &p->prefix, &p->index);
}

/* Bytes at.. of prefix and letter, n at most, appended to out. */
static enum outcome read_message(
	struct account *a, struct str prefix, uint64_t blob, uint64_t at, size_t n, struct buf *out)
{
	struct str head = str_sub(prefix, at, n);

	buf_add(out, head);
	if (head.n == n)
		return out->full ? FAILED : OK;
	at = at > prefix.n ? at - prefix.n : 0;
	return engine_blob_get(a->part.port, blob, at, n - head.n, out);
}

/* ---- fetch */

struct picked {
	uint32_t seq, uid, flags;
	struct message_row row;
	bool dead;
};

struct answer {
	struct ipc_row *rows;
	size_t n;
	struct buf data; /* index and bytes of all rows: never moves */
	size_t left;	 /* bytes of the record that are left */
	uint32_t want, mailbox;
	struct account *account;
	struct arena *uidls; /* NULL: not wanted */
};

#define PICK_ROWS 200000 /* looked at in a request, for changed_since; without it rows of the answer are fewer */

static void pick_row(const struct session *x, const struct seqmap *map, uint32_t at, struct picked *p)
{
	const struct view *v = map->view;

	*p = (struct picked){ seqmap_seq(map, at), v->uid[at], v->flags[at] & MSG_SETTABLE, view_row(v, at),
		v->flags[at] & VIEW_DEAD };
	p->flags |= selection_recent(x->sel, v->uid[at]) ? MSG_RECENT : 0;
}

/* The first rows of the set behind `after`, as they are now. r->next: the last row looked at. */
static struct picked *pick(struct session *x, const struct ipc_fetch *q, size_t *n, struct ipc_fetch_reply *r)
{
	struct seqmap map = session_map(x);
	struct named named = { .by_uid = q->by_uid, .saved = q->saved, .set = q->set, .n = q->n_set };
	struct spans spans = named_spans(x, &map, &named, &x->work);
	const struct view *v = map.view;
	struct picked *p = arena_array(&x->work, IPC_FETCH_ROWS_MAX, sizeof *p);
	uint32_t from = q->after == UINT32_MAX ? v->n : view_lower(v, q->after + 1), looked = 0;

	*n = 0;
	for (size_t i = 0; i < spans.n; i++)
		for (uint32_t at = spans.v[i].lo > from ? spans.v[i].lo : from; at < spans.v[i].hi; at++) {
			if (!seqmap_has(&map, at) || (q->want && v->flags[at] & VIEW_DEAD))
				continue;
			if (*n == IPC_FETCH_ROWS_MAX || looked++ == PICK_ROWS) {
				r->more = 1;
				return p;
			}
			r->next = v->uid[at];
			if (v->modseq[at] <= q->changed_since)
				continue;
			pick_row(x, &map, at, &p[(*n)++]);
		}
	return p;
}

static size_t wanted_bytes(const struct answer *a, const struct picked *p)
{
	if (a->want & WANT_BODY)
		return p->row.size;
	return a->want & WANT_HEADER ? p->row.header_n : 0;
}

/* Index and bytes. False: the row does not fit this record any more. *skip: there is nothing to show of it. */
static bool add_parts(struct answer *a, const struct picked *p, struct ipc_row *r, bool *skip)
{
	size_t bytes = wanted_bytes(a, p), fits, before = a->data.n;
	struct parts parts;
	bool fit = true;

	*skip = !parts_get(a->account, a->mailbox, p->uid, &parts);
	if (!*skip) {
		r->index = a->want & WANT_INDEX ? parts.index : STR("");
		fits = a->left > r->index.n ? a->left - r->index.n : 0;
		fits = fits < IPC_ROW_BODY_MAX ? fits : IPC_ROW_BODY_MAX;
		fit = a->n == 0 || (bytes <= fits && r->index.n <= a->left);
		bytes = bytes < fits ? bytes : fits;
		r->body_n = (uint32_t)wanted_bytes(a, p);
	}
	if (!*skip && fit) {
		buf_add(&a->data, r->index);
		r->index.p = a->data.p + before;
		*skip = bytes && read_message(a->account, parts.prefix, p->row.blob, 0, bytes, &a->data) != OK;
		r->body = str_of(a->data.p + before + r->index.n, a->data.n - before - r->index.n);
	}
	buf_fini(&parts.row);
	if (*skip)
		buf_cut(&a->data, before);
	return fit;
}

static void add_uidl(struct answer *a, const struct picked *p, struct ipc_row *r)
{
	struct buf out;

	buf_init(&out, UIDL_SIZE_MAX);
	uidl_add(a->account, p->row.email, true, &out);
	r->uidl = arena_dup(a->uidls, buf_str(&out));
	buf_fini(&out);
	a->left -= r->uidl.n;
}

/* False: the record is full. */
static bool add_row(struct answer *a, const struct picked *p)
{
	struct ipc_row r = { .seq = p->seq,
		.uid = p->uid,
		.flags = p->flags,
		.keywords = p->row.keywords,
		.modseq = p->row.modseq,
		.date_s = p->row.date_s,
		.saved_s = p->row.saved_s,
		.size = p->row.size,
		.header_n = p->row.header_n,
		.prefix_n = p->row.prefix_n,
		.blob = p->row.blob };
	bool skip = false;

	if (a->left < IPC_ROW_FIXED + (a->uidls ? UIDL_SIZE_MAX : 0))
		return false;
	a->left -= IPC_ROW_FIXED;
	if (a->uidls)
		add_uidl(a, p, &r);
	if (a->want && !add_parts(a, p, &r, &skip))
		return false;
	if (skip) {
		a->left += IPC_ROW_FIXED + r.uidl.n;
		return true;
	}
	a->left -= r.index.n + r.body.n;
	a->rows[a->n++] = r;
	return true;
}

static SUSPENDS enum outcome fetch(
	struct session *x, const struct ipc_fetch *q, struct answer *a, struct ipc_fetch_reply *r)
{
	size_t n, i;
	struct picked *p;
	enum outcome o;

	if (a->uidls)
		uidl_anchor(x->account);
	p = pick(x, q, &n, r);
	a->mailbox = x->sel->mailbox->id;
	o = session_wait(x, x->account->part.staged);
	if (o != OK)
		return o;
	a->rows = arena_array(&x->work, n + 1, sizeof *a->rows);
	for (i = 0; i < n && add_row(a, &p[i]); i++)
		;
	if (i < n) {
		r->more = 1;
		r->next = i ? p[i - 1].uid : q->after; /* the first row always fits */
	}
	r->rows = a->rows;
	r->n_rows = a->n;
	return OK;
}

SUSPENDS void serve_fetch(void *ctx, struct ipc_call *c, const void *msg)
{
	const struct ipc_fetch *q = msg;
	struct ipc_fetch_reply r = { 0 };
	struct answer a = { .left = IPC_RECORD_MAX - IPC_FETCH_REPLY_FIXED - RECORD_SLACK };
	struct session x;
	enum outcome o;

	if (!session_enter_selected(&x, ctx, c, q->handle, q->sel))
		return;
	a.want = q->want & (WANT_INDEX | WANT_HEADER | WANT_BODY);
	a.account = x.account;
	a.uidls = q->want & WANT_UIDL ? &x.work : NULL;
	buf_init(&a.data, IPC_RECORD_MAX);
	if (a.want)
		die_unless(buf_room(&a.data, IPC_RECORD_MAX), "fetch: no room");
	o = fetch(&x, q, &a, &r);
	ipc_fetch_reply_send(c, o, &r);
	buf_fini(&a.data);
	session_leave(&x);
}

/* ---- read_body */

SUSPENDS enum outcome message_read(struct session *x, const struct mailbox *m, const struct ipc_read_body *q, struct buf *out)
{
	struct message_row row;
	struct parts parts;
	uint32_t at, mailbox = m->id;
	enum outcome o;
	size_t n = q->n < IPC_READ_BODY_BYTES_MAX ? q->n : IPC_READ_BODY_BYTES_MAX;

	if (!view_find(m->view, q->uid, &at))
		return NO_SUCH;
	row = view_row(m->view, at);
	o = session_wait(x, x->account->part.staged);
	if (o != OK)
		return o;
	if (q->at >= row.size)
		return OK;
	n = n < row.size - q->at ? n : row.size - q->at;
	o = NO_SUCH;
	if (parts_get(x->account, mailbox, q->uid, &parts))
		o = read_message(x->account, parts.prefix, row.blob, q->at, n, out);
	buf_fini(&parts.row);
	return o;
}

static SUSPENDS enum outcome read_body(struct session *x, const struct ipc_read_body *q, struct buf *out)
{
	return q->uid < x->sel->known ? message_read(x, x->sel->mailbox, q, out) : NO_SUCH;
}

SUSPENDS void serve_read_body(void *ctx, struct ipc_call *c, const void *msg)
{
	const struct ipc_read_body *q = msg;
	struct ipc_read_body_reply r = { 0 };
	struct session x;
	struct buf out;
	enum outcome o;

	if (!session_enter_selected(&x, ctx, c, q->handle, q->sel))
		return;
	buf_init(&out, IPC_READ_BODY_BYTES_MAX);
	o = read_body(&x, q, &out);
	r.bytes = buf_str(&out);
	ipc_read_body_reply_send(c, o, &r);
	buf_fini(&out);
	session_leave(&x);
}
