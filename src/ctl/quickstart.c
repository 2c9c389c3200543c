/* ctl/quickstart.c - command quickstart: from an address to a server that can be started.
 * Purpose     look at the machine, make everything in a stage beside its place, make the first account, put it into place, say what is next.
 * Invariants  I1 until the last rename nothing is where it will be; whatever fails before takes the stage away again.
 *             I2 the password is in no argument, no environment and no file of ours; it is printed only when it was made here.
 */
#include "ctl/start_impl.h"

#include "auth/code.h"
#include "auth/password.h"
#include "base/clock.h"
#include "base/die.h"
#include "base/file.h"
#include "ctl/json.h"
#include "ctl/options.h"
#include "mail/path.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONF_DIR "/etc/sallyport"
#define DATA_DIR "/var/lib/sallyport"
#define RUN_DIR "/run/sallyport"
#define STAGE_SUFFIX ".quickstart"
#define ARENA_MAX ((size_t)16 << 20)
#define OUT_MAX ((size_t)1 << 20)
#define WHY_MAX ((size_t)64 * 1024)
#define DIR_MAX 300
#define N_PORTS 7 /* from --port-base on */

struct quickstart {
	struct plan plan;
	struct arena arena;
	const char *dir, *port_base, *hostname, *password_file, *user;
	bool json, made_user;
	char password[PASSWORD_SIZE_MAX + 2];
	size_t n_password;
	struct conf *conf;
	struct report report;
};

static int say(const struct buf *why)
{
	struct str rest = buf_str(why), line;

	while (str_split(&rest, '\n', &line))
		if (line.n)
			fprintf(stderr, "sallyport: %.*s\n", STR_ARG(line));
	return 1;
}

/* ---- the plan */

static struct str z_of(struct quickstart *q, struct str s)
{
	return str_of(arena_dupz(&q->arena, s), s.n);
}

static struct str joined(struct quickstart *q, struct str a, const char *b)
{
	struct str s = arena_fmt(&q->arena, "%.*s%s%c", STR_ARG(a), b, 0);

	return str_sub(s, 0, s.n - 1);
}

static bool plan_dirs(struct quickstart *q, struct buf *why)
{
	struct plan *p = &q->plan;
	char *here = NULL;
	struct str dir;

	if (!q->dir) {
		p->conf_dir = STR(CONF_DIR);
		p->data_dir = STR(DATA_DIR);
		p->run_dir = STR(RUN_DIR);
		p->stage = STR(CONF_DIR STAGE_SUFFIX);
		p->stage_data = STR(DATA_DIR STAGE_SUFFIX);
		return true;
	}
	dir = str_z(q->dir);
	while (dir.n > 1 && dir.p[dir.n - 1] == '/')
		dir.n--;
	if (dir.n == 0 || str_eq(dir, STR("/")) || (dir.p[0] != '/' && !(here = getcwd(NULL, 0)))) {
		buf_addf(why, "--dir %s: is no directory that could be made\n", q->dir);
		return false;
	}
	p->conf_dir = dir.p[0] == '/' ? z_of(q, dir) : joined(q, joined(q, str_z(here), "/"), arena_dupz(&q->arena, dir));
	free(here);
	if (p->conf_dir.n > DIR_MAX) {
		buf_addf(why, "--dir %s: is too long; at most %d bytes\n", q->dir, DIR_MAX);
		return false;
	}
	p->in_one_dir = true;
	p->data_dir = joined(q, p->conf_dir, "/data");
	p->run_dir = joined(q, p->conf_dir, "/run");
	p->stage = joined(q, p->conf_dir, STAGE_SUFFIX);
	p->stage_data = joined(q, p->stage, "/data");
	return true;
}

