/* prog/sim.c - random sessions on one mailbox against a reference model, a world a seed.
 *
 *   test-sim SEED [N]     N worlds from SEED on, each in a process of its own; TAP, a test for each hundred
 *   test-sim -v SEED      one, with its transcript
 *
 * The invariants: V1 to V5 in sim/picture.c and client.c (what a session is told), R1 to R4 in sim/oracle.c (what is there). In the end
 * all sessions agree with each other and with what a new one reads.
 */
#include "base/die.h"
#include "base/rng.h"
#include "crash/work.h"
#include "sim/client.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORLDS_PER_TEST 100
#define CLIENTS_MAX 5
#define SECONDS_MAX 60     /* of real time: longer is a world that stands still */
#define QUIET_MS 2000      /* commits under way are done then */
#define SETTLE_MS 4000000  /* the queue tries again after at most 300 s, some times */
#define TRANSCRIPT_MAX ((size_t)64 << 20)
#define TAIL_LINES 60
#define WALL_START_S 1767225600

const char *const sim_box_names[BOXES] = { "INBOX", "Other", "INBOX" };

size_t sim_below(struct sim *s, size_t n)
{
	return (size_t)(rng_step(&s->rng) % n);
}

void sim_say(struct sim *s, const char *who, char direction, struct str line)
{
	buf_addf(&s->transcript, "%lld %s %c %.*s\n", (long long)sched_now_ms(s->world.sched), who, direction, STR_ARG(str_sub(line, 0, 400)));
}

/* The transcript's last lines; all of it with -v. */
static void print_transcript(const struct sim *s)
{
	struct str all = buf_str(&s->transcript), line;
	size_t from = all.n;

	for (int n = 0; from > 0 && (s->loud || n < TAIL_LINES); n++) {
		ssize_t at = str_rfind(str_sub(all, 0, from - 1), '\n');

		from = at < 0 ? 0 : (size_t)at + 1;
	}
	all = str_from(all, from);
	while (str_split(&all, '\n', &line))
		printf("#   %.*s\n", STR_ARG(str_trim(line)));
}

_Noreturn void sim_fail(struct sim *s, const char *fmt, ...)
{
	va_list ap;

	printf("# seed %llu: ", (unsigned long long)s->seed);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	print_transcript(s);
	fflush(stdout);
	_exit(1);
}

/* ---- letters from outside, by SMTP */

static SUSPENDS bool smtp_says(struct stream *s, const char *code)
{
	struct str line;

	do
		if (stream_line(s, &line, 4096) != LINE_OK)
			return false;
	while (line.n > 3 && line.p[3] == '-');
	return str_starts(line, str_z(code));
}

/* to: bits, 1 alice, 2 bob. True: the server has taken it. */
static SUSPENDS bool smtp_letter(struct stream *s, uint32_t serial, unsigned to)
{
	struct buf letter;
	bool ok;

	buf_init(&letter, 1 << 20);
	work_letter(serial, &letter);
	stream_printf(s, "MAIL FROM:<sender@elsewhere.test>\r\n");
	ok = smtp_says(s, "250");
	for (unsigned i = 0; i < 2; i++) {
		if (!(to >> i & 1))
			continue;
		stream_printf(s, "RCPT TO:<%s@sim.test>\r\n", i ? "bob" : "alice");
		ok = smtp_says(s, "250") && ok;
	}
	stream_printf(s, "DATA\r\n");
	ok = ok && smtp_says(s, "354");
	if (ok) {
		stream_write(s, buf_str(&letter));
		stream_printf(s, ".\r\n");
		ok = smtp_says(s, "250");
	}
	buf_fini(&letter);
	return ok;
}

/* A letter goes over a connection of its own, so that what went wrong with one is no other's. */
static SUSPENDS void send_letter(struct sim *sim)
{
	static const uint8_t boxes[] = { BOX_INBOX, BOX_BOB };
	uint32_t serial = sim->next_serial++;
	unsigned to = 1 + (unsigned)sim_below(sim, 8) % 3;
	size_t comings[2];
	struct stream s;
	bool ok;

	for (unsigned i = 0; i < 2; i++)
		if (to >> i & 1)
			comings[i] = oracle_ask(&sim->oracle, &(struct coming){ .box = boxes[i], .serial = serial });
	stream_open_fd(&s, sim->world.sched, edge_connect(sim->edge, SERVICE_SMTP));
	stream_deadline(&s, 600000);
	ok = smtp_says(&s, "220");
	stream_printf(&s, "EHLO elsewhere.test\r\n");
	ok = ok && smtp_says(&s, "250") && smtp_letter(&s, serial, to);
	sim_say(sim, "smtp", ok ? '>' : '!', serial ? STR("a letter") : STR(""));
	for (unsigned i = 0; ok && i < 2; i++)
		if (to >> i & 1)
			oracle_came(&sim->oracle, comings[i], 0);
	stream_close(&s);
}

