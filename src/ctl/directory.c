/* ctl/directory.c - commands: domains, accounts, aliases.
 * Trust       runs as who called it; the command socket's owner decides who may.
 */
#include "ctl/ctl_impl.h"

#include "auth/import.h"
#include "auth/password.h"
#include "auth/scram.h"
#include "ctl/read_password.h"
#include "ipc/words.h"
#include "mail/idn.h"
#include "mail/path.h"

#include <stdio.h>
#include <string.h>

static int domain_add(struct ctl *c)
{
	struct ipc_domain_add m = { .name = mail_domain_fold(&c->client.arena, str_z(c->words[0])) };

	if (!mail_domain_ok(m.name))
		return ctl_done(BAD_SYNTAX, "domain add", c->words[0]);
	return ctl_done(client_call(&c->client, ROLE_STORE, IPC_DOMAIN_ADD, &m, NULL), "domain add", c->words[0]);
}

static int domain_delete(struct ctl *c)
{
	struct ipc_domain_delete m = { .name = mail_domain_fold(&c->client.arena, str_z(c->words[0])) };

	if (!mail_domain_ok(m.name))
		return ctl_done(BAD_SYNTAX, "domain delete", c->words[0]);
	return ctl_done(client_call(&c->client, ROLE_STORE, IPC_DOMAIN_DELETE, &m, NULL), "domain delete", c->words[0]);
}

static int list(struct ctl *c, uint8_t kind)
{
	struct ipc_directory_list m = { .kind = kind };
	struct ipc_directory_list_reply r;

	do {
		enum outcome o = client_call(&c->client, ROLE_STORE, IPC_DIRECTORY_LIST, &m, &r);

		if (o != OK)
			return ctl_done(o, "list", "");
		for (size_t i = 0; i < r.n_lines; i++)
			printf("%.*s\n", STR_ARG(r.lines[i]));
		m.after = r.next;
	} while (r.more);
	return 0;
}

static int domain_list(struct ctl *c)
{
	return list(c, DIRECTORY_DOMAINS);
}

static int account_list(struct ctl *c)
{
	return list(c, DIRECTORY_ACCOUNTS);
}

static int alias_list(struct ctl *c)
{
	return list(c, DIRECTORY_ALIASES);
}

/* Asks for a password (or reads a line where there is no terminal), which role auth hashes. Prints why not. */
static bool new_secret(struct ctl *c, const struct ipc_addr *address, struct ipc_hash_secret_reply *out)
{
	char password[PASSWORD_SIZE_MAX + 1];
	ssize_t n = read_password("New password: ", password, sizeof password);
	struct ipc_hash_secret m = { .address = *address, .secret = str_of(password, n > 0 ? (size_t)n : 0) };
	enum outcome o = n > 0 ? client_call(&c->client, ROLE_AUTH, IPC_HASH_SECRET, &m, out) : BAD_SYNTAX;

	explicit_bzero(password, sizeof password);
	if (o == BAD_SYNTAX)
		fprintf(stderr, "sallyport: a password has 1 to %d bytes and is the same both times\n", PASSWORD_SIZE_MAX);
	else if (o != OK)
		ctl_done(o, "hashing", "the password");
	return o == OK;
}

/* A hash that another server made, instead of a password. */
static bool read_hash(struct ctl *c, const struct ipc_addr *address, struct ipc_hash_secret_reply *out)
{
	char text[IMPORT_HASH_MAX + 2];
	ssize_t n = read_password("Hash of the password: ", text, sizeof text);
	struct ipc_hash_secret m = { .address = *address };
	struct buf hash, scram;
	enum import_result r;

	buf_init(&hash, IMPORT_HASH_MAX);
	buf_init(&scram, SCRAM_TEXT_MAX);
	r = n > 0 ? import_hash(str_of(text, (size_t)n), &hash, &scram, &m.secret) : IMPORT_UNKNOWN;
	out->hash = arena_dup(&c->client.arena, buf_str(&hash));
	out->scram = arena_dup(&c->client.arena, buf_str(&scram));
	buf_fini(&hash);
	buf_fini(&scram);
	if (r == IMPORT_PLAIN && client_call(&c->client, ROLE_AUTH, IPC_HASH_SECRET, &m, out) == OK)
		r = IMPORT_OK;
	explicit_bzero(text, sizeof text);
	if (r == IMPORT_UNKNOWN)
		fprintf(stderr, "sallyport: the hash is of no scheme that is supported; these are: %s\n", import_schemes());
	else if (r != IMPORT_OK)
		fprintf(stderr, "sallyport: the hash is not whole, or has more than %d bytes\n", IMPORT_HASH_MAX);
	return r == IMPORT_OK;
}

