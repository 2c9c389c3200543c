/* store/upgrade.h - data of an older format becomes this program's, in place. */
#ifndef SALLYPORT_STORE_UPGRADE_H
#define SALLYPORT_STORE_UPGRADE_H

#include "store/store.h"

struct upgrade_opts {
	struct sched *sched;
	struct log *log;
	struct engine *engine; /* opened with upgrade; closed at the end */
	uint64_t disk_reserve;
	struct str hostname;
	struct buf *why;
	/* what was done */
	uint32_t from;
	uint64_t n_accounts, n_rows;
};

/* In a task. Verifies, rewrites rows of older versions, verifies again, and only then notes the new format: broken off at any moment it is
 * begun again. False: why; the format is the old one still. */
SUSPENDS bool store_upgrade(struct upgrade_opts *o) MUST_USE;

#endif
