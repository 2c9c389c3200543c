/* ctl/audit.c - commands: the audit log. Its chain is checked here, by the command itself, from what the server hands out.
 */
#include "ctl/ctl_impl.h"

#include "audit/chain.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static void put_time(int64_t us, char out[32])
{
	time_t t = (time_t)(us / 1000000);
	struct tm tm;

	gmtime_r(&t, &tm);
	strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

static void put_hex(struct str hash, char out[2 * AUDIT_HASH_SIZE + 1])
{
	out[0] = 0;
	for (size_t i = 0; i < hash.n && i < AUDIT_HASH_SIZE; i++)
		snprintf(out + 2 * i, 3, "%02x", (unsigned char)hash.p[i]);
}

/* What came over the network is data: nothing of it may steer a terminal or pretend to be another line. */
static void put_escaped(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c < 0x20 || c == 0x7f || c == '\\')
			printf("\\x%02x", c);
		else
			putchar(c);
	}
}

static void print_entry(const struct ipc_audit_entry *e)
{
	char when[32];

	put_time(e->time_us, when);
	printf("%llu\t%s\t%s\t", (unsigned long long)e->seq, when, audit_kind_name(e->kind));
	put_escaped(e->who);
	printf("\t%.*s\t%.*s\t", STR_ARG(e->service.n ? e->service : STR("-")), STR_ARG(e->ip.n ? e->ip : STR("-")));
	put_escaped(e->text);
	printf("\n");
}

/* Calls each for every record; the last reply stays in *r. */
static enum outcome walk(struct ctl *c, uint64_t account, bool (*each)(void *ctx, const struct ipc_audit_list_reply *r, const struct ipc_audit_entry *e),
	void *ctx, struct ipc_audit_list_reply *r)
{
	struct ipc_audit_list m = { .account = account };

	do {
		enum outcome o;

		arena_reset(&c->client.arena);
		o = client_call(&c->client, ROLE_STORE, IPC_AUDIT_LIST, &m, r);
		if (o != OK)
			return o;
		for (size_t i = 0; i < r->n_entries; i++) {
			if (!each(ctx, r, &r->entries[i]))
				return OK;
			m.after = r->entries[i].seq;
		}
	} while (r->more);
	return OK;
}

static bool print_each(void *ctx, const struct ipc_audit_list_reply *r, const struct ipc_audit_entry *e)
{
	(void)ctx;
	(void)r;
	print_entry(e);
	return true;
}

static int audit_list(struct ctl *c)
{
	struct ipc_account_find m = { 0 };
	struct ipc_account_find_reply found = { 0 };
	struct ipc_audit_list_reply r;
	enum outcome o = OK;

	if (c->n_words == 1) {
		if (!ctl_address(c, c->words[0], &m.address))
			return 1;
		o = client_call(&c->client, ROLE_STORE, IPC_ACCOUNT_FIND, &m, &found);
	}
	if (o == OK)
		o = walk(c, found.account, print_each, NULL, &r);
	return ctl_done(o, "audit list", c->n_words ? c->words[0] : "");
}

/* ---- verify */

struct chain {
	unsigned char hash[AUDIT_HASH_SIZE];
	uint64_t seq, checked;
	bool begun, broken;
};

static bool fail(struct chain *x, uint64_t seq, const char *why)
{
	fprintf(stderr, "sallyport: audit record %llu: %s\n", (unsigned long long)seq, why);
	x->broken = true;
	return false;
}

static bool check_each(void *ctx, const struct ipc_audit_list_reply *r, const struct ipc_audit_entry *e)
{
	struct audit_record record = { .seq = e->seq, .time_us = e->time_us, .account = e->account, .kind = e->kind, .who = e->who,
		.service = e->service, .ip = e->ip, .text = e->text };
	struct chain *x = ctx;

	if (!x->begun && r->pruned_hash.n == AUDIT_HASH_SIZE) {
		memcpy(x->hash, r->pruned_hash.p, AUDIT_HASH_SIZE);
		x->seq = r->pruned;
	}
	x->begun = true;
	if (e->seq != x->seq + 1)
		return fail(x, x->seq + 1, "it is missing");
	audit_hash(x->hash, &record, x->hash);
	if (e->hash.n != AUDIT_HASH_SIZE || memcmp(e->hash.p, x->hash, AUDIT_HASH_SIZE) != 0)
		return fail(x, e->seq, "it, or one before it, is not what was written");
	x->seq = e->seq;
	x->checked++;
	return true;
}

static int audit_verify(struct ctl *c)
{
	struct ipc_audit_list_reply r = { 0 };
	struct chain x = { 0 };
	enum outcome o = walk(c, 0, check_each, &x, &r);
	char hex[2 * AUDIT_HASH_SIZE + 1];

	if (o != OK)
		return ctl_done(o, "audit verify", "");
	if (!x.broken && x.seq < r.last)
		fail(&x, r.last, "the end of the log is missing");
	put_hex(str_of((const char *)x.hash, AUDIT_HASH_SIZE), hex);
	printf("checked\t%llu\tlast\t%llu\thash\t%s\n", (unsigned long long)x.checked, (unsigned long long)x.seq, hex);
	return x.broken;
}

const struct command ctl_audit_commands[] = {
	{ "audit list", "[ADDRESS]", "logins, commands and bans as they were recorded; of one account", 0, 1, ONLINE, audit_list },
	{ "audit verify", "", "check the chain of all records; the hash it prints proves them when it is kept elsewhere", 0, 0, ONLINE, audit_verify },
	{ 0 },
};
