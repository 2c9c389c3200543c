/* ctl/read_password.h - a password from a person or a pipe. */
#ifndef SALLYPORT_CTL_READ_PASSWORD_H
#define SALLYPORT_CTL_READ_PASSWORD_H

#include <stddef.h>
#include <sys/types.h>

/* On a terminal: prompts, without echo, twice. Else: the first line of standard input. Bytes without the line end, NUL-terminated; -1: too
 * long, nothing, or the two differ. */
ssize_t read_password(const char *prompt, char *out, size_t size);

#endif
