/* store/rocks/rocks.h - what the files of the RocksDB engine share.
 *
 * Keys of the one database: a letter, then big-endian numbers, so that ranges sort.
 *   p partition key   a row        r key          a reference       v partition   its version
 *   l id              where a body lies            s segment       its bytes          e              the life
 */
#ifndef SALLYPORT_STORE_ROCKS_ROCKS_H
#define SALLYPORT_STORE_ROCKS_ROCKS_H

#include "store/engine.h"
#include "store/rocks/segment.h"

#include <pthread.h>
#include <rocksdb/c.h>

#define ROCKS_KEY_MAX (ENGINE_KEY_MAX + 9)

/* A key built in place. */
struct rkey {
	size_t n;
	char p[ROCKS_KEY_MAX];
};

/* A file of bodies. live and dead count footprints. */
struct seg {
	uint32_t number;
	int fd; /* -1: not open now */
	uint64_t end, live, dead, n_live;
	uint64_t reserved; /* bytes of the file that have room on the disk already */
	unsigned refs;	   /* readers now */
	bool closed;	   /* nothing is added any more */
	bool gone;	   /* unlinked; freed with its last reader */
	bool damaged;	   /* not rewritten */
	bool dirty;	   /* its row is to be written with the next group */
};

/* The table of files. The committer alone changes it; lock guards the list, fd and refs against readers. */
struct bodies {
	int dir_fd;
	uint64_t segment_size;
	bool sync;
	pthread_mutex_t lock;
	struct VEC(struct seg *) segs;
	size_t n_open;
	struct seg *current; /* NULL: none was begun in this life */
	struct segment_writer writer;
	uint32_t next_number;
};

/* Where a body lies: the value of its l row. */
struct body_row {
	uint32_t segment;
	struct segment_place place;
	int64_t created_s;
};

struct rocks {
	struct engine base;
	rocksdb_t *db;
	rocksdb_options_t *options;
	rocksdb_writeoptions_t *write_options;
	rocksdb_readoptions_t *read_options;
	rocksdb_writebatch_t *wb; /* the committer's */
	int dir_fd, lock_fd;
	bool threads, sync;
	bool torn; /* the log of rows ended in something that is not whole */
	struct log *log;
	uint64_t next_blob; /* atomic */
	struct bodies bodies;

	pthread_t thread;
	pthread_mutex_t lock; /* of all below */
	pthread_cond_t work;
	struct node queue; /* of engine_batch */
	struct node ports;
	bool stop;
	struct engine_stats published;
	uint64_t ahead; /* bytes set aside in the current file */

	struct engine_stats stats; /* the committer's */
	struct rkey key;	   /* the committer's */
	/* the committer's: the file being rewritten */
	struct seg *victim;
	uint64_t victim_at;
	int64_t free_asked_ms; /* of the shard's thread: when bytes_free was asked for */
	uint64_t free_bytes;
};

struct rocks_port {
	struct engine_port base;
	struct rocks *rocks;
	struct node node;
	struct node done; /* of engine_batch, under the lock */
	struct bell bell;
	struct gate gone;
	bool closing, ended;
};

void rocks_key(struct rkey *k, char kind, uint64_t number, struct str key);
_Noreturn void rocks_die(struct rocks *r, const char *what, char *error);
/* The value of a key, to be freed with rocksdb_free; NULL: absent. */
char *rocks_value(struct rocks *r, const struct rkey *k, size_t *n);

bool body_row_decode(struct str v, struct body_row *out);
bool body_row_find(struct rocks *r, uint64_t id, struct body_row *out);

/* bodies.c. All but bodies_get and bodies_put are the committer's. */
bool bodies_open(struct rocks *r, int data_dir_fd, const struct engine_opts *o);
void bodies_close(struct rocks *r);
/* Borrows the file for reading; NULL when it is gone or cannot be opened. */
struct seg *bodies_get(struct bodies *b, uint32_t number);
void bodies_put(struct bodies *b, struct seg *s);
struct seg *bodies_find(struct bodies *b, uint32_t number);
/* Gathers a body; its row comes back. */
struct body_row bodies_add(struct rocks *r, uint64_t id, struct str body, int64_t created_s);
void bodies_sync(struct rocks *r); /* everything gathered is on disk, or the process ends */
void bodies_forget(struct rocks *r, const struct body_row *row); /* its body is dead now */
void bodies_put_rows(struct rocks *r);				 /* rows of changed files go into the write batch */
void bodies_unlink(struct rocks *r, struct seg *s);
struct seg *bodies_half_dead(struct bodies *b); /* a closed file worth rewriting, or NULL */

/* committer.c */
void committer_start(struct rocks *r);
void committer_stop(struct rocks *r);
/* One group of what waits, in the caller's thread. False: nothing waited. */
bool committer_step(struct rocks *r);

struct engine *engine_rocks_open(const struct engine_opts *o);

#endif
