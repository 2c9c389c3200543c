/* net/sasl.c - SASL exchanges: PLAIN (RFC 4616) and LOGIN here, SCRAM and EXTERNAL by passing bytes to auth. See the header.
 * Trust       the client's responses are hostile; only auth judges them.
 * Owns        the decoded responses, wiped before they are freed.
 * Suspends    asking for responses, in door_login and door_sasl.
 * Invariants  I1 no response is read on a connection where door_may_login is false.
 */
#include "net/sasl.h"

#include "ipc_gen.h"
#include "mail/base64.h"

#include <openssl/crypto.h>

#define LINE_MAX_ ((SASL_RESPONSE_MAX + 2) / 3 * 4 + 4)

struct exchange {
	struct door *d;
	const struct sasl_wire *w;
	const struct str *initial; /* NULL once it was taken */
	struct buf response;	   /* decoded */
	enum sasl_mechanism mechanism;
};

/* ---- responses */

static void wipe(struct buf *b)
{
	if (b->p)
		OPENSSL_cleanse(b->p, b->cap);
	buf_reset(b);
}

static enum outcome decode(struct str text, struct buf *out)
{
	if (str_eq(text, STR("*")))
		return BAD_STATE;
	if (str_eq(text, STR("=")) || text.n == 0)
		return OK;
	return mail_base64_decode(text, out) ? OK : BAD_SYNTAX;
}

/* Sends the challenge and takes the answer, or what came with the command. */
static SUSPENDS enum outcome ask(struct exchange *x, struct str challenge)
{
	struct buf text;
	enum outcome o = OK;

	wipe(&x->response);
	if (x->initial) {
		struct str initial = *x->initial;

		x->initial = NULL;
		o = decode(initial, &x->response);
		if (initial.n)
			OPENSSL_cleanse((char *)(uintptr_t)initial.p, initial.n); /* our own buffer; views of it are const by habit */
		return o;
	}
	buf_init(&text, LINE_MAX_);
	buf_room(&text, LINE_MAX_); /* once: no copy of a secret is left behind */
	mail_base64_encode(challenge, &text);
	if (text.full)
		o = BAD_SYNTAX;
	else {
		struct buf line;

		buf_init(&line, LINE_MAX_);
		buf_room(&line, LINE_MAX_);
		o = x->w->ask(x->w->ctx, buf_str(&text), &line);
		o = o == BAD_SYNTAX ? REVOKED : o != OK ? o : line.full ? REVOKED : decode(buf_str(&line), &x->response);
		wipe(&line);
		buf_fini(&line);
	}
	wipe(&text);
	buf_fini(&text);
	return o;
}

/* ---- the mechanisms */

enum outcome sasl_plain_parse(struct str message, struct str *user, struct str *secret)
{
	struct str authzid = { 0 };

	*secret = message;
	if (!str_split(secret, 0, &authzid) || !secret->p || !str_split(secret, 0, user) || !secret->p)
		return BAD_SYNTAX;
	if (user->n == 0 || secret->n == 0 || str_find(*secret, 0) >= 0)
		return BAD_SYNTAX;
	return authzid.n == 0 || str_ieq(authzid, *user) ? OK : DENIED;
}

static SUSPENDS enum outcome log_in(struct door *d, struct str user, struct str secret)
{
	return user.n == 0 || secret.n == 0 || user.n > IPC_LOGIN_USER_MAX || secret.n > IPC_LOGIN_SECRET_MAX ? DENIED : door_login(d, user, secret);
}

static SUSPENDS enum outcome run_plain(struct exchange *x)
{
	struct str user, secret;
	enum outcome o = ask(x, STR(""));

	if (o == OK)
		o = sasl_plain_parse(buf_str(&x->response), &user, &secret);
	return o == OK ? log_in(x->d, user, secret) : o;
}

