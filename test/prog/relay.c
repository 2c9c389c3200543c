/* test/prog/relay.c - attempts through src/relay, asked for over a channel as post asks, behind the walls of role relay:
 *
 *     test-relay [-n LETTERS] [-p AT-ONCE] [-s SOURCE] [-r ROUTE] [-f FLAGS] [-g] [-k] [-q] [-l PASSWORD] CONFIG LETTER DOMAIN RECIPIENT...
 *
 * SOURCE as relay_send has it, FLAGS: OUT_* bits, -g: REQUIRETLS, -k: results are not acknowledged, and without -q asked for a second time, -q: only
 * sums, -l: of all routes with a login. A line a recipient: state, code, status, text; before them one of the delivery. Then a line of all: letters,
 * connections, reused, and processor time.
 */
#include "base/clock.h"
#include "base/file.h"
#include "ipc_gen.h"
#include "relay/relay.h"
#include "sandbox/sandbox.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#define NOBODY 65534
#define RCPTS_MAX 200

struct run {
	struct sched *sched;
	struct relay *relay;
	struct link link;
	struct log log;
	struct ipc_relay_send send;
	struct ipc_queue_rcpt rcpts[RCPTS_MAX];
	unsigned n_letters, n_begun, n_ended, n_at_once;
	bool keep, quiet;
	struct str password;
	struct gate ended;
};

static void show(const struct ipc_delivery *d)
{
	static const char *const states[RCPT_STATE_COUNT] = { "waiting", "sent", "relayed", "failed", "expired", "removed" };
	static const char *const feedback[] = { "fine", "slow", "down", "local" };
	static const char *const locks[LOCK_COUNT] = { "none", "opportunistic", "required", "verified", "sts", "dane" };

	printf("delivery %s host=%.*s ip=%.*s port=%u source=%.*s lock=%s tls=%.*s reused=%u why=%.*s\n", feedback[d->feedback], STR_ARG(d->host),
		STR_ARG(d->ip), d->port, STR_ARG(d->source), locks[d->lock], STR_ARG(d->tls), d->reused, STR_ARG(d->lock_text));
	for (size_t i = 0; i < d->n_rcpts; i++)
		printf("rcpt %u %s %u %.*s %.*s\n", d->rcpts[i].number, states[d->rcpts[i].state], d->rcpts[i].code, STR_ARG(d->rcpts[i].status),
			STR_ARG(d->rcpts[i].text));
}

/* The same attempt once more is answered from what was kept; and as post asks after a new start of its own. */
static SUSPENDS void ask_again(struct run *run, const struct ipc_relay_send *m)
{
	struct ipc_relay_result ask = { m->id, m->group, m->attempt };
	struct ipc_relay_outstanding_reply jobs;
	struct ipc_relay_result_reply result;
	struct ipc_relay_send_reply reply;
	struct arena a;
	enum outcome again, known;

	arena_init(&a, "again", IPC_REPLY_MEMORY * 4);
	again = ipc_relay_send_within(&run->link, m, &reply, &a, NEVER_MS);
	known = ipc_relay_result_within(&run->link, &ask, &result, &a, NEVER_MS);
	if (ipc_relay_outstanding(&run->link, &(struct ipc_relay_outstanding){ 0 }, &jobs, &a) != OK)
		jobs.n_jobs = 0;
	printf("again %s %zu result %s %zu outstanding %zu\n", outcome_name(again), reply.delivery.n_rcpts, outcome_name(known), result.delivery.n_rcpts,
		jobs.n_jobs);
	arena_fini(&a);
}

static SUSPENDS void letter_main(void *arg)
{
	struct run *run = arg;
	struct ipc_relay_send m = run->send;
	struct ipc_relay_send_reply reply;
	struct arena a;
	enum outcome o;

	while (run->n_begun < run->n_letters) {
		m.id = ++run->n_begun;
		m.attempt = 1;
		arena_init(&a, "reply", IPC_REPLY_MEMORY);
		o = ipc_relay_send_within(&run->link, &m, &reply, &a, NEVER_MS);
		if (o != OK)
			printf("outcome %s\n", outcome_name(o));
		else if (!run->quiet)
			show(&reply.delivery);
		if (run->keep && !run->quiet)
			ask_again(run, &m);
		else if (o == OK && !run->keep)
			ipc_relay_acknowledge_cast(run->link.peer, &(struct ipc_relay_acknowledge){ &(struct ipc_relay_job){ m.id, 0, 1 }, 1 });
		arena_fini(&a);
	}
	run->n_ended++;
	gate_open(run->sched, &run->ended);
}

static void show_sums(const struct run *run, int64_t began_us)
{
	struct counters *c = calloc(1, sizeof *c);
	struct rusage use;

	relay_count(run->relay, c);
	getrusage(RUSAGE_SELF, &use);
	printf("all letters=%u connections=%llu reused=%llu failed=%llu kept=%llu wall_ms=%lld cpu_us_each=%lld\n", run->n_letters,
		(unsigned long long)c->server[COUNT_RELAY_CONNECTED], (unsigned long long)c->server[COUNT_RELAY_REUSED],
		(unsigned long long)c->server[COUNT_RELAY_FAILED], (unsigned long long)c->server[COUNT_RELAY_RESULTS_KEPT],
		(long long)(clock_wall_us() - began_us) / 1000,
		((long long)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) * 1000000 + use.ru_utime.tv_usec + use.ru_stime.tv_usec) / run->n_letters);
	free(c);
}

