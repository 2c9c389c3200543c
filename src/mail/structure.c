/* mail/structure.c - IMAP BODY and BODYSTRUCTURE (RFC 9051 7.5.2). See the header.
 * Trust       the letter is hostile.
 * Invariants  I1 what is added follows the grammar whatever the letter says: a multipart has a part, a message an envelope.
 *             I2 no recursion: parts come parents first, a part is closed when the next one is not of it.
 */
#include "mail/structure.h"

#include "mail/envelope.h"
#include "mail/header.h"
#include "mail/imap_form.h"
#include "mail/param.h"

#define JOINS_MAX 8	    /* attempts to join sections in one field: each costs a walk over it */
#define JOIN_FIELD_MAX 8192 /* bytes of a field in which that is done */
#define BRIEF_MAX 64	    /* bytes of a token or parameter in the brief form */

/* RFC 9051 has no multipart without a part. */
#define NO_PART "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0"

struct form {
	const struct mail_structure *s;
	struct buf *out;
	bool extended;
	bool brief; /* without what a client can do without */
	bool bare;  /* without parameters too */
	size_t next_envelope;
};

static void make_envelope(struct mail_structure *s, uint32_t i)
{
	const struct mail_part *child = &s->tree->nodes.v[i + 1].part;
	struct structure_envelope *e = vec_push(&s->envelopes);
	size_t before = s->text.n;

	e->node = i;
	e->at = before;
	if (s->text.max - before >= MAIL_ENVELOPE_EMPTY.n)
		mail_envelope_add(
			mime_header_of(s->letter, child, s->limits->header_max), s->text.max - before, &s->text);
	e->n = s->text.n - before;
}

void mail_structure_init(
	struct mail_structure *s, struct str letter, const struct mime_tree *t, const struct mail_index_limits *limits)
{
	*s = (struct mail_structure){ .letter = letter, .tree = t, .limits = limits };
	buf_init(&s->text, limits->text_max);
	for (uint32_t i = 0; i + 1 < t->nodes.n; i++)
		if (t->nodes.v[i].part.kind == MAIL_PART_MESSAGE)
			make_envelope(s, i);
}

void mail_structure_fini(struct mail_structure *s)
{
	vec_free(&s->envelopes);
	buf_fini(&s->text);
}

static void add_pair(struct buf *out, struct str name, struct str value, bool first)
{
	buf_addc(out, first ? '(' : ' ');
	mail_imap_string_add(out, name);
	buf_addc(out, ' ');
	mail_imap_string_add(out, value);
}

static bool is_needed(struct str name, struct str value)
{
	return (str_ieq(name, STR("charset")) || str_ieq(name, STR("name"))) && value.n <= BRIEF_MAX;
}

/* The pairs of one body-fld-param. */
struct pairs {
	const struct form *f;
	const struct mail_params *params;
	bool any, charset;
	size_t n_joins;
	struct VEC(struct str) joined; /* names of values that came in sections and are done */
};

static void take_pair(struct pairs *l, struct str name, struct str value)
{
	if (l->f->brief && !is_needed(name, value))
		return;
	l->charset |= str_ieq(name, STR("charset")) || str_ieq(name, STR("charset*"));
	add_pair(l->f->out, name, value, !l->any);
	l->any = true;
}

static bool is_joined(const struct pairs *l, struct str base)
{
	for (size_t i = 0; i < l->joined.n; i++)
		if (str_ieq(l->joined.v[i], base))
			return true;
	return false;
}

/* Sections of a value (RFC 2231 3) are joined, as many clients know "filename*" but not "filename*0*". False when they cannot be. */
static bool take_sections(struct pairs *l, struct str name)
{
	struct str base = mail_param_base(name);
	struct buf value;
	bool encoded, ok;

	if (!base.n)
		return false;
	if (is_joined(l, base))
		return true;
	if (l->n_joins++ >= JOINS_MAX || cur_left(&l->params->c) > JOIN_FIELD_MAX)
		return false;
	buf_init(&value, cur_left(&l->params->c) * 3 + 1);
	ok = mail_param_join(l->params, base, &value, &encoded);
	if (ok) {
		*vec_push(&l->joined) = base;
		take_pair(l, str_of(base.p, base.n + encoded), buf_str(&value)); /* with the '*' that follows it */
	}
	buf_fini(&value);
	return ok;
}

