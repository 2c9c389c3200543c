/* role/master.c - starting, signals, reloading, stopping.
 * Purpose     the one process with the system's privileges: it parses the configuration and nothing else, and talks only to
 *             processes it made.
 * Owns        listening sockets for as long as the server lives, so that nobody is refused while roles change.
 */
#include "role/master.h"

#include "base/clock.h"
#include "base/die.h"
#include "base/rng.h"
#include "ipc_gen.h"
#include "role/master_impl.h"
#include "role/upgrade.h"
#include "sandbox/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define WHY_MAX ((size_t)64 * 1024)
#define KILL_AFTER_MS 5000 /* beyond the time a role was given to stop */
#define READY_WITHIN_MS 60000
#define RELOADED_WITHIN_MS 10000

/* ---- what roles say */

static void on_ready(void *ctx, struct ipc_call *call, const void *msg)
{
	struct master *m = ctx;
	struct child *c = peer_data(call_peer(call));
	const struct ipc_ready *r = msg;

	c->ready = true;
	c->walls = r->walls;
	c->landlock_abi = r->landlock_abi;
	gate_open(m->sched, &m->changed);
}

static void on_marked(void *ctx, struct ipc_call *call, const void *msg)
{
	struct master *m = ctx;
	struct child *c = peer_data(call_peer(call));

	c->conf_number = ((const struct ipc_marked *)msg)->number;
	gate_open(m->sched, &m->changed);
}

static void on_stopped(void *ctx, struct ipc_call *call, const void *msg)
{
	struct master *m = ctx;
	struct child *c = peer_data(call_peer(call));

	(void)msg;
	c->stopped = true;
	gate_open(m->sched, &m->changed);
}

/* The channel may end before the process is reaped; nobody may hold it afterwards. */
static void child_gone(void *ctx, struct peer *p)
{
	struct child *c = peer_data(p);

	(void)ctx;
	if (c && c->peer == p)
		c->peer = NULL;
}

static ipc_handler *const handlers[IPC_TYPE_COUNT] = { [IPC_READY] = on_ready, [IPC_STOPPED] = on_stopped, [IPC_MARKED] = on_marked,
	[IPC_COUNTS] = master_on_counts, [IPC_METRICS] = master_on_metrics };

/* ---- reloading */

static void log_why(struct master *m, const char *event, struct buf *why)
{
	struct str rest = buf_str(why), line;

	while (str_split(&rest, '\n', &line))
		if (line.n)
			log_fields(&m->log, LOG_LEVEL_ERROR, event, LOG_S("reason", line));
}

/* Settings that shape the processes hold until the next start. */
static void warn_of_restart(struct master *m, const struct conf *c)
{
	const struct conf *old = m->conf;

	if (c->pools.n_strangers != old->pools.n_strangers || c->pools.n_users != old->pools.n_users || c->pools.n_scan != old->pools.n_scan ||
		c->store.engine != old->store.engine || !str_eq(c->data_dir, old->data_dir) ||
		!str_eq(c->run_dir, old->run_dir) || !str_eq(c->user, old->user) || !str_eq(c->log.file, old->log.file))
		log_warning(&m->log, "restart-needed",
			"pools, store engine, data_dir, run_dir, user and log file change at the next start, not by a reload");
}

/* False: it is refused, and what is in use stays. */
static bool reload(struct master *m)
{
	struct conf *conf = NULL;
	struct str text;
	struct cert *certs = NULL;
	struct str *logins = NULL;
	size_t n_certs = 0;
	struct buf why;
	bool parsed, taken;

	buf_init(&why, WHY_MAX);
	parsed = master_read_conf(m->conf_path, &conf, &text, &why);
	taken = !m->stopping && parsed && master_read_certs(m, conf, &certs, &n_certs, &why) && master_read_logins(conf, &logins, &why) &&
		master_bind(m, conf, &why);
	if (!taken) {
		log_why(m, "reload-refused", &why);
		log_error(&m->log, "reload-refused", "the configuration in use stays");
		master_certs_free(certs, n_certs);
		if (logins)
			master_logins_free(logins, conf->n_routes);
		if (parsed)
			free((void *)(uintptr_t)text.p);
		conf_free(conf);
	} else {
		warn_of_restart(m, conf);
		master_logins_free(m->logins, m->conf->n_routes);
		m->logins = logins;
		conf_free(m->conf);
		free((void *)(uintptr_t)m->conf_text.p);
		master_certs_free(m->certs, m->n_certs);
		m->conf = conf;
		m->conf_text = text;
		m->certs = certs;
		m->n_certs = n_certs;
		m->log.least = conf->log.level;
		m->conf_number++;
		for (size_t i = 0; i < m->n_children; i++)
			if (m->children[i].peer)
				master_send_conf(&m->children[i]);
		master_warn_of_ends(m);
	}
	buf_fini(&why);
	return taken;
}

