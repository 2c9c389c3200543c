/* role/master_conf.c - what master reads and makes before any role starts: configuration, directories. */
#include "role/master_impl.h"

#include "base/die.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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
