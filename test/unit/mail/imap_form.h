/* test/unit/mail/imap_form.h - checks of what the mail folder renders for IMAP against the grammar of RFC 9051 9, and of a part
 * index against its letter; for unit tests and fuzz targets. Each answers NULL or what is wrong. */
#ifndef SALLYPORT_TEST_IMAP_FORM_H
#define SALLYPORT_TEST_IMAP_FORM_H

#include "base/cur.h"
#include "mail/index.h"
#include "mail/utf8.h"

static inline void form_string(struct cur *c, struct str *out)
{
	const char *from = c->p;

	if (cur_try(c, '{')) {
		uint32_t n = cur_u32(c);

		cur_need(c, '}');
		cur_need(c, '\r');
		cur_need(c, '\n');
		*out = cur_bytes(c, n);
		if (str_find(*out, 0) >= 0)
			cur_fail(c);
		return;
	}
	cur_need(c, '"');
	from = c->p;
	while (!cur_end(c) && *c->p != '"') {
		int ch = cur_take(c);

		if (ch == '\\' && (ch = cur_take(c)) != '"' && ch != '\\')
			cur_fail(c);
		if (ch <= 0 || ch > 0x7f || ch == '\r' || ch == '\n')
			cur_fail(c);
	}
	*out = str_of(from, (size_t)(c->p - from));
	cur_need(c, '"');
}

static inline bool form_nil(struct cur *c)
{
	return cur_try_lit(c, STR("NIL"));
}

static inline void form_nstring(struct cur *c)
{
	struct str s;

	if (!form_nil(c))
		form_string(c, &s);
}

static inline void form_sp(struct cur *c)
{
	cur_need(c, ' ');
}

/* env-from and so on: NIL or addresses; groups must be closed. */
static inline void form_addresses(struct cur *c)
{
	bool in_group = false;

	if (form_nil(c))
		return;
	cur_need(c, '(');
	do {
		struct str s;
		bool mailbox, host;

		cur_need(c, '(');
		form_nstring(c);
		form_sp(c);
		form_nstring(c);
		form_sp(c);
		mailbox = !form_nil(c);
		if (mailbox)
			form_string(c, &s);
		form_sp(c);
		host = !form_nil(c);
		if (host)
			form_string(c, &s);
		cur_need(c, ')');
		if (!host && mailbox == in_group)
			cur_fail(c);
		if (host && !mailbox)
			cur_fail(c);
		if (!host)
			in_group = mailbox;
	} while (cur_peek(c) == '(');
	cur_need(c, ')');
	if (in_group)
		cur_fail(c);
}

static inline void form_envelope(struct cur *c)
{
	cur_need(c, '(');
	for (int i = 0; i < 10; i++) {
		if (i)
			form_sp(c);
		if (i >= 2 && i <= 7)
			form_addresses(c);
		else
			form_nstring(c);
	}
	cur_need(c, ')');
}

static inline void form_params(struct cur *c)
{
	struct str s;

	if (form_nil(c))
		return;
	cur_need(c, '(');
	do {
		form_string(c, &s);
		form_sp(c);
		form_string(c, &s);
	} while (cur_try(c, ' '));
	cur_need(c, ')');
}

static inline void form_extension(struct cur *c)
{
	struct str s;

	form_sp(c);
	if (!form_nil(c)) {
		cur_need(c, '(');
		form_string(c, &s);
		form_sp(c);
		form_params(c);
		cur_need(c, ')');
	}
	form_sp(c);
	if (cur_try(c, '(')) {
		do
			form_string(c, &s);
		while (cur_try(c, ' '));
		cur_need(c, ')');
	} else {
		form_nstring(c);
	}
	form_sp(c);
	form_nstring(c);
}

