/* role/upgrade.h - the command that brings data of an older format to this program's. */
#ifndef SALLYPORT_ROLE_UPGRADE_H
#define SALLYPORT_ROLE_UPGRADE_H

#include <limits.h>
#include <stdbool.h>

struct buf;
struct conf;

/* Is the data directory, where there is one, of this program's format? Asked before anything is started; the engine asks again. */
bool format_is_ours(const struct conf *c, struct buf *why);
/* With the server stopped: opens the data directory behind the walls of store, and rewrites it. The exit status; why not is on standard error. */
int upgrade_main(const char *conf_path);
/* The engine's module lies beside the program, as built, or where it is installed. */
void store_find_module(char out[PATH_MAX]);

#endif
