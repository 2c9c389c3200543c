/* role/host.c - the skeleton of every role but master. See the header.
 * Purpose     the control channel: what master sends, in the order it sends it.
 * Trust       master is trusted; it parsed the configuration before and would not have sent a bad one.
 * Owns        the scheduler of a process of its own, the log, the configuration.
 */
#include "role/host.h"

#include "base/die.h"
#include "ipc_gen.h"
#include "sandbox/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <malloc.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct host_conf *host_conf_get(struct host_conf *c)
{
	c->n_users++;
	return c;
}

void host_conf_put(struct host_conf *c)
{
	if (!c || --c->n_users)
		return;
	conf_free(c->conf);
	free(c);
}

extern const struct host_ops keys_ops, auth_ops, edge_in_ops, edge_user_ops, post_ops, scan_ops, store_ops, relay_ops, fetch_ops;

const struct host_ops *host_ops_of(enum role r)
{
	static const struct host_ops *const ops[ROLE_COUNT] = {
		[ROLE_KEYS] = &keys_ops,
		[ROLE_AUTH] = &auth_ops,
		[ROLE_EDGE_IN] = &edge_in_ops,
		[ROLE_EDGE_USER] = &edge_user_ops,
		[ROLE_POST] = &post_ops,
		[ROLE_SCAN] = &scan_ops,
		[ROLE_STORE] = &store_ops,
		[ROLE_RELAY] = &relay_ops,
		[ROLE_FETCH] = &fetch_ops,
	};

	return ops[r];
}

/* ---- what master sends */

static struct str map_text(int fd)
{
	struct stat st;
	void *p;

	if (fstat(fd, &st) != 0 || st.st_size <= 0)
		die("role/host: no configuration text from master");
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		die_errno("role/host: configuration text");
	return str_of(p, (size_t)st.st_size);
}

static void on_conf(void *ctx, struct ipc_call *call, const void *msg)
{
	struct host *h = ctx;
	const struct ipc_conf *m = msg;
	struct str text = map_text(m->text);
	struct conf_errors errors;
	struct conf *conf = NULL;

	(void)call;
	conf_errors_init(&errors);
	if (!conf_parse(text, "configuration", &conf, &errors))
		die("role/host: master sent a configuration that does not parse: %.*s", STR_ARG(buf_str(&errors.text)));
	conf_errors_fini(&errors);
	munmap((void *)(uintptr_t)text.p, text.n);
	host_conf_put(h->conf);
	h->conf = mem_new(struct host_conf);
	*h->conf = (struct host_conf){ conf, 1 };
	h->log.json = conf->log.format == CONF_LOG_JSON;
	h->log.least = conf->log.level;
	if (!h->self)
		h->self = h->ops->open(h);
	else if (h->ops->reconfigured)
		h->ops->reconfigured(h->self);
}

static void on_peer(void *ctx, struct ipc_call *call, const void *msg)
{
	struct host *h = ctx;
	const struct ipc_peer *m = msg;
	struct peer_opts who = { .sched = h->sched, .log = &h->log, .self = h->role, .other = m->role, .index = m->index, .life = m->life,
		.uid = m->uid, .fd = call_take_fd(call) };
	struct link *link;
	struct peer *p;

	if (h->ops->raw_channel && h->ops->raw_channel(h->self, &who))
		return;
	who.service = h->ops->service ? h->ops->service(h->self, m->role) : NULL;
	p = peer_open(&who);
	link = h->ops->link ? h->ops->link(h->self, m->role, m->index) : NULL;
	if (link)
		link_set(link, p);
}

static void on_listener(void *ctx, struct ipc_call *call, const void *msg)
{
	struct host *h = ctx;
	const struct ipc_listener *m = msg;

	h->ops->listener(h->self, m->number, call_take_fd(call));
}

static void on_certificate(void *ctx, struct ipc_call *call, const void *msg)
{
	struct host *h = ctx;

	(void)call;
	h->ops->certificate(h->self, msg);
}

static void on_ticket_key(void *ctx, struct ipc_call *call, const void *msg)
{
	struct host *h = ctx;
	const struct ipc_ticket_key *m = msg;

	(void)call;
	h->ops->ticket_key(h->self, m->key);
}

