/* relay/lock_host.c - what one host is asked for, and whether it gave it. See lock.h.
 * Trust       hosts, their certificates and their DNS are hostile until verified; OpenSSL verifies.
 * Suspends    for DNS and in the handshake.
 *
 * The order is DANE, then MTA-STS, then what is offered (RFC 8461 2: a policy never overrides DANE). A route that says require or verify
 * stands for both: who names a host knows better.
 */
#include "relay/dane.h"
#include "relay/lock_impl.h"

#include "net/tls.h"

#include <stdio.h>
#include <string.h>

/* ---- counting */

void lock_note_plan(struct lock_plan *plan, struct str host, enum tlsrpt_policy policy, struct str policy_text, enum tlsrpt_result result,
	const char *text)
{
	if (plan->n_facts == LOCK_FACTS_MAX || !plan->ask.mx)
		return;
	plan->facts[plan->n_facts++] = (struct ipc_tls_fact){ .policy = (uint8_t)policy, .domain = plan->ask.domain, .policy_text = policy_text,
		.result = (uint8_t)result, .mx = host, .text = str_sub(arena_dup(plan->arena, str_z(text)), 0, 200) };
}

void lock_note(struct lock_host *h, const struct lock_session *who, enum tlsrpt_result result, const char *text)
{
	struct lock_plan *plan = h->plan;
	size_t n = plan->n_facts;
	struct ipc_tls_fact *f = &plan->facts[n];

	if (plan->ask.tls != CONF_ROUTE_TLS_AUTO || (plan->ask.tls_optional && !plan->ask.require_tls))
		return;
	lock_note_plan(plan, str_z(h->host), h->policy, h->policy_text, result, text);
	if (plan->n_facts == n || !who)
		return;
	f->helo = arena_dup(plan->arena, str_sub(who->helo, 0, 255));
	f->ip = arena_dup(plan->arena, str_sub(who->ip, 0, 46));
	f->source = arena_dup(plan->arena, str_sub(who->source, 0, 46));
}

static enum tlsrpt_result result_of(enum tls_trouble t)
{
	static const enum tlsrpt_result results[TLS_TROUBLE_COUNT] = {
		[TLS_TROUBLE_HANDSHAKE] = TLSRPT_VALIDATION_FAILURE,
		[TLS_TROUBLE_NAME] = TLSRPT_CERTIFICATE_HOST_MISMATCH,
		[TLS_TROUBLE_TIME] = TLSRPT_CERTIFICATE_EXPIRED,
		[TLS_TROUBLE_TRUST] = TLSRPT_CERTIFICATE_NOT_TRUSTED,
		[TLS_TROUBLE_TLSA] = TLSRPT_VALIDATION_FAILURE,
	};

	return results[t];
}

/* ---- what is demanded */

static void demand(struct lock_host *h, enum lock aim, enum tls_trust trust)
{
	h->aim = aim;
	h->tls_demanded = true;
	h->client.trust = trust;
}

static bool asks_peer(const struct lock_ask *ask)
{
	return ask->require_tls || !ask->tls_optional;
}

static bool dane_applies(const struct lock_ask *ask)
{
	if (ask->tls == CONF_ROUTE_TLS_DANE)
		return true;
	return ask->tls == CONF_ROUTE_TLS_AUTO && asks_peer(ask);
}

/* The domain that letters are for may stand in the certificate too, when its MX records are secure (RFC 7672 3.2.2). */
static void demand_dane(struct lock_host *h, const struct dane *d)
{
	const char **names = arena_array(h->plan->arena, 1, sizeof *names);

	demand(h, LOCK_DANE, TLS_TRUST_DANE);
	h->client.name = d->base.p;
	h->client.tlsa = d->v;
	h->client.n_tlsa = d->n;
	if (h->plan->ask.mx) {
		names[0] = h->plan->ask.domain.p;
		h->client.names = names;
		h->client.n_names = 1;
	}
	for (size_t i = 0; i < d->n; i++)
		h->alone |= d->v[i].usage != 3; /* which alone looks at no names (RFC 7672 3.1.1) */
}

/* DANE_NONE: it has no say here. */
static SUSPENDS enum dane_found use_dane(struct locks *l, struct lock_host *h, const struct lock_host_ask *ask, struct lock_said *said)
{
	const struct lock_ask *plan = &h->plan->ask;
	struct dane d = { .found = DANE_NONE };

	if (dane_applies(plan) && (!plan->mx || plan->mx_secure))
		dane_find(l, ask, h->plan->arena, &d);
	if (d.found != DANE_NONE) {
		h->policy = TLSRPT_POLICY_TLSA;
		h->policy_text = d.text;
	}
	if (d.found == DANE_USABLE)
		demand_dane(h, &d);
	if (d.found == DANE_UNUSABLE)
		demand(h, LOCK_REQUIRED, TLS_TRUST_ANY);
	if (d.found == DANE_FAILED) {
		h->policy_text = (struct str){ 0 };
		lock_note(h, NULL, TLSRPT_DNSSEC_INVALID, d.text.p);
		lock_say(said, 451, "4.7.5", "TLSA records of %s cannot be looked up: %.*s", h->host, STR_ARG(d.text));
	}
	return d.found;
}

