/* ctl/restore.c - command: a backup comes back, all of it into an empty store, or one account into a running server.
 * Purpose     bodies first, then the rows of each account; an account is there when all of it is.
 * Trust       a backup may be damaged: nothing of what does not match its checksum is given to the store. With --skip-damaged the rest is, and
 *             what is lost is listed.
 */
#include "ctl/restore_impl.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define ROWS_ROOM ((size_t)IPC_RECORD_MAX - 4096)

enum outcome restore_call(struct restoring *r, enum role to, int type, const void *msg, void *reply)
{
	enum outcome o;

	arena_reset(&r->ctl->client.arena);
	o = client_call(&r->ctl->client, to, type, msg, reply);
	if (o == REVOKED)
		fprintf(stderr, "sallyport: the server ended this restore: it said nothing for too long (timeouts.command), or store began anew\n");
	if (o == NO_ROOM)
		fprintf(stderr, "sallyport: the server's disk is full up to its reserve (disk_reserve)\n");
	return o;
}

bool restore_damage(struct restoring *r, const char *file, uint64_t at, const char *why)
{
	printf("damaged\t%s/%s\t%" PRIu64 "\t%s\n", r->d.path, file, at, why);
	if (!r->skip)
		fprintf(stderr, "sallyport: the backup is damaged; nothing was restored. With --skip-damaged the rest comes back\n");
	return r->skip;
}

bool restore_each_row(struct restoring *r, struct restore_part *p, restore_row_fn *each, void *arg)
{
	const struct keep_ref *ref = &p->part->file;
	struct keep_record rec;
	struct keep_in in;
	const char *why = "";
	bool ok = true, told = p->damaged;
	enum keep_got got;

	if (!keep_in_open(&in, r->d.fd, r->d.path, ref->name)) {
		p->damaged = true;
		return told || restore_damage(r, ref->name, 0, "the file is missing or cannot be opened");
	}
	while (ok && (got = keep_in_next(&in, &rec, &why)) != KEEP_END && !in.io_failed) {
		if (got == KEEP_RECORD) {
			ok = each(r, p, &rec, arg);
			continue;
		}
		p->damaged = true;
		if (!told)
			ok = restore_damage(r, ref->name, rec.at, why);
		keep_in_resync(&in);
	}
	if (ok && !keep_in_matches(&in, ref) && !p->damaged) {
		p->damaged = true;
		ok = restore_damage(r, ref->name, in.size, "the file does not match its SHA-256");
	}
	keep_in_close(&in);
	return ok;
}

/* ---- what comes back of an account that is not whole */

struct sorting {
	struct VEC(uint64_t) parts, messages, mailboxes;
	struct restoring *r;
	bool head, credential;
};

static uint64_t number_of(struct str key, bool both)
{
	struct cur c = cur_of(str_from(key, 1));
	uint64_t n = (uint64_t)cur_be32(&c) << 32;

	return both ? n | cur_be32(&c) : n >> 32;
}

static bool has(const uint64_t *v, size_t n, uint64_t x)
{
	size_t lo = 0, hi = n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (v[mid] == x)
			return true;
		if (v[mid] < x)
			lo = mid + 1;
		else
			hi = mid;
	}
	return false;
}

static bool sort_row(struct restoring *r, struct restore_part *p, const struct keep_record *rec, void *arg)
{
	struct sorting *x = arg;
	const struct restore_body *b;

	(void)p;
	if (rec->a.n == 0)
		return true;
	switch (rec->a.p[0]) {
	case 'M':
		b = restore_find(r, restore_blob_of(rec));
		if (b && b->now)
			*vec_push(&x->messages) = number_of(rec->a, true);
		else
			r->n_lost_messages++;
		break;
	case 'P':
		*vec_push(&x->parts) = number_of(rec->a, true);
		break;
	case 'B':
		*vec_push(&x->mailboxes) = number_of(rec->a, false);
		break;
	case 'H':
		x->head = true;
		break;
	case 'C':
		x->credential = true;
		break;
	default:
		break;
	}
	return true;
}

/* Messages with all that belongs to them. False: there is nothing to make an account of. */
static bool sort_out(struct restoring *r, struct restore_part *p)
{
	struct sorting x = { .r = r };
	bool ok = restore_each_row(r, p, sort_row, &x);

	for (size_t i = 0; ok && i < x.messages.n; i++) {
		uint64_t m = x.messages.v[i];

		if (has(x.parts.v, x.parts.n, m) && has(x.mailboxes.v, x.mailboxes.n, m >> 32))
			*vec_push(&p->kept) = m;
		else
			r->n_lost_messages++;
	}
	vec_free(&x.parts);
	vec_free(&x.messages);
	vec_free(&x.mailboxes);
	return ok && x.head && x.credential;
}

