/* imap/fetch_parse.c - what FETCH asks. See the header.
 * Trust       the bytes are hostile; items, path and names are bounded here or by the command's size.
 */
#include "imap/fetch_parse.h"

#include "base/buf.h"
#include "imap/parse.h"

#include <string.h>

#define KIND(k) (1u << IMAP_FETCH_##k)

static const struct {
	const char *name;
	unsigned kinds;
} macros[] = {
	{ "ALL", KIND(FLAGS) | KIND(INTERNALDATE) | KIND(SIZE) | KIND(ENVELOPE) },
	{ "FAST", KIND(FLAGS) | KIND(INTERNALDATE) | KIND(SIZE) },
	{ "FULL", KIND(FLAGS) | KIND(INTERNALDATE) | KIND(SIZE) | KIND(ENVELOPE) | KIND(BODY) },
};

static const char *const labels[] = { "FLAGS", "UID", "INTERNALDATE", "RFC822.SIZE", "MODSEQ", "ENVELOPE", "BODY",
	"BODYSTRUCTURE" };

/* The old names of sections (RFC 3501 6.4.5): they answer with their own name. */
static const struct {
	const char *name;
	uint8_t section;
	bool sets_seen;
} rfc822[] = {
	{ "RFC822", IMAP_SECTION_ALL, true },
	{ "RFC822.HEADER", IMAP_SECTION_HEADER, false },
	{ "RFC822.TEXT", IMAP_SECTION_TEXT, true },
};

/* In this order: no name may come before one that begins with it. */
static const struct {
	const char *name;
	uint8_t section;
} texts[] = {
	{ "HEADER.FIELDS.NOT", IMAP_SECTION_FIELDS_NOT },
	{ "HEADER.FIELDS", IMAP_SECTION_FIELDS },
	{ "HEADER", IMAP_SECTION_HEADER },
	{ "TEXT", IMAP_SECTION_TEXT },
	{ "MIME", IMAP_SECTION_MIME },
};

static struct imap_fetch_item *item_add(struct cur *c, struct imap_fetch *f, enum imap_fetch_kind kind)
{
	static const struct imap_fetch_item none;
	struct imap_fetch_item *i;

	if (f->n == IMAP_FETCH_ITEMS_MAX) {
		cur_fail(c);
		f->n--;
	}
	i = &f->items[f->n++];
	*i = none;
	i->kind = (uint8_t)kind;
	return i;
}

static void plain_add(struct cur *c, struct imap_fetch *f, enum imap_fetch_kind kind)
{
	if (!imap_fetch_has(f, kind))
		item_add(c, f, kind)->label = str_z(labels[kind]);
}

bool imap_fetch_has(const struct imap_fetch *f, enum imap_fetch_kind kind)
{
	for (size_t i = 0; i < f->n; i++)
		if (f->items[i].kind == kind)
			return true;
	return false;
}

void imap_fetch_add_first(struct imap_fetch *f, enum imap_fetch_kind kind)
{
	if (imap_fetch_has(f, kind))
		return;
	memmove(f->items + 1, f->items, f->n * sizeof *f->items);
	f->items[0] = (struct imap_fetch_item){ .kind = (uint8_t)kind, .label = str_z(labels[kind]) };
	f->n++;
}

/* header-list: "(" header-fld-name *(SP header-fld-name) ")" */
static void header_names(struct cur *c, struct arena *a, struct imap_fetch_item *i, struct buf *label)
{
	size_t max = cur_left(c) / 2 + 1;
	struct str *names;

	imap_need_sp(c);
	cur_need(c, '(');
	if (max > 1000)
		max = 1000;
	names = arena_array(a, max, sizeof *names);
	buf_addz(label, " (");
	do {
		if (i->n_names == max)
			cur_fail(c);
		if (!cur_ok(c))
			return;
		names[i->n_names] = imap_astring(c, a);
		if (i->n_names)
			buf_addc(label, ' ');
		imap_add_astring(label, names[i->n_names++]);
	} while (cur_try(c, ' '));
	cur_need(c, ')');
	buf_addc(label, ')');
	i->names = names;
}

/* section-part: numbers and dots; the dot before a section-text is taken. */
static void path_parse(struct cur *c, struct arena *a, struct imap_fetch_item *i, struct buf *label)
{
	uint32_t *path;

	if (cur_end(c) || !ascii_is_digit((char)cur_peek(c)))
		return;
	path = arena_array(a, IMAP_PATH_MAX, sizeof *path);
	i->path = path;
	do {
		uint32_t n = cur_u32(c);

		if (n == 0 || i->n_path == IMAP_PATH_MAX)
			cur_fail(c);
		if (!cur_ok(c))
			return;
		path[i->n_path++] = n;
		buf_add_u64(label, n);
		if (!cur_try(c, '.'))
			return;
		buf_addc(label, '.');
	} while (!cur_end(c) && ascii_is_digit((char)cur_peek(c)));
	if (cur_peek(c) == ']')
		cur_fail(c); /* a dot with nothing behind it */
}

static void section_text(struct cur *c, struct arena *a, struct imap_fetch_item *i, struct buf *label)
{
	if (cur_peek(c) == ']')
		return;
	for (size_t t = 0; t < sizeof texts / sizeof *texts; t++) {
		if (!cur_try_ilit(c, str_z(texts[t].name)))
			continue;
		i->section = texts[t].section;
		buf_addz(label, texts[t].name);
		if (i->section == IMAP_SECTION_FIELDS || i->section == IMAP_SECTION_FIELDS_NOT)
			header_names(c, a, i, label);
		if (i->section == IMAP_SECTION_MIME && i->n_path == 0)
			cur_fail(c);
		return;
	}
	cur_fail(c);
}

