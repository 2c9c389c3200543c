/* crash/replay.h - a directory as a log (crash/log.h) says it could be after a cut.
 *
 * The model of the disk, weaker than any journaling file system promises:
 *   bytes   what a file holds is certain after fsync or fdatasync of it, as of that moment. Each later write, truncation or extension may
 *           be there or not, whole or torn.
 *   names   an entry's making, renaming and removal is certain after fsync of the directory that it is in. Later ones of one
 *           directory happen in their order, and any number of them, from the first, may have happened. Directories do not wait for each
 *           other, and the sync of a file says nothing about its name.
 *   renames are atomic: the old entry or the new one, never none and never both.
 */
#ifndef SALLYPORT_TEST_CRASH_REPLAY_H
#define SALLYPORT_TEST_CRASH_REPLAY_H

#include "base/buf.h"
#include "base/map.h"
#include "base/vec.h"
#include "crash/log.h"

/* What the cut leaves of that which is not certain. */
enum variant {
	VARIANT_WHOLE,   /* all of it: the program was killed, the machine was not */
	VARIANT_DROPPED, /* none of it */
	VARIANT_NAMES,   /* all names, no bytes */
	VARIANT_BYTES,   /* all bytes, no names */
	VARIANT_TORN,    /* of each file and directory some, from the first; then one write torn at a byte */
	VARIANT_ZEROS,   /* all, but from somewhere in each file's last write on there are zeros in place of its bytes */
	VARIANT_PAGES,   /* names some, from the first; of bytes any pages of 4,096, the others as they were; files as long as they got */
	VARIANTS
};
const char *variant_name(enum variant v);

struct replay {
	struct str log; /* mapped */
	size_t at;      /* next record */
	uint64_t n;     /* records applied */
	struct VEC(struct file *) files;
	struct map by_inode; /* struct file */
	struct VEC(struct entry) entries; /* certain ones */
	struct VEC(struct change) changes; /* of names, not certain yet */
	struct str forget; /* for the test of the test: syncs of files with this in their name do nothing; "dir": of directories; empty: none */
};

/* Maps the log; dies when it cannot. */
void replay_open(struct replay *r, const char *path);
/* Applies the next record. False at the end. out: the record; data, name and to point into the log. */
struct replayed {
	enum crash_kind kind;
	struct str name, data;
};
bool replay_step(struct replay *r, struct replayed *out);
/* Makes the directory, which must not exist, as it could be now. */
void replay_build(struct replay *r, const char *dir, enum variant v, uint64_t seed);
/* Something is not certain now: the variants differ. */
bool replay_has_uncertain(const struct replay *r);

#endif
