/* test/unit/relay/test_lock.c - how a way is locked: decisions of relay/lock by DNS answers and pages that the test gives, and the memory of STARTTLS. */
#include "relay/lock_impl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DAY_S 86400

struct record {
	const char *name;
	enum dns_type type;
	enum dns_result result;
	bool secure;
	uint8_t usage;
	const char *text; /* TXT */
};

struct world {
	struct sched *sched;
	struct locks *locks;
	struct log log;
	const struct record *records;
	struct lock_page page;
	unsigned n_fetched;
	void (*run)(struct world *w);
	struct arena arena;
};

static void answer(void *ctx, struct str name, enum dns_type type, struct arena *a, struct dns_answer *out)
{
	struct world *w = ctx;
	static const char digest[32];

	*out = (struct dns_answer){ .result = DNS_NXDOMAIN, .secure = true, .name = name };
	for (const struct record *r = w->records; r && r->name; r++) {
		struct dns_record *v = arena_array(a, out->n + 1, sizeof *v);

		if (r->type != type || !str_eq(str_z(r->name), name))
			continue;
		if (out->n)
			memcpy(v, out->records, out->n * sizeof *v);
		v[out->n] = (struct dns_record){ .usage = r->usage, .selector = 1, .matching = 1, .data = r->text ? str_z(r->text) : str_of(digest, 32) };
		out->result = r->result;
		out->secure = r->secure;
		out->records = v;
		out->n += r->result == DNS_OK;
	}
}

static void fetch_page(void *ctx, struct str host, struct str path, struct arena *a, struct lock_page *out)
{
	struct world *w = ctx;

	(void)a;
	assert_true(str_starts(host, STR("mta-sts.")));
	assert_true(str_eq(path, STR("/.well-known/mta-sts.txt")));
	w->n_fetched++;
	*out = w->page;
}

static void main_task(void *arg)
{
	struct world *w = arg;

	w->run(w);
}

static void in_world(void (*run)(struct world *w), enum conf_remember remember)
{
	static const char text[] = "hostname a.test\nlisten smtp { }\n";
	struct world w = { .run = run };
	struct conf_errors errors;
	struct conf *conf;

	conf_errors_init(&errors);
	assert_true(conf_parse(str_z(text), "test", &conf, &errors));
	conf->queue.remember_starttls = remember;
	w.sched = sched_new(&(struct sched_opts){ .virtual_time = true, .wall_start_s = 1795305600 });
	log_init(&w.log, -1, "test");
	arena_init(&w.arena, "test", (size_t)64 << 20);
	w.locks = locks_open(&(struct locks_opts){ .sched = w.sched, .log = &w.log, .conf = conf });
	w.locks->ask = answer;
	w.locks->get = fetch_page;
	w.locks->ask_ctx = w.locks->get_ctx = &w;
	w.locks->trusts_ad = w.locks->sts = true;
	task_spawn(w.sched, "test", main_task, &w);
	sched_run(w.sched);
	locks_close(w.locks);
	arena_fini(&w.arena);
	sched_free(w.sched);
	conf_errors_fini(&errors);
	conf_free(conf);
}

/* ---- decisions */

#define TLSA "_25._tcp.mx.a.test"
#define STS { "_mta-sts.a.test", DNS_TXT, DNS_OK, true, 0, "v=STSv1; id=1;" }
#define POLICY(mode, mx) "version: STSv1\nmode: " mode "\nmx: " mx "\nmax_age: 86400\n"

struct decision {
	const char *what;
	struct record records[4];
	const char *policy;
	struct lock_ask ask;
	bool insecure_addresses, no_ad;
	const char *expanded;
	enum lock_verdict verdict; /* of the host; LOCK_NEVER also of the plan */
	enum lock aim;
	bool demanded, plain_ok; /* plain_ok: goes without TLS when it is not offered */
	const char *status;	 /* of a verdict that is not GO */
};

