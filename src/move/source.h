/* move/source.h - what ways in from files share. */
#ifndef SALLYPORT_MOVE_SOURCE_H
#define SALLYPORT_MOVE_SOURCE_H

#include "move/mover.h"

#include <dirent.h>

/* The folder a source's name becomes: with --into all lies below that folder, INBOX is it. In the arena. */
struct str source_folder(const struct mover *m, struct arena *a, struct str name);
/* All bytes of a file into the letter's text. False: errno says why. */
SUSPENDS bool source_read(struct sending *s, int dir_fd, const char *name);
/* It will be read soon: the disk may begin. */
void source_prefetch(int dir_fd, const char *name);
/* A directory's names in the arena, sorted; those with a leading dot only when hidden. False: errno. */
struct names {
	char **v;
	size_t n;
};
bool source_names(const char *path, bool hidden, struct arena *a, struct names *out);
bool is_directory(const char *path); /* or a link to one */
/* One below the place; a link to one is none, which is said. */
bool is_directory_below(struct mover *m, const char *path);
/* Why a file could not be opened. */
const char *source_why(int error);
/* path/name, NUL-terminated, in the arena. */
char *source_path(struct arena *a, const char *path, const char *name);

#endif
