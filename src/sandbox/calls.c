/* sandbox/calls.c - which system calls a role may make (seccomp)
 * Purpose     an allow-list for each role, as groups of calls: one row a call, in the group that needs it.
 * Invariants  I1 what is not in the table ends the process; master alone has a list of denials, since its children
 *                inherit it and start programs.
 *             I2 no memory becomes executable after entry.
 *             I3 a row that answers an error is for a call that libraries make to look around and do without:
 *                glibc's and ICU's files, clone3 (whose flags cannot be seen; glibc then uses clone), isatty.
 *             I4 a call has either one unconditional row or rows that exclude each other.
 */
#include "sandbox/calls.h"

#include "base/die.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#endif
#ifndef AT_EMPTY_PATH
#define AT_EMPTY_PATH 0x1000
#endif

enum {
	BASE = 1 << 0,    /* memory, time, signals, the descriptors it has */
	SOCKETS = 1 << 1, /* talk on the sockets it has */
	ACCEPT = 1 << 2,  /* take connections from listening sockets it was given */
	MEMFD = 1 << 3,   /* bodies of letters */
	THREADS = 1 << 4,
	FILES = 1 << 5,    /* for a role with a directory, outside of which Landlock lets nothing be opened */
	NO_FILES = 1 << 6, /* the same calls answered with an error */
	NO_THREADS = 1 << 7,
	MASTER = 1 << 8, /* denials */
	TIMER = 1 << 9,  /* limit its own processor time */
	CONNECT = 1 << 10, /* reach other hosts, by TCP and UDP */
	BIND = 1 << 11     /* from an address of its choice; Landlock leaves the port to the kernel */
};

static const unsigned groups_of[SANDBOX_ROLE_COUNT] = {
	[SANDBOX_MASTER] = MASTER,
	[SANDBOX_KEYS] = BASE | SOCKETS | NO_THREADS,
	[SANDBOX_AUTH] = BASE | SOCKETS | ACCEPT | THREADS,
	[SANDBOX_EDGE] = BASE | SOCKETS | ACCEPT | MEMFD | NO_THREADS,
	[SANDBOX_POST] = BASE | SOCKETS | ACCEPT | MEMFD | NO_THREADS,
	[SANDBOX_SCAN] = BASE | SOCKETS | MEMFD | NO_THREADS | TIMER,
	[SANDBOX_STORE] = BASE | SOCKETS | ACCEPT | MEMFD | THREADS,
	[SANDBOX_RELAY] = BASE | SOCKETS | MEMFD | CONNECT | BIND | NO_THREADS,
	[SANDBOX_FETCH] = BASE | SOCKETS | MEMFD | CONNECT | NO_THREADS,
};

#define MAX_ARGS 2
struct call {
	int nr;
	unsigned groups;
	int error; /* 0: allowed; otherwise the call answers this */
	unsigned n_args;
	struct scmp_arg_cmp args[MAX_ARGS]; /* all must hold */
};

#define CALL(name, groups) { SCMP_SYS(name), groups }
#define REFUSE(name, groups, error) { SCMP_SYS(name), groups, error }
#define CALL_IF(name, groups, ...) { SCMP_SYS(name), groups, 0, 1, { { __VA_ARGS__ } } }
#define REFUSE_IF(name, groups, error, ...) { SCMP_SYS(name), groups, error, 1, { { __VA_ARGS__ } } }
#define EQ(arg, value) arg, SCMP_CMP_EQ, value, 0
#define NOT(arg, value) arg, SCMP_CMP_NE, value, 0
#define HAS(arg, bits) arg, SCMP_CMP_MASKED_EQ, bits, bits
#define HAS_NOT(arg, bits) arg, SCMP_CMP_MASKED_EQ, bits, 0

