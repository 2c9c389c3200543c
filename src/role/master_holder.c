/* role/master_holder.c - which program holds an address: for messages about ports and paths in use.
 * Purpose     /proc/net tells a listening socket's inode, /proc/PID/fd who has it open. What cannot be read is not told.
 */
#include "role/master_impl.h"

#include "base/cur.h"
#include "base/die.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TCP_LISTEN_STATE "0A"
#define UNIX_LISTEN_FLAGS "00010000" /* __SO_ACCEPTCON */
#define LINE_BYTES 512

/* The field of a line of /proc/net, counted from 0. */
static struct str field(struct str line, unsigned n)
{
	struct str rest = line, f = { 0 };

	while (str_split(&rest, ' ', &f))
		if (f.n && n-- == 0)
			return str_trim(f);
	return (struct str){ 0 };
}

/* The address of a socket as /proc/net/tcp writes it: words of four bytes in the machine's order, in hex; a colon; the port. */
static void proc_address(const struct bound *b, char *out, size_t size)
{
	size_t n = 0, words = b->address.family == AF_INET ? 1 : 4;

	for (size_t i = 0; i < words; i++) {
		uint32_t w;

		memcpy(&w, b->address.bytes + 4 * i, 4);
		n += (size_t)snprintf(out + n, size - n, "%08X", w);
	}
	snprintf(out + n, size - n, ":%04X", b->port);
}

/* A socket on the same port stands in the way when either is of all addresses; a dual-stack :: is in IPv4's way as well. */
static bool in_the_way(struct str line, const struct bound *b)
{
	struct str local = field(line, 1), address, port;
	char own[48];
	struct str mine;
	ssize_t colon = str_find(local, ':');
	bool any = true, mine_any = true;

	if (colon < 0 || !str_eq(field(line, 3), STR(TCP_LISTEN_STATE)))
		return false;
	proc_address(b, own, sizeof own);
	mine = str_z(own);
	address = str_sub(local, 0, (size_t)colon);
	port = str_from(local, (size_t)colon);
	if (!str_ends(mine, port))
		return false;
	for (size_t i = 0; i < address.n; i++)
		any = any && address.p[i] == '0';
	for (size_t i = 0; i + port.n < mine.n; i++)
		mine_any = mine_any && mine.p[i] == '0';
	return any || mine_any || str_eq(local, mine);
}

/* Connections that wait there are listed under the path too. */
static bool is_at_path(struct str line, const struct bound *b)
{
	return str_eq(field(line, 3), STR(UNIX_LISTEN_FLAGS)) && str_eq(field(line, 7), str_z(b->path));
}

static bool inode_in(const char *file, unsigned inode_field, bool (*is)(struct str line, const struct bound *b), const struct bound *b,
	struct buf *inode)
{
	FILE *f = fopen(file, "re");
	char line[LINE_BYTES];
	bool found = false;

	while (f && !found && fgets(line, sizeof line, f))
		if (is(str_trim(str_z(line)), b)) {
			buf_add(inode, field(str_trim(str_z(line)), inode_field));
			found = true;
		}
	if (f)
		fclose(f);
	return found;
}

static bool inode_of(const struct bound *b, struct buf *inode)
{
	if (b->address.family == AF_UNIX)
		return inode_in("/proc/net/unix", 6, is_at_path, b, inode);
	return (b->address.family == AF_INET && inode_in("/proc/net/tcp", 9, in_the_way, b, inode)) ||
		inode_in("/proc/net/tcp6", 9, in_the_way, b, inode);
}

static bool has_open(const char *pid, struct str link)
{
	char dir[64], target[64];
	struct dirent *e;
	bool found = false;
	DIR *d;

	snprintf(dir, sizeof dir, "/proc/%.20s/fd", pid);
	d = opendir(dir);
	while (d && !found && (e = readdir(d))) {
		ssize_t n = readlinkat(dirfd(d), e->d_name, target, sizeof target);

		found = n > 0 && str_eq(str_of(target, (size_t)n), link);
	}
	if (d)
		closedir(d);
	return found;
}

static void name_of(const char *pid, struct buf *out)
{
	char path[64], name[32] = "";
	FILE *f;

	snprintf(path, sizeof path, "/proc/%.20s/comm", pid);
	f = fopen(path, "re");
	if (f) {
		if (!fgets(name, sizeof name, f))
			name[0] = 0;
		fclose(f);
	}
	for (struct str s = str_trim(str_z(name)); s.n; s = str_from(s, 1))
		buf_addc(out, ascii_is_print(s.p[0]) ? s.p[0] : '?');
	buf_addf(out, " (pid %.20s)", pid);
}

bool master_holder(const struct bound *b, struct buf *out)
{
	struct dirent *e;
	struct buf link;
	bool found = false;
	DIR *d = opendir("/proc");

	buf_init(&link, 64);
	buf_addz(&link, "socket:[");
	if (inode_of(b, &link)) {
		buf_addc(&link, ']');
		while (d && !found && (e = readdir(d)))
			if (ascii_is_digit(e->d_name[0]) && has_open(e->d_name, buf_str(&link))) {
				name_of(e->d_name, out);
				found = true;
			}
	}
	if (d)
		closedir(d);
	buf_fini(&link);
	return found;
}
