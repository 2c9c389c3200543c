/* pop/maildrop.c - the maildrop as an edge knows it. See the header.
 * Owns        a size and a mark a message; store has the list itself, and its limit (pop_messages).
 * Suspends    in calls to store.
 * Invariants  I1 the list is a snapshot: numbers mean the same message for as long as it is open.
 */
#include "pop/maildrop.h"

#include "base/die.h"
#include "base/vec.h"

#define CHUNK (128u * 1024)
#define UPDATE_MS 120000 /* as long as moving a large maildrop may take */

/* ---- open and list */

static SUSPENDS enum outcome list_page(struct pop_drop *p, struct arena *work, bool *more)
{
	struct ipc_maildrop_list m = { .handle = p->d->account.handle, .from = (uint32_t)p->n, .n_max = UINT32_MAX };
	struct ipc_maildrop_list_reply r;
	enum outcome o = ipc_maildrop_list(p->d->account.store, &m, &r, work);

	for (size_t i = 0; o == OK && i < r.n_rows; i++)
		*vec_push(p) = (struct pop_message){ .size = r.rows[i].size };
	*more = o == OK && r.more && r.n_rows;
	arena_reset(work);
	return o;
}

SUSPENDS enum outcome pop_drop_open(struct pop_drop *p, struct str folder, bool login, struct arena *work)
{
	struct ipc_maildrop_open m = { .handle = p->d->account.handle, .folder = folder, .login = login };
	struct ipc_maildrop_open_reply r;
	enum outcome o = ipc_maildrop_open(p->d->account.store, &m, &r, work);
	bool more;

	if (o != OK)
		return o;
	p->open = true;
	for (more = r.messages > 0; o == OK && more;)
		o = list_page(p, work, &more);
	if (o != OK)
		pop_drop_close(p);
	return o;
}

SUSPENDS bool pop_drop_close(struct pop_drop *p)
{
	struct ipc_maildrop_close m = { .handle = p->d->account.handle };
	bool heard = !p->open || ipc_maildrop_close(p->d->account.store, &m) == OK;

	p->open = false;
	p->n_deleted = 0;
	vec_free(p);
	return heard;
}

/* ---- marks */

uint64_t pop_drop_octets(const struct pop_drop *p)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < p->n; i++)
		sum += p->v[i].deleted ? 0 : p->v[i].size;
	return sum;
}

void pop_drop_mark(struct pop_drop *p, size_t i)
{
	p->n_deleted += !p->v[i].deleted;
	p->v[i].deleted = true;
}

void pop_drop_unmark_all(struct pop_drop *p)
{
	for (size_t i = 0; i < p->n; i++)
		p->v[i].deleted = false;
	p->n_deleted = 0;
}

/* Fills ranges with runs of marked messages from *at on. */
static size_t next_ranges(const struct pop_drop *p, size_t *at, struct ipc_range *ranges)
{
	size_t n = 0;

	for (; *at < p->n; ++*at) {
		if (!p->v[*at].deleted)
			continue;
		if (n && ranges[n - 1].hi + 1 == *at)
			ranges[n - 1].hi++;
		else if (n == IPC_MAILDROP_REMOVE_NUMBERS_MAX)
			break;
		else
			ranges[n++] = (struct ipc_range){ (uint32_t)*at, (uint32_t)*at };
	}
	return n;
}

SUSPENDS enum outcome pop_drop_update(struct pop_drop *p, struct arena *work)
{
	struct ipc_range *ranges;
	enum outcome o = OK;
	size_t at = 0, n;

	if (!p->n_deleted)
		return OK;
	ranges = arena_array(work, IPC_MAILDROP_REMOVE_NUMBERS_MAX, sizeof *ranges);
	while (o == OK && (n = next_ranges(p, &at, ranges)) > 0) {
		struct ipc_maildrop_remove m = { .handle = p->d->account.handle, .numbers = ranges, .n_numbers = n };

		o = ipc_maildrop_remove_within(p->d->account.store, &m, UPDATE_MS);
	}
	return o;
}

/* ---- read */

SUSPENDS enum outcome pop_drop_read(struct pop_drop *p, size_t i, uint32_t *at, struct arena *work, struct str *bytes)
{
	struct ipc_maildrop_read m = { .handle = p->d->account.handle, .number = (uint32_t)i, .at = *at, .n = CHUNK };
	struct ipc_maildrop_read_reply r;
	enum outcome o;

	arena_reset(work);
	o = ipc_maildrop_read(p->d->account.store, &m, &r, work);
	*bytes = r.bytes;
	*at += (uint32_t)r.bytes.n;
	return o;
}
