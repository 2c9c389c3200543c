/* role/master_sockets.c - listening sockets: bound here, or handed over by the service manager.
 * Purpose     a socket for each listener of the configuration, kept open for as long as the server lives.
 * Owns        master's bound[]; the files of unix sockets that were bound here.
 * Invariants  I1 what the configuration does not change is never closed in between. I2 a handed socket that no listener names is an
 *             error: connections to it would wait for ever.
 */
#include "role/master_impl.h"

#include "base/cur.h"
#include "base/die.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 1024
#define HANDED_FIRST 3 /* SD_LISTEN_FDS_START */

/* ---- names of places */

static void place_show(const struct bound *b, struct buf *out)
{
	if (b->address.family == AF_UNIX)
		buf_addz(out, b->path);
	else
		buf_addf(out, "%s port %u", b->address.text, b->port);
}

static struct bound place_of(const struct conf_listener *l)
{
	struct bound b = { .address = l->address, .port = l->path.n ? 0 : l->port, .fd = -1 };

	if (l->path.n)
		snprintf(b.path, sizeof b.path, "%s", l->path.p);
	return b;
}

static bool same_place(const struct bound *a, const struct bound *b)
{
	if (a->address.family != b->address.family)
		return false;
	if (a->address.family == AF_UNIX)
		return strcmp(a->path, b->path) == 0;
	return a->port == b->port && memcmp(a->address.bytes, b->address.bytes, 16) == 0;
}

/* A :: that takes IPv4 too stands for 0.0.0.0 of the same port. */
static bool covers(const struct bound *b, const struct bound *wanted)
{
	static const uint8_t any[16];

	return b->dual && wanted->address.family == AF_INET && b->port == wanted->port && memcmp(wanted->address.bytes, any, 16) == 0;
}

static struct bound *find(struct master *m, const struct bound *wanted)
{
	for (size_t i = 0; i < m->n_bound; i++)
		if (same_place(&m->bound[i], wanted))
			return &m->bound[i];
	return NULL;
}

struct bound *master_bound_of(struct master *m, const struct conf_listener *l)
{
	struct bound wanted = place_of(l);

	return find(m, &wanted);
}

/* ---- handed over by the service manager (sd_listen_fds(3)) */

static bool inet_place(const struct sockaddr_storage *ss, struct bound *b)
{
	const struct sockaddr_in6 *six = (const void *)ss;
	const struct sockaddr_in *four = (const void *)ss;
	int only = 1;
	socklen_t n = sizeof only;

	b->address.family = ss->ss_family;
	if (ss->ss_family == AF_INET6) {
		memcpy(b->address.bytes, &six->sin6_addr, 16);
		b->port = ntohs(six->sin6_port);
		b->dual = getsockopt(b->fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, &n) == 0 && !only && IN6_IS_ADDR_UNSPECIFIED(&six->sin6_addr);
	} else {
		memcpy(b->address.bytes, &four->sin_addr, 4);
		b->port = ntohs(four->sin_port);
	}
	return inet_ntop(ss->ss_family, b->address.bytes, b->address.text, sizeof b->address.text) != NULL;
}

static bool place_of_fd(int fd, struct bound *b)
{
	struct sockaddr_storage ss = { 0 };
	struct sockaddr_un *un = (void *)&ss;
	socklen_t n = sizeof ss, n_int = sizeof(int);
	int listens = 0, type = 0;

	*b = (struct bound){ .fd = fd, .handed = true };
	if (getsockname(fd, (struct sockaddr *)&ss, &n) != 0 || getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n_int) != 0 ||
		getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &n_int) != 0 || type != SOCK_STREAM || !listens)
		return false;
	if (ss.ss_family == AF_INET || ss.ss_family == AF_INET6)
		return inet_place(&ss, b);
	if (ss.ss_family != AF_UNIX || un->sun_path[0] != '/' || n > sizeof *un)
		return false;
	b->address.family = AF_UNIX;
	memcpy(b->path, un->sun_path, sizeof b->path - 1);
	return true;
}

static bool number_of(const char *name, uint32_t *out)
{
	const char *text = getenv(name);
	struct cur c = cur_of(str_z(text));

	*out = cur_u32(&c);
	return text && cur_done(&c);
}

