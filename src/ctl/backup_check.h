/* ctl/backup_check.h - a backup read back, every byte of it. */
#ifndef SALLYPORT_CTL_BACKUP_CHECK_H
#define SALLYPORT_CTL_BACKUP_CHECK_H

#include "ctl/keep_dir.h"

struct progress;

/* All of a file: its records and its checksum; each damage is told with file, offset and reason. False: there was some. p may be NULL. */
bool backup_check_file(struct keep_dir *d, const struct keep_ref *ref, bool records, struct progress *p);
/* The index: ascending, each entry within a file that the run names. */
bool backup_check_index(struct keep_dir *d, const struct keep_run *r, struct progress *p);

#endif
