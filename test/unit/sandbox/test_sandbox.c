/* test/unit/sandbox/test_sandbox.c - behind the walls: what must fail fails, what a role lives on goes on.
 *
 * Every attempt is made by a child of its own that enters a role's sandbox first, as it would stand under root (chroot
 * and another user) and under a plain user. Without root only the second is tried.
 */
#include "sandbox/sandbox.h"

#include "base/buf.h"
#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOBODY 65534

static char top[64], own[80], empty[80], outside[80]; /* made by setup, for all tests */

enum as { AS_ROOT, AS_USER, AS_COUNT };
static const char *const as_names[] = { "root", "a user" };

struct attempt {
	enum sandbox_role role;
	enum as as;
	bool chroot_to_own;
	uint64_t memory_max;
	int fd; /* for the attempt's use */
	struct sandbox_walls walls;
};

static bool possible(enum as as)
{
	return as == AS_USER || geteuid() == 0;
}

static bool has_files(enum sandbox_role role)
{
	return role == SANDBOX_STORE || role == SANDBOX_KEYS;
}

static void enter(struct attempt *a)
{
	struct sandbox_plan plan = { .role = a->role, .nofile = 1000, .memory_max = a->memory_max };

	if (a->as == AS_USER && geteuid() == 0 && (setgid(NOBODY) != 0 || setuid(NOBODY) != 0))
		_exit(99);
	if (a->as == AS_ROOT)
		plan.uid = plan.gid = NOBODY;
	if (has_files(a->role))
		plan.rw_dir = own;
	plan.chroot_dir = a->chroot_to_own ? own : has_files(a->role) ? NULL : empty;
	if (a->role == SANDBOX_MASTER)
		plan.chroot_dir = NULL;
	sandbox_enter(&plan, &a->walls);
}

/* The wait status of a child that enters and then runs fn, whose value is its exit code. */
static int in_sandbox(struct attempt a, int (*fn)(const struct attempt *a))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		enter(&a);
		_exit(fn(&a));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void quiet(void)
{
	int fd = open("/dev/null", O_WRONLY);

	dup2(fd, 2);
}

static bool was_killed(int status)
{
	return (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS) ||
	       (WIFEXITED(status) && WEXITSTATUS(status) == 128 + SIGSYS);
}

/* ---------------------------------------------------------------------------------------------- what must fail */

/* 0: refused; 1: it worked. */
static int try_open(const struct attempt *a)
{
	(void)a;
	return open("/etc/passwd", O_RDONLY) >= 0;
}

static int try_open_outside(const struct attempt *a)
{
	(void)a;
	return open(outside, O_RDONLY) >= 0 || open(outside, O_WRONLY) >= 0 || open("/", O_RDONLY | O_DIRECTORY) >= 0 ||
	       open("../outside", O_RDONLY) >= 0;
}

static int try_create(const struct attempt *a)
{
	char path[100];

	(void)a;
	snprintf(path, sizeof path, "%s/new", top);
	return open(path, O_CREAT | O_WRONLY, 0600) >= 0 || open("/tmp/sallyport-new", O_CREAT | O_WRONLY, 0600) >= 0;
}

static int try_connect(const struct attempt *a)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)a->fd),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	return fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) == 0;
}

/* What a role that connects may not do besides. */
static int try_listen(const struct attempt *a)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	(void)a;
	return fd >= 0 && listen(fd, 1) == 0;
}

static int try_unix_socket(const struct attempt *a)
{
	(void)a;
	return socket(AF_UNIX, SOCK_STREAM, 0) >= 0;
}

static int try_netlink(const struct attempt *a)
{
	(void)a;
	return socket(AF_NETLINK, SOCK_RAW, 0) >= 0;
}

static int try_send_elsewhere(const struct attempt *a)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	(void)a;
	return fd >= 0 && sendto(fd, "x", 1, 0, (struct sockaddr *)&to, sizeof to) == 1;
}

