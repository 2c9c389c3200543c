/* relay/relay.c - the state of the role: made before the walls, changed with the configuration, wound down. See the header.
 * Owns        the resolver, the memory of addresses and locks, kept connections, configurations in use and the passwords of their routes.
 */
#include "relay/relay.h"

#include "base/die.h"
#include "base/rng.h"
#include "relay/relay_impl.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

/* ---- configurations */

static struct relay_conf *conf_new(struct relay_loan loan)
{
	struct relay_conf *c = mem_new(struct relay_conf);

	*c = (struct relay_conf){ .loan = loan, .conf = loan.conf, .n_users = 1 };
	c->logins = mem_array(loan.conf->n_routes + 1, sizeof *c->logins);
	return c;
}

struct relay_conf *relay_conf_get(struct relay_conf *c)
{
	c->n_users++;
	return c;
}

static void wipe(struct str *secret)
{
	if (secret->p) {
		OPENSSL_cleanse((void *)(uintptr_t)secret->p, secret->n);
		free((void *)(uintptr_t)secret->p);
	}
	*secret = (struct str){ 0 };
}

void relay_conf_put(struct relay_conf *c)
{
	if (--c->n_users)
		return;
	for (size_t i = 0; i < c->conf->n_routes; i++)
		wipe(&c->logins[i]);
	free(c->logins);
	c->loan.end(c->loan.arg);
	free(c);
}

void relay_login(struct relay *r, uint16_t route, struct str secret)
{
	struct relay_conf *c = r->conf;

	if (route >= c->conf->n_routes)
		return;
	wipe(&c->logins[route]);
	c->logins[route] = str_of(mem_dup(secret.p, secret.n), secret.n);
}

/* ---- resolvers */

static SUSPENDS void ask_dns(void *ctx, struct str name, enum dns_type type, struct arena *a, struct dns_answer *out)
{
	struct relay *r = ctx;

	if (r->dns)
		dns_ask(r->dns, name, type, a, out);
	else
		*out = (struct dns_answer){ .result = DNS_TIMEOUT };
}

static void open_dns(struct relay *r)
{
	const struct conf *c = r->conf->conf;
	const struct conf_resolvers *wanted = c->dns.resolvers.n ? &c->dns.resolvers : &r->system;

	if (r->dns)
		dns_close(r->dns);
	r->dns = dns_open(&(struct dns_opts){ .sched = r->sched, .resolvers = wanted, .timeout_ms = c->timeouts.dns_ms });
}

static bool dns_differs(const struct conf *a, const struct conf *b)
{
	return a->timeouts.dns_ms != b->timeouts.dns_ms || memcmp(&a->dns.resolvers, &b->dns.resolvers, sizeof a->dns.resolvers) != 0;
}

/* ---- life */

struct relay *relay_new(const struct relay_opts *o)
{
	struct relay *r = mem_new(struct relay);
	char why[256] = "";

	r->sched = o->sched;
	r->log = o->log;
	r->fetch = o->fetch;
	r->seed = rng_u64();
	r->conf = conf_new(o->loan);
	r->resolver = (struct resolver){ .ask = ask_dns, .ctx = r, .sched = r->sched };
	dns_system_resolvers(&r->system);
	open_dns(r);
	r->authorities = tls_authorities_open(r->conf->conf->tls.authorities, why);
	if (why[0])
		log_warning(r->log, "authorities", "%s", why);
	r->locks = locks_open(&(struct locks_opts){ .sched = r->sched, .dns = r->dns, .fetch = r->fetch, .log = r->log, .conf = r->conf->conf,
		.authorities = r->authorities });
	bad_init(&r->bad, rng_u64());
	pool_init(&r->pool, r->sched);
	pool_configure(&r->pool, r->conf->conf);
	r->n_interfaces = own_interfaces(r->interfaces);
	own_learn(r, r->conf->conf);
	relay_service_init(r);
	return r;
}

void relay_configure(struct relay *r, struct relay_loan loan)
{
	struct relay_conf *old = r->conf;

	r->conf = conf_new(loan);
	if (dns_differs(old->conf, loan.conf)) {
		open_dns(r);
		locks_set_dns(r->locks, r->dns);
	}
	locks_reconfigured(r->locks, loan.conf);
	pool_configure(&r->pool, loan.conf);
	own_learn(r, loan.conf);
	relay_conf_put(old);
}

const struct ipc_service *relay_service(struct relay *r)
{
	return &r->service;
}

/* What is under way ends as if its connection were lost: before the letter's last byte nothing has happened. */
void relay_stop(struct relay *r)
{
	if (r->stopping)
		return;
	r->stopping = true;
	list_each(it, next, &r->jobs)
	{
		struct relay_job *j = list_entry(it, struct relay_job, node);

		if (j->task)
			task_cancel(j->task);
	}
	pool_close(&r->pool);
	if (r->dns)
		dns_close(r->dns);
	r->dns = NULL;
	locks_set_dns(r->locks, NULL);
}

bool relay_stopped(struct relay *r)
{
	if (!r->stopping || r->n_running || r->n_calls || !pool_ended(&r->pool))
		return false;
	locks_close(r->locks);
	r->locks = NULL;
	return true;
}

void relay_count(const struct relay *r, struct counters *out)
{
	out->server[COUNT_RELAY_CONNECTIONS] = r->pool.n_wires;
	out->server[COUNT_RELAY_CONNECTED] = r->n_connections;
	out->server[COUNT_RELAY_REUSED] = r->n_reused;
	out->server[COUNT_RELAY_FAILED] = r->n_connections_failed;
	out->server[COUNT_RELAY_RESULTS_KEPT] = r->n_jobs;
}

void relay_free(struct relay *r)
{
	relay_jobs_fini(r);
	tls_authorities_close(r->authorities);
	bad_fini(&r->bad);
	relay_conf_put(r->conf);
	free(r);
}
