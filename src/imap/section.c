/* imap/section.c - where in a message a body section lies. See the header.
 * Trust       path and partial are hostile; the index was checked when it was decoded.
 * Invariants  I1 at + n never passes the message's size.
 */
#include "imap/section.h"

bool imap_section_is_plain(const struct imap_fetch_item *i)
{
	return i->n_path == 0;
}

/* The letter within a message/rfc822 part: its one child, which follows it. -1: the part is none. */
static int letter_within(const struct mail_index *x, int part)
{
	bool has =
		x->parts[part].kind == MAIL_PART_MESSAGE && part + 1 < x->n_parts && x->parts[part + 1].parent == part;

	return has ? part + 1 : -1;
}

struct span {
	uint64_t at, n;
};

static struct span header_of(const struct mail_part *p)
{
	return (struct span){ p->header_at, p->header_n };
}

static struct span body_of_part(const struct mail_part *p)
{
	return (struct span){ p->body_at, p->body_n };
}

/* Within the letter, without the prefix. */
static bool part_span(const struct mail_index *x, const struct imap_fetch_item *i, struct span *out)
{
	int part = mail_index_find(x, i->path, i->n_path);

	if (part < 0)
		return false;
	if (i->section == IMAP_SECTION_ALL) {
		*out = body_of_part(&x->parts[part]);
		return true;
	}
	if (i->section == IMAP_SECTION_MIME) {
		*out = header_of(&x->parts[part]);
		return true;
	}
	part = letter_within(x, part);
	if (part < 0)
		return false;
	*out = i->section == IMAP_SECTION_TEXT ? body_of_part(&x->parts[part]) : header_of(&x->parts[part]);
	return true;
}

/* Of the whole message: the prefix is part of its header. */
static struct span whole_span(const struct imap_message *m, const struct imap_fetch_item *i)
{
	uint64_t header_n = m->header_n < m->size ? m->header_n : m->size;

	if (i->section == IMAP_SECTION_ALL)
		return (struct span){ 0, m->size };
	if (i->section == IMAP_SECTION_TEXT)
		return (struct span){ header_n, m->size - header_n };
	return (struct span){ 0, header_n };
}

bool imap_section_find(const struct imap_message *m, const struct imap_fetch_item *i, uint32_t *at, uint32_t *n)
{
	struct span s;

	if (i->n_path == 0) {
		s = whole_span(m, i);
	} else {
		if (!m->index || !part_span(m->index, i, &s))
			return false;
		s.at += m->prefix_n;
	}
	if (s.at > m->size || s.n > m->size - s.at)
		return false;
	*at = (uint32_t)s.at;
	*n = (uint32_t)s.n;
	return true;
}

void imap_section_cut(const struct imap_fetch_item *i, uint32_t *at, uint32_t *n)
{
	uint32_t skip;

	if (!i->partial)
		return;
	skip = i->at < *n ? i->at : *n;
	*at += skip;
	*n -= skip;
	if (*n > i->n)
		*n = i->n;
}
