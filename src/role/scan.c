/* role/scan.c - the role that reads what letters contain: wiring only; the work is pipe/scan_service.c. */
#include "base/die.h"
#include "pipe/scan_service.h"
#include "role/host.h"

#include <stdlib.h>

struct scan_role {
	struct host *host;
	struct scan *scan;
};

static void *scan_open(struct host *h)
{
	struct scan_role *r = mem_new(struct scan_role);

	r->host = h;
	r->scan = scan_new(h->sched, &h->log, h->conf->conf);
	return r;
}

static const struct ipc_service *scan_role_service(void *self, enum role other)
{
	struct scan_role *r = self;

	(void)other;
	return scan_service(r->scan);
}

static bool scan_go(void *self)
{
	(void)self;
	return true;
}

static void scan_stop(void *self, int64_t grace_ms)
{
	struct scan_role *r = self;

	(void)grace_ms;
	host_done(r->host);
}

static void scan_close(void *self)
{
	struct scan_role *r = self;

	scan_free(r->scan);
	free(r);
}

const struct host_ops scan_ops = {
	.role = ROLE_SCAN,
	.open = scan_open,
	.service = scan_role_service,
	.go = scan_go,
	.stop = scan_stop,
	.close = scan_close,
};
