/* role/master_logins.c - the passwords that routes log in with: read from their files, handed to relay alone
 * Purpose     they are read at the start and at each reload, with all else that the configuration names; a file that cannot be used is an error then.
 * Trust       files are the operator's.
 * Owns        the passwords of the configuration in use, so that a relay that is started again has them; wiped when they are given back.
 */
#include "role/master_impl.h"

#include "base/die.h"
#include "base/file.h"
#include "ipc_gen.h"

#include <openssl/crypto.h>
#include <stdlib.h>

#define PASSWORD_FILE_MAX ((size_t)4096)

void master_logins_free(struct str *v, size_t n)
{
	for (size_t i = 0; v && i < n; i++)
		if (v[i].p) {
			OPENSSL_cleanse((void *)(uintptr_t)v[i].p, v[i].n);
			free((void *)(uintptr_t)v[i].p);
		}
	free(v);
}

/* The file's first line. */
static bool read_password(const struct conf_route *r, struct str *out, struct buf *why)
{
	struct str text, rest, line = { 0 };
	bool ok;

	if (!file_read(r->password_file.p, PASSWORD_FILE_MAX, &text, why))
		return false;
	rest = text;
	str_split(&rest, '\n', &line);
	if (str_ends(line, STR("\r")))
		line.n--;
	ok = line.n > 0 && line.n <= IPC_ROUTE_LOGIN_SECRET_MAX && str_find(line, 0) < 0;
	if (ok)
		*out = str_of(mem_dup(line.p, line.n), line.n);
	else
		buf_addf(why, "%s: its first line is no password of 1 to %d bytes\n", r->password_file.p, IPC_ROUTE_LOGIN_SECRET_MAX);
	OPENSSL_cleanse((void *)(uintptr_t)text.p, text.n);
	free((void *)(uintptr_t)text.p);
	return ok;
}

bool master_read_logins(const struct conf *c, struct str **out, struct buf *why)
{
	bool ok = true;

	*out = mem_array(c->n_routes + 1, sizeof **out);
	for (size_t i = 0; i < c->n_routes; i++)
		if (c->routes[i].login.n && !read_password(&c->routes[i], &(*out)[i], why))
			ok = false;
	if (!ok) {
		master_logins_free(*out, c->n_routes);
		*out = NULL;
	}
	return ok;
}

void master_send_logins(struct child *c)
{
	struct master *m = c->master;

	for (size_t i = 0; m->logins && i < m->conf->n_routes; i++)
		if (m->logins[i].p)
			ipc_route_login_cast(c->peer, &(struct ipc_route_login){ .route = (uint16_t)i, .secret = m->logins[i] });
}
