/* ctl/restore_folder.c - an account's mailboxes come back beneath a folder of an account that is there.
 * Purpose     each letter goes the way of one that is moved in: post has it indexed, store keeps it under a new uid.
 */
#include "ctl/restore_impl.h"

#include "base/rng.h"
#include "ipc/body.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BODY_MAX ((uint64_t)4 << 30)

struct box {
	uint32_t id;
	struct mailbox_row *row; /* heap; its strings in the arena */
	struct str name;	 /* beneath the folder; in the arena */
};

struct letter {
	uint64_t at; /* mailbox << 32 | uid */
	struct message_row row;
};

struct folding {
	struct restoring *r;
	struct VEC(struct box) boxes;
	struct VEC(struct letter) letters; /* ascending */
	struct arena arena;
	uint64_t handle, nonce;
	int fd;
	uint32_t open_file;
	struct buf body;
	uint64_t n_put;
};

static void note_box(struct folding *f, const struct keep_record *rec)
{
	struct cur c = cur_of(str_from(rec->a, 1));
	struct box *b = vec_push(&f->boxes);

	b->row = mem_new(struct mailbox_row);
	b->id = cur_be32(&c);
	if (!mailbox_row_decode(arena_dup(&f->arena, rec->b), b->row)) {
		free(b->row);
		f->boxes.n--;
		return;
	}
	b->name = arena_fmt(&f->arena, "%s/%.*s", f->r->folder, STR_ARG(b->row->name));
}

static bool note(struct restoring *r, struct restore_part *p, const struct keep_record *rec, void *arg)
{
	struct folding *f = arg;
	struct message_row m;

	(void)r;
	(void)p;
	if (rec->a.n == 5 && rec->a.p[0] == 'B')
		note_box(f, rec);
	if (rec->a.n == 9 && rec->a.p[0] == 'M' && message_row_decode(rec->b, &m)) {
		struct cur c = cur_of(str_from(rec->a, 1));

		*vec_push(&f->letters) = (struct letter){ cur_be64(&c), m };
	}
	return true;
}

static const struct box *box_of(const struct folding *f, uint64_t at)
{
	for (size_t i = 0; i < f->boxes.n; i++)
		if (f->boxes.v[i].id == at >> 32)
			return &f->boxes.v[i];
	return NULL;
}

