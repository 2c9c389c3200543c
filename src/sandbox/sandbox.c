/* sandbox/sandbox.c - the walls around a role, in the order in which they can be closed
 * Purpose     capabilities, chroot, user, limits, dumpable, no_new_privs, Landlock, seccomp: each while the one before
 *             still permits it.
 * Invariants  I1 a wall that the kernel offers stands afterwards, or the process died.
 *             I2 master keeps its user, its files and the right to start programs; nothing else does.
 */
#include "sandbox/sandbox.h"

#include "base/buf.h"
#include "base/die.h"
#include "sandbox/calls.h"
#include "sandbox/landlock.h"

#include <cap-ng.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct role {
	const char *name;
	bool confined; /* chroot, another user, Landlock */
	bool files;    /* may have a directory of its own */
	bool threads;
	bool connects; /* to other hosts, by TCP */
	bool binds;    /* and from an address of its choice */
	bool writes; /* to files it has or gets passed: bodies of letters, its directory */
} roles[SANDBOX_ROLE_COUNT] = {
	[SANDBOX_MASTER] = { "master", .files = true, .threads = true, .writes = true },
	[SANDBOX_KEYS] = { "keys", .confined = true, .files = true, .writes = true },
	[SANDBOX_AUTH] = { "auth", .confined = true, .threads = true },
	[SANDBOX_EDGE] = { "edge", .confined = true, .writes = true },
	[SANDBOX_POST] = { "post", .confined = true, .writes = true },
	[SANDBOX_SCAN] = { "scan", .confined = true, .writes = true },
	[SANDBOX_STORE] = { "store", .confined = true, .files = true, .threads = true, .writes = true },
	[SANDBOX_RELAY] = { "relay", .confined = true, .connects = true, .binds = true, .writes = true },
	[SANDBOX_FETCH] = { "fetch", .confined = true, .connects = true, .writes = true },
};

#ifdef SALLYPORT_SANITIZED
/* The leak check at exit starts a thread, attaches to this process and reads /proc: it cannot behind the walls. The
 * sanitizer asks here whether to make it; there is no other way than a variable to answer that. */
static bool inside;
int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void)
{
	return inside;
}

static void inside_set(void)
{
	inside = true;
}
#else
static void inside_set(void)
{
}
#endif

const char *sandbox_role_name(enum sandbox_role role)
{
	return roles[role].name;
}

void sandbox_walls_show(const struct sandbox_walls *w, struct buf *out)
{
	const struct {
		const char *name;
		bool stands;
	} walls[] = {
		{ "chroot", w->chroot },	     { "uid", w->uid },
		{ "landlock-fs", w->landlock_fs },   { "landlock-net", w->landlock_net },
		{ "seccomp", w->seccomp },	     { "no-new-privs", w->no_new_privs },
		{ "not-dumpable", w->not_dumpable },
	};

	for (size_t i = 0; i < sizeof walls / sizeof *walls; i++)
		buf_addf(out, "%s%s%s", i ? " " : "", walls[i].stands ? "" : "-", walls[i].name);
	buf_addf(out, " (landlock %d)", w->landlock_abi);
}

/* The smallest listed descriptor that is at least from; INT_MAX when there is none. */
static int next_kept(const int *fds, size_t n_fds, int from)
{
	int next = INT_MAX;

	for (size_t i = 0; i < n_fds; i++)
		if (fds[i] >= from && fds[i] < next)
			next = fds[i];
	return next;
}

void sandbox_keep_only(const int *fds, size_t n_fds)
{
	for (int from = 3, kept; from < INT_MAX; from = kept == INT_MAX ? INT_MAX : kept + 1) {
		kept = next_kept(fds, n_fds, from);
		if (kept > from && close_range((unsigned)from, kept == INT_MAX ? ~0u : (unsigned)kept - 1, 0) != 0)
			die_errno("sandbox: closing descriptors");
	}
}

/* seccomp and Landlock bind the calling thread and those it makes: another one would stay outside. */
static void one_thread_check(void)
{
	DIR *d = opendir("/proc/self/task");
	unsigned n = 0;

	if (!d)
		return; /* no /proc: the caller's promise stands alone */
	for (struct dirent *e; (e = readdir(d));)
		n += e->d_name[0] != '.';
	closedir(d);
	if (n != 1)
		die("sandbox: entered with %u threads", n);
}

static bool is_root(void)
{
	return geteuid() == 0;
}

static void root_change(const char *dir, struct sandbox_walls *stand)
{
	if (!is_root())
		return;
	if (chdir(dir) != 0 || chroot(".") != 0)
		die_errno("sandbox: chroot to %s", dir);
	stand->chroot = true;
}