/* body-fld-param. A text has a charset, by default us-ascii (RFC 2045 5.2): clients rely on seeing one. */
static void add_params(const struct form *f, struct mail_params p, bool is_text)
{
	const struct mail_params start = f->bare ? (struct mail_params){ .c = cur_of((struct str){ 0 }) } : p;
	struct pairs l = { .f = f, .params = &start };
	struct str name, value;
	struct buf text;

	p = start;
	buf_init(&text, cur_left(&p.c) + 1);
	while (mail_param_next(&p, &text, &name, &value))
		if (!take_sections(&l, name))
			take_pair(&l, name, value);
	buf_fini(&text);
	vec_free(&l.joined);
	if (is_text && !l.charset && !f->bare)
		take_pair(&l, STR("charset"), STR("us-ascii"));
	buf_add(f->out, l.any ? STR(")") : STR("NIL"));
}

static bool is_text(const struct mime_head *h)
{
	return str_ieq(h->type, STR("text"));
}

/* Parameters of a type that was not taken at its word are not passed on. */
static void add_type_params(const struct form *f, const struct mime_head *h)
{
	struct str type, subtype;
	struct mail_params p = mail_type_parse(h->type_field, &type, &subtype);

	if (!str_ieq(type, h->type))
		p = mail_type_parse((struct str){ 0 }, &type, &subtype);
	add_params(f, p, is_text(h));
}

static void add_value(const struct form *f, struct str value)
{
	mail_imap_value_add(f->out, f->brief ? (struct str){ 0 } : value, SIZE_MAX);
}

/* The token of a Content-Transfer-Encoding that is one token; else what absence means. */
static struct str encoding_of(const struct form *f, struct str field)
{
	struct str encoding;
	struct mail_params p = mail_token_parse(field, &encoding);
	struct str rest = str_trim(cur_rest(&p.c));

	if (!encoding.n || (rest.n && rest.p[0] != ';' && rest.p[0] != '(') || (f->brief && encoding.n > BRIEF_MAX))
		return STR("7bit");
	return encoding;
}

/* body-fields: param id desc enc octets */
static void add_body_fields(const struct form *f, const struct mime_node *n)
{
	struct str encoding = encoding_of(f, n->head.encoding_field);

	add_type_params(f, &n->head);
	buf_addc(f->out, ' ');
	add_value(f, n->head.id);
	buf_addc(f->out, ' ');
	add_value(f, n->head.description);
	buf_addc(f->out, ' ');
	mail_imap_string_add(f->out, encoding);
	buf_addc(f->out, ' ');
	buf_add_u64(f->out, n->part.body_n);
}

static void add_disposition(const struct form *f, struct str field)
{
	struct str token;
	struct mail_params p = mail_token_parse(field, &token);

	if (f->brief || !token.n) {
		buf_add(f->out, STR("NIL"));
		return;
	}
	buf_addc(f->out, '(');
	mail_imap_string_add(f->out, token);
	buf_addc(f->out, ' ');
	add_params(f, p, false);
	buf_addc(f->out, ')');
}

static void add_languages(const struct form *f, struct str field)
{
	struct str token;
	bool first = true;

	while (!f->brief && str_split(&field, ',', &token)) {
		mail_token_parse(token, &token);
		if (!token.n)
			continue;
		buf_addc(f->out, first ? '(' : ' ');
		mail_imap_string_add(f->out, token);
		first = false;
	}
	buf_add(f->out, first ? STR("NIL") : STR(")"));
}

/* body-fld-dsp body-fld-lang body-fld-loc, each behind a space */
static void add_extension(const struct form *f, const struct mime_head *h)
{
	buf_addc(f->out, ' ');
	add_disposition(f, h->disposition);
	buf_addc(f->out, ' ');
	add_languages(f, h->language);
	buf_addc(f->out, ' ');
	add_value(f, h->location);
}

static void add_envelope(struct form *f, uint32_t node)
{
	const struct mail_structure *s = f->s;
	struct str text = { 0 };

	while (f->next_envelope < s->envelopes.n && s->envelopes.v[f->next_envelope].node < node)
		f->next_envelope++;
	if (!f->brief && f->next_envelope < s->envelopes.n && s->envelopes.v[f->next_envelope].node == node)
		text = str_sub(
			buf_str(&s->text), s->envelopes.v[f->next_envelope].at, s->envelopes.v[f->next_envelope].n);
	buf_add(f->out, text.n ? text : MAIL_ENVELOPE_EMPTY);
}

