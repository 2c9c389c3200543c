/* ctl/backup.c - command: one run of a backup, of the running server.
 * Purpose     rows of partitions that changed since the last run, bodies that the directory has not got; then a manifest.
 * Invariants  T1 nothing that an earlier run names is changed. T2 the manifest is written last, when all that it names is on the disk and was read
 *             back. T3 a run shares files with the one before only if the server knows that one as its own last (or last but one, when its
 *             answer got lost): one that was set back to an earlier state does not, and gives all anew.
 */
#include "ctl/backup_check.h"
#include "ctl/ctl_impl.h"
#include "ctl/progress.h"

#include "base/cur.h"
#include "base/rng.h"
#include "store/rows.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define BODIES_FILE_SIZE ((uint64_t)1 << 30)
#define ONE_BODY_MAX UINT32_MAX

struct backing {
	struct ctl *ctl;
	struct keep_dir d;
	struct keep_run old, run; /* old: the one before; number 0: none to share with */
	struct ipc_backup_begin_reply first;
	char before[KEEP_NUMBER]; /* the nonce of the newest run in the directory */
	bool has_before;
	struct progress progress;
	struct keep_out bodies;
	bool bodies_open;
	uint32_t next_file;
	struct keep_in old_index;
	bool old_index_open;
	struct keep_out index;
	struct buf large; /* a body that comes in pieces */
	uint64_t *ids;	  /* room for a request */
	size_t n_parts_new;
};

static enum outcome call(struct backing *b, int type, const void *msg, void *reply)
{
	enum outcome o;

	arena_reset(&b->ctl->client.arena);
	o = client_call(&b->ctl->client, ROLE_STORE, type, msg, reply);
	if (o == REVOKED)
		fprintf(stderr, "sallyport: the server ended this backup: it said nothing for too long (timeouts.command), or store began anew\n");
	return o;
}

/* ---- rows */

static bool split_rows(struct keep_out *o, struct str rows, uint64_t *n)
{
	struct cur c = cur_of(rows);

	while (!cur_end(&c)) {
		uint16_t key_n = cur_le16(&c);
		uint32_t value_n = cur_le32(&c);
		struct str key = cur_bytes(&c, key_n), value = cur_bytes(&c, value_n);

		if (!cur_ok(&c))
			return false;
		keep_out_record(o, 0, key, value);
		++*n;
	}
	return cur_done(&c);
}

static struct str joined(struct backing *b, struct str x, struct str y)
{
	if (y.n == 0)
		return x;
	buf_reset(&b->large);
	buf_add(&b->large, x);
	buf_add(&b->large, y);
	return buf_str(&b->large);
}

static bool fetch_rows(struct backing *b, struct keep_part *p, struct keep_out *o)
{
	struct ipc_backup_rows q = { .partition = p->partition };
	struct ipc_backup_rows_reply r;
	char after[1200];

	do {
		enum outcome got = call(b, IPC_BACKUP_ROWS, &q, &r);

		if (got != OK)
			return ctl_done(got, "backup: rows of", p->address) == 0;
		if (!split_rows(o, joined(b, r.rows, r.rest), &p->n_rows) || o->failed || r.next.n > sizeof after)
			return false;
		if (r.next.n)
			memcpy(after, r.next.p, r.next.n);
		q.after = str_of(after, r.next.n);
		progress_add(&b->progress, 0, r.rows.n + r.rest.n);
	} while (r.more);
	return true;
}

static bool take_partition(struct backing *b, uint64_t partition, uint64_t version, struct str address)
{
	const struct keep_part *old = b->old.number ? keep_run_part(&b->old, partition) : NULL;
	struct keep_part *p = vec_push(&b->run.parts);
	char name[KEEP_NAME_SIZE];
	struct keep_out o;

	*p = (struct keep_part){ .partition = partition, .version = version };
	p->address = arena_dupz(&b->run.arena, address);
	if (old && old->version == version) {
		p->n_rows = old->n_rows;
		p->file = old->file;
		return true;
	}
	b->n_parts_new++;
	snprintf(name, sizeof name, "rows/%06u-%" PRIx64, b->run.number, partition);
	if (!keep_out_open(&o, b->d.fd, b->d.path, name))
		return false;
	if (!fetch_rows(b, p, &o)) {
		keep_out_drop(&o);
		return false;
	}
	return keep_out_end(&o, &p->file);
}

