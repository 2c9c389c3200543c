/* move/from_maildir.c - a Maildir with its folders, as Dovecot and others keep it (Maildir++ and LAYOUT=fs).
 * Purpose     letters come in with the UIDs, UIDVALIDITY, flags, keywords, dates and POP3 UIDLs that they had.
 * Trust       files are anybody's: the command reads them as who called it, and looks into no letter.
 * Owns        a folder's names at a time: what is in memory is bounded by the largest folder's number of letters, not by their size.
 * Suspends    while enough letters are under way.
 */
#include "move/source.h"

#include "base/die.h"
#include "base/map.h"
#include "base/rng.h"
#include "base/vec.h"
#include "ipc/words.h"
#include "move/dovecot.h"
#include "move/name.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX ((size_t)1 << 30) /* of dovecot-uidlist: millions of letters */
#define DEPTH_MAX 32
#define ARENA_MAX ((size_t)4 << 30)
#define STEP 1000 /* letters looked up at once */
#define AHEAD 32   /* files that the disk is told of */

/* ---- folders */

struct folder {
	char *path;
	struct str name; /* in the account */
	bool subscribed;
	uint64_t letters, bytes; /* as far as names tell */
};

struct tree {
	struct mover *m;
	struct arena a;
	struct VEC(struct folder) folders;
	struct VEC(struct str) subscribed; /* names as the folders' */
};

static bool is_maildir(struct tree *t, const char *path)
{
	bool cur = is_directory_below(t->m, source_path(&t->a, path, "cur"));

	return is_directory_below(t->m, source_path(&t->a, path, "new")) || cur;
}

static void add_folder(struct tree *t, char *path, struct str wire, char sep)
{
	struct folder *f;
	struct buf name;

	buf_init(&name, 8192);
	if (wire.n == 0) {
		buf_addz(&name, "INBOX");
	} else if (!folder_decode(wire, sep, &name)) {
		mover_say(t->m, "folder %.*s: its name has what no mailbox may have; it becomes %.*s", STR_ARG(wire), STR_ARG(buf_str(&name)));
	}
	f = vec_push(&t->folders);
	f->path = path;
	f->name = source_folder(t->m, &t->a, buf_str(&name));
	for (size_t i = 0; i < t->subscribed.n; i++)
		f->subscribed |= str_eq(t->subscribed.v[i], f->name);
	buf_fini(&name);
}

/* LAYOUT=fs: directories in directories; an explicit stack, for links may go in circles. */
struct level {
	char *path;
	struct str wire;
	unsigned depth;
};

struct levels VEC(struct level);

static bool is_fs_level(const char *name)
{
	static const char *const own[] = { "cur", "new", "tmp", "courierimapkeywords", "dbox-Mails" };

	for (size_t i = 0; i < sizeof own / sizeof *own; i++)
		if (strcmp(name, own[i]) == 0)
			return false;
	return name[0] != '.';
}

static void push_levels(struct tree *t, const struct level *up, struct levels *v)
{
	struct names names;

	if (up->depth >= DEPTH_MAX || !source_names(up->path, false, &t->a, &names))
		return;
	for (size_t i = names.n; i > 0; i--) {
		char *path = source_path(&t->a, up->path, names.v[i - 1]);

		if (!is_fs_level(names.v[i - 1]) || !is_directory_below(t->m, path))
			continue;
		*vec_push(v) = (struct level){ path, str_z(names.v[i - 1]), up->depth + 1 };
		if (up->wire.n)
			v->v[v->n - 1].wire = arena_fmt(&t->a, "%.*s/%s", STR_ARG(up->wire), names.v[i - 1]);
	}
}

static void find_fs(struct tree *t, const char *root)
{
	struct levels stack = { 0 };
	struct level at = { .path = arena_dupz(&t->a, str_z(root)) };

	push_levels(t, &at, &stack);
	while (stack.n) {
		at = stack.v[--stack.n];
		if (is_maildir(t, at.path))
			add_folder(t, at.path, at.wire, '/');
		push_levels(t, &at, &stack);
	}
	vec_free(&stack);
}

