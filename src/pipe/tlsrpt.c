/* pipe/tlsrpt.c - counting TLS sessions, and when reports are sent. See the header.
 * Suspends    in its tasks, for store.
 * Invariants  T1 what was counted by store is not pending any more; what could not be counted is lost with this process, and with no letter.
 */
#include "pipe/tlsrpt_impl.h"

#include "base/rng.h"

#include <stdlib.h>

#define COUNT_EVERY_MS 5000
#define LOOK_EVERY_MS 60000
#define SEND_AGAIN_S 3600
#define SPREAD_S (4 * 3600) /* of the time after midnight (RFC 8460 5.4) */
#define PENDING_BYTES ((size_t)4 << 20)
#define DAY_S 86400

int64_t tls_now_s(const struct tls_reports *t)
{
	return sched_wall_us(t->post->sched) / 1000000;
}

/* ---- counting */

static void forget_pending(struct tls_reports *t)
{
	map_fini(&t->by_fact);
	map_init(&t->by_fact, rng_u64());
	vec_free(&t->pending);
	arena_reset(&t->arena);
}

static void add_part(struct buf *b, struct str s)
{
	buf_addf(b, "%zu:", s.n);
	buf_add(b, s);
}

static void key_of_fact(const struct ipc_tls_fact *f, uint32_t day, struct buf *b)
{
	const struct str parts[] = { f->domain, f->policy_text, f->mx, f->helo, f->ip, f->source, f->text };

	buf_addf(b, "%u %u %u ", day, f->policy, f->result);
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
		add_part(b, parts[i]);
}

static struct ipc_tls_fact dup_fact(struct arena *a, const struct ipc_tls_fact *f)
{
	return (struct ipc_tls_fact){ .policy = f->policy, .domain = arena_dup(a, f->domain), .policy_text = arena_dup(a, f->policy_text),
		.result = f->result, .mx = arena_dup(a, f->mx), .helo = arena_dup(a, f->helo), .ip = arena_dup(a, f->ip),
		.source = arena_dup(a, f->source), .text = arena_dup(a, f->text) };
}

static void note_one(struct tls_reports *t, const struct ipc_tls_fact *f, uint32_t day)
{
	struct pending *p;
	struct buf key;

	buf_init(&key, 8192);
	key_of_fact(f, day, &key);
	p = map_get(&t->by_fact, buf_str(&key));
	if (!p && t->pending.n < TLSRPT_PENDING_MAX) {
		p = arena_new(&t->arena, struct pending);
		p->day = day;
		p->count.fact = dup_fact(&t->arena, f);
		*vec_push(&t->pending) = p;
		map_put(&t->by_fact, buf_str(&key), p);
	}
	if (p)
		p->count.n++;
	buf_fini(&key);
}

void tls_reports_note(struct tls_reports *t, const struct ipc_tls_fact *facts, size_t n)
{
	if (!t->post->conf->queue.report_from.n)
		return;
	for (size_t i = 0; i < n; i++)
		note_one(t, &facts[i], (uint32_t)(tls_now_s(t) / DAY_S));
}

/* One record's worth: of one day. */
static size_t take_some(struct tls_reports *t, size_t at, struct ipc_tls_count *out)
{
	size_t n = 0;

	while (at + n < t->pending.n && n < IPC_TLSRPT_ADD_COUNTS_MAX && t->pending.v[at + n]->day == t->pending.v[at]->day) {
		out[n] = t->pending.v[at + n]->count;
		n++;
	}
	return n;
}

