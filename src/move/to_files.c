/* move/to_files.c - the account into a directory: Maildir with Dovecot's files, mbox, or EML files.
 * Purpose     what import_maildir reads again with the same UIDs, UIDVALIDITY, flags, keywords, dates and UIDLs, and what other programs read.
 * Trust       names of folders are anybody's: name.c makes names of them that cannot leave the directory.
 * Owns        a letter at a time, and a folder's list of file names.
 * Suspends    in calls to store.
 * Invariants  I1 a file has its final name only when its bytes are on the disk: what is there is whole, and a second run leaves it be.
 */
#include "move/reader.h"

#include "base/cur.h"
#include "base/die.h"
#include "base/map.h"
#include "base/rng.h"
#include "base/vec.h"
#include "imap/utf7.h"
#include "ipc/words.h"
#include "move/dovecot.h"
#include "move/mbox.h"
#include "move/name.h"
#include "move/source.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LETTER_MAX ((size_t)UINT32_MAX)
#define BATCH 500
#define BATCH_BYTES ((uint64_t)64 << 20)

struct file {
	uint32_t uid;
	char *tmp, *final; /* names below the folder; tmp NULL: it was there before */
	struct str uidl;
	uint32_t size;
};

struct target {
	struct reader r;
	struct mover *m;
	struct str folder;
	struct folder_counts before;
	struct arena a; /* the folder's */
	char *path;
	int dir;
	struct buf letter, line;
	struct VEC(struct file) files;
	struct map there; /* uid → the name that a file of it has */
	size_t synced;	  /* of files: those before have their final names */
	uint64_t unsynced_bytes;
	FILE *mbox;
	char *part, *leaf; /* mbox: the file while it is written, and its name */
};

static bool fail(struct target *t, const char *name)
{
	mover_fail(t->m, "%s/%s: %s", t->path, name, strerror(errno));
	mover_stop(t->m, "the export ends here; when that is put right run the same command again: it goes on where it stopped");
	return false;
}

/* mkdir -p of what is below the place itself. */
static bool make_directories(struct target *t, char *path)
{
	for (char *p = path + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = 0;
		if (mkdir(path, 0700) != 0 && errno != EEXIST)
			return fail(t, "");
		*p = '/';
	}
	return (mkdir(path, 0700) == 0 || errno == EEXIST) || fail(t, "");
}

static void add_piece(void *ctx, struct str piece)
{
	buf_add(ctx, piece);
}

static SUSPENDS bool take_letter(struct target *t, struct letter_out *l)
{
	buf_reset(&t->letter);
	if (letter_bytes(l, add_piece, &t->letter) && t->letter.n == l->row->size)
		return true;
	mover_refuse(t->m, arena_fmt(&t->a, "%.*s UID %u", STR_ARG(t->folder), l->row->uid), "its bytes cannot be had");
	return false;
}

/* CRLF becomes LF, in place. */
static void to_lf(struct buf *b)
{
	size_t n = 0;

	for (size_t i = 0; i < b->n; i++)
		if (b->p[i] != '\r' || i + 1 == b->n || b->p[i + 1] != '\n')
			b->p[n++] = b->p[i];
	buf_cut(b, n);
}

