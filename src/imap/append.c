/* imap/append.c - APPEND (RFC 3501 6.3.11, RFC 3502, RFC 3516 4.4, RFC 4315 3, RFC 6855 4, RFC 7888, RFC 7889)
 * Purpose     messages go from the stream into bodies, and from there to post when the last is in: all of them or none.
 * Trust       everything is hostile.
 * Owns        the bodies, counted against the edge's budget, until the calls to post return.
 * Suspends    while it reads, and in the calls.
 * Invariants  I1 what can be refused is refused before "+ ".
 *             I2 what came without being asked for is read to its end, or the session ends.
 */
#include "imap/imap.h"

#include "base/vec.h"

struct message {
	struct imap_append *x; /* in the command's arena */
	struct body_writer w;
};

struct appending {
	struct imap *im;
	struct str name;
	struct VEC(struct message) v;
	uint64_t size; /* of all messages so far */
	size_t room;   /* what is left of the command's lines */
};

/* Before the first byte: what can be said by this edge alone. */
static enum outcome check(const struct appending *a, const struct imap_append *x)
{
	const struct conf_limits *l = &a->im->d->conf->limits;
	uint64_t size = x->literal.size;

	if (size > l->message_size_max)
		return imap_fail(a->im, OVER_LIMIT, STR("TOOBIG"), STR("The message is larger than is taken here"));
	if (size == 0)
		return imap_fail(a->im, DENIED, STR("CANNOT"),
			a->v.n ? STR("Given up, as you asked; nothing was kept")
			       : STR("There is no message without a byte"));
	if (x->utf8 && !imap_names_utf8(a->im))
		return imap_fail(a->im, DENIED, STR("CANNOT"), STR("ENABLE UTF8=ACCEPT first"));
	if (x->flags.over)
		return imap_fail(a->im, OVER_LIMIT, STR("LIMIT"), STR("Too many keywords, or too long ones"));
	if (a->v.n == l->imap_append_messages_max || (a->v.n && a->size + size > l->imap_append_size_max))
		return imap_fail(a->im, OVER_LIMIT, STR("LIMIT"), STR("Too many messages in one command, or too large ones"));
	if (!body_budget_has(a->im->d->budget, size))
		return imap_fail(
			a->im, NO_ROOM, STR("LIMIT"), STR("Too many letters are on their way; try again later"));
	return OK;
}

/* And by store, while the client waits anyway. */
static SUSPENDS enum outcome ask_store(const struct appending *a, const struct imap_append *x)
{
	struct ipc_room_for m = { .handle = a->im->d->account.handle,
		.mailbox = a->name,
		.size = a->size + x->literal.size,
		.messages = (uint32_t)a->v.n + 1 };
	enum outcome o;

	o = x->literal.sync ? ipc_room_for(a->im->d->account.store, &m) : OK;
	return o == UNANSWERED ? TRY_LATER : o; /* nothing was asked for that could have been done */
}

/* All bytes of the message. */
static SUSPENDS enum outcome receive(struct appending *a, struct message *m)
{
	struct stream *s = &a->im->d->stream;
	uint64_t n = m->x->literal.size;
	bool has_nul = false;

	if (m->x->literal.sync)
		stream_write(s, STR("+ Go ahead\r\n"));
	while (n) {
		struct str in = str_sub(stream_peek(s), 0, n < SIZE_MAX ? (size_t)n : SIZE_MAX);

		if (in.n == 0)
			return BAD_SYNTAX;
		has_nul |= str_find(in, 0) >= 0;
		body_writer_add(&m->w, in);
		stream_take(s, in.n);
		n -= in.n;
		stream_deadline(s, a->im->d->conf->timeouts.imap_idle_ms);
	}
	if (!has_nul)
		return OK;
	return m->x->binary
		       ? imap_fail(a->im, DENIED, STR("UNKNOWN-CTE"), STR("A message that holds NUL cannot be kept"))
		       : imap_fail(a->im, DENIED, STR("CANNOT"), STR("A message holds no NUL"));
}

static struct message *message_new(struct appending *a, const struct imap_append *head)
{
	struct message *m = vec_push(&a->v);

	m->x = arena_new(&a->im->cmd, struct imap_append);
	*m->x = *head;
	for (size_t i = 0; i < head->flags.n_keywords; i++)
		m->x->flags.keywords[i] = arena_dup(&a->im->cmd, head->flags.keywords[i]);
	body_writer_open(&m->w, a->im->d->budget, a->im->d->conf->limits.message_size_max);
	a->size += head->literal.size;
	return m;
}