static void on_private_key(void *ctx, struct ipc_call *call, const void *msg)
{
	struct host *h = ctx;
	const struct ipc_private_key *m = msg;

	h->ops->private_key(h->self, m->name, call_take_fd(call));
}

static void on_dkim_key(void *ctx, struct ipc_call *call, const void *msg)
{
	struct host *h = ctx;

	h->ops->dkim_key(h->self, msg, call_take_fd(call));
}

static void on_dkim_keys_end(void *ctx, struct ipc_call *call, const void *msg)
{
	struct host *h = ctx;

	(void)call;
	(void)msg;
	h->ops->dkim_keys_end(h->self);
}

static void on_route_login(void *ctx, struct ipc_call *call, const void *msg)
{
	struct host *h = ctx;
	const struct ipc_route_login *m = msg;

	(void)call;
	h->ops->route_login(h->self, m->route, m->secret);
}

static void on_stop(void *ctx, struct ipc_call *call, const void *msg)
{
	struct host *h = ctx;
	const struct ipc_stop *m = msg;

	(void)call;
	if (h->stopping)
		return;
	h->stopping = true;
	h->ops->stop(h->self, m->grace_ms);
}

/* ---- the walls */

static enum sandbox_role sandbox_role_of(enum role r)
{
	static const enum sandbox_role of[ROLE_COUNT] = {
		[ROLE_KEYS] = SANDBOX_KEYS,
		[ROLE_AUTH] = SANDBOX_AUTH,
		[ROLE_EDGE_IN] = SANDBOX_EDGE,
		[ROLE_EDGE_USER] = SANDBOX_EDGE,
		[ROLE_POST] = SANDBOX_POST,
		[ROLE_SCAN] = SANDBOX_SCAN,
		[ROLE_STORE] = SANDBOX_STORE,
		[ROLE_RELAY] = SANDBOX_RELAY,
		[ROLE_FETCH] = SANDBOX_FETCH,
	};

	return of[r];
}

static void enter_sandbox(struct host *h, struct sandbox_walls *walls)
{
	const struct conf *c = h->conf->conf;
	struct sandbox_plan plan = { .role = sandbox_role_of(h->role), .nofile = 65536 };
	struct passwd *pw = geteuid() == 0 ? getpwnam(c->user.p) : NULL;
	char empty[300];

	if (geteuid() == 0 && !pw)
		die("role/host: no user \"%s\" on this system; make it or name another with: user NAME", c->user.p);
	if (pw) {
		plan.uid = pw->pw_uid;
		plan.gid = pw->pw_gid;
	}
	snprintf(empty, sizeof empty, "%s/empty", c->run_dir.p);
	/* store lives in its directory, by names relative to it; everybody else needs no name at all. */
	if (h->role == ROLE_STORE)
		plan.rw_dir = c->data_dir.p;
	if (pw)
		plan.chroot_dir = h->role == ROLE_STORE ? c->data_dir.p : empty; /* made by master, owned by root */
	sandbox_enter(&plan, walls);
}

uint32_t host_wall_bits(const struct sandbox_walls *w)
{
	return (uint32_t)(w->chroot | w->uid << 1 | w->landlock_fs << 2 | w->landlock_net << 3 | w->seccomp << 4 |
		w->no_new_privs << 5 | w->not_dumpable << 6);
}

/* ---- counting */

#define COUNT_EVERY_MS 1000

static void count(struct host *h)
{
	struct counters *c = mem_new(struct counters);
	struct timespec cpu;

	if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu) == 0)
		c->process[COUNT_CPU_MS] = (uint64_t)cpu.tv_sec * 1000 + (uint64_t)cpu.tv_nsec / 1000000;
	c->process[COUNT_HEAP_BYTES] = mallinfo2().uordblks + mallinfo2().hblkhd;
	if (h->ops->count)
		h->ops->count(h->self, c);
	ipc_counts_cast(h->master, &(struct ipc_counts){ .values = (uint64_t *)(void *)c, .n_values = COUNTER_VALUES });
	free(c);
}

