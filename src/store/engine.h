/* store/engine.h - what keeps rows and bodies: get, range, commit, bodies, snapshots.
 *
 * Rows live in partitions (an account, the directory, a queue lane). A commit belongs to one partition, asserts its
 * version and is atomic within it. References from bodies to their users live in a space of their own, shared by all
 * partitions: a commit's new references are durable with or before its rows, removed ones go with or after them. Bodies
 * are immutable; those of a commit are durable before its rows are.
 *
 * The weakest contract, which callers must live with: a commit may be LOST (nothing happened), or UNKNOWN (it happened or
 * did not); then bodies and references of it may stay behind as orphans. At most one commit of a partition may be
 * under way. Reads see committed rows only, and see a commit from its completion at the latest.
 *
 * A port is a scheduler's access to an engine; all calls but open and close go through one and belong to its thread.
 */
#ifndef SALLYPORT_STORE_ENGINE_H
#define SALLYPORT_STORE_ENGINE_H

#include "base/buf.h"
#include "base/list.h"
#include "base/log.h"
#include "base/outcome.h"
#include "base/vec.h"
#include "co/sched.h"
#include "ipc/body.h"

enum engine_result { ENGINE_DONE, ENGINE_LOST, ENGINE_UNKNOWN };

enum engine_kind { ENGINE_PUT, ENGINE_DEL, ENGINE_REF_PUT, ENGINE_REF_DEL, ENGINE_BLOB_DEL };

/* A row, as an operation or as found. For ENGINE_BLOB_DEL the key is the body's id. */
struct engine_row {
	uint8_t kind;
	struct str key, value;
};

/* A body of a batch, which owns it until its end. */
struct engine_blob {
	uint64_t id;
	struct str bytes;
	void *heap;	     /* freed with the batch, or NULL */
	struct body_map map; /* undone with the batch, when it maps something */
};

struct engine_port;

/* Partition 0 asserts nothing and has no rows of its own: for references and bodies alone. */
struct engine_batch {
	uint64_t partition;
	uint64_t version; /* that the partition must have; it then has version + 1. A new partition has 0 */
	struct buf ops;	  /* encoded rows */
	size_t n_ops;
	struct VEC(struct engine_blob) blobs;
	/* Called once on the port's scheduler, in a task; must not suspend. It frees the batch with engine_batch_free. */
	void (*done)(struct engine_batch *b, enum engine_result r);
	void *arg;
	/* of the engine */
	struct engine_port *port;
	struct node node;
	enum engine_result result;
	int64_t due_ms;
};

#define ENGINE_KEY_MAX 1200 /* bytes of a key within its partition */

struct engine_batch *engine_batch_new(uint64_t partition, uint64_t version);
void engine_batch_free(struct engine_batch *b);
void engine_put(struct engine_batch *b, struct str key, struct str value);
void engine_del(struct engine_batch *b, struct str key);
void engine_ref_put(struct engine_batch *b, struct str key, struct str value);
void engine_ref_del(struct engine_batch *b, struct str key);
void engine_blob_del(struct engine_batch *b, uint64_t id);
/* The bytes of a letter: copied when they are in the record, else mapped here. FAILED: the kernel refused. */
enum outcome engine_blob_put(struct engine_batch *b, uint64_t id, const struct body *body) MUST_USE;
/* The same from bytes in memory, which are copied. */
void engine_blob_copy(struct engine_batch *b, uint64_t id, struct str bytes);
/* The same in two steps: bytes that are held for a batch that is yet to come. */
enum outcome engine_blob_hold(struct engine_blob *blob, uint64_t id, const struct body *body) MUST_USE;
void engine_blob_give(struct engine_batch *b, struct engine_blob *blob); /* the batch owns it */
void engine_blob_drop(struct engine_blob *blob);
/* The operations in their order; *at starts at 0. False at the end. */
bool engine_batch_next(const struct engine_batch *b, size_t *at, struct engine_row *op);

struct engine_blob_info {
	uint64_t id;
	uint64_t size;
	int64_t created_s;
};

enum engine_space { ENGINE_ROWS, ENGINE_REFS };

struct engine_snapshot;

/* from <= key < to; an empty to is the partition's end. */
struct engine_range {
	enum engine_space space;
	uint64_t partition; /* of ENGINE_ROWS */
	struct str from, to;
	const struct engine_snapshot *snapshot; /* NULL: the latest */
};

/* False ends the walk. Must not suspend or commit. */
typedef bool engine_each(void *arg, const struct engine_row *row);