static void find_plus(struct tree *t, const char *root)
{
	struct names names;

	if (!source_names(root, true, &t->a, &names))
		return;
	for (size_t i = 0; i < names.n; i++) {
		char *path = source_path(&t->a, root, names.v[i]);

		if (names.v[i][0] == '.' && is_directory_below(t->m, path) && is_maildir(t, path))
			add_folder(t, path, str_z(names.v[i] + 1), '.');
	}
}

/* A file beside the letters, or nothing when there is none. */
static struct str read_whole(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
	struct str s = { 0 };
	struct stat st;
	void *p;

	if (fd < 0)
		return s;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0 && (uint64_t)st.st_size <= FILE_MAX) {
		p = mem_realloc(NULL, (size_t)st.st_size);
		s = str_of(p, 0);
		while (s.n < (size_t)st.st_size) {
			ssize_t n = read(fd, (char *)p + s.n, (size_t)st.st_size - s.n);

			if (n <= 0)
				break;
			s.n += (size_t)n;
		}
	}
	close(fd);
	return s;
}

/* Dovecot's subscriptions: version 2 begins "V\t2", then an empty line, and has tabs between levels; version 1 has the layout's
 * separator. Courier's courierimapsubscribed says INBOX.Work.2024. */
static void read_subscriptions(struct tree *t, const char *root)
{
	struct str text = read_whole(source_path(&t->a, root, "subscriptions")), line, rest;
	bool tabs = str_starts(text, STR("V\t2\n"));
	struct buf name;

	rest = tabs ? str_from(text, 4) : text;
	buf_init(&name, 8192);
	while (str_split(&rest, '\n', &line)) {
		char sep = tabs ? '\t' : str_find(line, '/') >= 0 ? '/' : '.';

		buf_reset(&name);
		if (line.n && (folder_decode(line, sep, &name) || name.n))
			*vec_push(&t->subscribed) = source_folder(t->m, &t->a, buf_str(&name));
	}
	buf_fini(&name);
	free((void *)(uintptr_t)text.p);
}

/* How much there is, as names tell it; a file without S= in its name counts as nothing until it is read. */
static void count_folder(struct tree *t, struct folder *f)
{
	static const char *const subs[] = { "cur", "new" };
	struct dirent *e;

	for (int i = 0; i < 2; i++) {
		DIR *d = opendir(source_path(&t->a, f->path, subs[i]));

		while (d && (e = readdir(d))) {
			struct maildir_name n = maildir_name_parse(str_z(e->d_name));

			if (e->d_name[0] == '.')
				continue;
			f->letters++;
			f->bytes += n.size;
		}
		if (d)
			closedir(d);
	}
	t->m->progress.letters_all += f->letters;
	t->m->progress.bytes_all += f->bytes;
}

/* ---- a folder's letters */

struct entry {
	const char *file;
	bool is_new;
	uint32_t uid; /* 0: it has none yet */
	struct str base, uidl;
	struct maildir_name name;
};

struct letters {
	struct tree *t;
	struct folder *f;
	struct arena a;
	struct uidlist_head head;
	struct maildir_keywords keywords;
	struct map by_base; /* base → struct uidlist_entry */
	struct VEC(struct entry) v;
	struct folder_to to;
	int dirs[2]; /* cur, new */
	struct str uidlist, keywords_file; /* the files */
};

static void read_uidlist(struct letters *l)
{
	struct str rest, line;
	unsigned bad = 0;

	l->uidlist = read_whole(source_path(&l->a, l->f->path, "dovecot-uidlist"));
	rest = l->uidlist;
	if (!rest.p || !str_split(&rest, '\n', &line))
		return;
	if (!uidlist_head_parse(line, &l->head)) {
		l->head = (struct uidlist_head){ 0 };
		mover_say(l->t->m, "%s/dovecot-uidlist: its first line is of no version that is known; UIDs are not kept", l->f->path);
		return;
	}
	while (str_split(&rest, '\n', &line)) {
		struct uidlist_entry *e = arena_new(&l->a, struct uidlist_entry);

		if (line.n == 0)
			continue;
		if (uidlist_entry_parse(line, l->head.version, e))
			map_put(&l->by_base, e->base, e);
		else
			bad++;
	}
	if (bad)
		mover_say(l->t->m, "%s/dovecot-uidlist: %u damaged lines; their letters get new UIDs", l->f->path, bad);
}

