/* relay/client_login.c - logging in at another server (RFC 4954; RFC 4616, RFC 7677).
 * Trust       the server may want the password: it is shown under TLS alone unless the route says that it may be shown to all.
 * Owns        what is made of the password: wiped, the stream's buffer too.
 * Suspends    for replies.
 */
#include "relay/client_impl.h"

#include "base/rng.h"
#include "mail/base64.h"
#include "mail/saslprep.h"
#include "relay/scram_client.h"

#include <openssl/crypto.h>

#define LINE_MAX_N 12288 /* RFC 4954 4: of an exchange */

struct login {
	struct client *c;
	struct str user, password; /* prepared for SCRAM, as given for the others */
};

static void wipe(struct buf *b)
{
	if (b->p)
		OPENSSL_cleanse(b->p, b->cap);
	buf_fini(b);
}

/* The line, and then its reply, of class want; nothing of the line stays in memory. */
static SUSPENDS enum client_end exchange(struct client *c, struct str verb, struct str bytes, unsigned want)
{
	enum client_end end;
	struct buf line;

	buf_init(&line, LINE_MAX_N);
	buf_add(&line, verb);
	mail_base64_encode(bytes, &line);
	buf_addz(&line, "\r\n");
	stream_write(c->s, buf_str(&line));
	wipe(&line);
	end = client_hear(c, want, c->timeouts->relay_reply_ms, "AUTH");
	if (c->s->out.p && !c->s->out.n)
		OPENSSL_cleanse(c->s->out.p, c->s->out.cap);
	return end;
}

static SUSPENDS enum client_end login_plain(struct login *l)
{
	struct buf message;
	enum client_end end;

	buf_init(&message, LINE_MAX_N);
	buf_addc(&message, 0);
	buf_add(&message, l->user);
	buf_addc(&message, 0);
	buf_add(&message, l->password);
	end = exchange(l->c, STR("AUTH PLAIN "), buf_str(&message), 2);
	wipe(&message);
	return end;
}

static SUSPENDS enum client_end login_login(struct login *l)
{
	enum client_end end = exchange(l->c, STR("AUTH LOGIN"), (struct str){ 0 }, 3);

	if (end == CLIENT_OK)
		end = exchange(l->c, (struct str){ 0 }, l->user, 3);
	if (end == CLIENT_OK)
		end = exchange(l->c, (struct str){ 0 }, l->password, 2);
	return end;
}

/* ---- SCRAM */

struct final {
	struct scram_client *x;
	struct str password, server_first;
	struct buf *out;
	const char *why;
	bool ok;
};

static void make_final(void *arg)
{
	struct final *f = arg;

	f->ok = client_scram_final(f->x, f->password, f->server_first, f->out, &f->why);
}

/* "*" gives the exchange up (RFC 4954 4). The reply is ours: why. */
static SUSPENDS enum client_end give_up(struct client *c, const char *why)
{
	stream_write(c->s, STR("*\r\n"));
	if (client_hear(c, 2, c->timeouts->relay_reply_ms, "AUTH") == CLIENT_LOST)
		return CLIENT_LOST;
	client_explain(c, "5.7.8", "the other server cannot be logged in at: %s", why);
	return CLIENT_NEVER;
}

static bool take_challenge(struct client *c, struct buf *out)
{
	buf_reset(out);
	return mail_base64_decode(client_heard(c), out);
}

static SUSPENDS enum client_end scram_exchange(struct login *l, struct scram_client *x, struct buf *message, struct buf *challenge)
{
	struct client *c = l->c;
	struct final f = { .x = x, .password = l->password, .out = message };
	enum client_end end;

	client_scram_first(x, l->user, message);
	end = exchange(c, STR("AUTH SCRAM-SHA-256 "), buf_str(message), 3);
	if (end != CLIENT_OK)
		return end;
	if (!take_challenge(c, challenge))
		return give_up(c, "what it says is no base64");
	buf_reset(message);
	f.server_first = buf_str(challenge);
	if (c->s->sched)
		sched_call(c->s->sched, make_final, &f);
	else
		make_final(&f);
	if (!f.ok)
		return give_up(c, f.why);
	end = exchange(c, (struct str){ 0 }, buf_str(message), 3);
	if (end != CLIENT_OK)
		return end;
	if (!take_challenge(c, challenge) || !client_scram_verify(x, buf_str(challenge)))
		return give_up(c, "it does not know the password itself");
	return exchange(c, (struct str){ 0 }, (struct str){ 0 }, 2);
}

static SUSPENDS enum client_end login_scram(struct login *l)
{
	struct scram_client x;
	struct buf nonce, message, challenge;
	unsigned char random[24];
	enum client_end end;

	rng_bytes(random, sizeof random);
	buf_init(&nonce, SCRAM_CLIENT_NONCE_MAX);
	mail_base64_encode(str_of(random, sizeof random), &nonce);
	client_scram_init(&x, buf_str(&nonce));
	buf_init(&message, LINE_MAX_N);
	buf_init(&challenge, CLIENT_REPLY_LINE_MAX);
	end = scram_exchange(l, &x, &message, &challenge);
	client_scram_fini(&x);
	wipe(&nonce);
	wipe(&message);
	wipe(&challenge);
	return end;
}

static SUSPENDS enum client_end login_scram_prepared(struct login *l)
{
	struct buf user, password;
	enum client_end end = CLIENT_NEVER;

	buf_init(&user, SASLPREP_MAX);
	buf_init(&password, SASLPREP_MAX);
	if (saslprep(l->user, false, &user) && saslprep(l->password, false, &password)) {
		l->user = buf_str(&user);
		l->password = buf_str(&password);
		end = login_scram(l);
	} else {
		client_explain(l->c, "5.7.8", "the route's login or password holds characters that SASL has no form for");
	}
	wipe(&user);
	wipe(&password);
	return end;
}

SUSPENDS enum client_end client_login(struct client *c, struct str login, struct str password, bool tls, bool bare_ok)
{
	struct login l = { .c = c, .user = login, .password = password };
	bool may_show = tls || bare_ok;

	if (c->can & CLIENT_AUTH_SCRAM)
		return login_scram_prepared(&l);
	if (c->can & CLIENT_AUTH_PLAIN && may_show)
		return login_plain(&l);
	if (c->can & CLIENT_AUTH_LOGIN && may_show)
		return login_login(&l);
	client_explain(c, "5.7.4", c->can & (CLIENT_AUTH_PLAIN | CLIENT_AUTH_LOGIN) ? "the other server takes the password without TLS only" :
										      "the other server offers no way to log in that we know");
	return CLIENT_NEVER;
}
