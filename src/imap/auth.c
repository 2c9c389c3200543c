/* imap/auth.c - STARTTLS, LOGIN, AUTHENTICATE (RFC 3501 6.2, RFC 4959); the mechanisms are net/sasl.c's
 * Trust       input is hostile. Who asks is judged by auth, behind door_login.
 * Owns        copies of the password, until the command's function returns: wiped.
 * Invariants  I1 no password is taken where door_may_login says no.
 *             I2 nothing that came before the handshake is taken after it (RFC 3501 6.2.1).
 */
#include "imap/imap.h"

#include "net/sasl.h"

#include <openssl/crypto.h>
#include <string.h>

#define RESPONSE_MAX 4096 /* a response in base64 */

SUSPENDS enum outcome imap_starttls(struct imap *im, struct cur *args)
{
	(void)args;
	if (!door_can_tls(im->d))
		return imap_fail(im, BAD_STATE, STR(""), STR("TLS is on already or not to be had here"));
	stream_drop_input(&im->d->stream); /* I2; what comes after the reply is the handshake */
	imap_reply(im, OK);
	im->replied = true;
	imap_out_flush(im);
	stream_flush(&im->d->stream);
	im->done = !door_start_tls(im->d);
	return OK;
}

static enum outcome permit_password(struct imap *im)
{
	if (door_may_login(im->d))
		return OK;
	return imap_fail(im, DENIED, STR("PRIVACYREQUIRED"), STR("Passwords are taken over TLS only"));
}

static void say_logged_in(struct imap *im)
{
	struct buf text;

	buf_init(&text, 1024);
	imap_add_capabilities(im, &text);
	im->code = arena_dup(&im->cmd, buf_str(&text));
	im->text = STR("Logged in");
	buf_fini(&text);
}

static SUSPENDS enum outcome log_in(struct imap *im, struct str user, struct str secret)
{
	enum outcome o = DENIED;

	if (user.n && user.n <= IPC_LOGIN_USER_MAX && secret.n && secret.n <= IPC_LOGIN_SECRET_MAX)
		o = door_login(im->d, user, secret);
	if (o == OK)
		say_logged_in(im);
	return o;
}

static void wipe(struct str s)
{
	if (s.n)
		OPENSSL_cleanse((char *)s.p, s.n); /* it stands in im->line or in the command's arena: ours */
}

SUSPENDS enum outcome imap_login(struct imap *im, struct cur *args)
{
	struct str user = imap_astring(args, &im->cmd), secret;
	enum outcome o;

	imap_need_sp(args);
	secret = imap_astring(args, &im->cmd);
	o = cur_done(args) ? permit_password(im) : BAD_SYNTAX;
	if (o == OK)
		o = log_in(im, user, secret);
	wipe(secret);
	return o;
}

static SUSPENDS enum outcome ask(void *ctx, struct str challenge, struct buf *line)
{
	struct imap *im = ctx;

	stream_printf(&im->d->stream, "+ %.*s\r\n", STR_ARG(challenge));
	switch (imap_read_line(im, RESPONSE_MAX)) {
	case IMAP_INPUT_COMMAND:
		buf_add(line, buf_str(&im->line));
		wipe(buf_str(&im->line));
		return OK;
	case IMAP_INPUT_GONE:
		im->done = true;
		return FAILED;
	default:
		return BAD_SYNTAX;
	}
}

static enum outcome explain(struct imap *im, enum outcome o)
{
	switch (o) {
	case OK:
		say_logged_in(im);
		return OK;
	case NO_SUCH:
		return imap_fail(im, DENIED, STR("CANNOT"), STR("The mechanism is not known here"));
	case BAD_STATE:
		return imap_fail(im, BAD_SYNTAX, STR(""), STR("Given up, as you asked"));
	case REVOKED:
	case FAILED:
		return BAD_SYNTAX;
	default:
		return o;
	}
}

SUSPENDS enum outcome imap_authenticate(struct imap *im, struct cur *args)
{
	struct sasl_wire w = { im, ask };
	struct str mechanism = imap_atom(args), initial = { 0 };
	bool has_initial = cur_try(args, ' ');
	enum outcome o;

	if (has_initial)
		initial = cur_bytes(args, cur_left(args));
	if (!cur_done(args) || (has_initial && initial.n == 0))
		return BAD_SYNTAX;
	o = permit_password(im);
	if (o != OK)
		return o;
	initial = arena_dup(&im->cmd, initial); /* the line is needed for the next response */
	mechanism = arena_dup(&im->cmd, mechanism);
	o = sasl_run(im->d, mechanism, has_initial ? &initial : NULL, &w);
	return explain(im, o);
}
