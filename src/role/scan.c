/* role/scan.c - the role that reads what letters contain: wiring only; the work is pipe/scan_service.c. */
#include "base/die.h"
#include "mail/decode.h"
#include "mail/fold.h"
#include "pipe/scan_service.h"
#include "role/host.h"

#include <stdlib.h>

struct scan_role {
	struct host *host;
	struct scan *scan;
};

/* ICU finds its data at its first use: that is here, where files can still be opened. */
static void warm_up(void *arg)
{
	struct buf b;

	(void)arg;
	buf_init(&b, 1000);
	mail_charset_decode(STR("a\xe4"), STR("iso-8859-15"), &b);
	mail_charset_decode(STR("\x1b$B\x46\x7c\x1b(B"), STR("iso-2022-jp"), &b);
	mail_fold(STR("\xc3\x84"), &b);
	buf_fini(&b);
}

static void *scan_open(struct host *h)
{
	struct scan_role *r = mem_new(struct scan_role);

	r->host = h;
	sched_call(h->sched, warm_up, NULL);
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
	struct scan_role *r = self;

	if (!r->host->embedded) /* there it would end the whole server */
		scan_limit(r->scan, r->host->conf->conf->timeouts.scan_ms);
	return true;
}

static void scan_stop(void *self, int64_t grace_ms)
{
	struct scan_role *r = self;

	(void)grace_ms;
	host_done(r->host);
}

static void scan_role_count(void *self, struct counters *out)
{
	out->server[COUNT_SCANS] = scan_count(((struct scan_role *)self)->scan);
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
	.count = scan_role_count,
	.close = scan_close,
};
