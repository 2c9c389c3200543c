/* relay/sts.c - MTA-STS policies: discovery, fetching, and the cache that makes them hold (RFC 8461 3.3, 5.1, 10.2).
 * Trust       the TXT record can be forged or suppressed by who is in the way; the policy is read over HTTPS with a certificate for its host.
 * Owns        the cache.
 * Suspends    for DNS and the role that fetches; afterwards an entry is looked up again.
 * Invariants  I1 a policy that is in the cache and in time is kept to, whatever DNS or HTTPS say: it goes only when a newer one was read.
 *             I2 at most one fetch a domain at a time; after one that failed the same id is not tried again for RETRY_S.
 */
#include "relay/lock_impl.h"

#include "base/die.h"
#include "base/rng.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RETRY_S 300	    /* RFC 8461 3.3 */
#define REFRESH_S 86400	    /* a policy this old is read again, though its id is the same (RFC 8461 3.3, 10.2) */
#define DOMAIN_MAX 243	    /* with "_mta-sts." before it */

struct sts_entry {
	struct node node;
	struct gate fetched;
	bool fetching;
	char id[STS_ID_MAX + 1];	/* of the policy */
	char tried_id[STS_ID_MAX + 1];	/* of the last fetch that failed */
	int64_t tried_s;
	enum tlsrpt_result trouble;	/* of that */
	char why[200];
	int64_t fetched_s, until_s;	/* of the policy; until_s 0: there is none */
	char *text;			/* the policy in its canonical form */
	size_t n_text;
	size_t n_domain;
	char domain[];
};

static struct str domain_of(const struct sts_entry *e)
{
	return str_of(e->domain, e->n_domain);
}

static void entry_free(struct sts_cache *c, struct sts_entry *e)
{
	map_del(&c->by_domain, domain_of(e));
	list_del(&e->node);
	free(e->text);
	free(e);
}

void sts_cache_init(struct sts_cache *c)
{
	map_init(&c->by_domain, rng_u64());
	list_init(&c->oldest);
}

void sts_cache_fini(struct sts_cache *c)
{
	list_each(it, next, &c->oldest)
		entry_free(c, list_entry(it, struct sts_entry, node));
	map_fini(&c->by_domain);
}

/* One that is being fetched stays: its task comes back to it. */
static void make_room(struct sts_cache *c)
{
	list_each(it, next, &c->oldest) {
		struct sts_entry *e = list_entry(it, struct sts_entry, node);

		if (c->by_domain.n < STS_CACHE_MAX)
			return;
		if (!e->fetching)
			entry_free(c, e);
	}
}

static struct sts_entry *entry_need(struct sts_cache *c, struct str domain)
{
	struct sts_entry *e = map_get(&c->by_domain, domain);

	if (!e) {
		make_room(c);
		e = mem_alloc(sizeof *e + domain.n);
		memcpy(e->domain, domain.p, domain.n);
		e->n_domain = domain.n;
		gate_init(&e->fetched);
		list_init(&e->node);
		map_put(&c->by_domain, domain, e);
	}
	list_del(&e->node);
	list_add_last(&c->oldest, &e->node);
	return e;
}

static bool in_time(const struct sts_entry *e, int64_t now_s)
{
	return e->until_s > now_s;
}

static void keep(struct sts_entry *e, struct str id, struct str text, int64_t fetched_s, int64_t until_s)
{
	free(e->text);
	e->text = mem_dup(text.p, text.n);
	e->n_text = text.n;
	snprintf(e->id, sizeof e->id, "%.*s", STR_ARG(id));
	e->fetched_s = fetched_s;
	e->until_s = until_s;
	e->tried_id[0] = 0;
	e->trouble = TLSRPT_SUCCESS;
}

