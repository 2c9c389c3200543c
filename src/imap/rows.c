/* imap/rows.c - pulling rows of a set from store, a page a time: what FETCH, and STORE's report, have in common.
 * Suspends    in calls to store and in what is done with a row; the box may have news afterwards.
 * Invariants  R1 news that a row speaks of (its keyword, its number) is told before it, and a row is never older than news told before it.
 */
#include "imap/imap.h"

#define CATCH_UPS_MAX (IPC_SYNC_KEYWORDS_MAX + 1) /* each brings a keyword at least, or a message */

/* News may be newer than the rows: they are read again after it, so that nobody is told an older state behind a newer one. */
static SUSPENDS enum outcome page(
	struct imap *im, const struct ipc_fetch *m, struct ipc_fetch_reply *r, struct arena *a)
{
	enum outcome o = OK;

	for (int i = 0; o == OK && i < CATCH_UPS_MAX; i++) {
		arena_reset(a);
		stream_deadline(&im->d->stream, im->d->conf->timeouts.imap_idle_ms);
		o = ipc_fetch(im->d->account.store, m, r, a);
		if (o != OK || imap_box_knows(im, r->rows, r->n_rows))
			return o;
		o = imap_sync(im, false);
	}
	return o;
}

SUSPENDS enum outcome imap_each_row(struct imap *im, struct ipc_fetch *m, imap_row_function *each, void *arg)
{
	struct ipc_fetch_reply r = { 0 };
	struct arena rows;
	enum outcome o;

	arena_init(&rows, "imap rows", (size_t)8 << 20);
	do {
		o = page(im, m, &r, &rows);
		for (size_t i = 0; i < r.n_rows && o == OK && stream_ok(&im->d->stream); i++)
			o = each(arg, &r.rows[i]);
		m->after = r.next;
	} while (o == OK && r.more && stream_ok(&im->d->stream));
	arena_fini(&rows);
	return o;
}

struct ipc_fetch imap_rows_of(const struct imap *im, const struct imap_set *set)
{
	return (struct ipc_fetch){ .handle = im->d->account.handle,
		.sel = im->box.sel,
		.by_uid = im->by_uid,
		.saved = set->saved,
		.set = set->v,
		.n_set = set->n };
}

/* ---- what answers about a message have in common */

void imap_add_modseq(struct buf *out, uint64_t modseq)
{
	buf_addz(out, "MODSEQ (");
	buf_add_u64(out, modseq);
	buf_addc(out, ')');
}

void imap_add_ranges(struct buf *out, const struct ipc_range *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (i)
			buf_addc(out, ',');
		buf_add_u64(out, v[i].lo);
		if (v[i].hi != v[i].lo) {
			buf_addc(out, ':');
			buf_add_u64(out, v[i].hi);
		}
	}
}

/* ---- CONDSTORE (RFC 7162 3.1) */

uint64_t imap_modseq(struct cur *c)
{
	uint64_t n = cur_u64(c);

	if (n > INT64_MAX)
		cur_fail(c);
	return n;
}

void imap_condstore_enable(struct imap *im)
{
	if (im->condstore)
		return;
	im->condstore = true;
	if (im->box.open)
		imap_out_fmt(im, "* OK [HIGHESTMODSEQ %llu] Modification sequences are told from now on\r\n",
			(unsigned long long)im->box.modseq);
}