static void add_types(const struct form *f, const struct mime_head *h)
{
	bool as_is = !f->brief || h->type.n + h->subtype.n <= BRIEF_MAX;

	mail_imap_string_add(f->out, as_is ? h->type : STR("application"));
	buf_addc(f->out, ' ');
	mail_imap_string_add(f->out, as_is ? h->subtype : STR("octet-stream"));
	buf_addc(f->out, ' ');
}

/* All of a part that stands before its children. */
static void open_part(struct form *f, uint32_t i)
{
	const struct mime_node *n = &f->s->tree->nodes.v[i];

	buf_addc(f->out, '(');
	if (n->part.kind == MAIL_PART_MULTIPART)
		return;
	add_types(f, &n->head);
	add_body_fields(f, n);
	buf_addc(f->out, ' ');
	if (n->part.kind == MAIL_PART_MESSAGE) {
		add_envelope(f, i);
		buf_addc(f->out, ' ');
	}
}

static bool has_lines(const struct form *f, const struct mime_node *n)
{
	return n->part.kind == MAIL_PART_MESSAGE ||
	       (is_text(&n->head) && (!f->brief || n->head.type.n + n->head.subtype.n <= BRIEF_MAX));
}

static void close_multipart(const struct form *f, const struct mime_node *n, bool childless)
{
	struct str subtype = n->head.subtype;

	if (childless)
		buf_addz(f->out, f->extended ? NO_PART " NIL NIL NIL NIL)" : NO_PART ")");
	buf_addc(f->out, ' ');
	mail_imap_string_add(f->out, f->brief && subtype.n > BRIEF_MAX ? STR("mixed") : subtype);
	if (f->extended) {
		buf_addc(f->out, ' ');
		add_type_params(f, &n->head);
		add_extension(f, &n->head);
	}
	buf_addc(f->out, ')');
}

static void close_single(const struct form *f, const struct mime_node *n)
{
	if (n->part.kind == MAIL_PART_MESSAGE)
		buf_addc(f->out, ' ');
	if (has_lines(f, n))
		buf_add_u64(f->out, n->part.body_lines);
	else
		buf_cut(f->out, f->out->n - 1); /* the space that a lines field would have needed */
	if (f->extended) {
		buf_addc(f->out, ' ');
		add_value(f, n->head.md5);
		add_extension(f, &n->head);
	}
	buf_addc(f->out, ')');
}

static void add_tree(struct form *f)
{
	const struct mime_node *v = f->s->tree->nodes.v;
	uint32_t n = (uint32_t)f->s->tree->nodes.n;

	for (uint32_t i = 0; i < n && !f->out->full; i++) {
		uint32_t open = i;

		open_part(f, i);
		/* Close what the next part is not of; behind the last part that is all. */
		while (i + 1 == n || v[i + 1].part.parent != open) {
			if (v[open].part.kind == MAIL_PART_MULTIPART)
				close_multipart(f, &v[open], open == i);
			else
				close_single(f, &v[open]);
			if (!open)
				break;
			open = v[open].part.parent;
		}
	}
}

static void add_unknown(const struct mail_structure *s, bool extended, struct buf *out)
{
	buf_add(out, STR("(\"application\" \"octet-stream\" NIL NIL NIL \"8bit\" "));
	buf_add_u64(out, s->tree->nodes.v[0].part.body_n);
	buf_add(out, extended ? STR(" NIL NIL NIL NIL)") : STR(")"));
}

void mail_structure_add(const struct mail_structure *s, bool extended, struct buf *out)
{
	const struct form forms[] = {
		{ .extended = extended }, { .extended = extended, .brief = true },
		{ .brief = true, .bare = true }, /* extension data may be left out */
	};
	struct buf b;

	buf_init(&b, s->limits->text_max);
	for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
		struct form f = forms[i];

		f.s = s;
		f.out = &b;
		buf_reset(&b);
		add_tree(&f);
		if (!b.full)
			break;
	}
	if (b.full)
		add_unknown(s, extended, out);
	else
		buf_add(out, buf_str(&b));
	buf_fini(&b);
}
