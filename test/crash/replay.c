/* crash/replay.c - a directory as it could be after a cut. See the header for the model.
 * Owns        an image of each file as it certainly is, and lists of what came after.
 */
#include "crash/replay.h"

#include "base/die.h"
#include "base/rng.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE 4096

/* Bytes that are not certain: a write, or with data.p NULL a change of the size to at. */
struct edit {
	enum crash_kind kind;
	uint64_t at;
	struct str data;
};

struct file {
	bool is_dir;
	bool forgets; /* its syncs do nothing */
	struct buf bytes; /* certain */
	struct VEC(struct edit) edits;
};

struct entry {
	struct str name;
	struct file *file;
};

struct change {
	enum crash_kind kind;
	struct str dir, name, to;
	struct file *file;
};

const char *variant_name(enum variant v)
{
	static const char *const names[VARIANTS] = { "whole", "dropped", "names", "bytes", "torn", "zeros", "pages" };

	return names[v];
}

void replay_open(struct replay *r, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	void *p;

	*r = (struct replay){ 0 };
	if (fd < 0 || fstat(fd, &st) != 0 || st.st_size == 0)
		die_errno("%s", path);
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		die_errno("%s", path);
	close(fd);
	r->log = str_of(p, (size_t)st.st_size);
	map_init(&r->by_inode, 1);
}

/* ---- bytes */

static void resize(struct buf *b, uint64_t n)
{
	char *room;

	if (n <= b->n) {
		buf_cut(b, n);
		return;
	}
	room = buf_room(b, n - b->n);
	die_unless(room, "replay: file too large");
	memset(room, 0, n - b->n);
	buf_grew(b, n - b->n);
}

static void put_bytes(struct buf *b, uint64_t at, struct str data)
{
	if (at + data.n > b->n)
		resize(b, at + data.n);
	memcpy(b->p + at, data.p, data.n);
}

static void apply_edit(struct buf *b, const struct edit *e)
{
	if (e->kind == CRASH_WRITE)
		put_bytes(b, e->at, e->data);
	else if (e->kind == CRASH_TRUNCATE || e->at > b->n)
		resize(b, e->at);
}

static void sync_file(struct file *f)
{
	for (size_t i = 0; i < f->edits.n; i++)
		apply_edit(&f->bytes, &f->edits.v[i]);
	f->edits.n = 0;
}

/* ---- names */

static struct str parent_of(struct str name)
{
	ssize_t slash = str_rfind(name, '/');

	return str_sub(name, 0, slash < 0 ? 0 : (size_t)slash);
}

struct names {
	struct VEC(struct entry) v;
};

static struct entry *name_find(struct names *n, struct str name)
{
	for (size_t i = 0; i < n->v.n; i++)
		if (str_eq(n->v.v[i].name, name))
			return &n->v.v[i];
	return NULL;
}

static void name_put(struct names *n, struct str name, struct file *f)
{
	struct entry *e = name_find(n, name);

	if (!e)
		e = vec_push(&n->v);
	*e = (struct entry){ name, f };
}

static void name_del(struct names *n, struct str name)
{
	struct entry *e = name_find(n, name);

	if (e)
		vec_remove(&n->v, (size_t)(e - n->v.v));
}

static void apply_change(struct names *n, const struct change *c)
{
	if (c->kind == CRASH_UNLINK) {
		name_del(n, c->name);
	} else if (c->kind == CRASH_RENAME) {
		name_del(n, c->name);
		name_put(n, c->to, c->file);
	} else {
		name_put(n, c->to.n ? c->to : c->name, c->file);
	}
}

static struct names certain_names(const struct replay *r)
{
	struct names n = { 0 };

	for (size_t i = 0; i < r->entries.n; i++)
		*vec_push(&n.v) = r->entries.v[i];
	return n;
}

/* What a name is now, all changes done. */
static struct file *file_now(const struct replay *r, struct str name)
{
	struct names n = certain_names(r);
	struct entry *e;
	struct file *f;

	for (size_t i = 0; i < r->changes.n; i++)
		apply_change(&n, &r->changes.v[i]);
	e = name_find(&n, name);
	f = e ? e->file : NULL;
	vec_free(&n.v);
	return f;
}

static void sync_dir(struct replay *r, struct str dir)
{
	struct names n = certain_names(r);
	size_t kept = 0;

	for (size_t i = 0; i < r->changes.n; i++) {
		struct change c = r->changes.v[i];

		if (str_eq(c.dir, dir))
			apply_change(&n, &c);
		else
			r->changes.v[kept++] = c;
	}
	r->changes.n = kept;
	r->entries.n = 0;
	for (size_t i = 0; i < n.v.n; i++)
		*vec_push(&r->entries) = n.v.v[i];
	vec_free(&n.v);
}

/* ---- records */

static struct file *file_new(struct replay *r, uint64_t inode, struct str name, bool is_dir)
{
	struct file *f = mem_new(struct file);