static void read_keywords(struct letters *l)
{
	l->keywords_file = read_whole(source_path(&l->a, l->f->path, "dovecot-keywords"));
	maildir_keywords_parse(l->keywords_file, &l->keywords);
}

static void list_directory(struct letters *l, bool is_new)
{
	struct names names;

	if (!source_names(source_path(&l->a, l->f->path, is_new ? "new" : "cur"), false, &l->a, &names))
		return;
	for (size_t i = 0; i < names.n; i++) {
		struct entry *e = vec_push(&l->v);
		struct uidlist_entry *u;

		e->file = names.v[i];
		e->is_new = is_new;
		e->name = maildir_name_parse(str_z(names.v[i]));
		u = map_get(&l->by_base, e->name.base);
		if (u) {
			e->uid = u->uid;
			e->uidl = u->uidl;
		}
	}
}

static int by_uid(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	if (x->uid != y->uid)
		return x->uid == 0 ? 1 : y->uid == 0 ? -1 : x->uid < y->uid ? -1 : 1;
	return str_cmp(x->name.base, y->name.base);
}

static void fill_keywords(struct letters *l, const struct entry *e, struct sending *s)
{
	struct str *k = arena_array(&s->arena, MAILDIR_KEYWORDS + 1, sizeof *k);

	s->q.keywords = k;
	if (e->name.passed)
		k[s->q.n_keywords++] = STR("$Forwarded");
	for (unsigned i = 0; i < MAILDIR_KEYWORDS; i++) {
		struct str name = l->keywords.names[i];

		if (!(e->name.keywords & 1u << i) || (e->name.passed && str_ieq(name, STR("$Forwarded"))))
			continue;
		if (name.n && name.n <= IPC_IMPORT_KEYWORDS_EACH_MAX)
			k[s->q.n_keywords++] = name;
		else
			l->t->m->n_left_out++;
	}
}

/* The UIDL that a POP3 client knows it by: the one that was fixed for it, else, in INBOX, what Dovecot makes of its numbers. */
static void fill_uidl(struct letters *l, const struct entry *e, struct sending *s)
{
	const char *given = l->t->m->opts->pop3_uidl_format;
	struct str format = str_z(given ? given : POP3_UIDL_DOVECOT);
	struct buf out;

	buf_init(&out, IPC_IMPORT_UIDL_MAX);
	if (e->uidl.n) {
		buf_add(&out, e->uidl);
	} else if (e->uid && str_eq(l->f->name, STR("INBOX")) &&
		   !pop3_uidl_format(format, e->uid, l->head.uidvalidity, e->name.base, &out)) {
		buf_reset(&out);
	}
	if (!out.full)
		s->q.uidl = arena_dup(&s->arena, buf_str(&out));
	buf_fini(&out);
}

static struct str id_of(struct letters *l, struct arena *a, const struct entry *e)
{
	struct str parts[] = { STR("maildir"), l->to.name, e->name.base };

	return move_id(a, parts, sizeof parts / sizeof *parts);
}

static SUSPENDS void send_letter(struct letters *l, const struct entry *e, struct str id)
{
	struct sending *s = mover_begin(l->t->m, e->name.size);

	s->name = arena_fmt(&s->arena, "%s/%s/%s", l->f->path, e->is_new ? "new" : "cur", e->file);
	s->q.mailbox = l->to.name;
	s->q.id = arena_dup(&s->arena, id);
	s->q.uid = l->to.keeps_uids ? e->uid : 0;
	s->q.flags = e->name.flags;
	fill_keywords(l, e, s);
	fill_uidl(l, e, s);
	if (source_read(s, l->dirs[e->is_new], e->file)) {
		if (!e->name.has_size)
			l->t->m->progress.bytes_all += l->t->m->progress.bytes_all ? s->size : 0;
		mover_send(s);
	} else {
		mover_drop(s, NULL);
	}
}

