/* imap/list.c - LIST and LSUB (RFC 3501 6.3.8, 6.3.9; RFC 9051 6.3.9; RFC 3348, RFC 5258, RFC 5819, RFC 6154)
 * Purpose     store's pages of names, parents before children, become lines; nothing is kept but one page and, for
 *             RECURSIVEMATCH, the levels above the name that is looked at.
 * Trust       patterns are hostile; the list comes from store.
 * Suspends    in each page of the list, in STATUS, and where matching took long.
 */
#include "imap/imap.h"

#include "base/map.h"
#include "base/rng.h"
#include "imap/pattern.h"

#define NAME_MAX_SIZE IPC_MAILBOX_NAME_MAX
#define LEVELS_MAX (NAME_MAX_SIZE / 2 + 1)
#define WORK_STEP ((uint64_t)4 << 20) /* bytes of patterns times bytes of names, between two yields */

/* ---- lines */

#define HAS_NO_CHILDREN (1u << 31) /* said of a list alone: one name's line does not know */

static const struct {
	uint32_t bit;
	const char *name;
} attributes[] = {
	{ MBOX_ARCHIVE, " \\Archive" },
	{ MBOX_DRAFTS, " \\Drafts" },
	{ MBOX_JUNK, " \\Junk" },
	{ MBOX_SENT, " \\Sent" },
	{ MBOX_TRASH, " \\Trash" },
	{ MBOX_FLAGGED, " \\Flagged" },
	{ MBOX_ALL, " \\All" },
	{ MBOX_HAS_CHILDREN, " \\HasChildren" },
	{ HAS_NO_CHILDREN, " \\HasNoChildren" },
	{ MBOX_UNSEEN_MARK, " \\Marked" },
};

/* nonexistent: what a name that is no mailbox is called; one that knows RFC 5258 is told so (a grammar of RFC 9051: never both). */
static void add_attributes(struct buf *out, uint32_t flags, const char *nonexistent)
{
	size_t from = out->n;

	if (flags & MBOX_NOSELECT)
		buf_addf(out, " %s", nonexistent);
	for (size_t i = 0; i < sizeof attributes / sizeof *attributes; i++)
		if (flags & attributes[i].bit)
			buf_addz(out, attributes[i].name);
	if (flags & MBOX_SUBSCRIBED)
		buf_addz(out, " \\Subscribed");
	if (out->n == from)
		buf_addc(out, ' ');
	out->p[from] = '('; /* the first space */
	buf_addc(out, ')');
}

static const char *nonexistent_word(const struct imap *im, bool extended)
{
	return im->rev2 || extended ? "\\NonExistent" : "\\Noselect";
}

void imap_add_list(struct imap *im, struct str name, uint32_t flags, struct str oldname)
{
	struct buf *out = &im->out;

	buf_addz(out, "* LIST ");
	add_attributes(out, flags, nonexistent_word(im, false));
	buf_addz(out, " \"/\" ");
	imap_add_mailbox(im, out, name);
	if (oldname.n) {
		buf_addz(out, " (\"OLDNAME\" (");
		imap_add_quoted(out, oldname);
		buf_addz(out, "))");
	}
	buf_addz(out, "\r\n");
}

/* A name above the one that is looked at, or that one. */
struct level {
	struct ipc_mailbox m; /* its name is the path up to n */
	size_t n;
	bool below;    /* something below it is selected */
	bool untold;   /* and is not in the list itself */
};

struct listing {
	struct imap *im;
	struct imap_list x;
	struct str *patterns; /* decoded */
	size_t n_patterns, patterns_size;
	uint64_t work;
	struct map told; /* LSUB: what was said already */
	struct buf path; /* RECURSIVEMATCH: the deepest level's name */
	struct level *levels;
	size_t n_levels;
};

static bool matches(struct listing *l, struct str name)
{
	l->work += l->patterns_size * name.n;
	for (size_t i = 0; i < l->n_patterns; i++)
		if (imap_pattern_match(l->patterns[i], name))
			return true;
	return false;
}

static bool is_selected(const struct listing *l, uint32_t flags)
{
	if (l->x.select & IMAP_LIST_SUBSCRIBED && !(flags & MBOX_SUBSCRIBED))
		return false;
	if (l->x.select & IMAP_LIST_SPECIAL_USE && !(flags & MBOX_SPECIAL))
		return false;
	return l->x.select & IMAP_LIST_SUBSCRIBED || !(flags & MBOX_NONEXISTENT);
}

