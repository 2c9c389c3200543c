/* prog/store_bench.c - what a delivery costs: letters a second, syncs, and bytes written for each byte of body.
 *
 *   test-store_bench DIR [SECONDS] [LETTER_BYTES] [nosync]
 *
 * For 1, 10 and 50 writers at once, each to an account of its own in turn: a fresh store on engine_rocks beside this program, letters that no
 * compression shrinks. Device bytes are those of the disk that /proc/self/mountinfo and /sys/block give for DIR, whatever else writes there.
 */
#include "base/clock.h"
#include "base/die.h"
#include "base/rng.h"
#include "ipc_gen.h"
#include "mail/index.h"
#include "store/store.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define SAMPLES_MAX 2000000

struct bench {
	struct sched *sched;
	struct log log;
	struct store *store;
	struct engine *engine;
	struct link post, ctl;
	const char *dir;
	const char *module;
	int seconds, n_writers;
	size_t letter_n;
	bool sync;
	struct arena arena;
	struct str index;
	uint64_t *accounts;
	int64_t until_us;
	uint32_t *samples; /* microseconds */
	size_t n_samples;
	int n_running;
	struct gate ended;
	uint64_t rng, number;
};

static void join(struct bench *b, enum role other, struct link *l)
{
	struct peer_opts theirs = { .sched = b->sched, .log = &b->log, .self = other, .other = ROLE_STORE, .life = 1 };
	struct peer_opts ours = { .sched = b->sched,
		.log = &b->log,
		.service = store_service(b->store),
		.self = ROLE_STORE,
		.other = other,
		.life = 1 };
	int fds[2];

	ipc_channel(fds);
	theirs.fd = fds[0];
	ours.fd = fds[1];
	link_init(l, b->sched);
	link_set(l, peer_open(&theirs));
	peer_open(&ours);
}

/* ---- counters */

static uint64_t process_written(void)
{
	uint64_t v = 0;
	char line[100];
	FILE *f = fopen("/proc/self/io", "r");

	while (f && fgets(line, sizeof line, f))
		if (str_starts(str_z(line), STR("write_bytes: ")) &&
			str_to_u64(str_trim(str_from(str_z(line), 13)), &v))
			break;
	if (f)
		fclose(f);
	return v;
}

static uint64_t device_written(const char *dir)
{
	uint64_t sectors = 0;
	char path[100], line[300];
	struct str rest, word;
	struct stat st;
	FILE *f;

	if (stat(dir, &st) != 0)
		return 0;
	snprintf(path, sizeof path, "/sys/dev/block/%u:%u/stat", major(st.st_dev), minor(st.st_dev));
	f = fopen(path, "r");
	if (f && fgets(line, sizeof line, f)) {
		rest = str_z(line);
		for (int i = 0; i < 7;) /* the seventh field: sectors written */
			if (!str_split(&rest, ' ', &word))
				break;
			else
				i += word.n > 0;
		if (!str_to_u64(word, &sectors))
			sectors = 0;
	}
	if (f)
		fclose(f);
	return sectors * 512;
}

/* ---- letters */

static void fill(struct bench *b, char *p, size_t n)
{
	static const char head[] =
		"From: bench@y.test\r\nTo: you@x.test\r\nSubject: bytes that nothing shrinks\r\n\r\n";
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	memcpy(p, head, sizeof head - 1);
	for (size_t i = sizeof head - 1; i < n; i += 8) {
		uint64_t r = rng_step(&b->rng);

		for (size_t j = i; j < i + 8 && j < n; j++, r >>= 8)
			p[j] = j % 78 == 76 ? '\r' : j % 78 == 77 ? '\n' : alphabet[r & 63];
	}
}

static void make_index(struct bench *b)
{
	struct mail_index x;
	struct buf out;
	char *p = arena_alloc(&b->arena, b->letter_n);

	fill(b, p, b->letter_n);
	mail_index_make(str_of(p, b->letter_n), &mail_index_limits_default, &b->arena, &x);
	buf_init(&out, 1 << 20);
	mail_index_encode(&x, &out);
	b->index = arena_dup(&b->arena, buf_str(&out));
	buf_fini(&out);
}

struct writer {
	struct bench *b;
	int number;
};