static int bind_at(uint16_t port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	return fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof at) == 0 ? fd : -1;
}

static int try_bind(const struct attempt *a)
{
	(void)a;
	return bind_at(0) >= 0;
}

/* Landlock decides about ports since its version 4; before, who may bind may bind to any. */
static int try_bind_port(const struct attempt *a)
{
	return bind_at(42527) >= 0 && (a->role != SANDBOX_RELAY || a->walls.landlock_net);
}

static int try_execve(const struct attempt *a)
{
	char *const argv[] = { (char *)"false", NULL };

	(void)a;
	execv("/bin/false", argv); /* which would exit with 1 */
	return 0;
}

static int try_fork(const struct attempt *a)
{
	pid_t pid = fork();

	(void)a;
	if (pid == 0)
		_exit(0);
	return pid > 0;
}

static int try_executable_memory(const struct attempt *a)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)a;
	return p == MAP_FAILED || mprotect(p, 4096, PROT_READ | PROT_EXEC) == 0;
}

static int try_executable_map(const struct attempt *a)
{
	(void)a;
	return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED;
}

static int try_ptrace(const struct attempt *a)
{
	(void)a;
	return ptrace(PTRACE_ATTACH, getppid(), NULL, NULL) == 0;
}

static int try_kill(const struct attempt *a)
{
	(void)a;
	return kill(getppid(), 0) == 0;
}

static int try_chroot(const struct attempt *a)
{
	(void)a;
	return chroot("/") == 0;
}

static int try_setuid(const struct attempt *a)
{
	(void)a;
	return setuid(0) == 0;
}

static bool connects(enum sandbox_role role)
{
	return role == SANDBOX_RELAY || role == SANDBOX_FETCH;
}

static bool binds(enum sandbox_role role)
{
	return role == SANDBOX_RELAY;
}

static const struct {
	const char *name;
	int (*fn)(const struct attempt *a);
	bool (*allowed)(enum sandbox_role role); /* NULL: to nobody */
} forbidden[] = {
	{ "open /etc/passwd", try_open },
	{ "open outside", try_open_outside },
	{ "create", try_create },
	{ "connect", try_connect, connects },
	{ "listen", try_listen },
	{ "unix socket", try_unix_socket },
	{ "netlink socket", try_netlink },
	{ "send elsewhere", try_send_elsewhere },
	{ "bind", try_bind, binds },
	{ "bind to a port", try_bind_port },
	{ "execve", try_execve },
	{ "fork", try_fork },
	{ "executable memory", try_executable_memory },
	{ "executable map", try_executable_map },
	{ "ptrace", try_ptrace },
	{ "kill", try_kill },
	{ "chroot", try_chroot },
	{ "setuid", try_setuid },
};

static int listener(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
	assert_int_equal(listen(fd, 10), 0);
	return fd;
}

static uint16_t port_of(int fd)
{
	struct sockaddr_in at;
	socklen_t n = sizeof at;

	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &n), 0);
	return ntohs(at.sin_port);
}

static void test_forbidden(void **state)
{
	int saved = dup(2), listening = listener();

	(void)state;
	quiet();
	for (int role = SANDBOX_MASTER + 1; role < SANDBOX_ROLE_COUNT; role++)
		for (int as = 0; as < AS_COUNT; as++)
			for (size_t i = 0; i < sizeof forbidden / sizeof *forbidden; i++) {
				struct attempt a = { .role = (enum sandbox_role)role, .as = (enum as)as, .fd = port_of(listening) };
				int status;

				if (!possible(a.as) || (forbidden[i].allowed && forbidden[i].allowed(a.role)))
					continue;
				status = in_sandbox(a, forbidden[i].fn);
				if (was_killed(status) || status == 0)
					continue;
				dup2(saved, 2);
				fail_msg("%s as %s: %s: status %x", sandbox_role_name(a.role), as_names[as], forbidden[i].name, status);
			}
	dup2(saved, 2);
	close(saved);
	close(listening);
}

