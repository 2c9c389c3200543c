/* ctl/ctl.c - the command line: one table of commands, each a function of its words.
 * Purpose     what an operator says to the server, and what is said about its configuration without one.
 * Trust       runs as who called it; the command socket's owner decides who may.
 */
#include "ctl/ctl.h"

#include "auth/password.h"
#include "base/die.h"
#include "base/file.h"
#include "conf/conf.h"
#include "ctl/client.h"
#include "ctl/read_password.h"
#include "ipc/words.h"
#include "ipc_gen.h"
#include "mail/path.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONF_DEFAULT "/etc/sallyport/sallyport.conf"

struct ctl {
	const char *conf_path;
	bool embedded;
	int (*run)(const char *conf_path, bool embedded);
	struct conf *conf;
	struct client client;
	char **words; /* after the command's name */
	int n_words;
};

struct command {
	const char *name, *usage, *help;
	int least, most; /* words */
	enum { ALONE, WITH_CONF, ONLINE } needs; /* nothing, the configuration, the running server */
	int (*run)(struct ctl *c);
};

static int done(enum outcome o, const char *what, const char *name)
{
	static const char *const why[OUTCOME_COUNT] = {
		[NO_SUCH] = "there is none of this name",
		[EXISTS] = "it exists already",
		[DENIED] = "this is not allowed",
		[OVER_LIMIT] = "a limit would be passed",
		[BAD_SYNTAX] = "this is not a valid name",
		[BAD_STATE] = "it is still in use; remove what belongs to it first",
		[TRY_LATER] = "it cannot be done now; try again",
	};

	if (o == OK)
		return 0;
	fprintf(stderr, "sallyport: %s %s: %s\n", what, name, why[o] ? why[o] : outcome_name(o));
	return 1;
}

/* A word as an address; the views are in the client's arena. */
static bool address_of(struct ctl *c, const char *word, struct ipc_addr *out)
{
	struct mail_path path;

	if (mail_mailbox_parse(str_z(word), MAIL_PATH_UTF8, &mail_path_limits_default, &c->client.arena, &path) != OK) {
		fprintf(stderr, "sallyport: %s is not a mail address of the form name@domain\n", word);
		return false;
	}
	*out = (struct ipc_addr){ .local = path.local, .domain = path.domain };
	return true;
}

/* ---- domains, accounts, aliases */

static int domain_add(struct ctl *c)
{
	struct ipc_domain_add m = { .name = str_z(c->words[0]) };

	if (!mail_domain_ok(m.name))
		return done(BAD_SYNTAX, "domain add", c->words[0]);
	return done(client_call(&c->client, ROLE_STORE, IPC_DOMAIN_ADD, &m, NULL), "domain add", c->words[0]);
}

static int domain_delete(struct ctl *c)
{
	struct ipc_domain_delete m = { .name = str_z(c->words[0]) };

	if (!mail_domain_ok(m.name))
		return done(BAD_SYNTAX, "domain delete", c->words[0]);
	return done(client_call(&c->client, ROLE_STORE, IPC_DOMAIN_DELETE, &m, NULL), "domain delete", c->words[0]);
}