#define MX .mx = true
#define SECURE .mx = true, .mx_secure = true

static const struct decision decisions[] = {
	{ "nothing is known", .ask = { SECURE }, .aim = LOCK_OPPORTUNISTIC, .plain_ok = true },
	{ "DANE-EE", { { TLSA, DNS_TLSA, DNS_OK, true, 3 } }, .ask = { SECURE }, .aim = LOCK_DANE, .demanded = true },
	{ "DANE-TA", { { TLSA, DNS_TLSA, DNS_OK, true, 2 } }, .ask = { SECURE }, .aim = LOCK_DANE, .demanded = true },
	{ "PKIX usages alone", { { TLSA, DNS_TLSA, DNS_OK, true, 0 }, { TLSA, DNS_TLSA, DNS_OK, true, 1 } }, .ask = { SECURE }, .aim = LOCK_REQUIRED,
		.demanded = true },
	{ "records that are not secure", { { TLSA, DNS_TLSA, DNS_OK, false, 3 } }, .ask = { SECURE }, .aim = LOCK_OPPORTUNISTIC, .plain_ok = true },
	{ "MX that is not secure", { { TLSA, DNS_TLSA, DNS_OK, true, 3 } }, .ask = { MX }, .aim = LOCK_OPPORTUNISTIC, .plain_ok = true },
	{ "a resolver far away", { { TLSA, DNS_TLSA, DNS_OK, true, 3 } }, .ask = { SECURE }, .no_ad = true, .aim = LOCK_OPPORTUNISTIC, .plain_ok = true },
	{ "addresses that are not secure", { { TLSA, DNS_TLSA, DNS_OK, true, 3 } }, .ask = { SECURE }, .insecure_addresses = true, .aim = LOCK_OPPORTUNISTIC,
		.plain_ok = true },
	{ "a failing lookup", { { TLSA, DNS_TLSA, DNS_SERVFAIL, false, 3 } }, .ask = { SECURE }, .verdict = LOCK_LATER, .status = "4.7.5" },
	{ "a lookup without answer", { { TLSA, DNS_TLSA, DNS_TIMEOUT, false, 3 } }, .ask = { SECURE }, .verdict = LOCK_LATER, .status = "4.7.5" },
	{ "a secure alias, records where it leads", { { "_25._tcp.real.test", DNS_TLSA, DNS_OK, true, 3 } }, .ask = { SECURE }, .expanded = "real.test",
		.aim = LOCK_DANE, .demanded = true },
	{ "a secure alias, records at itself", { { TLSA, DNS_TLSA, DNS_OK, true, 3 } }, .ask = { SECURE }, .expanded = "real.test", .aim = LOCK_DANE,
		.demanded = true },
	{ "an alias out of security, records at itself", { { TLSA, DNS_TLSA, DNS_OK, true, 3 }, { "mx.a.test", DNS_CNAME, DNS_OK, true, 0, "x" } },
		.ask = { SECURE }, .expanded = "real.test", .insecure_addresses = true, .aim = LOCK_DANE, .demanded = true },
	{ "an alias that is not secure itself", { { TLSA, DNS_TLSA, DNS_OK, true, 3 }, { "mx.a.test", DNS_CNAME, DNS_OK, false, 0, "x" } },
		.ask = { SECURE }, .expanded = "real.test", .insecure_addresses = true, .aim = LOCK_OPPORTUNISTIC, .plain_ok = true },
	{ "MTA-STS enforce", { STS }, POLICY("enforce", "mx.a.test"), .ask = { MX }, .aim = LOCK_STS, .demanded = true },
	{ "MTA-STS enforce, another host", { STS }, POLICY("enforce", "mx2.a.test"), .ask = { MX }, .verdict = LOCK_LATER, .status = "4.7.5" },
	{ "MTA-STS testing, another host", { STS }, POLICY("testing", "mx2.a.test"), .ask = { MX }, .aim = LOCK_OPPORTUNISTIC, .plain_ok = true },
	{ "MTA-STS none", { STS }, POLICY("none", "mx.a.test"), .ask = { MX }, .aim = LOCK_OPPORTUNISTIC, .plain_ok = true },
	{ "MTA-STS of a host that a route names", { STS }, POLICY("enforce", "mx2.a.test"), .aim = LOCK_OPPORTUNISTIC, .plain_ok = true },
	{ "DANE before MTA-STS", { STS, { TLSA, DNS_TLSA, DNS_OK, true, 3 } }, POLICY("enforce", "mx2.a.test"), .ask = { SECURE }, .aim = LOCK_DANE,
		.demanded = true },
	{ "DANE not usable, MTA-STS", { STS, { TLSA, DNS_TLSA, DNS_OK, true, 1 } }, POLICY("enforce", "mx.a.test"), .ask = { SECURE }, .aim = LOCK_STS,
		.demanded = true },
	{ "DANE not usable, MTA-STS testing", { STS, { TLSA, DNS_TLSA, DNS_OK, true, 1 } }, POLICY("testing", "mx.a.test"), .ask = { SECURE },
		.aim = LOCK_REQUIRED, .demanded = true },
	{ "TLS-Required: No and DANE", { { TLSA, DNS_TLSA, DNS_OK, true, 3 } }, .ask = { SECURE, .tls_optional = true }, .aim = LOCK_OPPORTUNISTIC,
		.plain_ok = true },
	{ "TLS-Required: No and MTA-STS", { STS }, POLICY("enforce", "mx2.a.test"), .ask = { MX, .tls_optional = true }, .aim = LOCK_OPPORTUNISTIC,
		.plain_ok = true },
	{ "TLS-Required: No and a route", .ask = { SECURE, .tls_optional = true, .tls = CONF_ROUTE_TLS_REQUIRE }, .aim = LOCK_REQUIRED, .demanded = true },
	{ "REQUIRETLS and DANE", { { TLSA, DNS_TLSA, DNS_OK, true, 3 } }, .ask = { SECURE, .require_tls = true }, .aim = LOCK_DANE, .demanded = true },
	{ "REQUIRETLS and secure MX", .ask = { SECURE, .require_tls = true }, .aim = LOCK_VERIFIED, .demanded = true },
	{ "REQUIRETLS and MTA-STS testing", { STS }, POLICY("testing", "mx.a.test"), .ask = { MX, .require_tls = true }, .aim = LOCK_VERIFIED,
		.demanded = true },
	{ "REQUIRETLS and nothing", .ask = { MX, .require_tls = true }, .verdict = LOCK_NEVER, .status = "5.7.30" },
	{ "REQUIRETLS and a route without TLS", .ask = { SECURE, .require_tls = true, .tls = CONF_ROUTE_TLS_NONE }, .verdict = LOCK_NEVER, .status = "5.7.30" },
	{ "a route without TLS", { { TLSA, DNS_TLSA, DNS_OK, true, 3 } }, .ask = { SECURE, .tls = CONF_ROUTE_TLS_NONE }, .aim = LOCK_NONE, .plain_ok = true },
	{ "a route with TLS, past DANE", { { TLSA, DNS_TLSA, DNS_OK, true, 3 } }, .ask = { SECURE, .tls = CONF_ROUTE_TLS_REQUIRE }, .aim = LOCK_REQUIRED,
		.demanded = true },
	{ "a route with verification", .ask = { .tls = CONF_ROUTE_TLS_VERIFY }, .aim = LOCK_VERIFIED, .demanded = true },
	{ "a route with DANE", { { TLSA, DNS_TLSA, DNS_OK, true, 3 } }, .ask = { .tls = CONF_ROUTE_TLS_DANE }, .aim = LOCK_DANE, .demanded = true },
	{ "a route with DANE that is not there", .ask = { SECURE, .tls = CONF_ROUTE_TLS_DANE }, .verdict = LOCK_LATER, .status = "4.7.5" },
	{ "a route with DANE that is not usable", { { TLSA, DNS_TLSA, DNS_OK, true, 1 } }, .ask = { SECURE, .tls = CONF_ROUTE_TLS_DANE },
		.verdict = LOCK_LATER, .status = "4.7.5" },
};