struct engine_stats {
	uint64_t n_batches, n_groups,
		n_syncs;		   /* commits; writes that merged them; fdatasync calls and synced row writes */
	uint64_t bytes_rows, bytes_bodies; /* written */
	uint64_t n_blobs, bytes_live, bytes_dead;
	uint64_t n_segments, n_compacted; /* segments rewritten since the start */
	uint64_t n_group_max;		  /* commits in the largest group */
};

struct engine;
struct engine_ops {
	const char *name;
	void (*close)(struct engine *e); /* all ports are closed */
	struct engine_port *(*port_open)(struct engine *e, struct sched *s);
	void (*port_close)(struct engine_port *p); /* no commit is under way; suspends when called in a task */
	void (*commit)(struct engine_port *p, struct engine_batch *b);
	bool (*get)(struct engine_port *p, const struct engine_snapshot *snap, uint64_t partition, struct str key,
		struct buf *out);
	void (*range)(struct engine_port *p, const struct engine_range *r, engine_each *each, void *arg);
	uint64_t (*version)(struct engine_port *p, const struct engine_snapshot *snap, uint64_t partition);
	enum outcome (*blob_get)(struct engine_port *p, uint64_t id, uint64_t at, size_t n, struct buf *out);
	bool (*blob_next)(struct engine_port *p, const struct engine_snapshot *snap, uint64_t after,
		struct engine_blob_info *out);
	struct engine_snapshot *(*snapshot)(struct engine_port *p);
	void (*snapshot_free)(struct engine_port *p, struct engine_snapshot *snap);
	uint64_t (*blob_id)(struct engine *e);
	uint64_t (*bytes_free)(struct engine *e);
	void (*stats)(struct engine *e, struct engine_stats *out);
	/* All rows are of this program's format now, durably; NULL where data has no format. False: why. */
	bool (*upgraded)(struct engine *e, struct buf *why);
};

#define ENGINE_FORMAT 2 /* of the rows that this program writes */

/* The head of each engine's own struct. */
struct engine {
	const struct engine_ops *ops;
	uint32_t life; /* counts openings of the data, from 1 */
	uint32_t format; /* of the data as it was found; 0: it has none */
};
struct engine_port {
	struct engine *engine;
	struct sched *sched;
};

/* Takes the batch over; done is called later, never from within. */
void engine_commit(struct engine_port *p, struct engine_batch *b);
/* Appends the value to out. False: no such row. */
bool engine_get(
	struct engine_port *p, const struct engine_snapshot *snap, uint64_t partition, struct str key, struct buf *out);
void engine_range(struct engine_port *p, const struct engine_range *r, engine_each *each, void *arg);
uint64_t engine_version(struct engine_port *p, uint64_t partition);
uint64_t engine_version_at(struct engine_port *p, const struct engine_snapshot *snap, uint64_t partition);
/* Appends n bytes from at, fewer at the body's end. A read of all of it checks the checksum. NO_SUCH, FAILED (damaged or unreadable). */
enum outcome engine_blob_get(struct engine_port *p, uint64_t id, uint64_t at, size_t n, struct buf *out) MUST_USE;
/* The body with the lowest id above after. */
bool engine_blob_next(
	struct engine_port *p, const struct engine_snapshot *snap, uint64_t after, struct engine_blob_info *out);
/* Rows as they are now, for reads later, across suspensions. Bodies are not held. */
struct engine_snapshot *engine_snapshot(struct engine_port *p);
void engine_snapshot_free(struct engine_port *p, struct engine_snapshot *s);

static inline uint64_t engine_blob_id(struct engine *e) /* a new one, never given before */
{
	return e->ops->blob_id(e);
}

struct engine_opts {
	const char *data_dir; /* rocks */
	const char *module;   /* rocks: path of sallyport-rocks.so */
	uint64_t segment_size;
	bool sync;    /* false: tests only */
	bool threads; /* false: the committer works inline */
	bool upgrade; /* data of an older format is opened, to be rewritten */
	struct log *log;
	uint64_t seed;	 /* memory: 0 is reliable; else commits may be late, lost, unknown */
	struct buf *why; /* receives the reason when opening fails */
};
/* NULL: why says the reason. */
struct engine *engine_mem_open(const struct engine_opts *o);
struct engine *engine_rocks_load(const struct engine_opts *o); /* loads the module, calls its engine_rocks_open */
void engine_close(struct engine *e);

/* memory only: lets skip commits through and makes the next n fail so, whatever the seed (tests). */
void engine_mem_fail_after(struct engine *e, unsigned skip, unsigned n, enum engine_result how);
static inline void engine_mem_fail_next(struct engine *e, unsigned n, enum engine_result how)
{
	engine_mem_fail_after(e, 0, n, how);
}
/* memory only: commits wait until this is called with hold false (tests that control durability). */
void engine_mem_hold(struct engine *e, bool hold);

#endif