struct listed {
	uint64_t number, version;
	const char *address;
};

/* The list is small beside the rows, and the arena of replies is needed for those. */
static bool take_accounts(struct backing *b)
{
	struct ipc_backup_accounts q = { 0 };
	struct ipc_backup_accounts_reply r;
	struct VEC(struct listed) list = { 0 };
	char after[400];
	bool ok = true;

	do {
		enum outcome o = call(b, IPC_BACKUP_ACCOUNTS, &q, &r);

		if (o != OK)
			ok = ctl_done(o, "backup", "of the accounts") == 0;
		for (size_t i = 0; ok && i < r.n_list; i++) {
			struct listed *l = vec_push(&list);

			l->number = r.list[i].number;
			l->version = r.list[i].version;
			l->address = arena_dupz(&b->run.arena, r.list[i].address);
		}
		if (ok && r.next.n && r.next.n <= sizeof after)
			memcpy(after, r.next.p, r.next.n);
		q.after = str_of(after, ok ? r.next.n : 0);
	} while (ok && r.more);
	for (size_t i = 0; ok && i < list.n; i++)
		ok = take_partition(b, list.v[i].number, list.v[i].version, str_z(list.v[i].address));
	vec_free(&list);
	return ok;
}

/* ---- bodies */

static bool end_bodies_file(struct backing *b)
{
	struct keep_bodies *f;

	if (!b->bodies_open)
		return true;
	b->bodies_open = false;
	f = vec_push(&b->run.bodies);
	f->file = b->next_file++;
	return keep_out_end(&b->bodies, &f->ref);
}

static bool room_for_body(struct backing *b)
{
	char name[KEEP_NAME_SIZE];

	if (b->bodies_open && b->bodies.size >= BODIES_FILE_SIZE && !end_bodies_file(b))
		return false;
	if (b->bodies_open)
		return true;
	snprintf(name, sizeof name, "bodies/%08u", b->next_file);
	b->bodies_open = keep_out_open(&b->bodies, b->d.fd, b->d.path, name);
	return b->bodies_open;
}

static void add_entry(struct backing *b, const struct keep_entry *e)
{
	char raw[KEEP_ENTRY];

	keep_entry_encode(e, raw);
	keep_out_raw(&b->index, str_of(raw, sizeof raw));
	b->run.n_bodies++;
	b->run.bytes += e->size;
}

static bool keep_body(struct backing *b, uint64_t id, struct str bytes)
{
	struct keep_entry e = { .id = id, .size = (uint32_t)bytes.n };

	if (!room_for_body(b))
		return false;
	e.file = b->next_file;
	e.at = keep_out_record(&b->bodies, id, bytes, STR(""));
	add_entry(b, &e);
	b->run.new_bodies++;
	b->run.new_bytes += bytes.n;
	progress_add(&b->progress, 1, bytes.n);
	return !b->bodies.failed;
}

/* The old index up to an id; true when it has that one. Bodies that the server has no more are passed over. */
static bool in_old_index(struct backing *b, uint64_t id, struct keep_entry *e)
{
	struct str s;

	while (b->old_index_open && (s = keep_in_peek(&b->old_index, KEEP_ENTRY)).n == KEEP_ENTRY) {
		*e = keep_entry_decode(s);
		if (e->id > id)
			return false;
		keep_in_skip(&b->old_index, KEEP_ENTRY);
		if (e->id == id)
			return true;
	}
	return false;
}

struct wanted {
	uint64_t id;
	uint32_t size;
};

