/* mail/bounce_class.c - why a letter was not taken. See the header.
 * Purpose     one table of what servers say, in the order in which it counts.
 * Trust       the text is hostile; a wrong class misleads, it does no more.
 * Invariants  I1 an address counts as bad only by a permanent reply: a class that suppresses needs code 5yz, or none and a status 5.
 */
#include "mail/bounce_class.h"

struct rule {
	const char *text;   /* anywhere in the reply, letters of either case; NULL: any */
	const char *status; /* without its class, "1.1"; NULL: any */
	enum bounce_class class;
};

/* clang-format off */
static const struct rule rules[] = {
	/* What is said of the sender's standing goes first: it comes with any status. */
	{ "spamhaus", NULL, BOUNCE_POLICY }, { "spamcop", NULL, BOUNCE_POLICY }, { "barracuda", NULL, BOUNCE_POLICY },
	{ "blocked using", NULL, BOUNCE_POLICY }, { "blacklist", NULL, BOUNCE_POLICY }, { "black list", NULL, BOUNCE_POLICY },
	{ "blocklist", NULL, BOUNCE_POLICY }, { "block list", NULL, BOUNCE_POLICY }, { "dnsbl", NULL, BOUNCE_POLICY },
	{ " rbl", NULL, BOUNCE_POLICY },
	{ "reputation", NULL, BOUNCE_POLICY }, { "poor sender", NULL, BOUNCE_POLICY },
	{ "dmarc", NULL, BOUNCE_AUTH }, { "dkim", NULL, BOUNCE_AUTH }, { "spf ", NULL, BOUNCE_AUTH },
	{ "sender policy framework", NULL, BOUNCE_AUTH },
	{ "unauthenticated", NULL, BOUNCE_AUTH }, { "authentication required", NULL, BOUNCE_AUTH },
	{ "authentication failed", NULL, BOUNCE_AUTH },
	{ "not authenticated", NULL, BOUNCE_AUTH }, { "authentication credentials", NULL, BOUNCE_AUTH },
	{ "reverse dns", NULL, BOUNCE_AUTH }, { "ptr record", NULL, BOUNCE_AUTH },
	{ "starttls", NULL, BOUNCE_TLS }, { "requiretls", NULL, BOUNCE_TLS }, { "mta-sts", NULL, BOUNCE_TLS },
	{ "tlsa", NULL, BOUNCE_TLS },
	{ "encryption required", NULL, BOUNCE_TLS }, { "tls required", NULL, BOUNCE_TLS }, { "tls handshake", NULL, BOUNCE_TLS },
	{ "certificate", NULL, BOUNCE_TLS },
	{ "quota", NULL, BOUNCE_QUOTA }, { "mailbox full", NULL, BOUNCE_QUOTA }, { "mailbox is full", NULL, BOUNCE_QUOTA },
	{ "inbox is full", NULL, BOUNCE_QUOTA },
	{ "out of storage", NULL, BOUNCE_QUOTA }, { "storage allocation", NULL, BOUNCE_QUOTA }, { "too much mail", NULL, BOUNCE_QUOTA },
	{ "message too large", NULL, BOUNCE_SIZE }, { "message is too large", NULL, BOUNCE_SIZE },
	{ "message too big", NULL, BOUNCE_SIZE },
	{ "message size", NULL, BOUNCE_SIZE }, { "size limit", NULL, BOUNCE_SIZE }, { "exceeds fixed", NULL, BOUNCE_SIZE },
	{ "greylist", NULL, BOUNCE_RATE }, { "graylist", NULL, BOUNCE_RATE }, { "greylisted", NULL, BOUNCE_RATE },
	{ "rate limit", NULL, BOUNCE_RATE },
	{ "rate-limit", NULL, BOUNCE_RATE }, { "throttl", NULL, BOUNCE_RATE }, { "too many connections", NULL, BOUNCE_RATE },
	{ "too many messages", NULL, BOUNCE_RATE }, { "too many recipients", NULL, BOUNCE_RATE },
	{ "temporarily deferred", NULL, BOUNCE_RATE },
	{ "unusual rate", NULL, BOUNCE_RATE }, { "sending limit", NULL, BOUNCE_RATE },
	/* Names. */
	{ "domain does not exist", NULL, BOUNCE_BAD_DOMAIN }, { "domain not found", NULL, BOUNCE_BAD_DOMAIN },
	{ "no such domain", NULL, BOUNCE_BAD_DOMAIN },
	{ "domain takes no mail", NULL, BOUNCE_BAD_DOMAIN }, { "null mx", NULL, BOUNCE_BAD_DOMAIN },
	{ "host unknown", NULL, BOUNCE_BAD_DOMAIN },
	{ "name or service not known", NULL, BOUNCE_BAD_DOMAIN }, { "host not found", NULL, BOUNCE_BAD_DOMAIN },
	{ "relay access denied", NULL, BOUNCE_BAD_DOMAIN },
	{ "relaying denied", NULL, BOUNCE_BAD_DOMAIN }, { "relay not permitted", NULL, BOUNCE_BAD_DOMAIN },
	{ "unable to relay", NULL, BOUNCE_BAD_DOMAIN },
	{ "unrouteable address", NULL, BOUNCE_BAD_DOMAIN },
	{ "user unknown", NULL, BOUNCE_BAD_MAILBOX }, { "unknown user", NULL, BOUNCE_BAD_MAILBOX },
	{ "no such user", NULL, BOUNCE_BAD_MAILBOX },
	{ "user not found", NULL, BOUNCE_BAD_MAILBOX }, { "user doesn't exist", NULL, BOUNCE_BAD_MAILBOX },
	{ "not a known user", NULL, BOUNCE_BAD_MAILBOX },
	{ "no such mailbox", NULL, BOUNCE_BAD_MAILBOX }, { "no such recipient", NULL, BOUNCE_BAD_MAILBOX },
	{ "no such address", NULL, BOUNCE_BAD_MAILBOX },
	{ "no mailbox here", NULL, BOUNCE_BAD_MAILBOX }, { "mailbox not found", NULL, BOUNCE_BAD_MAILBOX },
	{ "mailbox unknown", NULL, BOUNCE_BAD_MAILBOX },
	{ "unknown mailbox", NULL, BOUNCE_BAD_MAILBOX }, { "invalid mailbox", NULL, BOUNCE_BAD_MAILBOX },
	{ "invalid recipient", NULL, BOUNCE_BAD_MAILBOX },
	{ "recipient unknown", NULL, BOUNCE_BAD_MAILBOX }, { "unknown recipient", NULL, BOUNCE_BAD_MAILBOX },
	{ "recipient not found", NULL, BOUNCE_BAD_MAILBOX },
	{ "recipientnotfound", NULL, BOUNCE_BAD_MAILBOX }, { "unknown address", NULL, BOUNCE_BAD_MAILBOX },
	{ "address unknown", NULL, BOUNCE_BAD_MAILBOX },
	{ "unknown local part", NULL, BOUNCE_BAD_MAILBOX }, { "address does not exist", NULL, BOUNCE_BAD_MAILBOX },
	{ "account that you tried to reach does not exist", NULL, BOUNCE_BAD_MAILBOX },
	{ "account does not exist", NULL, BOUNCE_BAD_MAILBOX },
	{ "account is disabled", NULL, BOUNCE_BAD_MAILBOX }, { "account has been disabled", NULL, BOUNCE_BAD_MAILBOX },
	{ "account disabled", NULL, BOUNCE_BAD_MAILBOX },
	{ "mailbox is disabled", NULL, BOUNCE_BAD_MAILBOX }, { "mailbox disabled", NULL, BOUNCE_BAD_MAILBOX },
	{ "inactive", NULL, BOUNCE_BAD_MAILBOX },
	{ "undeliverable address", NULL, BOUNCE_BAD_MAILBOX }, { "not our customer", NULL, BOUNCE_BAD_MAILBOX },
	{ "is not a valid mailbox", NULL, BOUNCE_BAD_MAILBOX }, { "recipient address rejected: access denied", "4.1", BOUNCE_BAD_MAILBOX },
	/* The rest of what is said of content, behind names: "no such user - spam?". */
	{ "spam", NULL, BOUNCE_POLICY }, { "virus", NULL, BOUNCE_POLICY }, { "malware", NULL, BOUNCE_POLICY },
	{ "phishing", NULL, BOUNCE_POLICY },
	{ "content reject", NULL, BOUNCE_POLICY }, { "policy", NULL, BOUNCE_POLICY }, { "blocked", NULL, BOUNCE_POLICY },
	{ "banned", NULL, BOUNCE_POLICY },
	/* What only the status says (RFC 3463, 5248, 7372, 7505, 8689). */
	{ NULL, "1.1", BOUNCE_BAD_MAILBOX }, { NULL, "1.3", BOUNCE_BAD_MAILBOX }, { NULL, "1.6", BOUNCE_BAD_MAILBOX },
	{ NULL, "2.1", BOUNCE_BAD_MAILBOX },
	{ NULL, "1.2", BOUNCE_BAD_DOMAIN }, { NULL, "1.10", BOUNCE_BAD_DOMAIN }, { NULL, "4.4", BOUNCE_BAD_DOMAIN },
	{ NULL, "2.2", BOUNCE_QUOTA }, { NULL, "2.3", BOUNCE_SIZE }, { NULL, "3.4", BOUNCE_SIZE },
	{ NULL, "4.5", BOUNCE_RATE }, { NULL, "5.3", BOUNCE_RATE }, { NULL, "3.2", BOUNCE_RATE },
	{ NULL, "4.1", BOUNCE_NETWORK }, { NULL, "4.2", BOUNCE_NETWORK }, { NULL, "4.3", BOUNCE_NETWORK }, { NULL, "4.7", BOUNCE_NETWORK },
	{ NULL, "7.10", BOUNCE_TLS }, { NULL, "7.30", BOUNCE_TLS },
	{ NULL, "7.8", BOUNCE_AUTH }, { NULL, "7.9", BOUNCE_AUTH }, { NULL, "7.20", BOUNCE_AUTH }, { NULL, "7.21", BOUNCE_AUTH },
	{ NULL, "7.22", BOUNCE_AUTH },
	{ NULL, "7.23", BOUNCE_AUTH }, { NULL, "7.24", BOUNCE_AUTH }, { NULL, "7.25", BOUNCE_AUTH }, { NULL, "7.26", BOUNCE_AUTH },
	{ NULL, "7.27", BOUNCE_BAD_DOMAIN }, { NULL, "7.28", BOUNCE_RATE }, { NULL, "7.0", BOUNCE_POLICY }, { NULL, "7.1", BOUNCE_POLICY },
	{ NULL, "7.7", BOUNCE_POLICY },
	/* What is said with no status worth the name. */
	{ "does not exist", NULL, BOUNCE_BAD_MAILBOX }, { "doesn't exist", NULL, BOUNCE_BAD_MAILBOX },
	{ "timed out", NULL, BOUNCE_NETWORK }, { "timeout", NULL, BOUNCE_NETWORK }, { "connection", NULL, BOUNCE_NETWORK },
	{ "unreachable", NULL, BOUNCE_NETWORK },
	{ "too large", NULL, BOUNCE_SIZE }, { "too many", NULL, BOUNCE_RATE }, { "try again", NULL, BOUNCE_RATE },
};