static void add_childinfo(const struct listing *l, struct buf *out)
{
	buf_addz(out, " (\"CHILDINFO\" (");
	if (l->x.select & IMAP_LIST_SUBSCRIBED)
		buf_addz(out, "\"SUBSCRIBED\"");
	if ((l->x.select & IMAP_LIST_CRITERIA) == IMAP_LIST_CRITERIA)
		buf_addc(out, ' ');
	if (l->x.select & IMAP_LIST_SPECIAL_USE)
		buf_addz(out, "\"SPECIAL-USE\"");
	buf_addz(out, "))");
}

static SUSPENDS enum outcome add_listed(struct listing *l, const struct ipc_mailbox *m, bool childinfo)
{
	bool subscribed = l->x.select & IMAP_LIST_SUBSCRIBED || l->x.returns & IMAP_RETURN_SUBSCRIBED;
	uint32_t flags = m->flags & ~(subscribed ? 0u : (uint32_t)MBOX_SUBSCRIBED);
	struct imap *im = l->im;
	struct buf *out = &im->out;

	buf_addz(out, "* LIST ");
	add_attributes(out, flags & MBOX_HAS_CHILDREN ? flags : flags | HAS_NO_CHILDREN,
		nonexistent_word(im, l->x.extended));
	buf_addz(out, " \"/\" ");
	imap_add_mailbox(im, out, m->name);
	if (childinfo)
		add_childinfo(l, out);
	buf_addz(out, "\r\n");
	imap_out_relieve(im);
	if (l->x.status && !(m->flags & MBOX_NOSELECT) && is_selected(l, m->flags))
		return imap_list_status(im, m, l->x.status);
	return OK;
}

/* ---- RECURSIVEMATCH (RFC 5258 3.1): a level is judged when all below it are known */

/* The deepest level is left. */
static SUSPENDS enum outcome leave_level(struct listing *l)
{
	struct level *v = &l->levels[l->n_levels - 1], *up = l->n_levels > 1 ? v - 1 : NULL;
	bool selected = is_selected(l, v->m.flags), told;

	v->m.name = str_sub(buf_str(&l->path), 0, v->n);
	told = (selected || v->untold) && matches(l, v->m.name);
	if (up) {
		up->below |= selected || v->below;
		up->untold |= (selected && !told) || v->untold;
	}
	l->n_levels--;
	return told ? add_listed(l, &v->m, v->below) : OK;
}

static void enter_level(struct listing *l, const struct ipc_mailbox *m)
{
	if (l->n_levels == LEVELS_MAX)
		return; /* a name of store has no empty levels, so it cannot be */
	l->levels[l->n_levels++] = (struct level){ .m = *m, .n = m->name.n };
}

static bool is_above(struct str above, struct str name)
{
	return name.n > above.n && name.p[above.n] == HIERARCHY_SEPARATOR && str_starts(name, above);
}

static SUSPENDS enum outcome leave_others(struct listing *l, struct str name)
{
	enum outcome o = OK;

	while (o == OK && l->n_levels) {
		struct str top = str_sub(buf_str(&l->path), 0, l->levels[l->n_levels - 1].n);

		if (is_above(top, name))
			break;
		o = leave_level(l);
	}
	return o;
}

/* Levels above a name that is only subscribed to are in no list of store's. */
static SUSPENDS enum outcome add_below(struct listing *l, const struct ipc_mailbox *m)
{
	enum outcome o = leave_others(l, m->name);
	size_t from = l->n_levels ? l->levels[l->n_levels - 1].n + 1 : 1;

	for (size_t i = from; o == OK && i < m->name.n; i++)
		if (m->name.p[i] == HIERARCHY_SEPARATOR)
			enter_level(l,
				&(struct ipc_mailbox){ .name = str_sub(m->name, 0, i),
					.flags = MBOX_NOSELECT | MBOX_NONEXISTENT | MBOX_HAS_CHILDREN });
	buf_reset(&l->path);
	buf_add(&l->path, m->name);
	enter_level(l, m);
	return o;
}

/* ---- LSUB */

static void add_lsub(struct listing *l, struct str name, bool noselect)
{
	struct buf *out = &l->im->out;

	if (map_get(&l->told, name))
		return;
	map_put(&l->told, name, l);
	buf_addz(out, noselect ? "* LSUB (\\Noselect) \"/\" " : "* LSUB () \"/\" ");
	imap_add_mailbox(l->im, out, name);
	buf_addz(out, "\r\n");
}