static inline void form_body(struct cur *c, bool extended, int depth)
{
	struct str type, subtype, s;

	if (depth > 300)
		cur_fail(c);
	cur_need(c, '(');
	if (!cur_ok(c))
		return;
	if (cur_peek(c) == '(') {
		while (cur_peek(c) == '(' && cur_ok(c))
			form_body(c, extended, depth + 1);
		form_sp(c);
		form_string(c, &s);
		if (extended && cur_try(c, ' ')) {
			form_params(c);
			form_extension(c);
		}
		cur_need(c, ')');
		return;
	}
	form_string(c, &type);
	form_sp(c);
	form_string(c, &subtype);
	form_sp(c);
	form_params(c);
	form_sp(c);
	form_nstring(c);
	form_sp(c);
	form_nstring(c);
	form_sp(c);
	form_string(c, &s);
	form_sp(c);
	cur_u32(c);
	if (str_ieq(type, STR("multipart")))
		cur_fail(c);
	if (str_ieq(type, STR("message")) && (str_ieq(subtype, STR("rfc822")) || str_ieq(subtype, STR("global")))) {
		form_sp(c);
		form_envelope(c);
		form_sp(c);
		form_body(c, extended, depth + 1);
		form_sp(c);
		cur_u32(c);
	} else if (str_ieq(type, STR("text"))) {
		form_sp(c);
		cur_u32(c);
	}
	if (extended && cur_try(c, ' ')) {
		form_nstring(c);
		form_extension(c);
	}
	cur_need(c, ')');
}

static inline bool form_envelope_ok(struct str s)
{
	struct cur c = cur_of(s);

	form_envelope(&c);
	return cur_done(&c);
}

static inline bool form_body_ok(struct str s, bool extended)
{
	struct cur c = cur_of(s);

	form_body(&c, extended, 0);
	return cur_done(&c);
}

static inline uint32_t form_count_lines(struct str s)
{
	uint32_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		n += s.p[i] == '\n';
	return n;
}

/* The part against the letter and its parent; behind: where the part before it ends when that is its sibling, else 0. */
static inline const char *form_part_wrong(struct str letter, const struct mail_index *x, size_t i)
{
	const struct mail_part *p = &x->parts[i], *up = &x->parts[p->parent];

	if ((size_t)p->header_at + p->header_n != p->body_at || (size_t)p->body_at + p->body_n > letter.n)
		return "extent";
	if (p->body_lines != form_count_lines(str_sub(letter, p->body_at, p->body_n)))
		return "lines of a body";
	if (i == 0)
		return p->header_at == 0 && p->depth == 0 && p->body_at + p->body_n == letter.n ? NULL
												: "the letter itself";
	if (p->parent >= i || p->depth != up->depth + 1 || up->kind == MAIL_PART_LEAF)
		return "place";
	if (p->header_at < up->body_at || (size_t)p->body_at + p->body_n > (size_t)up->body_at + up->body_n)
		return "not within the parent";
	if (up->kind == MAIL_PART_MESSAGE && (p->parent != i - 1 || p->header_at != up->body_at))
		return "child of a message";
	for (size_t k = i - 1; k > p->parent; k--)
		if (x->parts[k].parent == p->parent) {
			if ((size_t)x->parts[k].body_at + x->parts[k].body_n > p->header_at)
				return "siblings overlap";
			break;
		}
	return NULL;
}

static inline const char *form_index_wrong(
	struct str letter, const struct mail_index *x, const struct mail_index_limits *l)
{
	size_t text_max = l->text_max < 120 ? 120 : l->text_max;

	if (!form_envelope_ok(x->envelope))
		return "envelope";
	if (!form_body_ok(x->body, false))
		return "body";
	if (!form_body_ok(x->bodystructure, true))
		return "bodystructure";
	if (x->envelope.n > text_max || x->body.n > text_max || x->bodystructure.n > text_max)
		return "text_max";
	if (x->subject.n > l->field_max || x->from.n > l->field_max || x->to.n > l->field_max ||
		x->references.n > l->field_max)
		return "field_max";
	if (!mail_utf8_ok(x->subject) || !mail_utf8_ok(x->from) || !mail_utf8_ok(x->to) || !mail_utf8_ok(x->cc) ||
		!mail_utf8_ok(x->bcc) || !mail_utf8_ok(x->references) || !mail_utf8_ok(x->message_id))
		return "a decoded field is not UTF-8";
	if (x->size != letter.n || x->lines != form_count_lines(letter) || x->has_nul != (str_find(letter, 0) >= 0))
		return "facts";
	if (!x->n_parts || x->n_parts > l->parts_max)
		return "parts_max";
	for (size_t i = 0; i < x->n_parts; i++) {
		const char *wrong = form_part_wrong(letter, x, i);

		if (wrong)
			return wrong;
		if (x->parts[i].depth > l->depth_max)
			return "depth_max";
		if (x->parts[i].kind == MAIL_PART_MESSAGE && (i + 1 == x->n_parts || x->parts[i + 1].parent != i))
			return "message without a child";
	}
	return NULL;
}

#endif