static SUSPENDS void sender_main(void *arg)
{
	struct sim *s = arg;

	for (unsigned n = 2 + (unsigned)sim_below(s, 8); n > 0; n--) {
		task_sleep(s->world.sched, (int64_t)sim_below(s, 1500));
		send_letter(s);
	}
	s->sent = true;
}

/* ---- the world */

static void need(struct sim *s, enum outcome o, const char *what)
{
	if (o != OK)
		sim_fail(s, "%s: %s", what, outcome_name(o));
}

/* The engine may lose a commit at any time; what is asked for again may be there already. */
#define UNTIL_DONE(s, o, what)                                                                \
	do {                                                                                  \
		enum outcome o_ = TRY_LATER;                                                  \
		for (int i_ = 0; i_ < 50 && o_ != OK && o_ != EXISTS; i_++) {                 \
			o_ = (o);                                                             \
			if (o_ != OK)                                                         \
				task_sleep((s)->world.sched, 50);                             \
		}                                                                             \
		need(s, o_ == EXISTS ? OK : o_, what);                                        \
	} while (0)

static SUSPENDS void make_accounts(struct sim *s)
{
	struct client *c = client_new(s, 0, 0);
	uint64_t account;

	UNTIL_DONE(s, world_add_domain(&s->world, "sim.test"), "domain");
	UNTIL_DONE(s, world_add_account(&s->world, "alice", "sim.test", "none", &account), "alice");
	UNTIL_DONE(s, world_add_account(&s->world, "bob", "sim.test", "none", &account), "bob");
	client_make_box(c, "alice@sim.test", BOX_OTHER);
}

static void check_picture(struct sim *s, const struct client *c, const char *name, const struct final_list *want)
{
	struct final_list got = { 0 };

	client_picture(c, &got);
	if (got.v.n != want->v.n)
		sim_fail(s, "in the end %s believes in %zu messages, and there are %zu", name, got.v.n, want->v.n);
	for (size_t i = 0; i < got.v.n; i++) {
		const struct final_letter *g = &got.v.v[i], *w = &want->v.v[i];

		if (g->uid && g->uid != w->uid)
			sim_fail(s, "in the end %s believes that message %zu is uid %u, and it is %u", name, i + 1, g->uid, w->uid);
		if (g->complete && g->flags != w->flags)
			sim_fail(s, "in the end %s believes in flags %#x of uid %u, and they are %#x", name, g->flags, w->uid, w->flags);
	}
	vec_free(&got.v);
}

static SUSPENDS void check_end(struct sim *s, struct client **clients, unsigned n)
{
	struct final_list lists[BOXES] = { 0 }, picture = { 0 };
	struct client *reader = client_new(s, 90, 0), *bob = client_new(s, 91, 0);
	char name[8];

	client_read_all(reader, "alice@sim.test", BOX_INBOX, &lists[BOX_INBOX]);
	client_read_all(reader, "alice@sim.test", BOX_OTHER, &lists[BOX_OTHER]);
	client_read_all(bob, "bob@sim.test", BOX_BOB, &lists[BOX_BOB]);
	for (unsigned b = 0; b < BOXES; b++)
		oracle_check(&s->oracle, b, &lists[b]);
	for (unsigned i = 0; i < n; i++) {
		int box = client_picture(clients[i], &picture);

		snprintf(name, sizeof name, "c%u", i + 1);
		if (box >= 0)
			check_picture(s, clients[i], name, &lists[box]);
		client_disconnect(clients[i]);
	}
	client_disconnect(reader);
	client_disconnect(bob);
}

static SUSPENDS void verify(struct sim *s)
{
	struct ipc_verify_step_reply r;
	char after[64] = "";
	struct arena a;

	arena_init(&a, "verify", IPC_REPLY_MEMORY);
	do {
		need(s, ipc_verify_step(&s->world.ctl_store, &(struct ipc_verify_step){ .after = str_z(after) }, &r, &a), "verify");
		if (r.n_lines)
			sim_fail(s, "verify: %.*s", STR_ARG(r.lines[0]));
		snprintf(after, sizeof after, "%.*s", STR_ARG(r.next));
		arena_reset(&a);
	} while (r.more);
	arena_fini(&a);
}

