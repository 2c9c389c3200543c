/* move/from_eml.c - a file with one letter, or a tree of directories with .eml files, each directory a folder.
 * Purpose     letters with the dates of their files.
 * Suspends    while enough letters are under way.
 */
#include "move/source.h"

#include "base/vec.h"
#include "ipc/words.h"
#include "move/name.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ARENA_MAX ((size_t)1 << 30)
#define DEPTH_MAX 32

struct dir {
	char *path;
	struct str folder; /* "": the top */
	unsigned depth;
};

struct tree {
	struct mover *m;
	struct arena a;
	struct VEC(struct dir) dirs; /* those still to be looked into */
};

static bool is_eml(const char *name)
{
	size_t n = strlen(name);

	return n > 4 && strcasecmp(name + n - 4, ".eml") == 0;
}

static SUSPENDS void send_file(struct tree *t, const struct folder_to *to, int dir_fd, const char *path, const char *name)
{
	struct sending *s = mover_begin(t->m, 0);
	struct str parts[] = { STR("eml"), to->name, str_z(name) };
	uint32_t uid = 0;

	s->name = str_z(path);
	s->q.mailbox = to->name;
	s->q.id = move_id(&s->arena, parts, 3);
	if (!mover_known(t->m, &s->q.id, 1, &uid) || uid) {
		mover_forget(s);
		if (uid)
			mover_skip(t->m, 0);
	} else if (source_read(s, dir_fd, name)) {
		mover_send(s);
	} else {
		mover_drop(s, NULL);
	}
}

static SUSPENDS void send_directory(struct tree *t, const struct dir *d, const struct names *names)
{
	struct folder_in in = { .name = source_folder(t->m, &t->a, d->folder.n ? d->folder : STR("INBOX")) };
	struct folder_counts before = mover_counts(t->m);
	int fd = open(d->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct folder_to to = { .name = in.name };

	in.special = name_special(in.name);
	if (fd >= 0 && mover_folder(t->m, &in, &to)) {
		for (size_t i = 0; i < names->n && mover_goes_on(t->m); i++)
			if (is_eml(names->v[i]))
				send_file(t, &to, fd, source_path(&t->a, d->path, names->v[i]), names->v[i]);
		mover_folder_end(t->m, &in);
	}
	mover_wait_all(t->m);
	if (fd >= 0)
		close(fd);
	mover_folder_line(t->m, &to, &before);
}

static void add_directory(struct tree *t, const struct dir *up, const char *name)
{
	struct buf level;
	struct dir d = { .path = source_path(&t->a, up->path, name), .depth = up->depth + 1 };

	buf_init(&level, 8192);
	if (!file_level_decode(str_z(name), &level))
		mover_say(t->m, "%s: its name has what no mailbox may have; it becomes %.*s", d.path, STR_ARG(buf_str(&level)));
	if (up->folder.n)
		d.folder = arena_fmt(&t->a, "%.*s/%.*s", STR_ARG(up->folder), STR_ARG(buf_str(&level)));
	else
		d.folder = arena_dup(&t->a, buf_str(&level));
	buf_fini(&level);
	*vec_push(&t->dirs) = d;
}

static SUSPENDS void look_into(struct tree *t, const struct dir *d)
{
	bool has_letters = false;
	struct names names;

	if (!source_names(d->path, false, &t->a, &names)) {
		mover_fail(t->m, "%s: %s", d->path, strerror(errno));
		return;
	}
	for (size_t i = 0; i < names.n; i++) {
		if (d->depth < DEPTH_MAX && is_directory_below(t->m, source_path(&t->a, d->path, names.v[i])))
			add_directory(t, d, names.v[i]);
		has_letters |= is_eml(names.v[i]);
	}
	if (has_letters)
		send_directory(t, d, &names);
}

static SUSPENDS void import_one(struct tree *t, char *path)
{
	struct folder_in in = { .name = source_folder(t->m, &t->a, STR("INBOX")) };
	struct folder_to to;

	if (mover_folder(t->m, &in, &to))
		send_file(t, &to, AT_FDCWD, path, path);
	mover_wait_all(t->m);
}

SUSPENDS void import_eml(struct mover *m)
{
	struct tree *t = mem_new(struct tree);
	struct dir at = { 0 };

	t->m = m;
	arena_init(&t->a, "files", ARENA_MAX);
	at.path = arena_dupz(&t->a, str_z(m->opts->place));
	if (is_directory(at.path)) {
		*vec_push(&t->dirs) = at;
		while (t->dirs.n && mover_goes_on(m)) {
			at = t->dirs.v[--t->dirs.n];
			look_into(t, &at);
		}
	} else {
		import_one(t, at.path);
	}
	vec_free(&t->dirs);
	arena_fini(&t->a);
	free(t);
}
