/* crash/recorder.c - preloaded into a program: logs all that it does to the files of one directory (crash/log.h).
 * Purpose     stand between the program and the kernel. Every change and its record happen under one lock, so that the log's order is
 *             the order of things; the calls are made directly, so that nothing depends on the C library's own ways.
 * Invariants  I1 what is logged has happened; what has returned to the program is logged. I2 no change of a file below the directory is
 *             missed: shared writable mappings and other ways past the wrappers end the process.
 */
/* Each name is wrapped by itself: no renaming to others, no inline checks around them. */
#undef _FILE_OFFSET_BITS
#undef _FORTIFY_SOURCE

#include "crash/log.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define PATH_SIZE 512 /* of paths that are recorded; a longer one is not ours */

#define EXPORT __attribute__((visibility("default")))

static struct {
	pthread_mutex_t lock;
	char dir[PATH_SIZE];
	size_t dir_n;
	dev_t device;
	int log_fd;
	bool on;
} rec = { .lock = PTHREAD_MUTEX_INITIALIZER, .log_fd = -1 };

static _Noreturn void give_up(const char *what)
{
	dprintf(2, "crash recorder: %s: %s\n", what, strerror(errno));
	_exit(99);
}

__attribute__((constructor)) static void begin(void)
{
	const char *dir = getenv(CRASH_ENV_DIR), *log = getenv(CRASH_ENV_LOG);
	struct stat st;

	if (!dir || !log)
		return;
	if (dir[0] != '/' || strlen(dir) >= sizeof rec.dir || stat(dir, &st) != 0)
		give_up("directory");
	memcpy(rec.dir, dir, strlen(dir) + 1);
	rec.dir_n = strlen(rec.dir);
	rec.device = st.st_dev;
	rec.log_fd = (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	if (rec.log_fd < 0)
		give_up("log");
	rec.on = true;
}

/* ---- records */

struct what {
	enum crash_kind kind;
	uint64_t file, at;
	const char *name, *to;
	const struct iovec *data;
	int n_data;
	uint64_t data_n; /* of data, at most */
};

/* The caller holds the lock. */
static void log_it(const struct what *w)
{
	struct crash_record r = { .magic = CRASH_MAGIC, .kind = (uint32_t)w->kind, .file = w->file, .at = w->at, .data_n = w->data_n };
	struct iovec v[4];
	uint64_t left = w->data_n;

	r.name_n = w->name ? (uint32_t)strlen(w->name) : 0;
	r.to_n = w->to ? (uint32_t)strlen(w->to) : 0;
	v[0] = (struct iovec){ &r, sizeof r };
	v[1] = (struct iovec){ (void *)(uintptr_t)w->name, r.name_n };
	v[2] = (struct iovec){ (void *)(uintptr_t)w->to, r.to_n };
	if (syscall(SYS_writev, rec.log_fd, v, 3) != (long)(sizeof r + r.name_n + r.to_n))
		give_up("log");
	for (int i = 0; i < w->n_data && left; i++) {
		size_t n = w->data[i].iov_len < left ? w->data[i].iov_len : (size_t)left;

		if (syscall(SYS_write, rec.log_fd, w->data[i].iov_base, n) != (long)n)
			give_up("log");
		left -= n;
	}
}

EXPORT void crash_mark(const void *p, uint64_t n);
EXPORT void crash_mark(const void *p, uint64_t n)
{
	struct iovec v = { (void *)(uintptr_t)p, n };

	if (!rec.on)
		return;
	pthread_mutex_lock(&rec.lock);
	log_it(&(struct what){ .kind = CRASH_MARK, .data = &v, .n_data = 1, .data_n = n });
	pthread_mutex_unlock(&rec.lock);
}

EXPORT void crash_kill(void);
EXPORT void crash_kill(void)
{
	pthread_mutex_lock(&rec.lock); /* other threads' calls and records of them are whole */
	kill(getpid(), SIGKILL);
}

/* ---- what is ours */

/* The name below the directory of a path; false when it is elsewhere. RocksDB's own diary is nobody's business. */
static bool name_of(int dir, const char *path, char out[PATH_SIZE])
{
	char full[PATH_SIZE * 2], link[64];
	ssize_t n = 0;
	size_t o = 0;

	if (!rec.on)
		return false;
	if (path[0] != '/') {
		if (dir == AT_FDCWD) {
			if (!getcwd(full, PATH_SIZE))
				return false;
			n = (ssize_t)strlen(full);
		} else {
			snprintf(link, sizeof link, "/proc/self/fd/%d", dir);
			n = readlink(link, full, PATH_SIZE - 1);
			if (n < 0)
				return false;
		}
		full[n++] = '/';
	}
	if (snprintf(full + n, sizeof full - (size_t)n, "%s", path) >= PATH_SIZE)
		return false;
	if (strncmp(full, rec.dir, rec.dir_n) != 0 || (full[rec.dir_n] && full[rec.dir_n] != '/'))
		return false;
	for (const char *p = full + rec.dir_n; *p && o < PATH_SIZE - 1; p++)
		if (*p != '/' || (o && out[o - 1] != '/'))
			out[o++] = *p;
	while (o && out[o - 1] == '/')
		o--;
	out[o] = 0;
	return strncmp(out, "rows/LOG", 8) != 0;
}

/* A regular file or directory on the directory's device: replay ignores those that it never saw made. */
static bool is_ours(int fd, struct stat *st)
{
	int e = errno;
	bool ours = rec.on && fd != rec.log_fd && fstat(fd, st) == 0 && st->st_dev == rec.device &&
		(S_ISREG(st->st_mode) || S_ISDIR(st->st_mode));

	errno = e;
	return ours;
}

/* ---- making and opening */

static int do_open(int dir, const char *path, int flags, mode_t mode)
{
	char name[PATH_SIZE];
	struct stat st;
	bool existed;
	int fd;

	if ((flags & O_TMPFILE) == O_TMPFILE && name_of(dir, path, name))
		give_up("O_TMPFILE");
	if (!(flags & (O_CREAT | O_TRUNC)) || !name_of(dir, path, name))
		return (int)syscall(SYS_openat, dir, path, flags, mode);
	pthread_mutex_lock(&rec.lock);
	existed = fstatat(dir, path, &st, 0) == 0;
	fd = (int)syscall(SYS_openat, dir, path, flags, mode);
	if (fd >= 0 && fstat(fd, &st) == 0) {
		if (!existed)
			log_it(&(struct what){ .kind = CRASH_CREATE, .file = st.st_ino, .name = name });
		else if (flags & O_TRUNC)
			log_it(&(struct what){ .kind = CRASH_TRUNCATE, .file = st.st_ino });
	}
	pthread_mutex_unlock(&rec.lock);
	return fd;
}

#define MODE_ARGUMENT(flags, mode)                                            \
	do {                                                                  \
		if ((flags) & O_CREAT || ((flags) & O_TMPFILE) == O_TMPFILE) { \
			va_list ap_;                                          \
			va_start(ap_, flags);                                 \
			(mode) = va_arg(ap_, mode_t);                         \
			va_end(ap_);                                          \
		}                                                             \
	} while (0)

#define OPEN(fn)                                                  \
	EXPORT int fn(const char *path, int flags, ...);          \
	EXPORT int fn(const char *path, int flags, ...)           \
	{                                                         \
		mode_t mode = 0;                                  \
								  \
		MODE_ARGUMENT(flags, mode);                       \
		return do_open(AT_FDCWD, path, flags, mode);      \
	}
#define OPENAT(fn)                                                \
	EXPORT int fn(int dir, const char *path, int flags, ...); \
	EXPORT int fn(int dir, const char *path, int flags, ...)  \
	{                                                         \
		mode_t mode = 0;                                  \
								  \
		MODE_ARGUMENT(flags, mode);                       \
		return do_open(dir, path, flags, mode);           \
	}
#define CREAT(fn)                                                                                       \
	EXPORT int fn(const char *path, mode_t mode);                                                   \
	EXPORT int fn(const char *path, mode_t mode)                                                    \
	{                                                                                               \
		return do_open(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, mode);                     \
	}
OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)
CREAT(creat)
CREAT(creat64)
/* What FORTIFY makes of calls without a mode. */
#define OPEN_2(fn)                                                \
	EXPORT int fn(const char *path, int flags);               \
	EXPORT int fn(const char *path, int flags)                \
	{                                                         \
		return do_open(AT_FDCWD, path, flags, 0);         \
	}
