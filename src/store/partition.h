/* store/partition.h - the commits of one partition: one under way, one forming.
 *
 * What is staged goes into the forming batch and gets a serial. Batches go out one at a time, in order; who told the world
 * anything that rests on staged state first waits until its serial is durable. When a batch fails, the partition is dead:
 * its owner drops all state that was staged on it and reads it again.
 */
#ifndef SALLYPORT_STORE_PARTITION_H
#define SALLYPORT_STORE_PARTITION_H

#include "store/engine.h"

struct partition;

struct partition_ops {
	/* A batch is about to go: add the rows that are written once a batch. May be NULL. */
	void (*prepare)(struct partition *p, struct engine_batch *b);
	/* The batch that went is durable. May be NULL. */
	void (*durable)(struct partition *p);
	/* It failed; b and forming (or NULL) are freed afterwards. May be NULL. */
	void (*failed)(struct partition *p, const struct engine_batch *b, const struct engine_batch *forming);
	/* After either, and after those who waited were woken: the partition may be freed here. May be NULL. */
	void (*after)(struct partition *p);
};

struct partition {
	struct engine_port *port;
	const struct partition_ops *ops;
	uint64_t number, version;
	uint64_t staged, durable; /* serials */
	uint64_t going;		  /* serial that the batch under way makes durable */
	struct engine_batch *forming, *under_way;
	struct gate moved; /* opens when durable grew or dead became true */
	bool dead;
};

/* Reads the version. */
void partition_open(struct partition *p, struct engine_port *port, uint64_t number, const struct partition_ops *ops);
void partition_fini(struct partition *p); /* nothing may be under way; what was only forming is dropped */
/* The forming batch; nothing of it goes before partition_stage. */
struct engine_batch *partition_batch(struct partition *p);
/* What was added to the forming batch may go. Returns its serial. */
uint64_t partition_stage(struct partition *p);
/* The same for what nobody waits for in a hurry: it goes with the next that is staged, or when partition_push is called. */
uint64_t partition_stage_later(struct partition *p);
void partition_push(struct partition *p);
/* Suspends until the serial is durable. False: it will not be (dead), or the task was cancelled; nothing may be told then. */
SUSPENDS bool partition_wait(struct partition *p, uint64_t serial) MUST_USE;
static inline bool partition_busy(const struct partition *p)
{
	return p->under_way || p->staged > p->durable;
}

#endif
