/* sandbox/landlock.c - Landlock by raw system calls (Documentation/userspace-api/landlock.rst)
 * Purpose     deny all files but one directory, all TCP, and signals to others.
 * Invariants  asks for every right that the running kernel knows, so that a newer kernel closes more without a change
 *             of the headers this was built with: those of Debian 12 stop at ABI 2.
 */
#include "sandbox/landlock.h"

#include "base/die.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule 445
#define SYS_landlock_restrict_self 446
#endif

#define CREATE_RULESET_VERSION 1u
#define RULE_PATH_BENEATH 1
#define RULE_NET_PORT 2

/* Rights on files, by the ABI that brought them. */
#define FS_EXECUTE (1ull << 0)
#define FS_WRITE_FILE (1ull << 1)
#define FS_READ_FILE (1ull << 2)
#define FS_READ_DIR (1ull << 3)
#define FS_REMOVE_DIR (1ull << 4)
#define FS_REMOVE_FILE (1ull << 5)
#define FS_MAKE_DIR (1ull << 7)
#define FS_MAKE_REG (1ull << 8)
#define FS_ALL_ABI_1 ((1ull << 13) - 1)
#define FS_REFER (1ull << 13)     /* ABI 2 */
#define FS_TRUNCATE (1ull << 14)  /* ABI 3 */
#define FS_IOCTL_DEV (1ull << 15) /* ABI 5 */
#define NET_BIND_TCP (1ull << 0)  /* ABI 4 */
#define NET_CONNECT_TCP (1ull << 1)
#define SCOPE_ABSTRACT_UNIX_SOCKET (1ull << 0) /* ABI 6 */
#define SCOPE_SIGNAL (1ull << 1)

/* What a role may do below its directory: all that a database does with plain files. */
#define FS_OWN                                                                                                         \
	(FS_WRITE_FILE | FS_READ_FILE | FS_READ_DIR | FS_REMOVE_DIR | FS_REMOVE_FILE | FS_MAKE_DIR | FS_MAKE_REG |     \
		FS_REFER | FS_TRUNCATE)

struct ruleset_attr {
	uint64_t handled_fs;
	uint64_t handled_net; /* ABI 4 */
	uint64_t scoped;      /* ABI 6 */
};

struct path_beneath_attr {
	uint64_t allowed;
	int32_t parent_fd;
} __attribute__((packed));

struct net_port_attr {
	uint64_t allowed;
	uint64_t port; /* 0, of NET_BIND_TCP: one that the kernel chooses */
};

int landlock_abi(void)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_RULESET_VERSION);

	/* EPERM: not the kernel's answer but that of a container's seccomp filter which does not know the call. */
	if (abi < 0 && errno != ENOSYS && errno != EOPNOTSUPP && errno != EPERM)
		die_errno("landlock: asking for the version");
	return abi < 0 ? 0 : (int)abi;
}

int landlock_dir_open(const char *path)
{
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		die_errno("sandbox: opening %s", path);
	return fd;
}

static uint64_t fs_rights(int abi)
{
	uint64_t rights = FS_ALL_ABI_1;

	if (abi >= 2)
		rights |= FS_REFER;
	if (abi >= 3)
		rights |= FS_TRUNCATE;
	if (abi >= 5)
		rights |= FS_IOCTL_DEV;
	return rights;
}

/* An older kernel refuses a larger structure with unknown bits; it takes the part it knows. */
static size_t attr_size(int abi)
{
	if (abi >= 6)
		return sizeof(struct ruleset_attr);
	return abi >= 4 ? offsetof(struct ruleset_attr, scoped) : offsetof(struct ruleset_attr, handled_net);
}

void landlock_enter(int abi, int dir_fd, bool connects, bool binds)
{
	struct ruleset_attr attr = {
		.handled_fs = fs_rights(abi),
		.handled_net = abi < 4 ? 0 : connects ? NET_BIND_TCP : NET_BIND_TCP | NET_CONNECT_TCP,
		.scoped = abi >= 6 ? SCOPE_ABSTRACT_UNIX_SOCKET | SCOPE_SIGNAL : 0,
	};
	struct path_beneath_attr rule = { .allowed = FS_OWN & attr.handled_fs, .parent_fd = dir_fd };
	struct net_port_attr any_port = { .allowed = NET_BIND_TCP, .port = 0 };
	int fd = (int)syscall(SYS_landlock_create_ruleset, &attr, attr_size(abi), 0);

	if (fd < 0)
		die_errno("landlock: making the rules");
	if (dir_fd >= 0 && syscall(SYS_landlock_add_rule, fd, RULE_PATH_BENEATH, &rule, 0) != 0)
		die_errno("landlock: adding the directory");
	if (binds && attr.handled_net && syscall(SYS_landlock_add_rule, fd, RULE_NET_PORT, &any_port, 0) != 0)
		die_errno("landlock: adding the port");
	if (syscall(SYS_landlock_restrict_self, fd, 0) != 0)
		die_errno("landlock: entering");
	close(fd);
}