#define OPENAT_2(fn)                                              \
	EXPORT int fn(int dir, const char *path, int flags);      \
	EXPORT int fn(int dir, const char *path, int flags)       \
	{                                                         \
		return do_open(dir, path, flags, 0);              \
	}
OPEN_2(__open_2)
OPEN_2(__open64_2)
OPENAT_2(__openat_2)
OPENAT_2(__openat64_2)

static int do_mkdir(int dir, const char *path, mode_t mode)
{
	char name[PATH_SIZE];
	struct stat st;
	int r;

	if (!name_of(dir, path, name))
		return (int)syscall(SYS_mkdirat, dir, path, mode);
	pthread_mutex_lock(&rec.lock);
	r = (int)syscall(SYS_mkdirat, dir, path, mode);
	if (r == 0 && fstatat(dir, path, &st, 0) == 0)
		log_it(&(struct what){ .kind = CRASH_MKDIR, .file = st.st_ino, .name = name });
	pthread_mutex_unlock(&rec.lock);
	return r;
}

EXPORT int mkdir(const char *path, mode_t mode)
{
	return do_mkdir(AT_FDCWD, path, mode);
}

EXPORT int mkdirat(int dir, const char *path, mode_t mode)
{
	return do_mkdir(dir, path, mode);
}

/* ---- names */

