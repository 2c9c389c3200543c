/* sandbox/landlock.h - Landlock by raw system calls, inside sandbox/ only. */
#ifndef SALLYPORT_SANDBOX_LANDLOCK_H
#define SALLYPORT_SANDBOX_LANDLOCK_H

#include <stdbool.h>

int landlock_abi(void); /* version that the kernel offers, 0: none */

/* Opens path for landlock_enter, before a chroot; dies. */
int landlock_dir_open(const char *path);

/* No files but below dir_fd (-1: none at all), no TCP, no abstract sockets or signals out of this domain: as much of it as
 * abi has. connects: TCP connections to other hosts may be made, binds: also from an address of choice, with a port that
 * the kernel chooses. Needs no_new_privs. Dies. */
void landlock_enter(int abi, int dir_fd, bool connects, bool binds);

#endif
