/* role/notify.c - see the header. The protocol is a datagram of lines; libsystemd would be a library for twenty lines. */
#include "role/notify.h"

#include "base/str.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static int connect_to(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	size_t n = strlen(path);
	int fd;

	if ((path[0] != '/' && path[0] != '@') || n < 2 || n >= sizeof a.sun_path)
		return -1;
	memcpy(a.sun_path, path, n);
	if (path[0] == '@')
		a.sun_path[0] = 0; /* of the abstract names */
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&a, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)) != 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static uint64_t number(const char *name)
{
	const char *text = getenv(name);
	uint64_t v;

	return text && str_to_u64(str_z(text), &v) ? v : 0;
}

void notify_open(struct notify *n)
{
	const char *path = getenv("NOTIFY_SOCKET");
	uint64_t pid = number("WATCHDOG_PID");

	*n = (struct notify){ .fd = path ? connect_to(path) : -1 };
	if (n->fd >= 0 && (pid == 0 || pid == (uint64_t)getpid()))
		n->watchdog_ms = (int64_t)(number("WATCHDOG_USEC") / 1000);
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
}

void notify_close(struct notify *n)
{
	if (n->fd >= 0)
		close(n->fd);
	n->fd = -1;
}

void notify_send(const struct notify *n, const char *lines)
{
	if (n->fd >= 0 && send(n->fd, lines, strlen(lines), MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno != EAGAIN)
		(void)0; /* the manager has gone; there is nobody to tell */
}

void notify_reloading(const struct notify *n)
{
	struct timespec t;
	char lines[80];

	clock_gettime(CLOCK_MONOTONIC, &t);
	snprintf(lines, sizeof lines, "RELOADING=1\nMONOTONIC_USEC=%lld", (long long)t.tv_sec * 1000000 + t.tv_nsec / 1000);
	notify_send(n, lines);
}
