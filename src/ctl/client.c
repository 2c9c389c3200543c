/* ctl/client.c - a command's channels to the running server. See the header. */
#include "ctl/client.h"

#include "base/die.h"
#include "ipc_gen.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define CONNECT_MS 10000
#define CALL_MS 60000
#define ARENA_MAX ((size_t)64 << 20)

static int connect_to(struct str run_dir)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int n = snprintf(a.sun_path, sizeof a.sun_path, "%.*s/control.sock", STR_ARG(run_dir));
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (n >= (int)sizeof a.sun_path || fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof a) != 0) {
		fprintf(stderr, "sallyport: no server answers at %s (%s); is it running, with this configuration, and are you its user?\n",
			a.sun_path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	ipc_channel_room(fd);
	return fd;
}

/* Takes what master hands out until it says that this was all. */
static bool receive_channels(struct client *c, int fd)
{
	struct ipc_sync_got got;

	for (;;) {
		if (ipc_sync_next(fd, ROLE_CTL, ROLE_MASTER, &got, &c->lines, CONNECT_MS) != OK)
			return false;
		if (got.type == IPC_END_OF_LIST)
			return true;
		if (got.type == IPC_ROLE_LINE && c->n_roles < CLIENT_ROLES_MAX) {
			const struct ipc_role_line *m = got.msg;

			c->roles[c->n_roles++] = m->text;
		} else if (got.type == IPC_CHANNEL) {
			const struct ipc_channel *m = got.msg;

			if (m->role < ROLE_COUNT && c->channels[m->role] < 0 && ipc_sync_hello(got.fd, ROLE_CTL, m->role, CONNECT_MS) == OK)
				c->channels[m->role] = got.fd;
			else
				close(got.fd);
		}
	}
}

bool client_connect(struct client *c, struct str run_dir)
{
	int fd = connect_to(run_dir);
	bool ok;

	if (fd < 0)
		return false;
	c->n_roles = 0;
	arena_init(&c->arena, "command", ARENA_MAX);
	arena_init(&c->lines, "command lines", ARENA_MAX);
	for (int i = 0; i < ROLE_COUNT; i++)
		c->channels[i] = -1;
	ok = ipc_sync_hello(fd, ROLE_CTL, ROLE_MASTER, CONNECT_MS) == OK && receive_channels(c, fd);
	close(fd);
	if (!ok) {
		fprintf(stderr, "sallyport: the server does not answer as this version expects; are program and server the same version?\n");
		client_close(c);
	}
	return ok;
}

void client_close(struct client *c)
{
	for (int i = 0; i < ROLE_COUNT; i++)
		if (c->channels[i] >= 0)
			close(c->channels[i]);
	arena_fini(&c->arena);
	arena_fini(&c->lines);
}

enum outcome client_call(struct client *c, enum role to, int type, const void *msg, void *reply)
{
	enum outcome o;

	if (c->channels[to] < 0) {
		fprintf(stderr, "sallyport: role %s is not up; see: sallyport status\n", role_name(to));
		return TRY_LATER;
	}
	o = ipc_sync_call(c->channels[to], type, msg, reply, &c->arena, CALL_MS);
	if (o == TRY_LATER)
		fprintf(stderr, "sallyport: role %s cannot answer now; try again\n", role_name(to));
	return o;
}