static bool lost(struct backing *b, uint64_t id)
{
	b->run.n_lost++;
	progress_add(&b->progress, 1, 0);
	printf("lost\t%" PRIu64 "\tthe server cannot read this body; see: sallyport verify\n", id);
	return true;
}

/* One answer's bodies. *at: of the first one's piece; *n_done: how many of the wanted ones are dealt with. */
static bool take_frames(struct backing *b, struct str bytes, const struct wanted *w, size_t n, uint32_t *at, size_t *n_done)
{
	struct cur c = cur_of(bytes);
	size_t i = 0;

	while (!cur_end(&c) && i < n) {
		uint64_t id = cur_le64(&c);
		uint8_t status = cur_le8(&c);
		uint32_t size = cur_le32(&c);
		struct str body = cur_bytes(&c, size);

		if (!cur_ok(&c) || id != w[i].id)
			return false;
		if (status) {
			lost(b, id);
		} else if (body.n == w[i].size && *at == 0) {
			if (!keep_body(b, id, body))
				return false;
		} else {
			buf_add(&b->large, body);
			*at += (uint32_t)body.n;
			if (*at < w[i].size && body.n)
				break;
			if (!keep_body(b, id, buf_str(&b->large)))
				return false;
		}
		buf_fini(&b->large);
		*at = 0;
		i++;
	}
	*n_done = i;
	return true;
}

/* Bodies that the directory has not got, in their order. */
static bool fetch_bodies(struct backing *b, const struct wanted *w, size_t n)
{
	uint64_t *ids = b->ids;
	uint32_t at = 0;

	while (n > 0) {
		struct ipc_backup_read q = { .ids = ids, .at = at };
		struct ipc_backup_read_reply r;
		uint64_t bytes = 0;
		size_t done = 0;
		enum outcome o;

		for (; q.n_ids < n && q.n_ids < IPC_BACKUP_READ_IDS_MAX && bytes < IPC_RECORD_MAX; q.n_ids++) {
			ids[q.n_ids] = w[q.n_ids].id;
			bytes += w[q.n_ids].size;
		}
		o = call(b, IPC_BACKUP_READ, &q, &r);
		if (o != OK)
			return ctl_done(o, "backup", "of bodies") == 0;
		if (!take_frames(b, r.bytes, w, n, &at, &done) || (done == 0 && at == 0))
			return false;
		w += done;
		n -= done;
	}
	return true;
}

/* A piece of the server's list: old ones are entered as they are, runs of new ones between them are fetched. */
static bool take_listed(struct backing *b, const struct ipc_backup_body *list, size_t n)
{
	struct wanted *w = arena_array(&b->ctl->client.lines, n + 1, sizeof *w);
	struct keep_entry *old = arena_array(&b->ctl->client.lines, n + 1, sizeof *old);
	size_t n_new = 0;
	bool ok = true;

	for (size_t i = 0; i < n; i++) {
		w[i] = (struct wanted){ list[i].id, list[i].size };
		if (!in_old_index(b, list[i].id, &old[i]))
			old[i].id = 0;
	}
	for (size_t i = 0; ok && i <= n; i++) { /* the list itself may be gone by now */
		if (i < n && old[i].id == 0) {
			n_new++;
			continue;
		}
		ok = fetch_bodies(b, w + i - n_new, n_new);
		n_new = 0;
		if (ok && i < n) {
			add_entry(b, &old[i]);
			progress_add(&b->progress, 1, 0);
		}
	}
	arena_reset(&b->ctl->client.lines);
	return ok && !b->index.failed;
}

static bool take_bodies(struct backing *b)
{
	struct ipc_backup_bodies q = { 0 };
	struct ipc_backup_bodies_reply r;
	bool more;

	do {
		enum outcome o = call(b, IPC_BACKUP_BODIES, &q, &r);

		if (o != OK)
			return ctl_done(o, "backup", "of the list of bodies") == 0;
		q.after = r.next;
		more = r.more;
		if (!take_listed(b, r.list, r.n_list))
			return false;
	} while (more);
	return end_bodies_file(b);
}

