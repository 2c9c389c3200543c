/* mail/opaque.c - the index of a letter that is kept unparsed. See mail/index.h.
 * Trust       the letter has ended processes that parsed it: only its first empty line is looked for.
 */
#include "mail/index.h"

/* With the empty line; all of the letter when there is none. */
static size_t header_size(struct str letter)
{
	ssize_t at = str_search(letter, STR("\r\n\r\n"));

	return at < 0 ? letter.n : (size_t)at + 4;
}

void mail_index_opaque(struct str letter, struct arena *a, struct mail_index *out)
{
	struct mail_part *part = arena_new(a, struct mail_part);
	size_t n = header_size(letter);

	part->header_n = part->body_at = (uint32_t)n;
	part->body_n = (uint32_t)(letter.n - n);
	part->kind = MAIL_PART_LEAF;
	part->encoding = MAIL_ENCODING_BINARY;
	*out = (struct mail_index){ .size = (uint32_t)letter.n, .cut = true, .date_s = INT64_MIN, .n_parts = 1, .parts = part };
	out->envelope = STR("(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)");
	out->body = arena_fmt(a, "(\"APPLICATION\" \"OCTET-STREAM\" NIL NIL NIL \"BINARY\" %u)", part->body_n);
	out->bodystructure = out->body;
}
