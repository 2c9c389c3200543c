/* role/master_conf.c - what master reads and makes before any role starts: configuration, certificate, directories, sockets. */
#include "role/master_impl.h"

#include "base/die.h"
#include "base/file.h"
#include "net/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX ((size_t)1 << 20)

bool master_read_conf(const char *path, struct conf **conf, struct str *text, struct buf *why)
{
	struct conf_errors errors;
	bool ok;

	if (!file_read(path, FILE_MAX, text, why))
		return false;
	conf_errors_init(&errors);
	ok = conf_parse(*text, path, conf, &errors);
	if (!ok) {
		buf_add(why, buf_str(&errors.text));
		free((void *)(uintptr_t)text->p);
	}
	conf_errors_fini(&errors);
	return ok;
}

bool master_read_tls(const struct conf *c, struct str *chain, int *key_fd, struct buf *why)
{
	struct tls_server *t;
	char reason[256];

	*chain = (struct str){ 0 };
	*key_fd = -1;
	if (c->tls.certificate.n == 0)
		return true;
	if (!file_read(c->tls.certificate.p, FILE_MAX, chain, why))
		return false;
	t = tls_server_new(*chain, (struct str){ 0 }, c->tls.min_version, NULL, reason);
	if (!t) {
		buf_addf(why, "%s: %s\n", c->tls.certificate.p, reason);
		return false;
	}
	tls_server_put(t);
	*key_fd = open(c->tls.key.p, O_RDONLY | O_CLOEXEC);
	if (*key_fd < 0)
		buf_addf(why, "%s: cannot be opened: %s\n", c->tls.key.p, strerror(errno));
	return *key_fd >= 0;
}

static bool make_dir(const char *path, mode_t mode, const struct passwd *owner, struct buf *why)
{
	struct stat st;

	if (mkdir(path, mode) != 0 && errno != EEXIST) {
		buf_addf(why, "%s: cannot be made: %s\n", path, strerror(errno));
		return false;
	}
	if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode)) {
		buf_addf(why, "%s: is not a directory\n", path);
		return false;
	}
	if (owner && st.st_uid != owner->pw_uid && chown(path, owner->pw_uid, owner->pw_gid) != 0) {
		buf_addf(why, "%s: cannot be given to user %s: %s\n", path, owner->pw_name, strerror(errno));
		return false;
	}
	return true;
}

bool master_make_dirs(const struct conf *c, struct buf *why)
{
	struct passwd *pw = NULL;
	char empty[300]; /* where roles are locked in */

	snprintf(empty, sizeof empty, "%s/empty", c->run_dir.p);
	if (geteuid() == 0) {
		pw = getpwnam(c->user.p);
		if (!pw) {
			buf_addf(why, "user %s: no such user on this system; make it, or name another with: user NAME\n", c->user.p);
			return false;
		}
	}
	return make_dir(c->data_dir.p, 0700, pw, why) && make_dir(c->run_dir.p, 0755, NULL, why) &&
		make_dir(empty, 0555, NULL, why);
}

/* ---- sockets */

static socklen_t sockaddr_of(const struct conf_address *a, uint16_t port, struct sockaddr_storage *out)
{
	memset(out, 0, sizeof *out);
	if (a->family == AF_INET6) {
		struct sockaddr_in6 *s = (void *)out;

		s->sin6_family = AF_INET6;
		s->sin6_port = htons(port);
		memcpy(&s->sin6_addr, a->bytes, 16);
		return sizeof *s;
	}
	struct sockaddr_in *s = (void *)out;

	s->sin_family = AF_INET;
	s->sin_port = htons(port);
	memcpy(&s->sin_addr, a->bytes, 4);
	return sizeof *s;
}

static void explain_bind(const struct master *m, const struct conf_listener *l, int err, struct buf *why)
{
	const char *way_out = err == EADDRINUSE ? "another program has this port; stop it, or choose another port" :
		err == EACCES ? "ports below 1024 need root or CAP_NET_BIND_SERVICE" :
		err == EADDRNOTAVAIL ? "this machine has no such address" :
				       strerror(err);

	buf_addf(why, "%s:%u: listen %s: cannot bind %s port %u: %s\n", m->conf_path, l->line, conf_service_name(l->service), l->address.text,
		l->port, way_out);
}

/* A listening socket, or -1 with errno. */
static int open_listener(const struct conf_listener *l)
{
	int fd = socket(l->address.family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct sockaddr_storage ss;
	socklen_t n = sockaddr_of(&l->address, l->port, &ss);
	int err;

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
	if (l->address.family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &(int){ 1 }, sizeof(int));
	if (bind(fd, (struct sockaddr *)&ss, n) == 0 && listen(fd, 1024) == 0)
		return fd;
	err = errno;
	close(fd);
	errno = err;
	return -1;
}

static struct bound *find_bound(struct master *m, const struct conf_listener *l)
{
	for (size_t i = 0; i < m->n_bound; i++)
		if (m->bound[i].port == l->port && str_eq(str_z(m->bound[i].address.text), str_z(l->address.text)))
			return &m->bound[i];
	return NULL;
}

static bool bind_one(struct master *m, const struct conf_listener *l, struct buf *why)
{
	struct bound *b = find_bound(m, l);
	int fd;

	if (b) {
		b->wanted = true;
		return true;
	}
	fd = open_listener(l);
	if (fd < 0 && !l->address_given && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL))
		return true; /* a family that this kernel does not have */
	if (fd < 0) {
		explain_bind(m, l, errno, why);
		return false;
	}
	die_unless(m->n_bound < CONF_LISTENERS_MAX, "more sockets than listeners");
	m->bound[m->n_bound++] = (struct bound){ l->address, l->port, fd, true };
	return true;
}

bool master_bind(struct master *m, const struct conf *c, struct buf *why)
{
	size_t before = m->n_bound;
	bool ok = true;

	for (size_t i = 0; i < m->n_bound; i++)
		m->bound[i].wanted = false;
	for (size_t i = 0; i < c->n_listeners; i++)
		ok = bind_one(m, &c->listeners[i], why) && ok;
	for (size_t i = m->n_bound; i > 0; i--) {
		struct bound *b = &m->bound[i - 1];
		bool close_it = ok ? !b->wanted : i - 1 >= before; /* on failure all stays as it was */

		if (!close_it)
			continue;
		close(b->fd);
		memmove(b, b + 1, (m->n_bound - i) * sizeof *b);
		m->n_bound--;
	}
	return ok;
}
