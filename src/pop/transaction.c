/* pop/transaction.c - the verbs of the TRANSACTION state (RFC 1939 5, 7)
 * Trust       input is hostile.
 * Suspends    reading messages, flushing.
 * Invariants  I1 a message marked deleted is not shown, counted or sent until RSET.
 *             I2 an answer that has begun is finished or the stream is ended: a client never takes half of one for all.
 */
#include "pop/session.h"

#include "pop/text.h"

/* A message number that may be used; NULL after the refusal has been said. */
static SUSPENDS struct pop_message *need_message(struct pop *p, struct str number)
{
	uint32_t n;

	if (!str_to_u32(number, &n) || n == 0)
		pop_err(p, "A message number is needed");
	else if (n > p->drop.n)
		pop_err(p, "No such message");
	else if (p->drop.v[n - 1].deleted)
		pop_err(p, "The message is deleted");
	else
		return &p->drop.v[n - 1];
	return NULL;
}

SUSPENDS void pop_stat(struct pop *p, struct str args)
{
	(void)args;
	stream_printf(&p->d->stream, "+OK %zu %llu\r\n", p->drop.n - p->drop.n_deleted, (unsigned long long)pop_drop_octets(&p->drop));
}

/* ---- listings */

SUSPENDS void pop_list(struct pop *p, struct str args)
{
	struct stream *st = &p->d->stream;
	struct pop_message *m;

	if (args.n) {
		m = need_message(p, args);
		if (m)
			stream_printf(st, "+OK %zu %u\r\n", (size_t)(m - p->drop.v) + 1, m->size);
		return;
	}
	pop_ok(p, "%zu messages", p->drop.n - p->drop.n_deleted);
	for (size_t i = 0; i < p->drop.n && stream_ok(st); i++)
		if (!p->drop.v[i].deleted)
			stream_printf(st, "%zu %u\r\n", i + 1, p->drop.v[i].size);
	stream_write(st, STR(".\r\n"));
}

static SUSPENDS enum outcome ask_uidls(struct pop *p, size_t from, uint32_t n, struct ipc_maildrop_list_reply *r)
{
	struct ipc_maildrop_list m = { .handle = p->d->account.handle, .from = (uint32_t)from, .n_max = n, .want_uidl = 1 };
	enum outcome o;

	arena_reset(&p->command);
	o = ipc_maildrop_list(p->d->account.store, &m, r, &p->command);
	return o == OK && r->n_rows == 0 ? FAILED : o;
}

static SUSPENDS void uidl_of(struct pop *p, size_t i)
{
	struct ipc_maildrop_list_reply r;
	enum outcome o = ask_uidls(p, i, 1, &r);

	if (o == OK)
		stream_printf(&p->d->stream, "+OK %zu %.*s\r\n", i + 1, STR_ARG(r.rows[0].uidl));
	else
		pop_say_outcome(p, POP_STEP_READ, o);
}

static SUSPENDS void uidl_rows(struct pop *p, size_t from, const struct ipc_maildrop_list_reply *r)
{
	for (size_t i = 0; i < r->n_rows && from + i < p->drop.n; i++)
		if (!p->drop.v[from + i].deleted)
			stream_printf(&p->d->stream, "%zu %.*s\r\n", from + i + 1, STR_ARG(r->rows[i].uidl));
}

/* I2. */
static SUSPENDS void uidl_all(struct pop *p)
{
	struct stream *st = &p->d->stream;

	for (size_t from = 0; from < p->drop.n && stream_ok(st);) {
		struct ipc_maildrop_list_reply r;
		enum outcome o = ask_uidls(p, from, UINT32_MAX, &r);

		if (o != OK && from == 0) {
			pop_say_outcome(p, POP_STEP_READ, o);
			return;
		}
		if (o != OK) {
			stream_fail(st, STREAM_RESET);
			return;
		}
		if (from == 0)
			pop_ok(p, "%zu messages", p->drop.n - p->drop.n_deleted);
		uidl_rows(p, from, &r);
		from += r.n_rows;
	}
	if (p->drop.n == 0)
		pop_ok(p, "%zu messages", p->drop.n);
	stream_write(st, STR(".\r\n"));
}

SUSPENDS void pop_uidl(struct pop *p, struct str args)
{
	const struct pop_message *m = args.n ? need_message(p, args) : NULL;

	if (m)
		uidl_of(p, (size_t)(m - p->drop.v));
	else if (!args.n)
		uidl_all(p);
}

/* ---- messages */

static SUSPENDS void write_piece(void *ctx, struct str piece)
{
	stream_write(ctx, piece);
}

struct sending {
	struct pop *p;
	size_t i;
	uint32_t at; /* read so far */
	struct arena arena; /* of one piece */
};

static SUSPENDS void send_text(struct sending *x, uint32_t lines, struct str bytes)
{
	struct stream *st = &x->p->d->stream;
	struct pop_text text;

	pop_text_init(&text, lines);
	for (;;) {
		stream_deadline(st, x->p->d->conf->timeouts.pop_ms);
		pop_text_feed(&text, bytes, write_piece, st);
		if (text.cut || x->at >= x->p->drop.v[x->i].size || !stream_ok(st))
			break;
		if (pop_drop_read(&x->p->drop, x->i, &x->at, &x->arena, &bytes) != OK || bytes.n == 0) {
			stream_fail(st, STREAM_RESET); /* I2 */
			return;
		}
	}
	stream_write(st, pop_text_end(&text));
}

/* lines as in pop/text.h. */
static SUSPENDS void send_message(struct pop *p, const struct pop_message *m, uint32_t lines)
{
	struct sending x = { .p = p, .i = (size_t)(m - p->drop.v) };
	struct str bytes;
	enum outcome o;

	arena_init(&x.arena, "pop message", IPC_REPLY_MEMORY);
	o = pop_drop_read(&p->drop, x.i, &x.at, &x.arena, &bytes);
	if (o == OK) {
		pop_ok(p, "%u octets", m->size);
		send_text(&x, lines, bytes);
		p->n_retrieved++;
	} else {
		pop_say_outcome(p, POP_STEP_READ, o);
	}
	arena_fini(&x.arena);
}

SUSPENDS void pop_retr(struct pop *p, struct str args)
{
	const struct pop_message *m = need_message(p, args);

	if (m)
		send_message(p, m, UINT32_MAX);
}

SUSPENDS void pop_top(struct pop *p, struct str args)
{
	struct str number = { 0 };
	const struct pop_message *m;
	uint32_t lines;

	str_split(&args, ' ', &number);
	if (!str_to_u32(str_trim(args), &lines)) {
		pop_err(p, "A message number and a number of lines are needed");
		return;
	}
	m = need_message(p, number);
	if (m)
		send_message(p, m, lines < UINT32_MAX ? lines : UINT32_MAX - 1);
}

SUSPENDS void pop_dele(struct pop *p, struct str args)
{
	struct pop_message *m = need_message(p, args);

	if (!m)
		return;
	pop_drop_mark(&p->drop, (size_t)(m - p->drop.v));
	pop_ok(p, "Deleted when you quit");
}

SUSPENDS void pop_rset(struct pop *p, struct str args)
{
	(void)args;
	pop_drop_unmark_all(&p->drop);
	pop_ok(p, "%zu messages", p->drop.n);
}
