/* imap/list.c - mailbox names, LIST and LSUB (RFC 3501 5.1, 6.3.8, 6.3.9; RFC 3348, RFC 6154)
 * Trust       names and patterns are hostile; the list comes from store.
 * Suspends    in each page of the list.
 */
#include "imap/imap.h"

#include "base/map.h"
#include "base/rng.h"
#include "imap/pattern.h"
#include "imap/utf7.h"

#define NAME_MAX_SIZE IPC_MAILBOX_NAME_MAX

/* INBOX is known in any case, also as the first level of others (RFC 3501 5.1). */
static void fold_inbox(struct buf *name)
{
	struct str s = buf_str(name);

	if (!str_istarts(s, STR("INBOX")) || (s.n > 5 && s.p[5] != HIERARCHY_SEPARATOR))
		return;
	for (size_t i = 0; i < 5; i++)
		name->p[i] = ascii_upper(name->p[i]);
}

static enum outcome decode(struct imap *im, struct str wire, bool name, struct str *out)
{
	struct buf b;
	enum outcome o = DENIED;

	buf_init(&b, NAME_MAX_SIZE);
	if (imap_utf7_decode(wire, &b)) {
		if (name)
			fold_inbox(&b);
		*out = arena_dup(&im->cmd, buf_str(&b));
		o = OK;
	}
	buf_fini(&b);
	return o;
}

enum outcome imap_mailbox_name(struct imap *im, struct str wire, struct str *name)
{
	*name = (struct str){ 0 };
	return decode(im, wire, true, name);
}

enum outcome imap_mailbox(struct imap *im, struct cur *c, struct str *name)
{
	struct str wire = imap_astring(c, &im->cmd);

	*name = (struct str){ 0 };
	return cur_ok(c) ? imap_mailbox_name(im, wire, name) : BAD_SYNTAX;
}

void imap_add_mailbox(struct buf *out, struct str name)
{
	struct buf wire;

	buf_init(&wire, 6 * NAME_MAX_SIZE);
	imap_utf7_encode(name, &wire);
	imap_add_quoted(out, buf_str(&wire));
	buf_fini(&wire);
}

/* ---- lines */

static const struct {
	uint32_t bit;
	const char *name;
} attributes[] = {
	{ MBOX_NOSELECT, "\\Noselect" },
	{ MBOX_ARCHIVE, "\\Archive" },
	{ MBOX_DRAFTS, "\\Drafts" },
	{ MBOX_JUNK, "\\Junk" },
	{ MBOX_SENT, "\\Sent" },
	{ MBOX_TRASH, "\\Trash" },
	{ MBOX_FLAGGED, "\\Flagged" },
	{ MBOX_ALL, "\\All" },
	{ MBOX_HAS_CHILDREN, "\\HasChildren" },
	{ MBOX_UNSEEN_MARK, "\\Marked" },
};

static void add_attributes(struct buf *out, uint32_t flags)
{
	bool first = true;

	for (size_t i = 0; i < sizeof attributes / sizeof *attributes; i++) {
		if (!(flags & attributes[i].bit))
			continue;
		buf_addz(out, first ? "" : " ");
		buf_addz(out, attributes[i].name);
		first = false;
	}
	if (!(flags & MBOX_HAS_CHILDREN))
		buf_addz(out, first ? "\\HasNoChildren" : " \\HasNoChildren");
}

struct listing {
	struct imap *im;
	const char *word; /* "LIST", "LSUB" */
	bool subscribed;
	struct str pattern;
	struct map told; /* LSUB: what was said already */
};

static void add_listed(struct listing *l, struct str name, uint32_t flags)
{
	struct buf *out = &l->im->out;

	buf_addz(out, "* ");
	buf_addz(out, l->word);
	buf_addz(out, " (");
	if (l->subscribed)
		buf_addz(out, flags & MBOX_NOSELECT ? "\\Noselect"
						    : ""); /* all else is LIST's (RFC 3501 6.3.9, RFC 6154 2) */
	else
		add_attributes(out, flags);
	buf_addz(out, ") \"/\" ");
	imap_add_mailbox(out, name);
	buf_addz(out, "\r\n");
}

/* LSUB "%": a level above what is subscribed to answers for it (RFC 3501 6.3.9). The told map keeps each at one line. */
static void add_subscribed(struct listing *l, const struct ipc_mailbox *m)
{
	if (imap_pattern_match(l->pattern, m->name)) {
		if (!map_get(&l->told, m->name))
			add_listed(l, m->name, m->flags | (m->flags & MBOX_NONEXISTENT ? MBOX_NOSELECT : 0));
		map_put(&l->told, m->name, l);
		return;
	}
	for (size_t i = 1; i < m->name.n; i++) {
		struct str above = str_sub(m->name, 0, i);

		if (m->name.p[i] != HIERARCHY_SEPARATOR || !imap_pattern_match(l->pattern, above))
			continue;
		if (!map_get(&l->told, above))
			add_listed(l, above, MBOX_NOSELECT);
		map_put(&l->told, above, l);
	}
}

static void add_matching(struct listing *l, const struct ipc_mailbox *m)
{
	if (l->subscribed) {
		if (m->flags & MBOX_SUBSCRIBED)
			add_subscribed(l, m);
	} else if (!(m->flags & MBOX_NONEXISTENT) && imap_pattern_match(l->pattern, m->name)) {
		add_listed(l, m->name, m->flags);
	}
}

static SUSPENDS enum outcome list_all(struct listing *l)
{
	struct imap *im = l->im;
	struct ipc_mailboxes m = { .handle = im->d->account.handle };
	struct ipc_mailboxes_reply r = { 0 };
	struct buf after;
	enum outcome o;

	buf_init(&after, NAME_MAX_SIZE);
	do {
		m.after = buf_str(&after);
		arena_reset(&im->work);
		o = ipc_mailboxes(im->d->account.store, &m, &r, &im->work);
		for (size_t i = 0; o == OK && i < r.n_list; i++) {
			add_matching(l, &r.list[i]);
			imap_out_relieve(im);
		}
		buf_reset(&after);
		if (o == OK && r.n_list)
			buf_add(&after, r.list[r.n_list - 1].name);
	} while (o == OK && r.more && r.n_list);
	buf_fini(&after);
	return o;
}

static SUSPENDS enum outcome list(struct listing *l, struct cur *args)
{
	struct imap *im = l->im;
	struct str reference = imap_astring(args, &im->cmd), wanted;
	enum outcome o;

	imap_need_sp(args);
	wanted = imap_list_mailbox(args, &im->cmd);
	if (!cur_done(args))
		return BAD_SYNTAX;
	if (wanted.n == 0) { /* asks for the separator and the root of the reference's names, which is always "" here */
		imap_out_fmt(im, "* %s (\\Noselect) \"/\" \"\"\r\n", l->word);
		return OK;
	}
	wanted = arena_fmt(&im->cmd, "%.*s%.*s", STR_ARG(reference), STR_ARG(wanted));
	if (decode(im, wanted, false, &l->pattern) != OK)
		return OK; /* no name can match */
	map_init(&l->told, rng_u64());
	o = list_all(l);
	map_fini(&l->told);
	return o;
}

SUSPENDS enum outcome imap_list(struct imap *im, struct cur *args)
{
	struct listing l = { .im = im, .word = "LIST" };

	return list(&l, args);
}

SUSPENDS enum outcome imap_lsub(struct imap *im, struct cur *args)
{
	struct listing l = { .im = im, .word = "LSUB", .subscribed = true };

	return list(&l, args);
}