static int do_rename(int from_dir, const char *from, int to_dir, const char *to)
{
	char a[PATH_SIZE], b[PATH_SIZE];
	bool ours_a = name_of(from_dir, from, a), ours_b = name_of(to_dir, to, b);
	int r;

	if (!ours_a && !ours_b)
		return (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, 0);
	if (!ours_a || !ours_b)
		give_up("rename into or out of the directory");
	pthread_mutex_lock(&rec.lock);
	r = (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, 0);
	if (r == 0)
		log_it(&(struct what){ .kind = CRASH_RENAME, .name = a, .to = b });
	pthread_mutex_unlock(&rec.lock);
	return r;
}

EXPORT int rename(const char *from, const char *to)
{
	return do_rename(AT_FDCWD, from, AT_FDCWD, to);
}

EXPORT int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	return do_rename(from_dir, from, to_dir, to);
}

static int do_link(int from_dir, const char *from, int to_dir, const char *to, int flags)
{
	char a[PATH_SIZE], b[PATH_SIZE];
	bool ours_a = name_of(from_dir, from, a), ours_b = name_of(to_dir, to, b);
	int r;

	if (ours_a != ours_b)
		give_up("link into or out of the directory");
	pthread_mutex_lock(&rec.lock);
	r = (int)syscall(SYS_linkat, from_dir, from, to_dir, to, flags);
	if (r == 0 && ours_a)
		log_it(&(struct what){ .kind = CRASH_LINK, .name = a, .to = b });
	pthread_mutex_unlock(&rec.lock);
	return r;
}

EXPORT int link(const char *from, const char *to)
{
	return do_link(AT_FDCWD, from, AT_FDCWD, to, 0);
}

EXPORT int linkat(int from_dir, const char *from, int to_dir, const char *to, int flags)
{
	return do_link(from_dir, from, to_dir, to, flags);
}

static int do_unlink(int dir, const char *path, int flags)
{
	char name[PATH_SIZE];
	int r;

	if (!name_of(dir, path, name))
		return (int)syscall(SYS_unlinkat, dir, path, flags);
	pthread_mutex_lock(&rec.lock);
	r = (int)syscall(SYS_unlinkat, dir, path, flags);
	if (r == 0)
		log_it(&(struct what){ .kind = CRASH_UNLINK, .name = name });
	pthread_mutex_unlock(&rec.lock);
	return r;
}

EXPORT int unlink(const char *path)
{
	return do_unlink(AT_FDCWD, path, 0);
}

EXPORT int unlinkat(int dir, const char *path, int flags)
{
	return do_unlink(dir, path, flags);
}

EXPORT int rmdir(const char *path)
{
	return do_unlink(AT_FDCWD, path, AT_REMOVEDIR);
}

