/* sandbox/sandbox.h - the walls around a role, closed once before it meets its first input.
 *
 * One table says what each role may do (sandbox.c: walls; calls.c: system calls). Descriptors that were open before, and
 * those passed in later, go on working: the walls stop the making of new ones.
 */
#ifndef SALLYPORT_SANDBOX_SANDBOX_H
#define SALLYPORT_SANDBOX_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct buf;

enum sandbox_role {
	SANDBOX_MASTER, /* keeps its user and may start programs; loses what a mail server never needs (ptrace, mount, bpf ...) */
	SANDBOX_KEYS,   /* files of its own directory */
	SANDBOX_AUTH,   /* no files; threads */
	SANDBOX_EDGE,   /* no files; connections that were accepted */
	SANDBOX_POST,   /* no files */
	SANDBOX_SCAN,   /* no files; reads passed descriptors */
	SANDBOX_STORE,  /* files of the data directory; threads */
	SANDBOX_RELAY,  /* no files; connects to other servers and resolvers, from addresses of its choice */
	SANDBOX_FETCH,  /* no files; connects to HTTPS servers */
	SANDBOX_ROLE_COUNT
};

struct sandbox_plan {
	enum sandbox_role role;
	const char *chroot_dir; /* as root: the new root, an empty directory for roles without files; NULL: no chroot */
	uid_t uid;              /* as root: what to become; never 0 but for master, which stays what it is */
	gid_t gid;
	const char *rw_dir;  /* store, and keys if it keeps any: the one directory it may use, within chroot_dir; or NULL */
	uint64_t nofile;     /* descriptors wanted; as many as the hard limit gives; 0: leave as it is */
	uint64_t memory_max; /* bytes of private writable memory (RLIMIT_DATA); 0: leave as it is */
};

/* What stands afterwards. A wall that the kernel does not offer, or that only root can build, is false. */
struct sandbox_walls {
	bool chroot, uid, landlock_fs, landlock_net, seccomp, no_new_privs, not_dumpable;
	int landlock_abi; /* 0: the kernel has no Landlock */
};

/* Closes all descriptors but 0, 1, 2 and those listed. Call it first, before threads and sandbox_enter. */
void sandbox_keep_only(const int *fds, size_t n_fds);

/* Closes the walls of plan->role around this process, which must have one thread. Dies when a wall that the kernel offers
 * does not close. Afterwards rw_dir is the working directory, so that names relative to it hold with and without a
 * chroot. Shared objects, locales and random devices must have been opened before. A forbidden system call
 * ends the process with SIGSYS, which the kernel logs; a build with sanitizers says first which it was. */
void sandbox_enter(const struct sandbox_plan *plan, struct sandbox_walls *stand);

const char *sandbox_role_name(enum sandbox_role role); /* "edge" */
/* Appends "chroot uid landlock-fs landlock-net seccomp no-new-privs not-dumpable (landlock 7)", what does not stand with a
 * '-' before it. For `sallyport status`. */
void sandbox_walls_show(const struct sandbox_walls *w, struct buf *out);

#endif
