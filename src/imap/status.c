/* imap/status.c - STATUS, of one mailbox and with LIST (RFC 3501 6.3.10, RFC 9051 6.3.11, RFC 5819, RFC 7889 4, RFC 8438, RFC 9208 4.1)
 * Trust       names come from a hostile client; figures from store.
 * Suspends    in the one call to store a mailbox that it makes, if any.
 */
#include "imap/imap.h"

static void add_items(struct imap *im, struct str name, unsigned items, const uint64_t *values)
{
	struct buf *out = &im->out;
	bool first = true;

	buf_addz(out, "* STATUS ");
	imap_add_mailbox(im, out, name);
	buf_addz(out, " (");
	for (unsigned i = 0; i < IMAP_STATUS_COUNT; i++) {
		if (!(items & 1u << i))
			continue;
		buf_addz(out, first ? "" : " ");
		buf_addz(out, imap_status_names[i]);
		buf_addc(out, ' ');
		buf_add_u64(out, values[i]);
		first = false;
	}
	buf_addz(out, ")\r\n");
}

static void add_status(
	struct imap *im, struct str name, unsigned items, const struct ipc_figures *n, uint64_t deleted_size)
{
	const uint64_t values[IMAP_STATUS_COUNT] = {
		[IMAP_STATUS_MESSAGES] = n->messages,
		[IMAP_STATUS_RECENT] = n->recent,
		[IMAP_STATUS_UIDNEXT] = n->uidnext,
		[IMAP_STATUS_UIDVALIDITY] = n->uidvalidity,
		[IMAP_STATUS_UNSEEN] = n->unseen,
		[IMAP_STATUS_DELETED] = n->deleted,
		[IMAP_STATUS_SIZE] = n->size,
		[IMAP_STATUS_HIGHESTMODSEQ] = n->modseq,
		[IMAP_STATUS_APPENDLIMIT] = im->d->conf->limits.message_size_max,
		[IMAP_STATUS_DELETED_STORAGE] = deleted_size,
	};

	if (items >> IMAP_STATUS_HIGHESTMODSEQ & 1)
		imap_condstore_enable(im); /* who asks for it is told of changes by it */
	add_items(im, name, items, values);
}

static SUSPENDS enum outcome ask(struct imap *im, struct str name, unsigned items)
{
	struct ipc_status m = { .handle = im->d->account.handle, .name = name };
	struct ipc_status_reply r = { 0 };
	enum outcome o;

	m.want_deleted_size = items >> IMAP_STATUS_DELETED_STORAGE & 1;
	o = ipc_status(im->d->account.store, &m, &r, NULL);
	if (o == OK)
		add_status(im, name, items,
			&(struct ipc_figures){ .messages = r.messages,
				.recent = r.recent,
				.unseen = r.unseen,
				.deleted = r.deleted,
				.uidnext = r.uidnext,
				.uidvalidity = r.uidvalidity,
				.size = r.size,
				.modseq = r.modseq },
			r.deleted_size);
	return o;
}

/* A mailbox that went meanwhile has no status, and the LIST goes on (RFC 5819 2). */
SUSPENDS enum outcome imap_list_status(struct imap *im, const struct ipc_mailbox *m, unsigned items)
{
	enum outcome o;

	if (!(items & 1u << IMAP_STATUS_DELETED_STORAGE) || m->counts.deleted == 0) {
		add_status(im, m->name, items, &m->counts, 0);
		return OK;
	}
	o = ask(im, m->name, items);
	return o == REVOKED ? o : OK;
}

SUSPENDS enum outcome imap_status(struct imap *im, struct cur *args)
{
	struct str name;
	enum outcome o = imap_mailbox(im, args, &name);
	unsigned items;

	imap_need_sp(args);
	items = imap_status_items(args);
	if (!cur_done(args))
		return BAD_SYNTAX;
	if (o == OK)
		o = ask(im, name, items);
	return o == DENIED ? NO_SUCH : o;
}
