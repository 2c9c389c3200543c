/* role/post.c - the role that takes every letter in: wiring only; the work is in pipe/. */
#include "base/die.h"
#include "pipe/post.h"
#include "role/host.h"

#include <stdlib.h>

#define SCANS_MAX 64
#define LOOK_MS 20

struct post_role {
	struct host *host;
	struct host_conf *conf; /* post's, while it is in use */
	struct post *post;
	struct link stores[STORE_SHARDS], scans[SCANS_MAX], keys, relay;
	int64_t stop_by_ms;
};

static void *post_open(struct host *h)
{
	struct post_role *r = mem_new(struct post_role);
	const struct conf *c = h->conf->conf;

	r->host = h;
	r->conf = host_conf_get(h->conf);
	for (int i = 0; i < STORE_SHARDS; i++)
		link_init(&r->stores[i], h->sched);
	for (int i = 0; i < SCANS_MAX; i++)
		link_init(&r->scans[i], h->sched);
	link_init(&r->keys, h->sched);
	link_init(&r->relay, h->sched);
	r->post = post_new(&(struct post_opts){ .sched = h->sched, .log = &h->log, .conf = c, .stores = r->stores,
		.n_stores = STORE_SHARDS, .scans = r->scans, .n_scans = c->pools.n_scan,
		.keys = &r->keys, .relay = &r->relay });
	return r;
}

static const struct ipc_service *post_role_service(void *self, enum role other)
{
	struct post_role *r = self;

	return other == ROLE_EDGE_IN || other == ROLE_EDGE_USER || other == ROLE_CTL || other == ROLE_KEYS ? post_service(r->post) : NULL;
}

static struct link *post_link(void *self, enum role other, uint16_t index)
{
	struct post_role *r = self;

	if (other == ROLE_STORE)
		return index < STORE_SHARDS ? &r->stores[index] : NULL;
	if (other == ROLE_KEYS || other == ROLE_RELAY)
		return index ? NULL : other == ROLE_KEYS ? &r->keys : &r->relay;
	return other == ROLE_SCAN && index < SCANS_MAX ? &r->scans[index] : NULL;
}

static bool post_go(void *self)
{
	(void)self;
	return true;
}

static void post_reconfigured(void *self)
{
	struct post_role *r = self;

	post_configure(r->post, r->host->conf->conf);
	host_conf_put(r->conf);
	r->conf = host_conf_get(r->host->conf);
}

/* Letters that were being taken in are finished, as long as there is time. */
static SUSPENDS void post_stop_main(void *arg)
{
	struct post_role *r = arg;

	while (!post_stopped(r->post) && sched_now_ms(r->host->sched) < r->stop_by_ms)
		task_sleep(r->host->sched, LOOK_MS);
	host_done(r->host);
}

static void post_role_stop(void *self, int64_t grace_ms)
{
	struct post_role *r = self;

	post_stop(r->post);
	r->stop_by_ms = sched_now_ms(r->host->sched) + grace_ms;
	task_spawn(r->host->sched, "stop", post_stop_main, r);
}

static void post_role_count(void *self, struct counters *out)
{
	post_count(((struct post_role *)self)->post, out);
}

static void post_close(void *self)
{
	struct post_role *r = self;

	if (post_stopped(r->post))
		post_free(r->post);
	host_conf_put(r->conf);
	free(r);
}

const struct host_ops post_ops = {
	.role = ROLE_POST,
	.open = post_open,
	.service = post_role_service,
	.link = post_link,
	.go = post_go,
	.reconfigured = post_reconfigured,
	.stop = post_role_stop,
	.count = post_role_count,
	.close = post_close,
};
