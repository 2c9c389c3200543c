/* role/master_dkim.c - the keys that sign letters, from keys_dir/dkim/DOMAIN/SELECTOR.pem to role keys.
 * Trust       files are the operator's. They are opened here and read there.
 * Invariants  I1 what is no domain's directory and no selector's file is passed over; a key that cannot be opened is said and passed over.
 */
#include "role/master_impl.h"

#include "ipc_gen.h"
#include "mail/path.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEYS_MAX 4096 /* of all domains; each is a descriptor on its way for a moment */

struct dkim_walk {
	struct child *child;
	size_t n;
};

static int listed(const struct dirent *e)
{
	return e->d_name[0] != '.';
}

static void send_key(struct dkim_walk *w, int dir, struct str domain, const char *name)
{
	struct str selector = str_z(name);
	struct stat st;
	int fd;

	if (!str_ends(selector, STR(".pem")))
		return;
	selector.n -= 4;
	if (!mail_domain_ok(selector) || selector.n > IPC_DKIM_KEY_SELECTOR_MAX)
		return;
	fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) != 0) {
		log_error(&w->child->master->log, "dkim-key-refused", "the key %.*s of %.*s cannot be opened: %s", STR_ARG(selector), STR_ARG(domain),
			strerror(errno));
	} else if (++w->n <= KEYS_MAX) {
		ipc_dkim_key_cast(w->child->peer, &(struct ipc_dkim_key){ .domain = domain, .selector = selector, .made_s = st.st_mtime, .pem = fd });
	}
	if (fd >= 0)
		close(fd);
}

static void send_domain(struct dkim_walk *w, int top, const char *name)
{
	struct str domain = str_z(name);
	int dir = mail_domain_ok(domain) ? openat(top, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1, n;
	struct dirent **names;

	if (dir < 0)
		return;
	n = scandirat(dir, ".", &names, listed, alphasort);
	for (int i = 0; i < n; i++) {
		send_key(w, dir, domain, names[i]->d_name);
		free(names[i]);
	}
	if (n >= 0)
		free(names);
	close(dir);
}

void master_send_letter_keys(struct child *c)
{
	struct dkim_walk w = { .child = c };
	struct str keys_dir = c->master->conf->keys_dir;
	int base = open(keys_dir.p, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int top = base >= 0 ? openat(base, "dkim", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1, n = -1;
	struct dirent **names;

	if (top >= 0)
		n = scandirat(top, ".", &names, listed, alphasort);
	for (int i = 0; i < n; i++) {
		send_domain(&w, top, names[i]->d_name);
		free(names[i]);
	}
	if (n >= 0)
		free(names);
	if (w.n > KEYS_MAX)
		log_error(&c->master->log, "dkim-keys-many", "%zu keys in %.*s/dkim; the first %d are used", w.n, STR_ARG(keys_dir), KEYS_MAX);
	if (top >= 0)
		close(top);
	if (base >= 0)
		close(base);
	ipc_dkim_keys_end_cast(c->peer);
}
