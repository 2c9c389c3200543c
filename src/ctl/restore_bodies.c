/* ctl/restore_bodies.c - the bodies that chosen rows refer to: found in the index, read, checked, given to the store.
 * Purpose     memory is 48 bytes a body; files are read in their order.
 */
#include "ctl/restore_impl.h"

#include "ipc/body.h"
#include "store/outgoing_rows.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PACK_MAX ((size_t)4 << 20)
#define BODY_MAX ((uint64_t)4 << 30)

static int body_cmp(const void *a, const void *b)
{
	const struct restore_body *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

struct restore_body *restore_find(struct restoring *r, uint64_t id)
{
	struct restore_body key = { .id = id };

	return r->bodies.n ? bsearch(&key, r->bodies.v, r->bodies.n, sizeof key, body_cmp) : NULL;
}

uint64_t restore_blob_of(const struct keep_record *rec)
{
	struct message_row m;
	struct deleted_row d;
	struct out_letter_row out;

	if (rec->a.n == 9 && rec->a.p[0] == 'M' && message_row_decode(rec->b, &m))
		return m.blob;
	if (rec->a.n == 9 && rec->a.p[0] == 'Z' && deleted_row_decode(rec->b, &d))
		return d.message.blob;
	if (rec->a.n == 9 && rec->a.p[0] == 'O' && out_letter_row_decode(rec->b, &out))
		return out.blob;
	return 0;
}

static bool note_body(struct restoring *r, struct restore_part *p, const struct keep_record *rec, void *arg)
{
	uint64_t id = restore_blob_of(rec);

	(void)arg;
	if (p->part->partition >= PARTITION_LANE(0) && rec->a.n && rec->a.p[0] == 'Q') {
		struct queued_row *q = mem_new(struct queued_row);

		if (queued_row_decode(rec->b, q))
			id = q->blob;
		free(q);
	}
	if (id)
		vec_push(&r->bodies)->id = id;
	return true;
}

static void unique(struct restoring *r)
{
	size_t kept = 0;

	if (r->bodies.n)
		qsort(r->bodies.v, r->bodies.n, sizeof *r->bodies.v, body_cmp);
	for (size_t i = 0; i < r->bodies.n; i++)
		if (kept == 0 || r->bodies.v[kept - 1].id != r->bodies.v[i].id)
			r->bodies.v[kept++] = r->bodies.v[i];
	r->bodies.n = kept;
}

static void place(struct restoring *r, const struct keep_entry *e)
{
	struct restore_body *b = restore_find(r, e->id);

	if (b)
		b->at = *e;
}

static bool read_index(struct restoring *r)
{
	struct keep_in in;
	struct str s;
	bool ok;

	if (!keep_in_open(&in, r->d.fd, r->d.path, r->run.index.name))
		return false;
	for (; (s = keep_in_peek(&in, KEEP_ENTRY)).n == KEEP_ENTRY; keep_in_skip(&in, KEEP_ENTRY)) {
		struct keep_entry e = keep_entry_decode(s);

		place(r, &e);
	}
	ok = keep_in_matches(&in, &r->run.index);
	keep_in_close(&in);
	return ok;
}

/* The index is damaged: every bodies file of the run says itself what is in it. */
static void read_files(struct restoring *r)
{
	for (size_t i = 0; i < r->bodies.n; i++)
		r->bodies.v[i].at = (struct keep_entry){ 0 };
	for (size_t i = 0; i < r->run.bodies.n; i++) {
		const struct keep_bodies *f = &r->run.bodies.v[i];
		struct keep_record rec;
		struct keep_in in;
		const char *why;
		enum keep_got got;

		if (!keep_in_open(&in, r->d.fd, r->d.path, f->ref.name))
			continue;
		while ((got = keep_in_next(&in, &rec, &why)) != KEEP_END && !in.io_failed) {
			struct keep_entry e = { rec.id, f->file, (uint32_t)rec.a.n, rec.at };

			if (got == KEEP_RECORD)
				place(r, &e);
			else
				keep_in_resync(&in);
		}
		keep_in_close(&in);
	}
}

static bool tell_missing(struct restoring *r)
{
	for (size_t i = 0; i < r->bodies.n; i++) {
		char why[80];

		if (r->bodies.v[i].at.id)
			continue;
		r->n_lost_bodies++;
		snprintf(why, sizeof why, "body %llu is not in this run", (unsigned long long)r->bodies.v[i].id);
		if (!restore_damage(r, r->run.index.name, 0, why))
			return false;
	}
	return true;
}

bool restore_gather(struct restoring *r)
{
	for (size_t i = 0; i < r->parts.n; i++)
		if (!restore_each_row(r, &r->parts.v[i], note_body, NULL))
			return false;
	unique(r);
	if (!read_index(r)) {
		if (!restore_damage(r, r->run.index.name, 0, "the file does not match its SHA-256"))
			return false;
		read_files(r);
	}
	return tell_missing(r);
}

/* ---- reading and giving */

static int place_cmp(const void *a, const void *b)
{
	const struct keep_entry *x = &(*(struct restore_body *const *)a)->at, *y = &(*(struct restore_body *const *)b)->at;

	if (x->file != y->file)
		return x->file < y->file ? -1 : 1;
	return x->at < y->at ? -1 : x->at > y->at;
}

bool restore_read_body(struct restoring *r, const struct restore_body *b, int *fd, uint32_t *open_file, struct buf *buf, struct str *out)
{
	const struct keep_bodies *f = keep_run_bodies(&r->run, b->at.file);

	if (!f)
		return false;
	if (*fd < 0 || *open_file != b->at.file) {
		if (*fd >= 0)
			close(*fd);
		*open_file = b->at.file;
		*fd = openat(r->d.fd, f->ref.name, O_RDONLY | O_CLOEXEC);
		if (*fd >= 0)
			posix_fadvise(*fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	}
	return *fd >= 0 && keep_record_read(*fd, b->at.at, b->id, b->at.size, buf, out);
}

struct pack {
	struct buf bytes;
	struct VEC(struct restore_body *) bodies;
};

static enum outcome give(struct restoring *r, struct pack *p)
{
	struct body_budget budget = { .max = BODY_MAX };
	struct ipc_restore_bodies q = { 0 };
	struct ipc_restore_bodies_reply reply;
	struct body_writer w;
	enum outcome o;

	if (p->bodies.n == 0)
		return OK;
	body_writer_open(&w, &budget, BODY_MAX);
	body_writer_add(&w, buf_str(&p->bytes));
	o = body_writer_seal(&w, &q.pack);
	if (o == OK)
		o = restore_call(r, ROLE_STORE, IPC_RESTORE_BODIES, &q, &reply);
	body_writer_close(&w);
	for (size_t i = 0; o == OK && i < p->bodies.n; i++)
		p->bodies.v[i]->now = reply.first + i;
	progress_add(&r->progress, p->bodies.n, p->bytes.n);
	r->n_bytes += p->bytes.n;
	p->bodies.n = 0;
	buf_reset(&p->bytes);
	return o;
}

static bool add_body(struct restoring *r, struct pack *p, struct restore_body *b, struct str bytes)
{
	enum outcome o = OK;

	put_str(&p->bytes, bytes);
	*vec_push(&p->bodies) = b;
	if (p->bytes.n >= PACK_MAX)
		o = give(r, p);
	return ctl_done(o, "restore", "of bodies") == 0;
}

static bool lost_body(struct restoring *r, const struct restore_body *b)
{
	const struct keep_bodies *f = keep_run_bodies(&r->run, b->at.file);
	char why[80];

	r->n_lost_bodies++;
	snprintf(why, sizeof why, "body %llu is damaged or cannot be read", (unsigned long long)b->id);
	return restore_damage(r, f ? f->ref.name : r->run.index.name, b->at.at, why);
}

static bool upload_all(struct restoring *r, struct restore_body **order, size_t n)
{
	struct pack p = { 0 };
	uint32_t open_file = 0;
	struct buf buf;
	int fd = -1;
	bool ok = true;

	buf_init(&p.bytes, BODY_MAX);
	buf_init(&buf, BODY_MAX);
	for (size_t i = 0; ok && i < n; i++) {
		struct str bytes;

		if (restore_read_body(r, order[i], &fd, &open_file, &buf, &bytes))
			ok = add_body(r, &p, order[i], bytes);
		else
			ok = lost_body(r, order[i]);
	}
	ok = ok && ctl_done(give(r, &p), "restore", "of bodies") == 0;
	if (fd >= 0)
		close(fd);
	vec_free(&p.bodies);
	buf_fini(&p.bytes);
	buf_fini(&buf);
	return ok;
}

bool restore_upload(struct restoring *r)
{
	struct restore_body **order = mem_array(r->bodies.n + 1, sizeof *order);
	size_t n = 0;
	bool ok;

	for (size_t i = 0; i < r->bodies.n; i++)
		if (r->bodies.v[i].at.id)
			order[n++] = &r->bodies.v[i];
	if (n)
		qsort(order, n, sizeof *order, place_cmp);
	progress_begin(&r->progress, "bodies", n);
	ok = upload_all(r, order, n);
	progress_end(&r->progress);
	free(order);
	return ok;
}