/* ---------------------------------------------------------------------------------------------- what must work */

#define NEED(cond)                                                                        \
	do {                                                                              \
		if (!(cond)) {                                                            \
			dprintf(2, "line %d: %s: errno %d\n", __LINE__, #cond, errno);    \
			return 1;                                                         \
		}                                                                         \
	} while (0)

static bool fd_send(int sock, int fd)
{
	union {
		char room[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec iov = { (char *)"x", 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof fd);
	return sendmsg(sock, &msg, 0) == 1;
}

static int fd_take(int sock)
{
	union {
		char room[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	char byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control };
	int fd = -1;

	if (recvmsg(sock, &msg, MSG_CMSG_CLOEXEC) == 1 && CMSG_FIRSTHDR(&msg))
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof fd);
	return fd;
}

/* What every role lives on: its channel, a descriptor passed over it, the loop, memory, time. */
static int use_channel(const struct attempt *a)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int fd = fd_take(a->fd), loop = epoll_create1(EPOLL_CLOEXEC), bell = eventfd(0, EFD_NONBLOCK);
	struct stat st;
	char text[8], *p;

	NEED(fd >= 0 && pread(fd, text, 7, 0) == 7 && memcmp(text, "outside", 7) == 0);
	NEED(fstat(fd, &st) == 0 && st.st_size == 7);
	NEED(mmap(NULL, 7, PROT_READ, MAP_PRIVATE, fd, 0) != MAP_FAILED);
	NEED(close(fd) == 0);
	NEED(loop >= 0 && bell >= 0 && epoll_ctl(loop, EPOLL_CTL_ADD, bell, &ev) == 0);
	NEED(eventfd_write(bell, 1) == 0 && epoll_wait(loop, &ev, 1, 1000) == 1);
	NEED(fcntl(bell, F_SETFL, O_NONBLOCK) == 0);
	NEED((p = malloc(3 << 20)));
	memset(p, 1, 3 << 20);
	free(p);
	NEED(clock_wall_us() > 0 && clock_monotonic_ms() >= 0);
	NEED(prctl(PR_GET_DUMPABLE) == 0);
	NEED(send(a->fd, "done", 4, 0) == 4);
	return 0;
}

static void channel(enum sandbox_role role, enum as as)
{
	int pair[2], file = open(outside, O_RDONLY);
	char text[5] = "";

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	assert_true(fd_send(pair[0], file));
	if (in_sandbox((struct attempt){ .role = role, .as = as, .fd = pair[1] }, use_channel) != 0)
		fail_msg("%s as %s", sandbox_role_name(role), as_names[as]);
	assert_int_equal(recv(pair[0], text, 4, 0), 4);
	assert_string_equal(text, "done");
	close(pair[0]);
	close(pair[1]);
	close(file);
}

static void test_channel(void **state)
{
	(void)state;
	for (int role = 0; role < SANDBOX_ROLE_COUNT; role++)
		for (int as = 0; as < AS_COUNT; as++)
			if (possible((enum as)as) && (role != SANDBOX_MASTER || as == AS_ROOT || geteuid() != 0))
				channel((enum sandbox_role)role, (enum as)as);
}

static int use_listener(const struct attempt *a)
{
	struct sockaddr_in from;
	socklen_t n = sizeof from;
	int fd = accept4(a->fd, (struct sockaddr *)&from, &n, SOCK_CLOEXEC), on = 1;
	char text[2];

	NEED(fd >= 0 && recv(fd, text, 2, 0) == 2);
	NEED(getsockname(fd, (struct sockaddr *)&from, &n) == 0 && getpeername(fd, (struct sockaddr *)&from, &n) == 0);
	NEED(setsockopt(fd, IPPROTO_TCP, 1, &on, sizeof on) == 0);
	NEED(write(fd, text, 2) == 2 && shutdown(fd, SHUT_RDWR) == 0);
	return 0;
}

static void test_accept(void **state)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	(void)state;
	for (int as = 0; as < AS_COUNT; as++) {
		int listening = listener(), fd = socket(AF_INET, SOCK_STREAM, 0);
		char text[2] = "";

		to.sin_port = htons(port_of(listening));
		assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
		assert_int_equal(send(fd, "hi", 2, 0), 2);
		if (possible((enum as)as)) {
			assert_int_equal(in_sandbox((struct attempt){ SANDBOX_EDGE, (enum as)as, .fd = listening }, use_listener), 0);
			assert_int_equal(recv(fd, text, 2, 0), 2);
		}
		close(fd);
		close(listening);
	}
}

/* To another server, by either family; relay also from an address of its choice. */
static int use_connect(const struct attempt *a)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)a->fd), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = a->role == SANDBOX_RELAY ? bind_at(0) : socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	int udp = socket(AF_INET, SOCK_DGRAM, 0), error = 1;
	struct epoll_event ev = { .events = EPOLLOUT };
	int loop = epoll_create1(0);
	socklen_t n = sizeof error;

	NEED(fd >= 0 && udp >= 0 && (socket(AF_INET6, SOCK_STREAM, 0) >= 0 || errno == EAFNOSUPPORT));
	NEED(connect(fd, (struct sockaddr *)&to, sizeof to) == 0 || errno == EINPROGRESS);
	NEED(epoll_ctl(loop, EPOLL_CTL_ADD, fd, &ev) == 0 && epoll_wait(loop, &ev, 1, 5000) == 1);
	NEED(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n) == 0 && error == 0);
	NEED(connect(udp, (struct sockaddr *)&to, sizeof to) == 0 && send(udp, "?", 1, 0) == 1);
	return 0;
}