static bool take_one(struct master *m, int fd, struct str name, struct buf *why)
{
	struct bound b;

	fcntl(fd, F_SETFD, FD_CLOEXEC);
	if (!place_of_fd(fd, &b)) {
		buf_addf(why, "LISTEN_FDS: descriptor %d (%.*s) is no listening stream socket of IPv4, IPv6 or a path; use ListenStream= in the .socket unit\n",
			fd, STR_ARG(name));
		return false;
	}
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	snprintf(b.name, sizeof b.name, "%.*s", STR_ARG(name));
	m->bound[m->n_bound++] = b;
	return true;
}

bool master_take_sockets(struct master *m, struct buf *why)
{
	struct str names = str_z(getenv("LISTEN_FDNAMES"));
	uint32_t pid, n;
	bool ok = true;

	if (!number_of("LISTEN_PID", &pid) || !number_of("LISTEN_FDS", &n) || pid != (uint32_t)getpid())
		return true;
	if (n > CONF_LISTENERS_MAX) {
		buf_addf(why, "LISTEN_FDS: %u sockets are handed over, and %d are the most; take some out of the .socket unit\n", n, CONF_LISTENERS_MAX);
		return false;
	}
	for (uint32_t i = 0; i < n; i++) {
		struct str name = { 0 };

		if (!str_split(&names, ':', &name) || name.n == 0)
			name = STR("unnamed");
		ok = take_one(m, HANDED_FIRST + (int)i, name, why) && ok;
	}
	unsetenv("LISTEN_PID"); /* not for the processes started here */
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	return ok;
}

/* ---- binding */

static socklen_t sockaddr_of(const struct bound *b, struct sockaddr_storage *out)
{
	struct sockaddr_in6 *six = (void *)out;
	struct sockaddr_in *four = (void *)out;
	struct sockaddr_un *un = (void *)out;

	memset(out, 0, sizeof *out);
	out->ss_family = (sa_family_t)b->address.family;
	if (b->address.family == AF_UNIX) {
		memcpy(un->sun_path, b->path, sizeof un->sun_path);
		return sizeof *un;
	}
	if (b->address.family == AF_INET6) {
		six->sin6_port = htons(b->port);
		memcpy(&six->sin6_addr, b->address.bytes, 16);
		return sizeof *six;
	}
	four->sin_port = htons(b->port);
	memcpy(&four->sin_addr, b->address.bytes, 4);
	return sizeof *four;
}

static void explain(const struct master *m, const struct conf_listener *l, const struct bound *b, int err, struct buf *why)
{
	bool is_path = l->path.n != 0;

	buf_addf(why, "%s:%u: listen %s: cannot bind ", m->conf_path, l->line, conf_service_name(l->service));
	place_show(b, why);
	buf_addz(why, ": ");
	if (err == EADDRINUSE) {
		if (!master_holder(b, why))
			buf_addz(why, "another program");
		buf_addf(why, " has this %s; stop it, or choose another\n", is_path ? "path" : "port");
	} else if (err == EACCES && !is_path) {
		buf_addz(why, "ports below 1024 need root or CAP_NET_BIND_SERVICE\n");
	} else if (err == EADDRNOTAVAIL) {
		buf_addz(why, "this machine has no such address\n");
	} else if (err == ENOENT && is_path) {
		buf_addz(why, "its directory does not exist; make it, or choose another path\n");
	} else if (err == EEXIST && is_path) {
		buf_addz(why, "a file that is no socket is there; remove it, or choose another path\n");
	} else if (err == ESRCH) {
		buf_addf(why, "no such group on this system: %s; make it, or name another with: group NAME\n", l->group.p);
	} else {
		buf_addf(why, "%s\n", strerror(err));
	}
}

/* The file of a socket that nobody listens on any more is in the way; anything else there stays. 0, or an errno. */
static int clear_path(const struct bound *b)
{
	struct sockaddr_storage ss;
	socklen_t n = sockaddr_of(b, &ss);
	struct stat st;
	bool alive;
	int fd;

	if (lstat(b->path, &st) != 0)
		return errno == ENOENT ? 0 : errno;
	if (!S_ISSOCK(st.st_mode))
		return EEXIST;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	alive = fd >= 0 && (connect(fd, (struct sockaddr *)&ss, n) == 0 || errno != ECONNREFUSED);
	if (fd >= 0)
		close(fd);
	return alive ? EADDRINUSE : unlink(b->path) == 0 ? 0 : errno;
}

static int give_to_group(const struct conf_listener *l)
{
	struct group *g = l->group.n ? getgrnam(l->group.p) : NULL;

	if (l->group.n && !g)
		return ESRCH;
	return g && chown(l->path.p, (uid_t)-1, g->gr_gid) != 0 ? errno : 0;
}

