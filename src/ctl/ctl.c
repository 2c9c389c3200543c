/* ctl/ctl.c - the command line: tables of commands, each a function of its words.
 * Purpose     what an operator says to the server, and what is said about its configuration without one.
 * Trust       runs as who called it; the command socket's owner decides who may.
 */
#include "ctl/ctl_impl.h"

#include "base/die.h"
#include "base/file.h"
#include "mail/path.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONF_DEFAULT "/etc/sallyport/sallyport.conf"

int ctl_done(enum outcome o, const char *what, const char *name)
{
	static const char *const why[OUTCOME_COUNT] = {
		[NO_SUCH] = "there is none of this name",
		[EXISTS] = "it exists already",
		[DENIED] = "this is not allowed",
		[OVER_LIMIT] = "a limit would be passed",
		[OVER_QUOTA] = "the account's quota would be passed",
		[BAD_SYNTAX] = "this is not a valid name",
		[BAD_STATE] = "it is still in use; remove what belongs to it first",
		[TRY_LATER] = "it cannot be done now; try again",
	};

	if (o == OK)
		return 0;
	fprintf(stderr, "sallyport: %s %s: %s\n", what, name, why[o] ? why[o] : outcome_name(o));
	return 1;
}

bool ctl_address(struct ctl *c, const char *word, struct ipc_addr *out)
{
	struct mail_path path;

	if (mail_mailbox_parse(str_z(word), MAIL_PATH_UTF8, &mail_path_limits_default, &c->client.arena, &path) != OK) {
		fprintf(stderr, "sallyport: %s is not a mail address of the form name@domain\n", word);
		return false;
	}
	*out = (struct ipc_addr){ .local = path.local, .domain = path.domain };
	return true;
}

/* A line's texts may be anybody's: nothing of them may steer a terminal or pretend to be another line. */
void ctl_print_lines(const struct str *lines, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < lines[i].n; k++) {
			unsigned char c = (unsigned char)lines[i].p[k];

			putchar((c < 0x20 && c != '\t') || c == 0x7f ? '?' : c);
		}
		putchar('\n');
	}
}

static int run_server(struct ctl *c)
{
	bool closed = c->n_words == 1 && strcmp(c->words[0], "closed") == 0;

	if (c->n_words == 1 && !closed) {
		fprintf(stderr, "sallyport: run takes the word closed or nothing, not %s\n", c->words[0]);
		return 2;
	}
	return c->calls->run(c->conf_path, c->embedded, closed);
}

static int upgrade(struct ctl *c)
{
	return c->calls->upgrade(c->conf_path);
}

static const struct command run_commands[] = {
	{ "run", "[closed]",
		"run the server in the foreground; closed: with no door open, for commands alone (with -X: all roles in one process, for debuggers)", 0, 1,
		ALONE, run_server },
	{ "upgrade", "", "bring data of an older version of this program to its own format; the server is stopped", 0, 0, ALONE, upgrade },
	{ 0 },
};

static const struct command *const families[] = {
	run_commands, ctl_start_commands,
	ctl_config_commands, ctl_watch_commands, ctl_audit_commands, ctl_directory_commands, ctl_undelete_commands, ctl_queue_commands,
	ctl_tlsrpt_commands, ctl_dkim_commands, ctl_suppression_commands,
	ctl_account_commands, ctl_backup_check_commands, ctl_prune_commands, ctl_backup_commands, ctl_restore_commands, ctl_move_commands,
};
#define N_FAMILIES (sizeof families / sizeof *families)

#define HELP_COLUMN 38 /* what a command does stands here, on a line of its own where its words reach beyond */

static void print_command(FILE *to, const struct command *k)
{
	int n = fprintf(to, "  %-16s %s", k->name, k->usage);

	fprintf(to, n < HELP_COLUMN - 1 ? "%*s%s\n" : "\n%*s%s\n", n < HELP_COLUMN - 1 ? HELP_COLUMN - n : HELP_COLUMN, "", k->help);
}

