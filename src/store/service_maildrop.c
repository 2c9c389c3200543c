/* store/service_maildrop.c - a POP session's maildrop: opened, listed, read, deleted from, closed.
 * Trust       numbers come from an edge: each is checked against the list.
 * Suspends    as maildrop.c does, and while bytes wait for what was staged.
 */
#include "store/maildrop.h"

#include "store/uidl.h"

/* ---- open, close */

SUSPENDS void serve_maildrop_open(void *ctx, struct ipc_call *c, const void *msg)
{
	const struct ipc_maildrop_open *q = msg;
	struct ipc_maildrop_open_reply r = { 0 };
	struct session x;
	enum outcome o;

	if (!session_enter(&x, ctx, c, q->handle))
		return;
	o = maildrop_open(&x, q->folder, q->login);
	for (size_t i = 0; o == OK && i < x.handle->drop->messages.n; i++)
		r.size += x.handle->drop->messages.v[i].size;
	r.messages = o == OK ? (uint32_t)x.handle->drop->messages.n : 0;
	ipc_maildrop_open_reply_send(c, o, &r);
	session_leave(&x);
}

/* The request goes on to need an open maildrop. False: answered already. */
static bool enter(struct session *x, struct store *s, struct ipc_call *c, uint64_t handle)
{
	if (!session_enter(x, s, c, handle))
		return false;
	if (x->handle->drop && !x->handle->drop->busy)
		return true;
	call_reply(c, BAD_STATE, NULL);
	session_leave(x);
	return false;
}

void serve_maildrop_close(void *ctx, struct ipc_call *c, const void *msg)
{
	const struct ipc_maildrop_close *q = msg;
	struct session x;

	if (!enter(&x, ctx, c, q->handle))
		return;
	maildrop_free(x.handle->drop);
	x.handle->drop = NULL;
	ipc_maildrop_close_reply_send(c, OK);
	session_leave(&x);
}

/* ---- list */

static void fill_list(struct session *x, const struct ipc_maildrop_list *q, struct ipc_maildrop_list_reply *r)
{
	const struct maildrop *d = x->handle->drop;
	size_t room = IPC_RECORD_MAX - IPC_MAILDROP_LIST_REPLY_FIXED, at = q->from;
	size_t max = q->n_max < IPC_MAILDROP_LIST_ROWS_MAX ? q->n_max : IPC_MAILDROP_LIST_ROWS_MAX;
	struct ipc_drop_row *rows = arena_array(&x->work, max + 1, sizeof *rows);
	struct buf uidl;

	buf_init(&uidl, UIDL_SIZE_MAX);
	for (; at < d->messages.n && r->n_rows < max; at++) {
		const struct drop_message *m = &d->messages.v[at];

		buf_reset(&uidl);
		if (q->want_uidl)
			uidl_add(x->account, m->email, !m->own_uidl, &uidl);
		if (room < IPC_DROP_ROW_FIXED + uidl.n)
			break;
		room -= IPC_DROP_ROW_FIXED + uidl.n;
		rows[r->n_rows++] = (struct ipc_drop_row){ .size = m->size, .uidl = arena_dup(&x->work, buf_str(&uidl)) };
	}
	buf_fini(&uidl);
	r->rows = rows;
	r->more = at < d->messages.n;
}

void serve_maildrop_list(void *ctx, struct ipc_call *c, const void *msg)
{
	const struct ipc_maildrop_list *q = msg;
	struct ipc_maildrop_list_reply r = { 0 };
	struct session x;

	if (!enter(&x, ctx, c, q->handle))
		return;
	fill_list(&x, q, &r);
	ipc_maildrop_list_reply_send(c, OK, &r);
	session_leave(&x);
}

/* ---- read */

static SUSPENDS enum outcome read_message_at(struct session *x, const struct ipc_maildrop_read *q, struct buf *out)
{
	const struct maildrop *d = x->handle->drop;
	struct ipc_read_body where = { .at = q->at, .n = q->n };
	const struct drop_message *m;
	const struct mailbox *from;
	uint32_t at;

	if (q->number >= d->messages.n)
		return NO_SUCH;
	m = &d->messages.v[q->number];
	from = d->folders.v[m->folder];
	where.uid = m->uid;
	if (from->gone || !view_find(from->view, m->uid, &at) || from->view->flags[at] & VIEW_DEAD)
		return NO_SUCH; /* another session deleted it */
	return message_read(x, from, &where, out);
}

SUSPENDS void serve_maildrop_read(void *ctx, struct ipc_call *c, const void *msg)
{
	const struct ipc_maildrop_read *q = msg;
	struct ipc_maildrop_read_reply r = { 0 };
	struct session x;
	struct buf out;
	enum outcome o;

	if (!enter(&x, ctx, c, q->handle))
		return;
	buf_init(&out, IPC_MAILDROP_READ_BYTES_MAX);
	o = read_message_at(&x, q, &out);
	r.bytes = buf_str(&out);
	ipc_maildrop_read_reply_send(c, o, &r);
	buf_fini(&out);
	session_leave(&x);
}

/* ---- delete */

/* The indexes of ascending ranges; BAD_SYNTAX: they do not ascend, or name what is not there. */
static enum outcome indexes_of(struct session *x, const struct ipc_maildrop_remove *q, uint32_t **at, size_t *n)
{
	size_t total = x->handle->drop->messages.n, next = 0;

	*at = arena_array(&x->work, total + 1, sizeof **at);
	*n = 0;
	for (size_t i = 0; i < q->n_numbers; i++) {
		if (q->numbers[i].lo < next || q->numbers[i].hi < q->numbers[i].lo || q->numbers[i].hi >= total)
			return BAD_SYNTAX;
		for (next = q->numbers[i].lo; next <= q->numbers[i].hi; next++)
			(*at)[(*n)++] = (uint32_t)next;
	}
	return OK;
}

SUSPENDS void serve_maildrop_remove(void *ctx, struct ipc_call *c, const void *msg)
{
	const struct ipc_maildrop_remove *q = msg;
	struct session x;
	uint32_t *at;
	enum outcome o;
	size_t n;

	if (!enter(&x, ctx, c, q->handle))
		return;
	o = indexes_of(&x, q, &at, &n);
	if (o == OK) {
		x.handle->drop->busy = true;
		o = maildrop_remove(&x, at, n);
		if (session_again(&x))
			x.handle->drop->busy = false;
	}
	ipc_maildrop_remove_reply_send(c, o);
	session_leave(&x);
}
