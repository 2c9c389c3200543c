/* test/prog/queue_sim.c - the queue in simulated time: post and store as they are, a relay that defers, refuses, delivers and dies by a seed
 *
 * queue_sim FIRST N: worlds of so many seeds. Each world puts letters in, with an engine that loses commits and answers late, and lets days go by.
 * Afterwards: no recipient whose letter was accepted is left in the queue; one whose server takes letters has got it; more than once only when relay
 * died after it had handed it over; one whose server refuses has got none. In worlds of even seeds all letters leave by one next hop, so that groups of
 * a letter go together.
 */
#include "base/cur.h"
#include "base/rng.h"
#include "pipe/outgoing_impl.h"
#include "sim/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LETTERS 60
#define RCPTS_MAX 6
#define DESTINATIONS 9

enum fate { FATE_TAKES, FATE_TAKES_LATER, FATE_REFUSES, FATE_NEVER, FATES };

struct rcpt {
	bool accepted;
	unsigned n_got, n_asked, n_died_with;
};

struct kept {
	struct ipc_relay_job ids[RCPTS_MAX];
	size_t n_ids;
	struct ipc_rcpt_result results[RCPTS_MAX];
	size_t n;
	uint8_t feedback;
	uint32_t life;
	struct gate gate;
};

struct world_of_queue {
	struct world w;
	struct sched *sched;
	struct arena arena;
	uint64_t seed;
	struct rcpt rcpts[LETTERS][RCPTS_MAX];
	unsigned n_rcpts[LETTERS];
	struct VEC(struct kept *) kept;
	ipc_handler *handlers[IPC_TYPE_COUNT];
	struct ipc_service service;
	uint32_t life;
	bool smart;
	unsigned n_deaths, n_sends, n_along, n_bad, n_twice;
	struct peer *relay_end;
};

static uint64_t pick(struct world_of_queue *q, uint64_t n)
{
	return rng_step(&q->seed) % n;
}

/* What its server does is in the recipient's name: "l12r3" with the letter's and its own number. */
static struct rcpt *rcpt_of(struct world_of_queue *q, const struct ipc_addr *a, enum fate *fate)
{
	struct cur c = cur_of(a->local);
	uint32_t letter, number;

	cur_need(&c, 'l');
	letter = cur_u32(&c);
	cur_need(&c, 'r');
	number = cur_u32(&c);
	if (!cur_done(&c) || letter >= LETTERS || number >= RCPTS_MAX)
		die("queue_sim: not an address of ours");
	*fate = (enum fate)((letter * 7 + number * 3) % FATES);
	return &q->rcpts[letter][number];
}

/* ---- relay */

/* at: which of its ids that is. */
static struct kept *kept_find(struct world_of_queue *q, const struct ipc_relay_job *id, size_t *at)
{
	for (size_t i = 0; i < q->kept.n; i++)
		for (*at = 0; *at < q->kept.v[i]->n_ids; ++*at)
			if (memcmp(&q->kept.v[i]->ids[*at], id, sizeof *id) == 0)
				return q->kept.v[i];
	return NULL;
}

static void keep_id(struct world_of_queue *q, struct kept *k, const struct ipc_relay_job *id)
{
	size_t at;

	if (kept_find(q, id, &at))
		die("queue_sim: attempt %u of letter %llu, group %u, twice", id->attempt, (unsigned long long)id->id, id->group);
	k->ids[k->n_ids++] = *id;
}

static struct ipc_delivery delivery_of(const struct kept *k)
{
	return (struct ipc_delivery){ .feedback = k->feedback, .host = STR("mx.far.test"), .rcpts = k->results, .n_rcpts = k->n };
}

static void hand_over(struct world_of_queue *q, struct kept *k, const struct ipc_queue_rcpt *rcpts, size_t n)
{
	bool down = pick(q, 10) == 0;

	k->feedback = down ? FEEDBACK_DOWN : pick(q, 10) == 0 ? FEEDBACK_SLOW : FEEDBACK_FINE;
	for (size_t i = 0; i < n; i++) {
		enum fate fate;
		struct rcpt *r = rcpt_of(q, &rcpts[i].to, &fate);
		uint8_t state = RCPT_WAITING;

		r->n_asked++;
		if (!down && (fate == FATE_TAKES || (fate == FATE_TAKES_LATER && r->n_asked > 3)))
			state = RCPT_SENT;
		else if (!down && fate == FATE_REFUSES)
			state = RCPT_FAILED;
		r->n_got += state == RCPT_SENT;
		k->results[k->n++] = (struct ipc_rcpt_result){ .number = rcpts[i].number, .state = state, .code = 250, .status = STR("2.0.0"),
			.text = STR("said so") };
	}
}

static void answer(struct ipc_call *c, const struct kept *k)
{
	ipc_relay_send_reply_send(c, OK, &(struct ipc_relay_send_reply){ .delivery = delivery_of(k) });
}

