/* role/master_ctl.c - the command socket: only root and the server's own user; who connects is handed channels to roles.
 * Purpose     a command speaks to store, auth and post itself, in their own records; master parses nothing of it.
 * Trust       the socket's mode and the peer's uid (SO_PEERCRED) are the lock.
 */
#include "role/master_impl.h"

#include "base/die.h"
#include "ipc_gen.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static bool may_command(int fd, uint32_t *uid)
{
	struct ucred cred;
	socklen_t n = sizeof cred;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &n) != 0)
		return false;
	*uid = cred.uid;
	return cred.uid == 0 || cred.uid == geteuid();
}

static void hand_out(struct master *m, struct peer *ctl, enum role r)
{
	struct child *c = master_find_child(m, r, 0);
	int fds[2];

	if (!c || !c->peer)
		return;
	ipc_channel(fds);
	ipc_peer_cast(c->peer, &(struct ipc_peer){ .role = ROLE_CTL, .index = 0, .life = m->n_ctl, .uid = peer_uid(ctl), .channel = fds[0] });
	ipc_channel_cast(ctl, &(struct ipc_channel){ .role = (uint8_t)r, .fd = fds[1] });
	close(fds[0]);
	close(fds[1]);
}

static void send_line(void *ctx, struct str text)
{
	ipc_role_line_cast(ctx, &(struct ipc_role_line){ .text = text });
}

static void serve(struct master *m, int fd, uint32_t uid)
{
	struct child self = { .role = ROLE_MASTER, .life = 1, .pid = getpid(), .ready = true, .walls = host_wall_bits(&m->walls),
		.started_ms = m->started_ms };
	struct peer *ctl;
	struct buf line;

	ipc_channel_room(fd);
	ctl = peer_open(&(struct peer_opts){ .sched = m->sched, .log = NULL, .self = ROLE_MASTER, .other = ROLE_CTL, .uid = uid,
		.life = ++m->n_ctl, .fd = fd });
	hand_out(m, ctl, ROLE_STORE);
	hand_out(m, ctl, ROLE_AUTH);
	hand_out(m, ctl, ROLE_POST);
	buf_init(&line, IPC_ROLE_LINE_TEXT_MAX);
	master_line(m, &line, &self);
	ipc_role_line_cast(ctl, &(struct ipc_role_line){ .text = buf_str(&line) });
	for (size_t i = 0; i < m->n_children; i++) {
		buf_reset(&line);
		master_line(m, &line, &m->children[i]);
		ipc_role_line_cast(ctl, &(struct ipc_role_line){ .text = buf_str(&line) });
	}
	buf_fini(&line);
	master_cert_lines(m, send_line, ctl);
	master_service_lines(m, send_line, ctl);
	ipc_end_of_list_cast(ctl);
	/* The channel ends when the command closes it. */
}

static SUSPENDS void ctl_main(void *arg)
{
	struct master *m = arg;
	struct gate *g = &m->ctl_watch.read_gate;
	uint32_t uid;
	int w = 0;

	while (w != WAIT_STOP) {
		int fd = accept4(m->ctl_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0 && may_command(fd, &uid))
			serve(m, fd, uid);
		else if (fd >= 0)
			close(fd);
		else if (errno == EMFILE || errno == ENFILE)
			w = task_sleep(m->sched, 100);
		else if (errno == EAGAIN)
			w = task_wait(m->sched, &g, 1, NEVER_MS);
	}
	watch_close(&m->ctl_watch);
	close(m->ctl_fd);
	unlink(m->ctl_path);
}

/* Another server that is alive answers on the socket; a dead one's file is in the way and is removed. */
static bool is_taken(const struct sockaddr_un *a)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	bool taken = fd >= 0 && connect(fd, (const struct sockaddr *)a, sizeof *a) == 0;

	if (fd >= 0)
		close(fd);
	return taken;
}

bool master_ctl_open(struct master *m, struct buf *why)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int n = snprintf(m->ctl_path, sizeof m->ctl_path, "%s/control.sock", m->conf->run_dir.p);
	mode_t mask;
	int r;

	if (n >= (int)sizeof m->ctl_path || n >= (int)sizeof a.sun_path) {
		buf_addf(why, "run_dir %s: the path is too long for a socket; choose one of at most 90 bytes\n", m->conf->run_dir.p);
		return false;
	}
	memcpy(a.sun_path, m->ctl_path, (size_t)n + 1);
	if (is_taken(&a)) {
		buf_addf(why, "%s: a server is running with this run_dir already; stop it, or choose another run_dir\n", m->ctl_path);
		return false;
	}
	unlink(m->ctl_path);
	m->ctl_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	mask = umask(0177);
	r = m->ctl_fd >= 0 ? bind(m->ctl_fd, (struct sockaddr *)&a, sizeof a) : -1;
	umask(mask);
	if (r != 0 || listen(m->ctl_fd, 16) != 0) {
		buf_addf(why, "%s: cannot be made: %s\n", m->ctl_path, strerror(errno));
		return false;
	}
	watch_open(&m->ctl_watch, m->sched, m->ctl_fd, WATCH_READ);
	m->ctl_task = task_spawn(m->sched, "command", ctl_main, m);
	return true;
}

void master_ctl_close(struct master *m)
{
	if (m->ctl_task)
		task_cancel(m->ctl_task);
	m->ctl_task = NULL;
}