/* The word behind the address, if any, is an option that says that a hash is read. */
static bool secret_of(struct ctl *c, const struct ipc_addr *address, struct ipc_hash_secret_reply *out)
{
	if (c->n_words < 2)
		return new_secret(c, address, out);
	if (strcmp(c->words[1], "--hash") == 0 || strcmp(c->words[1], "--hash-from-stdin") == 0)
		return read_hash(c, address, out);
	fprintf(stderr, "sallyport: \"%s\" is not --hash\n", c->words[1]);
	return false;
}

static int account_add(struct ctl *c)
{
	struct ipc_account_add m = { 0 };
	struct ipc_account_add_reply r;
	struct ipc_hash_secret_reply secret;

	if (!ctl_address(c, c->words[0], &m.address) || !secret_of(c, &m.address, &secret))
		return 1;
	m.hash = secret.hash;
	m.scram = secret.scram;
	m.quota_bytes = c->conf->limits.quota_size;
	m.quota_messages = c->conf->limits.quota_messages;
	return ctl_done(client_call(&c->client, ROLE_STORE, IPC_ACCOUNT_ADD, &m, &r), "account add", c->words[0]);
}

static int account_delete(struct ctl *c)
{
	struct ipc_account_delete m = { 0 };

	if (!ctl_address(c, c->words[0], &m.address))
		return 1;
	m.now = c->n_words == 2 && strcmp(c->words[1], "--now") == 0;
	if (c->n_words == 2 && !m.now)
		return ctl_done(BAD_SYNTAX, "account delete", c->words[1]);
	return ctl_done(client_call(&c->client, ROLE_STORE, IPC_ACCOUNT_DELETE, &m, NULL), "account delete", c->words[0]);
}

static int passwd(struct ctl *c)
{
	struct ipc_account_password m = { 0 };
	struct ipc_hash_secret_reply secret;

	if (!ctl_address(c, c->words[0], &m.address) || !secret_of(c, &m.address, &secret))
		return 1;
	m.hash = secret.hash;
	m.scram = secret.scram;
	return ctl_done(client_call(&c->client, ROLE_STORE, IPC_ACCOUNT_PASSWORD, &m, NULL), "passwd", c->words[0]);
}

static int alias_add(struct ctl *c)
{
	struct ipc_alias_add m = { 0 };
	struct ipc_addr *to = arena_array(&c->client.arena, (size_t)c->n_words, sizeof *to);
	enum outcome o;

	if (!ctl_address(c, c->words[0], &m.address))
		return 1;
	for (int i = 1; i < c->n_words; i++)
		if (!ctl_address(c, c->words[i], &to[m.n_to++]))
			return 1;
	m.to = to;
	o = client_call(&c->client, ROLE_STORE, IPC_ALIAS_ADD, &m, NULL);
	if (o != DENIED)
		return ctl_done(o, "alias add", c->words[0]);
	fprintf(stderr, "sallyport: alias add %s: a target's domain is not one of this server's, and queue.forwarding is off\n", c->words[0]);
	return 1;
}

static int alias_delete(struct ctl *c)
{
	struct ipc_alias_delete m = { 0 };

	if (!ctl_address(c, c->words[0], &m.address))
		return 1;
	return ctl_done(client_call(&c->client, ROLE_STORE, IPC_ALIAS_DELETE, &m, NULL), "alias delete", c->words[0]);
}

const struct command ctl_directory_commands[] = {
	{ "domain add", "NAME", "take mail for a domain", 1, 1, ONLINE, domain_add },
	{ "domain delete", "NAME", "stop taking mail for a domain that has no accounts or aliases", 1, 1, ONLINE, domain_delete },
	{ "domain list", "", "the domains", 0, 0, ONLINE, domain_list },
	{ "account add", "ADDRESS [--hash]",
		"make an account; its password, or with --hash a hash made elsewhere, is asked for or read from standard input", 1, 2, ONLINE, account_add },
	{ "account delete", "ADDRESS [--now]",
		"remove an account and its mail; undelete brings it back for a time, not after --now", 1, 2, ONLINE, account_delete },
	{ "account list", "", "the accounts, with what they hold", 0, 0, ONLINE, account_list },
	{ "passwd", "ADDRESS [--hash]", "change an account's password; sessions under the old one end", 1, 2, ONLINE, passwd },
	{ "alias add", "ADDRESS TARGET...", "deliver an address to others", 2, 100, ONLINE, alias_add },
	{ "alias delete", "ADDRESS", "remove an alias", 1, 1, ONLINE, alias_delete },
	{ "alias list", "", "the aliases", 0, 0, ONLINE, alias_list },
	{ 0 },
};