static void test_connect(void **state)
{
	int listening = listener();

	(void)state;
	for (int role = 0; role < SANDBOX_ROLE_COUNT; role++)
		for (int as = 0; as < AS_COUNT; as++)
			if (connects((enum sandbox_role)role) && possible((enum as)as)) {
				struct attempt a = { .role = (enum sandbox_role)role, .as = (enum as)as, .fd = port_of(listening) };

				assert_int_equal(in_sandbox(a, use_connect), 0);
			}
	close(listening);
}

static int use_memfd(const struct attempt *a)
{
	int fd = memfd_create("letter", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	NEED(fd >= 0 && write(fd, "letter", 6) == 6 && ftruncate(fd, 100) == 0);
	NEED(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) == 0);
	NEED(write(fd, "x", 1) < 0 && errno == EPERM);
	NEED(fd_send(a->fd, fd));
	return 0;
}

static void memfd(enum sandbox_role role, enum as as)
{
	int pair[2], fd;

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	assert_int_equal(in_sandbox((struct attempt){ .role = role, .as = as, .fd = pair[1] }, use_memfd), 0);
	fd = fd_take(pair[0]);
	assert_int_equal(lseek(fd, 0, SEEK_END), 100);
	assert_true(fcntl(fd, F_GET_SEALS) & F_SEAL_WRITE);
	close(fd);
	close(pair[0]);
	close(pair[1]);
}

static void test_memfd(void **state)
{
	static const enum sandbox_role roles[] = { SANDBOX_EDGE, SANDBOX_POST, SANDBOX_SCAN, SANDBOX_STORE };

	(void)state;
	for (size_t i = 0; i < sizeof roles / sizeof *roles; i++)
		for (int as = 0; as < AS_COUNT; as++)
			if (possible((enum as)as))
				memfd(roles[i], (enum as)as);
}

static void *in_thread(void *arg)
{
	void *p = malloc(100000);

	if (p)
		*(int *)arg = 1;
	free(p);
	return NULL;
}

static int use_thread(const struct attempt *a)
{
	pthread_t t[4];
	int ran[4] = { 0 };

	(void)a;
	for (int i = 0; i < 4; i++)
		NEED(pthread_create(&t[i], NULL, in_thread, &ran[i]) == 0);
	for (int i = 0; i < 4; i++)
		NEED(pthread_join(t[i], NULL) == 0 && ran[i]);
	return 0;
}

