/* imap/store.c - STORE (RFC 3501 6.4.6), and the set argument that message commands share
 * Trust       sets and flags are hostile.
 * Suspends    in one call that changes, and those that report the rows' flags.
 */
#include "imap/imap.h"

enum outcome imap_set_argument(struct imap *im, struct cur *c, struct imap_set *out)
{
	uint32_t max = im->d->conf->limits.imap_set_ranges_max;
	enum outcome o = imap_set_parse(c, &im->cmd, max, out);

	if (o == OVER_LIMIT || (o == OK && out->n > IPC_FETCH_SET_MAX))
		return imap_fail(im, BAD_SYNTAX, STR("LIMIT"), STR("The set has too many ranges; ask in parts"));
	if (o == OK && !im->by_uid && !imap_set_resolve(out, im->box.messages))
		return imap_fail(im, BAD_SYNTAX, STR(""), STR("There is no message of that number"));
	return o;
}

enum { REPLACE, ADD, REMOVE };

struct storing {
	uint8_t mode;
	bool silent;
	struct imap_flags flags;
};

/* ["+" / "-"] "FLAGS" [".SILENT"] SP (flag-list / (flag *(SP flag))) */
static void change_parse(struct cur *c, struct storing *s)
{
	s->mode = cur_try(c, '+') ? ADD : cur_try(c, '-') ? REMOVE : REPLACE;
	cur_need_ilit(c, STR("FLAGS"));
	s->silent = cur_try_ilit(c, STR(".SILENT"));
	imap_need_sp(c);
	if (cur_peek(c) == '(')
		imap_flag_list(c, &s->flags);
	else
		imap_flags_bare(c, &s->flags);
}

static SUSPENDS enum outcome change(struct imap *im, const struct imap_set *set, const struct storing *s)
{
	struct ipc_set_flags m = { .handle = im->d->account.handle,
		.sel = im->box.sel,
		.by_uid = im->by_uid,
		.set = set->v,
		.n_set = set->n,
		.mode = s->mode,
		.silent = 1,
		.flags = s->flags.bits,
		.keywords = s->flags.keywords,
		.n_keywords = s->flags.n_keywords };
	struct ipc_set_flags_reply r;

	return ipc_set_flags(im->d->account.store, &m, &r, &im->work);
}

static void add_row(struct imap *im, const struct ipc_row *row)
{
	buf_addz(&im->out, "* ");
	buf_add_u64(&im->out, row->seq);
	buf_addz(&im->out, " FETCH (");
	if (im->by_uid) {
		buf_addz(&im->out, "UID ");
		buf_add_u64(&im->out, row->uid);
		buf_addc(&im->out, ' ');
	}
	buf_addz(&im->out, "FLAGS ");
	imap_add_flags(im, &im->out, row->flags, row->keywords);
	buf_addz(&im->out, ")\r\n");
}

/* A keyword that is new to the mailbox is told before the first message that has it. */
static SUSPENDS enum outcome report(struct imap *im, const struct imap_set *set)
{
	struct ipc_fetch m = { .handle = im->d->account.handle,
		.sel = im->box.sel,
		.by_uid = im->by_uid,
		.set = set->v,
		.n_set = set->n };
	struct ipc_fetch_reply r = { 0 };
	struct arena rows;
	enum outcome o;

	arena_init(&rows, "imap rows", (size_t)8 << 20);
	do {
		arena_reset(&rows);
		o = ipc_fetch(im->d->account.store, &m, &r, &rows);
		if (o == OK && !imap_box_knows(im, r.rows, r.n_rows))
			o = imap_sync(im, false);
		for (size_t i = 0; o == OK && i < r.n_rows; i++) {
			add_row(im, &r.rows[i]);
			imap_out_relieve(im);
		}
		if (o == OK && r.n_rows)
			m.after = r.rows[r.n_rows - 1].uid;
	} while (o == OK && r.more && r.n_rows && stream_ok(&im->d->stream));
	arena_fini(&rows);
	return o;
}

SUSPENDS enum outcome imap_store(struct imap *im, struct cur *args)
{
	struct storing *s = arena_new(&im->cmd, struct storing);
	struct imap_set set = { 0 };
	enum outcome o = imap_set_argument(im, args, &set);

	imap_need_sp(args);
	change_parse(args, s);
	if (o != OK)
		return o;
	if (!cur_done(args))
		return BAD_SYNTAX;
	if (s->flags.over)
		return imap_fail(im, OVER_LIMIT, STR("LIMIT"), STR("Too many keywords, or too long ones"));
	o = change(im, &set, s);
	if (o == NO_SUCH) /* all of it is gone: nothing to change (RFC 2180 4.2) */
		return OK;
	return o == OK && !s->silent ? report(im, &set) : o;
}
