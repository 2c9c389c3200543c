/* move/from_mbox.c - an mbox file, a directory of them, or standard input.
 * Purpose     letters with the dates of their From_ lines, flags of Status and X-Status, keywords; UIDs where X-IMAPbase says whose they are.
 * Trust       files are anybody's. A file that shrinks while it is read ends the command: the same command goes on.
 * Owns        the file as a mapping; pages that were read are given back, so that memory stays flat.
 * Suspends    while enough letters are under way.
 */
#include "move/source.h"

#include "base/map.h"
#include "base/rng.h"
#include "base/vec.h"
#include "ipc/words.h"
#include "mail/date.h"
#include "mail/header.h"
#include "move/mbox_read.h"
#include "move/name.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define ARENA_MAX ((size_t)1 << 30)
#define GIVE_BACK ((size_t)16 << 20)
#define DEPTH_MAX 32

struct mbox {
	struct mover *m;
	const char *path;
	struct arena a;
	struct folder_to to;
	struct str file;
	size_t given_back;
	struct map seen; /* content's hash → how often: letters of the same bytes are letters still */
	uint32_t uidvalidity, uidnext;
};

/* ---- a letter */

struct hashing {
	EVP_MD_CTX *ctx;
};

static void hash_piece(void *ctx, struct str piece)
{
	EVP_DigestUpdate(((struct hashing *)ctx)->ctx, piece.p, piece.n);
}

/* What the letter is, without the fields that a reader of the mbox changes, and which of several that are the same. */
static struct str id_of(struct mbox *b, struct arena *a, const struct mbox_letter *l)
{
	struct hashing h = { EVP_MD_CTX_new() };
	unsigned char digest[EVP_MAX_MD_SIZE];
	struct str parts[5] = { STR("mbox"), b->to.name, l->from, str_of(digest, 32) };
	uintptr_t n;

	if (!h.ctx || EVP_DigestInit_ex(h.ctx, EVP_sha256(), NULL) != 1)
		die("move: no SHA-256");
	mbox_unpack(l, hash_piece, &h);
	EVP_DigestFinal_ex(h.ctx, digest, NULL);
	EVP_MD_CTX_free(h.ctx);
	parts[4] = move_id(a, parts, 4);
	n = (uintptr_t)map_get(&b->seen, parts[4]) + 1;
	map_put(&b->seen, parts[4], (void *)n);
	parts[4] = arena_fmt(a, "%llu", (unsigned long long)n);
	return move_id(a, parts, 5);
}

static void add_piece(void *ctx, struct str piece)
{
	letter_text_add(ctx, piece);
}

static void fill_keywords(struct sending *s, const struct mbox_letter *l)
{
	struct str *k = arena_array(&s->arena, l->meta.n_keywords + 1, sizeof *k);

	for (size_t i = 0; i < l->meta.n_keywords; i++)
		k[s->q.n_keywords++] = arena_dup(&s->arena, l->meta.keywords[i]);
	s->q.keywords = k;
}

static void give_back(struct mbox *b, size_t upto)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), end = upto / page * page;

	if (end < b->given_back + GIVE_BACK)
		return;
	madvise((char *)(uintptr_t)b->file.p + b->given_back, end - b->given_back, MADV_DONTNEED);
	b->given_back = end;
}

static SUSPENDS void send_letter(struct mbox *b, const struct mbox_letter *l, size_t number)
{
	struct sending *s = mover_begin(b->m, l->header.n + l->body.n);
	struct str id = id_of(b, &s->arena, l);
	uint32_t uid = 0;

	s->name = arena_fmt(&s->arena, "%s: letter %zu, at byte %zu", b->path, number, l->at);
	s->q.mailbox = b->to.name;
	s->q.id = id;
	s->q.uid = b->to.keeps_uids ? l->meta.uid : 0;
	s->q.flags = l->meta.flags;
	s->q.date_s = l->date_s;
	fill_keywords(s, l);
	if (!mover_known(b->m, &id, 1, &uid) || uid) {
		mover_forget(s);
		if (uid)
			mover_skip(b->m, l->header.n + l->body.n);
		return;
	}
	mbox_unpack(l, add_piece, &s->text);
	mover_send(s);
}

static SUSPENDS void send_all(struct mbox *b)
{
	struct mbox_letter *l = arena_new(&b->a, struct mbox_letter);
	size_t number = 0;

	for (size_t at = 0; mover_goes_on(b->m) && mbox_next(b->file, &at, l);) {
		number++;
		if (l->meta.pseudo)
			continue;
		if (l->from.n == 0)
			mover_refuse(b->m, arena_fmt(&b->a, "%s: %zu bytes at its beginning", b->path, l->header.n + l->body.n),
				"they do not begin with a From line: the file is no mbox, or is damaged there");
		else
			send_letter(b, l, number);
		give_back(b, l->at);
	}
}

/* ---- a file */

static void find_base(struct mbox *b)
{
	struct mbox_letter *l = arena_new(&b->a, struct mbox_letter);
	size_t at = 0;

	if (mbox_next(b->file, &at, l)) {
		b->uidvalidity = l->meta.uidvalidity;
		b->uidnext = l->meta.uidnext;
	}
}