static void test_threads(void **state)
{
	(void)state;
	for (int as = 0; as < AS_COUNT; as++)
		if (possible((enum as)as)) {
			assert_int_equal(in_sandbox((struct attempt){ SANDBOX_AUTH, (enum as)as }, use_thread), 0);
			assert_int_equal(in_sandbox((struct attempt){ SANDBOX_STORE, (enum as)as }, use_thread), 0);
		}
}

/* What a database does, by names relative to the directory. */
static int use_files(const struct attempt *a)
{
	struct stat st;
	int fd, dir;
	DIR *d;

	(void)a;
	NEED(mkdir("rows", 0700) == 0 && mkdir("old", 0700) == 0);
	NEED((fd = open("rows/1.log", O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600)) >= 0);
	NEED(fallocate(fd, 0, 0, 65536) == 0 || errno == EOPNOTSUPP);
	NEED(pwrite(fd, "row", 3, 0) == 3 && ftruncate(fd, 3) == 0);
	NEED(fdatasync(fd) == 0 && fsync(fd) == 0);
	NEED(sync_file_range(fd, 0, 3, SYNC_FILE_RANGE_WRITE) == 0);
	NEED(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0);
	NEED(fcntl(fd, F_SETLK, &(struct flock){ .l_type = F_WRLCK }) == 0);
	NEED(mmap(NULL, 3, PROT_READ, MAP_SHARED, fd, 0) != MAP_FAILED);
	NEED(rename("rows/1.log", "old/1.log") == 0); /* between directories: Landlock's REFER */
	NEED(link("old/1.log", "rows/2.log") == 0 && stat("rows/2.log", &st) == 0 && st.st_size == 3);
	NEED(access("rows/1.log", F_OK) < 0 && errno == ENOENT);
	NEED((dir = open("rows", O_RDONLY | O_DIRECTORY)) >= 0 && fsync(dir) == 0);
	NEED((d = opendir(".")) && readdir(d) && closedir(d) == 0);
	NEED(truncate("rows/2.log", 1) == 0);
	NEED((fd = open(".", O_TMPFILE | O_RDWR, 0600)) >= 0 && write(fd, "body", 4) == 4);
	NEED(unlink("rows/2.log") == 0 && unlink("old/1.log") == 0 && rmdir("rows") == 0 && rmdir("old") == 0);
	NEED(rename("/etc/passwd", "passwd") < 0);
	NEED(link("../outside", "stolen") < 0 && rename("../outside", "stolen") < 0);
	return 0;
}

static void test_files(void **state)
{
	struct attempt a = { .role = SANDBOX_STORE };

	(void)state;
	for (int as = 0; as < AS_COUNT; as++) {
		a.as = (enum as)as;
		if (!possible(a.as))
			continue;
		a.role = SANDBOX_STORE;
		assert_int_equal(in_sandbox(a, use_files), 0);
		a.role = SANDBOX_KEYS;
		assert_int_equal(in_sandbox(a, use_files), 0);
		a.chroot_to_own = as == AS_ROOT;
		assert_int_equal(in_sandbox(a, use_files), 0);
		a.chroot_to_own = false;
	}
}

static int use_absolute(const struct attempt *a)
{
	char path[100];
	int fd;

	(void)a;
	snprintf(path, sizeof path, "%s/absolute", own);
	NEED((fd = open(path, O_CREAT | O_RDWR, 0600)) >= 0 && close(fd) == 0 && unlink(path) == 0);
	return 0;
}

static void test_absolute(void **state)
{
	(void)state;
	for (int as = 0; as < AS_COUNT; as++)
		if (possible((enum as)as))
			assert_int_equal(in_sandbox((struct attempt){ SANDBOX_STORE, (enum as)as }, use_absolute), 0);
}