static int list(struct ctl *c, uint8_t kind)
{
	struct ipc_directory_list m = { .kind = kind };
	struct ipc_directory_list_reply r;

	do {
		enum outcome o = client_call(&c->client, ROLE_STORE, IPC_DIRECTORY_LIST, &m, &r);

		if (o != OK)
			return done(o, "list", "");
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

/* Asks for a password (or reads a line where there is no terminal) and hashes it. */
static bool new_hash(char hash[PASSWORD_HASH_SIZE])
{
	char password[PASSWORD_SIZE_MAX + 1];
	ssize_t n = read_password("New password: ", password, sizeof password);
	bool ok = n > 0 && password_hash(str_of(password, (size_t)n), hash);

	explicit_bzero(password, sizeof password);
	if (!ok)
		fprintf(stderr, "sallyport: a password has 1 to %d bytes and is the same both times\n", PASSWORD_SIZE_MAX);
	return ok;
}

static int account_add(struct ctl *c)
{
	struct ipc_account_add m = { 0 };
	struct ipc_account_add_reply r;
	char hash[PASSWORD_HASH_SIZE];

	if (!address_of(c, c->words[0], &m.address) || !new_hash(hash))
		return 1;
	m.hash = str_z(hash);
	m.quota_bytes = c->conf->limits.quota_size;
	m.quota_messages = c->conf->limits.quota_messages;
	return done(client_call(&c->client, ROLE_STORE, IPC_ACCOUNT_ADD, &m, &r), "account add", c->words[0]);
}

static int account_delete(struct ctl *c)
{
	struct ipc_account_delete m = { 0 };

	if (!address_of(c, c->words[0], &m.address))
		return 1;
	return done(client_call(&c->client, ROLE_STORE, IPC_ACCOUNT_DELETE, &m, NULL), "account delete", c->words[0]);
}

static int passwd(struct ctl *c)
{
	struct ipc_account_password m = { 0 };
	char hash[PASSWORD_HASH_SIZE];

	if (!address_of(c, c->words[0], &m.address) || !new_hash(hash))
		return 1;
	m.hash = str_z(hash);
	return done(client_call(&c->client, ROLE_STORE, IPC_ACCOUNT_PASSWORD, &m, NULL), "passwd", c->words[0]);
}

static int alias_add(struct ctl *c)
{
	struct ipc_alias_add m = { 0 };
	struct ipc_addr *to = arena_array(&c->client.arena, (size_t)c->n_words, sizeof *to);

	if (!address_of(c, c->words[0], &m.address))
		return 1;
	for (int i = 1; i < c->n_words; i++)
		if (!address_of(c, c->words[i], &to[m.n_to++]))
			return 1;
	m.to = to;
	return done(client_call(&c->client, ROLE_STORE, IPC_ALIAS_ADD, &m, NULL), "alias add", c->words[0]);
}

static int alias_delete(struct ctl *c)
{
	struct ipc_alias_delete m = { 0 };

	if (!address_of(c, c->words[0], &m.address))
		return 1;
	return done(client_call(&c->client, ROLE_STORE, IPC_ALIAS_DELETE, &m, NULL), "alias delete", c->words[0]);
}

/* ---- seeing */

static void print_lines(const struct str *lines, size_t n)
{
	for (size_t i = 0; i < n; i++)
		printf("%.*s\n", STR_ARG(lines[i]));
}

static int status(struct ctl *c)
{
	struct ipc_store_status_reply store;
	struct ipc_auth_status_reply auth;
	struct ipc_post_status_reply post;
	int failed = 0;

	print_lines(c->client.roles, c->client.n_roles);
	if (client_call(&c->client, ROLE_STORE, IPC_STORE_STATUS, NULL, &store) == OK)
		print_lines(store.lines, store.n_lines);
	else
		failed = 1;
	if (client_call(&c->client, ROLE_AUTH, IPC_AUTH_STATUS, NULL, &auth) == OK)
		print_lines(auth.lines, auth.n_lines);
	else
		failed = 1;
	if (client_call(&c->client, ROLE_POST, IPC_POST_STATUS, NULL, &post) == OK)
		print_lines(post.lines, post.n_lines);
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
			return done(o, "verify", "");
		print_lines(r.lines, r.n_lines);
		bad += r.n_lines;
		checked += r.checked;
		m.after = r.next;
	} while (r.more);
	printf("checked\t%llu\twrong\t%llu\n", checked, bad);
	return bad ? 1 : 0;
}

/* ---- the configuration and the server itself */

static int config_check(struct ctl *c)
{
	printf("%s: no errors\n", c->conf_path);
	return 0;
}

static int config_show(struct ctl *c)
{
	struct buf out;

	buf_init(&out, 1 << 20);
	conf_show(c->conf, &out, c->n_words == 1 && strcmp(c->words[0], "all") == 0);
	fwrite(out.p, 1, out.n, stdout);
	buf_fini(&out);
	return 0;
}

static int config_reference(struct ctl *c)
{
	struct buf out;

	(void)c;
	buf_init(&out, 1 << 20);
	conf_schema_markdown(&out);
	fwrite(out.p, 1, out.n, stdout);
	buf_fini(&out);
	return 0;
}

static int run_server(struct ctl *c)
{
	return c->run(c->conf_path, c->embedded);
}

static const struct command commands[] = {
	{ "run", "", "run the server in the foreground (with -X: all roles in one process, for debuggers)", 0, 0, ALONE, run_server },
	{ "config check", "", "check the configuration", 0, 0, WITH_CONF, config_check },
	{ "config show", "[all]", "print the configuration as it is understood; all: with the defaults", 0, 1, WITH_CONF, config_show },
	{ "config reference", "", "print what every setting is, as Markdown", 0, 0, ALONE, config_reference },
	{ "status", "", "the server's processes, their walls, and what they count", 0, 0, ONLINE, status },
	{ "domain add", "NAME", "take mail for a domain", 1, 1, ONLINE, domain_add },
	{ "domain delete", "NAME", "stop taking mail for a domain that has no accounts or aliases", 1, 1, ONLINE, domain_delete },
	{ "domain list", "", "the domains", 0, 0, ONLINE, domain_list },
	{ "account add", "ADDRESS", "make an account; asks for its password, or reads it from standard input", 1, 1, ONLINE, account_add },
	{ "account delete", "ADDRESS", "remove an account and all its mail", 1, 1, ONLINE, account_delete },
	{ "account list", "", "the accounts, with what they hold", 0, 0, ONLINE, account_list },
	{ "passwd", "ADDRESS", "change an account's password; sessions under the old one end", 1, 1, ONLINE, passwd },
	{ "alias add", "ADDRESS TARGET...", "deliver an address to others", 2, 100, ONLINE, alias_add },
	{ "alias delete", "ADDRESS", "remove an alias", 1, 1, ONLINE, alias_delete },
	{ "alias list", "", "the aliases", 0, 0, ONLINE, alias_list },
	{ "verify", "", "check everything that is stored against its invariants", 0, 0, ONLINE, verify },
};
#define N_COMMANDS (sizeof commands / sizeof *commands)

static int usage(void)
{
	fprintf(stderr, "usage: sallyport [-c FILE] [-X] COMMAND\n  -c FILE  the configuration, by default %s\n\n", CONF_DEFAULT);
	for (size_t i = 0; i < N_COMMANDS; i++)
		fprintf(stderr, "  %-16s %-18s %s\n", commands[i].name, commands[i].usage, commands[i].help);
	return 2;
}

/* The command that the words begin with, of one or two words; *n_used of them. */
static const struct command *find_command(char **words, int n, int *n_used)
{
	for (size_t i = 0; i < N_COMMANDS; i++) {
		struct str rest = str_z(commands[i].name), part;
		int k = 0;

		while (str_split(&rest, ' ', &part) && k < n && str_eq(str_z(words[k]), part))
			k++;
		if (k > 0 && !rest.p && str_eq(str_z(words[k - 1]), part)) {
			*n_used = k;
			return &commands[i];
		}
	}
	return NULL;
}

static bool read_conf(struct ctl *c)
{
	struct conf_errors errors;
	struct str text;
	bool ok;

	conf_errors_init(&errors);
	ok = file_read(c->conf_path, CONF_TEXT_MAX, &text, &errors.text);
	if (ok) {
		ok = conf_parse(text, c->conf_path, &c->conf, &errors);
		free((void *)(uintptr_t)text.p);
	}
	fprintf(stderr, "%.*s", STR_ARG(buf_str(&errors.text)));
	conf_errors_fini(&errors);
	return ok;
}

static int run_command(struct ctl *c, const struct command *cmd)
{
	int status;

	if (cmd->needs == ALONE)
		return cmd->run(c);
	if (!read_conf(c))
		return 1;
	if (cmd->needs == ONLINE && !client_open(&c->client, c->conf->run_dir)) {
		conf_free(c->conf);
		return 1;
	}
	status = cmd->run(c);
	if (cmd->needs == ONLINE)
		client_close(&c->client);
	conf_free(c->conf);
	return status;
}

int ctl_main(int argc, char **argv, int (*run)(const char *conf_path, bool embedded))
{
	struct ctl c = { .run = run, .conf_path = getenv("SALLYPORT_CONF") ? getenv("SALLYPORT_CONF") : CONF_DEFAULT };
	const struct command *cmd;
	int o, n_used = 0;

	while ((o = getopt(argc, argv, "+c:X")) != -1) {
		if (o == 'c')
			c.conf_path = optarg;
		else if (o == 'X')
			c.embedded = true;
		else
			return usage();
	}
	cmd = find_command(argv + optind, argc - optind, &n_used);
	if (!cmd) {
		if (optind < argc)
			fprintf(stderr, "sallyport: there is no command \"%s\"\n", argv[optind]);
		return usage();
	}
	c.words = argv + optind + n_used;
	c.n_words = argc - optind - n_used;
	if (c.n_words < cmd->least || c.n_words > cmd->most) {
		fprintf(stderr, "usage: sallyport %s %s\n", cmd->name, cmd->usage);
		return 2;
	}
	return run_command(&c, cmd);
}