static const struct call calls[] = {
	CALL(read, BASE),
	CALL(write, BASE),
	CALL(readv, BASE),
	CALL(writev, BASE),
	CALL(pread64, BASE),
	CALL(pwrite64, BASE),
	CALL(preadv, BASE),
	CALL(pwritev, BASE),
	CALL(lseek, BASE),
	CALL(close, BASE),
	CALL(fcntl, BASE),
	CALL(fstat, BASE),
	CALL_IF(newfstatat, NO_FILES, HAS(3, AT_EMPTY_PATH)), /* glibc's fstat */
	CALL_IF(ioctl, BASE, EQ(1, FIONREAD)),
	REFUSE_IF(ioctl, BASE, ENOTTY, NOT(1, FIONREAD)),

	CALL_IF(mmap, BASE, HAS_NOT(2, PROT_EXEC)), /* I2 */
	CALL_IF(mprotect, BASE, HAS_NOT(2, PROT_EXEC)),
	CALL(munmap, BASE),
	CALL(mremap, BASE),
	CALL(madvise, BASE),
	CALL(brk, BASE),
	CALL(membarrier, BASE),

	CALL(clock_gettime, BASE),
	CALL(clock_getres, BASE),
	CALL(gettimeofday, BASE),
	CALL(time, BASE),
	CALL(clock_nanosleep, BASE),
	CALL(nanosleep, BASE),
	CALL(getrandom, BASE),

	CALL(futex, BASE),
	CALL(rseq, BASE),
	CALL(set_robust_list, BASE),
	CALL(sched_yield, BASE),
	CALL(sched_getaffinity, BASE),
	CALL(dup, BASE),
	CALL(getcpu, BASE),
	CALL(getpid, BASE),
	CALL(getppid, BASE),
	CALL(gettid, BASE),
	CALL(getuid, BASE),
	CALL(geteuid, BASE),
	CALL(getgid, BASE),
	CALL(getegid, BASE),
	CALL(getrusage, BASE),
	CALL(setitimer, TIMER),
	CALL(getrlimit, BASE),
	{ SCMP_SYS(prlimit64), BASE, 0, 2, { { EQ(0, 0) }, { EQ(2, 0) } } }, /* reads its own */
	CALL(sysinfo, BASE),
	CALL(uname, BASE),
	CALL_IF(prctl, BASE, EQ(0, PR_SET_NAME)),
	CALL_IF(prctl, BASE, EQ(0, PR_GET_DUMPABLE)),
	CALL_IF(prctl, BASE, EQ(0, PR_SET_VMA)),

	CALL(rt_sigaction, BASE),
	CALL(rt_sigprocmask, BASE),
	CALL(rt_sigreturn, BASE),
	CALL(sigaltstack, BASE),
	CALL(restart_syscall, BASE),
	CALL(exit, BASE),
	CALL(exit_group, BASE),

	CALL(epoll_create1, BASE),
	CALL(epoll_ctl, BASE),
	CALL(epoll_wait, BASE),
	CALL(epoll_pwait, BASE),
	CALL(epoll_pwait2, BASE),
	CALL(eventfd2, BASE),
	CALL(timerfd_create, BASE),
	CALL(timerfd_settime, BASE),
	CALL(signalfd4, BASE),
	CALL(pipe2, BASE),
	CALL(poll, BASE),
	CALL(ppoll, BASE),
	CALL(select, BASE),
	CALL(pselect6, BASE),

	CALL(sendmsg, SOCKETS),
	CALL(recvmsg, SOCKETS),
	CALL_IF(sendto, SOCKETS, EQ(4, 0)), /* send(2): to the peer it has */
	CALL(recvfrom, SOCKETS),
	CALL(getsockopt, SOCKETS),
	CALL(setsockopt, SOCKETS),
	CALL(getsockname, SOCKETS),
	CALL(getpeername, SOCKETS),
	CALL(shutdown, SOCKETS),
	CALL_IF(socket, CONNECT, EQ(0, AF_INET)),
	CALL_IF(socket, CONNECT, EQ(0, AF_INET6)),
	CALL(connect, CONNECT),
	REFUSE(socketpair, CONNECT, EPERM), /* libcurl's way to be woken by other threads */
	CALL(bind, BIND),
	CALL(accept, ACCEPT),
	CALL(accept4, ACCEPT),

	CALL(memfd_create, MEMFD),
	CALL(ftruncate, MEMFD | FILES),
	CALL(fallocate, MEMFD | FILES),

	CALL_IF(clone, THREADS, HAS(0, CLONE_THREAD)),
	REFUSE(clone3, THREADS | NO_THREADS, ENOSYS),
	CALL(sched_setaffinity, THREADS),
	CALL(sched_getparam, THREADS),
	CALL(sched_getscheduler, THREADS),
	CALL(setpriority, THREADS),
	CALL(getpriority, THREADS),
	CALL(ioprio_set, THREADS),
	CALL(ioprio_get, THREADS),

	CALL(open, FILES),
	CALL(openat, FILES),
	CALL(creat, FILES),
	CALL(stat, FILES),
	CALL(lstat, FILES),
	CALL(newfstatat, FILES),
	CALL(statx, FILES),
	CALL(access, FILES),
	CALL(faccessat, FILES),
	CALL(faccessat2, FILES),
	CALL(readlink, FILES),
	CALL(readlinkat, FILES),
	CALL(statfs, FILES),
	CALL(fstatfs, FILES),
	CALL(getcwd, FILES),
	CALL(getdents64, FILES),
	CALL(mkdir, FILES),
	CALL(mkdirat, FILES),
	CALL(rmdir, FILES),
	CALL(unlink, FILES),
	CALL(unlinkat, FILES),
	CALL(rename, FILES),
	CALL(renameat, FILES),
	CALL(renameat2, FILES),
	CALL(link, FILES),
	CALL(linkat, FILES),
	CALL(truncate, FILES),
	CALL(fchmod, FILES),
	CALL(flock, FILES),
	CALL(fsync, FILES),
	CALL(fdatasync, FILES),
	CALL(sync_file_range, FILES),
	CALL(fadvise64, FILES),
	CALL(readahead, FILES),
	CALL(copy_file_range, FILES),
	CALL(sendfile, FILES),
	CALL(mincore, FILES),
	CALL(msync, FILES),
	REFUSE(io_uring_setup, FILES, ENOSYS), /* RocksDB asks, and reads without it */

	REFUSE(open, NO_FILES, EACCES),
	REFUSE(openat, NO_FILES, EACCES),
	REFUSE(openat2, BASE, ENOSYS),
	REFUSE(stat, NO_FILES, EACCES),
	REFUSE(lstat, NO_FILES, EACCES),
	REFUSE_IF(newfstatat, NO_FILES, EACCES, HAS_NOT(3, AT_EMPTY_PATH)),
	REFUSE(statx, NO_FILES, ENOSYS),
	REFUSE(access, NO_FILES, EACCES),
	REFUSE(faccessat, NO_FILES, EACCES),
	REFUSE(faccessat2, NO_FILES, EACCES),
	REFUSE(readlink, NO_FILES, EACCES),
	REFUSE(readlinkat, NO_FILES, EACCES),
	REFUSE(getcwd, NO_FILES, EACCES),

#ifdef SALLYPORT_SANITIZED
	/* The sanitizers' reports: they try to start a symbolizer and to look at /proc, and go on without. */
	REFUSE(clone, NO_THREADS, EPERM),
	REFUSE_IF(clone, THREADS, EPERM, HAS_NOT(0, CLONE_THREAD)),
	REFUSE(fork, BASE, EPERM),
	REFUSE(vfork, BASE, EPERM),
	REFUSE(execve, BASE, EPERM),
	REFUSE(wait4, BASE, EPERM),
	REFUSE(process_vm_readv, BASE, EPERM),
#endif

	REFUSE(ptrace, MASTER, EPERM),
	REFUSE(process_vm_readv, MASTER, EPERM),
	REFUSE(process_vm_writev, MASTER, EPERM),
	REFUSE(kcmp, MASTER, EPERM),
	REFUSE(perf_event_open, MASTER, EPERM),
	REFUSE(bpf, MASTER, EPERM),
	REFUSE(userfaultfd, MASTER, EPERM),
	REFUSE(io_uring_setup, MASTER, ENOSYS),
	REFUSE(init_module, MASTER, EPERM),
	REFUSE(finit_module, MASTER, EPERM),
	REFUSE(delete_module, MASTER, EPERM),
	REFUSE(kexec_load, MASTER, EPERM),
	REFUSE(kexec_file_load, MASTER, EPERM),
	REFUSE(mount, MASTER, EPERM),
	REFUSE(umount2, MASTER, EPERM),
	REFUSE(pivot_root, MASTER, EPERM),
	REFUSE(move_mount, MASTER, EPERM),
	REFUSE(fsopen, MASTER, EPERM),
	REFUSE(open_tree, MASTER, EPERM),
	REFUSE(unshare, MASTER, EPERM),
	REFUSE(setns, MASTER, EPERM),
	REFUSE(swapon, MASTER, EPERM),
	REFUSE(swapoff, MASTER, EPERM),
	REFUSE(reboot, MASTER, EPERM),
	REFUSE(settimeofday, MASTER, EPERM),
	REFUSE(clock_settime, MASTER, EPERM),
	REFUSE(add_key, MASTER, EPERM),
	REFUSE(request_key, MASTER, EPERM),
	REFUSE(keyctl, MASTER, EPERM),
	REFUSE(open_by_handle_at, MASTER, EPERM),
	REFUSE(acct, MASTER, EPERM),
	REFUSE(quotactl, MASTER, EPERM),
	REFUSE(iopl, MASTER, EPERM),
	REFUSE(ioperm, MASTER, EPERM),
};