static void write_one(struct writer *w, char *letter, struct arena *a)
{
	struct bench *b = w->b;
	struct ipc_deliver q = { .account = b->accounts[w->number],
		.prefix = STR("Return-Path: <bench@y.test>\r\nDelivered-To: you@x.test\r\n"
			      "Received: from y.test (y.test [192.0.2.1]) by x.test with ESMTPS; Sun, 22 Nov 2026 "
			      "10:00:00 +0000\r\n"),
		.index = b->index,
		.date_s = 1795341600 };
	struct ipc_deliver_reply r = { 0 };
	struct body_budget budget = { .max = 1 << 30 };
	struct body_writer body;
	char id[32];
	int64_t t;

	fill(b, letter, b->letter_n);
	q.delivery = str_of(id, (size_t)snprintf(id, sizeof id, "bench-%llu", (unsigned long long)b->number++));
	body_writer_open(&body, &budget, 1 << 30);
	body_writer_add(&body, str_of(letter, b->letter_n));
	if (body_writer_seal(&body, &q.body) != OK)
		die("no body");
	t = clock_wall_us();
	if (ipc_deliver(&b->post, &q, &r, a) != OK)
		die("a delivery failed");
	if (b->n_samples < SAMPLES_MAX)
		b->samples[b->n_samples++] = (uint32_t)(clock_wall_us() - t);
	body_writer_close(&body);
}

static void writer(void *arg)
{
	struct writer *w = arg;
	struct bench *b = w->b;
	char *letter = mem_alloc(b->letter_n);
	struct arena a;

	arena_init(&a, "bench", IPC_REPLY_MEMORY);
	while (clock_wall_us() < b->until_us) {
		write_one(w, letter, &a);
		arena_reset(&a);
	}
	arena_fini(&a);
	free(letter);
	free(w);
	b->n_running--;
	gate_open(b->sched, &b->ended);
}

/* ---- a run */

static void open_store(struct bench *b)
{
	struct engine_opts e = { .data_dir = b->dir,
		.module = b->module,
		.segment_size = (uint64_t)256 << 20,
		.sync = b->sync,
		.threads = true,
		.log = &b->log };
	struct store_opts o = { .sched = b->sched, .log = &b->log };
	struct buf why;

	buf_init(&why, 4096);
	e.why = &why;
	o.limits = (struct store_limits){ .mailbox_name_size_max = 255,
		.mailbox_depth_max = 32,
		.mailboxes_max = 1000,
		.keywords_max = 56,
		.saved_ranges_max = 4,
		.keep_expunged_ms = 7 * 86400000ll };
	o.engine = b->engine = engine_rocks_load(&e);
	b->store = b->engine ? store_open(&o, &why) : NULL;
	if (!b->store)
		die("%.*s", STR_ARG(buf_str(&why)));
	buf_fini(&why);
	join(b, ROLE_POST, &b->post);
	join(b, ROLE_CTL, &b->ctl);
}

static void add_accounts(struct bench *b)
{
	struct ipc_domain_add d = { .name = STR("x.test") };

	if (ipc_domain_add(&b->ctl, &d) != OK)
		die("no domain");
	b->accounts = arena_array(&b->arena, (size_t)b->n_writers, sizeof *b->accounts);
	for (int i = 0; i < b->n_writers; i++) {
		struct ipc_account_add q = { .address = { arena_fmt(&b->arena, "u%d", i), STR("x.test") },
			.hash = STR("x") };
		struct ipc_account_add_reply r = { 0 };

		if (ipc_account_add(&b->ctl, &q, &r, &b->arena) != OK)
			die("no account");
		b->accounts[i] = r.account;
	}
}

static int cmp(const void *x, const void *y)
{
	uint32_t a = *(const uint32_t *)x, b = *(const uint32_t *)y;

	return (a > b) - (a < b);
}

