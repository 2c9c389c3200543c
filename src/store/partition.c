/* store/partition.c - the commits of one partition. See the header.
 * Invariants  I1 at most one batch is under way. I2 serials become durable in order. I3 once dead nothing goes out.
 */
#include "store/partition.h"

#include "base/die.h"

void partition_open(struct partition *p, struct engine_port *port, uint64_t number, const struct partition_ops *ops)
{
	*p = (struct partition){ .port = port, .ops = ops, .number = number };
	p->version = engine_version(port, number);
	gate_init(&p->moved);
}

void partition_fini(struct partition *p)
{
	die_unless(!p->under_way, "partition freed with a commit under way");
	if (p->forming)
		engine_batch_free(p->forming);
	p->forming = NULL;
}

struct engine_batch *partition_batch(struct partition *p)
{
	if (!p->forming)
		p->forming = engine_batch_new(p->number, 0);
	return p->forming;
}

static void go(struct partition *p);

static void fail(struct partition *p, struct engine_batch *b)
{
	p->dead = true;
	if (p->ops->failed)
		p->ops->failed(p, b, p->forming);
	if (p->forming)
		engine_batch_free(p->forming);
	p->forming = NULL;
}

static void on_done(struct engine_batch *b, enum engine_result r)
{
	struct partition *p = b->arg;

	p->under_way = NULL;
	if (r == ENGINE_DONE) {
		p->version++;
		p->durable = p->going;
		if (p->ops->durable)
			p->ops->durable(p);
		if (p->staged > p->durable)
			go(p);
	} else {
		fail(p, b);
	}
	gate_open(p->port->sched, &p->moved);
	engine_batch_free(b);
	if (p->ops->after)
		p->ops->after(p);
}

static void go(struct partition *p)
{
	struct engine_batch *b = partition_batch(p);

	if (p->ops->prepare)
		p->ops->prepare(p, b);
	p->forming = NULL;
	b->version = p->version;
	b->done = on_done;
	b->arg = p;
	p->under_way = b;
	p->going = p->staged;
	engine_commit(p->port, b);
}

uint64_t partition_stage_later(struct partition *p)
{
	return ++p->staged;
}

void partition_push(struct partition *p)
{
	if (!p->under_way && !p->dead && p->staged > p->durable)
		go(p);
}

uint64_t partition_stage(struct partition *p)
{
	p->staged++;
	partition_push(p);
	return p->staged;
}

bool partition_wait(struct partition *p, uint64_t serial)
{
	struct gate *gates[] = { &p->moved };

	while (p->durable < serial) {
		if (p->dead || task_wait(p->port->sched, gates, 1, NEVER_MS) == WAIT_STOP)
			return false;
	}
	return true;
}