/* Files of the run before that entries still point to. */
static bool take_old_files(struct backing *b)
{
	bool *used = arena_array(&b->run.arena, b->old.bodies.n + 1, sizeof *used);
	struct keep_in in;
	struct str s;

	if (!b->old.number)
		return true;
	if (!keep_in_open(&in, b->d.fd, b->d.path, b->run.index.name))
		return false;
	for (; (s = keep_in_peek(&in, KEEP_ENTRY)).n == KEEP_ENTRY; keep_in_skip(&in, KEEP_ENTRY)) {
		const struct keep_bodies *f = keep_run_bodies(&b->old, keep_entry_decode(s).file);

		if (f)
			used[f - b->old.bodies.v] = true;
	}
	keep_in_close(&in);
	for (size_t i = 0; i < b->old.bodies.n; i++)
		if (used[i])
			*vec_push(&b->run.bodies) = b->old.bodies.v[i];
	return true;
}

static bool run_bodies(struct backing *b)
{
	char name[KEEP_NAME_SIZE];
	bool ok;

	snprintf(name, sizeof name, "index/%06u.0", b->run.number);
	if (!keep_out_open(&b->index, b->d.fd, b->d.path, name))
		return false;
	buf_reset(&b->large);
	b->old_index_open = b->old.number && keep_in_open(&b->old_index, b->d.fd, b->d.path, b->old.index.name);
	ok = take_bodies(b);
	if (b->bodies_open)
		keep_out_drop(&b->bodies);
	if (b->old_index_open)
		keep_in_close(&b->old_index);
	if (!ok) {
		keep_out_drop(&b->index);
		return false;
	}
	return keep_out_end(&b->index, &b->run.index) && take_old_files(b);
}

/* ---- the run */

static bool check_new(struct backing *b)
{
	struct progress p;
	bool ok = true;

	progress_begin(&p, "reading back", b->run.new_bytes + b->run.index.size);
	for (size_t i = 0; ok && i < b->run.bodies.n; i++)
		if (!b->old.number || !keep_run_bodies(&b->old, b->run.bodies.v[i].file))
			ok = backup_check_file(&b->d, &b->run.bodies.v[i].ref, true, &p);
	for (size_t i = 0; ok && i < b->run.parts.n; i++) {
		const struct keep_part *part = &b->run.parts.v[i];
		const struct keep_part *old = b->old.number ? keep_run_part(&b->old, part->partition) : NULL;

		if (!old || strcmp(old->file.name, part->file.name) != 0)
			ok = backup_check_file(&b->d, &part->file, true, &p);
	}
	ok = ok && backup_check_index(&b->d, &b->run, &p);
	progress_end(&p);
	return ok;
}

static bool name_run(struct backing *b)
{
	struct ipc_backup_mark mark = { .dir = str_of(b->d.number, KEEP_NUMBER) };
	enum outcome o;

	mark.newest = str_of(b->run.nonce, KEEP_NUMBER);
	if (b->has_before)
		mark.before = str_of(b->before, KEEP_NUMBER);
	keep_dir_sync(&b->d);
	o = call(b, IPC_BACKUP_MARK, &mark, NULL);
	if (o != OK)
		return ctl_done(o, "backup", "into the server's own notes") == 0;
	return keep_run_write(&b->d, &b->run);
}

static void next_file_number(struct backing *b)
{
	b->next_file = 1;
	for (size_t i = 0; i < b->d.runs.n; i++) {
		struct keep_run r;

		if (!keep_run_read(&b->d, b->d.runs.v[i], &r)) {
			b->next_file += 1000000; /* beyond whatever it names */
			continue;
		}
		for (size_t j = 0; j < r.bodies.n; j++)
			if (r.bodies.v[j].file >= b->next_file)
				b->next_file = r.bodies.v[j].file + 1;
		keep_run_fini(&r);
	}
}

