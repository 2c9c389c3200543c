/* imap/auth.c - STARTTLS, LOGIN, AUTHENTICATE PLAIN (RFC 3501 6.2, RFC 4616, RFC 4959)
 * Trust       input is hostile. Who asks is judged by auth, behind door_login.
 * Owns        copies of the password, until the command's function returns: wiped.
 * Invariants  I1 no password is taken where door_may_login says no.
 *             I2 nothing that came before the handshake is taken after it (RFC 3501 6.2.1).
 */
#include "imap/imap.h"

#include "mail/base64.h"

#include <openssl/crypto.h>
#include <string.h>

#define RESPONSE_MAX 4096 /* base64 of two names and a password */

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

static SUSPENDS enum outcome log_in(struct imap *im, struct str user, struct str secret)
{
	enum outcome o = DENIED;
	struct buf text;

	if (user.n && user.n <= IPC_LOGIN_USER_MAX && secret.n && secret.n <= IPC_LOGIN_SECRET_MAX)
		o = door_login(im->d, user, secret);
	if (o != OK)
		return o;
	buf_init(&text, 1024);
	imap_add_capabilities(im, &text);
	im->code = arena_dup(&im->cmd, buf_str(&text));
	im->text = STR("Logged in");
	buf_fini(&text);
	return OK;
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

/* message = [authzid] NUL authcid NUL passwd (RFC 4616 2) */
static SUSPENDS enum outcome plain(struct imap *im, struct str message)
{
	struct str as = { 0 }, user, secret = message;

	str_split(&secret, 0, &as);
	if (!str_split(&secret, 0, &user) || !secret.p || str_find(secret, 0) >= 0)
		return BAD_SYNTAX;
	if (as.n && !str_eq(as, user))
		return imap_fail(im, DENIED, STR("AUTHORIZATIONFAILED"), STR("Nobody acts for somebody else here"));
	return log_in(im, user, secret);
}

static SUSPENDS enum outcome plain_base64(struct imap *im, struct str text)
{
	struct buf message;
	enum outcome o = BAD_SYNTAX;

	buf_init(&message, RESPONSE_MAX);
	buf_room(&message, RESPONSE_MAX); /* once: no copy of the secret is left behind */
	if (str_eq(text, STR("*")))
		o = imap_fail(im, BAD_SYNTAX, STR(""), STR("Given up, as you asked"));
	else if (mail_base64_decode(str_eq(text, STR("=")) ? STR("") : text, &message))
		o = plain(im, buf_str(&message));
	OPENSSL_cleanse(message.p, message.cap);
	buf_fini(&message);
	return o;
}

/* The server's challenge is empty; the answer is a line of its own. */
static SUSPENDS enum outcome ask(struct imap *im)
{
	stream_write(&im->d->stream, STR("+ \r\n"));
	switch (imap_read_line(im, RESPONSE_MAX)) {
	case IMAP_INPUT_COMMAND:
		return plain_base64(im, buf_str(&im->line));
	case IMAP_INPUT_GONE:
		im->done = true; /* fall through */
	default:
		return BAD_SYNTAX;
	}
}

SUSPENDS enum outcome imap_authenticate(struct imap *im, struct cur *args)
{
	struct str mechanism = imap_atom(args), initial = { 0 };
	bool has_initial = cur_try(args, ' ');
	enum outcome o;

	if (has_initial)
		initial = cur_bytes(args, cur_left(args));
	if (!cur_done(args) || (has_initial && initial.n == 0))
		return BAD_SYNTAX;
	if (!str_ieq(mechanism, STR("PLAIN")))
		return imap_fail(im, DENIED, STR("CANNOT"), STR("The mechanism is not known here"));
	o = permit_password(im);
	if (o != OK)
		return o;
	return has_initial ? plain_base64(im, initial) : ask(im);
}