/* Of a partial account: kept messages; no marks of deliveries, and nothing for undelete, which would have to match. */
static bool is_kept(const struct restore_part *p, const struct keep_record *rec)
{
	char tag = rec->a.n ? rec->a.p[0] : 0;

	if (!p->damaged && !p->incomplete)
		return true;
	if (tag == 'M' || tag == 'P')
		return rec->a.n == 9 && has(p->kept.v, p->kept.n, number_of(rec->a, true));
	return tag && !strchr("DEZW", tag);
}

/* ---- rows to the store */

struct sending {
	struct buf rows;
	int type; /* IPC_RESTORE_ROWS, IPC_RESTORE_DIRECTORY or IPC_RESTORE_OUTGOING */
};

static bool send_rows(struct restoring *r, struct restore_part *p, struct sending *s)
{
	struct str rows = str_sub(buf_str(&s->rows), 0, IPC_RESTORE_ROWS_ROWS_MAX), rest = str_from(buf_str(&s->rows), rows.n);
	struct ipc_restore_rows q = { .account = p->account, .rows = rows, .rest = rest };
	struct ipc_restore_directory d = { .rows = rows, .rest = rest };
	struct ipc_restore_outgoing out = { .rows = rows, .rest = rest };
	const void *m = s->type == IPC_RESTORE_ROWS ? (const void *)&q : s->type == IPC_RESTORE_DIRECTORY ? (const void *)&d : &out;
	enum outcome o = OK;

	if (s->rows.n)
		o = restore_call(r, ROLE_STORE, s->type, m, NULL);
	progress_add(&r->progress, 0, s->rows.n);
	buf_reset(&s->rows);
	return ctl_done(o, "restore: rows of", p->part->address) == 0;
}

/* Letters that were on their way out; those whose body is lost are counted, and store passes over them. */
static bool is_outgoing(struct restoring *r, const struct keep_record *rec, const struct restore_body *b)
{
	bool letter = rec->a.n == 9 && rec->a.p[0] == 'O';

	r->n_lost_messages += letter && (!b || !b->now);
	r->n_out += letter && b && b->now;
	return rec->a.n && (rec->a.p[0] == 'O' || rec->a.p[0] == 'P');
}

static bool send_row(struct restoring *r, struct restore_part *p, const struct keep_record *rec, void *arg)
{
	struct sending *s = arg;
	uint64_t old = restore_blob_of(rec);
	const struct restore_body *b = old ? restore_find(r, old) : NULL;

	if (s->type == IPC_RESTORE_OUTGOING ? !is_outgoing(r, rec, b) : !is_kept(p, rec))
		return true;
	if (s->rows.n + rec->a.n + rec->b.n + 14 > ROWS_ROOM && !send_rows(r, p, s))
		return false;
	put_u16(&s->rows, (uint16_t)rec->a.n);
	put_u32(&s->rows, (uint32_t)rec->b.n);
	put_u64(&s->rows, b ? b->now : 0);
	buf_add(&s->rows, rec->a);
	buf_add(&s->rows, rec->b);
	r->n_letters += rec->a.n && rec->a.p[0] == 'M';
	progress_add(&r->progress, 1, 0);
	return true;
}

static bool send_part(struct restoring *r, struct restore_part *p, int type)
{
	struct sending s = { .type = type };
	bool ok;

	buf_init(&s.rows, SIZE_MAX);
	ok = restore_each_row(r, p, send_row, &s) && send_rows(r, p, &s);
	buf_fini(&s.rows);
	return ok;
}

/* ---- one account */

static bool any_lost(struct restoring *r, struct restore_part *p, const struct keep_record *rec, void *arg)
{
	uint64_t id = restore_blob_of(rec);
	const struct restore_body *b = id ? restore_find(r, id) : NULL;

	(void)p;
	*(bool *)arg |= id && (!b || !b->now);
	return true;
}

static bool prepare(struct restoring *r, struct restore_part *p)
{
	bool lost = false;

	if (r->n_lost_bodies && !restore_each_row(r, p, any_lost, &lost))
		return false;
	p->incomplete = lost;
	if (!p->damaged && !p->incomplete)
		return true;
	if (sort_out(r, p))
		return true;
	printf("lost\t%s\tthe account's own rows are damaged; nothing of it comes back\n", p->part->address);
	return false;
}

