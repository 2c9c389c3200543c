/* ctl/dkim.c - commands: keys that sign letters.
 * Purpose     keys are files of keys_dir, made and removed here; the server reads them again, and post says which of them sign.
 * Trust       runs as who called it: only who may write keys_dir makes keys.
 * Invariants  I1 a key's file comes into being whole, by a link under its name that nothing had before.
 */
#include "ctl/ctl_impl.h"

#include "base/clock.h"
#include "ctl/dkim_key.h"
#include "ctl/records.h"
#include "mail/idn.h"
#include "mail/path.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define PEM_MAX ((size_t)64 * 1024)
#define KEEP_DAYS 7 /* a record outlives its key by as long as letters are under way (queue.lifetime, and that of others) */

/* ---- the running server */

/* The process that listens on the command socket is master. 0: none runs. */
static pid_t find_master(const struct conf *conf)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int n = snprintf(a.sun_path, sizeof a.sun_path, "%s/control.sock", conf->run_dir.p);
	int fd = n < (int)sizeof a.sun_path ? socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0) : -1;
	struct ucred who = { 0 };
	socklen_t size = sizeof who;

	if (fd >= 0 && connect(fd, (const struct sockaddr *)&a, sizeof a) == 0)
		getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size);
	if (fd >= 0)
		close(fd);
	return who.pid;
}

static void reload(const struct conf *conf)
{
	pid_t master = find_master(conf);

	if (master <= 0)
		fprintf(stderr, "sallyport: no server is running; it reads its keys when it starts\n");
	else if (kill(master, SIGHUP) != 0)
		fprintf(stderr, "sallyport: process %d cannot be told to read its keys: %s; reload the server\n", (int)master, strerror(errno));
}

/* ---- files */

static bool key_domain(const char *word, struct arena *a, struct str *domain)
{
	*domain = mail_domain_fold(a, str_z(word));
	if (mail_domain_ok(*domain) && str_find(*domain, '.') > 0)
		return true;
	fprintf(stderr, "sallyport: %s is not a domain as example.org\n", word);
	return false;
}

static bool make_dir(const char *path)
{
	if (mkdir(path, 0700) == 0 || errno == EEXIST)
		return true;
	fprintf(stderr, "sallyport: %s: cannot be made: %s\n", path, strerror(errno));
	return false;
}

/* The directory of a domain's keys, made where it is not there. */
static bool make_dirs(struct ctl *c, struct str domain, struct arena *a, const char **path)
{
	const char *keys_dir = c->conf->keys_dir.p;

	*path = arena_fmt(a, "%s/dkim/%.*s%c", keys_dir, STR_ARG(domain), 0).p;
	return make_dir(keys_dir) && make_dir(arena_fmt(a, "%s/dkim%c", keys_dir, 0).p) && make_dir(*path);
}

static bool write_all(int fd, struct str text)
{
	return write(fd, text.p, text.n) == (ssize_t)text.n && fsync(fd) == 0;
}

