/* ctl/keep_dir.h - a backup's directory: which runs it holds, and what each consists of.
 *
 *   format            "sallyport-backup 1" and the directory's own number
 *   runs/000003       a manifest: text, a line a thing, its SHA-256 at the end. The run is there when this file is.
 *   rows/000003-...   rows of a partition, as run 3 found them; later runs refer to it while the partition does not change
 *   bodies/00000001   bodies; each is written once
 *   index/000003.0    of each body of the run: id, file, size, offset, ascending
 * A file that no manifest names is what a run left that was broken off, and goes with the next.
 */
#ifndef SALLYPORT_CTL_KEEP_DIR_H
#define SALLYPORT_CTL_KEEP_DIR_H

#include "base/arena.h"
#include "base/vec.h"
#include "ctl/keep_file.h"

#define KEEP_NUMBER 16 /* bytes of a directory's and a run's own number */

struct keep_dir {
	const char *path;
	int fd, lock_fd;
	char number[KEEP_NUMBER];
	struct VEC(uint32_t) runs; /* ascending */
};

struct keep_part { /* rows of a partition */
	uint64_t partition, version, n_rows;
	const char *address; /* empty: of no account */
	struct keep_ref file;
};

struct keep_bodies {
	uint32_t file;
	struct keep_ref ref;
};

struct keep_run {
	uint32_t number, after; /* after: the run whose files it shares, 0: none */
	char nonce[KEEP_NUMBER];
	int64_t time_s;
	uint64_t n_bodies, bytes;	 /* of bodies */
	uint64_t new_bodies, new_bytes; /* of those that this run brought */
	uint64_t n_lost;		 /* bodies that the server could not read */
	struct keep_ref index;
	struct VEC(struct keep_bodies) bodies;
	struct VEC(struct keep_part) parts;
	struct arena arena;
};

/* An entry of an index file. */
struct keep_entry {
	uint64_t id;
	uint32_t file, size;
	uint64_t at;
};
#define KEEP_ENTRY 24

/* Opens and locks it. make: an empty or absent directory becomes one. False: why is on standard error. */
bool keep_dir_open(struct keep_dir *d, const char *path, bool make);
void keep_dir_close(struct keep_dir *d);

void keep_run_init(struct keep_run *r);
bool keep_run_read(struct keep_dir *d, uint32_t number, struct keep_run *r);
/* Replaces one of that number, or is new; durable afterwards. */
bool keep_run_write(struct keep_dir *d, const struct keep_run *r);
void keep_run_fini(struct keep_run *r);
const struct keep_bodies *keep_run_bodies(const struct keep_run *r, uint32_t file); /* NULL: none of that number */
const struct keep_part *keep_run_part(const struct keep_run *r, uint64_t partition);

/* Removes files that no run names. False: a manifest is damaged, so nothing was removed. */
bool keep_dir_sweep(struct keep_dir *d);
void keep_dir_sync(struct keep_dir *d); /* names of files are on the disk */

void keep_entry_encode(const struct keep_entry *e, char out[KEEP_ENTRY]);
struct keep_entry keep_entry_decode(struct str s);

#endif