static void check_go(struct world *w, const struct decision *d, struct lock_host *h)
{
	struct lock_said said;

	if (h->aim != d->aim || h->tls_demanded != d->demanded)
		fail_msg("%s: aim %d, demanded %d", d->what, h->aim, h->tls_demanded);
	if (lock_plain(w->locks, h, NULL, LOCK_NOT_OFFERED, &said) != d->plain_ok)
		fail_msg("%s: without TLS %d", d->what, !d->plain_ok);
	if (!d->plain_ok && strcmp(said.status, d->ask.require_tls ? "5.7.30" : "4.7.4") != 0)
		fail_msg("%s: %s", d->what, said.status);
}

static void decide(struct world *w, const struct decision *d)
{
	struct lock_host_ask ask = { .host = STR("mx.a.test"), .expanded = str_z(d->expanded ? d->expanded : "mx.a.test"),
		.addresses_secure = !d->insecure_addresses, .port = 25 };
	struct lock_ask plan_ask = d->ask;
	struct lock_plan plan;
	struct lock_host h;
	struct lock_said said;
	enum lock_verdict v;

	sts_cache_fini(&w->locks->cache);
	sts_cache_init(&w->locks->cache);
	plan_ask.domain = STR("a.test");
	w->records = d->records;
	w->locks->trusts_ad = !d->no_ad;
	w->page = (struct lock_page){ .status = 200, .content_type = STR("text/plain"), .bytes = str_z(d->policy) };
	v = lock_plan_make(w->locks, &plan_ask, &w->arena, &plan, &said);
	if (v == LOCK_GO)
		v = lock_host_make(w->locks, &plan, &ask, &h, &said);
	if (v != d->verdict)
		fail_msg("%s: verdict %d", d->what, v);
	if (v == LOCK_GO)
		check_go(w, d, &h);
	else if (strcmp(said.status, d->status) != 0)
		fail_msg("%s: %s %s", d->what, said.status, said.text);
}