static const struct {
	const char *name, *says, *advice;
} texts[BOUNCE_CLASS_COUNT] = {
	[BOUNCE_OTHER] = { "other", "The letter was not taken.",
		"The answer below may tell why; if it does not, ask the recipient in another way, or show this to your postmaster." },
	[BOUNCE_BAD_MAILBOX] = { "bad-mailbox", "There is no such mailbox.",
		"Look for a typing error in the address, or ask the recipient for the right one in another way." },
	[BOUNCE_BAD_DOMAIN] = { "bad-domain", "The part of the address behind the @ does not exist, or takes no mail.",
		"Look for a typing error in the address, or ask the recipient for the right one in another way." },
	[BOUNCE_QUOTA] = { "quota", "The recipient's mailbox is full.",
		"Send the letter again some days from now, or tell the recipient in another way." },
	[BOUNCE_POLICY] = { "policy", "The other server does not want the letter: it takes it for spam, or its rules forbid it.",
		"Show this to your postmaster: this server may stand on a blocklist. A letter with other words, links or attachments may pass." },
	[BOUNCE_AUTH] = { "auth", "The other server was not shown that the letter is from whom it says.",
		"Show this to your postmaster: SPF, DKIM or DMARC of your domain may be wrong." },
	[BOUNCE_SIZE] = { "size", "The letter is too large for the other server.",
		"Send less in one letter, or put large files elsewhere and send a link." },
	[BOUNCE_RATE] = { "rate", "The other server takes no more letters from here for now.",
		"Send the letter again later." },
	[BOUNCE_NETWORK] = { "network", "The other server could not be reached.",
		"Look for a typing error in the address behind the @; if there is none, send the letter again later." },
	[BOUNCE_TLS] = { "tls", "The way to the other server could not be locked as it has to be.",
		"Show this to your postmaster; the other server's encryption may be broken." },
};
/* clang-format on */

