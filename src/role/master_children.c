/* role/master_children.c - the processes: which there are, what each is given, and what happens when one dies.
 * Purpose     pairs[] is the trust diagram: two roles that are not a pair have no channel.
 * Invariants  I1 each two running children of a pair have one channel of their present lives. I2 a child gets, in this order: configuration,
 *             channels, descriptors, go.
 */
#include "role/master_impl.h"

#include "base/clock.h"
#include "base/die.h"
#include "ipc_gen.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOG_GATHER_MS 20    /* lines that come in this time are written together */
#define LOG_PIPE_SIZE (1 << 20)
#define EARLY_MS 5000
#define REVIVE_STEP_MS 100
#define REVIVE_MAX_MS 10000

static const enum role pairs[][2] = {
	{ ROLE_EDGE_IN, ROLE_POST },
	{ ROLE_EDGE_IN, ROLE_KEYS },
	{ ROLE_EDGE_USER, ROLE_POST },
	{ ROLE_EDGE_USER, ROLE_KEYS },
	{ ROLE_EDGE_USER, ROLE_AUTH },
	{ ROLE_EDGE_USER, ROLE_STORE },
	{ ROLE_AUTH, ROLE_STORE },
	{ ROLE_POST, ROLE_SCAN },
	{ ROLE_POST, ROLE_STORE },
	{ ROLE_STORE, ROLE_SCAN },
	{ ROLE_POST, ROLE_KEYS },
	{ ROLE_POST, ROLE_RELAY },
	{ ROLE_RELAY, ROLE_FETCH },
};

static bool is_pair(enum role a, enum role b)
{
	for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
		if ((pairs[i][0] == a && pairs[i][1] == b) || (pairs[i][0] == b && pairs[i][1] == a))
			return true;
	return false;
}

static bool is_edge(enum role r)
{
	return r == ROLE_EDGE_IN || r == ROLE_EDGE_USER;
}

static void plan(struct master *m, enum role r, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		die_unless(m->n_children < CHILDREN_MAX, "more processes than master has room for; lower pools");
		m->children[m->n_children++] = (struct child){ .master = m, .role = r, .index = (uint16_t)i, .log_fd = -1 };
	}
}

/* In the order in which they start; they stop the other way round. */
void master_plan_children(struct master *m)
{
	plan(m, ROLE_KEYS, 1);
	plan(m, ROLE_STORE, 1);
	plan(m, ROLE_SCAN, m->conf->pools.n_scan);
	plan(m, ROLE_AUTH, 1);
	plan(m, ROLE_FETCH, 1);
	plan(m, ROLE_RELAY, 1);
	plan(m, ROLE_POST, 1);
	plan(m, ROLE_EDGE_USER, m->conf->pools.n_users);
	plan(m, ROLE_EDGE_IN, m->conf->pools.n_strangers);
}

struct child *master_find_child(struct master *m, enum role r, uint16_t index)
{
	for (size_t i = 0; i < m->n_children; i++)
		if (m->children[i].role == r && m->children[i].index == index)
			return &m->children[i];
	return NULL;
}

/* ---- what a child is given */

static void connect_pair(struct child *a, struct child *b)
{
	int fds[2];

	ipc_channel(fds);
	ipc_peer_cast(a->peer, &(struct ipc_peer){ .role = (uint8_t)b->role, .index = b->index, .life = b->life, .channel = fds[0] });
	ipc_peer_cast(b->peer, &(struct ipc_peer){ .role = (uint8_t)a->role, .index = a->index, .life = a->life, .channel = fds[1] });
	close(fds[0]);
	close(fds[1]);
}

static bool is_up(const struct child *c)
{
	return c->peer && !c->stopped;
}

static void connect_all(struct child *c)
{
	struct master *m = c->master;

	for (size_t i = 0; i < m->n_children; i++) {
		struct child *other = &m->children[i];

		/* Under -X edges call keys as a function. */
		if (m->embedded && ((c->role == ROLE_KEYS && is_edge(other->role)) || (other->role == ROLE_KEYS && is_edge(c->role))))
			continue;
		if (other != c && is_up(other) && is_pair(c->role, other->role))
			connect_pair(c, other);
	}
}

