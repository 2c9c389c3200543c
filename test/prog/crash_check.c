/* prog/crash_check.c - rebuilds a recorded directory as it could be after each of many cuts, opens it, checks the invariants.
 *
 *   test-crash_check LOG MODULE DIR SEED CUTS [CUT VARIANT]
 *
 * Cuts are places between two records of the log, chosen by the seed: around syncs and renames, around answers, and anywhere. Each is
 * rebuilt in one variant (crash/replay.h) in a process of its own, whose death is a breach too. With CUT and VARIANT only that one
 * is, and its directory stays in DIR. Prints TAP: one test for each hundred cuts. CRASH_FORGET in the environment names syncs that
 * are taken to do nothing (struct replay), to see that they are missed.
 */
#include "base/die.h"
#include "base/rng.h"
#include "crash/inspect.h"
#include "crash/replay.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define CUTS_PER_TEST 100
#define REPORT_MAX 6000
#define CUT_SECONDS 60

/* Shared between the workers and the one who prints. */
struct cut {
	uint64_t at; /* records before it */
	enum variant variant;
	bool checked;
	bool bad;
	uint32_t n_done;
	char report[REPORT_MAX];
};

struct check {
	const char *log, *module, *dir;
	uint64_t seed;
	struct cut *cuts;
	size_t n_cuts;
	unsigned n_workers;
};

/* ---- one cut */

static void remove_tree(const char *dir)
{
	pid_t pid = fork();

	if (pid == 0) {
		execlp("rm", "rm", "-rf", dir, (char *)NULL);
		_exit(127);
	}
	waitpid(pid, NULL, 0);
}

static _Noreturn void inspect_cut(const struct check *c, struct replay *r, struct model *m, const struct cut *cut, const char *dir, int out)
{
	struct buf report;

	alarm(CUT_SECONDS);
	dup2(out, 2);
	replay_build(r, dir, cut->variant, c->seed ^ cut->at * 31);
	buf_init(&report, 1 << 20);
	inspect(m, dir, c->module, &report);
	if (report.n && write(out, report.p, report.n) < 0)
		_exit(3);
	_exit(report.n != 0);
}

static void check_cut(const struct check *c, struct replay *r, struct model *m, struct cut *cut, const char *dir)
{
	int fds[2], status;
	char rest[512];
	size_t n = 0;
	ssize_t got;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) != 0)
		die_errno("pipe");
	pid = fork();
	if (pid < 0)
		die_errno("fork");
	if (pid == 0)
		inspect_cut(c, r, m, cut, dir, fds[1]);
	close(fds[1]);
	while ((got = read(fds[0], cut->report + n, REPORT_MAX - 1 - n)) > 0)
		n += (size_t)got;
	while (read(fds[0], rest, sizeof rest) > 0)
		; /* what is too much, so that it does not wait for us */
	close(fds[0]);
	waitpid(pid, &status, 0);
	if (WIFSIGNALED(status))
		snprintf(cut->report + n, REPORT_MAX - n, "I0 the process died of signal %d\n", WTERMSIG(status));
	cut->bad = status != 0;
	cut->n_done = (uint32_t)m->n_done;
	cut->checked = true;
}

/* ---- a worker: one pass over the log, stopping at its share of the cuts */

static void worker(const struct check *c, unsigned number)
{
	struct replay r;
	struct replayed rec;
	struct model m = { 0 };
	struct mark mark;
	char dir[512];

	snprintf(dir, sizeof dir, "%s/cut%u", c->dir, number);
	replay_open(&r, c->log);
	r.forget = str_z(getenv("CRASH_FORGET"));
	for (size_t i = 0; i < c->n_cuts; i++) {
		struct cut *cut = &c->cuts[i];

		while (r.n < cut->at && replay_step(&r, &rec))
			if (rec.kind == CRASH_MARK && rec.data.n == sizeof mark) {
				memcpy(&mark, rec.data.p, sizeof mark);
				model_apply(&m, &mark);
			}
		if (i % c->n_workers != number)
			continue;
		check_cut(c, &r, &m, cut, dir);
		if (c->n_cuts > 1)
			remove_tree(dir);
	}
}

/* ---- choosing */

static int by_place(const void *a, const void *b)
{
	const struct cut *x = a, *y = b;

	return x->at < y->at ? -1 : x->at > y->at;
}

struct places {
	struct VEC(uint64_t) syncs, answers;
	uint64_t n;
};

static struct places find_places(const char *log)
{
	struct places p = { 0 };
	struct replayed rec;
	struct replay r;