static bool all_use(const struct master *m, uint32_t number)
{
	for (size_t i = 0; i < m->n_children; i++) /* who starts meanwhile begins with the newest */
		if (m->children[i].peer && m->children[i].ready && m->children[i].conf_number < number)
			return false;
	return true;
}

/* It is said to be in use when every role uses it. */
static SUSPENDS void await_use(void *arg)
{
	struct master *m = arg;
	int64_t until_ms = sched_now_ms(m->sched) + RELOADED_WITHIN_MS;
	uint32_t number = m->conf_number;
	struct gate *g = &m->changed;
	int r = 0;

	while (!m->stopping && !all_use(m, number) && r >= 0)
		r = task_wait(m->sched, &g, 1, until_ms);
	if (m->stopping)
		return;
	if (!all_use(m, number))
		log_warning(&m->log, "reload-slow", "some roles are busy and do not use %s yet", m->conf_path);
	else
		log_info(&m->log, "reloaded", "%s is in use", m->conf_path);
	notify_send(&m->notify, "READY=1");
}

static void on_reload_signal(void *arg)
{
	struct master *m = arg;

	notify_reloading(&m->notify);
	if (reload(m))
		task_spawn(m->sched, "reload", await_use, m);
	else
		notify_send(&m->notify, "READY=1");
}

/* ---- stopping */

static bool all_stopped(struct master *m, enum role r)
{
	for (size_t i = 0; i < m->n_children; i++)
		if (m->children[i].role == r && !m->children[i].stopped)
			return false;
	return true;
}

static SUSPENDS void stop_role(struct master *m, enum role r)
{
	int64_t until = sched_now_ms(m->sched) + m->conf->timeouts.stop_ms + KILL_AFTER_MS;
	struct gate *g = &m->changed;

	for (size_t i = 0; i < m->n_children; i++) {
		struct child *c = &m->children[i];

		if (c->role != r)
			continue;
		if (!c->peer)
			c->stopped = true;
		else
			ipc_stop_cast(c->peer, &(struct ipc_stop){ .grace_ms = (uint32_t)m->conf->timeouts.stop_ms });
	}
	while (!all_stopped(m, r) && task_wait(m->sched, &g, 1, until) >= 0)
		;
	for (size_t i = 0; i < m->n_children; i++) {
		struct child *c = &m->children[i];

		if (c->role == r && c->pid > 0 && !c->stopped) {
			log_error(&m->log, "role-killed", "%s %u did not stop in time", role_name(r), c->index);
			kill(c->pid, SIGKILL);
		}
	}
}

/* From the doors inwards, so that nobody asks somebody who has left. */
static SUSPENDS void stop_main(void *arg)
{
	static const enum role order[] = { ROLE_EDGE_IN, ROLE_EDGE_USER, ROLE_POST, ROLE_RELAY, ROLE_FETCH, ROLE_AUTH, ROLE_SCAN, ROLE_STORE, ROLE_KEYS };
	struct master *m = arg;

	for (size_t i = 0; i < sizeof order / sizeof *order; i++)
		stop_role(m, order[i]);
	log_info(&m->log, "stopped", "all roles have ended");
	sched_stop(m->sched);
}

static void on_stop_signal(void *arg)
{
	struct master *m = arg;

	if (m->stopping)
		return;
	m->stopping = true;
	log_info(&m->log, "stopping", "sessions end at their next command, within %lld s", (long long)m->conf->timeouts.stop_ms / 1000);
	notify_send(&m->notify, "STOPPING=1");
	if (m->watchdog)
		task_cancel(m->watchdog);
	m->watchdog = NULL;
	master_ctl_close(m);
	task_cancel(m->certs_task);
	for (size_t i = 0; i < m->n_children; i++)
		if (m->children[i].reviver)
			task_cancel(m->children[i].reviver);
	task_spawn(m->sched, "stop", stop_main, m);
}

static void on_child_signal(void *arg)
{
	master_reap(arg);
}

/* ---- the watchdog */

/* The manager hears of this server as long as every role does its work; when one hangs it starts the whole again. */
static SUSPENDS void watchdog_main(void *arg)
{
	struct master *m = arg;
	int64_t every_ms = m->notify.watchdog_ms / 3;
	bool silent = false;

	while (task_sleep(m->sched, every_ms) != WAIT_STOP) {
		bool well = master_all_counted(m, m->notify.watchdog_ms / 2);

		if (well)
			notify_send(&m->notify, "WATCHDOG=1");
		else if (!silent)
			log_error(&m->log, "role-silent", "a role has not been heard of for %lld s; see: sallyport status",
				(long long)m->notify.watchdog_ms / 2000);
		silent = !well;
	}
}

