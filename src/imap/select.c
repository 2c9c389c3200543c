/* imap/select.c - SELECT, EXAMINE, CLOSE, UNSELECT, and the news of the selected mailbox (RFC 3501 6.3, 7.2 to 7.4)
 * Trust       names come from a hostile client; numbers and keywords from store.
 * Owns        the keyword table, in the box's own arena.
 * Suspends    in every call to store; the box may have news afterwards.
 * Invariants  I1 box.messages is what the client believes: every EXISTS and EXPUNGE that was sent is counted in it.
 */
#include "imap/imap.h"

#define KEYWORDS_ARENA_MAX 65536

/* ---- flags */

static const struct {
	uint32_t bit;
	struct str name;
} flag_names[] = {
	{ MSG_ANSWERED, { "\\Answered", 9 } },
	{ MSG_FLAGGED, { "\\Flagged", 8 } },
	{ MSG_DELETED, { "\\Deleted", 8 } },
	{ MSG_SEEN, { "\\Seen", 5 } },
	{ MSG_DRAFT, { "\\Draft", 6 } },
	{ MSG_RECENT, { "\\Recent", 7 } },
};

static void add_word(struct buf *out, struct str word, bool *first)
{
	if (!*first)
		buf_addc(out, ' ');
	*first = false;
	buf_add(out, word);
}

void imap_add_flags(struct imap *im, struct buf *out, uint32_t flags, uint64_t keywords)
{
	bool first = true;

	flags &= im->rev2 ? ~(uint32_t)MSG_RECENT : UINT32_MAX; /* RFC 9051 knows it no more */
	buf_addc(out, '(');
	for (size_t i = 0; flags && i < sizeof flag_names / sizeof *flag_names; i++)
		if (flags & flag_names[i].bit)
			add_word(out, flag_names[i].name, &first);
	for (size_t i = 0; keywords && i < im->box.n_keywords; i++, keywords >>= 1)
		if (keywords & 1)
			add_word(out, im->box.keywords[i], &first);
	buf_addc(out, ')');
}

static uint64_t all_keywords(const struct imap_box *b)
{
	return b->n_keywords >= 64 ? UINT64_MAX : ((uint64_t)1 << b->n_keywords) - 1;
}

/* FLAGS and PERMANENTFLAGS (RFC 3501 7.1, 7.2.6); "\*": new keywords may be made. */
static void add_flag_lines(struct imap *im)
{
	struct imap_box *b = &im->box;
	struct buf *out = &im->out;

	buf_addz(out, "* FLAGS ");
	imap_add_flags(im, out, MSG_SETTABLE, all_keywords(b));
	buf_addz(out, "\r\n* OK [PERMANENTFLAGS ");
	if (b->readonly) {
		buf_addz(out, "()] No flag can be changed\r\n");
		return;
	}
	imap_add_flags(im, out, MSG_SETTABLE, all_keywords(b));
	if (b->n_keywords < im->d->conf->limits.keywords_max) {
		buf_cut(out, out->n - 1);
		buf_addz(out, " \\*)");
	}
	buf_addz(out, "] These are kept\r\n");
}

static void keep_keywords(struct imap_box *b, const struct str *names, size_t n)
{
	arena_fini(&b->arena);
	b->keywords = n ? arena_array(&b->arena, n, sizeof *b->keywords) : NULL;
	for (size_t i = 0; i < n; i++)
		b->keywords[i] = arena_dup(&b->arena, names[i]);
	b->n_keywords = n;
}

bool imap_box_knows(const struct imap *im, const struct ipc_row *rows, size_t n)
{
	uint64_t keywords = 0;

	for (size_t i = 0; i < n; i++) {
		keywords |= rows[i].keywords;
		if (rows[i].seq > im->box.messages)
			return false;
	}
	return (keywords & ~all_keywords(&im->box)) == 0;
}

/* ---- news */

static void add_line(struct imap *im, uint32_t n, const char *what)
{
	buf_addz(&im->out, "* ");
	buf_add_u64(&im->out, n);
	buf_addz(&im->out, what);
}

static void add_counts(struct imap *im, const struct ipc_sync_reply *r)
{
	struct imap_box *b = &im->box;

	if (r->messages != b->messages) {
		add_line(im, r->messages, " EXISTS\r\n");
		if (!im->rev2)
			add_line(im, r->recent, " RECENT\r\n");
	}
	b->messages = r->messages;
}

static void add_change(struct imap *im, const struct ipc_flag_change *c)
{
	add_line(im, c->seq, " FETCH (UID ");
	buf_add_u64(&im->out, c->uid);
	buf_addz(&im->out, " FLAGS ");
	imap_add_flags(im, &im->out, c->flags, c->keywords);
	if (im->condstore) {
		buf_addc(&im->out, ' ');
		imap_add_modseq(&im->out, c->modseq);
	}
	buf_addz(&im->out, ")\r\n");
}

/* Of a part of the news only what is certain is said: more messages than the client knows have come in any case. */
static SUSPENDS void add_news(struct imap *im, const struct ipc_sync_reply *r)
{
	struct imap_box *b = &im->box;

	for (size_t i = 0; i < r->n_expunged; i++) {
		add_line(im, r->expunged[i], " EXPUNGE\r\n");
		b->messages -= b->messages > 0;
	}
	imap_out_relieve(im);
	if (!r->more || r->messages > b->messages)
		add_counts(im, r);
	if (r->n_keywords) {
		keep_keywords(b, r->keywords, r->n_keywords);
		add_flag_lines(im);
	}
	for (size_t i = 0; i < r->n_changes; i++) {
		add_change(im, &r->changes[i]);
		imap_out_relieve(im);
	}
}

