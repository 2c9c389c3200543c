/* mail/match.c - what IMAP SEARCH asks of a letter's content. See the header.
 * Trust       letter and needles are hostile.
 * Invariants  I1 a part is decoded and folded once, whatever the number of terms, and not at all when all is known.
 */
#include "mail/match.h"

#include "base/vec.h"
#include "mail/decode.h"
#include "mail/header.h"
#include "mail/mime_walk.h"
#include "mail/param.h"
#include "mail/utf8.h"

const struct mail_match_limits mail_match_limits_default = {
	.walk = { .parts_max = 1000, .depth_max = 50, .header_max = 262144, .text_max = 65536, .field_max = 4096 },
	.part_max = 4 << 20,
};

struct search {
	struct str letter;
	const struct mail_match_term *terms;
	bool *results;
	size_t n;
	const struct mail_match_limits *limits;
	struct VEC(struct str) needles; /* folded; views into folded_needles */
	struct buf folded_needles;
	struct buf text;   /* decoded */
	struct buf folded; /* what is searched */
};

static void fold_needles(struct search *s)
{
	struct VEC(size_t) ends = { 0 };
	size_t from = 0;

	buf_init(&s->folded_needles, SIZE_MAX / 2);
	for (size_t i = 0; i < s->n; i++) {
		mail_fold(s->terms[i].needle, &s->folded_needles);
		*vec_push(&ends) = s->folded_needles.n;
	}
	for (size_t i = 0; i < s->n; i++) {
		*vec_push(&s->needles) = str_sub(buf_str(&s->folded_needles), from, ends.v[i] - from);
		from = ends.v[i];
	}
	vec_free(&ends);
}

/* Whether some term of that kind is not yet known to hold. */
static bool is_wanted(const struct search *s, int kind)
{
	for (size_t i = 0; i < s->n; i++)
		if ((int)s->terms[i].kind == kind && !s->results[i])
			return true;
	return false;
}

static void search_folded(struct search *s, int kind)
{
	for (size_t i = 0; i < s->n; i++)
		if ((int)s->terms[i].kind == kind && !s->results[i])
			s->results[i] = mail_folded_contains(buf_str(&s->folded), s->needles.v[i]);
}

static bool is_asked(const struct search *s, struct str name)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->terms[i].kind == MAIL_MATCH_HEADER && !s->results[i] && str_ieq(s->terms[i].field, name))
			return true;
	return false;
}

static void fold_value(struct search *s, struct str value)
{
	buf_reset(&s->text);
	buf_reset(&s->folded);
	mail_header_decode(value, &s->text);
	mail_fold(buf_str(&s->text), &s->folded);
}

static void search_fields(struct search *s, struct str header)
{
	struct mail_header h = mail_header_of(header);
	struct mail_field f;

	while (mail_header_next(&h, &f)) {
		if (!f.name.n || !is_asked(s, f.name))
			continue;
		fold_value(s, f.value);
		for (size_t i = 0; i < s->n; i++)
			if (s->terms[i].kind == MAIL_MATCH_HEADER && str_ieq(s->terms[i].field, f.name))
				s->results[i] |= mail_folded_contains(buf_str(&s->folded), s->needles.v[i]);
	}
}

/* A part's header as a reader would see it, a field a line. */
static void search_header(struct search *s, const struct mail_part *p)
{
	struct mail_header h = mail_header_of(mime_header_of(s->letter, p, s->limits->walk.header_max));
	struct mail_field f;

	buf_reset(&s->text);
	buf_reset(&s->folded);
	while (mail_header_next(&h, &f)) {
		buf_add(&s->text, f.name);
		if (f.name.n)
			buf_add(&s->text, STR(": "));
		mail_header_decode(f.value, &s->text);
		buf_add(&s->text, STR("\n"));
	}
	mail_fold(buf_str(&s->text), &s->folded);
	search_folded(s, MAIL_MATCH_TEXT);
}

static struct str charset_of(const struct mime_head *h, struct buf *out)
{
	struct str type, subtype;
	struct mail_params p = mail_type_parse(h->type_field, &type, &subtype);

	mail_param_find(&p, STR("charset"), out, NULL);
	return buf_str(out);
}

static bool is_searched(const struct mime_node *n)
{
	return n->part.kind == MAIL_PART_LEAF && str_ieq(n->head.type, STR("text"));
}

static void search_body(struct search *s, const struct mime_node *n)
{
	struct str body = mime_body_of(s->letter, &n->part);
	struct buf name;

	buf_init(&name, 80);
	buf_reset(&s->text);
	buf_reset(&s->folded);
	mail_text_decode(
		body, (enum mail_encoding)n->part.encoding, charset_of(&n->head, &name), s->limits->part_max, &s->text);
	mail_fold(buf_str(&s->text), &s->folded);
	search_folded(s, MAIL_MATCH_BODY);
	search_folded(s, MAIL_MATCH_TEXT);
	buf_fini(&name);
}

static void search_parts(struct search *s)
{
	struct mime_tree t;

	mime_tree_init(&t, s->letter, &s->limits->walk);
	for (size_t i = 0; i < t.nodes.n; i++) {
		bool text = is_wanted(s, MAIL_MATCH_TEXT), body = text || is_wanted(s, MAIL_MATCH_BODY);

		if (!body)
			break;
		if (text)
			search_header(s, &t.nodes.v[i].part);
		if (is_searched(&t.nodes.v[i]))
			search_body(s, &t.nodes.v[i]);
	}
	mime_tree_fini(&t);
}

/* An empty needle is in every body; a field must still exist. */
static void settle_empty(struct search *s)
{
	for (size_t i = 0; i < s->n; i++)
		s->results[i] = s->terms[i].kind != MAIL_MATCH_HEADER && !s->needles.v[i].n;
}

bool mail_match(struct str letter, const struct mail_match_term *terms, size_t n, bool *results,
	const struct mail_match_limits *limits)
{
	struct search s = { .letter = letter, .terms = terms, .results = results, .n = n, .limits = limits };
	bool all = true;

	buf_init(&s.text, (size_t)limits->part_max * 3 + limits->walk.header_max * 4);
	buf_init(&s.folded, (s.text.max + 1) * 18); /* one character may become eighteen */
	fold_needles(&s);
	settle_empty(&s);
	if (is_wanted(&s, MAIL_MATCH_HEADER))
		search_fields(&s, str_sub(letter, 0, limits->walk.header_max));
	if (is_wanted(&s, MAIL_MATCH_BODY) || is_wanted(&s, MAIL_MATCH_TEXT))
		search_parts(&s);
	for (size_t i = 0; i < n; i++)
		all &= results[i];
	vec_free(&s.needles);
	buf_fini(&s.folded_needles);
	buf_fini(&s.text);
	buf_fini(&s.folded);
	return all;
}
