/* relay/dane.c - TLSA records. See the header.
 * Trust       what DNS says counts only with the AD bit of a resolver on this machine (dns.h).
 * Suspends    for DNS.
 *
 * A host whose addresses are not secure is asked about no further: zones that are not signed are often served by what answers no TLSA
 * question at all (RFC 7672 2.2.2).
 */
#include "relay/dane.h"

#include "relay/lock_impl.h"

struct keeping {
	struct tls_tlsa *v;
	size_t n;
};

static void keep_usable(void *arg)
{
	struct keeping *k = arg;

	k->n = tls_tlsa_keep_usable(k->v, k->n);
}

static void show(const struct dns_answer *answer, struct arena *a, struct dane *out)
{
	struct buf b;

	buf_init(&b, LOCK_POLICY_TEXT_MAX);
	for (size_t i = 0; i < answer->n; i++) {
		const struct dns_record *r = &answer->records[i];
		size_t before = b.n;

		buf_addf(&b, "%s%u %u %u ", i ? "\n" : "", r->usage, r->selector, r->matching);
		for (size_t k = 0; k < r->data.n; k++)
			buf_addf(&b, "%02x", (unsigned char)r->data.p[k]);
		if (b.full) {
			buf_cut(&b, before);
			break;
		}
	}
	out->text = arena_dup(a, buf_str(&b));
	buf_fini(&b);
}

static void take_records(struct locks *l, const struct dns_answer *answer, struct arena *a, struct dane *out)
{
	struct keeping k = { arena_array(a, answer->n, sizeof *k.v), 0 };

	for (size_t i = 0; i < answer->n; i++) {
		const struct dns_record *r = &answer->records[i];

		if ((r->usage == 2 || r->usage == 3) && k.n < LOCK_TLSA_MAX)
			k.v[k.n++] = (struct tls_tlsa){ r->usage, r->selector, r->matching, r->data };
	}
	sched_call(l->sched, keep_usable, &k);
	show(answer, a, out);
	out->found = k.n ? DANE_USABLE : DANE_UNUSABLE;
	out->v = k.v;
	out->n = k.n;
}

static SUSPENDS void ask_tlsa(struct locks *l, struct str base, uint16_t port, struct arena *a, struct dane *out)
{
	struct str name = arena_fmt(a, "_%u._tcp.%.*s", port, STR_ARG(base));
	struct dns_answer answer;

	*out = (struct dane){ .found = DANE_NONE, .base = str_of(arena_dupz(a, base), base.n) };
	l->ask(l->ask_ctx, name, DNS_TLSA, a, &answer);
	switch (answer.result) {
	case DNS_OK:
		if (answer.secure)
			take_records(l, &answer, a, out);
		return;
	case DNS_NODATA:
	case DNS_NXDOMAIN:
	case DNS_BAD_NAME: /* a host name so long has none */
		return;
	default:
		out->found = DANE_FAILED;
		out->text = arena_fmt(a, "%.*s TLSA: %s", STR_ARG(name), dns_result_name(answer.result));
	}
}

/* An alias in a signed zone that leads into one that is not: records at the alias itself count (RFC 7672 2.2.2). */
static SUSPENDS bool alias_is_secure(struct locks *l, struct str host, struct arena *a, struct dane *out)
{
	struct dns_answer answer;

	l->ask(l->ask_ctx, host, DNS_CNAME, a, &answer);
	if (answer.result != DNS_OK && answer.result != DNS_NODATA && answer.result != DNS_NXDOMAIN) {
		out->found = DANE_FAILED;
		out->text = arena_fmt(a, "%.*s CNAME: %s", STR_ARG(host), dns_result_name(answer.result));
	}
	return answer.result == DNS_OK && answer.secure;
}

SUSPENDS void dane_find(struct locks *l, const struct lock_host_ask *ask, struct arena *a, struct dane *out)
{
	bool aliased = ask->expanded.n && !dns_name_eq(ask->expanded, ask->host);

	*out = (struct dane){ .found = DANE_NONE };
	if (!l->trusts_ad || ask->host.n == 0)
		return;
	if (!ask->addresses_secure) {
		if (aliased && alias_is_secure(l, ask->host, a, out))
			ask_tlsa(l, ask->host, ask->port, a, out);
		return;
	}
	if (aliased)
		ask_tlsa(l, ask->expanded, ask->port, a, out);
	if (!aliased || out->found == DANE_NONE)
		ask_tlsa(l, ask->host, ask->port, a, out);
}
