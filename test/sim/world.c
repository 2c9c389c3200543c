/* sim/world.c - a store and the roles around it in one scheduler. See the header. */
#include "sim/world.h"

#include "base/die.h"

#include <stdio.h>
#include <string.h>

#define SETTLE_MS 50 /* in which ends of channels are noticed */

static const char conf_text[] =
	"hostname sim.test\n"
	"data_dir /nowhere\n"
	"run_dir /nowhere\n"
	"user nobody\n"
	"listen imap {\n\tauth_without_tls yes\n}\n"
	"store {\n\tengine memory\n}\n";

static void ignore(void *ctx, struct ipc_call *call, const void *msg)
{
	(void)ctx;
	(void)call;
	(void)msg;
}

static ipc_handler *const deaf_handlers[IPC_TYPE_COUNT] = { [IPC_CHANGED] = ignore, [IPC_REVOKED] = ignore };
static const struct ipc_service deaf = { .handlers = deaf_handlers };

struct end {
	enum role role;
	const struct ipc_service *service;
	struct link *link;
};

static void join(struct world *w, const struct end *a, const struct end *b)
{
	const struct end *ends[] = { a, b };
	int fds[2];

	ipc_channel(fds);
	for (int i = 0; i < 2; i++) {
		struct peer *p = peer_open(&(struct peer_opts){ .sched = w->sched, .log = &w->log, .service = ends[i]->service,
			.self = ends[i]->role, .other = ends[1 - i]->role, .life = 1, .fd = fds[i] });

		if (ends[i]->link)
			link_set(ends[i]->link, p);
	}
}

static void join_mail(struct world *w)
{
	const struct ipc_service *store = store_service(w->store);

	join(w, &(struct end){ ROLE_STORE, NULL, &w->store_scan }, &(struct end){ ROLE_SCAN, scan_service(w->scan), NULL });
	join(w, &(struct end){ ROLE_POST, NULL, &w->post_scan }, &(struct end){ ROLE_SCAN, scan_service(w->scan), NULL });
	join(w, &(struct end){ ROLE_POST, NULL, &w->post_store }, &(struct end){ ROLE_STORE, store, NULL });
	w->post = post_new(&(struct post_opts){ .sched = w->sched, .log = &w->log, .conf = w->conf, .stores = &w->post_store,
		.n_stores = 1, .scans = &w->post_scan, .n_scans = 1, .relay = &w->relay });
	join(w, &(struct end){ ROLE_EDGE_USER, NULL, &w->edge_post }, &(struct end){ ROLE_POST, post_service(w->post), NULL });
	join(w, &(struct end){ ROLE_EDGE_IN, NULL, &w->edge_in_post }, &(struct end){ ROLE_POST, post_service(w->post), NULL });
}

static struct store_limits limits_of(const struct world *w, const struct world_opts *o)
{
	const struct conf *c = w->conf;

	return (struct store_limits){ .message_size_max = c->limits.message_size_max,
		.mailbox_name_size_max = c->limits.mailbox_name_size_max, .mailbox_depth_max = c->limits.mailbox_depth_max,
		.mailboxes_max = c->limits.mailboxes_max, .keywords_max = c->limits.keywords_max, .saved_ranges_max = 1000,
		.keep_expunged_ms = o->keep_expunged_ms ? o->keep_expunged_ms : c->store.keep_expunged_ms };
}

static bool open_store(struct world *w, const struct world_opts *o, struct buf *why)
{
	struct engine_opts e = o->engine;

	e.log = &w->log;
	e.why = why;
	w->engine = o->rocks ? engine_rocks_load(&e) : engine_mem_open(&e);
	if (!w->engine)
		return false;
	w->store_scans[0] = &w->store_scan;
	w->store = store_open(&(struct store_opts){ .sched = w->sched, .log = &w->log, .engine = w->engine, .limits = limits_of(w, o),
		.scan = w->store_scans, .n_scan = 1, .body_budget = 64 << 20, .keep_garbage = o->keep_garbage }, why);
	return w->store;
}