static void user_change(const struct sandbox_plan *plan, struct sandbox_walls *stand)
{
	if (!is_root())
		return;
	if (plan->uid == 0 || plan->gid == 0)
		die("sandbox: %s may not run as root", roles[plan->role].name);
	capng_clear(CAPNG_SELECT_BOUNDS);
	if (capng_apply(CAPNG_SELECT_BOUNDS) != 0)
		die("sandbox: dropping capabilities for good");
	if (setgroups(0, NULL) != 0 || setresgid(plan->gid, plan->gid, plan->gid) != 0 ||
		setresuid(plan->uid, plan->uid, plan->uid) != 0)
		die_errno("sandbox: becoming user %u", (unsigned)plan->uid);
	if (setuid(0) == 0 || capng_get_caps_process() != 0 || capng_have_capabilities(CAPNG_SELECT_CAPS) != CAPNG_NONE)
		die("sandbox: root is not gone");
	stand->uid = true;
}

static void limit(int resource, rlim_t value, const char *name)
{
	struct rlimit r;

	if (getrlimit((__rlimit_resource_t)resource, &r) != 0)
		die_errno("sandbox: limit %s", name);
	r.rlim_cur = r.rlim_max = value < r.rlim_max ? value : r.rlim_max;
	if (setrlimit((__rlimit_resource_t)resource, &r) != 0)
		die_errno("sandbox: limit %s", name);
}

static void descriptors_want(uint64_t n)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) != 0)
		die_errno("sandbox: limit NOFILE");
	if (n > r.rlim_max && is_root()) {
		struct rlimit more = { n, n };

		if (setrlimit(RLIMIT_NOFILE, &more) == 0)
			return; /* fs.nr_open may be lower: then the hard limit is all there is */
	}
	r.rlim_cur = n < r.rlim_max ? n : r.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &r) != 0)
		die_errno("sandbox: limit NOFILE");
}

/* The sanitizers need memory, threads and files that a release does not. */
static void limits_set(const struct sandbox_plan *plan)
{
	const struct role *role = &roles[plan->role];

	limit(RLIMIT_CORE, 0, "CORE");
#ifndef SALLYPORT_SANITIZED
	if (plan->memory_max)
		limit(RLIMIT_DATA, plan->memory_max, "DATA");
	if (!role->threads)
		limit(RLIMIT_NPROC, 0, "NPROC");
	if (!role->writes) {
		signal(SIGXFSZ, SIG_IGN); /* a line to a log that is a file fails and does not kill */
		limit(RLIMIT_FSIZE, 0, "FSIZE");
	}
#else
	(void)role;
#endif
}

/* After the change of user, which may set dumpable anew. */
static void privileges_close(void)
{
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
		die_errno("sandbox: PR_SET_DUMPABLE");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		die_errno("sandbox: PR_SET_NO_NEW_PRIVS");
}

static void landlock_close(int dir_fd, const struct role *role, struct sandbox_walls *stand)
{
	stand->landlock_abi = landlock_abi();
	if (!stand->landlock_abi)
		return;
	landlock_enter(stand->landlock_abi, dir_fd, role->connects, role->binds);
	stand->landlock_fs = true;
	stand->landlock_net = stand->landlock_abi >= 4;
}

/* A working directory outside of the root would undo the chroot; getcwd(3) fails there. */
static void own_dir_enter(int dir_fd)
{
	char *path;

	if (fchdir(dir_fd) != 0)
		die_errno("sandbox: entering the role's directory");
	path = getcwd(NULL, 0);
	if (!path)
		die_errno("sandbox: the role's directory is not within its chroot");
	free(path);
}

static void confine(const struct sandbox_plan *plan, struct sandbox_walls *stand)
{
	int dir_fd = -1;

	if (plan->rw_dir && !roles[plan->role].files)
		die("sandbox: %s has no directory", roles[plan->role].name);
	if (plan->rw_dir)
		dir_fd = landlock_dir_open(plan->rw_dir);
	umask(077);
	if (plan->chroot_dir)
		root_change(plan->chroot_dir, stand);
	user_change(plan, stand);
	if (dir_fd >= 0)
		own_dir_enter(dir_fd);
	privileges_close();
	landlock_close(dir_fd, &roles[plan->role], stand);
	if (dir_fd >= 0)
		close(dir_fd);
}

void sandbox_enter(const struct sandbox_plan *plan, struct sandbox_walls *stand)
{
	*stand = (struct sandbox_walls){ 0 };
	one_thread_check();
	if (plan->nofile)
		descriptors_want(plan->nofile);
	if (roles[plan->role].confined)
		confine(plan, stand);
	else
		privileges_close();
	stand->not_dumpable = stand->no_new_privs = true;
	limits_set(plan);
	inside_set();
	if (calls_offered()) {
		calls_enter(plan->role, plan->rw_dir != NULL);
		stand->seccomp = true;
	}
}