void sts_remember(struct locks *l, const struct ipc_sts_known *k)
{
	struct arena a;
	struct sts_policy policy;
	int64_t now_s = lock_now_s(l);
	const struct sts_entry *had = map_get(&l->cache.by_domain, k->domain);

	if (k->domain.n == 0 || k->domain.n > DOMAIN_MAX || k->until_s <= now_s || (had && had->fetched_s >= k->fetched_s))
		return;
	arena_init(&a, "sts policy", 1 << 20);
	if (sts_policy_parse(k->policy, &a, &policy))
		keep(entry_need(&l->cache, k->domain), k->id, k->policy, k->fetched_s, k->until_s);
	arena_fini(&a);
}

/* ---- fetching */

static bool is_plain_text(struct str type)
{
	struct str first;

	return str_split(&type, ';', &first) && str_ieq(str_trim(first), STR("text/plain"));
}

static void failed(struct sts_entry *e, struct str id, int64_t now_s, enum tlsrpt_result trouble, const char *why)
{
	snprintf(e->tried_id, sizeof e->tried_id, "%.*s", STR_ARG(id));
	snprintf(e->why, sizeof e->why, "%s", why);
	e->tried_s = now_s;
	e->trouble = trouble;
}

/* What came is a policy, or why it is none. */
static void judge(struct locks *l, struct sts_entry *e, struct str id, const struct lock_page *page, struct arena *a)
{
	int64_t now_s = lock_now_s(l);
	struct sts_policy policy;
	struct buf text;

	if (page->status != 200) {
		failed(e, id, now_s, page->certificate_bad ? TLSRPT_STS_WEBPKI_INVALID : TLSRPT_STS_POLICY_FETCH_ERROR,
			page->status ? arena_fmt(a, "HTTP status %u", page->status).p : arena_dupz(a, page->why));
		return;
	}
	if (!is_plain_text(page->content_type)) {
		failed(e, id, now_s, TLSRPT_STS_POLICY_INVALID, "the policy is not text/plain");
		return;
	}
	if (!sts_policy_parse(page->bytes, a, &policy)) {
		failed(e, id, now_s, TLSRPT_STS_POLICY_INVALID, "the policy is not valid");
		return;
	}
	buf_init(&text, STS_SHOWN_MAX);
	sts_policy_show(&policy, &text);
	keep(e, id, buf_str(&text), now_s, now_s + policy.max_age_s);
	buf_fini(&text);
}

/* True: a new policy is there. */
static SUSPENDS bool fetch(struct locks *l, struct str domain, struct str id, struct arena *a)
{
	struct sts_entry *e = entry_need(&l->cache, domain);
	struct lock_page page;
	int64_t before;

	e->fetching = true;
	before = e->fetched_s;
	l->get(l->get_ctx, arena_fmt(a, "mta-sts.%.*s", STR_ARG(domain)), STR("/.well-known/mta-sts.txt"), a, &page);
	judge(l, e, id, &page, a); /* an entry that is fetched is not freed */
	e->fetching = false;
	gate_open(l->sched, &e->fetched);
	if (e->trouble != TLSRPT_SUCCESS)
		log_fields(l->log, LOG_LEVEL_WARNING, "sts-fetch-failed", LOG_S("domain", domain), LOG_S("why", str_z(e->why)));
	return e->trouble == TLSRPT_SUCCESS && e->fetched_s >= before;
}

struct refresh {
	struct locks *locks;
	struct arena arena;
	struct str domain, id;
};

static SUSPENDS void refresh_main(void *arg)
{
	struct refresh *r = arg;

	fetch(r->locks, r->domain, r->id, &r->arena);
	r->locks->n_refreshing--;
	locks_free_when_idle(r->locks);
	arena_fini(&r->arena);
	free(r);
}

static void refresh(struct locks *l, struct sts_entry *e, struct str id)
{
	struct refresh *r = mem_new(struct refresh);

	r->locks = l;
	arena_init(&r->arena, "sts refresh", 4 << 20);
	r->domain = arena_dup(&r->arena, domain_of(e));
	r->id = arena_dup(&r->arena, id);
	e->fetching = true;
	l->n_refreshing++;
	task_spawn(l->sched, "sts refresh", refresh_main, r);
}

/* ---- finding */

