/* ctl/backup_check.c - commands: a backup read back; what runs there are. */
#include "ctl/backup_check.h"

#include "base/clock.h"
#include "ctl/ctl_impl.h"
#include "ctl/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static bool damaged(const struct keep_dir *d, const char *name, uint64_t at, const char *why)
{
	printf("damaged\t%s/%s\t%" PRIu64 "\t%s\n", d->path, name, at, why);
	return false;
}

bool backup_check_file(struct keep_dir *d, const struct keep_ref *ref, bool records, struct progress *p)
{
	struct keep_record rec;
	struct keep_in in;
	bool ok = true, bad_record = false;
	const char *why = "";
	enum keep_got got;

	if (!keep_in_open(&in, d->fd, d->path, ref->name))
		return damaged(d, ref->name, 0, "the file is missing or cannot be opened");
	while (records && (got = keep_in_next(&in, &rec, &why)) != KEEP_END && !in.io_failed) {
		if (p)
			progress_add(p, rec.a.n + rec.b.n + KEEP_HEAD, rec.a.n + rec.b.n + KEEP_HEAD);
		if (got == KEEP_RECORD)
			continue;
		bad_record = true;
		ok = damaged(d, ref->name, rec.at, why);
		keep_in_resync(&in);
	}
	if (!keep_in_matches(&in, ref) && !bad_record)
		ok = damaged(d, ref->name, in.size < ref->size ? in.size : 0,
			in.size != ref->size ? "the file has another size than the manifest says" : "the file does not match its SHA-256");
	keep_in_close(&in);
	return ok;
}

bool backup_check_index(struct keep_dir *d, const struct keep_run *r, struct progress *p)
{
	struct keep_in in;
	uint64_t last = 0, n = 0;
	bool ok;
	struct str s;

	if (!keep_in_open(&in, d->fd, d->path, r->index.name))
		return damaged(d, r->index.name, 0, "the file is missing or cannot be opened");
	ok = true;
	while ((s = keep_in_peek(&in, KEEP_ENTRY)).n == KEEP_ENTRY && ok) {
		struct keep_entry e = keep_entry_decode(s);
		const struct keep_bodies *f = keep_run_bodies(r, e.file);

		if (e.id <= last || !f || e.at > f->ref.size || e.size + (uint64_t)KEEP_HEAD > f->ref.size - e.at)
			ok = damaged(d, r->index.name, in.at, "an entry names no body of this backup");
		last = e.id;
		n++;
		keep_in_skip(&in, KEEP_ENTRY);
		if (p)
			progress_add(p, KEEP_ENTRY, KEEP_ENTRY);
	}
	if (ok && (!keep_in_matches(&in, &r->index) || n != r->n_bodies))
		ok = damaged(d, r->index.name, 0, "the file does not match its SHA-256");
	keep_in_close(&in);
	return ok;
}

/* ---- verify: every file once, though several runs name it */

struct seen {
	struct VEC(struct keep_ref) v;
};

static bool is_new(struct seen *s, const struct keep_ref *ref)
{
	size_t lo = 0, hi = s->v.n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = strcmp(s->v.v[mid].name, ref->name);

		if (c == 0 && memcmp(s->v.v[mid].sha, ref->sha, KEEP_SHA) == 0)
			return false;
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	vec_push(&s->v);
	memmove(s->v.v + lo + 1, s->v.v + lo, (s->v.n - 1 - lo) * sizeof *s->v.v);
	s->v.v[lo] = *ref;
	return true;
}

static uint64_t bytes_of(const struct keep_run *r)
{
	uint64_t n = r->index.size;

	for (size_t i = 0; i < r->bodies.n; i++)
		n += r->bodies.v[i].ref.size;
	for (size_t i = 0; i < r->parts.n; i++)
		n += r->parts.v[i].file.size;
	return n;
}

static bool check_run(struct keep_dir *d, const struct keep_run *r, struct seen *seen)
{
	struct progress p;
	bool ok = true;

	progress_begin(&p, "reading back", bytes_of(r));
	ok &= backup_check_index(d, r, &p);
	for (size_t i = 0; i < r->parts.n; i++)
		if (is_new(seen, &r->parts.v[i].file))
			ok &= backup_check_file(d, &r->parts.v[i].file, true, &p);
	for (size_t i = 0; i < r->bodies.n; i++)
		if (is_new(seen, &r->bodies.v[i].ref))
			ok &= backup_check_file(d, &r->bodies.v[i].ref, true, &p);
	progress_end(&p);
	printf("run\t%u\t%s\n", r->number, ok ? "whole" : "damaged");
	return ok;
}

static int verify(struct ctl *c)
{
	struct seen seen = { 0 };
	struct keep_dir d;
	uint32_t only = 0;
	bool ok = true;

	if (c->n_words == 3 && (strcmp(c->words[1], "--run") != 0 || !str_to_u32(str_z(c->words[2]), &only))) {
		fprintf(stderr, "usage: sallyport backup verify DIR [--run N]\n");
		return 2;
	}
	if (!keep_dir_open(&d, c->words[0], false))
		return 1;
	if (d.runs.n == 0)
		fprintf(stderr, "sallyport: %s: there is no run in it\n", d.path);
	ok = d.runs.n > 0;
	for (size_t i = 0; i < d.runs.n; i++) {
		struct keep_run r;

		if (only && d.runs.v[i] != only)
			continue;
		if (!keep_run_read(&d, d.runs.v[i], &r)) {
			ok = damaged(&d, "runs", d.runs.v[i], "the manifest of this run does not read");
			continue;
		}
		ok &= check_run(&d, &r, &seen);
		keep_run_fini(&r);
	}
	vec_free(&seen.v);
	keep_dir_close(&d);
	return ok ? 0 : 1;
}

static int list(struct ctl *c)
{
	struct keep_dir d;
	int status = 0;

	if (!keep_dir_open(&d, c->words[0], false))
		return 1;
	for (size_t i = 0; i < d.runs.n; i++) {
		char when[CLOCK_RFC3339_SIZE];
		unsigned accounts = 0;
		struct keep_run r;

		if (!keep_run_read(&d, d.runs.v[i], &r)) {
			status = 1;
			continue;
		}
		for (size_t j = 0; j < r.parts.n; j++)
			accounts += r.parts.v[j].address[0] != 0;
		clock_rfc3339(r.time_s * 1000000, when);
		printf("%u\t%s\t%s\taccounts\t%u\tbodies\t%" PRIu64 "\t%" PRIu64 "\tnew\t%" PRIu64 "\t%" PRIu64 "\tlost\t%" PRIu64 "\n",
			r.number, when, r.after ? "incremental" : "full", accounts, r.n_bodies, r.bytes, r.new_bodies, r.new_bytes,
			r.n_lost);
		keep_run_fini(&r);
	}
	keep_dir_close(&d);
	return status;
}

#define VERIFY_HELP "read all of a backup and compare it with its checksums"

const struct command ctl_backup_check_commands[] = {
	{ "backup verify", "DIR [--run N]", VERIFY_HELP, 1, 3, ALONE, verify },
	{ "backup --verify", "DIR [--run N]", "the same", 1, 3, ALONE, verify },
	{ "backup list", "DIR", "the runs of a backup: number, time, kind, accounts, bodies, bytes, what was new, what was lost", 1, 1, ALONE, list },
	{ 0 },
};
