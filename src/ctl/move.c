/* ctl/move.c - commands: mail in and out. What they do is in move/; here is what they are told.
 * Trust       run as who called them, root or the server's user: they read and write files as that user.
 */
#include "ctl/ctl_impl.h"

#include "move/mover.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct way {
	const char *kind;
	void (*in)(struct mover *m);
	void (*out)(struct mover *m);
};

static const struct way ways[] = {
	{ "maildir", import_maildir, export_files },
	{ "mbox", import_mbox, export_files },
	{ "eml", import_eml, export_files },
	{ "imap", import_imap, export_imap },
};
#define N_WAYS (sizeof ways / sizeof *ways)

struct option {
	const char *name;
	size_t flag, value; /* offset in move_opts; 0: it is of the other kind */
};
#define FLAG(name, field) { name, offsetof(struct move_opts, field), 0 }
#define VALUE(name, field) { name, 0, offsetof(struct move_opts, field) }

static const struct option in_options[] = {
	VALUE("--into", folder), VALUE("--pop3-uidl-format", pop3_uidl_format), VALUE("--password-file", password_file),
	FLAG("--dry-run", dry_run), FLAG("--tls-insecure", tls_insecure), FLAG("--without-tls", without_tls), FLAG("--skip-all", skip_all),
	FLAG("--quiet", quiet), { 0 },
};
static const struct option out_options[] = {
	VALUE("--folder", folder), VALUE("--password-file", password_file), FLAG("--dry-run", dry_run), FLAG("--tls-insecure", tls_insecure),
	FLAG("--without-tls", without_tls), FLAG("--quiet", quiet), { 0 },
};

static const struct option *find_option(const struct option *o, const char *word)
{
	for (; o->name; o++)
		if (strcmp(o->name, word) == 0)
			return o;
	return NULL;
}

/* Words that are no options, at most n, into plain; how many, or -1: that was said. */
static int read_options(struct ctl *c, const struct option *known, struct move_opts *o, const char **plain, int n)
{
	int used = 0;

	for (int i = 0; i < c->n_words; i++) {
		const char *w = c->words[i];
		const struct option *x = strncmp(w, "--", 2) == 0 ? find_option(known, w) : NULL;

		if (strncmp(w, "--", 2) != 0 && used < n) {
			plain[used++] = w;
		} else if (!x) {
			fprintf(stderr, "sallyport: %s: %s\n", w, w[0] == '-' ? "there is no such option here" : "there is one word too many");
			return -1;
		} else if (x->flag) {
			*(bool *)((char *)o + x->flag) = true;
		} else if (++i < c->n_words) {
			*(const char **)((char *)o + x->value) = c->words[i];
		} else {
			fprintf(stderr, "sallyport: %s wants a value\n", w);
			return -1;
		}
	}
	return used;
}

static int move(struct ctl *c, const struct option *known, bool in)
{
	struct move_opts o = { .conf = c->conf, .channels = c->client.channels };
	const char *plain[3];
	int n = read_options(c, known, &o, plain, 3);

	if (n >= 0 && n < 3)
		fprintf(stderr, "sallyport: ADDRESS, maildir|mbox|eml|imap and a place are wanted\n");
	if (n < 3 || !ctl_address(c, plain[0], &o.address))
		return n < 3 ? 2 : 1;
	o.kind = plain[1];
	o.place = plain[2];
	for (size_t i = 0; i < N_WAYS; i++)
		if (strcmp(ways[i].kind, o.kind) == 0)
			return mover_run(&o, in ? ways[i].in : ways[i].out);
	fprintf(stderr, "sallyport: %s: there is maildir, mbox, eml and imap\n", o.kind);
	return 2;
}

static int import(struct ctl *c)
{
	return move(c, in_options, true);
}

static int export(struct ctl *c)
{
	return move(c, out_options, false);
}

const struct command ctl_move_commands[] = {
	{ "import", "ADDRESS maildir|mbox|eml|imap PLACE [--into FOLDER] [--dry-run] [--quiet] [--pop3-uidl-format F] "
		"[--password-file FILE] [--tls-insecure] [--without-tls] [--skip-all]",
		"move mail in; again: only what is new. imap: imaps://USER@HOST[:PORT], imap:// with STARTTLS", 3, 20, ONLINE, import },
	{ "export", "ADDRESS maildir|mbox|eml|imap PLACE [--folder FOLDER] [--dry-run] [--quiet] [--password-file FILE] [--tls-insecure] "
		"[--without-tls]", "copy mail out, to a directory or another server's account", 3, 20, ONLINE, export },
	{ 0 },
};