static SUSPENDS void count_main(void *arg)
{
	struct host *h = arg;

	do {
		if (h->master && !h->stopping)
			count(h);
	} while (task_sleep(h->sched, COUNT_EVERY_MS) != WAIT_STOP);
}

void host_ready(struct host *h)
{
	if (!h->counter)
		h->counter = task_spawn(h->sched, "count", count_main, h);
	ipc_ready_cast(h->master, &(struct ipc_ready){ .walls = h->walls, .landlock_abi = h->landlock_abi });
}

static void on_go(void *ctx, struct ipc_call *call, const void *msg)
{
	struct host *h = ctx;
	struct sandbox_walls walls = { 0 };

	(void)call;
	(void)msg;
	if (h->going)
		return;
	h->going = true;
	if (!h->embedded)
		enter_sandbox(h, &walls);
	h->walls = host_wall_bits(&walls);
	h->landlock_abi = (uint8_t)walls.landlock_abi;
	if (h->ops->go(h->self))
		host_ready(h);
}

static void on_mark(void *ctx, struct ipc_call *call, const void *msg)
{
	struct host *h = ctx;
	const struct ipc_mark *m = msg;

	(void)call;
	if (h->master)
		ipc_marked_cast(h->master, &(struct ipc_marked){ m->number });
}

static ipc_handler *const control_handlers[IPC_TYPE_COUNT] = {
	[IPC_CONF] = on_conf,
	[IPC_MARK] = on_mark,
	[IPC_PEER] = on_peer,
	[IPC_LISTENER] = on_listener,
	[IPC_CERTIFICATE] = on_certificate,
	[IPC_TICKET_KEY] = on_ticket_key,
	[IPC_PRIVATE_KEY] = on_private_key,
	[IPC_DKIM_KEY] = on_dkim_key,
	[IPC_DKIM_KEYS_END] = on_dkim_keys_end,
	[IPC_ROUTE_LOGIN] = on_route_login,
	[IPC_GO] = on_go,
	[IPC_STOP] = on_stop,
};

/* Without master nobody restarts what dies and nobody hands out channels: the role ends. */
static void master_gone(void *ctx, struct peer *p)
{
	struct host *h = ctx;

	(void)p;
	h->master = NULL;
	if (!h->embedded)
		_exit(0);
}

struct host *host_new(const struct host_opts *o)
{
	struct host *h = mem_new(struct host);
	char name[24];

	h->role = o->role;
	h->index = o->index;
	h->life = o->life;
	h->embedded = o->sched != NULL;
	h->keys = o->keys;
	h->sched = o->sched ? o->sched : sched_new(NULL);
	h->ops = host_ops_of(o->role);
	snprintf(name, sizeof name, "%s-%u", role_name(o->role), o->index);
	log_init(&h->log, o->log_fd, name);
	h->control = (struct ipc_service){ .ctx = h, .handlers = control_handlers, .gone = master_gone };
	h->master = peer_open(&(struct peer_opts){ .sched = h->sched, .log = &h->log, .service = &h->control, .self = o->role,
		.other = ROLE_MASTER, .life = 1, .fd = o->control_fd });
	return h;
}

void host_done(struct host *h)
{
	if (h->done)
		return;
	h->done = true;
	if (h->counter)
		task_cancel(h->counter);
	h->counter = NULL;
	if (h->master)
		ipc_stopped_cast(h->master, &(struct ipc_stopped){ .reason = STR("asked to") });
	if (!h->embedded)
		sched_stop(h->sched);
}

void host_free(struct host *h)
{
	if (h->self && h->ops->close)
		h->ops->close(h->self);
	host_conf_put(h->conf);
	free(h);
}

int host_main(const struct host_opts *opts)
{
	char name[24];
	struct host *h;

	snprintf(name, sizeof name, "%s-%u", role_name(opts->role), opts->index);
	log_set_last_words(opts->log_fd, name);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGINT, SIG_IGN); /* the terminal's; master decides */
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	h = host_new(opts);
	sched_run(h->sched);
	if (h->self && h->ops->close)
		h->ops->close(h->self);
	return 0;
}
