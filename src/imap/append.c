/* imap/append.c - APPEND (RFC 3501 6.3.11, RFC 4315 3, RFC 7888, RFC 7889)
 * Purpose     the message goes from the stream into a body and from there to post, as any letter.
 * Trust       everything is hostile.
 * Owns        the body, counted against the edge's budget, until the call to post returns.
 * Suspends    while it reads, and in the call.
 * Invariants  I1 what can be refused is refused before "+ ".
 *             I2 a message that came without being asked for is read to its end, or the session ends.
 */
#include "imap/imap.h"

static enum outcome too_big(struct imap *im)
{
	return imap_fail(im, OVER_LIMIT, STR("TOOBIG"), STR("The message is larger than is taken here"));
}

/* Before the first byte. */
static enum outcome acceptable(struct imap *im, const struct imap_append *x)
{
	if (x->literal.size > im->d->conf->limits.message_size_max)
		return too_big(im);
	if (x->literal.size == 0)
		return imap_fail(im, DENIED, STR("CANNOT"), STR("There is no message without a byte"));
	if (x->flags.over)
		return imap_fail(im, OVER_LIMIT, STR("LIMIT"), STR("Too many keywords, or too long ones"));
	if (!body_budget_has(im->d->budget, x->literal.size))
		return imap_fail(
			im, OVER_LIMIT, STR("LIMIT"), STR("Too many letters are on their way; try again later"));
	return OK;
}

/* All bytes of the message and the end of the command's line. */
static SUSPENDS enum outcome receive(struct imap *im, uint64_t n, struct body_writer *w)
{
	struct stream *s = &im->d->stream;
	bool has_nul = false;

	while (n) {
		struct str in = str_sub(stream_peek(s), 0, n < SIZE_MAX ? (size_t)n : SIZE_MAX);

		if (in.n == 0)
			return BAD_SYNTAX;
		has_nul |= str_find(in, 0) >= 0;
		body_writer_add(w, in);
		stream_take(s, in.n);
		n -= in.n;
		stream_deadline(s, im->d->conf->timeouts.imap_idle_ms);
	}
	if (imap_read_line(im, im->d->conf->limits.imap_line_size_max) != IMAP_INPUT_COMMAND || im->line.n)
		return imap_fail(im, BAD_SYNTAX, STR(""), STR("One message a command, and nothing behind it"));
	if (has_nul)
		return imap_fail(im, DENIED, STR("CANNOT"), STR("A message holds no NUL"));
	return OK;
}

static SUSPENDS enum outcome hand_over(struct imap *im, struct ipc_append *m, struct body_writer *w)
{
	struct ipc_append_reply r = { 0 };
	enum outcome o = body_writer_seal(w, &m->body);

	if (o == OK)
		o = ipc_append(im->d->post, m, &r, &im->work);
	if (o != OK)
		return o;
	im->news = im->box.open && r.uidvalidity == im->box.uidvalidity;
	imap_fail(im, OK, arena_fmt(&im->cmd, "APPENDUID %u %u", r.uidvalidity, r.uid), STR("Kept"));
	return OK;
}

static SUSPENDS enum outcome take(struct imap *im, struct imap_append *x, struct str name)
{
	struct ipc_append m = { .handle = im->d->account.handle,
		.mailbox = name,
		.flags = x->flags.bits,
		.keywords = x->flags.keywords,
		.n_keywords = x->flags.n_keywords };
	struct body_writer w;
	enum outcome o;

	m.date_s = x->has_date ? x->date_s : sched_wall_us(im->d->sched) / 1000000;
	if (x->literal.sync)
		stream_write(&im->d->stream, STR("+ Go ahead\r\n"));
	body_writer_open(&w, im->d->budget, im->d->conf->limits.message_size_max);
	o = receive(im, x->literal.size, &w);
	if (o == OK)
		o = hand_over(im, &m, &w);
	body_writer_close(&w);
	return o;
}

SUSPENDS void imap_append_drop(struct imap *im)
{
	const struct imap_literal *l = &im->append_literal;

	if (l->sync)
		return;
	if (l->size > im->d->conf->limits.message_size_max * 2)
		im->bye = "[TOOBIG] Much more was sent than is taken here";
	else if (imap_swallow(im, l->size))
		(void)imap_read_line(im, im->d->conf->limits.imap_line_size_max);
}

/* The line was gathered up to the message's literal; when its grammar went wrong before, as any line. */
SUSPENDS enum outcome imap_append(struct imap *im, struct cur *args)
{
	struct imap_append *x = arena_new(&im->cmd, struct imap_append);
	struct str name, rest = arena_dup(&im->cmd, cur_rest(args)); /* the line's end is read into the line's place */
	enum outcome o;

	if (!imap_append_parse(rest, &im->cmd, x))
		return BAD_SYNTAX;
	o = imap_mailbox_name(im, x->mailbox, &name);
	if (o == OK)
		o = acceptable(im, x);
	if (o == OK)
		return take(im, x, name);
	imap_append_drop(im);
	return o;
}