/* All commands, or those that begin with a word. */
static void print_commands(FILE *to, const char *word)
{
	for (size_t i = 0; i < N_FAMILIES; i++)
		for (const struct command *k = families[i]; k->name; k++)
			if (!word || str_starts(str_z(k->name), str_z(word)))
				print_command(to, k);
}

static int help(FILE *to)
{
	fprintf(to, "usage: sallyport [-c FILE] [-X] COMMAND\n  -c FILE  the configuration, by default %s\n\n", CONF_DEFAULT);
	print_commands(to, NULL);
	return to == stdout ? 0 : 2;
}

/* A long usage is broken for people. */
static void print_tabs(const struct command *k)
{
	printf("%s\t", k->name);
	for (const char *p = k->usage; *p; p++)
		if (*p != '\n' && *p != '\t' && (*p != ' ' || p == k->usage || (p[-1] != ' ' && p[-1] != '\n')))
			putchar(*p);
		else if (*p == '\n')
			putchar(' ');
	printf("\t%s\n", k->help);
}

/* For programs: tools/manpages makes the manual of it. */
static int help_tabs(void)
{
	for (size_t i = 0; i < N_FAMILIES; i++)
		for (const struct command *k = families[i]; k->name; k++)
			print_tabs(k);
	return 0;
}

static int no_command(const char *word)
{
	bool known = false;

	if (!word)
		return help(stderr);
	for (size_t i = 0; i < N_FAMILIES; i++)
		for (const struct command *k = families[i]; k->name; k++)
			known |= str_starts(str_z(k->name), str_z(word));
	fprintf(stderr, known ? "sallyport: %s what? There are:\n" : "sallyport: there is no command \"%s\"; sallyport help lists them\n", word);
	if (known)
		print_commands(stderr, word);
	return 2;
}

/* How many of the words the command's name takes; 0: they are another's. */
static int words_of(const struct command *cmd, char **words, int n)
{
	struct str rest = str_z(cmd->name), part;
	int k = 0;

	while (str_split(&rest, ' ', &part) && k < n && str_eq(str_z(words[k]), part))
		k++;
	return k > 0 && !rest.p && str_eq(str_z(words[k - 1]), part) ? k : 0;
}

/* The command that the words begin with, of one or two words; *n_used of them. */
static const struct command *find_command(char **words, int n, int *n_used)
{
	for (size_t i = 0; i < N_FAMILIES; i++)
		for (const struct command *k = families[i]; k->name; k++)
			if ((*n_used = words_of(k, words, n)) > 0)
				return k;
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
	if (cmd->needs == ONLINE && !client_connect(&c->client, c->conf->run_dir)) {
		conf_free(c->conf);
		return 1;
	}
	status = cmd->run(c);
	if (cmd->needs == ONLINE)
		client_close(&c->client);
	conf_free(c->conf);
	return status;
}

int ctl_main(int argc, char **argv, const struct ctl_calls *calls)
{
	struct ctl c = { .calls = calls, .conf_path = getenv("SALLYPORT_CONF") ? getenv("SALLYPORT_CONF") : CONF_DEFAULT };
	const struct command *cmd;
	int o, n_used = 0;

	if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "--version") == 0))
		argv[1] += 2; /* as other programs say it */
	while ((o = getopt(argc, argv, "+c:X")) != -1) {
		if (o == 'c')
			c.conf_path = optarg;
		else if (o == 'X')
			c.embedded = true;
		else
			return help(stderr);
	}
	if (optind < argc && strcmp(argv[optind], "help") == 0)
		return optind + 1 < argc && strcmp(argv[optind + 1], "tabs") == 0 ? help_tabs() : help(stdout);
	if (optind < argc && strcmp(argv[optind], "version") == 0)
		return printf("sallyport %s\n", SALLYPORT_VERSION) < 0;
	cmd = find_command(argv + optind, argc - optind, &n_used);
	if (!cmd)
		return no_command(argv[optind]);
	c.words = argv + optind + n_used;
	c.n_words = argc - optind - n_used;
	if (c.n_words < cmd->least || c.n_words > cmd->most) {
		fprintf(stderr, "usage: sallyport %s %s\n", cmd->name, cmd->usage);
		return 2;
	}
	return run_command(&c, cmd);
}
