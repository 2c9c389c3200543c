/* ctl/suppression.c - commands: addresses that an account's letters are not sent to. */
#include "ctl/ctl_impl.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static int list(struct ctl *c)
{
	struct ipc_suppression_list m = { 0 };
	struct ipc_suppression_list_reply r;

	if (!ctl_address(c, c->words[0], &m.address))
		return 1;
	do {
		enum outcome o = client_call(&c->client, ROLE_STORE, IPC_SUPPRESSION_LIST, &m, &r);

		if (o != OK)
			return ctl_done(o, "suppression list", c->words[0]);
		ctl_print_lines(r.lines, r.n_lines);
		m.after = r.next;
	} while (r.more);
	return 0;
}

/* [--days N] behind the two addresses. */
static bool parse_days(struct ctl *c, int64_t *until_s)
{
	uint32_t days;

	if (c->n_words == 2)
		return true;
	if (c->n_words != 4 || strcmp(c->words[2], "--days") != 0 || !str_to_u32(str_z(c->words[3]), &days) || days == 0 || days > 36500) {
		fprintf(stderr, "sallyport: suppression add: behind the two addresses comes nothing, or --days and a number from 1 to 36500\n");
		return false;
	}
	*until_s = time(NULL) + (int64_t)days * 86400;
	return true;
}

static int add(struct ctl *c)
{
	struct ipc_suppression_add m = { 0 };

	if (!ctl_address(c, c->words[0], &m.address) || !ctl_address(c, c->words[1], &m.rcpt) || !parse_days(c, &m.until_s))
		return 1;
	return ctl_done(client_call(&c->client, ROLE_STORE, IPC_SUPPRESSION_ADD, &m, NULL), "suppression add", c->words[0]);
}

static int delete(struct ctl *c)
{
	struct ipc_suppression_delete m = { 0 };

	if (!ctl_address(c, c->words[0], &m.address) || !ctl_address(c, c->words[1], &m.rcpt))
		return 1;
	return ctl_done(client_call(&c->client, ROLE_STORE, IPC_SUPPRESSION_DELETE, &m, NULL), "suppression delete", c->words[1]);
}

const struct command ctl_suppression_commands[] = {
	{ "suppression list", "ACCOUNT",
		"addresses that the account's letters failed for: refused or counted, until when, failures, the last one, by what", 1, 1, ONLINE, list },
	{ "suppression add", "ACCOUNT ADDRESS [--days N]", "refuse the account's letters to an address", 2, 4, ONLINE, add },
	{ "suppression delete", "ACCOUNT ADDRESS", "forget an address's failures, and send to it again", 2, 2, ONLINE, delete },
	{ 0 },
};