	replay_open(&r, log);
	while (replay_step(&r, &rec)) {
		if (rec.kind == CRASH_SYNC || rec.kind == CRASH_SYNC_DIR || rec.kind == CRASH_RENAME || rec.kind == CRASH_UNLINK)
			*vec_push(&p.syncs) = r.n;
		else if (rec.kind == CRASH_MARK && rec.data.n == sizeof(struct mark) && *(const uint32_t *)(const void *)rec.data.p == MARK_DONE)
			*vec_push(&p.answers) = r.n;
	}
	p.n = r.n;
	return p;
}

/* Just before or just after what happened at these places, or anywhere. */
static uint64_t choose_place(const struct places *p, uint64_t *rng)
{
	uint64_t r = rng_step(rng), after = rng_step(rng) % 2;

	if (r % 4 < 2 && p->syncs.n)
		return p->syncs.v[rng_step(rng) % p->syncs.n] - after;
	if (r % 4 == 2 && p->answers.n)
		return p->answers.v[rng_step(rng) % p->answers.n] - after;
	return rng_step(rng) % (p->n + 1);
}

static void choose_cuts(struct check *c)
{
	struct places p = find_places(c->log);
	uint64_t rng = c->seed;

	if (p.n == 0)
		die("%s: no records", c->log);
	for (size_t i = 0; i < c->n_cuts; i++) {
		c->cuts[i].at = choose_place(&p, &rng);
		c->cuts[i].variant = (enum variant)(i % VARIANTS);
	}
	qsort(c->cuts, c->n_cuts, sizeof *c->cuts, by_place);
	printf("# %llu records, %zu syncs and changes of names, %zu answers\n", (unsigned long long)p.n, p.syncs.n, p.answers.n);
}

/* ---- printing */

static void print_report(const struct cut *cut)
{
	struct str rest = str_z(cut->report), line;

	printf("# cut %llu, variant %s: test/crash/run --cut %llu --variant %s\n", (unsigned long long)cut->at, variant_name(cut->variant),
		(unsigned long long)cut->at, variant_name(cut->variant));
	for (int n = 0; str_split(&rest, '\n', &line) && n < 8; n++)
		if (line.n)
			printf("#   %.*s\n", STR_ARG(line));
}

static int print_all(const struct check *c)
{
	size_t n_tests = (c->n_cuts + CUTS_PER_TEST - 1) / CUTS_PER_TEST, n_bad = 0;

	for (size_t t = 0; t < n_tests; t++) {
		size_t first = t * CUTS_PER_TEST, last = first + CUTS_PER_TEST < c->n_cuts ? first + CUTS_PER_TEST : c->n_cuts, bad = 0;

		for (size_t i = first; i < last; i++)
			bad += c->cuts[i].bad || !c->cuts[i].checked;
		printf("%s %zu - cuts %zu to %zu, up to %u answers\n", bad ? "not ok" : "ok", t + 1, first + 1, last, c->cuts[last - 1].n_done);
		for (size_t i = first; i < last; i++)
			if (c->cuts[i].bad || !c->cuts[i].checked)
				print_report(&c->cuts[i]);
		n_bad += bad;
	}
	printf("1..%zu\n# %zu cuts, %zu of them bad\n", n_tests, c->n_cuts, n_bad);
	return n_bad != 0;
}

static uint64_t number(const char *z)
{
	uint64_t v;

	if (!str_to_u64(str_z(z), &v))
		die("crash_check: \"%s\" is no number", z);
	return v;
}

static enum variant variant_of(const char *name)
{
	for (enum variant v = 0; v < VARIANTS; v++)
		if (strcmp(name, variant_name(v)) == 0)
			return v;
	die("crash_check: there is no variant \"%s\"", name);
}

int main(int argc, char **argv)
{
	struct check c = { .n_workers = (unsigned)sysconf(_SC_NPROCESSORS_ONLN) };
	size_t size;

	if (argc != 6 && argc != 8) {
		fprintf(stderr, "usage: %s LOG MODULE DIR SEED CUTS [CUT VARIANT]\n", argv[0]);
		return 2;
	}
	c.log = argv[1];
	c.module = argv[2];
	c.dir = argv[3];
	c.seed = number(argv[4]);
	c.n_cuts = argc == 8 ? 1 : (size_t)number(argv[5]);
	if (!dlopen(c.module, RTLD_NOW)) /* here once, not in every child */
		die("%s", dlerror());
	size = c.n_cuts * sizeof *c.cuts;
	c.cuts = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (c.cuts == MAP_FAILED)
		die_errno("no memory");
	choose_cuts(&c);
	if (argc == 8) {
		c.cuts[0].at = number(argv[6]);
		c.cuts[0].variant = variant_of(argv[7]);
	}
	fflush(stdout);
	for (unsigned i = 0; i < c.n_workers; i++)
		if (fork() == 0) {
			worker(&c, i);
			_exit(0);
		}
	while (wait(NULL) > 0 || errno == EINTR)
		;
	return print_all(&c);
}