static void report(struct bench *b, double seconds, const struct engine_stats *s0, uint64_t process, uint64_t device)
{
	struct engine_stats s;
	double body = (double)b->n_samples * (double)b->letter_n;

	b->engine->ops->stats(b->engine, &s);
	if (b->n_samples == 0)
		die("nothing was delivered");
	qsort(b->samples, b->n_samples, sizeof *b->samples, cmp);
	printf("%7d %9.0f %8.2f %8.3f %8.1f %8.3f %9.3f %9.3f %8.2f %8.2f\n", b->n_writers,
		(double)b->n_samples / seconds, (double)b->n_samples * (double)b->letter_n / seconds / 1e6,
		(double)(s.n_syncs - s0->n_syncs) / (double)b->n_samples,
		(double)(s.n_batches - s0->n_batches) / (double)(s.n_groups - s0->n_groups),
		(double)(s.bytes_rows - s0->bytes_rows + s.bytes_bodies - s0->bytes_bodies) / body,
		(double)process / body, (double)device / body, b->samples[b->n_samples / 2] / 1000.0,
		b->samples[b->n_samples * 99 / 100] / 1000.0);
}

static void run(void *arg)
{
	struct bench *b = arg;
	struct gate *gates[] = { &b->ended };
	struct engine_stats s0;
	uint64_t process, device;
	int64_t t;

	open_store(b);
	add_accounts(b);
	make_index(b);
	gate_init(&b->ended);
	sync();
	b->engine->ops->stats(b->engine, &s0);
	process = process_written();
	device = device_written(b->dir);
	t = clock_wall_us();
	b->until_us = t + b->seconds * 1000000ll;
	for (int i = 0; i < b->n_writers; i++) {
		struct writer *w = mem_new(struct writer);

		*w = (struct writer){ b, i };
		b->n_running++;
		task_spawn(b->sched, "writer", writer, w);
	}
	while (b->n_running)
		task_wait(b->sched, gates, 1, NEVER_MS);
	t = clock_wall_us() - t;
	process = process_written() - process;
	sync();
	report(b, (double)t / 1e6, &s0, process, device_written(b->dir) - device);
	link_close(&b->post);
	link_close(&b->ctl);
	task_sleep(b->sched, 50);
	store_close(b->store);
	t = clock_wall_us();
	open_store(b);
	t = clock_wall_us() - t;
	printf("%7s opened again in %.0f ms\n", "", (double)t / 1000);
	link_close(&b->post);
	link_close(&b->ctl);
	task_sleep(b->sched, 50);
	store_close(b->store);
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

static void run_with(const struct bench *like, int n_writers)
{
	struct bench b = *like;
	char dir[512];

	snprintf(dir, sizeof dir, "%s/bench-%d", like->dir, n_writers);
	remove_tree(dir);
	b.dir = dir;
	b.n_writers = n_writers;
	b.rng = 7;
	log_init(&b.log, 2, "bench");
	b.log.least = LOG_LEVEL_ERROR;
	arena_init(&b.arena, "bench", (size_t)256 << 20);
	b.samples = mem_array(SAMPLES_MAX, sizeof *b.samples);
	b.sched = sched_new(NULL);
	task_spawn(b.sched, "run", run, &b);
	sched_run(b.sched);
	sched_free(b.sched);
	free(b.samples);
	arena_fini(&b.arena);
	remove_tree(dir);
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

int main(int argc, char **argv)
{
	struct bench b = { .dir = argc > 1 ? argv[1] : "/tmp", .sync = !(argc > 4 && strcmp(argv[4], "nosync") == 0) };
	uint32_t seconds = 5, letter_n = 10240;
	char *module = find_module();
	static const int writers[] = { 1, 10, 50 };

	if ((argc > 2 && !str_to_u32(str_z(argv[2]), &seconds)) ||
		(argc > 3 && !str_to_u32(str_z(argv[3]), &letter_n)) || letter_n < 200)
		die("usage: test-store_bench DIR [SECONDS] [LETTER_BYTES] [nosync]");
	b.seconds = (int)seconds;
	b.letter_n = letter_n;
	b.module = module;
	printf("letters of %zu bytes, %d s each, sync %s\n", b.letter_n, b.seconds, b.sync ? "on" : "off");
	printf("%7s %9s %8s %8s %8s %8s %9s %9s %8s %8s\n", "writers", "letters/s", "MB/s", "syncs/l", "group",
		"engine*", "process*", "device*", "p50 ms", "p99 ms");
	for (size_t i = 0; i < sizeof writers / sizeof *writers; i++)
		run_with(&b, writers[i]);
	printf("* bytes written for each byte of body\n");
	free(module);
	return 0;
}