static int bind_path(const struct conf_listener *l, const struct bound *b, int fd)
{
	struct sockaddr_storage ss;
	socklen_t n = sockaddr_of(b, &ss);
	int err = clear_path(b);
	mode_t mask;

	if (err)
		return err;
	mask = umask(0117); /* 0660 from its first moment */
	err = bind(fd, (struct sockaddr *)&ss, n) == 0 ? 0 : errno;
	umask(mask);
	if (err)
		return err;
	err = give_to_group(l);
	if (!err && listen(fd, BACKLOG) != 0)
		err = errno;
	if (err)
		unlink(b->path);
	return err;
}

static int bind_inet(const struct bound *b, int fd)
{
	struct sockaddr_storage ss;
	socklen_t n = sockaddr_of(b, &ss);

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
	if (b->address.family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &(int){ 1 }, sizeof(int));
	return bind(fd, (struct sockaddr *)&ss, n) == 0 && listen(fd, BACKLOG) == 0 ? 0 : errno;
}

/* 0 and b->fd, or an errno. */
static int open_socket(const struct conf_listener *l, struct bound *b)
{
	int fd = socket(b->address.family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), err;

	if (fd < 0)
		return errno;
	err = l->path.n ? bind_path(l, b, fd) : bind_inet(b, fd);
	if (err)
		close(fd);
	else
		b->fd = fd;
	return err;
}

/* Some listener of the same block is served by a socket that takes what this one is for. */
static bool is_covered(struct master *m, const struct conf *c, const struct conf_listener *l, const struct bound *wanted)
{
	for (size_t i = 0; i < c->n_listeners; i++) {
		const struct conf_listener *other = &c->listeners[i];
		struct bound *b = other->block == l->block ? master_bound_of(m, other) : NULL;

		if (b && covers(b, wanted))
			return true;
	}
	return false;
}

static bool bind_one(struct master *m, const struct conf *c, const struct conf_listener *l, struct buf *why)
{
	struct bound wanted = place_of(l), *b = find(m, &wanted);
	int err;

	if (b) {
		b->wanted = true;
		return true;
	}
	if (is_covered(m, c, l, &wanted))
		return true;
	err = open_socket(l, &wanted);
	if (!l->address_given && !l->path.n && (err == EAFNOSUPPORT || err == EADDRNOTAVAIL))
		return true; /* a family that this kernel does not have */
	if (err) {
		explain(m, l, &wanted, err, why);
		return false;
	}
	die_unless(m->n_bound < sizeof m->bound / sizeof *m->bound, "more sockets than listeners");
	wanted.wanted = true;
	m->bound[m->n_bound++] = wanted;
	return true;
}

/* I2. */
static bool all_handed_wanted(const struct master *m, struct buf *why)
{
	bool ok = true;

	for (size_t i = 0; i < m->n_bound; i++) {
		const struct bound *b = &m->bound[i];

		if (!b->handed || b->wanted)
			continue;
		ok = false;
		buf_addf(why, "%s: the service manager handed over the socket %s, bound to ", m->conf_path, b->name);
		place_show(b, why);
		buf_addz(why, ", which no listen block names; add one, or take it out of the .socket unit\n");
	}
	return ok;
}

static void close_one(struct bound *b)
{
	close(b->fd);
	if (b->address.family == AF_UNIX && !b->handed)
		unlink(b->path);
}

bool master_bind(struct master *m, const struct conf *c, struct buf *why)
{
	size_t before = m->n_bound;
	bool ok = true;

	for (size_t i = 0; i < m->n_bound; i++)
		m->bound[i].wanted = false;
	for (size_t i = 0; !m->closed && i < c->n_listeners; i++)
		ok = bind_one(m, c, &c->listeners[i], why) && ok;
	ok = (m->closed || all_handed_wanted(m, why)) && ok;
	for (size_t i = m->n_bound; i > 0; i--) {
		struct bound *b = &m->bound[i - 1];
		bool close_it = ok ? !b->wanted : i - 1 >= before; /* on failure all stays as it was */

		if (!close_it)
			continue;
		close_one(b);
		memmove(b, b + 1, (m->n_bound - i) * sizeof *b);
		m->n_bound--;
	}
	return ok;
}

void master_close_sockets(struct master *m)
{
	while (m->n_bound)
		close_one(&m->bound[--m->n_bound]);
}