static bool plan_address(struct quickstart *q, const char *word, struct buf *why)
{
	struct plan *p = &q->plan;
	struct mail_path path;

	if (mail_mailbox_parse(str_z(word), 0, &mail_path_limits_default, &q->arena, &path) != OK || path.literal || !mail_domain_ok(path.domain) ||
		str_find(path.domain, '.') < 0) {
		buf_addf(why, "%s is not a mail address of the form name@example.org\n", word);
		return false;
	}
	p->address = z_of(q, str_z(word));
	p->domain = z_of(q, path.domain);
	for (size_t i = 0; i < p->domain.n; i++)
		((char *)(uintptr_t)p->domain.p)[i] = ascii_lower(p->domain.p[i]);
	p->hostname = q->hostname ? z_of(q, str_z(q->hostname)) : joined(q, STR("mail."), p->domain.p);
	if (!mail_domain_ok(p->hostname) || str_find(p->hostname, '.') < 0) {
		buf_addf(why, "%s is not a full host name as mail.example.org\n", p->hostname.p);
		return false;
	}
	return true;
}

static bool plan_numbers(struct quickstart *q, struct buf *why)
{
	struct plan *p = &q->plan;
	struct conf_address listen;
	char now[CLOCK_RFC3339_SIZE];

	if (q->port_base && (!str_to_u32(str_z(q->port_base), &p->port_base) || p->port_base < 1 || p->port_base > 65535 - N_PORTS + 1)) {
		buf_addf(why, "--port-base %s: give 1 to %d\n", q->port_base, 65535 - N_PORTS + 1);
		return false;
	}
	if (p->listen && !address_parse(str_z(p->listen), &listen)) {
		buf_addf(why, "--listen %s: is not an IPv4 or IPv6 address\n", p->listen);
		return false;
	}
	clock_rfc3339(clock_wall_us(), now);
	p->policy_id = arena_fmt(&q->arena, "%.4s%.2s%.2s%.2s%.2s%.2s", now, now + 5, now + 8, now + 11, now + 14, now + 17);
	p->user = str_z(q->user ? q->user : "sallyport");
	return true;
}

static bool read_options(struct quickstart *q, struct ctl *c)
{
	struct plan *p = &q->plan;
	const struct option_row table[] = {
		{ "--dir", &q->dir, NULL }, { "--port-base", &q->port_base, NULL }, { "--hostname", &q->hostname, NULL },
		{ "--password-file", &q->password_file, NULL }, { "--listen", &p->listen, NULL }, { "--resolver", &p->resolver, NULL },
		{ "--user", &q->user, NULL }, { "--json", NULL, &q->json }, { 0 },
	};

	c->n_words = options_take(table, c->words, c->n_words);
	if (c->n_words == 1)
		return true;
	if (c->n_words >= 0)
		fprintf(stderr, "sallyport: quickstart takes one address, as quickstart you@example.org\n");
	return false;
}

/* ---- the password */

static bool get_password(struct quickstart *q, struct buf *why)
{
	struct str text, line, rest;

	if (!q->password_file) {
		code_new(q->password);
		q->n_password = strnlen(q->password, sizeof q->password);
		q->password[q->n_password++] = '\n';
		return true;
	}
	if (!file_read(q->password_file, PASSWORD_SIZE_MAX + 2, &text, why))
		return false;
	rest = text;
	str_split(&rest, '\n', &line);
	if (line.n && line.p[line.n - 1] == '\r')
		line.n--;
	if (line.n && line.n <= PASSWORD_SIZE_MAX) {
		memcpy(q->password, line.p, line.n);
		q->password[line.n] = '\n';
		q->n_password = line.n + 1;
	} else {
		buf_addf(why, "--password-file %s: its first line is the password, of 1 to %d bytes\n", q->password_file, PASSWORD_SIZE_MAX);
	}
	OPENSSL_cleanse((void *)(uintptr_t)text.p, text.n);
	free((void *)(uintptr_t)text.p);
	return q->n_password > 0;
}

/* ---- the system's user */

static bool check_user(struct quickstart *q, struct buf *why)
{
	struct plan *p = &q->plan;
	const char *add[] = { "useradd", "--system", "--user-group", "--no-create-home", "--home-dir", p->data_dir.p, "--shell", "/usr/sbin/nologin",
		p->user.p, NULL };

	if (geteuid() != 0)
		return true;
	if (getpwnam(p->user.p)) {
		report_ok(&q->report, "user", "%s is there", p->user.p);
		return true;
	}
	if (!quickstart_run("/usr/sbin/useradd", add, (struct str){ 0 }, why)) {
		buf_addf(why, "user %s: cannot be made; make it, or name another with --user\n", p->user.p);
		return false;
	}
	q->made_user = true;
	report_ok(&q->report, "user", "%s is made, whom the server's processes become", p->user.p);
	return true;
}