static SUSPENDS void send_step(struct letters *l, size_t at, size_t n)
{
	struct str *ids = mem_array(n, sizeof *ids);
	uint32_t *uids = mem_array(n, sizeof *uids);
	struct arena a;

	arena_init(&a, "ids", (size_t)1 << 20);
	for (size_t i = 0; i < n; i++)
		ids[i] = id_of(l, &a, &l->v.v[at + i]);
	if (mover_known(l->t->m, ids, n, uids))
		for (size_t i = 0; i < n && mover_goes_on(l->t->m); i++) {
			if (uids[i])
				mover_skip(l->t->m, l->v.v[at + i].name.size);
			else
				send_letter(l, &l->v.v[at + i], ids[i]);
			if (i + AHEAD < n && !uids[i + AHEAD])
				source_prefetch(l->dirs[l->v.v[at + i + AHEAD].is_new], l->v.v[at + i + AHEAD].file);
		}
	arena_fini(&a);
	free(ids);
	free(uids);
}

static SUSPENDS void send_all(struct letters *l)
{
	struct mover *m = l->t->m;
	struct folder_in in = { .name = l->f->name, .uidvalidity = l->head.uidvalidity, .uidnext = l->head.uidnext,
		.special = name_special(l->f->name), .subscribe = l->f->subscribed };
	struct folder_counts before = mover_counts(m);

	if (!mover_folder(m, &in, &l->to)) {
		for (size_t i = 0; mover_goes_on(m) && i < l->v.n; i++)
			mover_refuse(m, str_z(l->v.v[i].file), "its folder cannot be had");
		return;
	}
	for (size_t at = 0; at < l->v.n && mover_goes_on(m); at += STEP)
		send_step(l, at, l->v.n - at < STEP ? l->v.n - at : STEP);
	if (!l->to.keeps_uids)
		in.uidnext = 0;
	mover_folder_end(m, &in);
	mover_folder_line(m, &l->to, &before);
}

static SUSPENDS void import_folder(struct tree *t, struct folder *f)
{
	struct letters *l = mem_new(struct letters);

	l->t = t;
	l->f = f;
	arena_init(&l->a, "folder", ARENA_MAX);
	map_init(&l->by_base, rng_u64());
	for (int i = 0; i < 2; i++)
		l->dirs[i] = open(source_path(&l->a, f->path, i ? "new" : "cur"), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	read_uidlist(l);
	read_keywords(l);
	list_directory(l, false);
	list_directory(l, true);
	if (l->v.n)
		qsort(l->v.v, l->v.n, sizeof *l->v.v, by_uid);
	send_all(l);
	mover_wait_all(t->m); /* letters under way borrow from here */
	for (int i = 0; i < 2; i++)
		if (l->dirs[i] >= 0)
			close(l->dirs[i]);
	vec_free(&l->v);
	map_fini(&l->by_base);
	free((void *)(uintptr_t)l->uidlist.p);
	free((void *)(uintptr_t)l->keywords_file.p);
	arena_fini(&l->a);
	free(l);
}

SUSPENDS void import_maildir(struct mover *m)
{
	const char *root = m->opts->place;
	struct tree *t = mem_new(struct tree);

	t->m = m;
	arena_init(&t->a, "folders", ARENA_MAX);
	read_subscriptions(t, root);
	if (is_maildir(t, root))
		add_folder(t, arena_dupz(&t->a, str_z(root)), STR(""), '.');
	find_plus(t, root);
	find_fs(t, root);
	if (t->folders.n == 0)
		mover_fail(m, "%s: there is no Maildir: no folder with cur or new in it", root);
	for (size_t i = 0; i < t->folders.n; i++)
		count_folder(t, &t->folders.v[i]);
	for (size_t i = 0; i < t->folders.n && mover_goes_on(m); i++)
		import_folder(t, &t->folders.v[i]);
	vec_free(&t->folders);
	vec_free(&t->subscribed);
	arena_fini(&t->a);
	free(t);
}