/* The id that DNS announces now; empty when it announces none, or nothing that we could be sure of. */
static SUSPENDS struct str announced(struct locks *l, struct str domain, struct arena *a, enum dns_result *result)
{
	struct dns_answer answer;
	struct str *texts, id;

	l->ask(l->ask_ctx, arena_fmt(a, "_mta-sts.%.*s", STR_ARG(domain)), DNS_TXT, a, &answer);
	*result = answer.result;
	if (answer.result != DNS_OK)
		return (struct str){ 0 };
	texts = arena_array(a, answer.n, sizeof *texts);
	for (size_t i = 0; i < answer.n; i++)
		texts[i] = answer.records[i].data;
	return sts_id_find(texts, answer.n, &id) ? id : (struct str){ 0 };
}

static SUSPENDS void await_fetch(struct locks *l, struct str domain)
{
	int64_t until = sched_now_ms(l->sched) + l->https_ms;

	for (;;) {
		struct sts_entry *e = map_get(&l->cache.by_domain, domain);
		struct gate *g = e ? &e->fetched : NULL;

		if (!e || !e->fetching || task_wait(l->sched, &g, 1, until) < 0)
			return;
	}
}

static bool tried_lately(const struct sts_entry *e, struct str id, int64_t now_s)
{
	return str_eq(str_z(e->tried_id), id) && now_s - e->tried_s < RETRY_S;
}

static void note_fresh(struct sts_found *out, const struct sts_entry *e, struct arena *a)
{
	out->fresh = arena_new(a, struct ipc_sts_known);
	*out->fresh = (struct ipc_sts_known){ arena_dup(a, domain_of(e)), arena_dup(a, str_z(e->id)), e->fetched_s, e->until_s,
		arena_dup(a, str_of(e->text, e->n_text)) };
}

/* What is in the cache now. */
static void take_entry(struct locks *l, struct str domain, struct str id, struct arena *a, struct sts_found *out)
{
	const struct sts_entry *e = map_get(&l->cache.by_domain, domain);
	struct sts_policy *policy = arena_new(a, struct sts_policy);

	if (e && e->until_s > lock_now_s(l) && sts_policy_parse(arena_dup(a, str_of(e->text, e->n_text)), a, policy))
		out->policy = policy;
	if (e && !out->policy && id.n && str_eq(str_z(e->tried_id), id)) {
		out->trouble = e->trouble;
		out->why = arena_dup(a, str_z(e->why));
	}
}

bool sts_is_known(const struct locks *l, struct str domain)
{
	const struct sts_entry *e = map_get(&l->cache.by_domain, domain);

	return l->sts && e && in_time(e, lock_now_s(l));
}

SUSPENDS bool sts_is_there(struct locks *l, struct str domain, struct arena *a)
{
	enum dns_result result;

	if (!l->sts || domain.n == 0 || domain.n > DOMAIN_MAX)
		return false;
	if (sts_is_known(l, domain) || announced(l, domain, a, &result).n)
		return true;
	return result != DNS_OK && result != DNS_NODATA && result != DNS_NXDOMAIN;
}

SUSPENDS void sts_find(struct locks *l, struct str domain, struct arena *a, struct sts_found *out)
{
	struct sts_entry *e;
	struct str id;
	enum dns_result result;
	int64_t now_s = lock_now_s(l);

	*out = (struct sts_found){ 0 };
	if (!l->sts || domain.n == 0 || domain.n > DOMAIN_MAX)
		return;
	id = announced(l, domain, a, &result);
	e = map_get(&l->cache.by_domain, domain);
	if (id.n && e && in_time(e, now_s) && str_eq(str_z(e->id), id)) {
		if (!e->fetching && now_s - e->fetched_s >= REFRESH_S && !tried_lately(e, id, now_s))
			refresh(l, e, id);
	} else if (id.n && e && e->fetching) {
		await_fetch(l, domain);
	} else if (id.n && (!e || !tried_lately(e, id, now_s))) {
		if (fetch(l, domain, id, a))
			note_fresh(out, map_get(&l->cache.by_domain, domain), a);
	}
	take_entry(l, domain, id, a, out); /* I1 */
}