	f->is_dir = is_dir;
	f->forgets = r->forget.n && str_search(name, r->forget) >= 0;
	buf_init(&f->bytes, (size_t)1 << 32);
	*vec_push(&r->files) = f;
	map_put(&r->by_inode, MAP_KEY(inode), f); /* an inode that was free is used again */
	return f;
}

static void change_names(struct replay *r, const struct crash_record *h, struct str name, struct str to)
{
	struct change c = { .kind = (enum crash_kind)h->kind, .dir = parent_of(name), .name = name, .to = to };

	if (h->kind == CRASH_CREATE || h->kind == CRASH_MKDIR)
		c.file = file_new(r, h->file, name, h->kind == CRASH_MKDIR);
	else
		c.file = file_now(r, name);
	if (!c.file)
		die("replay: record %llu names %.*s, which was never made", (unsigned long long)r->n, STR_ARG(name));
	if (to.n && !str_eq(parent_of(to), c.dir))
		die("replay: %.*s moves to another directory, which is not modelled", STR_ARG(name));
	*vec_push(&r->changes) = c;
}

static void change_bytes(struct replay *r, const struct crash_record *h, struct str data)
{
	struct file *f = map_get(&r->by_inode, MAP_KEY(h->file));

	if (!f || f->is_dir)
		return; /* a file elsewhere on the device */
	if (h->kind == CRASH_SYNC && f->forgets)
		return;
	if (h->kind == CRASH_SYNC)
		sync_file(f);
	else
		*vec_push(&f->edits) = (struct edit){ (enum crash_kind)h->kind, h->at, data };
}

static void apply_record(struct replay *r, const struct crash_record *h, struct str name, struct str to, struct str data)
{
	switch ((enum crash_kind)h->kind) {
	case CRASH_CREATE:
	case CRASH_MKDIR:
	case CRASH_RENAME:
	case CRASH_LINK:
	case CRASH_UNLINK:
		change_names(r, h, name, to);
		break;
	case CRASH_WRITE:
	case CRASH_TRUNCATE:
	case CRASH_EXTEND:
	case CRASH_SYNC:
		change_bytes(r, h, data);
		break;
	case CRASH_SYNC_DIR:
		if (!str_eq(r->forget, STR("dir")))
			sync_dir(r, name);
		break;
	case CRASH_MARK:
	case CRASH_KINDS:
		break;
	}
}

bool replay_step(struct replay *r, struct replayed *out)
{
	struct crash_record h;
	struct str rest = str_from(r->log, r->at), name, to;
	uint64_t whole;

	if (rest.n < sizeof h)
		return false;
	memcpy(&h, rest.p, sizeof h);
	whole = sizeof h + h.name_n + h.to_n + h.data_n;
	if (h.magic != CRASH_MAGIC || h.kind >= CRASH_KINDS)
		die("replay: no record at byte %zu", r->at);
	if (rest.n < whole)
		return false; /* the program was killed while it wrote this one */
	name = str_sub(rest, sizeof h, h.name_n);
	to = str_sub(rest, sizeof h + h.name_n, h.to_n);
	*out = (struct replayed){ (enum crash_kind)h.kind, name, str_sub(rest, sizeof h + h.name_n + h.to_n, h.data_n) };
	r->n++;
	apply_record(r, &h, name, to, out->data);
	r->at += whole;
	return true;
}

bool replay_has_uncertain(const struct replay *r)
{
	if (r->changes.n)
		return true;
	for (size_t i = 0; i < r->files.n; i++)
		if (r->files.v[i]->edits.n)
			return true;
	return false;
}

/* ---- building */

static size_t below(uint64_t *rng, size_t n)
{
	return n ? (size_t)(rng_step(rng) % n) : 0;
}

/* Of each directory's changes some, from the first. */
static void apply_some_changes(const struct replay *r, struct names *n, uint64_t *rng)
{
	for (size_t i = 0; i < r->changes.n; i++) {
		const struct change *c = &r->changes.v[i];
		bool seen = false;
		size_t of_dir = 0, keep;

		for (size_t k = 0; k < r->changes.n; k++) {
			seen |= k < i && str_eq(r->changes.v[k].dir, c->dir);
			of_dir += str_eq(r->changes.v[k].dir, c->dir);
		}
		if (seen)
			continue;
		keep = below(rng, of_dir + 1);
		for (size_t k = i; k < r->changes.n && keep > 0; k++)
			if (str_eq(r->changes.v[k].dir, c->dir)) {
				apply_change(n, &r->changes.v[k]);
				keep--;
			}
	}
}

static struct names names_after(const struct replay *r, enum variant v, uint64_t *rng)
{
	struct names n = certain_names(r);

	if (v == VARIANT_WHOLE || v == VARIANT_NAMES || v == VARIANT_ZEROS)
		for (size_t i = 0; i < r->changes.n; i++)
			apply_change(&n, &r->changes.v[i]);
	else if (v == VARIANT_TORN || v == VARIANT_PAGES)
		apply_some_changes(r, &n, rng);
	return n;
}