SUSPENDS enum outcome imap_sync(struct imap *im, bool expunges)
{
	struct door_account *account = &im->d->account;
	struct ipc_sync m = { .handle = account->handle, .sel = im->box.sel, .expunges = expunges };
	struct ipc_sync_reply r = { 0 };

	im->news = false;
	do {
		enum outcome o;

		account->changed = false;
		arena_reset(&im->work);
		o = ipc_sync(account->store, &m, &r, &im->work);
		if (o != OK) {
			account->changed = o == TRY_LATER || o == UNANSWERED; /* the news is still there */
			return o;
		}
		add_news(im, &r);
	} while (r.more);
	if (r.modseq)
		im->box.modseq = r.modseq;
	im->box.owed = !expunges;
	return OK;
}

/* ---- the commands */

void imap_box_init(struct imap *im)
{
	im->box = (struct imap_box){ 0 };
	arena_init(&im->box.arena, "imap keywords", KEYWORDS_ARENA_MAX);
}

void imap_box_fini(struct imap *im)
{
	arena_fini(&im->box.arena);
	im->box = (struct imap_box){ .arena = im->box.arena };
}

SUSPENDS enum outcome imap_box_leave(struct imap *im)
{
	struct ipc_unselect m = { .handle = im->d->account.handle, .sel = im->box.sel };

	if (!im->box.open)
		return OK;
	imap_box_fini(im);
	im->d->account.changed = false;
	return ipc_unselect(im->d->account.store, &m);
}

static void add_selected(struct imap *im, struct str name, const struct ipc_select_reply *r)
{
	add_flag_lines(im);
	add_line(im, r->messages, " EXISTS\r\n");
	if (!im->rev2)
		add_line(im, r->recent, " RECENT\r\n");
	if (r->first_unseen && !im->rev2)
		imap_out_fmt(im, "* OK [UNSEEN %u] The first message not seen\r\n", r->first_unseen);
	imap_out_fmt(im, "* OK [UIDVALIDITY %u] UIDs are valid\r\n", r->uidvalidity);
	imap_out_fmt(im, "* OK [UIDNEXT %u] The next UID\r\n", r->uidnext);
	imap_out_fmt(im, "* OK [HIGHESTMODSEQ %llu] The highest\r\n", (unsigned long long)r->modseq);
	if (im->rev2) {
		buf_addz(&im->out, "* LIST () \"/\" ");
		imap_add_mailbox(im, &im->out, name);
		buf_addz(&im->out, "\r\n");
	}
	im->code = im->box.readonly ? STR("READ-ONLY") : STR("READ-WRITE");
}

static SUSPENDS enum outcome enter(struct imap *im, struct str name, bool readonly)
{
	struct ipc_select m = { .handle = im->d->account.handle, .name = name, .readonly = readonly };
	struct ipc_select_reply r = { 0 };
	enum outcome o = ipc_select(im->d->account.store, &m, &r, &im->work);

	if (o != OK)
		return o;
	im->box.open = true;
	im->box.readonly = readonly;
	im->box.id = r.id;
	im->box.sel = r.sel;
	im->box.messages = r.messages;
	im->box.uidvalidity = r.uidvalidity;
	im->box.modseq = r.modseq;
	keep_keywords(&im->box, r.keywords, r.n_keywords);
	add_selected(im, name, &r);
	return OK;
}

/* select-params (RFC 4466 2.1): "(" "CONDSTORE" ")". True: it is there. */
static bool params_parse(struct cur *c)
{
	if (!cur_try(c, ' '))
		return false;
	cur_need(c, '(');
	do
		if (!imap_try_word(c, STR("CONDSTORE")))
			cur_fail(c);
	while (cur_ok(c) && cur_try(c, ' '));
	cur_need(c, ')');
	return true;
}

/* Also when it fails, nothing stays selected (RFC 3501 6.3.1). What is said behind CLOSED is of the new mailbox (RFC 9051 7.1). */
static SUSPENDS enum outcome select_named(struct imap *im, struct cur *args, bool readonly)
{
	struct str name;
	enum outcome o = imap_mailbox(im, args, &name);
	bool condstore = params_parse(args), was_open = im->box.open;

	if (!cur_done(args))
		return BAD_SYNTAX;
	if (imap_box_leave(im) == REVOKED)
		return REVOKED;
	if (was_open)
		buf_addz(&im->out, "* OK [CLOSED] The mailbox selected before is closed\r\n");
	if (condstore)
		imap_condstore_enable(im);
	return o == OK ? enter(im, name, readonly) : NO_SUCH;
}

SUSPENDS enum outcome imap_select(struct imap *im, struct cur *args)
{
	return select_named(im, args, false);
}

SUSPENDS enum outcome imap_examine(struct imap *im, struct cur *args)
{
	return select_named(im, args, true);
}

SUSPENDS enum outcome imap_unselect(struct imap *im, struct cur *args)
{
	(void)args;
	return imap_box_leave(im);
}

/* The messages marked go without a word (RFC 3501 6.4.2). */
SUSPENDS enum outcome imap_close(struct imap *im, struct cur *args)
{
	struct ipc_expunge m = { .handle = im->d->account.handle, .sel = im->box.sel, .only_deleted = 1 };
	struct ipc_expunge_reply r;
	enum outcome o = OK;

	(void)args;
	if (!im->box.readonly)
		o = ipc_expunge_within(im->d->account.store, &m, &r, &im->work, IMAP_LONG_CALL_MS);
	return o == OK ? imap_box_leave(im) : o;
}
