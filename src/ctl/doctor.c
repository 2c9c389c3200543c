/* ctl/doctor.c - command doctor: is everything as it must be for mail to come, to be read, and to be believed?
 * Purpose     findings of ok, warning and error, each with its way out; the exit status is 1 when there is an error.
 * Suspends    all questions to others run in one task, one after the other.
 */
#include "ctl/doctor_impl.h"

#include "base/die.h"
#include "ctl/options.h"
#include "ipc/words.h"
#include "mail/path.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ARENA_MAX ((size_t)64 << 20)

static SUSPENDS void doctor_main(void *arg)
{
	struct doctor *d = arg;

	d->dns = dns_open(&(struct dns_opts){ d->sched, &d->conf->dns.resolvers, d->conf->timeouts.dns_ms });
	d->can_ask = host_check_resolver(d->dns, &d->answers, &d->report);
	if (d->can_ask) {
		doctor_find_outside(d);
		host_check_name(d->dns, d->conf->hostname, &d->own, &d->answers, &d->report);
		host_check_ptr(d->dns, d->conf->hostname, &d->own, &d->answers, &d->report);
		for (size_t i = 0; i < d->n_domains; i++)
			doctor_check_domain(d, d->domains[i]);
		doctor_check_blocklists(d);
	}
	doctor_check_certificate(d);
	doctor_check_doors(d);
	doctor_check_relay(d);
	doctor_check_outside(d);
	doctor_check_sources(d);
	doctor_check_reach(d);
	dns_close(d->dns);
}

/* ---- what the server says */

static void add_domain(struct doctor *d, struct str name)
{
	if (d->n_domains < DOCTOR_DOMAINS_MAX)
		d->domains[d->n_domains++] = arena_dup(&d->arena, name);
}

static void list_domains(struct doctor *d, struct client *client)
{
	struct ipc_directory_list m = { .kind = DIRECTORY_DOMAINS };
	struct ipc_directory_list_reply r;

	do {
		if (client_call(client, ROLE_STORE, IPC_DIRECTORY_LIST, &m, &r) != OK) {
			report_error(&d->report, "server", "see: sallyport status", "store does not tell the domains");
			return;
		}
		for (size_t i = 0; i < r.n_lines; i++) {
			struct str line = r.lines[i], name;

			str_split(&line, '\t', &name);
			add_domain(d, name);
		}
		m.after = r.next;
	} while (r.more);
	if (d->n_domains == 0)
		report_error(&d->report, "server", "sallyport domain add example.org", "it takes mail for no domain");
}

/* "role TAB name TAB index TAB state TAB ... TAB walls a,b,c": a wall that stands for none of what it should is told. */
static void check_walls(struct doctor *d, struct str line)
{
	static const char *const everybody[] = { "seccomp", "no-new-privileges" }, *const as_root[] = { "chroot", "uid" };
	struct str field[8] = { { 0 } }, walls;
	ssize_t at = str_search(line, STR("\twalls "));
	size_t n = 0;

	walls = at < 0 ? (struct str){ 0 } : str_from(line, (size_t)at + 7);
	while (n < 8 && str_split(&line, '\t', &field[n]))
		n++;
	if (n < 4 || !str_eq(field[0], STR("role")) || str_eq(field[1], STR("master")))
		return;
	if (!str_eq(field[3], STR("ready"))) {
		report_error(&d->report, "role", "see the log for why it ends", "%.*s %.*s is %.*s", STR_ARG(field[1]), STR_ARG(field[2]), STR_ARG(field[3]));
		return;
	}
	for (size_t i = 0; i < 4; i++) {
		const char *wall = i < 2 ? everybody[i] : as_root[i - 2];

		if ((i < 2 || geteuid() == 0) && str_search(walls, str_z(wall)) < 0) {
			report_warning(&d->report, "role", "start it as root, on a kernel that offers it", "%.*s %.*s runs without the wall %s",
				STR_ARG(field[1]), STR_ARG(field[2]), wall);
			return;
		}
	}
	report_ok(&d->report, "role", "%.*s %.*s is up, within: %.*s", STR_ARG(field[1]), STR_ARG(field[2]), STR_ARG(walls));
}

static void ask_server(struct doctor *d)
{
	struct client *client = mem_new(struct client);

	if (!client_connect(client, d->conf->run_dir)) { /* why is on standard error */
		report_error(&d->report, "server", "start it: sallyport run, or systemctl start sallyport", "no server answers");
	} else {
		for (size_t i = 0; i < client->n_roles; i++)
			check_walls(d, client->roles[i]);
		if (d->n_domains == 0)
			list_domains(d, client);
		doctor_check_queue(d, client);
		client_close(client);
	}
	free(client);
}

static int run(struct doctor *d)
{
	int status;

	own_addresses(&d->own);
	ask_server(d);
	host_check_addresses(&d->own, &d->report);
	d->sched = sched_new(NULL);
	task_spawn(d->sched, "doctor", doctor_main, d);
	sched_run(d->sched);
	sched_free(d->sched);
	host_check_clock(&d->report);
	host_check_disk(d->conf->data_dir.p, d->conf->disk_reserve_size, &d->report);
	if (d->report.json)
		report_print_json(&d->report);
	else
		printf("findings\tok %u\twarning %u\terror %u\n", d->report.n[REPORT_OK], d->report.n[REPORT_WARNING], d->report.n[REPORT_ERROR]);
	status = d->report.n[REPORT_ERROR] ? 1 : 0;
	return status;
}

static bool is_domain(struct str word)
{
	if (mail_domain_ok(word))
		return true;
	fprintf(stderr, "sallyport: %.*s is no domain\n", STR_ARG(word));
	return false;
}

int ctl_doctor(struct ctl *c)
{
	struct doctor *d = mem_new(struct doctor);
	bool json = false, words_ok;
	const char *to = NULL;
	const struct option_row table[] = { { "--json", NULL, &json }, { "--to", &to, NULL }, { 0 } };
	int status = 2;

	signal(SIGPIPE, SIG_IGN);
	arena_init(&d->arena, "doctor", ARENA_MAX);
	arena_init(&d->answers, "doctor's answers", ARENA_MAX);
	d->conf = c->conf;
	d->timeout_ms = 5000;
	c->n_words = options_take(table, c->words, c->n_words);
	d->to = str_z(to);
	words_ok = c->n_words >= 0 && (!to || is_domain(str_z(to)));
	for (int i = 0; i < c->n_words; i++) {
		words_ok = is_domain(str_z(c->words[i])) && words_ok;
		add_domain(d, str_z(c->words[i]));
	}
	if (words_ok) {
		report_init(&d->report, json);
		d->report.strict = true;
		status = run(d);
		report_fini(&d->report);
	}
	arena_fini(&d->answers);
	arena_fini(&d->arena);
	free(d);
	return status;
}
