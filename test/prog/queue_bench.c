/* prog/queue_bench.c - what the queue of letters that leave costs store: put, loaded, looked through, drained, and a letter that goes at once.
 *
 *   test-queue_bench DIR [LETTERS] [GROUPS] [WRITERS] [nosync]
 *
 * A fresh store on engine_rocks beside this program: LETTERS letters of 2 KB with GROUPS recipients each, every one at a domain of its own in 1,000, are put by
 * WRITERS tasks; the store is opened anew; all is loaded as post does, a domain is listed, each group is begun and settled; then history is looked
 * through. Last, letters that are put with their first attempt and settled at once. Times include the channel between post and store; processor time
 * is of this process, which is both.
 */
#include "base/clock.h"
#include "base/die.h"
#include "ipc/words.h"
#include "ipc_gen.h"
#include "store/store.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define LETTER_N 2000
#define DOMAINS 1000
#define AT_ONCE 200000

struct bench {
	struct sched *sched;
	struct log log;
	struct store *store;
	struct engine *engine;
	struct link post, ctl;
	char dir[512], *module;
	uint32_t n_letters, n_groups, n_writers;
	bool sync;
	uint32_t next, last; /* letters that are put, or letters that are settled */
	void (*one)(struct bench *b, uint32_t i, struct arena *a);
	unsigned n_running;
	struct gate ended;
	struct engine_stats before;
	int64_t wall_us, cpu_us;
};

/* ---- the store */

static void join(struct bench *b, enum role other, struct link *l)
{
	struct peer_opts theirs = { .sched = b->sched, .log = &b->log, .self = other, .other = ROLE_STORE, .life = 1 };
	struct peer_opts ours = {
		.sched = b->sched, .log = &b->log, .service = store_service(b->store), .self = ROLE_STORE, .other = other, .life = 1
	};
	int fds[2];

	ipc_channel(fds);
	theirs.fd = fds[0];
	ours.fd = fds[1];
	link_init(l, b->sched);
	link_set(l, peer_open(&theirs));
	peer_open(&ours);
}

static void open_store(struct bench *b)
{
	struct engine_opts e = { .data_dir = b->dir, .module = b->module, .segment_size = (uint64_t)256 << 20, .sync = b->sync, .threads = true,
		.log = &b->log };
	struct store_opts o = { .sched = b->sched, .log = &b->log };
	struct buf why;

	buf_init(&why, 4096);
	e.why = &why;
	o.limits = (struct store_limits){ .mailbox_name_size_max = 255, .mailbox_depth_max = 32, .mailboxes_max = 1000, .keywords_max = 56,
		.keep_expunged_ms = 7 * 86400000ll, .keep_history_ms = 7 * 86400000ll };
	o.engine = b->engine = engine_rocks_load(&e);
	b->store = b->engine ? store_open(&o, &why) : NULL;
	if (!b->store)
		die("%.*s", STR_ARG(buf_str(&why)));
	buf_fini(&why);
	join(b, ROLE_POST, &b->post);
	join(b, ROLE_CTL, &b->ctl);
}

static void close_store(struct bench *b)
{
	link_close(&b->post);
	link_close(&b->ctl);
	task_sleep(b->sched, 50);
	store_close(b->store);
}

/* ---- measuring */

static int64_t cpu_us(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000ll + u.ru_utime.tv_usec + u.ru_stime.tv_usec;
}

static unsigned long memory_kb(void)
{
	unsigned long pages = 0;
	char line[200], *end;
	FILE *f = fopen("/proc/self/statm", "r");

	if (f && fgets(line, sizeof line, f)) { /* its second number */
		strtoul(line, &end, 10);
		pages = strtoul(end, NULL, 10);
	}
	if (f)
		fclose(f);
	return pages * (unsigned long)sysconf(_SC_PAGESIZE) / 1024;
}

static void start(struct bench *b)
{
	b->before = (struct engine_stats){ 0 };
	if (b->engine)
		b->engine->ops->stats(b->engine, &b->before);
	b->wall_us = clock_wall_us();
	b->cpu_us = cpu_us();
}

static void tell(struct bench *b, const char *what, uint64_t n)
{
	double wall = (double)(clock_wall_us() - b->wall_us) / 1e6, cpu = (double)(cpu_us() - b->cpu_us) / 1e6;
	struct engine_stats s;

	b->engine->ops->stats(b->engine, &s);
	printf("%-28s %9llu in %7.2f s %9.0f /s %7.1f us of CPU each, %6.3f syncs each, %7lu KB\n", what, (unsigned long long)n, wall,
		(double)n / wall, cpu * 1e6 / (double)n, (double)(s.n_syncs - b->before.n_syncs) / (double)n, memory_kb());
	fflush(stdout);
}

/* ---- work in many tasks */

