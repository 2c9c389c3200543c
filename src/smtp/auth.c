/* smtp/auth.c - AUTH (RFC 4954); the mechanisms are net/sasl.c's
 * Trust       the client's responses are hostile; only auth judges name and secret.
 * Suspends    reading responses, logging in.
 * Invariants  I1 no secret is read on a connection where door_may_login is false.
 *             I2 a wrong name and a wrong secret get the same reply.
 */
#include "smtp/session.h"

#include "net/sasl.h"

#include <string.h>

enum smtp_reply smtp_auth_check(struct smtp *s)
{
	if (!smtp_is_submission(s))
		return SMTP_AUTH_NOT_HERE;
	if (s->d->account.handle)
		return SMTP_AUTH_ALREADY;
	if (!s->esmtp)
		return SMTP_SAY_HELO;
	return door_may_login(s->d) ? SMTP_FINE : SMTP_AUTH_NEEDS_TLS;
}

static void wipe(struct str s)
{
	explicit_bzero((char *)(uintptr_t)s.p, s.n); /* our own buffers; views of them are const by habit */
}

struct asking {
	struct smtp *s;
	enum smtp_reply why; /* of a line that could not be taken */
};

static SUSPENDS enum outcome ask(void *ctx, struct str challenge, struct buf *out)
{
	struct asking *a = ctx;
	struct stream *st = &a->s->d->stream;
	struct str line;

	stream_printf(st, "334 %.*s\r\n", STR_ARG(challenge));
	switch (stream_line(st, &line, a->s->d->conf->limits.smtp_auth_line_size_max)) {
	case LINE_OK:
		buf_add(out, line);
		wipe(line);
		return OK;
	case LINE_BARE:
		a->why = SMTP_LINE_BARE;
		return BAD_SYNTAX;
	case LINE_TOO_LONG:
		return BAD_SYNTAX;
	case LINE_GONE:
		break;
	}
	a->s->closing = true;
	return FAILED;
}

static enum smtp_reply reply_of(enum outcome o, enum smtp_reply why)
{
	switch (o) {
	case NO_SUCH:
		return SMTP_AUTH_UNKNOWN;
	case BAD_STATE:
		return SMTP_AUTH_CANCELLED;
	case REVOKED:
		return why;
	default:
		return smtp_reply_of(SMTP_STEP_LOGIN, o);
	}
}

SUSPENDS void smtp_auth_run(struct smtp *s, struct str args)
{
	struct asking a = { s, SMTP_AUTH_LINE_LONG };
	struct sasl_wire w = { &a, ask };
	struct str mechanism = args, initial = { 0 };
	ssize_t blank = str_find(args, ' ');
	enum outcome o;

	if (blank > 0) {
		mechanism = str_sub(args, 0, (size_t)blank);
		initial = str_trim(str_from(args, (size_t)blank));
	}
	o = sasl_run(s->d, mechanism, initial.n ? &initial : NULL, &w);
	if (!s->closing)
		smtp_say(s, reply_of(o, a.why));
}