/* What follows a message: the head of another, or the command's end. */
static enum outcome behind(struct imap *im, struct imap_append *head, bool *more)
{
	enum imap_append_next next = imap_append_behind(buf_str(&im->line), head);

	*more = next == IMAP_APPEND_MORE;
	if (next != IMAP_APPEND_BAD)
		return OK;
	return imap_fail(im, BAD_SYNTAX, STR(""), STR("Behind a message comes the next, or the end of the line"));
}

/* One message and what follows it. *more: head is that of the next. */
static SUSPENDS enum outcome take(struct appending *a, struct imap_append *head, bool *more)
{
	struct imap *im = a->im;
	struct imap_literal next;
	enum imap_input input;
	bool announced;
	enum outcome o = check(a, head), parsed;

	if (o == OK)
		o = ask_store(a, head);
	if (o != OK) {
		im->done = !imap_drop(im, &head->literal);
		return o;
	}
	o = receive(a, message_new(a, head));
	input = imap_read_more(im, &a->room, &next, &announced);
	im->done = input == IMAP_INPUT_GONE;
	if (input != IMAP_INPUT_COMMAND)
		return BAD_SYNTAX;
	parsed = o == OK ? behind(im, head, more) : o;
	if (parsed != OK && announced)
		im->done = !imap_drop(im, &next);
	return parsed;
}

/* Nothing is kept before the last call. */
static SUSPENDS enum outcome hand_over(struct appending *a, struct ipc_append_reply *r)
{
	struct door *d = a->im->d;
	enum outcome o = OK;

	for (size_t i = 0; o == OK && i < a->v.n; i++) {
		const struct imap_append *x = a->v.v[i].x;
		struct ipc_append m = { .handle = d->account.handle,
			.mailbox = a->name,
			.flags = x->flags.bits,
			.keywords = x->flags.keywords,
			.n_keywords = x->flags.n_keywords,
			.date_s = x->has_date ? x->date_s : sched_wall_us(d->sched) / 1000000,
			.part = (uint32_t)i,
			.more = i + 1 < a->v.n };

		o = body_writer_seal(&a->v.v[i].w, &m.body);
		if (o == OK)
			o = ipc_append(d->post, &m, r, &a->im->work);
		if (o == UNANSWERED && m.more)
			o = TRY_LATER;
	}
	if (o != OK && a->v.n > 1 && d->account.store->peer)
		ipc_append_drop_cast(d->account.store->peer, &(struct ipc_append_drop){ .handle = d->account.handle });
	return o;
}

static SUSPENDS enum outcome put(struct appending *a)
{
	struct ipc_append_reply r = { 0 };
	enum outcome o = hand_over(a, &r);
	struct imap *im = a->im;
	struct str code;

	if (o != OK)
		return o;
	im->news = im->box.open && r.uidvalidity == im->box.uidvalidity;
	code = a->v.n == 1 ? arena_fmt(&im->cmd, "APPENDUID %u %u", r.uidvalidity, r.uid)
			   : arena_fmt(&im->cmd, "APPENDUID %u %u:%u", r.uidvalidity, r.uid,
				     r.uid + (uint32_t)a->v.n - 1);
	return imap_fail(im, OK, code, STR("Kept"));
}

/* The line was gathered up to the first message's literal; when its grammar went wrong before, as any line. */
SUSPENDS enum outcome imap_append(struct imap *im, struct cur *args)
{
	struct imap_append *head = arena_new(&im->cmd, struct imap_append);
	struct appending a = { .im = im, .room = im->d->conf->limits.imap_line_size_max };
	bool more = true;
	enum outcome o;

	if (!imap_append_parse(cur_rest(args), &im->cmd, head))
		return BAD_SYNTAX;
	a.room -= im->line.n < a.room ? im->line.n : a.room;
	o = imap_mailbox_name(im, head->mailbox, &a.name);
	if (o != OK)
		im->done = !imap_drop(im, &head->literal);
	while (o == OK && more)
		o = take(&a, head, &more);
	if (o == OK)
		o = put(&a);
	for (size_t i = 0; i < a.v.n; i++)
		body_writer_close(&a.v.v[i].w);
	vec_free(&a.v);
	return o;
}