/* I1. *taken: the name is another key's. */
static bool write_key(const char *dir, const char *selector, struct str pem, struct arena *a, bool *taken)
{
	const char *path = arena_fmt(a, "%s/%s.pem%c", dir, selector, 0).p, *own = arena_fmt(a, "%s/.%s.%d%c", dir, selector, (int)getpid(), 0).p;
	int fd;
	bool ok;

	fd = open(own, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	ok = fd >= 0 && write_all(fd, pem) && link(own, path) == 0;
	*taken = !ok && errno == EEXIST;
	if (!ok && !*taken)
		fprintf(stderr, "sallyport: %s: cannot be made: %s\n", path, strerror(errno));
	if (fd >= 0) {
		close(fd);
		unlink(own);
	}
	return ok;
}

/* Names are of the day: r20261122, then r20261122a and so on. */
static bool make_key(const char *dir, enum dkim_algorithm algorithm, struct arena *a, char selector[32])
{
	char now[CLOCK_RFC3339_SIZE];
	struct buf pem;
	bool ok = false, taken = true;

	clock_rfc3339(clock_wall_us(), now);
	buf_init(&pem, PEM_MAX);
	dkim_key_make(algorithm, &pem);
	for (char more = 'a' - 1; taken && !ok && more <= 'z'; more++) {
		snprintf(selector, 32, "%c%.4s%.2s%.2s%.*s", algorithm == DKIM_RSA_SHA256 ? 'r' : 'e', now, now + 5, now + 8, more >= 'a', &more);
		ok = write_key(dir, selector, buf_str(&pem), a, &taken);
	}
	if (!ok && taken)
		fprintf(stderr, "sallyport: %s: there are 27 keys of this day already\n", dir);
	OPENSSL_cleanse(pem.p, pem.n);
	buf_fini(&pem);
	return ok;
}

static struct dkim_key *read_keys(struct ctl *c, struct str domain, struct arena *a, size_t *n)
{
	struct dkim_key *keys = arena_array(a, DKIM_KEYS_MAX, sizeof *keys);
	struct buf why;

	buf_init(&why, 4096);
	*n = dkim_keys_read(c->conf->keys_dir.p, domain, a, keys, &why);
	fprintf(stderr, "%.*s", STR_ARG(buf_str(&why)));
	buf_fini(&why);
	return keys;
}

/* ---- add, rotate */

static void print_record(struct str domain, struct str selector, struct str record, struct arena *a)
{
	struct record r = { .purpose = "DKIM", .type = DNS_TXT, .name = arena_fmt(a, "%.*s._domainkey.%.*s", STR_ARG(selector), STR_ARG(domain)),
		.data = record };
	struct buf line;

	buf_init(&line, 8192);
	record_add_zone(&r, &line);
	printf("%.*s", STR_ARG(buf_str(&line)));
	buf_fini(&line);
}

static int make_both(struct ctl *c, struct str domain, struct arena *a)
{
	char selectors[DKIM_ALGORITHM_COUNT][32];
	struct dkim_key *keys;
	const char *dir;
	size_t n;

	if (!make_dirs(c, domain, a, &dir))
		return 1;
	for (int i = 0; i < DKIM_ALGORITHM_COUNT; i++)
		if (!make_key(dir, (enum dkim_algorithm)i, a, selectors[i]))
			return 1;
	keys = read_keys(c, domain, a, &n);
	printf("; publish these; each key signs once its record is seen in DNS:\n");
	for (size_t k = 0; k < n; k++)
		for (int i = 0; i < DKIM_ALGORITHM_COUNT; i++)
			if (str_eq(keys[k].selector, str_z(selectors[i])))
				print_record(domain, keys[k].selector, keys[k].record, a);
	reload(c->conf);
	return 0;
}

/* New keys: the first, or beside those that there are. */
static int make_keys(struct ctl *c, bool first)
{
	struct arena a;
	struct str domain;
	size_t n = 0;
	int status = 1;

	arena_init(&a, "dkim", (size_t)4 << 20);
	if (key_domain(c->words[0], &a, &domain)) {
		read_keys(c, domain, &a, &n);
		if (first && n)
			fprintf(stderr, "sallyport: %s has keys already; sallyport dkim rotate %s makes new ones beside them\n", c->words[0], c->words[0]);
		else if (!first && !n)
			fprintf(stderr, "sallyport: %s has no keys; sallyport dkim add %s makes the first\n", c->words[0], c->words[0]);
		else if (n + DKIM_ALGORITHM_COUNT > DKIM_KEYS_MAX)
			fprintf(stderr, "sallyport: %s has %zu keys, and %d at most; retire some first\n", c->words[0], n, DKIM_KEYS_MAX);
		else
			status = make_both(c, domain, &a);
	}
	arena_fini(&a);
	return status;
}

static int dkim_add(struct ctl *c)
{
	return make_keys(c, true);
}

static int dkim_rotate(struct ctl *c)
{
	return make_keys(c, false);
}

/* ---- list */

/* Calls each for every line of post's; false: post could not say. */
static bool each_line(struct ctl *c, struct str domain, void (*each)(void *ctx, struct str line), void *ctx)
{
	struct ipc_dkim_status m = { .domain = domain };
	struct ipc_dkim_status_reply r;

	do {
		if (client_call(&c->client, ROLE_POST, IPC_DKIM_STATUS, &m, &r) != OK)
			return false;
		for (size_t i = 0; i < r.n_lines; i++)
			each(ctx, r.lines[i]);
		m.after = r.next;
	} while (m.after);
	return true;
}

static void print_line(void *ctx, struct str line)
{
	(void)ctx;
	ctl_print_lines(&line, 1);
}

static int dkim_list(struct ctl *c)
{
	struct str domain = { 0 };
	struct arena a;
	bool ok;

	arena_init(&a, "dkim", 65536);
	ok = (c->n_words == 0 || key_domain(c->words[0], &a, &domain)) && each_line(c, domain, print_line, NULL);
	arena_fini(&a);
	return !ok;
}

/* ---- retire */

struct retiring {
	struct str selector, algorithm; /* the latter of the key, when it was met */
	bool signs;
	unsigned n_rsa, n_ed25519; /* others that may sign */
};

static void note_line(void *ctx, struct str line)
{
	struct retiring *x = ctx;
	struct str domain, selector, algorithm, role;
	bool is_rsa;

	if (!str_split(&line, '\t', &domain) || !str_split(&line, '\t', &selector) || !str_split(&line, '\t', &algorithm) ||
		!str_split(&line, '\t', &role))
		return;
	is_rsa = str_eq(algorithm, STR("rsa-sha256"));
	if (str_eq(selector, x->selector)) {
		x->signs = str_eq(role, STR("signs"));
		x->algorithm = is_rsa ? STR("rsa-sha256") : STR("ed25519-sha256");
	} else if (!str_eq(role, STR("waits"))) {
		x->n_rsa += is_rsa;
		x->n_ed25519 += !is_rsa;
	}
}

static bool may_retire(struct ctl *c, struct str domain)
{
	struct retiring x = { .selector = str_z(c->words[1]) };

	if (!each_line(c, domain, note_line, &x))
		return false;
	if (!x.signs || (str_eq(x.algorithm, STR("rsa-sha256")) ? x.n_rsa : x.n_ed25519))
		return true;
	fprintf(stderr, "sallyport: %s is the only key of %s that makes %.*s signatures; sallyport dkim rotate %s, publish the new one, then retire this\n",
		c->words[1], c->words[0], STR_ARG(x.algorithm), c->words[0]);
	return false;
}

static int remove_key(struct ctl *c, struct str domain, struct arena *a)
{
	const char *path;
	struct str selector = str_z(c->words[1]);

	if (!mail_domain_ok(selector)) {
		fprintf(stderr, "sallyport: %s is not a selector\n", c->words[1]);
		return 1;
	}
	path = arena_fmt(a, "%.*s/dkim/%.*s/%s.pem%c", STR_ARG(c->conf->keys_dir), STR_ARG(domain), c->words[1], 0).p;
	if (unlink(path) != 0) {
		fprintf(stderr, "sallyport: %s: cannot be removed: %s\n", path, strerror(errno));
		return 1;
	}
	reload(c->conf);
	printf("removed\t%s\nleave %s._domainkey.%.*s in DNS for %d days, while letters that it signed are under way; then remove it, or empty its p=\n", path,
		c->words[1], STR_ARG(domain), KEEP_DAYS);
	return 0;
}

static int dkim_retire(struct ctl *c)
{
	bool force = c->n_words == 3 && strcmp(c->words[2], "--force") == 0;
	struct str domain;
	struct arena a;
	int status = 1;

	if (c->n_words == 3 && !force) {
		fprintf(stderr, "sallyport: \"%s\" is not --force\n", c->words[2]);
		return 2;
	}
	arena_init(&a, "dkim", 65536);
	if (key_domain(c->words[0], &a, &domain) && (force || may_retire(c, domain)))
		status = remove_key(c, domain, &a);
	arena_fini(&a);
	return status;
}

const struct command ctl_dkim_commands[] = {
	{ "dkim add", "DOMAIN", "make a domain's first keys for signing letters, RSA and Ed25519, and print the DNS records to publish", 1, 1, WITH_CONF,
		dkim_add },
	{ "dkim list", "[DOMAIN]", "the keys: algorithm, whether they sign, what DNS has, the record", 0, 1, ONLINE, dkim_list },
	{ "dkim rotate", "DOMAIN", "make new keys beside the old; they take over by themselves once their records are published", 1, 1, WITH_CONF,
		dkim_rotate },
	{ "dkim retire", "DOMAIN SELECTOR [--force]",
		"remove a key; the only one that signs with --force alone", 2, 3, ONLINE, dkim_retire },
	{ 0 },
};
