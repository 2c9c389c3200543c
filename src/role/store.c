/* role/store.c - the role that keeps everything: wiring only; the work is in store/.
 * Purpose     opens the engine behind the walls, then takes up the channels that came before it was open.
 * Suspends    the opening is a task; channels wait for it in a list.
 */
#include "base/die.h"
#include "base/vec.h"
#include "role/host.h"
#include "role/upgrade.h"
#include "store/store.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SCANS_MAX 64
#define SCAN_BUDGET ((uint64_t)256 << 20)
#define MODULE "sallyport-rocks.so"
#ifndef SALLYPORT_MODULE_DIR
#define SALLYPORT_MODULE_DIR "/usr/lib/sallyport"
#endif

struct store_role {
	struct host *host;
	struct store *store; /* NULL until it is open */
	struct link scans[SCANS_MAX], *scan_list[SCANS_MAX];
	struct VEC(struct peer_opts) waiting; /* channels that came before it */
	struct task *opener;
	char module[PATH_MAX];
};

/* The engine's module lies beside the program, as built, or where it is installed. */
void store_find_module(char out[PATH_MAX])
{
	ssize_t n = readlink("/proc/self/exe", out, PATH_MAX - 1);
	char *slash;

	if (n > 0) {
		out[n] = 0;
		slash = strrchr(out, '/');
		if (slash && (size_t)(slash - out) + sizeof MODULE + 1 < PATH_MAX) {
			memcpy(slash + 1, MODULE, sizeof MODULE);
			if (access(out, R_OK) == 0)
				return;
		}
	}
	snprintf(out, PATH_MAX, "%s/%s", SALLYPORT_MODULE_DIR, MODULE);
}

static void *store_role_open(struct host *h)
{
	struct store_role *r = mem_new(struct store_role);

	r->host = h;
	for (int i = 0; i < SCANS_MAX; i++) {
		link_init(&r->scans[i], h->sched);
		r->scan_list[i] = &r->scans[i];
	}
	if (h->conf->conf->store.engine == CONF_ENGINE_ROCKS) {
		store_find_module(r->module);
		/* Here, while files can be opened; loading it again behind the walls finds it by its name. */
		if (!dlopen(r->module, RTLD_NOW | RTLD_LOCAL))
			die("role/store: the engine cannot be loaded: %s", dlerror());
	}
	return r;
}

static void take_up(struct store_role *r, const struct peer_opts *who)
{
	struct peer_opts o = *who;
	struct peer *p;

	o.service = o.other == ROLE_SCAN ? NULL : store_service(r->store);
	p = peer_open(&o);
	if (o.other == ROLE_SCAN && o.index < SCANS_MAX)
		link_set(&r->scans[o.index], p);
}

static bool store_raw_channel(void *self, const struct peer_opts *who)
{
	struct store_role *r = self;

	if (r->store)
		take_up(r, who);
	else
		*vec_push(&r->waiting) = *who;
	return true;
}

static struct engine *open_engine(struct store_role *r, struct buf *why)
{
	const struct conf *c = r->host->conf->conf;
	struct engine_opts o = { .data_dir = r->host->embedded ? c->data_dir.p : ".", .module = r->module,
		.segment_size = c->store.segment_size, .sync = c->store.sync, .threads = !r->host->embedded, .log = &r->host->log, .why = why };

	return c->store.engine == CONF_ENGINE_MEMORY ? engine_mem_open(&o) : engine_rocks_load(&o);
}

static struct store_limits limits_of(const struct store_role *r)
{
	const struct conf *c = r->host->conf->conf;

	struct store_limits l = { .message_size_max = c->limits.message_size_max,
		.mailbox_name_size_max = c->limits.mailbox_name_size_max, .mailbox_depth_max = c->limits.mailbox_depth_max,
		.mailboxes_max = c->limits.mailboxes_max,
		.saved_ranges_max = c->limits.imap_saved_ranges_max, .codes_max = c->limits.codes_max,
		.keywords_max = c->limits.keywords_max, .quota_bytes = c->limits.quota_size,
		.quota_messages = c->limits.quota_messages, .disk_reserve = c->disk_reserve_size,
		.sent_window_ms = c->store.sent_window_ms, .pop_messages_max = c->limits.pop_messages_max, .pop_login_delay_ms = c->limits.pop_login_delay_ms,
		.keep_expunged_ms = c->store.keep_expunged_ms, .keep_audit_ms = c->store.keep_audit_ms, .command_ms = c->timeouts.command_ms,
		.keep_history_ms = c->queue.keep_history_ms, .suppress_after = c->queue.suppress_after, .suppress_ms = c->queue.suppress_ms,
		.forwarding = c->queue.forwarding, .hostname = c->hostname };

	memcpy(l.quota_warnings, c->limits.quota_warnings.v, c->limits.quota_warnings.n);
	return l;
}

static void store_reconfigured(void *self)
{
	struct store_role *r = self;

	if (r->store)
		store_set_limits(r->store, limits_of(r));
}

static SUSPENDS void open_main(void *arg)
{
	struct store_role *r = arg;
	const struct conf *c = r->host->conf->conf;
	struct store_opts o = { .sched = r->host->sched, .log = &r->host->log, .scan = r->scan_list, .n_scan = c->pools.n_scan,
		.body_budget = SCAN_BUDGET };
	struct buf why;

	o.limits = limits_of(r);
	buf_init(&why, 4096);
	o.engine = open_engine(r, &why);
	if (o.engine)
		r->store = store_open(&o, &why);
	if (!r->store)
		die("role/store: %s: %.*s", c->data_dir.p, STR_ARG(buf_str(&why)));
	buf_fini(&why);
	store_reconfigured(r); /* a reload may have come meanwhile, and limits borrow from the configuration */
	for (size_t i = 0; i < r->waiting.n; i++)
		take_up(r, &r->waiting.v[i]);
	vec_free(&r->waiting);
	r->opener = NULL;
	host_ready(r->host);
}

static bool store_go(void *self)
{
	struct store_role *r = self;

	r->opener = task_spawn(r->host->sched, "open", open_main, r);
	return false; /* ready when it is open */
}

static SUSPENDS void close_main(void *arg)
{
	struct store_role *r = arg;

	if (r->store)
		store_close(r->store);
	r->store = NULL;
	host_done(r->host);
}

static void store_stop(void *self, int64_t grace_ms)
{
	struct store_role *r = self;

	(void)grace_ms;
	task_spawn(r->host->sched, "close", close_main, r);
}

static void store_role_count(void *self, struct counters *out)
{
	struct store_role *r = self;

	if (r->store)
		store_count(r->store, out);
}

static void store_role_close(void *self)
{
	free(self);
}

const struct host_ops store_ops = {
	.role = ROLE_STORE,
	.open = store_role_open,
	.raw_channel = store_raw_channel,
	.go = store_go,
	.reconfigured = store_reconfigured,
	.stop = store_stop,
	.count = store_role_count,
	.close = store_role_close,
};