static SUSPENDS enum outcome run_login(struct exchange *x)
{
	enum outcome o = ask(x, STR("Username:"));
	struct buf user;

	if (o != OK)
		return o;
	buf_init(&user, SASL_RESPONSE_MAX);
	buf_add(&user, buf_str(&x->response));
	o = ask(x, STR("Password:"));
	if (o == OK)
		o = log_in(x->d, buf_str(&user), buf_str(&x->response));
	buf_fini(&user);
	return o;
}

/* SCRAM, EXTERNAL: the client speaks first; auth says what to answer until it has made up its mind. */
static SUSPENDS enum outcome run_auth(struct exchange *x)
{
	struct door_sasl s = { .mechanism = x->mechanism };
	enum outcome o;

	buf_init(&s.challenge, IPC_SASL_CHALLENGE_MAX);
	do {
		o = ask(x, buf_str(&s.challenge));
		if (o == OK)
			o = door_sasl(x->d, &s, buf_str(&x->response));
	} while (o == OK && s.id);
	door_sasl_end(x->d, &s);
	buf_fini(&s.challenge);
	return o;
}

/* ---- which there are */

enum needs { ANYWHERE, NEEDS_TLS, NEEDS_CERTIFICATE };

static const struct mechanism {
	struct str name;
	enum sasl_mechanism number;
	enum needs needs;
	SUSPENDS enum outcome (*run)(struct exchange *x);
} mechanisms[] = {
	{ STR("SCRAM-SHA-256-PLUS"), SASL_SCRAM_SHA_256_PLUS, NEEDS_TLS, run_auth },
	{ STR("SCRAM-SHA-1-PLUS"), SASL_SCRAM_SHA_1_PLUS, NEEDS_TLS, run_auth },
	{ STR("SCRAM-SHA-256"), SASL_SCRAM_SHA_256, ANYWHERE, run_auth },
	{ STR("SCRAM-SHA-1"), SASL_SCRAM_SHA_1, ANYWHERE, run_auth },
	{ STR("EXTERNAL"), SASL_EXTERNAL, NEEDS_CERTIFICATE, run_auth },
	{ STR("PLAIN"), SASL_PLAIN, ANYWHERE, run_plain },
	{ STR("LOGIN"), SASL_LOGIN, ANYWHERE, run_login },
};
#define N_MECHANISMS (sizeof mechanisms / sizeof *mechanisms)

static bool is_here(const struct door *d, const struct mechanism *m)
{
	if (!door_may_login(d))
		return false;
	return m->needs == ANYWHERE || (m->needs == NEEDS_TLS ? d->secured : d->has_client_cert);
}

/* Every one that is announced is here, but not the other way round: a client may ask for -PLUS that it was not shown. */
static bool is_announced(const struct door *d, const struct mechanism *m)
{
	return is_here(d, m) && (m->needs != NEEDS_TLS || conf_announces_plus(d->listener));
}

void sasl_announce(const struct door *d, const char *before, struct buf *out)
{
	for (size_t i = 0; i < N_MECHANISMS; i++)
		if (is_announced(d, &mechanisms[i])) {
			buf_addz(out, before);
			buf_add(out, mechanisms[i].name);
		}
}

static const struct mechanism *find(const struct door *d, struct str name)
{
	for (size_t i = 0; i < N_MECHANISMS; i++)
		if (str_ieq(mechanisms[i].name, name) && is_here(d, &mechanisms[i]))
			return &mechanisms[i];
	return NULL;
}

enum outcome sasl_run(struct door *d, struct str mechanism, const struct str *initial, const struct sasl_wire *w)
{
	const struct mechanism *m = find(d, mechanism);
	struct exchange x = { .d = d, .w = w, .initial = initial };
	enum outcome o;

	if (!m)
		return NO_SUCH;
	x.mechanism = m->number;
	buf_init(&x.response, SASL_RESPONSE_MAX);
	buf_room(&x.response, SASL_RESPONSE_MAX);
	o = m->run(&x);
	wipe(&x.response);
	buf_fini(&x.response);
	return o;
}
