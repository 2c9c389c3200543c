/* pop/auth.c - AUTH (RFC 5034); the mechanisms are net/sasl.c's
 * Trust       the client's responses are hostile; only auth judges name and secret.
 * Suspends    reading responses, logging in.
 */
#include "pop/session.h"

#include "net/sasl.h"

#include <string.h>

SUSPENDS void pop_say_mechanisms(struct pop *p)
{
	struct buf list;

	buf_init(&list, 400);
	sasl_announce(p->d, " ", &list);
	stream_printf(&p->d->stream, "SASL%.*s\r\n", STR_ARG(buf_str(&list)));
	buf_fini(&list);
}

static SUSPENDS enum outcome ask(void *ctx, struct str challenge, struct buf *out)
{
	struct pop *p = ctx;
	struct stream *st = &p->d->stream;
	struct str line;

	stream_printf(st, "+ %.*s\r\n", STR_ARG(challenge));
	switch (stream_line(st, &line, p->d->conf->limits.smtp_auth_line_size_max)) { /* RFC 5034 4: longer than a command's */
	case LINE_OK:
		buf_add(out, line);
		explicit_bzero((char *)(uintptr_t)line.p, line.n); /* our own buffer; views of it are const by habit */
		return OK;
	case LINE_GONE:
		p->closing = true;
		return FAILED;
	default:
		return BAD_SYNTAX;
	}
}

static SUSPENDS void say(struct pop *p, enum outcome o)
{
	switch (o) {
	case OK:
		pop_enter(p);
		break;
	case NO_SUCH:
		pop_err(p, "The mechanism is not known here");
		break;
	case BAD_STATE:
		pop_err(p, "Given up, as you asked");
		break;
	case BAD_SYNTAX:
	case REVOKED:
		pop_err(p, "This is not what the mechanism says");
		break;
	default:
		pop_say_outcome(p, POP_STEP_LOGIN, o);
	}
}

SUSPENDS void pop_auth(struct pop *p, struct str args)
{
	struct sasl_wire w = { p, ask };
	ssize_t blank = str_find(args, ' ');
	struct str mechanism = blank < 0 ? args : str_sub(args, 0, (size_t)blank);
	struct str initial = blank < 0 ? (struct str){ 0 } : str_trim(str_from(args, (size_t)blank));
	enum outcome o;

	if (!door_may_login(p->d)) {
		pop_err(p, "Start TLS (STLS) before you log in");
		return;
	}
	o = sasl_run(p->d, mechanism, initial.n ? &initial : NULL, &w);
	if (!p->closing)
		say(p, o);
}
