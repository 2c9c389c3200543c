/* ctl/client.h - a command's channels to the running server, used in the blocking way. */
#ifndef SALLYPORT_CTL_CLIENT_H
#define SALLYPORT_CTL_CLIENT_H

#include "base/arena.h"
#include "base/outcome.h"
#include "ipc/peer.h"

#define CLIENT_ROLES_MAX 64

struct client {
	struct arena arena;          /* holds the lines and every reply; reset by who has read it */
	int channels[ROLE_COUNT];    /* greeted; -1: that role is not up */
	struct str roles[CLIENT_ROLES_MAX]; /* a line a process, for status */
	size_t n_roles;
	struct arena lines;
};

/* Connects to run_dir/control.sock. False: why is printed. */
bool client_connect(struct client *c, struct str run_dir);
void client_close(struct client *c);
/* A call to a role; prints what went wrong between the processes (not: an outcome of the request itself). */
enum outcome client_call(struct client *c, enum role to, int type, const void *msg, void *reply) MUST_USE;

#endif
