/* move/source.c - what ways in from files share. See the header.
 * Trust       files and directories may be those of the account's owner, and the command may read as root: below the place that the command
 *             was given no symbolic link is followed, or the owner would have whatever it leads to as mail.
 */
#include "move/source.h"

#include "base/vec.h"
#include "ipc/words.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_SIZE ((size_t)128 << 10)

struct str source_folder(const struct mover *m, struct arena *a, struct str name)
{
	struct str into = str_z(m->opts->folder);

	if (into.n == 0)
		return arena_dup(a, name);
	return str_eq(name, STR("INBOX")) ? into : arena_fmt(a, "%.*s%c%.*s", STR_ARG(into), HIERARCHY_SEPARATOR, STR_ARG(name));
}

static SUSPENDS bool read_all(struct sending *s, int fd)
{
	char *block = mem_realloc(NULL, READ_SIZE);
	ssize_t n;

	while ((n = read(fd, block, READ_SIZE)) > 0) {
		letter_text_add(&s->text, str_of(block, (size_t)n));
		if (s->writer.over_size)
			break;
		if ((size_t)n == READ_SIZE)
			task_yield(s->mover->sched);
	}
	free(block);
	return n >= 0;
}

SUSPENDS bool source_read(struct sending *s, int dir_fd, const char *name)
{
	int link = dir_fd == AT_FDCWD ? 0 : O_NOFOLLOW; /* the place itself may be one */
	int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | link), error;
	struct stat st;
	bool ok;

	if (fd < 0)
		return false;
	ok = fstat(fd, &st) == 0;
	if (ok && !S_ISREG(st.st_mode)) {
		errno = EINVAL;
		ok = false;
	}
	if (ok) {
		s->size = (uint64_t)st.st_size;
		if (!s->q.date_s)
			s->q.date_s = st.st_mtime;
		ok = read_all(s, fd);
	}
	error = errno;
	close(fd);
	errno = error;
	return ok;
}

void source_prefetch(int dir_fd, const char *name)
{
	int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW);

	if (fd < 0)
		return; /* reading it will tell */
	(void)!posix_fadvise(fd, 0, 0, POSIX_FADV_WILLNEED);
	close(fd);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

bool source_names(const char *path, bool hidden, struct arena *a, struct names *out)
{
	struct VEC(char *) v = { 0 };
	DIR *d = opendir(path);
	struct dirent *e;

	*out = (struct names){ 0 };
	if (!d)
		return false;
	while ((e = readdir(d))) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 || (e->d_name[0] == '.' && !hidden))
			continue;
		*vec_push(&v) = arena_dupz(a, str_z(e->d_name));
	}
	closedir(d);
	out->v = arena_array(a, v.n + 1, sizeof *out->v);
	if (v.n) {
		memcpy(out->v, v.v, v.n * sizeof *v.v);
		qsort(out->v, v.n, sizeof *out->v, by_name);
	}
	out->n = v.n;
	vec_free(&v);
	return true;
}

bool is_directory(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

#define NOT_FOLLOWED "a symbolic link is not followed: whose mail it is could make one to what is not theirs; import what it leads to by its own name"

const char *source_why(int error)
{
	return error == ELOOP ? NOT_FOLLOWED : strerror(error);
}

bool is_directory_below(struct mover *m, const char *path)
{
	struct stat st;

	if (lstat(path, &st) != 0)
		return false;
	if (S_ISLNK(st.st_mode) && is_directory(path))
		mover_fail(m, "%s: %s", path, source_why(ELOOP));
	return S_ISDIR(st.st_mode);
}

char *source_path(struct arena *a, const char *path, const char *name)
{
	return arena_dupz(a, arena_fmt(a, "%s/%s", path, name));
}
