/* ctl/keep_dir.c - a backup's directory. See the header.
 * Trust       a manifest may be damaged: it is refused unless its checksum holds, and names of files in it are checked all the same.
 */
#include "ctl/keep_dir.h"

#include "base/die.h"
#include "base/file.h"
#include "base/rng.h"

#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define FORMAT "sallyport-backup 1"
#define MANIFEST_MAX ((size_t)1 << 30)

static const char *const folders[] = { "runs", "rows", "bodies", "index" };
#define N_FOLDERS (sizeof folders / sizeof *folders)

static bool complain(const struct keep_dir *d, const char *name, const char *why)
{
	fprintf(stderr, "sallyport: %s%s%s: %s\n", d->path, *name ? "/" : "", name, why);
	return false;
}

static void add_hex(struct buf *b, const void *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf_addf(b, "%02x", ((const unsigned char *)p)[i]);
}

static int digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool take_hex(struct str s, void *out, size_t n)
{
	if (s.n != 2 * n)
		return false;
	for (size_t i = 0; i < n; i++) {
		int hi = digit(s.p[2 * i]), lo = digit(s.p[2 * i + 1]);

		if (hi < 0 || lo < 0)
			return false;
		((unsigned char *)out)[i] = (unsigned char)(hi << 4 | lo);
	}
	return true;
}

/* ---- the directory */

