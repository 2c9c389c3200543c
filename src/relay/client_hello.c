/* relay/client_hello.c - EHLO, HELO, LHLO, and what the answer says the other server can (RFC 5321 4.1.1.1).
 * Trust       keywords are the server's: unknown ones are passed over, numbers that are none count as not said.
 * Invariants  I1 what an earlier hello said is gone before the next is asked (RFC 3207 4.2).
 */
#include "relay/client_impl.h"

#include <stdio.h>

static void take_number(struct str args, uint64_t max, uint64_t *out)
{
	struct str word = { 0 }; /* there may be none */
	uint64_t n;

	str_split(&args, ' ', &word);
	if (str_to_u64(word, &n) && n <= max)
		*out = n;
}

static void on_size(struct client *c, struct str args)
{
	take_number(args, UINT64_MAX, &c->size_max);
}

static void on_deliverby(struct client *c, struct str args)
{
	uint64_t n = 0;

	take_number(args, UINT32_MAX, &n);
	c->by_min_s = (uint32_t)n;
}

static void on_auth(struct client *c, struct str args)
{
	static const struct {
		struct str name;
		uint32_t can;
	} known[] = { { STR("PLAIN"), CLIENT_AUTH_PLAIN }, { STR("LOGIN"), CLIENT_AUTH_LOGIN }, { STR("SCRAM-SHA-256"), CLIENT_AUTH_SCRAM } };
	struct str word;

	while (str_split(&args, ' ', &word))
		for (size_t i = 0; i < sizeof known / sizeof *known; i++)
			if (str_ieq(word, known[i].name))
				c->can |= known[i].can;
}

/* RFC 9422 3: NAME=number. */
static void on_limits(struct client *c, struct str args)
{
	struct str word, name;

	while (str_split(&args, ' ', &word)) {
		uint64_t n = 0;

		if (!str_split(&word, '=', &name))
			continue;
		take_number(word, UINT32_MAX, &n);
		if (str_ieq(name, STR("RCPTMAX")))
			c->rcpt_max = (uint32_t)n;
		else if (str_ieq(name, STR("RCPTDOMAINMAX")))
			c->domain_max = (uint32_t)n;
		else if (str_ieq(name, STR("MAILMAX")))
			c->mail_max = (uint32_t)n;
	}
}

static const struct {
	struct str name;
	uint32_t can;
	void (*on)(struct client *c, struct str args);
} keywords[] = {
	{ STR("PIPELINING"), CLIENT_PIPELINING, NULL },
	{ STR("SIZE"), CLIENT_SIZE, on_size },
	{ STR("8BITMIME"), CLIENT_8BITMIME, NULL },
	{ STR("BINARYMIME"), CLIENT_BINARYMIME, NULL },
	{ STR("CHUNKING"), CLIENT_CHUNKING, NULL },
	{ STR("SMTPUTF8"), CLIENT_SMTPUTF8, NULL },
	{ STR("DSN"), CLIENT_DSN, NULL },
	{ STR("ENHANCEDSTATUSCODES"), CLIENT_STATUS_CODES, NULL },
	{ STR("STARTTLS"), CLIENT_STARTTLS, NULL },
	{ STR("REQUIRETLS"), CLIENT_REQUIRETLS, NULL },
	{ STR("MT-PRIORITY"), CLIENT_MT_PRIORITY, NULL },
	{ STR("DELIVERBY"), CLIENT_DELIVERBY, on_deliverby },
	{ STR("FUTURERELEASE"), CLIENT_FUTURERELEASE, NULL },
	{ STR("AUTH"), 0, on_auth },
	{ STR("LIMITS"), 0, on_limits },
};

static void on_keyword(struct client *c, size_t number, struct str whole)
{
	struct str word = { 0 }; /* the line may be empty */

	str_split(&whole, ' ', &word);
	if (!number) {
		snprintf(c->name, sizeof c->name, "%.*s", STR_ARG(str_sub(word, 0, sizeof c->name - 1)));
		return;
	}
	if (str_istarts(word, STR("AUTH="))) { /* as servers wrote it before RFC 2554 */
		on_auth(c, str_from(word, 5));
		on_auth(c, whole);
		return;
	}
	for (size_t i = 0; i < sizeof keywords / sizeof *keywords; i++)
		if (str_ieq(word, keywords[i].name)) {
			c->can |= keywords[i].can;
			if (keywords[i].on)
				keywords[i].on(c, whole);
		}
}

static void forget(struct client *c)
{
	c->can = 0;
	c->size_max = 0;
	c->rcpt_max = c->domain_max = c->mail_max = c->by_min_s = 0;
	c->name[0] = 0;
	c->dirty = false;
}

SUSPENDS enum client_end client_hello(struct client *c)
{
	const char *verb = c->lmtp ? "LHLO" : "EHLO";
	enum client_end end;

	forget(c);
	stream_printf(c->s, "%s %.*s\r\n", verb, STR_ARG(c->helo));
	end = client_hear_lines(c, 2, c->timeouts->relay_reply_ms, verb, on_keyword);
	if (end == CLIENT_OK) {
		c->can |= CLIENT_EXTENDED;
		return end;
	}
	forget(c);
	if (end != CLIENT_NEVER || c->lmtp)
		return end;
	stream_printf(c->s, "HELO %.*s\r\n", STR_ARG(c->helo));
	end = client_hear_lines(c, 2, c->timeouts->relay_reply_ms, "HELO", on_keyword);
	c->can = 0; /* lines of a reply to HELO name no extensions */
	c->size_max = 0;
	c->rcpt_max = c->domain_max = c->mail_max = c->by_min_s = 0;
	return end;
}
