/* role/fetch.c - the role that speaks HTTPS with other servers: wiring only; the work is in fetch/.
 *
 * The authorities it trusts are read once, in open, since no file can be opened later: those of a new configuration count from the next start.
 */
#include "base/die.h"
#include "fetch/service.h"
#include "role/host.h"

#include <stdlib.h>

struct fetch_role {
	struct host *host;
	struct tls_authorities *authorities;
	struct fetch_service fetch;
	struct ipc_service service;
	ipc_handler *handlers[IPC_TYPE_COUNT];
};

static void *fetch_open(struct host *h)
{
	struct fetch_role *r = mem_new(struct fetch_role);
	const struct conf *c = h->conf->conf;
	char why[256];

	r->host = h;
	r->authorities = tls_authorities_open(c->tls.authorities, why);
	if (why[0])
		log_warning(&h->log, "authorities", "%s", why);
	if (!r->authorities)
		r->authorities = tls_authorities_open((struct str){ 0 }, why);
	r->fetch = (struct fetch_service){ https_open(h->sched, r->authorities), c->timeouts.https_ms };
	fetch_handlers(r->handlers);
	r->service = (struct ipc_service){ .ctx = &r->fetch, .handlers = r->handlers };
	return r;
}

static const struct ipc_service *fetch_service(void *self, enum role other)
{
	struct fetch_role *r = self;

	return other == ROLE_RELAY ? &r->service : NULL;
}

static bool fetch_go(void *self)
{
	(void)self;
	return true;
}

static void fetch_reconfigured(void *self)
{
	struct fetch_role *r = self;

	r->fetch.timeout_ms = r->host->conf->conf->timeouts.https_ms;
}

static void fetch_stop(void *self, int64_t grace_ms)
{
	struct fetch_role *r = self;

	(void)grace_ms;
	host_done(r->host);
}

static void fetch_close(void *self)
{
	struct fetch_role *r = self;

	https_close(r->fetch.https);
	tls_authorities_close(r->authorities);
	free(r);
}

const struct host_ops fetch_ops = {
	.role = ROLE_FETCH,
	.open = fetch_open,
	.service = fetch_service,
	.go = fetch_go,
	.reconfigured = fetch_reconfigured,
	.stop = fetch_stop,
	.close = fetch_close,
};