EXPORT int remove(const char *path)
{
	struct stat st;

	return do_unlink(AT_FDCWD, path, lstat(path, &st) == 0 && S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0);
}

/* ---- bytes. at < 0: where the descriptor stands, or the end in append mode */

static ssize_t do_write(int fd, const struct iovec *v, int n, off_t at)
{
	struct stat st;
	off_t where = at;
	ssize_t r;

	if (!is_ours(fd, &st))
		return at < 0 ? syscall(SYS_writev, fd, v, n) : syscall(SYS_pwritev, fd, v, n, at, 0);
	pthread_mutex_lock(&rec.lock);
	if (at < 0) {
		bool append = fcntl(fd, F_GETFL) & O_APPEND;

		fstat(fd, &st);
		where = append ? st.st_size : lseek(fd, 0, SEEK_CUR);
		r = syscall(SYS_writev, fd, v, n);
	} else {
		r = syscall(SYS_pwritev, fd, v, n, at, 0);
	}
	if (r > 0)
		log_it(&(struct what){ .kind = CRASH_WRITE, .file = st.st_ino, .at = (uint64_t)where, .data = v, .n_data = n,
			.data_n = (uint64_t)r });
	pthread_mutex_unlock(&rec.lock);
	return r;
}

EXPORT ssize_t write(int fd, const void *p, size_t n)
{
	struct iovec v = { (void *)(uintptr_t)p, n };
	struct stat st;

	return is_ours(fd, &st) ? do_write(fd, &v, 1, -1) : syscall(SYS_write, fd, p, n);
}

EXPORT ssize_t writev(int fd, const struct iovec *v, int n)
{
	return do_write(fd, v, n, -1);
}

#define PWRITE(fn)                                                        \
	EXPORT ssize_t fn(int fd, const void *p, size_t n, off_t at);     \
	EXPORT ssize_t fn(int fd, const void *p, size_t n, off_t at)      \
	{                                                                 \
		struct iovec v = { (void *)(uintptr_t)p, n };             \
									  \
		return do_write(fd, &v, 1, at);                           \
	}
PWRITE(pwrite)
PWRITE(pwrite64)

#define PWRITEV(fn)                                                               \
	EXPORT ssize_t fn(int fd, const struct iovec *v, int n, off_t at);        \
	EXPORT ssize_t fn(int fd, const struct iovec *v, int n, off_t at)         \
	{                                                                         \
		return do_write(fd, v, n, at);                                    \
	}
PWRITEV(pwritev)
PWRITEV(pwritev64)

#define PWRITEV2(fn)                                                                      \
	EXPORT ssize_t fn(int fd, const struct iovec *v, int n, off_t at, int flags);     \
	EXPORT ssize_t fn(int fd, const struct iovec *v, int n, off_t at, int flags)      \
	{                                                                                 \
		(void)flags;                                                              \
		return do_write(fd, v, n, at);                                            \
	}
PWRITEV2(pwritev2)
PWRITEV2(pwritev64v2)

static int do_truncate(int fd, off_t size)
{
	struct stat st;
	int r;

	if (!is_ours(fd, &st))
		return (int)syscall(SYS_ftruncate, fd, size);
	pthread_mutex_lock(&rec.lock);
	r = (int)syscall(SYS_ftruncate, fd, size);
	if (r == 0)
		log_it(&(struct what){ .kind = CRASH_TRUNCATE, .file = st.st_ino, .at = (uint64_t)size });
	pthread_mutex_unlock(&rec.lock);
	return r;
}

EXPORT int ftruncate(int fd, off_t size)
{
	return do_truncate(fd, size);
}

EXPORT int ftruncate64(int fd, off_t size)
{
	return do_truncate(fd, size);
}

static int do_allocate(int fd, int mode, off_t at, off_t n)
{
	struct stat st;
	int r;

	if (!is_ours(fd, &st))
		return (int)syscall(SYS_fallocate, fd, mode, at, n);
	pthread_mutex_lock(&rec.lock);
	if (mode & ~FALLOC_FL_KEEP_SIZE && (fstat(fd, &st) != 0 || at < st.st_size))
		give_up("fallocate that changes bytes");
	r = (int)syscall(SYS_fallocate, fd, mode, at, n);
	if (r == 0 && mode == 0)
		log_it(&(struct what){ .kind = CRASH_EXTEND, .file = st.st_ino, .at = (uint64_t)(at + n) });
	pthread_mutex_unlock(&rec.lock);
	return r;
}