static const struct letter *letter_of(const struct folding *f, uint64_t at)
{
	size_t lo = 0, hi = f->letters.n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (f->letters.v[mid].at == at)
			return &f->letters.v[mid];
		if (f->letters.v[mid].at < at)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

static bool make_box(struct folding *f, struct str name)
{
	struct ipc_mailbox_create q = { .handle = f->handle, .name = name };
	struct ipc_mailbox_create_reply reply;
	enum outcome o = restore_call(f->r, ROLE_STORE, IPC_MAILBOX_CREATE, &q, &reply);

	if (o == EXISTS)
		return true;
	if (o == BAD_SYNTAX)
		fprintf(stderr, "sallyport: %.*s is no name of a mailbox here\n", STR_ARG(name));
	return ctl_done(o, "restore: mailbox", arena_dupz(&f->arena, name)) == 0;
}

static bool make_boxes(struct folding *f)
{
	bool ok = make_box(f, str_z(f->r->folder));

	for (size_t i = 0; ok && i < f->boxes.n; i++)
		ok = make_box(f, f->boxes.v[i].name);
	return ok;
}

static enum outcome put_letter(struct folding *f, const struct box *box, const struct letter *l, struct str prefix, struct str body)
{
	struct ipc_import q = { .handle = f->handle, .mailbox = box->name, .flags = l->row.flags, .date_s = l->row.date_s };
	struct ipc_import_reply reply;
	struct body_budget budget = { .max = BODY_MAX };
	struct str *keywords = mem_array(KEYWORDS_MAX, sizeof *keywords);
	struct body_writer w;
	char id[40];
	enum outcome o;

	snprintf(id, sizeof id, "%012" PRIx64 ".%08x.%08x", f->nonce & 0xffffffffffff, (unsigned)(l->at >> 32), (unsigned)l->at);
	q.id = str_z(id);
	for (uint32_t i = 0; i < box->row->n_keywords; i++)
		if (l->row.keywords >> i & 1)
			keywords[q.n_keywords++] = box->row->keywords[i];
	q.keywords = keywords;
	body_writer_open(&w, &budget, BODY_MAX);
	body_writer_add(&w, prefix);
	body_writer_add(&w, body);
	o = body_writer_seal(&w, &q.body);
	if (o == OK)
		o = restore_call(f->r, ROLE_POST, IPC_IMPORT, &q, &reply);
	body_writer_close(&w);
	free(keywords);
	return o;
}

static bool tell_lost(struct folding *f, const struct box *box, const struct letter *l)
{
	f->r->n_lost_messages++;
	printf("lost\t%.*s\t%u\tits letter is damaged\n", STR_ARG(box->name), (unsigned)l->at);
	return f->r->skip;
}

/* A message's parts row comes after all message rows: here its prefix is at hand. */
static bool put(struct restoring *r, struct restore_part *p, const struct keep_record *rec, void *arg)
{
	struct folding *f = arg;
	struct cur c = cur_of(str_from(rec->a, rec->a.n ? 1 : 0));
	const struct restore_body *b;
	const struct letter *l;
	const struct box *box;
	struct str prefix, index, body;
	uint64_t at;
	enum outcome o;

	(void)p;
	if (rec->a.n != 9 || rec->a.p[0] != 'P')
		return true;
	at = cur_be64(&c);
	l = letter_of(f, at);
	box = box_of(f, at);
	if (!l || !box || !parts_row_decode(rec->b, &prefix, &index))
		return true;
	b = restore_find(r, l->row.blob);
	if (!b || !b->at.id || !restore_read_body(r, b, &f->fd, &f->open_file, &f->body, &body))
		return tell_lost(f, box, l);
	o = put_letter(f, box, l, prefix, body);
	if (o == OVER_LIMIT || o == OVER_QUOTA)
		fprintf(stderr, "sallyport: the account's quota, or a limit of this server, does not take more\n");
	if (o != OK)
		return ctl_done(o, "restore", r->as ? r->as : r->address) == 0;
	f->n_put++;
	progress_add(&r->progress, 1, prefix.n + body.n);
	return true;
}

static bool open_account(struct folding *f)
{
	const char *name = f->r->as ? f->r->as : f->r->address;
	struct ipc_open_account q = { 0 };
	struct ipc_open_account_reply reply;
	enum outcome o;

	if (!ctl_address(f->r->ctl, name, &q.address))
		return false;
	o = client_call(&f->r->ctl->client, ROLE_STORE, IPC_OPEN_ACCOUNT, &q, &reply);
	f->handle = reply.handle;
	return ctl_done(o, "restore: account", name) == 0;
}

int restore_into_folder(struct restoring *r)
{
	struct folding *f = mem_new(struct folding);
	bool ok;

	f->r = r;
	f->fd = -1;
	f->nonce = rng_u64();
	arena_init(&f->arena, "restore", (size_t)1 << 30);
	buf_init(&f->body, BODY_MAX);
	ok = open_account(f) && restore_gather(r) && restore_each_row(r, &r->parts.v[0], note, f);
	progress_begin(&r->progress, "letters", f->letters.n);
	ok = ok && make_boxes(f) && restore_each_row(r, &r->parts.v[0], put, f);
	progress_end(&r->progress);
	printf("restored\trun\t%u\tmessages\t%" PRIu64 "\tlost\t%" PRIu64 "\n", r->run.number, f->n_put, r->n_lost_messages);
	for (size_t i = 0; i < f->boxes.n; i++)
		free(f->boxes.v[i].row);
	vec_free(&f->boxes);
	vec_free(&f->letters);
	if (f->fd >= 0)
		close(f->fd);
	buf_fini(&f->body);
	arena_fini(&f->arena);
	free(f);
	return ok && !r->n_lost_messages ? 0 : 1;
}
