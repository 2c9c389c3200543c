/* ctl/backup_prune.c - command: old runs of a backup go.
 * Purpose     manifests of old runs are removed, then files that none names any more; a bodies file that is mostly of no use is rewritten.
 * Invariants  X1 at any moment each manifest that is there names files that are whole: new files are on the disk before a manifest names them, and
 *             old ones go when none does.
 */
#include "ctl/backup_check.h"
#include "ctl/ctl_impl.h"
#include "ctl/progress.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define REWRITE_BELOW 50 /* per cent of a file's bytes that are in use */

struct file_use {
	uint32_t file;
	uint64_t size, used;
	struct keep_ref new_ref; /* size 0: stays as it is */
	uint32_t new_file;
};

/* A body that moves: found by its id in the file that it leaves. */
struct moved {
	uint32_t file;
	uint64_t id, at;
};

struct pruning {
	struct keep_dir d;
	struct VEC(struct keep_run) runs; /* those that stay */
	struct VEC(struct file_use) files;
	struct VEC(struct moved) moved; /* of one file at a time, by id */
	uint32_t next_file;
	uint64_t rewritten;
};

static struct file_use *use_of(struct pruning *p, uint32_t file)
{
	for (size_t i = 0; i < p->files.n; i++)
		if (p->files.v[i].file == file)
			return &p->files.v[i];
	return NULL;
}

/* Calls each with every entry of an index. False: it does not read whole. */
typedef void entry_fn(struct pruning *p, const struct keep_entry *e, void *arg);
static bool each_entry(struct pruning *p, const struct keep_run *r, entry_fn *each, void *arg)
{
	struct keep_in in;
	struct str s;
	bool ok;

	if (!keep_in_open(&in, p->d.fd, p->d.path, r->index.name))
		return false;
	for (; (s = keep_in_peek(&in, KEEP_ENTRY)).n == KEEP_ENTRY; keep_in_skip(&in, KEEP_ENTRY)) {
		struct keep_entry e = keep_entry_decode(s);

		each(p, &e, arg);
	}
	ok = keep_in_matches(&in, &r->index);
	keep_in_close(&in);
	if (!ok)
		fprintf(stderr, "sallyport: %s/%s: damaged; nothing is rewritten\n", p->d.path, r->index.name);
	return ok;
}

