/* imap/store.c - STORE (RFC 3501 6.4.6, RFC 7162 3.1.3), and the set argument that message commands share
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
	if (o == OK && !im->by_uid && !out->saved && !imap_set_resolve(out, im->box.messages))
		return imap_fail(im, BAD_SYNTAX, STR(""), STR("There is no message of that number"));
	return o;
}

enum { REPLACE, ADD, REMOVE };

struct storing {
	struct imap *im;
	struct imap_set set;
	uint8_t mode;
	bool silent, conditional;
	uint64_t unchanged_since;
	struct imap_flags flags;
	struct ipc_set_flags_reply reply; /* in the session's command arena */
};

/* store-modifiers: "(" "UNCHANGEDSINCE" SP mod-sequence-valzer ")", and the space behind it, or nothing. */
static void modifiers_parse(struct cur *c, struct storing *s)
{
	if (!cur_try(c, '('))
		return;
	if (!imap_try_word(c, STR("UNCHANGEDSINCE")))
		cur_fail(c);
	imap_need_sp(c);
	s->unchanged_since = imap_modseq(c);
	s->conditional = true;
	cur_need(c, ')');
	imap_need_sp(c);
}

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

static SUSPENDS enum outcome change(struct storing *s)
{
	struct imap *im = s->im;
	struct ipc_set_flags m = { .handle = im->d->account.handle,
		.sel = im->box.sel,
		.by_uid = im->by_uid,
		.saved = s->set.saved,
		.set = s->set.v,
		.n_set = s->set.n,
		.mode = s->mode,
		.silent = 1,
		.conditional = s->conditional,
		.unchanged_since = s->unchanged_since,
		.flags = s->flags.bits,
		.keywords = s->flags.keywords,
		.n_keywords = s->flags.n_keywords };

	return ipc_set_flags_within(im->d->account.store, &m, &s->reply, &im->cmd, IMAP_LONG_CALL_MS);
}

/* ---- what is said of it */

static bool is_modified(const struct storing *s, const struct ipc_row *row)
{
	uint32_t number = s->im->by_uid ? row->uid : row->seq;
	size_t lo = 0, hi = s->reply.n_modified;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (s->reply.modified[mid].hi < number)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < s->reply.n_modified && s->reply.modified[lo].lo <= number;
}

/* Of a silent change only what the client must learn: the new modification sequence (RFC 7162 3.1.3). */
static SUSPENDS enum outcome add_row(void *arg, const struct ipc_row *row)
{
	struct storing *s = arg;
	struct imap *im = s->im;

	if (s->silent && is_modified(s, row))
		return OK;
	imap_out_fmt(im, "* %u FETCH (", row->seq);
	if (im->by_uid)
		imap_out_fmt(im, "UID %u ", row->uid);
	if (im->condstore)
		imap_add_modseq(&im->out, row->modseq);
	if (!s->silent) {
		buf_addz(&im->out, im->condstore ? " FLAGS " : "FLAGS ");
		imap_add_flags(im, &im->out, row->flags, row->keywords);
	}
	buf_addz(&im->out, ")\r\n");
	imap_out_relieve(im);
	return OK;
}

static SUSPENDS enum outcome report(struct storing *s)
{
	struct ipc_fetch m = imap_rows_of(s->im, &s->set);

	if (s->silent && !s->im->condstore)
		return OK;
	if (s->silent && !s->conditional)
		m.changed_since = s->reply.before;
	return imap_each_row(s->im, &m, add_row, s);
}

/* MODIFIED names what was left alone (RFC 7162 3.1.3). */
static enum outcome conclude(struct storing *s)
{
	struct str code;
	struct buf b;

	if (s->reply.n_modified == 0)
		return OK;
	buf_init(&b, 1u << 20);
	buf_addz(&b, "MODIFIED ");
	imap_add_ranges(&b, s->reply.modified, s->reply.n_modified);
	code = arena_dup(&s->im->cmd, buf_str(&b));
	buf_fini(&b);
	return imap_fail(s->im, OK, code, STR("Some had changed and were left alone"));
}

SUSPENDS enum outcome imap_store(struct imap *im, struct cur *args)
{
	struct storing *s = arena_new(&im->cmd, struct storing);
	enum outcome o = imap_set_argument(im, args, &s->set);

	s->im = im;
	imap_need_sp(args);
	modifiers_parse(args, s);
	change_parse(args, s);
	if (o != OK)
		return o;
	if (!cur_done(args))
		return BAD_SYNTAX;
	if (s->flags.over)
		return imap_fail(im, OVER_LIMIT, STR("LIMIT"), STR("Too many keywords, or too long ones"));
	if (s->conditional)
		imap_condstore_enable(im);
	o = change(s);
	if (o == NO_SUCH) /* all of it is gone: nothing to change (RFC 2180 4.2) */
		return OK;
	if (o == OK)
		o = report(s);
	return o == OK ? conclude(s) : o;
}