static void apply_torn(const struct file *f, struct buf *out, uint64_t *rng)
{
	size_t keep = below(rng, f->edits.n + 1);

	for (size_t i = 0; i < keep; i++)
		apply_edit(out, &f->edits.v[i]);
	if (keep < f->edits.n && f->edits.v[keep].kind == CRASH_WRITE) {
		struct edit e = f->edits.v[keep];
		size_t cut = below(rng, e.data.n);

		e.data.n = below(rng, 2) ? cut : cut / 512 * 512;
		apply_edit(out, &e);
	}
}

static void apply_zeroed(const struct file *f, struct buf *out, uint64_t *rng)
{
	ssize_t last = -1;

	for (size_t i = 0; i < f->edits.n; i++) {
		apply_edit(out, &f->edits.v[i]);
		if (f->edits.v[i].kind == CRASH_WRITE)
			last = (ssize_t)i;
	}
	if (last >= 0) {
		const struct edit *e = &f->edits.v[last];
		uint64_t from = e->at + below(rng, e->data.n + 1) / 512 * 512;

		if (from < out->n && from < e->at + e->data.n)
			memset(out->p + from, 0, e->at + e->data.n < out->n ? (size_t)(e->at + e->data.n - from) : (size_t)(out->n - from));
	}
}

static void apply_pages(const struct file *f, struct buf *out, uint64_t *rng)
{
	size_t n_before = out->n;
	char *before = n_before ? mem_dup(out->p, n_before) : NULL;

	for (size_t i = 0; i < f->edits.n; i++)
		apply_edit(out, &f->edits.v[i]);
	for (size_t i = 0; i < f->edits.n; i++) {
		const struct edit *e = &f->edits.v[i];

		for (uint64_t p = e->at / PAGE * PAGE; e->kind == CRASH_WRITE && p < e->at + e->data.n && p < out->n; p += PAGE) {
			size_t n = out->n - p < PAGE ? (size_t)(out->n - p) : PAGE;
			size_t old = p >= n_before ? 0 : n_before - p < n ? (size_t)(n_before - p) : n;

			if (below(rng, 2))
				continue;
			if (old)
				memcpy(out->p + p, before + p, old);
			memset(out->p + p + old, 0, n - old);
		}
	}
	free(before);
}

static void bytes_after(const struct file *f, enum variant v, uint64_t *rng, struct buf *out)
{
	buf_reset(out);
	buf_add(out, buf_str(&f->bytes));
	if (v == VARIANT_TORN)
		apply_torn(f, out, rng);
	else if (v == VARIANT_ZEROS)
		apply_zeroed(f, out, rng);
	else if (v == VARIANT_PAGES)
		apply_pages(f, out, rng);
	else if (v == VARIANT_WHOLE || v == VARIANT_BYTES)
		for (size_t i = 0; i < f->edits.n; i++)
			apply_edit(out, &f->edits.v[i]);
}

/* Zeros are left as holes: files have much room ahead. */
static void write_file(const char *path, struct str bytes)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	static const char zeros[PAGE];

	if (fd < 0 || ftruncate(fd, (off_t)bytes.n) != 0)
		die_errno("%s", path);
	for (size_t at = 0; at < bytes.n; at += PAGE) {
		struct str page = str_sub(bytes, at, PAGE);

		if (memcmp(page.p, zeros, page.n) != 0 && pwrite(fd, page.p, page.n, (off_t)at) != (ssize_t)page.n)
			die_errno("%s", path);
	}
	close(fd);
}

static bool has_parent(struct names *n, struct str name)
{
	struct str dir = parent_of(name);
	struct entry *e = name_find(n, dir);

	return dir.n == 0 || (e && e->file->is_dir);
}

void replay_build(struct replay *r, const char *dir, enum variant v, uint64_t seed)
{
	uint64_t rng = seed;
	struct names n = names_after(r, v, &rng);
	struct buf bytes;
	char path[1024];

	buf_init(&bytes, (size_t)1 << 32);
	if (mkdir(dir, 0700) != 0)
		die_errno("%s", dir);
	/* A directory is made before what is in it: its entry came first, or came to stand first when it became certain. */
	for (int dirs = 1; dirs >= 0; dirs--)
		for (size_t i = 0; i < n.v.n; i++) {
			const struct entry *e = &n.v.v[i];

			if (e->file->is_dir != dirs || !has_parent(&n, e->name))
				continue;
			snprintf(path, sizeof path, "%s/%.*s", dir, STR_ARG(e->name));
			if (dirs && mkdir(path, 0700) != 0)
				die_errno("%s", path);
			if (dirs)
				continue;
			bytes_after(e->file, v, &rng, &bytes);
			write_file(path, buf_str(&bytes));
		}
	buf_fini(&bytes);
	vec_free(&n.v);
}