bool world_open(struct world *w, const struct world_opts *o, struct buf *why)
{
	struct link *links[] = { &w->post_store, &w->auth_store, &w->ctl_store, &w->edge_store, &w->store_scan, &w->post_scan, &w->relay,
		&w->edge_post, &w->edge_in_post };
	struct conf_errors errors;
	char text[2000];

	snprintf(text, sizeof text, "%s%s", conf_text, o->settings ? o->settings : "");
	*w = (struct world){ .sched = o->sched };
	log_init(&w->log, 2, "sim");
	w->log.least = LOG_LEVEL_ERROR;
	conf_errors_init(&errors);
	if (!conf_parse(str_z(text), "sim", &w->conf, &errors))
		die("sim: %.*s", STR_ARG(buf_str(&errors.text)));
	conf_errors_fini(&errors);
	w->conf->timeouts.imap_idle_ms = (int64_t)86400 * 1000; /* quiet clients stay */
	for (size_t i = 0; i < sizeof links / sizeof *links; i++)
		link_init(links[i], w->sched);
	if (!open_store(w, o, why))
		return false;
	if (o->mail) {
		w->scan = scan_new(w->sched, &w->log, w->conf);
		join_mail(w);
	} else {
		join(w, &(struct end){ ROLE_POST, NULL, &w->post_store }, &(struct end){ ROLE_STORE, store_service(w->store), NULL });
	}
	join(w, &(struct end){ ROLE_AUTH, NULL, &w->auth_store }, &(struct end){ ROLE_STORE, store_service(w->store), NULL });
	join(w, &(struct end){ ROLE_CTL, NULL, &w->ctl_store }, &(struct end){ ROLE_STORE, store_service(w->store), NULL });
	join(w, &(struct end){ ROLE_EDGE_USER, o->edge ? o->edge : &deaf, &w->edge_store }, &(struct end){ ROLE_STORE, store_service(w->store), NULL });
	return true;
}

void world_close(struct world *w)
{
	if (w->post) {
		post_stop(w->post);
		while (!post_stopped(w->post))
			task_sleep(w->sched, SETTLE_MS);
		link_close(&w->edge_post);
		link_close(&w->edge_in_post);
		task_sleep(w->sched, SETTLE_MS);
		post_free(w->post);
		link_close(&w->post_scan);
	}
	link_close(&w->post_store);
	link_close(&w->auth_store);
	link_close(&w->ctl_store);
	link_close(&w->edge_store);
	task_sleep(w->sched, SETTLE_MS);
	link_close(&w->store_scan);
	task_sleep(w->sched, SETTLE_MS);
	store_close(w->store);
	if (w->scan)
		scan_free(w->scan);
	conf_free(w->conf);
}

/* ---- accounts */

enum outcome world_add_domain(struct world *w, const char *name)
{
	return ipc_domain_add(&w->ctl_store, &(struct ipc_domain_add){ .name = str_z(name) });
}

enum outcome world_add_account(struct world *w, const char *local, const char *domain, const char *hash, uint64_t *account)
{
	struct ipc_account_add m = { .address = { str_z(local), str_z(domain) }, .hash = str_z(hash) };
	struct ipc_account_add_reply r = { 0 };
	enum outcome o = ipc_account_add(&w->ctl_store, &m, &r, NULL);

	*account = r.account;
	return o;
}

enum outcome world_login(struct world *w, const char *address, uint64_t *handle, uint64_t *account)
{
	struct ipc_credential m = { .login = str_z(address) };
	struct ipc_credential_reply r;
	struct ipc_grant g = { .edge = 0, .edge_life = 1 };
	struct ipc_grant_reply gr = { 0 };
	struct arena a;
	enum outcome o;

	arena_init(&a, "login", IPC_REPLY_MEMORY);
	o = ipc_credential(&w->auth_store, &m, &r, &a);
	if (o == OK) {
		g.account = *account = r.account;
		g.version = r.version;
		o = ipc_grant(&w->auth_store, &g, &gr, NULL);
		*handle = gr.handle;
	}
	arena_fini(&a);
	return o;
}
