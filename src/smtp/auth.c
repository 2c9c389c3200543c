/* smtp/auth.c - AUTH PLAIN and LOGIN (RFC 4954, 4616, draft-murchison-sasl-login)
 * Trust       the client's responses are hostile; only auth judges name and password.
 * Owns        the decoded response, wiped before it is freed.
 * Suspends    reading responses, in door_login.
 * Invariants  I1 no password is read on a connection where door_may_login is false.
 *             I2 a wrong name and a wrong password get the same reply.
 */
#include "smtp/session.h"

#include "mail/base64.h"

#include <string.h>

#define RESPONSE_MAX 1600 /* decoded: two names of 320, a password of 1024, more cannot be right */

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

static void wipe_buf(struct buf *b)
{
	if (b->p)
		explicit_bzero(b->p, b->cap);
	buf_fini(b);
}

/* Base64, or "=" for an empty response (RFC 4954 4). */
static enum smtp_reply decode(struct str text, struct buf *out)
{
	if (str_eq(text, STR("*")))
		return SMTP_AUTH_CANCELLED;
	if (str_eq(text, STR("=")) || text.n == 0)
		return SMTP_FINE;
	return mail_base64_decode(text, out) ? SMTP_FINE : SMTP_BAD_BASE64;
}

/* Asks with the (encoded) challenge and adds the decoded answer to out. SMTP_FINE, or what to say; closing: say nothing. */
static SUSPENDS enum smtp_reply ask(struct smtp *s, struct str challenge, struct buf *out)
{
	struct stream *st = &s->d->stream;
	struct str line;
	enum smtp_reply r = SMTP_AUTH_LINE_LONG;

	stream_printf(st, "334 %.*s\r\n", STR_ARG(challenge));
	switch (stream_line(st, &line, s->d->conf->limits.smtp_auth_line_size_max)) {
	case LINE_OK:
		r = decode(line, out);
		wipe(line);
		break;
	case LINE_BARE:
		r = SMTP_LINE_BARE;
		break;
	case LINE_GONE:
		s->closing = true;
		break;
	case LINE_TOO_LONG:
		break;
	}
	return r;
}

/* RFC 4616: [authzid] NUL authcid NUL passwd; to act for somebody else is not offered. */
static bool plain_cut(struct str message, struct str *user, struct str *secret)
{
	struct str authzid;
	ssize_t a = str_find(message, 0), b;

	if (a < 0)
		return false;
	authzid = str_sub(message, 0, (size_t)a);
	message = str_from(message, (size_t)a + 1);
	b = str_find(message, 0);
	if (b <= 0)
		return false;
	*user = str_sub(message, 0, (size_t)b);
	*secret = str_from(message, (size_t)b + 1);
	return secret->n && str_find(*secret, 0) < 0 && (authzid.n == 0 || str_eq(authzid, *user));
}

static SUSPENDS enum smtp_reply login(struct smtp *s, struct str user, struct str secret)
{
	if (user.n == 0 || secret.n == 0 || user.n > IPC_LOGIN_USER_MAX || secret.n > IPC_LOGIN_SECRET_MAX)
		return SMTP_LOGIN_WRONG;
	return smtp_reply_of(SMTP_STEP_LOGIN, door_login(s->d, user, secret));
}

/* The response that came with the command, or asked for. */
static SUSPENDS enum smtp_reply first_response(struct smtp *s, struct str initial, struct str challenge, struct buf *out)
{
	enum smtp_reply r;

	if (initial.n == 0)
		return ask(s, challenge, out);
	r = decode(initial, out);
	wipe(initial);
	return r;
}

static SUSPENDS enum smtp_reply auth_plain(struct smtp *s, struct str initial, struct buf *response)
{
	struct str user, secret;
	enum smtp_reply r = first_response(s, initial, (struct str){ 0 }, response);

	if (r || s->closing)
		return r;
	return plain_cut(buf_str(response), &user, &secret) ? login(s, user, secret) : SMTP_BAD_BASE64;
}

static SUSPENDS enum smtp_reply auth_login(struct smtp *s, struct str initial, struct buf *response)
{
	/* "Username:" and "Password:" */
	enum smtp_reply r = first_response(s, initial, STR("VXNlcm5hbWU6"), response);
	size_t n_user = response->n;

	if (!r && !s->closing)
		r = ask(s, STR("UGFzc3dvcmQ6"), response);
	if (r || s->closing)
		return r;
	return login(s, str_sub(buf_str(response), 0, n_user), str_from(buf_str(response), n_user));
}

SUSPENDS void smtp_auth_run(struct smtp *s, struct str args)
{
	struct str mechanism = args, initial = { 0 };
	ssize_t blank = str_find(args, ' ');
	struct buf response;
	enum smtp_reply r;

	if (blank > 0) {
		mechanism = str_sub(args, 0, (size_t)blank);
		initial = str_trim(str_from(args, (size_t)blank));
	}
	buf_init(&response, RESPONSE_MAX);
	if (str_ieq(mechanism, STR("PLAIN")))
		r = auth_plain(s, initial, &response);
	else if (str_ieq(mechanism, STR("LOGIN")))
		r = auth_login(s, initial, &response);
	else
		r = SMTP_AUTH_UNKNOWN;
	wipe_buf(&response);
	if (!s->closing)
		smtp_say(s, r);
}