static enum outcome begin_account(struct restoring *r, struct restore_part *p, const char *address)
{
	struct ipc_restore_account q = { .id = r->address ? 0 : p->part->partition };
	struct ipc_restore_account_reply reply;
	struct arena a; /* the address outlives a call */
	enum outcome o;

	arena_reset(&r->ctl->client.arena);
	if (!ctl_address(r->ctl, address, &q.address))
		return BAD_SYNTAX;
	arena_init(&a, "restore", 65536);
	q.address.local = arena_dup(&a, q.address.local);
	q.address.domain = arena_dup(&a, q.address.domain);
	o = restore_call(r, ROLE_STORE, IPC_RESTORE_ACCOUNT, &q, &reply);
	arena_fini(&a);
	if (o == OK)
		p->account = reply.account;
	if (o == NO_SUCH)
		fprintf(stderr, "sallyport: the domain of %s is not served here; first: sallyport domain add\n", address);
	else if (o == EXISTS)
		fprintf(stderr, "sallyport: %s exists; give it back under another address (--as OTHER), or beneath a folder (--into-folder NAME)\n",
			address);
	else
		ctl_done(o, "restore", address);
	return o;
}

static bool restore_account(struct restoring *r, struct restore_part *p)
{
	const char *address = r->as ? r->as : p->part->address;
	struct ipc_restore_account_end end = { 0 };

	if (!prepare(r, p))
		return r->skip;
	if (begin_account(r, p, address) != OK || !send_part(r, p, IPC_RESTORE_ROWS))
		return false;
	end.account = p->account;
	end.recount = p->damaged || p->incomplete;
	return ctl_done(restore_call(r, ROLE_STORE, IPC_RESTORE_ACCOUNT_END, &end, NULL), "restore", address) == 0;
}

/* ---- letters that were on their way */

static uint64_t account_here(struct restoring *r, uint64_t account)
{
	for (size_t i = 0; i < r->parts.n; i++)
		if (r->parts.v[i].part->partition == account)
			return r->parts.v[i].account;
	return account;
}

static bool send_queued(struct restoring *r, struct restore_part *p, const struct keep_record *rec, void *arg)
{
	struct queued_row *row;
	struct ipc_restore_queued q = { 0 };
	const struct restore_body *b;
	enum outcome o = OK;
	struct buf v;

	(void)p;
	(void)arg;
	if (rec->a.n == 0 || rec->a.p[0] != 'Q')
		return true;
	row = mem_new(struct queued_row);
	buf_init(&v, SIZE_MAX);
	if (queued_row_decode(rec->b, row) && (b = restore_find(r, row->blob)) && b->now) {
		for (uint32_t i = 0; i < row->n_rcpts; i++)
			row->accounts[i] = account_here(r, row->accounts[i]);
		queued_row_encode(row, &v);
		q.blob = b->now;
		q.row = str_sub(buf_str(&v), 0, IPC_RESTORE_QUEUED_ROW_MAX);
		q.rest = str_from(buf_str(&v), q.row.n);
		o = restore_call(r, ROLE_STORE, IPC_RESTORE_QUEUED, &q, NULL);
	} else {
		r->n_lost_messages++;
	}
	buf_fini(&v);
	free(row);
	return ctl_done(o, "restore", "of letters on their way") == 0;
}

/* ---- all */

static void choose(struct restoring *r)
{
	for (size_t i = 0; i < r->run.parts.n; i++) {
		const struct keep_part *p = &r->run.parts.v[i];

		if (!r->address || strcmp(p->address, r->address) == 0)
			vec_push(&r->parts)->part = p;
	}
}

static bool restore_parts(struct restoring *r)
{
	bool ok = true;

	for (size_t i = 0; ok && i < r->parts.n; i++)
		if (r->parts.v[i].part->partition == PARTITION_DIRECTORY)
			ok = send_part(r, &r->parts.v[i], IPC_RESTORE_DIRECTORY);
	for (size_t i = 0; ok && i < r->parts.n; i++)
		if (r->parts.v[i].part->address[0])
			ok = restore_account(r, &r->parts.v[i]);
	for (size_t i = 0; ok && i < r->parts.n; i++)
		if (r->parts.v[i].part->partition >= PARTITION_LANE(0))
			ok = restore_each_row(r, &r->parts.v[i], send_queued, NULL) && send_part(r, &r->parts.v[i], IPC_RESTORE_OUTGOING);
	return ok;
}

