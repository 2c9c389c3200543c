/* pipe/sent.c - the sender's own copy of what was submitted, when the account wants one
 * Purpose     the letter as the sender wrote it, Bcc and all, with the Date and Message-ID that it got, under Sent.
 * Owns        the body writer of a copy that differs from the letter.
 * Suspends    in calls to scan and store, between slices of a large letter.
 * Invariants  I1 the letter is accepted and durable when this begins, and the client hears of that only when this has ended: after 250 both are
 *             there. I2 the letter is not refused for its copy's sake: what goes wrong is logged.
 *             I3 a copy is asked for under an id of its own, which the account remembers; asking again does no harm.
 */
#include "pipe/letter.h"

#define SLICE ((size_t)1 << 20)

static SUSPENDS void add_slices(struct pipe_letter *l, struct body_writer *w, struct str bytes)
{
	for (; bytes.n > SLICE; bytes = str_from(bytes, SLICE)) {
		body_writer_add(w, str_sub(bytes, 0, SLICE));
		task_yield(l->post->sched);
	}
	body_writer_add(w, bytes);
}

/* The letter with what was taken from it for the others. */
static SUSPENDS enum outcome whole(struct pipe_letter *l, struct body_writer *w, struct body *body, struct str *index)
{
	struct body_map map;
	enum outcome o = body_map(&l->m->body, &map);

	if (o != OK)
		return o;
	body_writer_add(w, l->added);
	add_slices(l, w, map.bytes);
	body_unmap(&map);
	o = body_writer_seal(w, body);
	return o == OK ? post_index(l->post, body, l->a, index) : o;
}

static SUSPENDS enum outcome file_copy(struct pipe_letter *l, const struct body *body, struct str index)
{
	struct ipc_sent_copy m = { .account = l->sender, .delivery = arena_fmt(l->a, "%.*s.sent", STR_ARG(l->m->trace)), .date_s = l->date_s,
		.index = index, .body = *body };
	struct ipc_sent_copy_reply r;
	struct link *store = post_store_of_account(l->post, l->sender);
	enum outcome o = ipc_sent_copy(store, &m, &r, NULL);

	if (o == TRY_LATER || o == UNANSWERED) /* I3 */
		o = ipc_sent_copy(store, &m, &r, NULL);
	return o;
}

SUSPENDS enum outcome pipe_sent(struct pipe_letter *l)
{
	struct body body = l->body;
	struct str index = l->index;
	struct body_writer w;
	enum outcome o = OK;

	if (!l->sender)
		return OK;
	body_writer_open(&w, &l->post->budget, l->m->body.size + l->added.n);
	if (l->had_bcc)
		o = whole(l, &w, &body, &index);
	if (o == OK)
		o = file_copy(l, &body, index);
	body_writer_close(&w);
	if (o != OK) /* I2 */
		log_fields(l->post->log, LOG_LEVEL_WARNING, "sent-copy-failed", LOG_S("trace", l->m->trace), LOG_S("login", l->m->login),
			LOG_S("outcome", str_z(outcome_name(o))));
	return OK;
}
