/* imap/mailbox.c - CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE (RFC 3501 6.3, RFC 6154 3)
 * Trust       names are hostile; what a new name may look like is judged here, whether it may be made by store.
 * Suspends    in the one call to store that each makes.
 */
#include "imap/imap.h"

/* The client spells a new name so that none can be made of it. */
static enum outcome unspelled(struct imap *im)
{
	return imap_fail(im, DENIED, STR("CANNOT"),
		imap_names_utf8(im) ? STR("The name is too long, or not in UTF-8")
				    : STR("The name is too long, or not in modified UTF-7 (RFC 3501 5.1.3)"));
}

static uint32_t levels(struct str name)
{
	uint32_t n = 1;

	for (size_t i = 0; i < name.n; i++)
		n += name.p[i] == HIERARCHY_SEPARATOR;
	return n;
}

static bool has_empty_level(struct str name)
{
	return name.n == 0 || str_starts(name, STR("/")) || str_ends(name, STR("/")) ||
	       str_search(name, STR("//")) >= 0;
}

/* A name that may be made: printable, no wildcards, no empty levels, within the limits. */
static enum outcome new_name(struct imap *im, struct str name)
{
	const struct conf_limits *l = &im->d->conf->limits;

	if (name.n > l->mailbox_name_size_max)
		return imap_fail(im, OVER_LIMIT, STR("LIMIT"), STR("The name is too long"));
	for (size_t i = 0; i < name.n; i++)
		if ((unsigned char)name.p[i] < 0x20 || name.p[i] == 0x7f || name.p[i] == '%' || name.p[i] == '*')
			return imap_fail(
				im, DENIED, STR("CANNOT"), STR("The name has a character that no name may have"));
	if (has_empty_level(name))
		return imap_fail(im, DENIED, STR("CANNOT"), STR("A level of the name is empty"));
	if (levels(name) > l->mailbox_depth_max)
		return imap_fail(im, OVER_LIMIT, STR("LIMIT"), STR("The name has too many levels"));
	return OK;
}

/* What store finds wrong with a name is no fault of the command's form. */
static enum outcome of_name(enum outcome o)
{
	return o == BAD_SYNTAX || o == BAD_STATE ? DENIED : o;
}

static const struct {
	const char *name;
	uint32_t bit;
} uses[] = {
	{ "\\Archive", MBOX_ARCHIVE },
	{ "\\Drafts", MBOX_DRAFTS },
	{ "\\Junk", MBOX_JUNK },
	{ "\\Sent", MBOX_SENT },
	{ "\\Trash", MBOX_TRASH },
	{ "\\Flagged", MBOX_FLAGGED },
	{ "\\All", MBOX_ALL },
};

static uint32_t use_parse(struct cur *c)
{
	for (size_t i = 0; i < sizeof uses / sizeof *uses; i++)
		if (imap_try_word(c, str_z(uses[i].name)))
			return uses[i].bit;
	cur_need(c, '\\');
	imap_atom(c);
	return MBOX_ALL; /* well formed, and refused as the virtual ones are */
}

/* [SP "(USE (" use *(SP use) "))"] */
static uint32_t uses_parse(struct cur *c)
{
	uint32_t bits = 0;

	if (cur_end(c))
		return 0;
	cur_need_ilit(c, STR(" (USE ("));
	if (cur_peek(c) != ')') {
		do
			bits |= use_parse(c);
		while (cur_ok(c) && cur_try(c, ' '));
	}
	cur_need_ilit(c, STR("))"));
	return bits;
}

/* A client of RFC 9051 learns how the mailbox is called that it has made under another spelling (6.3.4). */
static void tell_name(struct imap *im, struct str wire, struct str name, uint32_t special)
{
	if (im->rev2 && !str_eq(name, wire)) /* in UTF-8 both */
		imap_add_list(im, name, special, wire);
}

