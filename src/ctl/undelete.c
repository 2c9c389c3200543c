/* ctl/undelete.c - command: what was deleted comes back, as long as store keeps it (store.keep_expunged). */
#include "ctl/ctl_impl.h"


#include <stdio.h>
#include <string.h>
#include <time.h>

struct wanted {
	const char *mailbox;
	int64_t since_s;
	bool list, account;
	const char *address;
};

/* "2026-11-22", "2026-11-22T10:00:00Z" (the server's time without Z), or "3h" and "2d": so long ago. */
static bool parse_since(const char *word, int64_t *out)
{
	static const char *const forms[] = { "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d" };
	static const struct {
		char unit;
		int64_t s;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 }, { 'w', 604800 } };
	size_t n = strlen(word);
	uint32_t count;

	for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
		struct tm t = { .tm_isdst = -1 };
		const char *end = strptime(word, forms[i], &t);

		if (!end || *end)
			continue;
		*out = i == 0 ? timegm(&t) : mktime(&t);
		return true;
	}
	for (size_t i = 0; n > 1 && i < sizeof units / sizeof *units; i++)
		if (word[n - 1] == units[i].unit && str_to_u32(str_of(word, n - 1), &count)) {
			*out = time(NULL) - (int64_t)count * units[i].s;
			return true;
		}
	fprintf(stderr, "sallyport: --since %s: say a date (2026-11-22), a time (2026-11-22T10:00:00) or how long ago (3h, 2d)\n", word);
	return false;
}

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
			if (!parse_since(next, &w->since_s))
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
