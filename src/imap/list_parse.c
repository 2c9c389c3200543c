/* imap/list_parse.c - the arguments of LIST and of STATUS. See the header.
 * Trust       the bytes are hostile.
 */
#include "imap/list_parse.h"

#include "imap/parse.h"

const char *const imap_status_names[IMAP_STATUS_COUNT] = {
	"MESSAGES",
	"RECENT",
	"UIDNEXT",
	"UIDVALIDITY",
	"UNSEEN",
	"DELETED",
	"SIZE",
	"HIGHESTMODSEQ",
	"APPENDLIMIT",
	"DELETED-STORAGE",
};

static unsigned status_item(struct cur *c)
{
	for (unsigned i = 0; i < IMAP_STATUS_COUNT; i++)
		if (imap_try_word(c, str_z(imap_status_names[i])))
			return 1u << i;
	cur_fail(c);
	return 0;
}

unsigned imap_status_items(struct cur *c)
{
	unsigned items = 0;

	cur_need(c, '(');
	do
		items |= status_item(c);
	while (cur_ok(c) && cur_try(c, ' '));
	cur_need(c, ')');
	return items;
}

struct option {
	const char *name;
	unsigned bit;
};

static const struct option selects[] = {
	{ "SUBSCRIBED", IMAP_LIST_SUBSCRIBED },
	{ "SPECIAL-USE", IMAP_LIST_SPECIAL_USE },
	{ "REMOTE", IMAP_LIST_REMOTE },
	{ "RECURSIVEMATCH", IMAP_LIST_RECURSIVEMATCH },
	{ NULL, 0 },
};

static const struct option returns[] = {
	{ "SUBSCRIBED", IMAP_RETURN_SUBSCRIBED },
	{ "CHILDREN", IMAP_RETURN_CHILDREN },
	{ "SPECIAL-USE", IMAP_RETURN_SPECIAL_USE },
	{ "STATUS", IMAP_RETURN_STATUS },
	{ NULL, 0 },
};

/* An option that is not known is refused (RFC 5258 3). */
static unsigned option(struct cur *c, const struct option *known)
{
	for (; known->name; known++)
		if (imap_try_word(c, str_z(known->name)))
			return known->bit;
	cur_fail(c);
	return 0;
}

/* "(" is taken. */
static unsigned select_options(struct cur *c)
{
	unsigned bits = 0;

	if (cur_try(c, ')'))
		return 0;
	do
		bits |= option(c, selects);
	while (cur_ok(c) && cur_try(c, ' '));
	cur_need(c, ')');
	if (bits & IMAP_LIST_RECURSIVEMATCH && !(bits & IMAP_LIST_CRITERIA))
		cur_fail(c); /* of what? (RFC 5258 3.1) */
	return bits;
}

static void return_options(struct cur *c, struct imap_list *out)
{
	cur_need_ilit(c, STR("RETURN ("));
	if (cur_try(c, ')'))
		return;
	do {
		unsigned bit = option(c, returns);

		out->returns |= bit;
		if (bit != IMAP_RETURN_STATUS)
			continue;
		imap_need_sp(c);
		out->status |= imap_status_items(c);
	} while (cur_ok(c) && cur_try(c, ' '));
	cur_need(c, ')');
}

/* "(" is taken. */
static enum outcome several(struct cur *c, struct arena *a, size_t max, struct imap_list *out)
{
	out->patterns = arena_array(a, max, sizeof *out->patterns);
	do {
		struct str pattern = imap_list_mailbox(c, a);

		if (cur_ok(c) && out->n_patterns == max)
			return OVER_LIMIT;
		if (!cur_ok(c))
			break;
		out->patterns[out->n_patterns++] = pattern;
	} while (cur_ok(c) && cur_try(c, ' '));
	cur_need(c, ')');
	return OK;
}

static enum outcome patterns(struct cur *c, struct arena *a, size_t max, struct imap_list *out)
{
	if (cur_try(c, '(')) {
		out->extended = true;
		return several(c, a, max, out);
	}
	out->patterns = arena_new(a, struct str);
	*out->patterns = imap_list_mailbox(c, a);
	out->n_patterns = 1;
	return OK;
}

enum outcome imap_list_parse(struct cur *c, struct arena *a, size_t patterns_max, struct imap_list *out)
{
	enum outcome o;

	*out = (struct imap_list){ 0 };
	if (cur_try(c, '(')) {
		out->extended = true;
		out->select = select_options(c);
		imap_need_sp(c);
	}
	out->reference = imap_astring(c, a);
	imap_need_sp(c);
	o = patterns(c, a, patterns_max, out);
	if (o == OK && cur_ok(c) && !cur_end(c)) {
		out->extended = true;
		imap_need_sp(c);
		return_options(c, out);
	}
	if (o != OK)
		return cur_ok(c) ? o : BAD_SYNTAX;
	return cur_done(c) ? OK : BAD_SYNTAX;
}