/* LSUB "%": a level above what is subscribed to answers for it (RFC 3501 6.3.9). */
static void add_subscribed(struct listing *l, const struct ipc_mailbox *m)
{
	if (matches(l, m->name)) {
		add_lsub(l, m->name, m->flags & (MBOX_NOSELECT | MBOX_NONEXISTENT));
		return;
	}
	for (size_t i = 1; i < m->name.n; i++)
		if (m->name.p[i] == HIERARCHY_SEPARATOR && matches(l, str_sub(m->name, 0, i)))
			add_lsub(l, str_sub(m->name, 0, i), true);
}

static enum outcome add_if_subscribed(struct listing *l, const struct ipc_mailbox *m)
{
	if (m->flags & MBOX_SUBSCRIBED)
		add_subscribed(l, m);
	return OK;
}

/* ---- the list */

static SUSPENDS enum outcome add_plain(struct listing *l, const struct ipc_mailbox *m)
{
	return is_selected(l, m->flags) && matches(l, m->name) ? add_listed(l, m, false) : OK;
}

typedef enum outcome visit_function(struct listing *l, const struct ipc_mailbox *m); /* suspends */

static SUSPENDS enum outcome visit_page(struct listing *l, const struct ipc_mailboxes_reply *r, visit_function *visit)
{
	struct sched *s = l->im->d->sched;
	enum outcome o = OK;

	for (size_t i = 0; o == OK && i < r->n_list; i++) {
		o = visit(l, &r->list[i]);
		imap_out_relieve(l->im);
		if (l->work < WORK_STEP)
			continue;
		l->work = 0;
		if (task_self(s))
			task_yield(s);
	}
	return o;
}

static SUSPENDS enum outcome visit_all(struct listing *l, visit_function *visit)
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
		if (o == OK)
			o = visit_page(l, &r, visit);
		buf_reset(&after);
		if (o == OK && r.n_list)
			buf_add(&after, r.list[r.n_list - 1].name);
	} while (o == OK && r.more && r.n_list);
	buf_fini(&after);
	return o;
}

static SUSPENDS enum outcome visit_levels(struct listing *l)
{
	enum outcome o;

	buf_init(&l->path, NAME_MAX_SIZE);
	l->levels = arena_array(&l->im->cmd, LEVELS_MAX, sizeof *l->levels);
	o = visit_all(l, add_below);
	while (o == OK && l->n_levels)
		o = leave_level(l);
	buf_fini(&l->path);
	return o;
}

/* A pattern that no name can be spelled by matches none. */
static void decode_patterns(struct listing *l)
{
	struct imap *im = l->im;

	l->patterns = arena_array(&im->cmd, l->x.n_patterns, sizeof *l->patterns);
	for (size_t i = 0; i < l->x.n_patterns; i++) {
		struct str wire =
			arena_fmt(&im->cmd, "%.*s%.*s", STR_ARG(l->x.reference), STR_ARG(l->x.patterns[i]));

		if (imap_mailbox_pattern(im, wire, &l->patterns[l->n_patterns]) == OK)
			l->patterns_size += l->patterns[l->n_patterns++].n;
	}
}

/* With a name that is empty RFC 3501's LIST asks for the separator and the root of the reference, which is always "" here. */
static bool asks_for_root(const struct listing *l)
{
	return !l->x.extended && l->x.patterns[0].n == 0;
}

SUSPENDS enum outcome imap_list(struct imap *im, struct cur *args)
{
	struct listing l = { .im = im };
	enum outcome o = imap_list_parse(args, &im->cmd, im->d->conf->limits.imap_list_patterns_max, &l.x);

	if (o == OVER_LIMIT)
		return imap_fail(im, o, STR("LIMIT"), STR("Too many patterns"));
	if (o != OK)
		return o;
	if (asks_for_root(&l)) {
		buf_addz(&im->out, "* LIST (\\Noselect) \"/\" \"\"\r\n");
		return OK;
	}
	decode_patterns(&l);
	if (l.n_patterns == 0)
		return OK;
	return l.x.select & IMAP_LIST_RECURSIVEMATCH ? visit_levels(&l) : visit_all(&l, add_plain);
}

SUSPENDS enum outcome imap_lsub(struct imap *im, struct cur *args)
{
	struct listing l = { .im = im };
	enum outcome o = imap_list_parse(args, &im->cmd, 1, &l.x);

	if (o != OK || l.x.extended)
		return BAD_SYNTAX;
	if (asks_for_root(&l)) {
		buf_addz(&im->out, "* LSUB (\\Noselect) \"/\" \"\"\r\n");
		return OK;
	}
	decode_patterns(&l);
	map_init(&l.told, rng_u64());
	o = l.n_patterns ? visit_all(&l, add_if_subscribed) : OK;
	map_fini(&l.told);
	return o;
}