static bool begin(struct restoring *r)
{
	struct ipc_restore_begin q = { .all = !r->address };
	enum outcome o = restore_call(r, ROLE_STORE, IPC_RESTORE_BEGIN, &q, NULL);

	if (o == EXISTS)
		fprintf(stderr, "sallyport: this server has domains or accounts already; all of a backup comes back into an empty one only.\n"
				"One account: sallyport restore DIR ADDRESS\n");
	return o == EXISTS ? false : ctl_done(o, "restore", r->d.path) == 0;
}

static int restore_all(struct restoring *r)
{
	uint64_t rows = 0;
	bool ok;

	for (size_t i = 0; i < r->parts.n; i++)
		rows += r->parts.v[i].part->n_rows;
	/* Asked first, so that a refusal comes at once; and again, since reading may have taken longer than a command may be silent. */
	ok = begin(r) && restore_gather(r) && begin(r) && restore_upload(r);
	progress_begin(&r->progress, "rows", rows);
	ok = ok && restore_parts(r);
	progress_end(&r->progress);
	ok = ok && restore_call(r, ROLE_STORE, IPC_RESTORE_END, NULL, NULL) == OK;
	if (ok)
		printf("restored\trun\t%u\tmessages\t%" PRIu64 "\tbodies\t%" PRIu64 "\tlost\t%" PRIu64 "\n", r->run.number, r->n_letters,
			(uint64_t)r->bodies.n - r->n_lost_bodies, r->n_lost_messages);
	if (ok && r->n_out)
		printf("held\t%" PRIu64 "\tletters that were on their way out, and may have been sent since: sallyport queue list --state held\n", r->n_out);
	return ok && !r->n_lost_messages ? 0 : 1;
}

/* ---- the command */

static bool parse_words(struct restoring *r, uint32_t *run)
{
	struct ctl *c = r->ctl;

	for (int i = 1; i < c->n_words; i++) {
		const char *word = c->words[i], *next = i + 1 < c->n_words ? c->words[i + 1] : NULL;

		if (strcmp(word, "--skip-damaged") == 0)
			r->skip = true;
		else if (strcmp(word, "--as") == 0 && next && ++i)
			r->as = next;
		else if (strcmp(word, "--into-folder") == 0 && next && ++i)
			r->folder = next;
		else if (strcmp(word, "--run") == 0 && next && str_to_u32(str_z(next), run) && *run && ++i)
			continue;
		else if (word[0] != '-' && !r->address)
			r->address = word;
		else {
			fprintf(stderr, "sallyport: restore does not know %s here\n", word);
			return false;
		}
	}
	if ((r->as || r->folder) && !r->address) {
		fprintf(stderr, "sallyport: --as and --into-folder are for one account: sallyport restore DIR ADDRESS ...\n");
		return false;
	}
	return true;
}

static bool open_run(struct restoring *r, uint32_t run)
{
	if (!keep_dir_open(&r->d, r->ctl->words[0], false))
		return false;
	if (!run && r->d.runs.n)
		run = r->d.runs.v[r->d.runs.n - 1];
	if (!run)
		fprintf(stderr, "sallyport: %s: there is no run in it\n", r->d.path);
	if (!run || !keep_run_read(&r->d, run, &r->run)) {
		keep_dir_close(&r->d);
		return false;
	}
	choose(r);
	if (r->parts.n == 0)
		fprintf(stderr, "sallyport: run %u holds no account %s\n", run, r->address);
	return true;
}

static void restoring_free(struct restoring *r)
{
	for (size_t i = 0; i < r->parts.n; i++)
		vec_free(&r->parts.v[i].kept);
	vec_free(&r->parts);
	vec_free(&r->bodies);
	keep_run_fini(&r->run);
	keep_dir_close(&r->d);
	free(r);
}

static int restore(struct ctl *c)
{
	struct restoring *r = mem_new(struct restoring);
	uint32_t run = 0;
	int status;

	r->ctl = c;
	status = !parse_words(r, &run) ? 2 : !open_run(r, run) ? 1 : 0;
	if (status) {
		free(r);
		return status;
	}
	status = r->parts.n == 0 ? 1 : r->folder ? restore_into_folder(r) : restore_all(r);
	restoring_free(r);
	return status;
}

const struct command ctl_restore_commands[] = {
	{ "restore", "DIR [ADDRESS [--as OTHER] [--into-folder NAME]] [--run N] [--skip-damaged]",
		"give a backup back: all into an empty server, or one account", 1, 9, ONLINE, restore },
	{ 0 },
};