static SUSPENDS void wait_idle(struct sim *s)
{
	while (s->n_busy)
		task_sleep(s->world.sched, 100);
}

static SUSPENDS void world_main(void *arg)
{
	struct sim *s = arg;
	struct sched *sched = s->world.sched;
	unsigned n = 3 + (unsigned)sim_below(s, CLIENTS_MAX - 2);
	struct client *clients[CLIENTS_MAX];
	struct buf why;

	buf_init(&why, 4096);
	s->edge = edge_new(s);
	if (!world_open(&s->world, &(struct world_opts){ .sched = sched, .mail = true, .engine = { .seed = s->seed },
		.edge = edge_service(s->edge) }, &why))
		sim_fail(s, "%.*s", STR_ARG(buf_str(&why)));
	s->world.log.least = s->loud ? LOG_LEVEL_WARNING : LOG_LEVEL_ERROR;
	make_accounts(s);
	s->n_busy = n;
	for (unsigned i = 0; i < n; i++)
		task_spawn(sched, "client", client_main, clients[i] = client_new(s, i + 1, 40 + (unsigned)sim_below(s, 40)));
	task_spawn(sched, "sender", sender_main, s);
	for (int i = 0; i < PHASES * 2; i++) {
		wait_idle(s);
		task_sleep(sched, QUIET_MS);
		s->n_busy = n;
		s->phase++;
	}
	while (!s->sent)
		task_sleep(sched, 100);
	task_sleep(sched, SETTLE_MS);
	s->n_busy = n;
	s->settled = true;
	wait_idle(s);
	check_end(s, clients, n);
	task_sleep(sched, 1000);
	if (edge_n_sessions(s->edge))
		sim_fail(s, "%u sessions have not ended", edge_n_sessions(s->edge));
	verify(s);
	sched_stop(sched);
}

static int run_world(uint64_t seed, bool loud)
{
	struct sim s = { .seed = seed, .rng = seed * 0x9e3779b97f4a7c15u + 1, .next_serial = 1, .loud = loud };

	alarm(SECONDS_MAX);
	buf_init(&s.transcript, TRANSCRIPT_MAX);
	s.oracle.sim = &s;
	s.world.sched = sched_new(&(struct sched_opts){ .virtual_time = true, .wall_start_s = WALL_START_S });
	task_spawn(s.world.sched, "world", world_main, &s);
	sched_run(s.world.sched);
	if (loud)
		print_transcript(&s);
	fflush(stdout);
	return 0;
}

/* ---- many */

static bool run_forked(uint64_t seed)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0)
		die_errno("sim: fork");
	if (pid == 0)
		_exit(run_world(seed, false));
	waitpid(pid, &status, 0);
	if (status != 0)
		printf("# seed %llu failed%s: make sim SEED=%llu\n", (unsigned long long)seed,
			WIFSIGNALED(status) ? WTERMSIG(status) == SIGALRM ? ", it stood still" : ", it died" : "", (unsigned long long)seed);
	return status == 0;
}

static int run_many(uint64_t first, uint64_t n)
{
	uint64_t n_tests = (n + WORLDS_PER_TEST - 1) / WORLDS_PER_TEST;
	bool ok = true;

	printf("1..%llu\n", (unsigned long long)n_tests);
	for (uint64_t t = 0; t < n_tests; t++) {
		uint64_t from = first + t * WORLDS_PER_TEST, to = from + WORLDS_PER_TEST < first + n ? from + WORLDS_PER_TEST : first + n;
		bool good = true;

		for (uint64_t seed = from; seed < to; seed++)
			good = run_forked(seed) && good;
		printf("%s %llu - worlds of the seeds %llu to %llu\n", good ? "ok" : "not ok", (unsigned long long)t + 1,
			(unsigned long long)from, (unsigned long long)to - 1);
		ok = ok && good;
	}
	return !ok;
}

int main(int argc, char **argv)
{
	bool loud = argc > 1 && strcmp(argv[1], "-v") == 0;
	uint64_t seed, n = 1;

	if (argc - loud < 2 || argc - loud > 3 || !str_to_u64(str_z(argv[1 + loud]), &seed) ||
		(argc - loud == 3 && !str_to_u64(str_z(argv[2 + loud]), &n))) {
		fprintf(stderr, "usage: %s [-v] SEED [N]\n", argv[0]);
		return 2;
	}
	return loud ? run_world(seed, true) : run_many(seed, n);
}