static void worker(void *arg)
{
	struct bench *b = arg;
	struct arena a;

	arena_init(&a, "bench", IPC_REPLY_MEMORY);
	while (b->next < b->last) {
		b->one(b, b->next++, &a);
		arena_reset(&a);
	}
	arena_fini(&a);
	b->n_running--;
	gate_open(b->sched, &b->ended);
}

static void work(struct bench *b, void (*one)(struct bench *b, uint32_t i, struct arena *a), uint32_t n)
{
	struct gate *gates[] = { &b->ended };

	b->one = one;
	b->next = 0;
	b->last = n;
	for (uint32_t i = 0; i < b->n_writers; i++) {
		b->n_running++;
		task_spawn(b->sched, "worker", worker, b);
	}
	while (b->n_running)
		task_wait(b->sched, gates, 1, NEVER_MS);
}

static struct str domain_of(struct arena *a, uint32_t letter, uint32_t group)
{
	return arena_fmt(a, "domain%u.test", (unsigned)((letter * 7 + group) % DOMAINS));
}

static uint64_t put(struct bench *b, uint32_t i, uint32_t n_groups, uint8_t attempt, struct arena *a)
{
	struct str *domains = arena_array(a, n_groups, sizeof *domains);
	struct ipc_out_rcpt *rcpts = arena_array(a, n_groups, sizeof *rcpts);
	char *body = arena_alloc(a, LETTER_N), prefix[700];
	struct ipc_queue_send q = { .domains = domains, .n_domains = n_groups, .rcpts = rcpts, .n_rcpts = n_groups, .attempt = attempt,
		.prefix = str_of(prefix, sizeof prefix) };
	struct ipc_queue_send_reply r = { 0 };

	memset(body, 'x', LETTER_N);
	memset(prefix, 'y', sizeof prefix);
	for (uint32_t g = 0; g < n_groups; g++) {
		domains[g] = domain_of(a, i, g);
		rcpts[g] = (struct ipc_out_rcpt){ .to = { arena_fmt(a, "user%u", (unsigned)i), domains[g] }, .group = g };
	}
	q.facts = (struct ipc_out_facts){ .trace = arena_fmt(a, "%c%08x-bench-letter", attempt ? 'a' : 'b', (unsigned)i), .account = 1 + i % 100,
		.login = STR("alice@example.test"), .date_s = 1795341600, .until_s = 1795773600, .from = { STR("alice"), STR("example.test") },
		.size = LETTER_N + sizeof prefix };
	q.body = body_of(str_of(body, LETTER_N));
	if (ipc_queue_send(&b->post, &q, &r, a) != OK)
		die("a letter was not taken");
	return r.id;
}

static void put_one(struct bench *b, uint32_t i, struct arena *a)
{
	put(b, i, b->n_groups, 0, a);
}

static void settle(struct bench *b, uint64_t id, uint32_t group, struct arena *a)
{
	struct ipc_rcpt_result v = { .number = group, .state = RCPT_SENT, .code = 250, .status = STR("2.0.0"), .text = STR("Ok: queued as 4ABC") };
	struct ipc_queue_settle q = { .id = id, .group = group, .attempt = 1, .at_s = 1795341601,
		.delivery = { .host = STR("mx1.domain.test"), .ip = STR("192.0.2.25"), .port = 25, .source = STR("198.51.100.1"),
			.tls = STR("TLSv1.3 TLS_AES_256_GCM_SHA384"), .lock = LOCK_OPPORTUNISTIC, .total_ms = 12, .rcpts = &v, .n_rcpts = 1 } };
	struct ipc_queue_settle_reply r = { 0 };

	if (ipc_queue_settle(&b->post, &q, &r, a) != OK || r.left)
		die("a result was not taken");
}

static void drain_one(struct bench *b, uint32_t i, struct arena *a)
{
	struct ipc_queue_begin q = { 1 + i / b->n_groups, i % b->n_groups, 1 };

	if (ipc_queue_begin(&b->post, &q) != OK)
		die("an attempt was not begun");
	settle(b, q.id, q.group, a);
}

static void at_once(struct bench *b, uint32_t i, struct arena *a)
{
	settle(b, put(b, i, 1, 1, a), 0, a);
}

/* ---- reading */

static uint64_t load_all(struct bench *b)
{
	struct ipc_queue_load q = { 0 };
	struct ipc_queue_load_reply r;
	struct arena a;
	uint64_t n = 0;

	arena_init(&a, "bench", IPC_REPLY_MEMORY);
	do {
		arena_reset(&a);
		r = (struct ipc_queue_load_reply){ 0 };
		if (ipc_queue_load(&b->post, &q, &r, &a) != OK)
			die("the queue cannot be read");
		n += r.n_entries;
		if (r.n_entries) {
			q.after_id = r.entries[r.n_entries - 1].id;
			q.after_group = r.entries[r.n_entries - 1].group;
		}
	} while (r.more);
	arena_fini(&a);
	return n;
}