static bool is_empty(int fd)
{
	int copy = dup(fd);
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *e;
	bool empty = dir;

	while (dir && (e = readdir(dir)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 && strcmp(e->d_name, "lock") != 0 &&
			strcmp(e->d_name, "format.new") != 0)
			empty = false;
	if (dir)
		closedir(dir);
	return empty;
}

static bool write_format(struct keep_dir *d)
{
	struct keep_ref ref;
	struct keep_out o;
	struct buf text;
	bool ok;

	rng_bytes(d->number, sizeof d->number);
	for (size_t i = 0; i < N_FOLDERS; i++)
		if (mkdirat(d->fd, folders[i], 0700) != 0 && errno != EEXIST)
			return complain(d, folders[i], strerror(errno));
	buf_init(&text, 256);
	buf_addz(&text, FORMAT "\n");
	add_hex(&text, d->number, sizeof d->number);
	buf_addc(&text, '\n');
	ok = keep_out_open(&o, d->fd, d->path, "format");
	if (ok) {
		keep_out_raw(&o, buf_str(&text));
		ok = keep_out_end(&o, &ref);
	}
	buf_fini(&text);
	keep_dir_sync(d);
	return ok;
}

static bool read_format(struct keep_dir *d)
{
	char text[256];
	int fd = openat(d->fd, "format", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text);
	struct str rest = str_of(text, n > 0 ? (size_t)n : 0), line;

	if (fd >= 0)
		close(fd);
	if (!str_split(&rest, '\n', &line) || !str_starts(line, STR("sallyport-backup ")))
		return complain(d, "", "this is no backup of Sallyport");
	if (!str_eq(line, STR(FORMAT)))
		return complain(d, "format", "this backup is of another version of the program; use that one");
	return (str_split(&rest, '\n', &line) && take_hex(line, d->number, sizeof d->number)) ||
	       complain(d, "format", "damaged: the directory's number is missing");
}

static int number_cmp(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static DIR *open_folder(const struct keep_dir *d, const char *name)
{
	int fd = openat(d->fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? NULL : fdopendir(fd);
}

static bool list_runs(struct keep_dir *d)
{
	DIR *dir = open_folder(d, "runs");
	struct dirent *e;
	uint32_t number;

	if (!dir)
		return complain(d, "runs", strerror(errno));
	while ((e = readdir(dir)))
		if (strlen(e->d_name) == 6 && str_to_u32(str_z(e->d_name), &number))
			*vec_push(&d->runs) = number;
	closedir(dir);
	if (d->runs.n)
		qsort(d->runs.v, d->runs.n, sizeof *d->runs.v, number_cmp);
	return true;
}

static bool lock(struct keep_dir *d)
{
	d->lock_fd = openat(d->fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (d->lock_fd < 0)
		return complain(d, "lock", strerror(errno));
	return flock(d->lock_fd, LOCK_EX | LOCK_NB) == 0 || complain(d, "", "another command is at work in it; wait until that ends");
}

bool keep_dir_open(struct keep_dir *d, const char *path, bool make)
{
	bool ok;

	*d = (struct keep_dir){ .path = path, .fd = -1, .lock_fd = -1 };
	if (make && mkdir(path, 0700) != 0 && errno != EEXIST)
		return complain(d, "", strerror(errno));
	d->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (d->fd < 0)
		return complain(d, "", strerror(errno));
	if (make && is_empty(d->fd)) {
		fchmod(d->fd, 0700);
		ok = lock(d) && write_format(d);
	} else {
		ok = faccessat(d->fd, "format", F_OK, 0) == 0 ||
		     complain(d, "", "this is no backup of Sallyport; name one, or an empty directory to begin one");
		ok = ok && lock(d) && read_format(d);
	}
	ok = ok && list_runs(d);
	if (!ok)
		keep_dir_close(d);
	return ok;
}

void keep_dir_close(struct keep_dir *d)
{
	if (d->lock_fd >= 0)
		close(d->lock_fd);
	if (d->fd >= 0)
		close(d->fd);
	vec_free(&d->runs);
	d->fd = d->lock_fd = -1;
}

void keep_dir_sync(struct keep_dir *d)
{
	for (size_t i = 0; i < N_FOLDERS; i++) {
		int fd = openat(d->fd, folders[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if (fd >= 0) {
			fsync(fd);
			close(fd);
		}
	}
	fsync(d->fd);
}

/* ---- manifests */

void keep_run_init(struct keep_run *r)
{
	*r = (struct keep_run){ 0 };
	arena_init(&r->arena, "backup", MANIFEST_MAX);
}

void keep_run_fini(struct keep_run *r)
{
	vec_free(&r->bodies);
	vec_free(&r->parts);
	arena_fini(&r->arena);
}

const struct keep_bodies *keep_run_bodies(const struct keep_run *r, uint32_t file)
{
	for (size_t i = 0; i < r->bodies.n; i++)
		if (r->bodies.v[i].file == file)
			return &r->bodies.v[i];
	return NULL;
}

const struct keep_part *keep_run_part(const struct keep_run *r, uint64_t partition)
{
	for (size_t i = 0; i < r->parts.n; i++)
		if (r->parts.v[i].partition == partition)
			return &r->parts.v[i];
	return NULL;
}

static void add_ref(struct buf *b, const struct keep_ref *f)
{
	buf_addf(b, "\t%s\t%llu\t", f->name, (unsigned long long)f->size);
	add_hex(b, f->sha, KEEP_SHA);
}

static void add_lines(struct buf *b, const struct keep_run *r)
{
	buf_addf(b, "run\t%u\t%u\t%lld\t", r->number, r->after, (long long)r->time_s);
	add_hex(b, r->nonce, KEEP_NUMBER);
	buf_addf(b, "\nbodies\t%llu\t%llu\t%llu\t%llu\t%llu\nindex", (unsigned long long)r->n_bodies, (unsigned long long)r->bytes,
		(unsigned long long)r->new_bodies, (unsigned long long)r->new_bytes, (unsigned long long)r->n_lost);
	add_ref(b, &r->index);
	for (size_t i = 0; i < r->bodies.n; i++) {
		buf_addf(b, "\nfile\t%u", r->bodies.v[i].file);
		add_ref(b, &r->bodies.v[i].ref);
	}
	for (size_t i = 0; i < r->parts.n; i++) {
		const struct keep_part *p = &r->parts.v[i];

		buf_addf(b, "\nrows\t%llx\t%llu\t%llu\t%s", (unsigned long long)p->partition, (unsigned long long)p->version,
			(unsigned long long)p->n_rows, p->address);
		add_ref(b, &p->file);
	}
	buf_addc(b, '\n');
}

static void sha_of(struct str s, unsigned char out[KEEP_SHA])
{
	die_unless(EVP_Digest(s.p, s.n, out, NULL, EVP_sha256(), NULL) == 1, "SHA-256");
}

bool keep_run_write(struct keep_dir *d, const struct keep_run *r)
{
	unsigned char sha[KEEP_SHA];
	char name[KEEP_NAME_SIZE];
	struct keep_ref ref;
	struct keep_out o;
	struct buf b;
	bool ok;

	buf_init(&b, MANIFEST_MAX);
	add_lines(&b, r);
	sha_of(buf_str(&b), sha);
	buf_addz(&b, "sha256\t");
	add_hex(&b, sha, KEEP_SHA);
	buf_addc(&b, '\n');
	snprintf(name, sizeof name, "runs/%06u", r->number);
	keep_dir_sync(d);
	ok = keep_out_open(&o, d->fd, d->path, name);
	if (ok) {
		keep_out_raw(&o, buf_str(&b));
		ok = keep_out_end(&o, &ref);
	}
	keep_dir_sync(d);
	buf_fini(&b);
	return ok;
}

struct fields {
	struct str rest;
	bool bad;
};

static struct str field(struct fields *f)
{
	struct str s = { 0 };

	if (!str_split(&f->rest, '\t', &s))
		f->bad = true;
	return s;
}

static uint64_t number_field(struct fields *f)
{
	uint64_t v = 0;

	if (!str_to_u64(field(f), &v))
		f->bad = true;
	return v;
}

static uint64_t hex_field(struct fields *f)
{
	struct str s = field(f);
	uint64_t v = 0;

	f->bad |= s.n == 0 || s.n > 16;
	for (size_t i = 0; i < s.n; i++) {
		f->bad |= digit(s.p[i]) < 0;
		v = v << 4 | (uint64_t)(digit(s.p[i]) & 15);
	}
	return v;
}

/* "rows/..." and the like: nothing that leads elsewhere. */
static bool name_ok(struct str s)
{
	ssize_t slash = str_find(s, '/');

	if (slash < 1 || s.n >= KEEP_NAME_SIZE || str_find(str_from(s, (size_t)slash + 1), '/') >= 0)
		return false;
	for (size_t i = 0; i < N_FOLDERS; i++)
		if (str_eq(str_sub(s, 0, (size_t)slash), str_z(folders[i])))
			return s.p[slash + 1] != '.';
	return false;
}

static void ref_field(struct fields *f, struct keep_ref *ref)
{
	struct str name = field(f);

	*ref = (struct keep_ref){ 0 };
	if (name_ok(name))
		memcpy(ref->name, name.p, name.n);
	else
		f->bad = true;
	ref->size = number_field(f);
	f->bad |= !take_hex(field(f), ref->sha, KEEP_SHA);
}

static void take_run(struct fields *f, struct keep_run *r)
{
	r->number = (uint32_t)number_field(f);
	r->after = (uint32_t)number_field(f);
	r->time_s = (int64_t)number_field(f);
	f->bad |= !take_hex(field(f), r->nonce, KEEP_NUMBER);
}

static void take_bodies(struct fields *f, struct keep_run *r)
{
	r->n_bodies = number_field(f);
	r->bytes = number_field(f);
	r->new_bodies = number_field(f);
	r->new_bytes = number_field(f);
	r->n_lost = number_field(f);
}

static void take_index(struct fields *f, struct keep_run *r)
{
	ref_field(f, &r->index);
}

static void take_file(struct fields *f, struct keep_run *r)
{
	struct keep_bodies *b = vec_push(&r->bodies);

	b->file = (uint32_t)number_field(f);
	ref_field(f, &b->ref);
}

static void take_rows(struct fields *f, struct keep_run *r)
{
	struct keep_part *p = vec_push(&r->parts);

	p->partition = hex_field(f);
	p->version = number_field(f);
	p->n_rows = number_field(f);
	p->address = arena_dupz(&r->arena, field(f));
	ref_field(f, &p->file);
}

static const struct {
	const char *word;
	void (*take)(struct fields *f, struct keep_run *r);
} lines[] = { { "run", take_run }, { "bodies", take_bodies }, { "index", take_index }, { "file", take_file }, { "rows", take_rows } };

static bool take_line(struct str line, struct keep_run *r)
{
	struct fields f = { line, false };
	struct str word = field(&f);

	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
		if (str_eq(word, str_z(lines[i].word))) {
			lines[i].take(&f, r);
			return !f.bad && !f.rest.p;
		}
	return false;
}

static bool parse(struct str text, struct keep_run *r)
{
	size_t tail = 7 + 2 * KEEP_SHA + 1;
	unsigned char sha[KEEP_SHA], said[KEEP_SHA];
	struct str body, end, line;

	if (text.n < tail)
		return false;
	body = str_sub(text, 0, text.n - tail);
	end = str_from(text, text.n - tail);
	sha_of(body, sha);
	if (!str_starts(end, STR("sha256\t")) || !take_hex(str_sub(end, 7, 2 * KEEP_SHA), said, KEEP_SHA) ||
		memcmp(sha, said, KEEP_SHA) != 0)
		return false;
	while (str_split(&body, '\n', &line))
		if (line.n && !take_line(line, r))
			return false;
	return r->number > 0;
}

bool keep_run_read(struct keep_dir *d, uint32_t number, struct keep_run *r)
{
	char path[1200], name[KEEP_NAME_SIZE];
	struct str text;
	struct buf why;
	bool ok;

	keep_run_init(r);
	buf_init(&why, 4096);
	snprintf(name, sizeof name, "runs/%06u", number);
	snprintf(path, sizeof path, "%s/%s", d->path, name);
	ok = file_read(path, MANIFEST_MAX, &text, &why);
	if (!ok) {
		complain(d, name, "it cannot be read, or there is no such run; see: sallyport backup list DIR");
	} else {
		ok = parse(text, r) && r->number == number;
		free((void *)(uintptr_t)text.p);
		if (!ok)
			complain(d, name, "damaged: it does not match its checksum; the other runs may be whole");
	}
	buf_fini(&why);
	if (!ok)
		keep_run_fini(r);
	return ok;
}

/* ---- what nobody names */

struct names {
	struct VEC(struct keep_ref) v;
};

static int ref_cmp(const void *a, const void *b)
{
	return strcmp(((const struct keep_ref *)a)->name, ((const struct keep_ref *)b)->name);
}

static bool gather_names(struct keep_dir *d, struct names *n)
{
	for (size_t i = 0; i < d->runs.n; i++) {
		struct keep_run r;

		if (!keep_run_read(d, d->runs.v[i], &r))
			return false;
		*vec_push(&n->v) = r.index;
		for (size_t j = 0; j < r.bodies.n; j++)
			*vec_push(&n->v) = r.bodies.v[j].ref;
		for (size_t j = 0; j < r.parts.n; j++)
			*vec_push(&n->v) = r.parts.v[j].file;
		keep_run_fini(&r);
	}
	if (n->v.n)
		qsort(n->v.v, n->v.n, sizeof *n->v.v, ref_cmp);
	return true;
}

static void sweep_folder(struct keep_dir *d, const char *folder, const struct names *n)
{
	DIR *dir = open_folder(d, folder);
	bool runs = strcmp(folder, "runs") == 0;
	struct dirent *e;

	while (dir && (e = readdir(dir))) {
		struct keep_ref ref = { 0 };

		if (e->d_name[0] == '.' || snprintf(ref.name, sizeof ref.name, "%s/%s", folder, e->d_name) >= KEEP_NAME_SIZE)
			continue;
		if (runs ? str_ends(str_z(e->d_name), STR(".new"))
			 : !n->v.n || !bsearch(&ref, n->v.v, n->v.n, sizeof ref, ref_cmp))
			unlinkat(d->fd, ref.name, 0);
	}
	if (dir)
		closedir(dir);
}

bool keep_dir_sweep(struct keep_dir *d)
{
	struct names n = { 0 };
	bool ok = gather_names(d, &n);

	for (size_t i = 0; ok && i < N_FOLDERS; i++)
		sweep_folder(d, folders[i], &n);
	vec_free(&n.v);
	return ok;
}

/* ---- entries */

void keep_entry_encode(const struct keep_entry *e, char out[KEEP_ENTRY])
{
	uint64_t id = htole64(e->id), at = htole64(e->at);
	uint32_t file = htole32(e->file), size = htole32(e->size);

	memcpy(out, &id, 8);
	memcpy(out + 8, &file, 4);
	memcpy(out + 12, &size, 4);
	memcpy(out + 16, &at, 8);
}

struct keep_entry keep_entry_decode(struct str s)
{
	struct keep_entry e;
	uint64_t id, at;
	uint32_t file, size;

	memcpy(&id, s.p, 8);
	memcpy(&file, s.p + 8, 4);
	memcpy(&size, s.p + 12, 4);
	memcpy(&at, s.p + 16, 8);
	e = (struct keep_entry){ le64toh(id), le32toh(file), le32toh(size), le64toh(at) };
	return e;
}