static void unmake_user(struct quickstart *q)
{
	const char *words[] = { "userdel", q->plan.user.p, NULL };
	struct buf why;

	buf_init(&why, WHY_MAX);
	if (q->made_user)
		quickstart_run("/usr/sbin/userdel", words, (struct str){ 0 }, &why);
	buf_fini(&why);
}

/* ---- doing it */

static bool read_own_conf(struct quickstart *q, struct buf *why)
{
	struct conf_errors errors;
	struct buf text;
	bool ok;

	buf_init(&text, WHY_MAX);
	conf_errors_init(&errors);
	quickstart_conf_text(&q->plan, false, &text);
	ok = conf_parse(buf_str(&text), "the new configuration", &q->conf, &errors);
	buf_add(why, buf_str(&errors.text));
	conf_errors_fini(&errors);
	buf_fini(&text);
	return ok;
}

static bool interrupted(struct buf *why)
{
	sigset_t waiting;

	if (sigpending(&waiting) != 0 || !(sigismember(&waiting, SIGINT) || sigismember(&waiting, SIGTERM) || sigismember(&waiting, SIGHUP)))
		return false;
	buf_addz(why, "interrupted; nothing is left\n");
	return true;
}

/* Everything that leaves something on the disk. Signals wait meanwhile, so that what has been made is taken away again. */
static bool make_all(struct quickstart *q, struct buf *why)
{
	struct str password = str_of(q->password, q->n_password);
	sigset_t held, before;
	bool ok;

	sigemptyset(&held);
	sigaddset(&held, SIGINT);
	sigaddset(&held, SIGTERM);
	sigaddset(&held, SIGHUP);
	sigprocmask(SIG_BLOCK, &held, &before);
	umask(022);
	ok = quickstart_stage_open(&q->plan, why) && check_user(q, why) && quickstart_write_files(&q->plan, why) && !interrupted(why) &&
		quickstart_make_account(&q->plan, password, why) && !interrupted(why) && quickstart_commit(&q->plan, why);
	if (!ok) {
		quickstart_stage_remove(&q->plan);
		unmake_user(q);
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
	return ok;
}

/* ---- telling */

static struct str next_command(struct quickstart *q)
{
	struct stat st;

	if (!q->dir && (stat("/lib/systemd/system/sallyport.service", &st) == 0 || stat("/etc/systemd/system/sallyport.service", &st) == 0))
		return STR("systemctl enable --now sallyport");
	if (!q->dir)
		return STR("sallyport run");
	return arena_fmt(&q->arena, "sallyport -c %.*s/sallyport.conf run", STR_ARG(q->plan.conf_dir));
}

static void tell_text(struct quickstart *q, const struct records *records, struct buf *out)
{
	const struct plan *p = &q->plan;
	const char *purpose = "";

	buf_addf(out, "\nmade\t%.*s/sallyport.conf\nmade\t%.*s/keys\nmade\t%.*s\n", STR_ARG(p->conf_dir), STR_ARG(p->conf_dir), STR_ARG(p->data_dir));
	buf_addf(out, "account\t%.*s\n", STR_ARG(p->address));
	if (!q->password_file)
		buf_addf(out, "password\t%.*s\t(shown this once; change it with: sallyport passwd %.*s)\n", (int)q->n_password - 1, q->password,
			STR_ARG(p->address));
	buf_addf(out, "\n; ---- DNS records for the zone of %.*s\n", STR_ARG(p->domain));
	for (size_t i = 0; i < records->n; i++) {
		if (strcmp(purpose, records->v[i].purpose) != 0)
			buf_addf(out, "; %s\n", purpose = records->v[i].purpose);
		record_add_zone(&records->v[i], out);
	}
	if (records->n && records->v[0].type == DNS_MX)
		buf_addf(out, "; and %.*s. needs an A record (AAAA too) with the address that the outside sees\n", STR_ARG(p->hostname));
	buf_addf(out, "; Not in this zone but with whoever gave you the address: its PTR record, %.*s.\n", STR_ARG(p->hostname));
	buf_addf(out,
		"; MTA-STS counts once https://mta-sts.%.*s/.well-known/mta-sts.txt holds these lines under a certificate that others trust:\n"
		";   version: STSv1\n;   mode: testing\n;   mx: %.*s\n;   max_age: 86400\n",
		STR_ARG(p->domain), STR_ARG(p->hostname));
	buf_addf(out, "\nnext\t%.*s\nthen\tsallyport%s test, sallyport%s doctor, sallyport%s firewall\n", STR_ARG(next_command(q)), q->dir ? " -c ..." : "",
		q->dir ? " -c ..." : "", q->dir ? " -c ..." : "");
}

static void add_member(struct buf *out, const char *name, struct str value)
{
	buf_addf(out, ",\n\"%s\":", name);
	json_add(out, value);
}

static void tell_json(struct quickstart *q, const struct records *records, struct buf *out)
{
	struct plan *p = &q->plan;

	buf_addz(out, "{\"checks\":");
	buf_add(out, report_json(&q->report));
	add_member(out, "address", p->address);
	if (!q->password_file)
		add_member(out, "password", str_of(q->password, q->n_password - 1));
	add_member(out, "configuration", joined(q, p->conf_dir, "/sallyport.conf"));
	add_member(out, "hostname", p->hostname);
	buf_addz(out, ",\n\"records\":[\n");
	for (size_t i = 0; i < records->n; i++) {
		buf_addz(out, i ? ",\n" : "");
		record_add_json(&records->v[i], out);
	}
	buf_addz(out, "]");
	add_member(out, "next", next_command(q));
	buf_addz(out, "}\n");
}

static void tell(struct quickstart *q)
{
	struct dkim_key *keys = arena_array(&q->arena, DKIM_KEYS_MAX, sizeof *keys);
	struct own_addresses *own = arena_new(&q->arena, struct own_addresses);
	struct records *records = arena_new(&q->arena, struct records);
	struct buf out, why;
	size_t n_keys;

	buf_init(&out, OUT_MAX);
	buf_init(&why, WHY_MAX);
	n_keys = dkim_keys_read(q->conf->keys_dir.p, q->plan.domain, &q->arena, keys, &why);
	own_addresses(own);
	records_make(&(struct records_of){ q->conf, q->plan.domain, own, keys, n_keys, q->plan.policy_id }, &q->arena, records);
	if (q->json)
		tell_json(q, records, &out);
	else
		tell_text(q, records, &out);
	fwrite(out.p, 1, out.n, stdout);
	fflush(stdout);
	OPENSSL_cleanse(out.p, out.n);
	buf_fini(&out);
	buf_fini(&why);
}

static bool check_host(struct quickstart *q, struct buf *why)
{
	quickstart_check_host(&q->plan, q->conf, &q->report);
	if (q->report.n[REPORT_ERROR] == 0)
		return true;
	if (q->json)
		report_print_json(&q->report);
	buf_addz(why, "nothing was made; see the errors above\n");
	return false;
}

static int run(struct quickstart *q, const char *address)
{
	struct buf why;
	int status = 0;

	buf_init(&why, WHY_MAX);
	if (!plan_address(q, address, &why) || !plan_numbers(q, &why) || !plan_dirs(q, &why) || !read_own_conf(q, &why) ||
		!quickstart_refuse_existing(&q->plan, &why) || !get_password(q, &why) || !check_host(q, &why) || !make_all(q, &why))
		status = say(&why);
	else
		tell(q);
	buf_fini(&why);
	return status;
}

int ctl_quickstart(struct ctl *c)
{
	struct quickstart *q = mem_new(struct quickstart);
	int status = 2;

	signal(SIGPIPE, SIG_IGN);
	arena_init(&q->arena, "quickstart", ARENA_MAX);
	q->plan.arena = &q->arena;
	q->plan.lock_fd = -1;
	if (read_options(q, c)) {
		report_init(&q->report, q->json);
		status = run(q, c->words[0]);
		report_fini(&q->report);
	}
	conf_free(q->conf);
	OPENSSL_cleanse(q->password, sizeof q->password);
	arena_fini(&q->arena);
	free(q);
	return status;
}