static struct str show_policy(const struct sts_policy *p, struct arena *a)
{
	struct buf b;
	struct str out;

	buf_init(&b, STS_SHOWN_MAX);
	sts_policy_show(p, &b);
	out = arena_dup(a, str_sub(buf_str(&b), 0, LOCK_POLICY_TEXT_MAX));
	buf_fini(&b);
	return out;
}

static bool use_sts(struct lock_host *h, struct lock_said *said)
{
	const struct sts_policy *p = h->plan->sts;
	bool covered = sts_policy_covers(p, str_z(h->host));

	if (h->policy == TLSRPT_POLICY_NONE) { /* records that nobody can use have the report already */
		h->policy = TLSRPT_POLICY_STS;
		h->policy_text = show_policy(p, h->plan->arena);
	}
	if (!covered)
		lock_note(h, NULL, TLSRPT_VALIDATION_FAILURE, "the policy names no such MX host");
	if (p->mode == STS_TESTING) {
		h->sts_tested = covered;
		return true;
	}
	if (!covered) {
		lock_say(said, 451, "4.7.5", "the MTA-STS policy of %.*s names no MX host %s", STR_ARG(h->plan->ask.domain), h->host);
		return false;
	}
	demand(h, LOCK_STS, TLS_TRUST_CHAIN);
	return true;
}

/* RFC 8689 4.2.1: the host is the domain's by DNSSEC or by MTA-STS, or by our own route, and its certificate is verified. */
static bool use_requiretls(struct lock_host *h, struct lock_said *said)
{
	const struct lock_ask *ask = &h->plan->ask;
	bool known = !ask->mx || ask->mx_secure || (h->plan->sts && sts_policy_covers(h->plan->sts, str_z(h->host)));

	if (h->aim == LOCK_DANE || h->aim == LOCK_STS)
		return true;
	if (!known || !h->host[0]) {
		lock_say(said, 550, "5.7.30", "REQUIRETLS: that %s is the host of %.*s is vouched for by neither DNSSEC nor MTA-STS", h->host,
			STR_ARG(ask->domain));
		return false;
	}
	demand(h, LOCK_VERIFIED, TLS_TRUST_CHAIN);
	h->sts_tested = false;
	return true;
}

static enum lock_verdict use_route(struct lock_host *h, enum dane_found found, struct lock_said *said)
{
	switch (h->plan->ask.tls) {
	case CONF_ROUTE_TLS_REQUIRE:
		demand(h, LOCK_REQUIRED, TLS_TRUST_ANY);
		break;
	case CONF_ROUTE_TLS_VERIFY:
		if (!h->host[0]) {
			lock_say(said, 550, "5.7.5", "a route demands a certificate for the host's name, and an address has none");
			return LOCK_NEVER;
		}
		demand(h, LOCK_VERIFIED, TLS_TRUST_CHAIN);
		break;
	case CONF_ROUTE_TLS_DANE:
		if (found != DANE_USABLE) {
			lock_say(said, 451, "4.7.5", "a route demands DANE, and %s has no TLSA records that could be used", h->host);
			return LOCK_LATER;
		}
		break;
	case CONF_ROUTE_TLS_NONE:
		h->tls_wanted = false;
		h->aim = LOCK_NONE;
		break;
	case CONF_ROUTE_TLS_AUTO:
		break;
	}
	return LOCK_GO;
}

SUSPENDS enum lock_verdict lock_host_make(struct locks *l, struct lock_plan *plan, const struct lock_host_ask *ask, struct lock_host *out,
	struct lock_said *said)
{
	enum dane_found found;
	enum lock_verdict v;

	*out = (struct lock_host){ .plan = plan, .host = arena_dupz(plan->arena, ask->host), .port = ask->port, .aim = LOCK_OPPORTUNISTIC,
		.tls_wanted = true, .needs_requiretls = plan->ask.require_tls,
		.client = { .trust = TLS_TRUST_ANY, .authorities = l->authorities } };
	out->client.name = out->host[0] ? out->host : NULL;
	out->alone = plan->sts || plan->sts_trouble;
	found = use_dane(l, out, ask, said);
	if (found == DANE_FAILED)
		return LOCK_LATER;
	v = use_route(out, found, said);
	if (v != LOCK_GO)
		return v;
	/* Records that nothing can be held against leave MTA-STS its say; it cannot make less of what is demanded. */
	if (found != DANE_USABLE && plan->sts && plan->ask.tls == CONF_ROUTE_TLS_AUTO && !use_sts(out, said))
		return LOCK_LATER;
	if (plan->ask.require_tls && !use_requiretls(out, said))
		return LOCK_NEVER;
	return LOCK_GO;
}

