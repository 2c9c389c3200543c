/* ctl/audit.c - commands: the audit log. Its chain is checked here, by the command itself, from what the server hands out.
 */
#include "ctl/ctl_impl.h"

#include "audit/chain.h"
#include "ctl/text.h"

#include <stdio.h>
#include <string.h>

static void put_hex(struct str hash, char out[2 * AUDIT_HASH_SIZE + 1])
{
	out[0] = 0;
	for (size_t i = 0; i < hash.n && i < AUDIT_HASH_SIZE; i++)
		snprintf(out + 2 * i, 3, "%02x", (unsigned char)hash.p[i]);
}

static void print_entry(const struct ipc_audit_entry *e)
{
	struct buf b;

	buf_init(&b, 8000);
	buf_addf(&b, "%llu\t", (unsigned long long)e->seq);
	text_time(&b, e->time_us / 1000000);
	buf_addf(&b, "\t%s\t", audit_kind_name(e->kind));
	text_add(&b, e->who);
	buf_addf(&b, "\t%.*s\t%.*s\t", STR_ARG(e->service.n ? e->service : STR("-")), STR_ARG(e->ip.n ? e->ip : STR("-")));
	text_add(&b, e->text);
	printf("%.*s\n", STR_ARG(buf_str(&b)));
	buf_fini(&b);
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