static SUSPENDS void main_task(void *arg)
{
	struct run *run = arg;
	struct gate *g = &run->ended;
	int64_t began_us = clock_wall_us();

	for (unsigned i = 0; i < run->n_at_once; i++)
		task_spawn(run->sched, "letters", letter_main, run);
	while (run->n_ended < run->n_at_once)
		task_wait(run->sched, &g, 1, NEVER_MS);
	show_sums(run, began_us);
	fflush(stdout);
	relay_stop(run->relay);
	while (!relay_stopped(run->relay))
		task_sleep(run->sched, 5);
	link_close(&run->link);
	task_sleep(run->sched, 20);
	sched_stop(run->sched);
}

static void loan_end(void *arg)
{
	conf_free(arg);
}

static struct conf *read_conf(const char *path)
{
	struct conf_errors errors;
	struct conf *conf = NULL;
	struct str text;
	struct buf why;

	buf_init(&why, 1000);
	conf_errors_init(&errors);
	if (!file_read(path, CONF_TEXT_MAX, &text, &why) || !conf_parse(text, path, &conf, &errors)) {
		fprintf(stderr, "%.*s%.*s", STR_ARG(buf_str(&why)), STR_ARG(buf_str(&errors.text)));
		exit(2);
	}
	conf_errors_fini(&errors);
	buf_fini(&why);
	free((void *)(uintptr_t)text.p);
	return conf;
}

/* As post hands it on: small ones in the record, others in a sealed memory file. */
static struct body letter_of(const char *path, struct body_writer *w, struct body_budget *budget)
{
	struct body body = { 0 };
	struct str text;
	struct buf why;

	buf_init(&why, 1000);
	body_writer_open(w, budget, 100 << 20);
	if (!file_read(path, 100 << 20, &text, &why))
		exit(2);
	body_writer_add(w, text);
	if (body_writer_seal(w, &body) != OK)
		exit(2);
	free((void *)(uintptr_t)text.p);
	buf_fini(&why);
	return body;
}

static void options(struct run *run, int argc, char **argv)
{
	for (int o; (o = getopt(argc, argv, "n:p:s:r:f:l:gkq")) != -1;) {
		unsigned number = optarg ? (unsigned)strtoul(optarg, NULL, 10) : 0;

		if (o == 'n')
			run->n_letters = number;
		else if (o == 'p')
			run->n_at_once = number;
		else if (o == 's')
			run->send.source = (uint16_t)number;
		else if (o == 'r')
			run->send.route = str_z(optarg);
		else if (o == 'f')
			run->send.facts.flags = number;
		else if (o == 'l')
			run->password = str_z(optarg);
		else if (o == 'g')
			run->send.facts.wishes.require_tls = 1;
		else if (o == 'k')
			run->keep = true;
		else if (o == 'q')
			run->quiet = true;
		else
			exit(2);
	}
	if (argc - optind < 4 || argc - optind - 3 > RCPTS_MAX)
		exit(2);
}

static void make_letter(struct run *run, int n, char **words, struct body_writer *w, struct body_budget *budget)
{
	struct ipc_relay_send *m = &run->send;

	m->facts.trace = STR("testtrace");
	m->facts.from = (struct ipc_addr){ STR("sender"), STR("sender.example") };
	m->facts.until_s = clock_wall_us() / 1000000 + 86400;
	m->facts.wire = WIRE_EXTENDED;
	m->domain = str_z(words[2]);
	m->prefix = STR("X-Prefix: ours\r\n");
	m->body = letter_of(words[1], w, budget);
	m->facts.size = m->body.size;
	for (int i = 0; i < n - 3; i++)
		run->rcpts[i] = (struct ipc_queue_rcpt){ .number = (uint32_t)i, .to = { str_z(words[3 + i]), m->domain } };
	m->rcpts = run->rcpts;
	m->n_rcpts = (size_t)(n - 3);
}

int main(int argc, char **argv)
{
	static struct run run = { .n_letters = 1, .n_at_once = 1 };
	struct sandbox_plan plan = { .role = SANDBOX_RELAY, .uid = geteuid() ? 0 : NOBODY, .gid = geteuid() ? 0 : NOBODY };
	struct body_budget budget = { .max = 200 << 20 };
	struct sandbox_walls walls;
	struct body_writer writer;
	struct link fetch;
	struct conf *conf;
	int fds[2];

	options(&run, argc, argv);
	conf = read_conf(argv[optind]);
	make_letter(&run, argc - optind, argv + optind, &writer, &budget);
	run.sched = sched_new(NULL);
	log_init(&run.log, 2, "relay");
	gate_init(&run.ended);
	link_init(&run.link, run.sched);
	link_init(&fetch, run.sched);
	run.relay = relay_new(&(struct relay_opts){ .sched = run.sched, .log = &run.log, .fetch = &fetch, .loan = { conf, loan_end, conf } });
	for (size_t i = 0; i < conf->n_routes; i++)
		if (conf->routes[i].login.n)
			relay_login(run.relay, (uint16_t)i, run.password);
	ipc_channel(fds);
	peer_open(&(struct peer_opts){ .sched = run.sched, .log = &run.log, .service = relay_service(run.relay), .self = ROLE_RELAY, .other = ROLE_POST,
		.life = 1, .fd = fds[0] });
	link_set(&run.link, peer_open(&(struct peer_opts){ .sched = run.sched, .log = &run.log, .self = ROLE_POST, .other = ROLE_RELAY, .life = 1,
		.fd = fds[1] }));
	sandbox_enter(&plan, &walls);
	task_spawn(run.sched, "test", main_task, &run);
	sched_run(run.sched);
	body_writer_close(&writer);
	relay_free(run.relay);
	return 0;
}
