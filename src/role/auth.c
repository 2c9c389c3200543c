/* role/auth.c - the role that checks passwords: wiring only; the work is auth/login.c. */
#include "auth/login.h"
#include "base/die.h"
#include "role/host.h"

#include <malloc.h>
#include <stdlib.h>
#include <unistd.h>

struct auth_role {
	struct host *host;
	struct login *login;
	struct link stores[STORE_SHARDS];
};

static void *auth_open(struct host *h)
{
	struct auth_role *r = mem_new(struct auth_role);
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	r->host = h;
	for (int i = 0; i < STORE_SHARDS; i++)
		link_init(&r->stores[i], h->sched);
	r->login = login_new(&(struct login_opts){ .sched = h->sched, .log = &h->log, .stores = r->stores,
		.n_stores = STORE_SHARDS, .n_threads = h->embedded ? 0 : cores > 4 ? 4 : (unsigned)cores }, h->conf->conf);
	return r;
}

static const struct ipc_service *auth_service(void *self, enum role other)
{
	struct auth_role *r = self;

	return other == ROLE_EDGE_USER || other == ROLE_CTL ? login_service(r->login) : NULL;
}

static struct link *auth_link(void *self, enum role other, uint16_t index)
{
	struct auth_role *r = self;

	return other == ROLE_STORE && index < STORE_SHARDS ? &r->stores[index] : NULL;
}

static bool auth_go(void *self)
{
	struct auth_role *r = self;

	/* What Argon2 takes is given back at once, however often it is taken: 19 MiB a thread. */
	mallopt(M_MMAP_THRESHOLD, 1 << 20);
	login_start(r->login);
	return true;
}

static void auth_reconfigured(void *self)
{
	struct auth_role *r = self;

	login_reconfigure(r->login, r->host->conf->conf);
}

static void auth_stop(void *self, int64_t grace_ms)
{
	struct auth_role *r = self;

	(void)grace_ms;
	login_stop(r->login);
	host_done(r->host);
}

static void auth_count(void *self, struct counters *out)
{
	login_count(((struct auth_role *)self)->login, out);
}

static void auth_close(void *self)
{
	struct auth_role *r = self;

	login_free(r->login);
	free(r);
}

const struct host_ops auth_ops = {
	.role = ROLE_AUTH,
	.open = auth_open,
	.service = auth_service,
	.link = auth_link,
	.go = auth_go,
	.reconfigured = auth_reconfigured,
	.stop = auth_stop,
	.count = auth_count,
	.close = auth_close,
};