static void on_send(void *ctx, struct ipc_call *c, const void *msg)
{
	const struct ipc_relay_send *m = msg;
	struct world_of_queue *q = ctx;
	struct kept *k = mem_new(struct kept);
	uint32_t life = q->life;

	keep_id(q, k, &(struct ipc_relay_job){ m->id, m->group, m->attempt });
	for (size_t i = 0; i < m->n_along; i++)
		keep_id(q, k, &m->along[i]);
	q->n_sends++;
	q->n_along += (unsigned)m->n_along;
	*vec_push(&q->kept) = k;
	task_sleep(q->sched, (int64_t)pick(q, 3000));
	if (life != q->life)
		return; /* it died before */
	hand_over(q, k, m->rcpts, m->n_rcpts);
	task_sleep(q->sched, (int64_t)pick(q, 300));
	if (life != q->life) {
		for (size_t i = 0; i < m->n_rcpts; i++) {
			enum fate fate;

			rcpt_of(q, &m->rcpts[i].to, &fate)->n_died_with++;
		}
		return;
	}
	answer(c, k);
}

static void forget(struct world_of_queue *q, const struct ipc_relay_job *job)
{
	size_t at;
	struct kept *k = kept_find(q, job, &at);

	if (!k)
		return;
	k->ids[at] = k->ids[--k->n_ids];
	for (size_t i = 0; k->n_ids == 0 && i < q->kept.n; i++)
		if (q->kept.v[i] == k) {
			vec_remove(&q->kept, i);
			free(k);
			return;
		}
}

/* Three domains have the same hosts; now and then DNS does not say. */
static void on_hosts(void *ctx, struct ipc_call *c, const void *msg)
{
	struct world_of_queue *q = ctx;
	const struct ipc_relay_hosts *m = msg;
	struct ipc_relay_hosts_reply r = { .hosts = m->domain.p[1] < '4' ? STR("mx.shared.test") : m->domain, .ttl_s = (uint32_t)pick(q, 4000) };

	ipc_relay_hosts_reply_send(c, pick(q, 10) ? OK : FAILED, &r);
}

static void on_acknowledge(void *ctx, struct ipc_call *c, const void *msg)
{
	const struct ipc_relay_acknowledge *m = msg;

	(void)c;
	for (size_t i = 0; i < m->n_jobs; i++)
		forget(ctx, &m->jobs[i]);
}

static void on_outstanding(void *ctx, struct ipc_call *c, const void *msg)
{
	(void)ctx;
	(void)msg;
	ipc_relay_outstanding_reply_send(c, OK, &(struct ipc_relay_outstanding_reply){ 0 });
}

static void join_relay(struct world_of_queue *q)
{
	struct peer_opts post = { .sched = q->sched, .log = &q->w.log, .self = ROLE_POST, .other = ROLE_RELAY, .life = ++q->life };
	struct peer_opts relay = { .sched = q->sched, .log = &q->w.log, .service = &q->service, .self = ROLE_RELAY, .other = ROLE_POST, .life = 1 };
	int fds[2];

	ipc_channel(fds);
	post.fd = fds[0];
	relay.fd = fds[1];
	q->relay_end = peer_open(&relay);
	link_set(&q->w.relay, peer_open(&post));
}

/* What was under way is lost, and so is what was kept. */
static void kill_relay(struct world_of_queue *q)
{
	q->n_deaths++;
	q->life++;
	peer_close(q->relay_end);
	while (q->kept.n)
		free(q->kept.v[--q->kept.n]); /* those that run see that it is another life, and do not touch theirs */
	task_sleep(q->sched, 50);
	join_relay(q);
}

/* ---- letters */

static bool put(struct world_of_queue *q, unsigned number)
{
	struct ipc_addr rcpts[RCPTS_MAX];
	unsigned n = 1 + (unsigned)pick(q, RCPTS_MAX);
	struct outgoing o = { .rcpts = rcpts, .n = n, .prefix = STR("Received: here\r\n"), .body = body_of(STR("Subject: x\r\n\r\ntext\r\n")) };
	enum outcome result;
	struct arena a;

	arena_init(&a, "put", 1 << 22);
	for (unsigned i = 0; i < n; i++)
		rcpts[i] = (struct ipc_addr){ arena_fmt(&q->arena, "l%ur%u", number, i),
			arena_fmt(&q->arena, "d%llu.test", (unsigned long long)pick(q, DESTINATIONS)) };
	o.facts = (struct ipc_out_facts){ .trace = arena_fmt(&q->arena, "trace%u", number), .date_s = sched_wall_us(q->sched) / 1000000,
		.from = { STR("alice"), STR("demo.test") } };
	do {
		result = outgoing_put(q->w.post, &o, &a); /* as an edge does that gets no answer, and a client that is told to come later */
		if (result != OK)
			task_sleep(q->sched, 1000);
	} while (result == TRY_LATER || result == UNANSWERED);
	arena_fini(&a);
	if (result != OK)
		die("queue_sim: put: %s", outcome_name(result));
	for (unsigned i = 0; i < n; i++)
		q->rcpts[number][i].accepted = true;
	q->n_rcpts[number] = n;
	return true;
}