static SUSPENDS void import_file(struct mover *m, const char *path, struct str file, struct str folder)
{
	struct mbox *b = mem_new(struct mbox);
	struct folder_in in = { .name = folder, .special = name_special(folder) };
	struct folder_counts before = mover_counts(m);

	b->m = m;
	b->path = path;
	b->file = file;
	arena_init(&b->a, "mbox", ARENA_MAX);
	map_init(&b->seen, rng_u64());
	find_base(b);
	in.uidvalidity = b->uidvalidity;
	in.uidnext = b->uidnext;
	if (mover_folder(m, &in, &b->to))
		send_all(b);
	if (!b->to.keeps_uids)
		in.uidnext = 0;
	mover_folder_end(m, &in);
	mover_folder_line(m, &b->to, &before);
	map_fini(&b->seen);
	arena_fini(&b->a);
	free(b);
}

static SUSPENDS void import_fd(struct mover *m, const char *path, int fd, struct str folder)
{
	struct stat st;
	void *p;

	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		mover_fail(m, "%s: it is no file", path);
		return;
	}
	if (st.st_size == 0) {
		import_file(m, path, STR(""), folder);
		return;
	}
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED) {
		mover_fail(m, "%s: %s", path, strerror(errno));
		return;
	}
	madvise(p, (size_t)st.st_size, MADV_SEQUENTIAL);
	import_file(m, path, str_of(p, (size_t)st.st_size), folder);
	munmap(p, (size_t)st.st_size);
}

/* Standard input is copied to a file that has no name: letters' ends are looked for ahead. */
static int take_stdin(struct mover *m)
{
	const char *dir = getenv("TMPDIR");
	int fd = open(dir && *dir ? dir : "/var/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	char *block = mem_realloc(NULL, 1 << 20);
	ssize_t n = 0;

	while (fd >= 0 && (n = read(0, block, 1 << 20)) > 0)
		for (ssize_t done = 0, w; done < n && n > 0; done += w) {
			w = write(fd, block + done, (size_t)(n - done));
			if (w < 0) {
				n = -1;
				break;
			}
		}
	if (fd < 0 || n < 0)
		mover_fail(m, "standard input cannot be kept in %s: %s", dir && *dir ? dir : "/var/tmp", strerror(errno));
	free(block);
	if (fd >= 0 && n < 0)
		close(fd);
	return n < 0 ? -1 : fd;
}

/* ---- a directory of files */

struct file {
	char *path;
	struct str folder;
};

struct files VEC(struct file);

static bool is_mbox_name(const char *name)
{
	size_t n = strlen(name);

	return name[0] != '.' && !(n > 4 && strcmp(name + n - 4, ".msf") == 0) && !(n > 5 && strcmp(name + n - 5, ".lock") == 0);
}

/* "Work.mbox", "Work", and what is in "Work" or Thunderbird's "Work.sbd" lies below it. */
static struct str level_of(struct arena *a, const char *name)
{
	struct str s = str_z(name);
	struct buf level;
	struct str got;

	if (str_ends(s, STR(".mbox")) || str_ends(s, STR(".sbd")))
		s = str_sub(s, 0, (size_t)str_rfind(s, '.'));
	buf_init(&level, 8192);
	(void)!file_level_decode(s, &level);
	got = str_ieq(buf_str(&level), STR("inbox")) ? STR("INBOX") : arena_dup(a, buf_str(&level));
	buf_fini(&level);
	return got;
}

static void find_files(struct mover *m, struct arena *a, const char *path, struct str folder, unsigned depth, struct files *out, struct files *dirs)
{
	struct names names;

	if (depth > DEPTH_MAX || !source_names(path, false, a, &names))
		return;
	for (size_t i = 0; i < names.n; i++) {
		char *full = source_path(a, path, names.v[i]);
		struct str level, name;

		if (!is_mbox_name(names.v[i]))
			continue;
		level = level_of(a, names.v[i]);
		name = folder.n ? arena_fmt(a, "%.*s/%.*s", STR_ARG(folder), STR_ARG(level)) : level;
		*vec_push(is_directory_below(m, full) ? dirs : out) = (struct file){ full, name };
	}
}

static SUSPENDS void import_directory(struct mover *m, const char *root)
{
	struct files files = { 0 }, dirs = { 0 };
	struct arena a;

	arena_init(&a, "files", ARENA_MAX);
	find_files(m, &a, root, STR(""), 0, &files, &dirs);
	for (size_t i = 0; i < dirs.n && i < 100000; i++) {
		struct file d = dirs.v[i];
		unsigned depth = 1;

		for (size_t k = 0; k < d.folder.n; k++)
			depth += d.folder.p[k] == '/';
		find_files(m, &a, d.path, d.folder, depth, &files, &dirs);
	}
	if (files.n == 0)
		mover_fail(m, "%s: there is no file in it", root);
	for (size_t i = 0; i < files.n && mover_goes_on(m); i++) {
		int fd = open(files.v[i].path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);

		if (fd < 0) {
			mover_fail(m, "%s: %s", files.v[i].path, source_why(errno));
			continue;
		}
		import_fd(m, files.v[i].path, fd, source_folder(m, &a, files.v[i].folder));
		close(fd);
	}
	vec_free(&files);
	vec_free(&dirs);
	arena_fini(&a);
}

SUSPENDS void import_mbox(struct mover *m)
{
	const char *place = m->opts->place;
	bool is_stdin = strcmp(place, "-") == 0;
	struct arena a;
	int fd;

	if (!is_stdin && is_directory(place)) {
		import_directory(m, place);
		return;
	}
	fd = is_stdin ? take_stdin(m) : open(place, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		if (!is_stdin)
			mover_fail(m, "%s: %s", place, strerror(errno));
		return;
	}
	arena_init(&a, "name", 65536);
	import_fd(m, is_stdin ? "standard input" : place, fd, source_folder(m, &a, STR("INBOX")));
	arena_fini(&a);
	close(fd);
}
