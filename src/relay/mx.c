/* relay/mx.c - what DNS says of the way to a domain. See the header.
 * Trust       answers are other people's: names and addresses in them are looked at before anything is done with them.
 * Owns        a lookup that runs beside its asker has memory of its own, which goes with the one of both that ends last.
 * Suspends    while DNS is asked.
 */
#include "relay/mx.h"

#include "base/die.h"
#include "base/rng.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define LOOKUP_MEMORY ((size_t)256 * 1024)

bool own_has_name(const struct own *o, struct str name)
{
	for (size_t i = 0; i < o->n_names; i++)
		if (dns_name_eq(o->names[i], name))
			return true;
	return false;
}

bool own_has_address(const struct own *o, const struct address *a)
{
	for (size_t i = 0; i < o->n_addresses; i++)
		if (address_same(&o->addresses[i], a))
			return true;
	return false;
}

/* The resolver could not find out: that is nobody's fault whom we could name, and may be over soon. */
static bool is_soft(enum dns_result r)
{
	return r == DNS_SERVFAIL || r == DNS_REFUSED || r == DNS_TIMEOUT || r == DNS_BROKEN;
}

static void say_result(struct said *s, struct str name, const char *type, enum dns_result r)
{
	static const char *const why[DNS_RESULT_COUNT] = { [DNS_SERVFAIL] = "its name servers fail, or its signatures do",
		[DNS_REFUSED] = "the resolver does not serve us", [DNS_TIMEOUT] = "no answer came", [DNS_BROKEN] = "the answer cannot be understood" };

	if (is_soft(r))
		said_set(s, false, FEEDBACK_LOCAL, "4.4.3", "DNS lookup of %s for %.*s: %s (%s)", type, STR_ARG(name), why[r], dns_result_name(r));
	else if (r == DNS_NODATA)
		said_set(s, true, FEEDBACK_FINE, "5.4.4", "%.*s has neither MX nor address records in DNS", STR_ARG(name));
	else
		said_set(s, true, FEEDBACK_FINE, "5.1.2", "%.*s does not exist in DNS", STR_ARG(name));
}

/* ---- hosts */

static int by_preference(const void *a, const void *b)
{
	const struct mx_host *x = a, *y = b;

	if (x->preference != y->preference)
		return x->preference < y->preference ? -1 : 1;
	return str_cmp(x->name, y->name);
}

/* "mx1.example.org,mx2.example.org;backup.example.net": names of one preference with a comma. More than are tried are nobody else's hosts. */
static struct str spell(const struct mx_host *v, size_t n, struct str domain, struct arena *a)
{
	struct str spelling;
	struct buf b;

	if (n > MX_HOSTS_MAX)
		return arena_fmt(a, "%zu hosts of %.*s", n, STR_ARG(domain));
	buf_init(&b, MX_SPELLING_MAX);
	for (size_t i = 0; i < n; i++) {
		if (i)
			buf_addc(&b, v[i].preference == v[i - 1].preference ? ',' : ';');
		buf_add(&b, v[i].name);
	}
	spelling = arena_dup(a, buf_str(&b));
	buf_fini(&b);
	return spelling;
}

static void shuffle(struct mx_host *v, size_t n, uint64_t *seed)
{
	for (size_t i = n; i > 1; i--) {
		size_t k = rng_step(seed) % i;
		struct mx_host x = v[i - 1];

		v[i - 1] = v[k];
		v[k] = x;
	}
}

/* Those of one preference by chance, so that load is spread (RFC 5321 5.1). */
static void order(struct mx_host *v, size_t n, uint64_t *seed)
{
	for (size_t i = 0, k; i < n; i = k) {
		for (k = i + 1; k < n && v[k].preference == v[i].preference; k++)
			;
		shuffle(v + i, k - i, seed);
	}
}

/* How many are left: those better than ourselves. */
static size_t before_us(const struct mx_host *v, size_t n, const struct own *own)
{
	for (size_t i = 0; i < n; i++)
		if (own_has_name(own, v[i].name)) {
			size_t k = i;

			while (k > 0 && v[k - 1].preference == v[i].preference)
				k--;
			return k;
		}
	return n;
}

static bool take_records(const struct dns_answer *answer, struct str domain, const struct own *own, uint64_t *seed, struct arena *a, struct mx *out,
	struct said *said)
{
	struct mx_host *v = arena_array(a, answer->n, sizeof *v);
	size_t n = 0, left;

	for (size_t i = 0; i < answer->n; i++)
		if (answer->records[i].name.n)
			v[n++] = (struct mx_host){ answer->records[i].name, answer->records[i].preference };
	if (n == 0) { /* RFC 7505 */
		said_set(said, true, FEEDBACK_FINE, "5.1.10", "%.*s takes no mail: it has a null MX (RFC 7505)", STR_ARG(domain));
		return false;
	}
	qsort(v, n, sizeof *v, by_preference);
	out->spelling = spell(v, n, domain, a);
	order(v, n, seed);
	left = before_us(v, n, own);
	if (left == 0) {
		said_set(said, true, FEEDBACK_FINE, "5.4.6", "mail for %.*s comes back to this server, which does not know that domain", STR_ARG(domain));
		return false;
	}
	out->n = left < MX_HOSTS_MAX ? left : MX_HOSTS_MAX;
	memcpy(out->hosts, v, out->n * sizeof *v);
	return true;
}