static void partial_parse(struct cur *c, struct imap_fetch_item *i, struct buf *label)
{
	if (!cur_try(c, '<'))
		return;
	i->partial = true;
	i->at = cur_u32(c);
	cur_need(c, '.');
	i->n = cur_u32(c);
	if (i->n == 0)
		cur_fail(c);
	cur_need(c, '>');
	buf_addc(label, '<');
	buf_add_u64(label, i->at);
	buf_addc(label, '>');
}

/* "BODY[1.2.HEADER]<0>": what stands before the bracket is taken. */
static void section_parse(struct cur *c, struct arena *a, struct imap_fetch_item *i)
{
	struct buf label;
	bool number_first, binary = i->kind != IMAP_FETCH_SECTION;

	buf_init(&label, cur_left(c) * 2 + 64); /* quoting may double it */
	buf_addz(&label, i->kind == IMAP_FETCH_BINARY_SIZE ? "BINARY.SIZE[" : binary ? "BINARY[" : "BODY[");
	path_parse(c, a, i, &label);
	number_first = i->n_path > 0 && !str_ends(buf_str(&label), STR("."));
	if ((number_first || binary) && cur_peek(c) != ']')
		cur_fail(c);
	section_text(c, a, i, &label);
	cur_need(c, ']');
	buf_addc(&label, ']');
	if (i->kind != IMAP_FETCH_BINARY_SIZE)
		partial_parse(c, i, &label);
	i->label = arena_dup(a, buf_str(&label));
	buf_fini(&label);
}

static const struct {
	const char *name;
	uint8_t kind;
	bool sets_seen;
} sections[] = {
	{ "BODY[", IMAP_FETCH_SECTION, true },
	{ "BODY.PEEK[", IMAP_FETCH_SECTION, false },
	{ "BINARY[", IMAP_FETCH_BINARY, true },
	{ "BINARY.PEEK[", IMAP_FETCH_BINARY, false },
	{ "BINARY.SIZE[", IMAP_FETCH_BINARY_SIZE, false },
};

static bool section_try(struct cur *c, struct arena *a, struct imap_fetch *f)
{
	for (size_t t = 0; t < sizeof sections / sizeof *sections; t++)
		if (cur_try_ilit(c, str_z(sections[t].name))) {
			struct imap_fetch_item *i = item_add(c, f, sections[t].kind);

			i->sets_seen = sections[t].sets_seen;
			section_parse(c, a, i);
			return true;
		}
	return false;
}

static bool rfc822_try(struct cur *c, struct imap_fetch *f)
{
	for (size_t t = 0; t < sizeof rfc822 / sizeof *rfc822; t++) {
		if (imap_try_word(c, str_z(rfc822[t].name))) {
			struct imap_fetch_item *i = item_add(c, f, IMAP_FETCH_SECTION);

			i->section = rfc822[t].section;
			i->sets_seen = rfc822[t].sets_seen;
			i->label = str_z(rfc822[t].name);
			return true;
		}
	}
	return false;
}

static void item_parse(struct cur *c, struct arena *a, struct imap_fetch *f)
{
	if (section_try(c, a, f) || rfc822_try(c, f))
		return;
	for (unsigned k = 0; k < sizeof labels / sizeof *labels; k++)
		if (imap_try_word(c, str_z(labels[k]))) {
			plain_add(c, f, k);
			return;
		}
	cur_fail(c);
}

static bool macro_try(struct cur *c, struct imap_fetch *f)
{
	for (size_t m = 0; m < sizeof macros / sizeof *macros; m++) {
		if (!imap_try_word(c, str_z(macros[m].name)))
			continue;
		for (unsigned k = 0; k < sizeof labels / sizeof *labels; k++)
			if (macros[m].kinds & 1u << k)
				plain_add(c, f, k);
		return true;
	}
	return false;
}

/* fetch-modifiers (RFC 4466 2.4): SP "(" "CHANGEDSINCE" SP mod-sequence-value ")" */
static void modifiers_parse(struct cur *c, struct imap_fetch *f)
{
	if (!cur_try(c, ' '))
		return;
	cur_need(c, '(');
	if (!imap_try_word(c, STR("CHANGEDSINCE")))
		cur_fail(c);
	imap_need_sp(c);
	f->changed = true;
	f->changed_since = cur_u64(c);
	if (f->changed_since > INT64_MAX)
		cur_fail(c);
	cur_need(c, ')');
}

static void items_parse(struct cur *c, struct arena *a, struct imap_fetch *out)
{
	if (macro_try(c, out))
		return;
	if (!cur_try(c, '(')) {
		item_parse(c, a, out);
		return;
	}
	do
		item_parse(c, a, out);
	while (cur_ok(c) && cur_try(c, ' '));
	cur_need(c, ')');
}

void imap_fetch_parse(struct cur *c, struct arena *a, struct imap_fetch *out)
{
	*out = (struct imap_fetch){ 0 };
	out->items = arena_array(a, IMAP_FETCH_ITEMS_MAX + 3, sizeof *out->items); /* three for imap_fetch_add_first */
	items_parse(c, a, out);
	modifiers_parse(c, out);
}