static void run_decisions(struct world *w)
{
	for (size_t i = 0; i < sizeof decisions / sizeof *decisions; i++)
		decide(w, &decisions[i]);
}

static void each_host_is_asked_for_what_the_standards_have(void **state)
{
	(void)state;
	in_world(run_decisions, CONF_REMEMBER_WARN);
}

/* ---- policies over time */

static const struct record announced1[] = { STS, { 0 } };
static const struct record announced2[] = { { "_mta-sts.a.test", DNS_TXT, DNS_OK, false, 0, "v=STSv1; id=2;" }, { 0 } };

/* The mode of the policy that counts; STS_NONE: none does. */
static enum sts_mode mode_now(struct world *w, struct lock_plan *plan)
{
	struct lock_ask ask = { .domain = STR("a.test"), .mx = true };
	struct lock_said said;

	assert_int_equal(lock_plan_make(w->locks, &ask, &w->arena, plan, &said), LOCK_GO);
	return plan->sts ? plan->sts->mode : STS_NONE;
}

static void serve(struct world *w, const char *policy)
{
	w->page = (struct lock_page){ .status = policy ? 200 : 404, .content_type = STR("text/plain; charset=utf-8"), .bytes = str_z(policy) };
}

static void run_time(struct world *w)
{
	struct lock_plan plan;

	w->records = announced1;
	serve(w, NULL);
	assert_int_equal(mode_now(w, &plan), STS_NONE);
	assert_int_equal(plan.facts[0].result, TLSRPT_STS_POLICY_FETCH_ERROR);
	serve(w, POLICY("enforce", "mx.a.test"));
	assert_int_equal(mode_now(w, &plan), STS_NONE); /* what failed is not tried again for five minutes */
	assert_int_equal(w->n_fetched, 1);
	task_sleep(w->sched, 300 * 1000);
	assert_int_equal(mode_now(w, &plan), STS_ENFORCE);
	assert_non_null(plan.fresh);
	assert_true(str_eq(plan.fresh->id, STR("1")));
	assert_int_equal(plan.fresh->until_s - plan.fresh->fetched_s, DAY_S);
	assert_int_equal(w->n_fetched, 2);
	w->records = NULL; /* the record is gone, or suppressed */
	assert_int_equal(mode_now(w, &plan), STS_ENFORCE);
	w->records = announced2; /* another policy, which cannot be had */
	serve(w, NULL);
	assert_int_equal(mode_now(w, &plan), STS_ENFORCE);
	assert_int_equal(plan.n_facts, 0);
	assert_int_equal(w->n_fetched, 3);
	task_sleep(w->sched, (DAY_S - 1) * 1000ll);
	w->records = NULL;
	assert_int_equal(mode_now(w, &plan), STS_ENFORCE); /* the last second of max_age */
	task_sleep(w->sched, 1000);
	assert_int_equal(mode_now(w, &plan), STS_NONE);
	assert_int_equal(w->n_fetched, 3);
}