/* ---- the handshake */

/* What a policy that is only tested would have said. */
static void test_policy(struct lock_host *h, const struct lock_session *who, const struct stream *s)
{
	struct tls_peer peer;

	tls_peer(s, h->host, &peer);
	if (!peer.chain_ok)
		lock_note(h, who, TLSRPT_CERTIFICATE_NOT_TRUSTED, peer.chain_why);
	else if (!peer.name_fits)
		lock_note(h, who, TLSRPT_CERTIFICATE_HOST_MISMATCH, "the certificate is for other names");
	else
		lock_note(h, who, TLSRPT_SUCCESS, "");
}

SUSPENDS bool lock_close(struct locks *l, struct lock_host *h, const struct lock_session *who, struct stream *s, struct lock_closed *out)
{
	*out = (struct lock_closed){ .lock = LOCK_NONE };
	if (!tls_connect(s, &h->client, out->why)) {
		lock_note(h, who, result_of(tls_trouble(s)), out->why);
		return false;
	}
	out->lock = h->aim;
	tls_describe(s, out->tls, sizeof out->tls);
	if (h->host[0])
		remembered_add(&l->remembered, str_z(h->host), lock_now_s(l));
	if (h->sts_tested)
		test_policy(h, who, s);
	else if (h->policy == TLSRPT_POLICY_TLSA && h->aim != LOCK_DANE)
		lock_note(h, who, TLSRPT_TLSA_INVALID, "none of the TLSA records can be used");
	else
		lock_note(h, who, TLSRPT_SUCCESS, "");
	return true;
}

/* ---- without */

static const char *lack_text(enum lock_lack lack)
{
	static const char *const texts[] = { [LOCK_NOT_OFFERED] = "does not offer STARTTLS", [LOCK_REFUSED] = "refuses STARTTLS",
		[LOCK_BROKEN] = "did not come to terms about TLS" };

	return texts[lack];
}

static const char *demand_text(const struct lock_host *h)
{
	switch (h->aim) {
	case LOCK_DANE:
		return "DANE";
	case LOCK_STS:
		return "MTA-STS";
	default:
		return h->policy == TLSRPT_POLICY_TLSA ? "DANE" : "a route";
	}
}

static bool refuse(const struct lock_host *h, enum lock_lack lack, struct lock_said *said)
{
	if (h->needs_requiretls && lack != LOCK_BROKEN)
		lock_say(said, 550, "5.7.30", "REQUIRETLS: %s %s", h->host, lack_text(lack));
	else if (lack == LOCK_BROKEN)
		lock_say(said, 451, "4.7.5", "%s demands TLS, and %s %s", demand_text(h), h->host, lack_text(lack));
	else
		lock_say(said, 451, "4.7.4", "%s demands TLS, and %s %s", demand_text(h), h->host, lack_text(lack));
	return false;
}

/* False: the host has offered STARTTLS before, and letters wait for it. */
static bool may_drop(struct locks *l, struct lock_host *h, enum lock_lack lack, struct lock_said *said)
{
	if (l->remember == CONF_REMEMBER_NO || !asks_peer(&h->plan->ask) || !remembered_has(&l->remembered, str_z(h->host), lock_now_s(l)))
		return true;
	log_fields(l->log, LOG_LEVEL_WARNING, "starttls-gone", LOG_S("host", str_z(h->host)), LOG_S("domain", h->plan->ask.domain),
		LOG_S("why", str_z(lack_text(lack))));
	lock_say(said, 451, "4.7.4", "%s %s, but has done TLS before (queue.remember_starttls)", h->host, lack_text(lack));
	return l->remember != CONF_REMEMBER_YES;
}

bool lock_plain(struct locks *l, struct lock_host *h, const struct lock_session *who, enum lock_lack lack, struct lock_said *said)
{
	if (!h->tls_wanted)
		return true;
	if (lack != LOCK_BROKEN)
		lock_note(h, who, TLSRPT_STARTTLS_NOT_SUPPORTED, lack_text(lack));
	if (h->tls_demanded || h->needs_requiretls)
		return refuse(h, lack, said);
	return may_drop(l, h, lack, said);
}

bool lock_requiretls(const struct lock_host *h, bool announced, struct lock_said *said)
{
	if (!h->needs_requiretls || announced)
		return true;
	lock_say(said, 550, "5.7.30", "%s does not support REQUIRETLS", h->host);
	return false;
}
