/* role/fetch.c - the role that speaks HTTPS with other servers: wiring only; the work is in fetch/. */
#include "base/die.h"
#include "ipc_gen.h"
#include "role/host.h"

#include <stdlib.h>

struct fetch_role {
	struct host *host;
	struct ipc_service service;
	ipc_handler *handlers[IPC_TYPE_COUNT];
};

static void *fetch_open(struct host *h)
{
	struct fetch_role *r = mem_new(struct fetch_role);

	r->host = h;
	r->service = (struct ipc_service){ .ctx = r, .handlers = r->handlers };
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

static void fetch_stop(void *self, int64_t grace_ms)
{
	struct fetch_role *r = self;

	(void)grace_ms;
	host_done(r->host);
}

static void fetch_close(void *self)
{
	free(self);
}

const struct host_ops fetch_ops = {
	.role = ROLE_FETCH,
	.open = fetch_open,
	.service = fetch_service,
	.go = fetch_go,
	.stop = fetch_stop,
	.close = fetch_close,
};
