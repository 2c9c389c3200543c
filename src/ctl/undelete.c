/* ctl/undelete.c - command: what was deleted comes back, as long as store keeps it (store.keep_expunged). */
#include "ctl/ctl_impl.h"

#include "ctl/text.h"

#include <stdio.h>
#include <string.h>

struct wanted {
	const char *mailbox;
	int64_t since_s;
	bool list, account;
	const char *address;
};

static bool parse_words(struct ctl *c, struct wanted *w)
{
	for (int i = 0; i < c->n_words; i++) {
		const char *word = c->words[i];
		const char *next = i + 1 < c->n_words ? c->words[i + 1] : NULL;

		if (strcmp(word, "--list") == 0)
			w->list = true;
		else if (strcmp(word, "--account") == 0)
			w->account = true;
		else if (strcmp(word, "--mailbox") == 0 && next && ++i)
			w->mailbox = next;
		else if (strcmp(word, "--since") == 0 && next && ++i) {
			if (!text_parse_time("--since", next, &w->since_s))
				return false;
		} else if (word[0] != '-' && !w->address)
			w->address = word;
		else {
			fprintf(stderr, "sallyport: undelete does not know %s here\n", word);
			return false;
		}
	}
	if (!w->address)
		fprintf(stderr, "sallyport: undelete which account? Say its address\n");
	return w->address;
}

static int list(struct ctl *c, const struct wanted *w, const struct ipc_addr *address)
{
	struct ipc_deleted_list m = { .address = *address, .mailbox = str_z(w->mailbox), .since_s = w->since_s };
	struct ipc_deleted_list_reply r;

	do {
		enum outcome o = client_call(&c->client, ROLE_STORE, IPC_DELETED_LIST, &m, &r);

		if (o != OK)
			return ctl_done(o, "undelete --list", w->address);
		ctl_print_lines(r.lines, r.n_lines);
		m.after = r.next;
	} while (r.more);
	return 0;
}

static int put_back(struct ctl *c, const struct wanted *w, const struct ipc_addr *address)
{
	struct ipc_undelete m = { .address = *address, .mailbox = str_z(w->mailbox), .since_s = w->since_s };
	struct ipc_undelete_reply r;
	unsigned long long n = 0;

	do {
		enum outcome o = client_call(&c->client, ROLE_STORE, IPC_UNDELETE, &m, &r);

		if (o == OVER_LIMIT)
			fprintf(stderr, "sallyport: the account's quota, or its number of mailboxes, is reached; raise it and go on\n");
		if (o != OK) {
			printf("undeleted\t%llu\n", n);
			return ctl_done(o, "undelete", w->address);
		}
		n += r.n;
		m.after = r.next;
	} while (r.more);
	printf("undeleted\t%llu\n", n);
	return 0;
}

static int undelete(struct ctl *c)
{
	struct wanted w = { .mailbox = "" };
	struct ipc_addr address;

	if (!parse_words(c, &w))
		return 2;
	if (!ctl_address(c, w.address, &address))
		return 1;
	if (w.account) {
		struct ipc_account_undelete m = { .address = address };

		return ctl_done(client_call(&c->client, ROLE_STORE, IPC_ACCOUNT_UNDELETE, &m, NULL), "undelete --account", w.address);
	}
	return w.list ? list(c, &w, &address) : put_back(c, &w, &address);
}

const struct command ctl_undelete_commands[] = {
	{ "undelete", "ADDRESS [--mailbox NAME] [--since TIME] [--list] | --account ADDRESS",
		"put expunged messages back, or a deleted account; --list only shows them", 1, 6, ONLINE, undelete },
	{ 0 },
};