/* ------------------------------------------------------------------------------------------------- the walls told */

static int look_at_walls(const struct attempt *a)
{
	const struct sandbox_walls *w = &a->walls;
	bool as_root = a->as == AS_ROOT, confined = a->role != SANDBOX_MASTER;

	NEED(w->uid == (as_root && confined));
	NEED(w->chroot == (as_root && confined && !has_files(a->role)));
	NEED(w->no_new_privs && w->not_dumpable && w->seccomp);
	NEED(prctl(PR_GET_DUMPABLE) == 0);
	NEED(w->landlock_fs == (confined && w->landlock_abi >= 1));
	NEED(w->landlock_net == (confined && w->landlock_abi >= 4));
	NEED(!confined || getuid() != 0);
	return 0;
}

static void test_walls(void **state)
{
	(void)state;
	for (int role = 0; role < SANDBOX_ROLE_COUNT; role++)
		for (int as = 0; as < AS_COUNT; as++)
			if (possible((enum as)as))
				assert_int_equal(in_sandbox((struct attempt){ (enum sandbox_role)role, (enum as)as }, look_at_walls), 0);
}

static void test_show(void **state)
{
	struct sandbox_walls w = { .chroot = true, .seccomp = true, .landlock_fs = true, .landlock_abi = 3 };
	struct buf out;

	(void)state;
	buf_init(&out, 1000);
	sandbox_walls_show(&w, &out);
	buf_addc(&out, '\0');
	assert_string_equal(out.p,
		"chroot -uid landlock-fs -landlock-net seccomp -no-new-privs -not-dumpable (landlock 3)");
	buf_fini(&out);
}

/* Master starts its roles from behind its own wall. */
static int use_programs(const struct attempt *a)
{
	int status;
	pid_t pid = fork();

	(void)a;
	if (pid == 0)
		execl("/bin/true", "true", NULL);
	NEED(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0);
	NEED(ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0 && errno == EPERM);
	NEED(open("/etc/passwd", O_RDONLY) >= 0);
	return 0;
}

static void test_master(void **state)
{
	(void)state;
	assert_int_equal(in_sandbox((struct attempt){ SANDBOX_MASTER, geteuid() ? AS_USER : AS_ROOT }, use_programs), 0);
}

/* ------------------------------------------------------------------------------------------------------- the rest */

