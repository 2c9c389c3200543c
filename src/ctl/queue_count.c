/* ctl/queue_count.c - command: the queue by domain, the largest first.
 * Trust       domains and replies are others' texts; they are cleaned as they are printed.
 */
#include "ctl/queue_filter.h"

#include "base/map.h"
#include "base/rng.h"
#include "base/vec.h"
#include "ctl/json.h"
#include "ctl/queue_show.h"
#include "ctl/text.h"
#include "ipc/words.h"

#include <stdio.h>

struct domain_count {
	struct str name;
	uint64_t n_groups, n_rcpts, n_held, bytes;
	int64_t oldest_s, next_s; /* next: 0 when all are held */
	int64_t latest_s;	  /* due: of whom the reply is */
	struct str reply;
};

struct counting {
	struct map by_name;
	struct VEC(struct domain_count *) all;
	struct arena arena;
	struct buf reply;
};

#define COUNT_ARENA_MAX ((size_t)1 << 30) /* about 1,000,000 domains */

static void count_add(struct domain_count *d, const struct ipc_queue_shown *e)
{
	d->n_groups++;
	d->n_rcpts += e->n_rcpts;
	d->n_held += e->state == QUEUE_HELD;
	d->bytes += e->size;
	d->oldest_s = !d->oldest_s || e->date_s < d->oldest_s ? e->date_s : d->oldest_s;
	if (e->state != QUEUE_HELD && (!d->next_s || e->due_s < d->next_s))
		d->next_s = e->due_s;
}

/* Of the letter that was tried last, which is the one due last. */
static void count_reply(struct counting *x, struct domain_count *d, const struct ipc_queue_shown *e)
{
	if (!e->attempts || (d->reply.n && e->due_s <= d->latest_s))
		return;
	buf_reset(&x->reply);
	queue_last_reply(e, &x->reply);
	if (str_eq(buf_str(&x->reply), STR("-")))
		return;
	d->latest_s = e->due_s;
	if (!str_eq(d->reply, buf_str(&x->reply)))
		d->reply = arena_dup(&x->arena, buf_str(&x->reply));
}

static bool count_group(void *ctx, const struct ipc_queue_shown *e)
{
	struct counting *x = ctx;
	struct domain_count *d = map_get(&x->by_name, e->domain);

	if (!d) {
		d = arena_new(&x->arena, struct domain_count);
		d->name = arena_dup(&x->arena, e->domain);
		map_put(&x->by_name, d->name, d);
		*vec_push(&x->all) = d;
	}
	count_add(d, e);
	count_reply(x, d, e);
	return true;
}

static int by_size(const void *a, const void *b)
{
	const struct domain_count *x = *(struct domain_count *const *)a, *y = *(struct domain_count *const *)b;

	if (x->n_groups != y->n_groups)
		return x->n_groups < y->n_groups ? 1 : -1;
	return str_cmp(x->name, y->name);
}

static void count_line(const struct domain_count *d, struct buf *out)
{
	text_add(out, d->name);
	buf_addf(out, "\t%llu\t%llu\t%llu\t%llu\t", (unsigned long long)d->n_groups, (unsigned long long)d->n_rcpts, (unsigned long long)d->n_held,
		(unsigned long long)d->bytes);
	text_time_or_dash(out, d->oldest_s);
	buf_addc(out, '\t');
	text_time_or_dash(out, d->next_s);
	buf_addc(out, '\t');
	buf_add(out, d->reply.n ? d->reply : STR("-"));
	buf_addc(out, '\n');
}

static void count_json(const struct domain_count *d, struct buf *out)
{
	json_open(out, NULL, '{');
	json_str(out, "domain", d->name);
	json_num(out, "letters", d->n_groups);
	json_num(out, "recipients", d->n_rcpts);
	json_num(out, "held", d->n_held);
	json_num(out, "bytes", d->bytes);
	json_time(out, "oldest", d->oldest_s);
	json_time(out, "next", d->next_s);
	json_str(out, "reply", d->reply);
	json_close(out, '}');
	buf_addc(out, '\n');
}

static void count_print(struct counting *x, bool json)
{
	struct buf out;

	if (x->all.n)
		qsort(x->all.v, x->all.n, sizeof *x->all.v, by_size);
	buf_init(&out, QUEUE_TEXT_MAX);
	for (size_t i = 0; i < x->all.n; i++) {
		(json ? count_json : count_line)(x->all.v[i], &out);
		fwrite(out.p, 1, out.n, stdout);
		buf_reset(&out);
	}
	buf_fini(&out);
}

int queue_count(struct ctl *c)
{
	struct counting x = { 0 };
	struct queue_ask q;
	enum outcome o;
	int status;

	if (!queue_ask_parse(c, 0, &q, &status))
		return status;
	map_init(&x.by_name, rng_u64());
	arena_init(&x.arena, "queue count", COUNT_ARENA_MAX);
	buf_init(&x.reply, QUEUE_TEXT_MAX);
	o = queue_walk(&q, count_group, &x);
	if (o == OK)
		count_print(&x, q.json);
	buf_fini(&x.reply);
	vec_free(&x.all);
	map_fini(&x.by_name);
	arena_fini(&x.arena);
	return ctl_done(o, "queue count", "");
}