SUSPENDS bool mx_find(const struct resolver *r, struct str domain, const struct own *own, uint64_t *seed, struct arena *a, struct mx *out, struct said *said)
{
	struct dns_answer answer;

	*out = (struct mx){ 0 };
	r->ask(r->ctx, domain, DNS_MX, a, &answer);
	out->secure = answer.secure;
	out->ttl_s = answer.ttl_s;
	if (answer.result == DNS_OK)
		return take_records(&answer, domain, own, seed, a, out, said);
	if (answer.result != DNS_NODATA) {
		say_result(said, domain, "MX", answer.result);
		return false;
	}
	if (own_has_name(own, domain)) {
		said_set(said, true, FEEDBACK_FINE, "5.4.6", "mail for %.*s comes back to this server, which does not know that domain", STR_ARG(domain));
		return false;
	}
	out->implicit = true;
	out->spelling = domain;
	out->hosts[out->n++] = (struct mx_host){ .name = domain };
	return true;
}

/* ---- addresses */

/* One question, asked beside its asker. */
struct lookup {
	const struct resolver *resolver;
	struct str name;
	enum dns_type type;
	struct arena arena;
	struct dns_answer answer;
	struct gate gate;
	bool done, abandoned;
};

static void lookup_free(struct lookup *l)
{
	arena_fini(&l->arena);
	free(l);
}

static SUSPENDS void lookup_main(void *arg)
{
	struct lookup *l = arg;

	l->resolver->ask(l->resolver->ctx, l->name, l->type, &l->arena, &l->answer);
	l->done = true;
	if (l->abandoned)
		lookup_free(l);
	else
		gate_open(l->resolver->sched, &l->gate);
}

static struct lookup *lookup_start(const struct resolver *r, struct str name, enum dns_type type)
{
	struct lookup *l = mem_new(struct lookup);

	l->resolver = r;
	l->type = type;
	arena_init(&l->arena, "lookup", LOOKUP_MEMORY);
	l->name = arena_dup(&l->arena, name);
	gate_init(&l->gate);
	task_spawn(r->sched, "lookup", lookup_main, l);
	return l;
}

/* Views of out are in the lookup, which lookup_free ends; NULL: we were stopped, and it ends by itself. */
static SUSPENDS struct lookup *lookup_await(struct lookup *l)
{
	struct gate *g = &l->gate;

	while (!l->done)
		if (task_wait(l->resolver->sched, &g, 1, NEVER_MS) == WAIT_STOP && !l->done) {
			l->abandoned = true;
			return NULL;
		}
	return l;
}

struct gathering {
	const struct mx_addresses_ask *ask;
	struct arena *arena;
	struct mx_addresses *out;
	size_t n_refused; /* of a kind that is not gone to */
	enum dns_result worst;
};

static void take(struct gathering *g, const struct address *x)
{
	enum address_kind kind = address_kind(x);

	if (kind == ADDRESS_NO_HOST || (kind == ADDRESS_PRIVATE && !g->ask->any))
		g->n_refused++;
	else if (g->out->n < ADDRESSES_MAX)
		g->out->v[g->out->n++] = *x;
}

/* At most half of the room is for one family, so that neither leaves the other out. */
static void take_answer(struct gathering *g, const struct dns_answer *answer, int family)
{
	size_t most = g->out->n + ADDRESSES_MAX / 2;

	if (answer->result != DNS_OK) {
		if (is_soft(answer->result) || g->worst == DNS_OK || (g->worst == DNS_NXDOMAIN && answer->result == DNS_NODATA))
			g->worst = answer->result;
		return;
	}
	if (g->out->n == 0)
		g->out->secure = answer->secure;
	g->out->secure = g->out->secure && answer->secure;
	g->out->expanded = arena_dup(g->arena, answer->name);
	for (size_t i = 0; i < answer->n && g->out->n < most; i++) {
		struct address x;

		if (address_make(family, answer->records[i].address, g->ask->port, &x))
			take(g, &x);
	}
}

static bool finish(struct gathering *g, struct said *said)
{
	const struct mx_addresses_ask *ask = g->ask;

	if (g->out->n)
		return true;
	if (g->n_refused)
		said_set(said, true, FEEDBACK_FINE, "5.4.4", "%.*s has only addresses that are not of the internet", STR_ARG(ask->name));
	else if (g->worst == DNS_OK)
		said_set(said, false, FEEDBACK_LOCAL, "4.4.4", "no address to leave from to %.*s", STR_ARG(ask->name));
	else if (g->worst == DNS_NODATA)
		said_set(said, true, FEEDBACK_FINE, "5.4.4", "%.*s has no address%s in DNS", STR_ARG(ask->name),
			ask->v4 && ask->v6 ? "" : ask->v4 ? " of IPv4" : " of IPv6");
	else
		say_result(said, ask->name, "addresses", g->worst);
	return false;
}

SUSPENDS bool mx_addresses_find(const struct resolver *r, const struct mx_addresses_ask *ask, struct arena *a, struct mx_addresses *out, struct said *said)
{
	struct gathering g = { .ask = ask, .arena = a, .out = out, .worst = DNS_OK };
	struct lookup *six = NULL;
	struct dns_answer four = { 0 };
	struct address given;

	*out = (struct mx_addresses){ .expanded = ask->name };
	if (address_read(ask->name, ask->port, &given)) {
		if (given.family == AF_INET ? ask->v4 : ask->v6)
			take(&g, &given);
		return finish(&g, said);
	}
	if (ask->v6)
		six = lookup_start(r, ask->name, DNS_AAAA);
	if (ask->v4)
		r->ask(r->ctx, ask->name, DNS_A, a, &four);
	if (six && (six = lookup_await(six)) != NULL) {
		take_answer(&g, &six->answer, AF_INET6);
		lookup_free(six);
	}
	if (ask->v4)
		take_answer(&g, &four, AF_INET);
	return finish(&g, said);
}