/* LMTP hands in letters without a login, as port 25 does. */
static bool serves(enum role r, enum conf_service s)
{
	bool strangers = s == CONF_SMTP || s == CONF_LMTP;

	return r == ROLE_EDGE_IN ? strangers : r == ROLE_EDGE_USER && !strangers;
}

static void send_listeners(struct child *c)
{
	struct master *m = c->master;

	for (size_t i = 0; i < m->conf->n_listeners; i++) {
		const struct conf_listener *l = &m->conf->listeners[i];

		const struct bound *b = serves(c->role, l->service) ? master_bound_of(m, l) : NULL;

		if (b)
			ipc_listener_cast(c->peer, &(struct ipc_listener){ .number = (uint16_t)i, .socket = b->fd });
	}
}

static int text_memfd(struct str text)
{
	int fd = memfd_create("conf", MFD_CLOEXEC);

	if (fd < 0 || write(fd, text.p, text.n) != (ssize_t)text.n)
		die_errno("role/master: no memory file for the configuration");
	return fd;
}

void master_send_conf(struct child *c)
{
	struct master *m = c->master;
	int fd = text_memfd(m->conf_text);

	ipc_conf_cast(c->peer, &(struct ipc_conf){ .text = fd });
	close(fd);
	if (is_edge(c->role)) {
		char *key = m->ticket_keys[c->role == ROLE_EDGE_IN];

		ipc_ticket_key_cast(c->peer, &(struct ipc_ticket_key){ .key = str_of(key, 80) });
		master_send_certs(c);
		send_listeners(c);
	} else if (c->role == ROLE_KEYS) {
		master_send_keys(c);
		master_send_letter_keys(c);
	} else if (c->role == ROLE_RELAY) {
		master_send_logins(c);
	}
	ipc_mark_cast(c->peer, &(struct ipc_mark){ .number = m->conf_number });
}

/* ---- starting */

static SUSPENDS void copy_log(void *arg)
{
	struct child *c = arg;
	int fd = c->log_fd;
	struct watch w;
	struct gate *g = &w.read_gate;
	char *text = mem_alloc(65536);

	watch_open(&w, c->master->sched, fd, WATCH_READ);
	for (;;) {
		ssize_t n = read(fd, text, 65536);

		if (n > 0 && write(c->master->log_out, text, (size_t)n) < 0)
			continue; /* nowhere to write it; the next may fit */
		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
			break;
		if (n < 0 && task_wait(c->master->sched, &g, 1, NEVER_MS) == WAIT_STOP)
			break;
		if (n > 0)
			task_sleep(c->master->sched, LOG_GATHER_MS);
	}
	watch_close(&w);
	close(fd);
	free(text);
}

static _Noreturn void become(const struct child *c, int control, int log)
{
	char index[16], life[16];
	sigset_t none;

	/* Out of the way of 3 and 4 first, so that neither is overwritten before it is used. */
	control = fcntl(control, F_DUPFD, 10);
	log = fcntl(log, F_DUPFD, 10);
	dup2(control, 3);
	dup2(log, 4);
	dup2(log, 2);
	close(control);
	close(log);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	snprintf(index, sizeof index, "%u", c->index);
	snprintf(life, sizeof life, "%u", c->life);
	execl("/proc/self/exe", "sallyport", "--role", role_name(c->role), index, life, (char *)NULL);
	die_errno("role/master: cannot execute this program again");
}

static int start_process(struct child *c, int control)
{
	int log[2];

	if (pipe2(log, O_CLOEXEC | O_NONBLOCK) != 0)
		die_errno("role/master: no pipe for a role's log");
	fcntl(log[1], F_SETPIPE_SZ, LOG_PIPE_SIZE); /* or as large as it is */
	c->pid = fork();
	if (c->pid < 0) {
		log_error(&c->master->log, "fork-failed", "%s %u: %s", role_name(c->role), c->index, strerror(errno));
		c->pid = 0;
		close(log[0]);
		close(log[1]);
		return -1;
	}
	if (c->pid == 0)
		become(c, control, log[1]);
	close(log[1]);
	c->log_fd = log[0];
	task_spawn(c->master->sched, "log", copy_log, c);
	return 0;
}