static uint64_t page(struct bench *b, struct ipc_queue_filter filter, uint32_t *n_calls)
{
	struct ipc_queue_page q = { .filter = filter };
	struct ipc_queue_page_reply r;
	struct arena a;
	uint64_t n = 0;

	arena_init(&a, "bench", IPC_REPLY_MEMORY);
	do {
		arena_reset(&a);
		r = (struct ipc_queue_page_reply){ 0 };
		if (ipc_queue_page(&b->ctl, &q, &r, &a) != OK)
			die("the queue cannot be read");
		n += r.n_entries;
		q.after_id = r.next_id;
		q.after_group = r.next_group;
		++*n_calls;
	} while (r.more);
	arena_fini(&a);
	return n;
}

static uint64_t find(struct bench *b, struct ipc_queue_filter filter)
{
	struct ipc_history_find q = { .filter = filter };
	struct ipc_history_find_reply r;
	struct arena a;
	uint64_t n = 0;

	arena_init(&a, "bench", IPC_REPLY_MEMORY);
	do {
		arena_reset(&a);
		r = (struct ipc_history_find_reply){ 0 };
		if (ipc_history_find(&b->ctl, &q, &r, &a) != OK)
			die("history cannot be read");
		n += r.n_entries;
		q.after_id = r.next_id;
		q.after_group = r.next_group;
		q.after_number = r.next_number;
	} while (r.more);
	arena_fini(&a);
	return n;
}

static void look(struct bench *b)
{
	struct ipc_queue_filter domain = { .domain = STR("domain7.test") }, all = { 0 };
	uint32_t n_calls = 0;
	uint64_t n;

	start(b);
	n = load_all(b);
	tell(b, "loaded by post, groups", n);
	start(b);
	n = page(b, domain, &n_calls);
	tell(b, "groups of one domain", n);
	printf("%-28s %9u calls\n", "", (unsigned)n_calls);
	start(b);
	tell(b, "all groups listed", page(b, all, &n_calls));
}

static void run(void *arg)
{
	struct bench *b = arg;
	struct ipc_queue_filter rcpt = { .rcpt = STR("user7@domain49.test") };

	gate_init(&b->ended);
	open_store(b);
	start(b);
	work(b, put_one, b->n_letters);
	tell(b, "letters put", b->n_letters);
	close_store(b);
	b->engine = NULL;
	start(b);
	open_store(b);
	tell(b, "opened again", 1);
	look(b);
	start(b);
	work(b, drain_one, b->n_letters * b->n_groups);
	tell(b, "groups begun and settled", (uint64_t)b->n_letters * b->n_groups);
	start(b);
	load_all(b);
	tell(b, "loaded, empty", 1);
	start(b);
	find(b, rcpt);
	tell(b, "history of a recipient", (uint64_t)b->n_letters * b->n_groups);
	start(b);
	work(b, at_once, AT_ONCE);
	tell(b, "letters put, sent at once", AT_ONCE);
	close_store(b);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st;
	(void)kind;
	(void)at;
	return remove(path);
}

static void remove_tree(const char *dir)
{
	if (nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0 && access(dir, F_OK) == 0)
		die_errno("%s", dir);
}

#define MODULE "sallyport-rocks.so"

/* The module lies beside this program. */
static char *find_module(void)
{
	char *path = mem_alloc(4096 + sizeof MODULE), *slash;
	ssize_t n = readlink("/proc/self/exe", path, 4095);

	if (n <= 0)
		die_errno("readlink");
	slash = strrchr(path, '/');
	memcpy(slash + 1, MODULE, sizeof MODULE);
	return path;
}

static bool number(int argc, char **argv, int i, uint32_t *out)
{
	return argc <= i || (str_to_u32(str_z(argv[i]), out) && *out > 0);
}

int main(int argc, char **argv)
{
	struct bench b = { .n_letters = 100000, .n_groups = 10, .n_writers = 50, .sync = !(argc > 5 && strcmp(argv[5], "nosync") == 0) };

	if (!number(argc, argv, 2, &b.n_letters) || !number(argc, argv, 3, &b.n_groups) || !number(argc, argv, 4, &b.n_writers) ||
		b.n_groups > IPC_QUEUE_SEND_DOMAINS_MAX)
		die("usage: test-queue_bench DIR [LETTERS] [GROUPS] [WRITERS] [nosync]");
	b.module = find_module();
	snprintf(b.dir, sizeof b.dir, "%s/queue-bench", argc > 1 ? argv[1] : "/tmp");
	remove_tree(b.dir);
	log_init(&b.log, 2, "bench");
	b.log.least = LOG_LEVEL_ERROR;
	b.sched = sched_new(NULL);
	printf("%u letters of %u groups, %u writers, sync %s\n", (unsigned)b.n_letters, (unsigned)b.n_groups, (unsigned)b.n_writers,
		b.sync ? "on" : "off");
	task_spawn(b.sched, "run", run, &b);
	sched_run(b.sched);
	sched_free(b.sched);
	remove_tree(b.dir);
	free(b.module);
	return 0;
}
