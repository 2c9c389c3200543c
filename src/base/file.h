/* base/file.h - a whole small file. */
#ifndef SALLYPORT_BASE_FILE_H
#define SALLYPORT_BASE_FILE_H

#include "base/buf.h"

/* All bytes of a file of at most max bytes; freed by the caller as (void *)out->p. False: why gets a line that names the file and the reason. */
bool file_read(const char *path, size_t max, struct str *out, struct buf *why);

#endif