static void revive_later(struct child *c);

void master_spawn(struct child *c)
{
	struct master *m = c->master;
	int fds[2];

	ipc_channel(fds);
	c->life++;
	c->started_ms = sched_now_ms(m->sched);
	c->ready = c->stopped = false;
	if (m->embedded) {
		struct child *keys = master_find_child(m, ROLE_KEYS, 0);

		c->host = host_new(&(struct host_opts){ .role = c->role, .index = c->index, .life = c->life, .control_fd = fds[1],
			.log_fd = m->log_out, .sched = m->sched, .keys = keys->host });
	} else if (start_process(c, fds[1]) != 0) {
		close(fds[0]);
		close(fds[1]);
		revive_later(c);
		return;
	} else {
		close(fds[1]);
	}
	c->peer = peer_open(&(struct peer_opts){ .sched = m->sched, .log = &m->log, .service = &m->service, .self = ROLE_MASTER,
		.other = c->role, .index = c->index, .life = c->life, .fd = fds[0] });
	peer_set_data(c->peer, c);
	master_send_conf(c);
	connect_all(c);
}

void master_start_all(struct master *m)
{
	for (size_t i = 0; i < m->n_children; i++)
		master_spawn(&m->children[i]);
	for (size_t i = 0; i < m->n_children; i++)
		if (m->children[i].peer)
			ipc_go_cast(m->children[i].peer, &(struct ipc_go){ .wall_us = (uint64_t)clock_wall_us() });
}

/* ---- dying */

static SUSPENDS void revive_main(void *arg)
{
	struct child *c = arg;
	unsigned n = c->n_early_deaths;
	int64_t delay_ms = n < 2 ? 0 : n < 9 ? (int64_t)REVIVE_STEP_MS << (n - 2) : REVIVE_MAX_MS;

	if (task_sleep(c->master->sched, delay_ms) == WAIT_STOP || c->master->stopping) {
		c->reviver = NULL;
		return;
	}
	c->reviver = NULL;
	master_spawn(c);
	if (c->peer)
		ipc_go_cast(c->peer, &(struct ipc_go){ .wall_us = (uint64_t)clock_wall_us() });
}

static void revive_later(struct child *c)
{
	bool early = sched_now_ms(c->master->sched) - c->started_ms < EARLY_MS;

	c->n_early_deaths = early ? c->n_early_deaths + 1 : 1;
	c->reviver = task_spawn(c->master->sched, "revive", revive_main, c);
}

static void child_ended(struct child *c, int status)
{
	struct master *m = c->master;

	c->pid = 0;
	c->ready = false;
	master_counts_gone(c);
	c->stopped = true;
	if (c->peer)
		peer_close(c->peer);
	c->peer = NULL;
	if (!m->stopping) {
		log_error(&m->log, "role-died", "%s %u: %s %d; it is started again", role_name(c->role), c->index,
			WIFSIGNALED(status) ? "signal" : "status", WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
		revive_later(c);
	}
	gate_open(m->sched, &m->changed);
}

void master_reap(struct master *m)
{
	for (size_t i = 0; i < m->n_children; i++) {
		struct child *c = &m->children[i];
		int status;

		if (c->pid > 0 && waitpid(c->pid, &status, WNOHANG) == c->pid)
			child_ended(c, status);
	}
}

void master_line(struct master *m, struct buf *out, const struct child *c)
{
	static const char *const walls[] = { "chroot", "uid", "landlock-files", "landlock-network", "seccomp", "no-new-privileges",
		"not-dumpable" };
	bool any = false;

	buf_addf(out, "role\t%s\t%u\t%s\tpid %d\tlife %u\tup %llds\twalls ", role_name(c->role), c->index,
		c->ready ? "ready" : c->peer ? "starting" : "down", (int)c->pid, c->life,
		(long long)(sched_now_ms(m->sched) - c->started_ms) / 1000);
	for (unsigned i = 0; i < sizeof walls / sizeof *walls; i++)
		if (c->walls >> i & 1) {
			buf_addf(out, "%s%s", any ? "," : "", walls[i]);
			any = true;
		}
	if (!any)
		buf_addz(out, "none");
}
