/* role/relay.c - the role that hands letters to other servers: wiring only; the work is in relay/. */
#include "base/die.h"
#include "ipc_gen.h"
#include "relay/relay.h"
#include "role/host.h"

#include <stdlib.h>

#define LOOK_MS 20

struct relay_role {
	struct host *host;
	struct link fetch;
	struct relay *relay;
	int64_t stop_by_ms;
};

static void loan_end(void *arg)
{
	host_conf_put(arg);
}

static struct relay_loan loan_of(struct host *h)
{
	struct host_conf *c = host_conf_get(h->conf);

	return (struct relay_loan){ .conf = c->conf, .end = loan_end, .arg = c };
}

static void *relay_open(struct host *h)
{
	struct relay_role *r = mem_new(struct relay_role);

	r->host = h;
	link_init(&r->fetch, h->sched);
	r->relay = relay_new(&(struct relay_opts){ .sched = h->sched, .log = &h->log, .fetch = &r->fetch, .loan = loan_of(h) });
	return r;
}

static const struct ipc_service *relay_role_service(void *self, enum role other)
{
	struct relay_role *r = self;

	return other == ROLE_POST ? relay_service(r->relay) : NULL;
}

static struct link *relay_link(void *self, enum role other, uint16_t index)
{
	struct relay_role *r = self;

	return other == ROLE_FETCH && index == 0 ? &r->fetch : NULL;
}

static void relay_route_login(void *self, uint16_t route, struct str secret)
{
	relay_login(((struct relay_role *)self)->relay, route, secret);
}

static bool relay_go(void *self)
{
	(void)self;
	return true;
}

static void relay_reconfigured(void *self)
{
	struct relay_role *r = self;

	relay_configure(r->relay, loan_of(r->host));
}

static SUSPENDS void relay_stop_main(void *arg)
{
	struct relay_role *r = arg;

	while (!relay_stopped(r->relay) && sched_now_ms(r->host->sched) < r->stop_by_ms)
		task_sleep(r->host->sched, LOOK_MS);
	host_done(r->host);
}

static void relay_role_stop(void *self, int64_t grace_ms)
{
	struct relay_role *r = self;

	link_close(&r->fetch);
	relay_stop(r->relay);
	r->stop_by_ms = sched_now_ms(r->host->sched) + grace_ms;
	task_spawn(r->host->sched, "stop", relay_stop_main, r);
}

static void relay_role_count(void *self, struct counters *out)
{
	relay_count(((struct relay_role *)self)->relay, out);
}

static void relay_close(void *self)
{
	struct relay_role *r = self;

	if (relay_stopped(r->relay))
		relay_free(r->relay);
	free(r);
}

const struct host_ops relay_ops = {
	.role = ROLE_RELAY,
	.open = relay_open,
	.service = relay_role_service,
	.link = relay_link,
	.route_login = relay_route_login,
	.go = relay_go,
	.reconfigured = relay_reconfigured,
	.stop = relay_role_stop,
	.count = relay_role_count,
	.close = relay_close,
};