/* ---- starting */

static SUSPENDS void await_ready(void *arg)
{
	struct master *m = arg;
	int64_t until = sched_now_ms(m->sched) + READY_WITHIN_MS;
	struct gate *g = &m->changed;

	for (;;) {
		size_t n = 0;

		for (size_t i = 0; i < m->n_children; i++)
			n += m->children[i].ready;
		if (n == m->n_children) {
			log_info(&m->log, "ready", "%zu processes, %zu listening sockets", m->n_children, m->n_bound);
			notify_send(&m->notify, "READY=1");
			return;
		}
		if (m->stopping)
			return;
		if (task_wait(m->sched, &g, 1, until) == WAIT_TIMEOUT) {
			log_error(&m->log, "not-ready", "some roles did not come up within a minute; see their lines above");
			until = NEVER_MS;
		}
	}
}

static bool open_log(struct master *m, struct buf *why)
{
	m->log_out = 2;
	if (!str_eq(m->conf->log.file, STR("stderr")))
		m->log_out = open(m->conf->log.file.p, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
	if (m->log_out < 0) {
		buf_addf(why, "log file %s: cannot be opened: %s\n", m->conf->log.file.p, strerror(errno));
		return false;
	}
	log_init(&m->log, m->log_out, "master");
	m->log.json = m->conf->log.format == CONF_LOG_JSON;
	m->log.least = m->conf->log.level;
	return true;
}

static bool prepare(struct master *m, struct buf *why)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0) { /* roles inherit it */
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	if (!m->embedded && access("/proc/self/exe", X_OK) != 0) {
		buf_addz(why, "/proc is not mounted; the server starts its own program again from there: mount -t proc proc /proc\n");
		return false;
	}
	return master_take_sockets(m, why) && master_read_conf(m->conf_path, &m->conf, &m->conf_text, why) &&
		master_read_certs(m, m->conf, &m->certs, &m->n_certs, why) && master_read_logins(m->conf, &m->logins, why) &&
		master_make_dirs(m->conf, why) && format_is_ours(m->conf, why) && open_log(m, why) && master_bind(m, m->conf, why) && master_ctl_open(m, why);
}

/* Everything that is this process's is given back: -X is run under valgrind and LeakSanitizer. */
static void dispose(struct master *m)
{
	for (size_t i = 0; i < m->n_children; i++)
		if (m->children[i].host)
			host_free(m->children[i].host);
	master_close_sockets(m);
	if (m->conf)
		master_logins_free(m->logins, m->conf->n_routes);
	conf_free(m->conf);
	free((void *)(uintptr_t)m->conf_text.p);
	master_certs_free(m->certs, m->n_certs);
	notify_close(&m->notify);
	free(m);
}

int master_main(const char *conf_path, bool embedded, bool closed)
{
	struct master *m = mem_new(struct master);
	struct sched_signal *signals[4];
	struct buf why;
	int status;

	signal(SIGPIPE, SIG_IGN);
	notify_open(&m->notify);
	m->conf_path = conf_path;
	m->embedded = embedded;
	m->closed = closed;
	m->ctl_fd = -1;
	m->service = (struct ipc_service){ .ctx = m, .handlers = handlers, .gone = child_gone };
	rng_bytes(m->ticket_keys, sizeof m->ticket_keys);
	m->sched = sched_new(NULL);
	m->started_ms = sched_now_ms(m->sched);
	gate_init(&m->changed);
	buf_init(&why, WHY_MAX);
	if (!prepare(m, &why)) {
		fprintf(stderr, "%.*s", STR_ARG(buf_str(&why)));
		buf_fini(&why);
		return 1;
	}
	buf_fini(&why);
	signals[0] = sched_on_signal(m->sched, SIGTERM, on_stop_signal, m);
	signals[1] = sched_on_signal(m->sched, SIGINT, on_stop_signal, m);
	signals[2] = sched_on_signal(m->sched, SIGHUP, on_reload_signal, m);
	signals[3] = sched_on_signal(m->sched, SIGCHLD, on_child_signal, m);
	if (!embedded)
		sandbox_enter(&(struct sandbox_plan){ .role = SANDBOX_MASTER }, &m->walls);
	master_plan_children(m);
	master_start_all(m);
	m->certs_task = task_spawn(m->sched, "certificates", master_watch_ends, m);
	task_spawn(m->sched, "ready", await_ready, m);
	if (m->notify.watchdog_ms)
		m->watchdog = task_spawn(m->sched, "watchdog", watchdog_main, m);
	sched_run(m->sched);
	status = m->failed;
	for (int i = 0; i < 4; i++)
		sched_signal_free(signals[i]);
	dispose(m);
	return status;
}
