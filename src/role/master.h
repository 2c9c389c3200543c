/* role/master.h - the process that starts all others: binds ports, makes the channels between roles, restarts what dies. */
#ifndef SALLYPORT_ROLE_MASTER_H
#define SALLYPORT_ROLE_MASTER_H

#include <stdbool.h>

/* Runs the server with the configuration of a file until it is told to end; the exit status. embedded: all roles in this
 * process on one thread, without sandbox (-X). closed: no door is opened,
 * only commands are served. Problems go to standard error with the file's name and line. */
int master_main(const char *conf_path, bool embedded, bool closed);

#endif