bool calls_offered(void)
{
	return prctl(PR_GET_SECCOMP, 0, 0, 0, 0) >= 0;
}

#ifdef SALLYPORT_SANITIZED
static void on_forbidden(int signal, siginfo_t *info, void *context)
{
	char what[80];

	(void)signal;
	(void)context;
	snprintf(what, sizeof what, "forbidden system call %d", info->si_syscall);
	log_last_words(what);
	_exit(128 + SIGSYS);
}

static uint32_t forbidden(void)
{
	struct sigaction act = { .sa_sigaction = on_forbidden, .sa_flags = SA_SIGINFO };

	if (sigaction(SIGSYS, &act, NULL) != 0)
		die_errno("sandbox: SIGSYS");
	return SCMP_ACT_TRAP;
}
#else
static uint32_t forbidden(void)
{
	return SCMP_ACT_KILL_PROCESS;
}
#endif

static void rule_add(scmp_filter_ctx ctx, const struct call *c)
{
	uint32_t action = c->error ? SCMP_ACT_ERRNO((unsigned)c->error) : SCMP_ACT_ALLOW;
	int rc = seccomp_rule_add_array(ctx, action, c->nr, c->n_args, c->args);

	if (rc != 0)
		die("seccomp: rule %zu for call %d: %s", (size_t)(c - calls), c->nr, strerror(-rc));
}

void calls_enter(enum sandbox_role role, bool files)
{
	bool master = groups_of[role] & MASTER;
	unsigned groups = groups_of[role] | (master ? 0 : files ? FILES : NO_FILES);
	scmp_filter_ctx ctx = seccomp_init(master ? SCMP_ACT_ALLOW : forbidden());
	struct call kill_self = CALL_IF(tgkill, 0, EQ(0, (scmp_datum_t)getpid())); /* abort(3) */
	int rc;

	if (!ctx)
		die("seccomp: no filter");
	for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
		if (calls[i].groups & groups)
			rule_add(ctx, &calls[i]);
	if (!master)
		rule_add(ctx, &kill_self);
	rc = seccomp_load(ctx);
	if (rc != 0)
		die("seccomp: entering: %s", strerror(-rc));
	seccomp_release(ctx);
}
