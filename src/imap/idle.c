/* imap/idle.c - IDLE (RFC 2177)
 * Purpose     wait, without work or memory, until the mailbox has news or the client has enough.
 * Suspends    in stream_wait; afterwards the box may have news.
 * Invariants  I1 nothing is told before "+ ".
 */
#include "imap/imap.h"

#define DONE_MAX 64 /* "DONE" and what may stand in its place by mistake */

static SUSPENDS enum outcome report(struct imap *im)
{
	enum outcome o = imap_sync(im, true);

	if (o == TRY_LATER || o == UNANSWERED) {
		im->d->account.changed = false;
		im->box.owed = true; /* with the next change, or the next command */
		o = OK;
	}
	imap_out_flush(im);
	arena_fini(&im->work);
	buf_fini(&im->out);
	return o;
}

/* Until there is nothing to say: more may come while it is said. False: idling is over, and the session with it if im->bye says so. */
static SUSPENDS bool tell(struct imap *im, enum outcome *o)
{
	const struct door *d = im->d;

	do {
		if (*d->stopping)
			im->bye = "[UNAVAILABLE] The server is stopping; come back soon";
		if (d->account.revoked)
			*o = REVOKED;
		if (!im->bye && *o == OK && im->box.open && (d->account.changed || im->box.owed))
			*o = report(im);
		if (*o == REVOKED)
			im->bye = "[UNAVAILABLE] The login has ended; log in again";
		else if (*o == NO_SUCH)
			im->bye = "The selected mailbox was deleted";
		if (im->bye || *o != OK)
			return false;
	} while ((im->box.open && d->account.changed) || *d->stopping || d->account.revoked);
	return true;
}

static SUSPENDS enum outcome finish(struct imap *im)
{
	if (imap_read_line(im, DONE_MAX) == IMAP_INPUT_COMMAND && str_ieq(buf_str(&im->line), STR("DONE")))
		return OK;
	return imap_fail(im, BAD_SYNTAX, STR(""), STR("Only DONE ends IDLE"));
}

SUSPENDS enum outcome imap_idle(struct imap *im, struct cur *args)
{
	struct stream *s = &im->d->stream;
	int64_t until_ms = sched_now_ms(im->d->sched) + im->d->conf->timeouts.imap_idle_ms;
	enum outcome o = OK;

	(void)args;
	stream_write(s, STR("+ Idling\r\n"));
	imap_line_forget(im);
	stream_deadline(s, NEVER_MS);
	while (tell(im, &o)) {
		enum stream_event ev;

		task_trim(im->d->sched);
		ev = stream_wait(s, &im->d->account.news, until_ms);
		if (ev == STREAM_EV_DEADLINE)
			im->bye = "Nothing was said for too long";
		if (ev == STREAM_EV_INPUT) {
			stream_deadline(s, im->d->conf->timeouts.imap_idle_ms);
			return finish(im);
		}
	}
	im->replied = im->bye != NULL; /* BYE is all there is to say */
	return o;
}