static bool write_file(struct target *t, const char *name, struct str bytes, int64_t date_s)
{
	struct timespec times[2] = { { .tv_sec = date_s }, { .tv_sec = date_s } };
	int fd = openat(t->dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	bool ok = fd >= 0;

	while (ok && bytes.n) {
		ssize_t n = write(fd, bytes.p, bytes.n);

		ok = n > 0;
		bytes = str_from(bytes, ok ? (size_t)n : 0);
	}
	ok = ok && futimens(fd, times) == 0;
	if (fd >= 0 && close(fd) != 0)
		ok = false;
	return ok || fail(t, name);
}

/* I1: one sync for many files, then their names. */
static bool settle(struct target *t)
{
	if (t->synced < t->files.n && syncfs(t->dir) != 0)
		return fail(t, "");
	for (; t->synced < t->files.n; t->synced++) {
		struct file *f = &t->files.v[t->synced];

		if (f->tmp && renameat(t->dir, f->tmp, t->dir, f->final) != 0)
			return fail(t, f->final);
	}
	t->unsynced_bytes = 0;
	return syncfs(t->dir) == 0 || fail(t, "");
}

static void counted(struct target *t, uint64_t size, bool is_new)
{
	if (is_new)
		mover_sent(t->m, size);
	else
		mover_skip(t->m, size);
}

static bool add_file(struct target *t, struct file f, uint64_t size)
{
	*vec_push(&t->files) = f;
	t->unsynced_bytes += size;
	counted(t, size, f.tmp != NULL);
	return t->unsynced_bytes < BATCH_BYTES && t->files.n - t->synced < BATCH ? true : settle(t);
}

/* ---- Maildir */

static void add_maildir_flags(struct target *t, struct letter_out *l, struct buf *out)
{
	static const struct {
		uint32_t flag;
		char letter;
	} flags[] = { { MSG_DRAFT, 'D' }, { MSG_FLAGGED, 'F' }, { MSG_ANSWERED, 'R' }, { MSG_SEEN, 'S' }, { MSG_DELETED, 'T' } };

	buf_addz(out, ":2,");
	for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
		if (l->row->flags & flags[i].flag)
			buf_addc(out, flags[i].letter);
	for (unsigned i = 0; i < 64; i++) {
		if (letter_keyword(l, i).n == 0)
			continue;
		if (i < MAILDIR_KEYWORDS)
			buf_addc(out, (char)('a' + i));
		else
			t->m->n_left_out++;
	}
}

static char *name_of(struct target *t, struct letter_out *l, size_t size)
{
	char *name;

	buf_reset(&t->line);
	buf_addf(&t->line, "cur/%" PRId64 ".V%uU%u.sallyport,S=%zu,W=%u", l->row->date_s, t->r.box.uidvalidity, l->row->uid, size, l->row->size);
	add_maildir_flags(t, l, &t->line);
	name = arena_dupz(&t->a, buf_str(&t->line));
	return name;
}

/* What an earlier run left: by the uid in its name; of this UIDVALIDITY only. */
static void find_there(struct target *t)
{
	struct str mark = arena_fmt(&t->a, ".V%uU", t->r.box.uidvalidity);
	struct names names;

	if (!source_names(source_path(&t->a, t->path, "cur"), false, &t->a, &names))
		return;
	for (size_t i = 0; i < names.n; i++) {
		struct str name = str_z(names.v[i]);
		ssize_t at = str_search(name, mark);
		struct cur c = cur_of(at < 0 ? STR("") : str_from(name, (size_t)at + mark.n));
		uint32_t uid = cur_u32(&c);

		if (cur_ok(&c))
			map_put(&t->there, MAP_KEY(uid), names.v[i]);
	}
}

/* Its flags may be others now. */
static bool keep_there(struct target *t, struct letter_out *l, const char *name)
{
	struct maildir_name n = maildir_name_parse(str_z(name));
	char *was = arena_dupz(&t->a, arena_fmt(&t->a, "cur/%s", name)), *now;

	buf_reset(&t->line);
	buf_addz(&t->line, "cur/");
	buf_add(&t->line, n.base);
	add_maildir_flags(t, l, &t->line);
	now = arena_dupz(&t->a, buf_str(&t->line));
	if (strcmp(was, now) != 0 && renameat(t->dir, was, t->dir, now) != 0)
		return fail(t, was);
	return add_file(t, (struct file){ .uid = l->row->uid, .final = now, .uidl = arena_dup(&t->a, l->row->uidl), .size = l->row->size },
		l->row->size);
}

static SUSPENDS bool to_maildir(void *ctx, struct letter_out *l)
{
	struct target *t = ctx;
	uint32_t uid = l->row->uid;
	const char *there = map_get(&t->there, MAP_KEY(uid));
	struct file f = { .uid = uid, .uidl = arena_dup(&t->a, l->row->uidl), .size = l->row->size };

	if (there)
		return keep_there(t, l, there);
	if (!take_letter(t, l))
		return true;
	to_lf(&t->letter);
	f.final = name_of(t, l, t->letter.n);
	f.tmp = arena_dupz(&t->a, arena_fmt(&t->a, "tmp/%u", uid));
	return write_file(t, f.tmp, buf_str(&t->letter), l->row->date_s) && add_file(t, f, l->row->size);
}

/* A small file of its own, whole or not at all. */
static bool put_file(struct target *t, const char *name, struct str bytes)
{
	char *tmp = arena_dupz(&t->a, arena_fmt(&t->a, "%s.new", name));

	return write_file(t, tmp, bytes, sched_wall_us(t->m->sched) / 1000000) && (syncfs(t->dir) == 0 || fail(t, tmp)) &&
	       (renameat(t->dir, tmp, t->dir, name) == 0 || fail(t, name));
}

static void add_base(struct buf *out, const char *final)
{
	buf_add(out, maildir_name_parse(str_z(final + 4)).base); /* behind "cur/" */
}

static bool put_uidlist(struct target *t)
{
	struct buf out;
	bool ok;

	buf_init(&out, SIZE_MAX);
	buf_addf(&out, "3 V%u N%u\n", t->r.box.uidvalidity, t->r.box.uidnext);
	for (size_t i = 0; i < t->files.n; i++) {
		const struct file *f = &t->files.v[i];

		buf_addf(&out, "%u W%u ", f->uid, f->size);
		if (f->uidl.n)
			buf_addf(&out, "P%.*s ", STR_ARG(f->uidl));
		buf_addc(&out, ':');
		add_base(&out, f->final);
		buf_addc(&out, '\n');
	}
	ok = put_file(t, "dovecot-uidlist", buf_str(&out));
	buf_reset(&out);
	for (unsigned i = 0; i < t->r.box.n_keywords && i < MAILDIR_KEYWORDS; i++)
		buf_addf(&out, "%u %.*s\n", i, STR_ARG(t->r.box.keywords[i]));
	ok = ok && (out.n == 0 || put_file(t, "dovecot-keywords", buf_str(&out)));
	buf_fini(&out);
	return ok;
}

static bool begin_maildir(struct target *t)
{
	static const char *const subs[] = { "cur", "new", "tmp" };

	for (int i = 0; i < 3; i++)
		if (mkdirat(t->dir, subs[i], 0700) != 0 && errno != EEXIST)
			return fail(t, subs[i]);
	find_there(t);
	return str_eq(t->folder, STR("INBOX")) || put_file(t, "maildirfolder", STR(""));
}

static bool end_maildir(struct target *t)
{
	return settle(t) && put_uidlist(t);
}

static void maildir_path(struct str folder, struct buf *out)
{
	maildir_name_encode(folder, out);
}

/* ---- EML */

static SUSPENDS bool to_eml(void *ctx, struct letter_out *l)
{
	struct target *t = ctx;
	struct file f = { .uid = l->row->uid };
	struct stat st;

	f.final = arena_dupz(&t->a, arena_fmt(&t->a, "%010u.eml", l->row->uid));
	if (fstatat(t->dir, f.final, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		counted(t, l->row->size, false);
		return true;
	}
	if (!take_letter(t, l))
		return true;
	f.tmp = arena_dupz(&t->a, arena_fmt(&t->a, "%010u.part", l->row->uid));
	return write_file(t, f.tmp, buf_str(&t->letter), l->row->date_s) && add_file(t, f, l->row->size);
}

static bool begin_nothing(struct target *t)
{
	(void)t;
	return true;
}

/* ---- mbox */

static void put_status(struct target *t, struct letter_out *l, bool first)
{
	uint32_t f = l->row->flags;

	if (first)
		fprintf(t->mbox, "X-IMAPbase: %u %u\n", t->r.box.uidvalidity, t->r.box.uidnext - 1);
	fprintf(t->mbox, "X-UID: %u\nStatus: %sO\n", l->row->uid, f & MSG_SEEN ? "R" : "");
	if (f & (MSG_ANSWERED | MSG_FLAGGED | MSG_DELETED | MSG_DRAFT))
		fprintf(t->mbox, "X-Status: %s%s%s%s\n", f & MSG_ANSWERED ? "A" : "", f & MSG_FLAGGED ? "F" : "", f & MSG_DELETED ? "D" : "",
			f & MSG_DRAFT ? "T" : "");
	if (!l->row->keywords)
		return;
	fprintf(t->mbox, "X-Keywords:");
	for (unsigned i = 0; i < 64; i++)
		if (letter_keyword(l, i).n)
			fprintf(t->mbox, " %.*s", STR_ARG(letter_keyword(l, i)));
	fprintf(t->mbox, "\n");
}

static struct str return_path(struct str letter)
{
	ssize_t lt, gt;

	if (!str_istarts(letter, STR("Return-Path:")))
		return STR("");
	letter = str_sub(letter, 0, (size_t)str_find(letter, '\n'));
	lt = str_find(letter, '<');
	gt = str_rfind(letter, '>');
	return lt >= 0 && gt > lt ? str_sub(letter, (size_t)lt + 1, (size_t)(gt - lt - 1)) : STR("");
}

static void put_text(struct target *t, struct letter_out *l, bool first)
{
	struct str rest = buf_str(&t->letter), line;
	bool in_header = true;

	while (rest.n && str_split(&rest, '\n', &line)) {
		if (in_header && line.n == 0) {
			put_status(t, l, first);
			in_header = false;
		}
		if (in_header && mbox_is_meta(line))
			continue;
		if (!in_header && (str_starts(line, STR("From ")) || mbox_is_quoted(line)))
			fputc('>', t->mbox);
		fwrite(line.p, 1, line.n, t->mbox);
		fputc('\n', t->mbox);
	}
	if (in_header)
		put_status(t, l, first);
	fputc('\n', t->mbox);
}

static SUSPENDS bool to_mbox(void *ctx, struct letter_out *l)
{
	struct target *t = ctx;
	bool first = t->files.n == 0;

	if (!take_letter(t, l))
		return true;
	to_lf(&t->letter);
	buf_reset(&t->line);
	mbox_add_from_line(&t->line, return_path(buf_str(&t->letter)), l->row->date_s);
	fwrite(t->line.p, 1, t->line.n, t->mbox);
	put_text(t, l, first);
	vec_push(&t->files)->uid = l->row->uid;
	counted(t, l->row->size, true);
	return !ferror(t->mbox) || fail(t, t->part);
}

static bool begin_mbox(struct target *t)
{
	int fd = openat(t->dir, t->part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

	t->mbox = fd >= 0 ? fdopen(fd, "w") : NULL;
	return t->mbox || fail(t, t->part);
}

static bool end_mbox(struct target *t)
{
	bool ok = fflush(t->mbox) == 0 && fsync(fileno(t->mbox)) == 0;

	ok = fclose(t->mbox) == 0 && ok;
	t->mbox = NULL;
	return ok && renameat(t->dir, t->part, t->dir, t->leaf) == 0 && syncfs(t->dir) == 0 ? true : fail(t, t->leaf);
}

/* ---- the run */

struct format {
	const char *kind;
	void (*path)(struct str folder, struct buf *out);
	bool (*begin)(struct target *t);
	SUSPENDS bool (*each)(void *ctx, struct letter_out *l);
	bool (*end)(struct target *t);
	bool one_file; /* a folder is a file: Work/2024.mbox */
};

static const struct format formats[] = {
	{ "maildir", maildir_path, begin_maildir, to_maildir, end_maildir, false },
	{ "mbox", file_name_encode, begin_mbox, to_mbox, end_mbox, true },
	{ "eml", file_name_encode, begin_nothing, to_eml, settle, false },
};

static void split_leaf(struct target *t)
{
	char *slash = strrchr(t->path, '/');

	t->leaf = arena_dupz(&t->a, arena_fmt(&t->a, "%s.mbox", slash + 1));
	t->part = arena_dupz(&t->a, arena_fmt(&t->a, ".%s.part", slash + 1));
	*slash = 0;
}

static void open_folder(struct target *t, const struct format *f, struct str folder)
{
	struct buf path;

	buf_init(&path, 65536);
	buf_addz(&path, t->m->opts->place);
	buf_addc(&path, '/');
	f->path(folder, &path);
	arena_init(&t->a, "export", (size_t)4 << 30);
	map_init(&t->there, rng_u64());
	t->folder = folder;
	t->path = arena_dupz(&t->a, buf_str(&path));
	if (f->one_file)
		split_leaf(t);
	t->before = mover_counts(t->m);
	t->files.n = t->synced = 0;
	buf_fini(&path);
	t->dir = make_directories(t, t->path) ? open(t->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	if (t->dir < 0)
		fail(t, "");
}

static void close_folder(struct target *t)
{
	if (t->mbox)
		fclose(t->mbox);
	t->mbox = NULL;
	if (t->dir >= 0)
		close(t->dir);
	map_fini(&t->there);
	arena_fini(&t->a);
}

static SUSPENDS void export_folder(struct target *t, const struct format *f, struct str folder)
{
	struct folder_to to = { .name = folder, .keeps_uids = f->each != to_eml };

	open_folder(t, f, folder);
	if (t->dir >= 0 && reader_select(&t->r, folder)) {
		t->m->progress.letters_all += t->r.box.messages;
		t->m->progress.bytes_all += t->r.box.size;
		if (t->m->opts->dry_run)
			t->m->n_moved += t->r.box.messages;
		else if (f->begin(t) && reader_each(&t->r, f->each, t) && mover_goes_on(t->m))
			(void)!f->end(t);
		reader_unselect(&t->r);
		mover_folder_line(t->m, &to, &t->before);
	}
	close_folder(t);
}

/* Dovecot's, of version 2. */
static void put_subscriptions(struct target *t)
{
	struct buf out, wire;

	buf_init(&out, SIZE_MAX);
	buf_init(&wire, 65536);
	buf_addz(&out, "V\t2\n\n");
	for (size_t i = 0; i < t->r.n_folders; i++) {
		struct str rest = t->r.folders[i].name, level;
		bool more = false;

		if (!(t->r.folders[i].flags & MBOX_SUBSCRIBED))
			continue;
		while (str_split(&rest, HIERARCHY_SEPARATOR, &level)) {
			if (more)
				buf_addc(&out, '\t');
			more = true;
			imap_utf7_encode(level, &out);
		}
		buf_addc(&out, '\n');
	}
	(void)!put_file(t, "subscriptions", buf_str(&out));
	buf_fini(&wire);
	buf_fini(&out);
}

SUSPENDS void export_files(struct mover *m)
{
	const struct format *f = formats;
	struct target *t = mem_new(struct target);

	while (strcmp(f->kind, m->opts->kind) != 0)
		f++;
	t->m = m;
	buf_init(&t->letter, LETTER_MAX);
	buf_init(&t->line, 65536);
	if (reader_open(&t->r, m)) {
		for (size_t i = 0; i < t->r.n_folders && mover_goes_on(m); i++)
			export_folder(t, f, t->r.folders[i].name);
		if (f->each == to_maildir && mover_goes_on(m) && !m->opts->dry_run) {
			open_folder(t, f, STR("INBOX"));
			if (t->dir >= 0)
				put_subscriptions(t);
			close_folder(t);
		}
	}
	reader_close(&t->r);
	vec_free(&t->files);
	buf_fini(&t->letter);
	buf_fini(&t->line);
	free(t);
}