static void a_policy_holds_for_its_time_whatever_else_fails(void **state)
{
	(void)state;
	in_world(run_time, CONF_REMEMBER_WARN);
}

static void run_refresh(struct world *w)
{
	struct lock_plan plan;

	w->records = announced1;
	serve(w, "version: STSv1\nmode: enforce\nmx: mx.a.test\nmax_age: 604800\n");
	assert_int_equal(mode_now(w, &plan), STS_ENFORCE);
	task_sleep(w->sched, (DAY_S - 1) * 1000ll);
	assert_int_equal(mode_now(w, &plan), STS_ENFORCE);
	assert_int_equal(w->n_fetched, 1);
	task_sleep(w->sched, 1000);
	serve(w, POLICY("testing", "mx.a.test"));
	assert_int_equal(mode_now(w, &plan), STS_ENFORCE); /* nobody waits for it */
	task_sleep(w->sched, 1);
	assert_int_equal(w->n_fetched, 2);
	assert_int_equal(mode_now(w, &plan), STS_TESTING);
}

static void a_policy_is_read_again_once_a_day(void **state)
{
	(void)state;
	in_world(run_refresh, CONF_REMEMBER_WARN);
}

static void run_remembered(struct world *w)
{
	int64_t now_s = lock_now_s(w->locks);
	struct ipc_sts_remember m = { { STR("a.test"), STR("1"), now_s - 10, now_s + 100, STR(POLICY("enforce", "mx.a.test")) } };
	struct lock_plan plan;

	locks_remember(w->locks, &m);
	assert_int_equal(mode_now(w, &plan), STS_ENFORCE);
	assert_null(plan.fresh);
	m.known.fetched_s--; /* older than the one that is there */
	m.known.policy = STR(POLICY("none", "mx.a.test"));
	locks_remember(w->locks, &m);
	assert_int_equal(mode_now(w, &plan), STS_ENFORCE);
	m.known.domain = STR("b.test");
	m.known.until_s = now_s;
	locks_remember(w->locks, &m); /* over */
	assert_int_equal(w->locks->cache.by_domain.n, 1);
}

static void a_policy_of_an_earlier_life_counts(void **state)
{
	(void)state;
	in_world(run_remembered, CONF_REMEMBER_WARN);
}

