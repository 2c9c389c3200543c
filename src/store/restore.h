/* store/restore.h - what a command gives back of a backup: bodies, then the rows that refer to them. */
#ifndef SALLYPORT_STORE_RESTORE_H
#define SALLYPORT_STORE_RESTORE_H

#include "store/service.h"

#define RESTORE_UIDS ((uint32_t)1 << 20)    /* uidnext is raised by: numbers that were given since the backup are not given again */
#define RESTORE_MODSEQS ((uint64_t)1 << 32) /* the account's modseq likewise */

void restore_gone(struct store *s, struct peer *p); /* its channel ended */
void restores_expire(struct store *s);		    /* those that said nothing for timeouts.command */
void restores_free(struct store *s);

#endif
