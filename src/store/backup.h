/* store/backup.h - what a command reads for a backup: a snapshot of all rows, and the bodies that they refer to. */
#ifndef SALLYPORT_STORE_BACKUP_H
#define SALLYPORT_STORE_BACKUP_H

#include "store/service.h"

void backup_gone(struct store *s, struct peer *p); /* its channel ended */
void backups_expire(struct store *s);		   /* those that said nothing for timeouts.command */
void backups_free(struct store *s);

#endif