static int use_much_memory(const struct attempt *a)
{
	(void)a;
	return mmap(NULL, 64 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED;
}

static void test_memory(void **state)
{
	(void)state;
#ifdef SALLYPORT_SANITIZED
	skip(); /* the sanitizers need the memory themselves */
#endif
	assert_int_equal(in_sandbox((struct attempt){ SANDBOX_SCAN, AS_USER, .memory_max = 32 << 20 }, use_much_memory), 0);
}

static int plan_dies(struct sandbox_plan plan)
{
	struct sandbox_walls walls;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		quiet();
		sandbox_enter(&plan, &walls);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void test_wrong_plans(void **state)
{
	(void)state;
	assert_true(plan_dies((struct sandbox_plan){ .role = SANDBOX_EDGE, .rw_dir = own, .uid = NOBODY, .gid = NOBODY }));
	assert_true(plan_dies((struct sandbox_plan){ .role = SANDBOX_STORE, .rw_dir = "/does/not/exist", .uid = NOBODY, .gid = NOBODY }));
	if (geteuid() != 0)
		return;
	assert_true(plan_dies((struct sandbox_plan){ .role = SANDBOX_EDGE, .chroot_dir = empty }));
	assert_true(plan_dies((struct sandbox_plan){ .role = SANDBOX_EDGE, .chroot_dir = empty, .uid = NOBODY }));
	assert_true(plan_dies((struct sandbox_plan){ .role = SANDBOX_EDGE, .chroot_dir = "/does/not/exist", .uid = 1, .gid = 1 }));
	assert_true(plan_dies((struct sandbox_plan){
		.role = SANDBOX_STORE, .chroot_dir = empty, .rw_dir = own, .uid = NOBODY, .gid = NOBODY }));
}

static void test_keep_only(void **state)
{
	int fds[5], kept[2];

	(void)state;
	for (int i = 0; i < 5; i++)
		fds[i] = fcntl(2, F_DUPFD, 400 + i * 10);
	kept[0] = fds[3];
	kept[1] = fds[1];
	if (fork() == 0) {
		bool good;

		sandbox_keep_only(kept, 2);
		good = fcntl(fds[0], F_GETFD) < 0 && fcntl(fds[1], F_GETFD) >= 0 && fcntl(fds[2], F_GETFD) < 0 &&
		       fcntl(fds[3], F_GETFD) >= 0 && fcntl(fds[4], F_GETFD) < 0 && fcntl(2, F_GETFD) >= 0;
		_exit(good ? 0 : 1);
	}
	for (int i = 0, status = -1; i < 5; i++) {
		if (i == 0) {
			wait(&status);
			assert_int_equal(status, 0);
		}
		close(fds[i]);
	}
}

static int by_value(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* Microseconds that entering takes, the median of 21: told, for ARCHITECTURE.md. */
static int time_of(enum sandbox_role role, enum as as)
{
	int us[21], pipe_fds[2];

	assert_int_equal(pipe(pipe_fds), 0);
	for (int i = 0; i < 21; i++) {
		struct attempt a = { .role = role, .as = as };
		int status;
		pid_t pid = fork();

		if (pid == 0) {
			struct timespec from, to;
			int took;

			clock_gettime(CLOCK_MONOTONIC, &from);
			enter(&a);
			clock_gettime(CLOCK_MONOTONIC, &to);
			took = (int)((to.tv_sec - from.tv_sec) * 1000000 + (to.tv_nsec - from.tv_nsec) / 1000);
			_exit(write(pipe_fds[1], &took, sizeof took) != sizeof took);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
		assert_int_equal(read(pipe_fds[0], &us[i], sizeof us[i]), sizeof us[i]);
	}
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	qsort(us, 21, sizeof *us, by_value);
	return us[10];
}

static void test_time(void **state)
{
	(void)state;
	for (int role = 0; role < SANDBOX_ROLE_COUNT; role++)
		for (int as = 0; as < AS_COUNT; as++)
			if (possible((enum as)as))
				print_message("# %s entered as %s in %d us\n", sandbox_role_name((enum sandbox_role)role), as_names[as],
					time_of((enum sandbox_role)role, (enum as)as));
}

static int setup(void **state)
{
	int fd;

	(void)state;
	snprintf(top, sizeof top, "/tmp/sallyport-sandbox.XXXXXX");
	if (!mkdtemp(top))
		return -1;
	snprintf(own, sizeof own, "%s/own", top);
	snprintf(empty, sizeof empty, "%s/empty", top);
	snprintf(outside, sizeof outside, "%s/outside", top);
	if (chmod(top, 0755) != 0 || mkdir(own, 0700) != 0 || mkdir(empty, 0755) != 0)
		return -1;
	if (geteuid() == 0 && chown(own, NOBODY, NOBODY) != 0)
		return -1;
	fd = open(outside, O_CREAT | O_WRONLY, 0666);
	fchmod(fd, 0666);
	return write(fd, "outside", 7) == 7 && close(fd) == 0 ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	return unlink(outside) || rmdir(empty) || rmdir(own) || rmdir(top);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forbidden),
		cmocka_unit_test(test_channel),
		cmocka_unit_test(test_accept),
		cmocka_unit_test(test_connect),
		cmocka_unit_test(test_memfd),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_absolute),
		cmocka_unit_test(test_walls),
		cmocka_unit_test(test_show),
		cmocka_unit_test(test_master),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_wrong_plans),
		cmocka_unit_test(test_keep_only),
		cmocka_unit_test(test_time),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