/* Which run may be continued. */
static bool begin(struct backing *b)
{
	struct ipc_backup_begin q = { .dir = str_of(b->d.number, KEEP_NUMBER) };
	struct str newest, known[2];
	enum outcome o;

	keep_dir_sweep(&b->d);
	next_file_number(b);
	b->run.number = b->d.runs.n ? b->d.runs.v[b->d.runs.n - 1] + 1 : 1;
	b->run.time_s = time(NULL);
	rng_bytes(b->run.nonce, sizeof b->run.nonce);
	o = call(b, IPC_BACKUP_BEGIN, &q, &b->first);
	if (o != OK)
		return ctl_done(o, "backup", b->d.path) == 0;
	if (!b->d.runs.n || !keep_run_read(&b->d, b->d.runs.v[b->d.runs.n - 1], &b->old))
		return true;
	memcpy(b->before, b->old.nonce, KEEP_NUMBER);
	b->has_before = true;
	newest = str_of(b->old.nonce, KEEP_NUMBER);
	known[0] = b->first.newest;
	known[1] = b->first.before;
	if (str_eq(newest, known[0]) || str_eq(newest, known[1])) {
		b->run.after = b->old.number;
		return true;
	}
	fprintf(stderr, "sallyport: run %u is not of this server's present state; this run keeps everything anew\n", b->old.number);
	keep_run_fini(&b->old);
	keep_run_init(&b->old);
	return true;
}

static bool run(struct backing *b)
{
	uint64_t directory, lane, lane_version;
	bool ok;

	if (!begin(b))
		return false;
	directory = b->first.directory;
	lane = b->first.lane;
	lane_version = b->first.lane_version;
	progress_begin(&b->progress, "backup", b->first.bodies);
	ok = take_partition(b, PARTITION_DIRECTORY, directory, STR("")) && take_partition(b, lane, lane_version, STR("")) &&
	     take_accounts(b) && run_bodies(b);
	progress_end(&b->progress);
	if (ok && call(b, IPC_BACKUP_END, NULL, NULL) != OK)
		ok = false;
	return ok && check_new(b) && name_run(b);
}

static int backup(struct ctl *c)
{
	struct backing *b;
	bool ok;

	if (c->words[0][0] == '-') {
		fprintf(stderr, "sallyport: backup into which directory? %s is none\n", c->words[0]);
		return 2;
	}
	b = mem_new(struct backing);
	b->ctl = c;
	if (!keep_dir_open(&b->d, c->words[0], true)) {
		free(b);
		return 1;
	}
	keep_run_init(&b->run);
	keep_run_init(&b->old);
	buf_init(&b->large, ONE_BODY_MAX);
	b->ids = mem_array(IPC_BACKUP_READ_IDS_MAX, sizeof *b->ids);
	ok = run(b);
	if (ok)
		printf("run\t%u\t%s\tpartitions\t%zu\tnew\t%zu\tbodies\t%" PRIu64 "\t%" PRIu64 "\tnew\t%" PRIu64 "\t%" PRIu64 "\tlost\t%" PRIu64 "\n",
			b->run.number, b->run.after ? "incremental" : "full", b->run.parts.n, b->n_parts_new, b->run.n_bodies, b->run.bytes,
			b->run.new_bodies, b->run.new_bytes, b->run.n_lost);
	else
		fprintf(stderr, "sallyport: this run was not completed; the runs before it are as they were\n");
	ok = ok && b->run.n_lost == 0;
	buf_fini(&b->large);
	free(b->ids);
	keep_run_fini(&b->old);
	keep_run_fini(&b->run);
	keep_dir_close(&b->d);
	free(b);
	return ok ? 0 : 1;
}

const struct command ctl_backup_commands[] = {
	{ "backup", "DIR", "keep everything in a directory, beside earlier runs; the server goes on meanwhile", 1, 1, ONLINE, backup },
	{ 0 },
};