EXPORT int fallocate(int fd, int mode, off_t at, off_t n)
{
	return do_allocate(fd, mode, at, n);
}

EXPORT int fallocate64(int fd, int mode, off_t at, off_t n)
{
	return do_allocate(fd, mode, at, n);
}

EXPORT int posix_fallocate(int fd, off_t at, off_t n)
{
	return do_allocate(fd, 0, at, n) == 0 ? 0 : errno;
}

EXPORT int posix_fallocate64(int fd, off_t at, off_t n)
{
	return do_allocate(fd, 0, at, n) == 0 ? 0 : errno;
}

/* ---- syncs. sync_file_range is none: it flushes no metadata and no device cache, so it is left alone */

static int do_sync(int fd, long call)
{
	char link[64], path[PATH_SIZE], name[PATH_SIZE];
	struct stat st;
	ssize_t n;
	int r;

	if (!is_ours(fd, &st))
		return (int)syscall(call, fd);
	pthread_mutex_lock(&rec.lock);
	r = (int)syscall(call, fd);
	if (r == 0 && S_ISREG(st.st_mode)) {
		log_it(&(struct what){ .kind = CRASH_SYNC, .file = st.st_ino });
	} else if (r == 0) {
		snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
		n = readlink(link, path, sizeof path - 1);
		path[n < 0 ? 0 : n] = 0;
		if (name_of(AT_FDCWD, path, name))
			log_it(&(struct what){ .kind = CRASH_SYNC_DIR, .file = st.st_ino, .name = name });
	}
	pthread_mutex_unlock(&rec.lock);
	return r;
}

EXPORT int fsync(int fd)
{
	return do_sync(fd, SYS_fsync);
}

EXPORT int fdatasync(int fd)
{
	return do_sync(fd, SYS_fdatasync);
}

/* ---- ways past the wrappers (I2) */

#define MMAP(fn)                                                                                                       \
	EXPORT void *fn(void *p, size_t n, int protection, int flags, int fd, off_t at);                               \
	EXPORT void *fn(void *p, size_t n, int protection, int flags, int fd, off_t at)                                \
	{                                                                                                              \
		struct stat st;                                                                                        \
														       \
		if (fd >= 0 && flags & MAP_SHARED && protection & PROT_WRITE && is_ours(fd, &st))                      \
			give_up("a shared writable mapping");                                                          \
		return (void *)syscall(SYS_mmap, p, n, protection, flags, fd, at);                                     \
	}
MMAP(mmap)
MMAP(mmap64)

EXPORT ssize_t copy_file_range(int in, off64_t *in_at, int out, off64_t *out_at, size_t n, unsigned flags)
{
	struct stat st;

	if (is_ours(out, &st))
		give_up("copy_file_range");
	return syscall(SYS_copy_file_range, in, in_at, out, out_at, n, flags);
}

EXPORT int truncate(const char *path, off_t size)
{
	char name[PATH_SIZE];

	if (name_of(AT_FDCWD, path, name))
		give_up("truncate by name");
	return (int)syscall(SYS_truncate, path, size);
}

/* ---- RocksDB gathers less, so that a short run has flushes and compactions */

static void set_size(const char *name, void *options, size_t n)
{
	const char *text = getenv(CRASH_ENV_MEMTABLE);
	void *lib = dlopen("librocksdb.so.7.8", RTLD_LAZY | RTLD_NOLOAD);
	void *symbol = lib ? dlsym(lib, name) : NULL;
	void (*real)(void *, size_t);

	if (!symbol)
		give_up(name);
	memcpy(&real, &symbol, sizeof real);
	real(options, text ? (size_t)strtoull(text, NULL, 10) : n);
}

EXPORT void rocksdb_options_set_write_buffer_size(void *options, size_t n);
EXPORT void rocksdb_options_set_write_buffer_size(void *options, size_t n)
{
	set_size("rocksdb_options_set_write_buffer_size", options, n);
}