static int moved_cmp(const void *a, const void *b)
{
	const struct moved *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

static void note_wanted(struct pruning *p, const struct keep_entry *e, void *arg)
{
	if (e->file == *(const uint32_t *)arg)
		*vec_push(&p->moved) = (struct moved){ e->file, e->id, e->at };
}

static void unique(struct pruning *p)
{
	size_t kept = 0;

	if (p->moved.n)
		qsort(p->moved.v, p->moved.n, sizeof *p->moved.v, moved_cmp);
	for (size_t i = 0; i < p->moved.n; i++)
		if (kept == 0 || p->moved.v[kept - 1].id != p->moved.v[i].id)
			p->moved.v[kept++] = p->moved.v[i];
	p->moved.n = kept;
}

/* The bodies of a file that kept runs want, in p->moved. */
static bool gather(struct pruning *p, uint32_t file)
{
	p->moved.n = 0;
	for (size_t i = 0; i < p->runs.n; i++)
		if (keep_run_bodies(&p->runs.v[i], file) && !each_entry(p, &p->runs.v[i], note_wanted, &file))
			return false;
	unique(p);
	return true;
}

static struct moved *find_moved(struct pruning *p, uint64_t id)
{
	struct moved key = { .id = id };

	return p->moved.n ? bsearch(&key, p->moved.v, p->moved.n, sizeof key, moved_cmp) : NULL;
}

static bool copy_file(struct pruning *p, struct file_use *f, const char *old_name)
{
	char name[KEEP_NAME_SIZE];
	struct keep_record rec;
	const char *why = "";
	struct keep_out o;
	struct keep_in in;
	enum keep_got got = KEEP_END;

	if (!keep_in_open(&in, p->d.fd, p->d.path, old_name))
		return false;
	f->new_file = p->next_file++;
	snprintf(name, sizeof name, "bodies/%08u", f->new_file);
	if (!keep_out_open(&o, p->d.fd, p->d.path, name)) {
		keep_in_close(&in);
		return false;
	}
	while (!o.failed && (got = keep_in_next(&in, &rec, &why)) == KEEP_RECORD) {
		struct moved *m = find_moved(p, rec.id);

		if (m && m->at == rec.at)
			m->at = keep_out_record(&o, rec.id, rec.a, rec.b);
	}
	keep_in_close(&in);
	if (o.failed || got != KEEP_END) {
		if (got == KEEP_DAMAGED)
			fprintf(stderr, "sallyport: %s/%s at %" PRIu64 ": %s; it stays as it is\n", p->d.path, old_name, rec.at, why);
		keep_out_drop(&o);
		return false;
	}
	return keep_out_end(&o, &f->new_ref) && backup_check_file(&p->d, &f->new_ref, true, NULL);
}

struct rewriting {
	struct keep_out out;
	const struct file_use *f;
};

static void move_entry(struct pruning *p, const struct keep_entry *e, void *arg)
{
	struct rewriting *w = arg;
	struct keep_entry to = *e;
	const struct moved *m = e->file == w->f->file ? find_moved(p, e->id) : NULL;
	char raw[KEEP_ENTRY];

	if (m) {
		to.file = w->f->new_file;
		to.at = m->at;
	}
	keep_entry_encode(&to, raw);
	keep_out_raw(&w->out, str_of(raw, sizeof raw));
}

static bool exists(const struct keep_dir *d, const char *name)
{
	return faccessat(d->fd, name, F_OK, 0) == 0;
}

/* The run's index and manifest name the new file in place of the old. */
static bool rewrite_run(struct pruning *p, struct keep_run *r, const struct file_use *f)
{
	struct rewriting w = { .f = f };
	struct keep_ref index;
	char name[KEEP_NAME_SIZE];
	unsigned n = 0;

	do
		snprintf(name, sizeof name, "index/%06u.%u", r->number, n++);
	while (exists(&p->d, name));
	if (!keep_out_open(&w.out, p->d.fd, p->d.path, name))
		return false;
	if (!each_entry(p, r, move_entry, &w)) {
		keep_out_drop(&w.out);
		return false;
	}
	if (!keep_out_end(&w.out, &index))
		return false;
	r->index = index;
	for (size_t i = 0; i < r->bodies.n; i++)
		if (r->bodies.v[i].file == f->file)
			r->bodies.v[i] = (struct keep_bodies){ f->new_file, f->new_ref };
	return keep_run_write(&p->d, r);
}

static bool rewrite_file(struct pruning *p, struct file_use *f)
{
	const struct keep_bodies *old = NULL;
	char old_name[KEEP_NAME_SIZE];

	for (size_t i = 0; i < p->runs.n && !old; i++)
		old = keep_run_bodies(&p->runs.v[i], f->file);
	if (!old)
		return true;
	memcpy(old_name, old->ref.name, sizeof old_name);
	if (!gather(p, f->file) || !copy_file(p, f, old_name))
		return false;
	for (size_t i = 0; i < p->runs.n; i++)
		if (keep_run_bodies(&p->runs.v[i], f->file) && !rewrite_run(p, &p->runs.v[i], f))
			return false;
	p->rewritten++;
	return true;
}

static void note_files(struct pruning *p)
{
	for (size_t i = 0; i < p->runs.n; i++)
		for (size_t j = 0; j < p->runs.v[i].bodies.n; j++) {
			const struct keep_bodies *b = &p->runs.v[i].bodies.v[j];

			if (!use_of(p, b->file)) {
				struct file_use *f = vec_push(&p->files);

				f->file = b->file;
				f->size = b->ref.size;
			}
			if (b->file >= p->next_file)
				p->next_file = b->file + 1;
		}
}

static void add_size(struct pruning *p, const struct keep_entry *e, void *arg)
{
	const uint32_t *file = arg;

	if (e->file == *file && !find_moved(p, e->id)) /* counted once, though several runs have it */
		use_of(p, *file)->used += e->size + (uint64_t)KEEP_HEAD;
}

/* How much of a file is of use: bodies of the first run that has it, and what further runs add. */
static bool measure(struct pruning *p, struct file_use *f)
{
	p->moved.n = 0;
	for (size_t i = 0; i < p->runs.n; i++) {
		if (!keep_run_bodies(&p->runs.v[i], f->file))
			continue;
		if (!each_entry(p, &p->runs.v[i], add_size, &f->file) || !each_entry(p, &p->runs.v[i], note_wanted, &f->file))
			return false;
		unique(p);
	}
	return true;
}

static bool prune_files(struct pruning *p)
{
	size_t n;

	note_files(p);
	n = p->files.n;
	for (size_t i = 0; i < n; i++) {
		if (!measure(p, &p->files.v[i]))
			return false;
		if (p->files.v[i].used * 100 < p->files.v[i].size * REWRITE_BELOW && !rewrite_file(p, &p->files.v[i]))
			return false;
	}
	return true;
}

/* All manifests are read before one goes. */
static bool read_runs(struct pruning *p)
{
	for (size_t i = 0; i < p->d.runs.n; i++) {
		struct keep_run r;

		if (!keep_run_read(&p->d, p->d.runs.v[i], &r))
			return false;
		*vec_push(&p->runs) = r;
	}
	return true;
}

static void drop_runs(struct pruning *p, size_t n)
{
	char name[KEEP_NAME_SIZE];

	for (size_t i = 0; i < n; i++) {
		snprintf(name, sizeof name, "runs/%06u", p->runs.v[0].number);
		unlinkat(p->d.fd, name, 0);
		keep_run_fini(&p->runs.v[0]);
		vec_remove(&p->runs, 0);
		vec_remove(&p->d.runs, 0);
	}
	keep_dir_sync(&p->d);
}

static int prune(struct ctl *c)
{
	struct pruning p = { .next_file = 1 };
	uint32_t keep;
	size_t gone;
	bool ok;

	if (strcmp(c->words[1], "--keep") != 0 || !str_to_u32(str_z(c->words[2]), &keep) || keep == 0) {
		fprintf(stderr, "usage: sallyport backup prune DIR --keep N, where N is at least 1\n");
		return 2;
	}
	if (!keep_dir_open(&p.d, c->words[0], false))
		return 1;
	ok = read_runs(&p);
	gone = ok && p.runs.n > keep ? p.runs.n - keep : 0;
	if (ok) {
		drop_runs(&p, gone);
		ok = keep_dir_sweep(&p.d) && prune_files(&p);
		ok = keep_dir_sweep(&p.d) && ok;
	}
	if (ok)
		printf("removed\t%zu\tkept\t%zu\trewritten\t%" PRIu64 "\n", gone, p.runs.n, p.rewritten);
	for (size_t i = 0; i < p.runs.n; i++)
		keep_run_fini(&p.runs.v[i]);
	vec_free(&p.runs);
	vec_free(&p.files);
	vec_free(&p.moved);
	keep_dir_close(&p.d);
	return ok ? 0 : 1;
}

const struct command ctl_prune_commands[] = {
	{ "backup prune", "DIR --keep N", "remove all runs of a backup but the newest N", 3, 3, ALONE, prune },
	{ 0 },
};
