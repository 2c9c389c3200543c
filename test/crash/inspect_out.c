/* crash/inspect_out.c - letters that leave, in a rebuilt directory: held against the model, then drained (I11). */
#include "crash/inspect.h"

#include "base/die.h"
#include "ipc/words.h"
#include "ipc_gen.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct group {
	uint64_t id;
	uint32_t group, attempts, serial;
};

struct looking {
	struct link *store;
	struct model *model;
	struct buf *out;
	struct VEC(struct group) groups;
	struct arena arena;
};

static void breach(struct looking *x, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void breach(struct looking *x, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_addz(x->out, "I11 ");
	buf_vaddf(x->out, fmt, ap);
	va_end(ap);
	buf_addc(x->out, '\n');
}

/* ---- reading */

static void check_bytes(struct looking *x, const struct group *g, const struct ipc_queue_read_reply *letter)
{
	struct ipc_queue_body q = { .id = g->id, .n = IPC_QUEUE_BODY_BYTES_MAX };
	struct ipc_queue_body_reply r;
	struct buf want, body;
	enum outcome o;

	buf_init(&want, 1000);
	buf_init(&body, SIZE_MAX);
	work_prefix(g->serial, &want);
	do {
		r = (struct ipc_queue_body_reply){ 0 };
		q.at = body.n;
		o = ipc_queue_body(x->store, &q, &r, &x->arena);
		buf_add(&body, r.bytes);
	} while (o == OK && r.bytes.n > 0);
	if (o != OK || work_serial(buf_str(&body), 0) != g->serial || !str_eq(letter->prefix, buf_str(&want)))
		breach(x, "letter %u that leaves: its bytes are not there (%s)", g->serial, outcome_name(o));
	buf_fini(&want);
	buf_fini(&body);
}

static void read_group(struct looking *x, const struct ipc_queue_entry *e)
{
	struct ipc_queue_read q = { e->id, e->group };
	struct ipc_queue_read_reply r = { 0 };
	struct group g = { .id = e->id, .group = e->group, .attempts = e->attempts };
	enum outcome o = ipc_queue_read(x->store, &q, &r, &x->arena);

	if (o != OK || r.n_rcpts != 1 || e->group >= WORK_OUT_GROUPS || !str_to_u32(str_from(r.facts.trace, strlen("delivery")), &g.serial)) {
		breach(x, "group %u of letter number %llu cannot be read: %s", e->group, (unsigned long long)e->id, outcome_name(o));
		return;
	}
	check_bytes(x, &g, &r);
	*vec_push(&x->groups) = g;
}

static void read_all(struct looking *x)
{
	struct ipc_queue_load q = { 0 };
	struct ipc_queue_load_reply r;
	bool more = true;

	x->groups.n = 0;
	while (more) {
		r = (struct ipc_queue_load_reply){ 0 };
		if (ipc_queue_load(x->store, &q, &r, &x->arena) != OK)
			breach(x, "the queue cannot be read");
		for (size_t i = 0; i < r.n_entries; i++) {
			read_group(x, &r.entries[i]);
			q.after_id = r.entries[i].id;
			q.after_group = r.entries[i].group;
		}
		more = r.more;
		arena_reset(&x->arena);
	}
}

/* ---- against the model */

static const struct mark *open_work(struct looking *x, enum work work, uint32_t serial, uint32_t group)
{
	for (size_t i = 0; i < x->model->open.n; i++) {
		const struct mark *m = &x->model->open.v[i].m;

		if (m->work == work && m->letters[0].serial == serial && (work == WORK_OUT_PUT || m->letters[0].uid == group))
			return m;
	}
	return NULL;
}

static void check_group(struct looking *x, const struct group *g)
{
	const struct model_out *m = model_out_find(x->model, g->serial);
	uint32_t least = m ? m->groups[g->group].attempts : 0;

	if (!m && !open_work(x, WORK_OUT_PUT, g->serial, 0))
		breach(x, "letter %u leaves, and nobody asked for it", g->serial);
	if (m && (m->id != g->id || m->groups[g->group].gone))
		breach(x, "letter %u group %u is there again", g->serial, g->group);
	if (g->attempts != least && !(g->attempts == least + 1 && open_work(x, WORK_OUT_BEGIN, g->serial, g->group)))
		breach(x, "letter %u group %u: %u attempts, not %u", g->serial, g->group, g->attempts, least);
}

static unsigned count(const struct looking *x, uint32_t serial, uint32_t group)
{
	unsigned n = 0;

	for (size_t i = 0; i < x->groups.n; i++)
		n += x->groups.v[i].serial == serial && x->groups.v[i].group == group;
	return n;
}

static void check_model(struct looking *x)
{
	for (size_t i = 0; i < x->model->out.n; i++) {
		const struct model_out *m = &x->model->out.v[i];

		for (uint32_t g = 0; g < WORK_OUT_GROUPS; g++) {
			const struct mark *ends = open_work(x, WORK_OUT_SETTLE, m->serial, g);

			if (!m->groups[g].gone && count(x, m->serial, g) != 1 && !(ends && ends->letters[0].to_uid))
				breach(x, "letter %u group %u is there %u times", m->serial, g, count(x, m->serial, g));
		}
	}
	for (size_t i = 0; i < x->model->open.n; i++) {
		const struct mark *k = &x->model->open.v[i].m;

		if (k->work == WORK_OUT_PUT && count(x, k->letters[0].serial, 0) != count(x, k->letters[0].serial, 1))
			breach(x, "letter %u leaves in part", k->letters[0].serial);
	}
}

/* ---- after the restart */

static void put_again(struct looking *x, uint32_t serial, uint64_t id)
{
	struct str domains[] = { STR("far.test"), STR("near.test") };
	struct ipc_out_rcpt rcpts[] = { { .to = { STR("somebody"), domains[0] } }, { .to = { STR("somebody"), domains[1] }, .group = 1 } };
	struct ipc_queue_send q = { .domains = domains, .n_domains = 2, .rcpts = rcpts, .n_rcpts = 2 };
	struct ipc_queue_send_reply r = { 0 };
	struct work_body body;
	struct buf letter, prefix;
	char trace[32];
	enum outcome o;

	buf_init(&letter, 1 << 20);
	buf_init(&prefix, 1000);
	work_letter(serial, &letter);
	work_prefix(serial, &prefix);
	work_body_open(&body, buf_str(&letter));
	work_delivery_id(serial, trace);
	q.facts.trace = str_z(trace);
	q.prefix = buf_str(&prefix);
	q.body = body.body;
	o = ipc_queue_send(x->store, &q, &r, NULL);
	if (o != OK || (id && (r.id != id || !r.again)))
		breach(x, "letter %u, put again: %s, number %llu; it was %llu", serial, outcome_name(o), (unsigned long long)r.id, (unsigned long long)id);
	work_body_close(&body);
	buf_fini(&letter);
	buf_fini(&prefix);
}

static void repeat(struct looking *x)
{
	if (x->model->out.n)
		put_again(x, x->model->out.v[0].serial, x->model->out.v[0].id);
	for (size_t i = 0; i < x->model->open.n; i++)
		if (x->model->open.v[i].m.work == WORK_OUT_PUT)
			put_again(x, x->model->open.v[i].m.letters[0].serial, 0);
	read_all(x);
	for (size_t i = 0; i < x->model->open.n; i++) {
		const struct mark *k = &x->model->open.v[i].m;

		if (k->work == WORK_OUT_PUT && (count(x, k->letters[0].serial, 0) != 1 || count(x, k->letters[0].serial, 1) != 1))
			breach(x, "letter %u, put again, is not there once", k->letters[0].serial);
	}
}

static void drain(struct looking *x)
{
	for (size_t i = 0; i < x->groups.n; i++) {
		const struct group *g = &x->groups.v[i];
		struct ipc_queue_begin begin = { g->id, g->group, g->attempts + 1 };
		struct ipc_rcpt_result v = { .number = g->group, .state = RCPT_SENT, .code = 250 };
		struct ipc_queue_settle q = { .id = g->id, .group = g->group, .attempt = g->attempts + 1, .delivery = { .rcpts = &v, .n_rcpts = 1 } };
		struct ipc_queue_settle_reply r = { 0 };
		enum outcome o = ipc_queue_begin(x->store, &begin);

		if (o == OK)
			o = ipc_queue_settle(x->store, &q, &r, NULL);
		if (o != OK || r.left)
			breach(x, "letter %u group %u cannot be sent: %s", g->serial, g->group, outcome_name(o));
	}
	read_all(x);
	if (x->groups.n)
		breach(x, "%zu groups are left", x->groups.n);
}

void inspect_outgoing(struct link *post_store, struct model *m, struct buf *out)
{
	struct looking *x = mem_new(struct looking);

	x->store = post_store;
	x->model = m;
	x->out = out;
	arena_init(&x->arena, "inspection", (size_t)256 << 20);
	read_all(x);
	for (size_t i = 0; i < x->groups.n; i++)
		check_group(x, &x->groups.v[i]);
	check_model(x);
	repeat(x);
	drain(x);
	arena_fini(&x->arena);
	vec_free(&x->groups);
	free(x);
}