static SUSPENDS enum outcome create(struct imap *im, struct str wire, struct ipc_mailbox_create *m)
{
	struct ipc_mailbox_create_reply r;
	enum outcome o = new_name(im, m->name);

	if (o != OK)
		return o;
	if (m->special & (MBOX_ALL | MBOX_FLAGGED))
		return imap_fail(im, DENIED, STR("USEATTR"), STR("No mailbox can be made for that use"));
	o = of_name(ipc_mailbox_create(im->d->account.store, m, &r, &im->work));
	if (o == IN_USE)
		return imap_fail(im, DENIED, STR("USEATTR"), STR("Another mailbox has that use"));
	if (o == OK)
		tell_name(im, wire, m->name, m->special);
	return o;
}

SUSPENDS enum outcome imap_create(struct imap *im, struct cur *args)
{
	struct ipc_mailbox_create m = { .handle = im->d->account.handle };
	struct str wire = imap_astring(args, &im->cmd);

	m.special = uses_parse(args);
	if (!cur_done(args))
		return BAD_SYNTAX;
	if (wire.n > 1 && str_ends(wire, STR("/"))) /* "children are to come": nothing to do about it (RFC 3501 6.3.3) */
		wire.n--;
	if (imap_mailbox_name(im, wire, &m.name) != OK)
		return unspelled(im);
	return create(im, wire, &m);
}

/* Who deletes the mailbox that is selected has then none selected. */
static SUSPENDS enum outcome leave_if(struct imap *im, struct str name)
{
	struct ipc_status m = { .handle = im->d->account.handle, .name = name };
	struct ipc_status_reply r = { 0 };
	enum outcome o;

	if (!im->box.open)
		return OK;
	o = ipc_status(im->d->account.store, &m, &r, &im->work);
	return o == OK && r.id == im->box.id ? imap_box_leave(im) : OK;
}

SUSPENDS enum outcome imap_delete(struct imap *im, struct cur *args)
{
	struct ipc_mailbox_delete m = { .handle = im->d->account.handle };
	enum outcome o = imap_mailbox(im, args, &m.name);

	if (!cur_done(args))
		return BAD_SYNTAX;
	if (o != OK)
		return NO_SUCH;
	if (str_eq(m.name, STR("INBOX")))
		return imap_fail(im, DENIED, STR("CANNOT"), STR("INBOX cannot be deleted"));
	o = leave_if(im, m.name);
	if (o == OK)
		o = of_name(ipc_mailbox_delete(im->d->account.store, &m));
	if (o == DENIED)
		return imap_fail(im, DENIED, STR("HASCHILDREN"), STR("It is but a level that has mailboxes below it"));
	return o;
}

SUSPENDS enum outcome imap_rename(struct imap *im, struct cur *args)
{
	struct ipc_mailbox_rename m = { .handle = im->d->account.handle };
	enum outcome from = imap_mailbox(im, args, &m.from), o;
	struct str wire;

	imap_need_sp(args);
	wire = imap_astring(args, &im->cmd);
	if (!cur_done(args))
		return BAD_SYNTAX;
	if (from != OK)
		return NO_SUCH;
	o = imap_mailbox_name(im, wire, &m.to) == OK ? new_name(im, m.to) : unspelled(im);
	if (o == OK)
		o = of_name(ipc_mailbox_rename(im->d->account.store, &m));
	if (o == OK)
		tell_name(im, wire, m.to, 0);
	return o;
}

static SUSPENDS enum outcome subscribe(struct imap *im, struct cur *args, bool on)
{
	struct ipc_subscribe m = { .handle = im->d->account.handle, .on = on };
	enum outcome o = imap_mailbox(im, args, &m.name);

	if (!cur_done(args))
		return BAD_SYNTAX;
	if (o != OK)
		return on ? unspelled(im) : NO_SUCH;
	if (on)
		o = new_name(im, m.name);
	return o == OK ? of_name(ipc_subscribe(im->d->account.store, &m)) : o;
}

SUSPENDS enum outcome imap_subscribe(struct imap *im, struct cur *args)
{
	return subscribe(im, args, true);
}

SUSPENDS enum outcome imap_unsubscribe(struct imap *im, struct cur *args)
{
	return subscribe(im, args, false);
}
