/* imap/copy.c - COPY, MOVE, EXPUNGE, and their UID forms (RFC 3501 6.4, RFC 6851, RFC 4315)
 * Trust       sets and names are hostile.
 * Suspends    in the one call to store that each makes; the news it makes is told by the loop before the reply.
 */
#include "imap/imap.h"

/* COPYUID 38505 304,319:320 3956:3958; empty when nothing was copied. */
static struct str copyuid(struct imap *im, const struct ipc_copy_reply *r)
{
	struct str code;
	struct buf b;

	if (r->n_from_uids == 0)
		return STR("");
	buf_init(&b, 1u << 20);
	buf_addz(&b, "COPYUID ");
	buf_add_u64(&b, r->uidvalidity);
	buf_addc(&b, ' ');
	imap_add_ranges(&b, r->from_uids, r->n_from_uids);
	buf_addc(&b, ' ');
	imap_add_ranges(&b, r->to_uids, r->n_to_uids);
	code = arena_dup(&im->cmd, buf_str(&b));
	buf_fini(&b);
	return code;
}

static SUSPENDS enum outcome transfer(struct imap *im, struct cur *args, bool move, struct str *code)
{
	struct ipc_copy m = { .handle = im->d->account.handle, .sel = im->box.sel, .by_uid = im->by_uid, .move = move };
	struct ipc_copy_reply r = { 0 };
	struct imap_set set = { 0 };
	enum outcome o = imap_set_argument(im, args, &set), named;

	imap_need_sp(args);
	named = imap_mailbox(im, args, &m.to);
	if (o != OK)
		return o;
	if (!cur_done(args))
		return BAD_SYNTAX;
	if (named != OK)
		return named;
	m.set = set.v;
	m.n_set = set.n;
	m.saved = set.saved;
	o = ipc_copy_within(im->d->account.store, &m, &r, &im->work, IMAP_LONG_CALL_MS);
	im->news = move; /* of a move that fails some may have been made */
	if (o != OK)
		return o;
	im->news |= r.uidvalidity == im->box.uidvalidity;
	*code = copyuid(im, &r);
	return OK;
}

SUSPENDS enum outcome imap_copy(struct imap *im, struct cur *args)
{
	struct str code = { 0 };
	enum outcome o = transfer(im, args, false, &code);

	if (o == OK && code.n)
		imap_fail(im, OK, code, STR("Copied"));
	return o;
}

/* COPYUID comes before the EXPUNGEs of what was moved (RFC 6851 4.3). */
SUSPENDS enum outcome imap_move(struct imap *im, struct cur *args)
{
	struct str code = { 0 };
	enum outcome o = transfer(im, args, true, &code);

	if (o == OK && code.n) {
		buf_addz(&im->out, "* OK [");
		buf_add(&im->out, code);
		buf_addz(&im->out, "] Moved\r\n");
	}
	return o;
}

SUSPENDS enum outcome imap_expunge(struct imap *im, struct cur *args)
{
	struct ipc_expunge m = { .handle = im->d->account.handle, .sel = im->box.sel, .only_deleted = 1 };
	struct ipc_expunge_reply r;
	struct imap_set set = { 0 };
	enum outcome o = im->by_uid ? imap_set_argument(im, args, &set) : OK;

	if (o != OK)
		return o;
	if (!cur_done(args))
		return BAD_SYNTAX;
	m.uids = set.v;
	m.n_uids = set.n;
	m.saved = set.saved;
	o = ipc_expunge_within(im->d->account.store, &m, &r, &im->work, IMAP_LONG_CALL_MS);
	im->news = true;
	return o;
}
