/* ctl/watch.c - commands: how the server is, and whether what it keeps is whole. */
#include "ctl/ctl_impl.h"

#include <stdio.h>

static int status(struct ctl *c)
{
	struct ipc_store_status_reply store;
	struct ipc_auth_status_reply auth;
	struct ipc_post_status_reply post;
	int failed = 0;

	ctl_print_lines(c->client.roles, c->client.n_roles);
	if (client_call(&c->client, ROLE_STORE, IPC_STORE_STATUS, NULL, &store) == OK)
		ctl_print_lines(store.lines, store.n_lines);
	else
		failed = 1;
	if (client_call(&c->client, ROLE_AUTH, IPC_AUTH_STATUS, NULL, &auth) == OK)
		ctl_print_lines(auth.lines, auth.n_lines);
	else
		failed = 1;
	if (client_call(&c->client, ROLE_POST, IPC_POST_STATUS, NULL, &post) == OK)
		ctl_print_lines(post.lines, post.n_lines);
	else
		failed = 1;
	return failed;
}

static int verify(struct ctl *c)
{
	struct ipc_verify_step m = { 0 };
	struct ipc_verify_step_reply r;
	unsigned long long checked = 0, bad = 0;

	do {
		enum outcome o = client_call(&c->client, ROLE_STORE, IPC_VERIFY_STEP, &m, &r);

		if (o != OK)
			return ctl_done(o, "verify", "");
		ctl_print_lines(r.lines, r.n_lines);
		bad += r.n_lines;
		checked += r.checked;
		m.after = r.next;
	} while (r.more);
	printf("checked\t%llu\twrong\t%llu\n", checked, bad);
	return bad ? 1 : 0;
}

const struct command ctl_watch_commands[] = {
	{ "status", "", "the server's processes, their walls, and what they count", 0, 0, ONLINE, status },
	{ "verify", "", "check everything that is stored against its invariants", 0, 0, ONLINE, verify },
	{ 0 },
};