SUSPENDS void tls_count_pending(struct tls_reports *t)
{
	struct tls_reports taken = { .arena = t->arena, .pending = { t->pending.v, t->pending.n, t->pending.cap } };
	struct ipc_tls_count *counts;

	if (!t->pending.n)
		return;
	/* What comes while store is asked goes into a new list. */
	arena_init(&t->arena, "tls facts", PENDING_BYTES);
	t->pending.v = NULL;
	t->pending.n = t->pending.cap = 0;
	map_fini(&t->by_fact);
	map_init(&t->by_fact, rng_u64());
	counts = arena_array(&taken.arena, IPC_TLSRPT_ADD_COUNTS_MAX, sizeof *counts);
	for (size_t at = 0, n; at < taken.pending.n; at += n) {
		struct ipc_tlsrpt_add m = { .day = taken.pending.v[at]->day, .counts = counts };

		m.n_counts = n = take_some(&taken, at, counts);
		if (ipc_tlsrpt_add(t->post->lanes[0].store, &m) != OK)
			log_warning(t->post->log, "tls-report", "%zu kinds of sessions were not counted", n);
	}
	vec_free(&taken.pending);
	arena_fini(&taken.arena);
}

static SUSPENDS void counting_main(void *arg)
{
	struct tls_reports *t = arg;

	while (task_sleep(t->post->sched, COUNT_EVERY_MS) != WAIT_STOP)
		tls_count_pending(t);
	t->n_tasks--;
}

/* ---- when */

/* The same for a day whatever restarts there are, and another on the next. */
static int64_t time_of_day(const struct tls_reports *t, int64_t day)
{
	return day * DAY_S + (int64_t)(str_hash(t->post->conf->hostname, (uint64_t)day) % SPREAD_S);
}

static SUSPENDS void daily_main(void *arg)
{
	struct tls_reports *t = arg;
	int64_t next_s = 0;

	while (task_sleep(t->post->sched, LOOK_EVERY_MS) != WAIT_STOP) {
		int64_t now_s = tls_now_s(t), day = now_s / DAY_S;

		if (!t->post->conf->queue.report_from.n || now_s < time_of_day(t, day) || now_s < next_s)
			continue;
		next_s = now_s + SEND_AGAIN_S;
		tls_send_before(t, (uint32_t)day, false, NULL);
	}
	t->n_tasks--;
}

SUSPENDS void tls_reports_send(struct tls_reports *t, struct ipc_call *c, const struct ipc_tlsrpt_send *m)
{
	struct ipc_tlsrpt_send_reply r = { 0 };
	struct str *lines = arena_array(call_arena(c), IPC_TLSRPT_SEND_LINES_MAX, sizeof *lines), rest, line;
	struct buf text;

	if (!t->post->conf->queue.report_from.n) {
		ipc_tlsrpt_send_reply_send(c, BAD_STATE, &r);
		return;
	}
	tls_count_pending(t);
	buf_init(&text, IPC_RECORD_MAX / 4);
	tls_send_before(t, (uint32_t)(tls_now_s(t) / DAY_S) + (m->today ? 1 : 0), m->today, &text);
	rest = buf_str(&text);
	while (r.n_lines < IPC_TLSRPT_SEND_LINES_MAX && str_split(&rest, '\n', &line))
		if (line.n)
			lines[r.n_lines++] = str_sub(line, 0, 400);
	r.lines = lines;
	ipc_tlsrpt_send_reply_send(c, OK, &r);
	buf_fini(&text);
}

/* ---- life */

struct tls_reports *tls_reports_open(struct post *p, struct link *relay)
{
	struct tls_reports *t = mem_new(struct tls_reports);

	t->post = p;
	t->relay = relay;
	arena_init(&t->arena, "tls facts", PENDING_BYTES);
	map_init(&t->by_fact, rng_u64());
	gate_init(&t->sent);
	t->n_tasks = 2;
	t->counting = task_spawn(p->sched, "tls counts", counting_main, t);
	t->daily = task_spawn(p->sched, "tls reports", daily_main, t);
	if (relay) {
		t->n_tasks++;
		t->telling = task_spawn(p->sched, "sts policies", tls_telling_main, t);
	}
	return t;
}

void tls_reports_stop(struct tls_reports *t)
{
	task_cancel(t->counting);
	task_cancel(t->daily);
	if (t->telling)
		task_cancel(t->telling);
}

bool tls_reports_stopped(const struct tls_reports *t)
{
	return t->n_tasks == 0;
}

void tls_reports_free(struct tls_reports *t)
{
	if (!t)
		return;
	forget_pending(t);
	map_fini(&t->by_fact);
	arena_fini(&t->arena);
	free(t);
}