static void run_full_cache(struct world *w)
{
	int64_t now_s = lock_now_s(w->locks);
	struct ipc_sts_remember m = { { .id = STR("1"), .fetched_s = now_s, .until_s = now_s + 100, .policy = STR(POLICY("enforce", "mx.a.test")) } };
	char name[40];

	for (int i = 0; i <= STS_CACHE_MAX; i++) {
		m.known.domain = str_of(name, (size_t)snprintf(name, sizeof name, "d%d.test", i));
		locks_remember(w->locks, &m);
		assert_int_equal(w->locks->cache.by_domain.n, i < STS_CACHE_MAX ? i + 1 : STS_CACHE_MAX);
	}
	assert_null(map_get(&w->locks->cache.by_domain, STR("d0.test")));
	assert_non_null(map_get(&w->locks->cache.by_domain, STR("d1.test")));
}

static void the_policy_used_longest_ago_makes_room(void **state)
{
	(void)state;
	in_world(run_full_cache, CONF_REMEMBER_WARN);
}

/* ---- STARTTLS that was offered once */

static bool goes_plain(struct world *w)
{
	struct lock_ask ask = { .domain = STR("a.test"), .mx = true };
	struct lock_host_ask host_ask = { .host = STR("mx.a.test"), .expanded = STR("mx.a.test"), .port = 25 };
	struct lock_plan plan;
	struct lock_host h;
	struct lock_said said;

	assert_int_equal(lock_plan_make(w->locks, &ask, &w->arena, &plan, &said), LOCK_GO);
	assert_int_equal(lock_host_make(w->locks, &plan, &host_ask, &h, &said), LOCK_GO);
	return lock_plain(w->locks, &h, NULL, LOCK_REFUSED, &said);
}

static void run_kept(struct world *w)
{
	assert_true(goes_plain(w));
	remembered_add(&w->locks->remembered, STR("mx.a.test"), lock_now_s(w->locks));
	assert_false(goes_plain(w));
	task_sleep(w->sched, (int64_t)LOCK_STARTTLS_DAYS * DAY_S * 1000);
	assert_false(goes_plain(w));
	task_sleep(w->sched, 1000);
	assert_true(goes_plain(w));
}

static void run_warned(struct world *w)
{
	remembered_add(&w->locks->remembered, STR("mx.a.test"), lock_now_s(w->locks));
	assert_true(goes_plain(w));
}

static void a_host_that_no_longer_offers_starttls_is_held_to_it_for_its_days(void **state)
{
	(void)state;
	in_world(run_kept, CONF_REMEMBER_YES);
	in_world(run_warned, CONF_REMEMBER_WARN);
	in_world(run_warned, CONF_REMEMBER_NO);
}

static void the_host_heard_of_longest_ago_is_forgotten_first(void **state)
{
	struct remembered r;
	char name[40];

	(void)state;
	remembered_init(&r);
	for (int i = 0; i < LOCK_STARTTLS_MAX; i++)
		remembered_add(&r, str_of(name, (size_t)snprintf(name, sizeof name, "h%d.test", i)), 100);
	remembered_add(&r, STR("h0.test"), 200);
	assert_true(remembered_has(&r, STR("h1.test"), 100));
	remembered_add(&r, STR("new.test"), 200);
	assert_int_equal(r.by_host.n, LOCK_STARTTLS_MAX);
	assert_false(remembered_has(&r, STR("h1.test"), 200));
	assert_true(remembered_has(&r, STR("h0.test"), 200));
	assert_true(remembered_has(&r, STR("new.test"), 200));
	remembered_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_host_is_asked_for_what_the_standards_have),
		cmocka_unit_test(a_policy_holds_for_its_time_whatever_else_fails),
		cmocka_unit_test(a_policy_is_read_again_once_a_day),
		cmocka_unit_test(a_policy_of_an_earlier_life_counts),
		cmocka_unit_test(the_policy_used_longest_ago_makes_room),
		cmocka_unit_test(a_host_that_no_longer_offers_starttls_is_held_to_it_for_its_days),
		cmocka_unit_test(the_host_heard_of_longest_ago_is_forgotten_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
