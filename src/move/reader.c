/* move/reader.c - the account's folders and letters, for ways out. See the header.
 * Suspends    in calls to store.
 */
#include "move/reader.h"

#include "ipc/words.h"

#define ARENA_MAX ((size_t)1 << 30)
#define READ_MS 60000

static bool lost(struct mover *m)
{
	mover_stop(m, "the server does not answer any more; when it is up again run the same command again: it goes on where it stopped");
	return false;
}

static bool is_wanted(const struct mover *m, const struct ipc_mailbox *b)
{
	struct str only = str_z(m->opts->folder);

	return !(b->flags & MBOX_NOSELECT) && (only.n == 0 || str_eq(b->name, only));
}

SUSPENDS bool reader_open(struct reader *r, struct mover *m)
{
	struct ipc_mailboxes q = { .handle = m->handle };
	struct ipc_mailboxes_reply got;

	*r = (struct reader){ .m = m };
	arena_init(&r->folders_arena, "folders", ARENA_MAX);
	arena_init(&r->folder_arena, "folder", ARENA_MAX);
	r->folders = arena_array(&r->folders_arena, 200000, sizeof *r->folders);
	do {
		if (ipc_mailboxes(&m->store, &q, &got, &r->folders_arena) != OK)
			return lost(m);
		for (size_t i = 0; i < got.n_list && r->n_folders < 200000; i++)
			if (is_wanted(m, &got.list[i]))
				r->folders[r->n_folders++] = got.list[i];
		q.after = got.n_list ? got.list[got.n_list - 1].name : STR("");
	} while (got.more);
	if (r->n_folders == 0)
		mover_fail(m, "folder %s: the account has none of this name", m->opts->folder ? m->opts->folder : "");
	return r->n_folders > 0;
}

void reader_close(struct reader *r)
{
	arena_fini(&r->folders_arena);
	arena_fini(&r->folder_arena);
}

SUSPENDS bool reader_select(struct reader *r, struct str name)
{
	struct ipc_select q = { .handle = r->m->handle, .name = name, .readonly = 1 };

	arena_reset(&r->folder_arena);
	if (ipc_select_within(&r->m->store, &q, &r->box, &r->folder_arena, READ_MS) != OK)
		return lost(r->m);
	r->sel = r->box.sel;
	return true;
}

SUSPENDS void reader_unselect(struct reader *r)
{
	struct ipc_unselect q = { .handle = r->m->handle, .sel = r->sel };

	(void)!ipc_unselect(&r->m->store, &q);
}

SUSPENDS bool reader_each(struct reader *r, bool (*each)(void *ctx, struct letter_out *l), void *ctx)
{
	struct ipc_range all = { 1, 0 };
	struct ipc_fetch q = { .handle = r->m->handle, .sel = r->sel, .by_uid = 1, .set = &all, .n_set = 1, .want = WANT_BODY | WANT_UIDL };
	struct ipc_fetch_reply got = { .more = 1 };
	bool goes_on = true;
	struct arena a;

	while (got.more && goes_on) {
		arena_init(&a, "rows", IPC_REPLY_MEMORY);
		if (ipc_fetch_within(&r->m->store, &q, &got, &a, READ_MS) != OK) {
			arena_fini(&a);
			return lost(r->m);
		}
		for (size_t i = 0; i < got.n_rows && goes_on; i++) {
			struct letter_out l = { r, &got.rows[i] };

			q.after = got.rows[i].uid;
			goes_on = each(ctx, &l) && mover_goes_on(r->m);
		}
		if (got.n_rows == 0)
			got.more = 0;
		arena_fini(&a);
	}
	return true;
}

SUSPENDS bool letter_bytes(struct letter_out *l, void (*add)(void *ctx, struct str piece), void *ctx)
{
	const struct ipc_row *row = l->row;
	uint64_t at = row->body.n;

	add(ctx, row->body);
	while (at < row->size) {
		struct ipc_read_body q = { .handle = l->r->m->handle, .sel = l->r->sel, .uid = row->uid, .at = (uint32_t)at,
			.n = IPC_READ_BODY_BYTES_MAX };
		struct ipc_read_body_reply got;
		struct arena a;
		bool ok;

		arena_init(&a, "piece", IPC_REPLY_MEMORY);
		ok = ipc_read_body_within(&l->r->m->store, &q, &got, &a, READ_MS) == OK && got.bytes.n > 0;
		if (ok) {
			add(ctx, got.bytes);
			at += got.bytes.n;
		}
		arena_fini(&a);
		if (!ok)
			return false;
	}
	return true;
}

struct str letter_keyword(const struct letter_out *l, unsigned i)
{
	return i < l->r->box.n_keywords && l->row->keywords >> i & 1 ? l->r->box.keywords[i] : STR("");
}
