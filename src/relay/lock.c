/* relay/lock.c - what locks own, the plan of an attempt, and what it asks of DNS and of the role that fetches. See the header.
 * Suspends    for both.
 */
#include "relay/lock.h"

#include "base/die.h"
#include "relay/address.h"
#include "relay/lock_impl.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int64_t lock_now_s(const struct locks *l)
{
	return sched_wall_us(l->sched) / 1000000;
}

void lock_say(struct lock_said *said, unsigned code, const char *status, const char *fmt, ...)
{
	va_list ap;

	said->code = (uint16_t)code;
	snprintf(said->status, sizeof said->status, "%s", status);
	va_start(ap, fmt);
	vsnprintf(said->text, sizeof said->text, fmt, ap);
	va_end(ap);
}

/* ---- the world */

static SUSPENDS void ask_dns(void *ctx, struct str name, enum dns_type type, struct arena *a, struct dns_answer *out)
{
	struct locks *l = ctx;

	if (l->dns)
		dns_ask(l->dns, name, type, a, out);
	else /* winding down */
		*out = (struct dns_answer){ .result = DNS_TIMEOUT };
}

/* Another domain's records lead nowhere into this machine or its network, unless letters go there, too. */
static bool may_go_to(const struct locks *l, int family, const uint8_t *bytes, struct address *out)
{
	return address_make(family, bytes, 443, out) && address_kind(out) != ADDRESS_NO_HOST &&
		(l->private_addresses || address_kind(out) == ADDRESS_PUBLIC);
}

SUSPENDS size_t lock_find_addresses(struct locks *l, struct str host, struct arena *a, struct str *out)
{
	static const enum dns_type types[] = { DNS_AAAA, DNS_A };
	struct address address;
	size_t n = 0;

	for (size_t t = 0; t < 2; t++) {
		struct dns_answer answer;

		l->ask(l->ask_ctx, host, types[t], a, &answer);
		for (size_t i = 0; answer.result == DNS_OK && i < answer.n && n < LOCK_ADDRESSES_MAX; i++)
			if (may_go_to(l, types[t] == DNS_A ? AF_INET : AF_INET6, answer.records[i].address, &address))
				out[n++] = arena_dup(a, str_z(address.text));
	}
	return n;
}

static SUSPENDS void get_page(void *ctx, struct str host, struct str path, struct arena *a, struct lock_page *out)
{
	struct locks *l = ctx;
	struct str *addresses = arena_array(a, LOCK_ADDRESSES_MAX, sizeof *addresses);
	struct ipc_https_get get = { .host = host, .port = 443, .path = path, .addresses = addresses, .size_max = STS_TEXT_MAX };
	struct ipc_https_get_reply reply;
	enum outcome o;

	*out = (struct lock_page){ 0 };
	get.n_addresses = lock_find_addresses(l, host, a, addresses);
	if (get.n_addresses == 0) {
		out->why = arena_fmt(a, "%.*s has no address that could be gone to", STR_ARG(host));
		return;
	}
	o = ipc_https_get_within(l->fetch, &get, &reply, a, l->https_ms + 5000);
	if (o != OK) {
		out->why = STR("nothing could be fetched");
		return;
	}
	*out = (struct lock_page){ reply.status, reply.certificate_bad, reply.content_type, reply.bytes, reply.why };
}

/* ---- locks */

void locks_reconfigured(struct locks *l, const struct conf *conf)
{
	l->sts = conf->queue.sts && l->fetch;
	l->remember = conf->queue.remember_starttls;
	l->https_ms = conf->timeouts.https_ms;
	l->private_addresses = conf->queue.private_addresses;
}

void locks_set_dns(struct locks *l, struct dns *dns)
{
	l->dns = dns;
	l->trusts_ad = dns && dns_trusts_ad(dns);
}

struct locks *locks_open(const struct locks_opts *o)
{
	struct locks *l = mem_new(struct locks);

	l->sched = o->sched;
	l->fetch = o->fetch;
	l->log = o->log;
	l->authorities = o->authorities;
	l->ask = ask_dns;
	l->get = get_page;
	l->ask_ctx = l->get_ctx = l;
	locks_set_dns(l, o->dns);
	locks_reconfigured(l, o->conf);
	remembered_init(&l->remembered);
	sts_cache_init(&l->cache);
	return l;
}

/* The last of the tasks that refresh finds it closing and frees it. */
void locks_free_when_idle(struct locks *l)
{
	if (!l->closing || l->n_refreshing)
		return;
	remembered_fini(&l->remembered);
	sts_cache_fini(&l->cache);
	free(l);
}

void locks_close(struct locks *l)
{
	if (!l)
		return;
	l->closing = true;
	locks_free_when_idle(l);
}

void locks_remember(struct locks *l, const struct ipc_sts_remember *m)
{
	sts_remember(l, &m->known);
}

/* ---- a plan */

/* DANE and MTA-STS have a say: neither the sender (RFC 8689 5) nor a route has done without. */
static bool asks_peer(const struct lock_ask *ask)
{
	return ask->tls == CONF_ROUTE_TLS_AUTO && (ask->require_tls || !ask->tls_optional);
}

bool lock_knows_policy(const struct locks *l, struct str domain)
{
	return l && sts_is_known(l, domain);
}

SUSPENDS bool lock_has_policy(struct locks *l, struct str domain, struct arena *a)
{
	return sts_is_there(l, domain, a);
}

SUSPENDS enum lock_verdict lock_plan_make(struct locks *l, const struct lock_ask *ask, struct arena *a, struct lock_plan *out, struct lock_said *said)
{
	struct sts_found found;

	*out = (struct lock_plan){ .arena = a, .ask = *ask };
	out->ask.domain = str_of(arena_dupz(a, ask->domain), ask->domain.n);
	out->facts = arena_array(a, LOCK_FACTS_MAX, sizeof *out->facts);
	if (ask->tls == CONF_ROUTE_TLS_NONE && ask->require_tls) {
		lock_say(said, 550, "5.7.30", "REQUIRETLS: a route sends without TLS");
		return LOCK_NEVER;
	}
	if (!ask->mx || (!asks_peer(ask) && !ask->require_tls))
		return LOCK_GO;
	sts_find(l, out->ask.domain, a, &found);
	out->fresh = found.fresh;
	if (found.policy && found.policy->mode != STS_NONE)
		out->sts = found.policy;
	out->sts_trouble = (uint8_t)found.trouble;
	if (found.trouble != TLSRPT_SUCCESS)
		lock_note_plan(out, (struct str){ 0 }, TLSRPT_POLICY_STS, (struct str){ 0 }, found.trouble, arena_dupz(a, found.why));
	return LOCK_GO;
}