/* "5.1.1" without its class, "1.1". */
static struct str detail_of(struct str status)
{
	ssize_t dot = str_find(status, '.');

	return dot < 0 ? (struct str){ 0 } : str_from(status, (size_t)dot + 1);
}

static bool is_permanent(unsigned code, struct str status)
{
	return code ? code >= 500 : str_starts(status, STR("5"));
}

bool bounce_class_is_address(enum bounce_class c)
{
	return c == BOUNCE_BAD_MAILBOX || c == BOUNCE_BAD_DOMAIN;
}

static enum bounce_class by_rules(unsigned code, struct str status, struct str text)
{
	struct str detail = detail_of(status);

	for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
		const struct rule *r = &rules[i];

		if (bounce_class_is_address(r->class) && !is_permanent(code, status)) /* I1 */
			continue;
		if ((!r->text || str_ifind(text, str_z(r->text)) >= 0) && (!r->status || str_eq(detail, str_z(r->status))))
			return r->class;
	}
	return BOUNCE_OTHER;
}

enum bounce_class bounce_class_of(unsigned code, struct str status, struct str text)
{
	enum bounce_class c = by_rules(code, status, text);

	if (c != BOUNCE_OTHER)
		return c;
	return code == 552 ? BOUNCE_QUOTA : code == 421 || code == 450 || code == 451 ? BOUNCE_RATE : code == 535 || code == 530 ? BOUNCE_AUTH : BOUNCE_OTHER;
}

const char *bounce_class_name(enum bounce_class c)
{
	return texts[c < BOUNCE_CLASS_COUNT ? c : BOUNCE_OTHER].name;
}

const char *bounce_class_says(enum bounce_class c)
{
	return texts[c < BOUNCE_CLASS_COUNT ? c : BOUNCE_OTHER].says;
}

const char *bounce_class_advice(enum bounce_class c)
{
	return texts[c < BOUNCE_CLASS_COUNT ? c : BOUNCE_OTHER].advice;
}