static void judge(struct world_of_queue *q)
{
	for (unsigned l = 0; l < LETTERS; l++)
		for (unsigned i = 0; i < q->n_rcpts[l]; i++) {
			enum fate fate = (enum fate)((l * 7 + i * 3) % FATES);
			const struct rcpt *r = &q->rcpts[l][i];
			bool takes = fate == FATE_TAKES || fate == FATE_TAKES_LATER;

			q->n_twice += r->n_got > 1;
			if ((takes && r->n_got == 0) || (!takes && r->n_got) || r->n_got > 1 + r->n_died_with) {
				printf("# letter %u recipient %u, fate %u: got %u times, asked %u times, relay died with it %u times\n", l, i, fate, r->n_got,
					r->n_asked, r->n_died_with);
				q->n_bad++;
			}
		}
	if (!q->w.post->outgoing->n_reports) {
		printf("# nobody was told that letters were refused\n");
		q->n_bad++;
	}
	if ((q->n_along > 0) != q->smart) {
		printf("# %u groups went along with another\n", q->n_along);
		q->n_bad++;
	}
	if (q->w.post->outgoing->queue.n_jobs) {
		printf("# %zu groups are left\n", q->w.post->outgoing->queue.n_jobs);
		q->n_bad++;
	}
}

static void live(struct world_of_queue *q)
{
	for (unsigned i = 0; i < LETTERS; i++) {
		put(q, i);
		task_sleep(q->sched, (int64_t)pick(q, 5000));
		if (pick(q, 8) == 0)
			kill_relay(q);
	}
	for (int day = 0; day < 8; day++)
		for (int hour = 0; hour < 24; hour++) {
			task_sleep(q->sched, 3600 * 1000);
			if (pick(q, 20) == 0 && day < 4)
				kill_relay(q);
		}
}

static void world_main(void *arg)
{
	struct world_of_queue *q = arg;
	struct world_opts o = { .sched = q->sched, .mail = true, .engine = { .sync = true, .seed = q->seed | 1 },
		.settings = q->smart ? "route * {\n\tnext_hop [192.0.2.1]:25\n}\n" : NULL };
	enum outcome result;
	uint64_t account;
	struct buf why;

	buf_init(&why, 1000);
	q->handlers[IPC_RELAY_SEND] = on_send;
	q->handlers[IPC_RELAY_ACKNOWLEDGE] = on_acknowledge;
	q->handlers[IPC_RELAY_OUTSTANDING] = on_outstanding;
	q->handlers[IPC_RELAY_HOSTS] = on_hosts;
	q->service = (struct ipc_service){ .ctx = q, .handlers = q->handlers };
	if (!world_open(&q->w, &o, &why))
		die("queue_sim: %.*s", STR_ARG(buf_str(&why)));
	while ((result = world_add_domain(&q->w, "demo.test")) != OK && result != EXISTS)
		task_sleep(q->sched, 100);
	while ((result = world_add_account(&q->w, "alice", "demo.test", "x", &account)) != OK && result != EXISTS)
		task_sleep(q->sched, 100);
	join_relay(q);
	live(q);
	judge(q);
	link_close(&q->w.relay);
	world_close(&q->w);
	buf_fini(&why);
}

static unsigned world(uint64_t seed, bool *ok)
{
	struct world_of_queue *q = mem_new(struct world_of_queue);
	unsigned n_bad;

	q->seed = seed * 2654435761u + 1;
	q->smart = seed % 2 == 0;
	arena_init(&q->arena, "queue_sim", 1 << 22);
	q->sched = sched_new(&(struct sched_opts){ .virtual_time = true, .wall_start_s = 1700000000 });
	task_spawn(q->sched, "world", world_main, q);
	sched_run(q->sched);
	*ok = q->n_bad == 0;
	printf("# seed %llu: %u attempts, %u groups along with another, relay died %u times, %u recipients got it more than once\n",
		(unsigned long long)seed, q->n_sends, q->n_along, q->n_deaths, q->n_twice);
	n_bad = q->n_bad;
	while (q->kept.n)
		free(q->kept.v[--q->kept.n]);
	vec_free(&q->kept);
	arena_fini(&q->arena);
	sched_free(q->sched);
	free(q);
	return n_bad;
}

int main(int argc, char **argv)
{
	uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 10) : 1, n = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
	unsigned failed = 0;

	for (uint64_t s = first; s < first + n; s++) {
		bool ok;

		world(s, &ok);
		failed += !ok;
	}
	printf("1..1\n%s 1 - letters that leave, in worlds of the seeds %llu to %llu\n", failed ? "not ok" : "ok", (unsigned long long)first,
		(unsigned long long)(first + n - 1));
	return failed != 0;
}
