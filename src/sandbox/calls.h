/* sandbox/calls.h - which system calls a role may make, inside sandbox/ only. */
#ifndef SALLYPORT_SANDBOX_CALLS_H
#define SALLYPORT_SANDBOX_CALLS_H

#include "sandbox/sandbox.h"

bool calls_offered(void); /* the kernel has seccomp filters */

/* From here on this process makes only the calls of its role, those on files if it has a directory; needs no_new_privs. Dies. */
void calls_enter(enum sandbox_role role, bool files);

#endif
