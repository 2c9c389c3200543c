/* role/relay.c - the role that hands letters to other servers: wiring only; the work is in relay/. */
#include "base/die.h"
#include "ipc_gen.h"
#include "relay/texts.h"
#include "role/host.h"

#include <stdlib.h>

struct relay_role {
	struct host *host;
	struct link fetch;
	struct dns *dns;
	struct ipc_service service;
	ipc_handler *handlers[IPC_TYPE_COUNT];
};

static SUSPENDS void on_texts(void *ctx, struct ipc_call *call, const void *msg)
{
	relay_answer_texts(((struct relay_role *)ctx)->dns, call, msg);
}

static void *relay_open(struct host *h)
{
	struct relay_role *r = mem_new(struct relay_role);

	r->host = h;
	link_init(&r->fetch, h->sched);
	r->dns = dns_open(&(struct dns_opts){ h->sched, &h->conf->conf->dns.resolvers, h->conf->conf->timeouts.dns_ms });
	r->handlers[IPC_DNS_TEXTS] = on_texts;
	r->service = (struct ipc_service){ .ctx = r, .handlers = r->handlers };
	return r;
}

static const struct ipc_service *relay_service(void *self, enum role other)
{
	struct relay_role *r = self;

	return other == ROLE_POST ? &r->service : NULL;
}

static struct link *relay_link(void *self, enum role other, uint16_t index)
{
	struct relay_role *r = self;

	return other == ROLE_FETCH && index == 0 ? &r->fetch : NULL;
}

static bool relay_go(void *self)
{
	(void)self;
	return true;
}

static void relay_stop(void *self, int64_t grace_ms)
{
	struct relay_role *r = self;

	(void)grace_ms;
	dns_close(r->dns);
	host_done(r->host);
}

static void relay_close(void *self)
{
	free(self);
}

const struct host_ops relay_ops = {
	.role = ROLE_RELAY,
	.open = relay_open,
	.service = relay_service,
	.link = relay_link,
	.go = relay_go,
	.stop = relay_stop,
	.close = relay_close,
};
