/* store/service_deleted.c - commands over what was deleted: list it, put it back.
 * Suspends    until what was put back is durable.
 */
#include "store/deleted.h"
#include "store/service.h"

#include "base/clock.h"
#include "mail/index.h"

/* The account that an address names itself; no alias, no detail. Pinned. */
static enum outcome find_account(struct store *s, const struct ipc_addr *address, struct account **out)
{
	enum outcome o;
	uint64_t id;
	struct buf b;

	buf_init(&b, 512);
	buf_addf(&b, "%.*s@%.*s", STR_ARG(address->local), STR_ARG(address->domain));
	o = directory_account(&s->directory, buf_str(&b), &id);
	buf_fini(&b);
	return o == OK ? account_get(&s->shard, id, out) : o;
}

struct lines {
	struct arena *a;
	struct str *v;
	size_t n, room;
	uint64_t last;
};

/* A letter's subject and sender, cut to what a line has room for. */
static struct str shown(struct arena *a, struct str s)
{
	char *p = arena_alloc(a, 200);
	size_t n = 0;

	for (size_t i = 0; i < s.n && n < 199; i++)
		p[n++] = (unsigned char)s.p[i] < ' ' || s.p[i] == 0x7f ? ' ' : s.p[i];
	return str_of(p, n);
}

static bool add_line(void *arg, const struct deleted_found *f)
{
	struct lines *l = arg;
	const struct message_row *m = &f->row->message;
	struct mail_index x = { 0 };
	struct arena work;
	char when[CLOCK_RFC3339_SIZE];
	struct str line;

	arena_init(&work, "store-index", (size_t)64 << 20);
	if (f->index.n && mail_index_decode(f->index, &work, &x) != OK)
		x = (struct mail_index){ 0 };
	clock_rfc3339(f->row->time_s * 1000000, when);
	line = arena_fmt(l->a, "%.*s\t%u\t%s\t%u\t%.*s\t%.*s", STR_ARG(f->mailbox), (unsigned)(uint32_t)f->at, when,
		m->size, STR_ARG(shown(&work, x.from)), STR_ARG(shown(&work, x.subject)));
	arena_fini(&work);
	if (l->room < line.n + 8)
		return false;
	l->room -= line.n + 8;
	l->v[l->n++] = line;
	l->last = f->at;
	return true;
}

void serve_deleted_list(void *ctx, struct ipc_call *c, const void *msg)
{
	const struct ipc_deleted_list *q = msg;
	struct ipc_deleted_list_reply r = { 0 };
	struct deleted_filter f = { q->mailbox, q->since_s, q->after };
	struct lines l = { .a = call_arena(c), .room = IPC_RECORD_MAX - 4096 };
	struct account *a;
	enum outcome o = find_account(ctx, &q->address, &a);

	if (o == OK) {
		l.v = arena_array(l.a, IPC_DELETED_LIST_LINES_MAX, sizeof *l.v);
		r.more = deleted_list(a, &f, IPC_DELETED_LIST_LINES_MAX, add_line, &l);
		r.next = f.after;
		r.lines = l.v;
		r.n_lines = l.n;
		account_put(a);
	}
	ipc_deleted_list_reply_send(c, o, &r);
}

SUSPENDS void serve_undelete(void *ctx, struct ipc_call *c, const void *msg)
{
	const struct ipc_undelete *q = msg;
	struct ipc_undelete_reply r = { 0 };
	struct deleted_filter f = { q->mailbox, q->since_s, q->after };
	struct account *a;
	bool more = false;
	enum outcome o = find_account(ctx, &q->address, &a);

	if (o == OK) {
		o = deleted_restore(a, &f, &r.n, &more);
		r.more = more;
		r.next = f.after;
		account_put(a);
	}
	ipc_undelete_reply_send(c, o, &r);
}

SUSPENDS void serve_account_undelete(void *ctx, struct ipc_call *c, const void *msg)
{
	const struct ipc_account_undelete *q = msg;

	ipc_account_undelete_reply_send(c, directory_account_undelete(&((struct store *)ctx)->directory, &q->address));
}
