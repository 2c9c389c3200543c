/* mail/downgrade.c - the plan of a conversion, and walking it. See the header.
 * Purpose     the letter's tree as pieces in their order: kept, cleaned, encoded, or a header made anew.
 * Trust       the letter is hostile bytes; its tree is bounded by the limits below, and what they cut off is one leaf.
 * Owns        the pieces, the changed headers, one block of output.
 * Invariants  I1 pieces cover the letter once, in order. I2 nothing below a multipart/signed is anything but kept.
 */
#include "mail/downgrade_impl.h"

#include "mail/decode.h"
#include "mail/param.h"
#include "mail/utf8.h"

#include <string.h>

#define TEXTS_MAX ((size_t)64 << 20) /* of changed headers: those of a letter are far below it, by limits header_size_max and mime_parts_max */

static const struct mail_index_limits limits = {
	.parts_max = 10000, .depth_max = 100, .header_max = 262144, .text_max = 65536, .field_max = 4096,
};

enum piece { KEEP, CLEAN, TEXT, QP, QP_BINARY, BASE64, QP_AGAIN, BASE64_AGAIN };

/* ---- what stands in it */

static void look_at_line(struct str line, struct mail_octets *o)
{
	if (!o->body_8bit && !mail_ascii_ok(line))
		o->body_8bit = true;
	if (!o->nul && str_find(line, 0) >= 0)
		o->nul = true;
	if (!o->bare && str_find(line, '\r') >= 0)
		o->bare = true;
	if (line.n > MAIL_LINE_MAX)
		o->long_line = true;
}

static void look(struct str s, struct mail_octets *o)
{
	*o = (struct mail_octets){ 0 };
	while (s.n) {
		ssize_t lf = str_find(s, '\n');
		struct str line = str_sub(s, 0, lf < 0 ? s.n : (size_t)lf);

		s = str_from(s, line.n + 1);
		if (lf >= 0 && str_ends(line, STR("\r")))
			line.n--;
		else if (lf >= 0)
			o->bare = true;
		look_at_line(line, o);
	}
}

void mail_octets_of(struct str letter, struct mail_octets *out)
{
	size_t n = mail_header_size(letter);
	struct mail_octets head;

	look(str_sub(letter, 0, n), &head);
	look(str_from(letter, n), out);
	out->head_8bit = head.body_8bit;
	out->head_long = head.long_line;
}

/* ---- the plan */

struct planner {
	struct mail_downgrade *d;
	const struct mail_downgrade_want *want;
	struct mime_tree tree;
	bool *is_signed; /* a node each: below a multipart/signed */
	size_t at;	 /* what lies before is planned */
};

static void add_piece(struct planner *p, enum piece kind, size_t at, size_t size)
{
	if (size)
		*vec_push(&p->d->pieces) = (struct mail_downgrade_piece){ .kind = (uint8_t)kind, .at = at, .size = size };
}

static bool names_composite(const struct mime_node *n)
{
	return str_istarts(n->head.type_field, STR("multipart/")) || str_istarts(n->head.type_field, STR("message/rfc822")) ||
	       str_istarts(n->head.type_field, STR("message/partial")) || str_istarts(n->head.type_field, STR("message/external-body"));
}

/* Uuencoded text decodes to something else than itself; words nobody knows count as none, as all readers take them. */
static bool is_foreign(struct str encoding)
{
	return str_ifind(encoding, STR("uue")) >= 0 || str_ifind(encoding, STR("uuencode")) >= 0 || str_ifind(encoding, STR("yenc")) >= 0 ||
	       str_ifind(encoding, STR("binhex")) >= 0;
}

static bool too_much(const struct planner *p, const struct mail_octets *o, enum mail_encoding encoding)
{
	if (p->want->wire == MAIL_WIRE_BINARY)
		return false;
	return o->nul || o->long_line || (o->bare && encoding == MAIL_ENCODING_BINARY) || (o->body_8bit && p->want->wire == MAIL_WIRE_7BIT);
}

/* A line too long is no reason to return a signed letter: it goes as it is, as everywhere. */
static bool too_much_signed(const struct planner *p, struct mail_octets o, enum mail_encoding encoding)
{
	o.long_line = false;
	return too_much(p, &o, encoding);
}

/* Quoted-printable for text that stays readable so, up to one byte in six. */
static enum piece encoding_for(const struct mime_node *n, struct str body, bool binary)
{
	size_t escaped = 0;

	if (!str_ieq(n->head.type, STR("text")) && !str_ieq(n->head.type, STR("message")))
		return BASE64;
	for (size_t i = 0; i < body.n; i++)
		escaped += (unsigned char)body.p[i] >= 0x7f || (unsigned char)body.p[i] < 9 || body.p[i] == '=';
	if (escaped > body.n / 6)
		return BASE64;
	return binary ? QP_BINARY : QP;
}

/* The encoding that holds for a leaf: of a message that is encoded, which it may not be, the one of its parent. */
static enum mail_encoding encoding_of(const struct planner *p, size_t i)
{
	const struct mime_node *n = &p->tree.nodes.v[i], *up = &p->tree.nodes.v[n->part.parent];
	bool inherits = i && up->part.kind == MAIL_PART_MESSAGE &&
			(up->part.encoding == MAIL_ENCODING_BASE64 || up->part.encoding == MAIL_ENCODING_QP);

	return inherits ? up->part.encoding : n->part.encoding;
}

/* What is to become of a leaf's body. */
static enum mail_downgrade_end leaf_piece(const struct planner *p, size_t i, enum piece *out)
{
	const struct mime_node *n = &p->tree.nodes.v[i];
	enum mail_encoding encoding = encoding_of(p, i);
	struct str body = mime_body_of(p->d->letter, &n->part);
	struct mail_octets o;

	*out = KEEP;
	look(body, &o);
	if (!too_much(p, &o, encoding))
		return MAIL_DOWNGRADE_DONE;
	if (p->is_signed[i])
		return too_much_signed(p, o, encoding) ? MAIL_DOWNGRADE_SIGNED : MAIL_DOWNGRADE_DONE;
	if (encoding == MAIL_ENCODING_QP || encoding == MAIL_ENCODING_BASE64) {
		*out = encoding == MAIL_ENCODING_QP ? QP_AGAIN : BASE64_AGAIN;
		return MAIL_DOWNGRADE_DONE;
	}
	if (names_composite(n) || (encoding == MAIL_ENCODING_OTHER && is_foreign(n->head.encoding_field)))
		return MAIL_DOWNGRADE_ENCODING;
	*out = encoding_for(n, body, encoding == MAIL_ENCODING_BINARY);
	return MAIL_DOWNGRADE_DONE;
}

/* The label says more than the other side takes: what it says of what is in it now; NULL: it may stay. */
static const char *label_of(const struct planner *p, size_t i, enum piece body)
{
	uint8_t encoding = p->tree.nodes.v[i].part.encoding;

	if (body == QP || body == QP_BINARY)
		return "quoted-printable";
	if (body == BASE64)
		return "base64";
	if (p->is_signed[i] || encoding > MAIL_ENCODING_BINARY || encoding <= (uint8_t)p->want->wire)
		return NULL;
	return p->want->wire == MAIL_WIRE_7BIT ? "7bit" : "8bit";
}

static enum mail_downgrade_end add_field(struct planner *p, struct str header, const struct mail_field *f, bool root, bool convert)
{
	struct str bytes = str_sub(header, f->at, f->n);
	enum mail_downgrade_end end = MAIL_DOWNGRADE_DONE;

	if (convert && !mail_ascii_ok(bytes))
		end = mail_downgrade_field(f, &p->d->texts);
	else
		buf_add(&p->d->texts, bytes);
	if (end == MAIL_DOWNGRADE_DONE || (root && p->want->strict))
		return end;
	buf_add(&p->d->texts, bytes);
	return MAIL_DOWNGRADE_DONE;
}

/* Without them an encoding means nothing (RFC 2045 4). Text of a charset nobody named is what it can be read as. */
static void add_mime_fields(struct planner *p, size_t i, struct str header, enum piece body)
{
	const struct mime_node *n = &p->tree.nodes.v[i];
	bool is_message = !i || p->tree.nodes.v[n->part.parent].part.kind == MAIL_PART_MESSAGE;
	struct mail_field f;

	if (body == KEEP || !is_message || mail_header_find(header, STR("MIME-Version"), &f))
		return;
	buf_addz(&p->d->texts, "MIME-Version: 1.0\r\n");
	if (!n->head.type_field.p)
		buf_addf(&p->d->texts, "Content-Type: text/plain; charset=%s\r\n",
			mail_utf8_ok(mime_body_of(p->d->letter, &n->part)) ? "utf-8" : "unknown-8bit");
}

static enum mail_downgrade_end make_header(struct planner *p, size_t i, struct str header, enum piece body, const char *label, bool convert)
{
	struct mail_header walk = mail_header_of(header);
	enum mail_downgrade_end end = MAIL_DOWNGRADE_DONE;
	size_t start = p->d->texts.n;
	struct mail_field f;

	while (end == MAIL_DOWNGRADE_DONE && mail_header_next(&walk, &f))
		if (!label || !str_ieq(f.name, STR("Content-Transfer-Encoding")))
			end = add_field(p, header, &f, !i, convert);
	if (end != MAIL_DOWNGRADE_DONE)
		return end;
	if (label && p->d->texts.n > start && p->d->texts.p[p->d->texts.n - 1] != '\n')
		buf_addz(&p->d->texts, "\r\n");
	if (label) {
		add_mime_fields(p, i, header, body);
		buf_addf(&p->d->texts, "Content-Transfer-Encoding: %s\r\n", label);
	}
	buf_add(&p->d->texts, str_from(header, walk.at));
	add_piece(p, TEXT, start, p->d->texts.n - start);
	return MAIL_DOWNGRADE_DONE;
}

static enum mail_downgrade_end plan_header(struct planner *p, size_t i, enum piece body)
{
	const struct mail_part *part = &p->tree.nodes.v[i].part;
	struct str header = mime_header_of(p->d->letter, part, part->header_n);
	bool convert = (p->want->head_7bit || (i && p->want->wire == MAIL_WIRE_7BIT)) && !mail_ascii_ok(header);
	const char *label = label_of(p, i, body);

	if (convert && p->is_signed[i]) {
		if (p->want->strict || p->want->wire == MAIL_WIRE_7BIT)
			return MAIL_DOWNGRADE_SIGNED;
		convert = false;
	}
	if (convert || label)
		return make_header(p, i, header, body, label, convert);
	add_piece(p, KEEP, part->header_at, part->header_n);
	return MAIL_DOWNGRADE_DONE;
}

/* What lies between two parts: what stands before the first, lines of boundaries, what stands behind the last. */
static enum mail_downgrade_end plan_gap(struct planner *p, size_t until, bool in_signed)
{
	struct str gap = str_sub(p->d->letter, p->at, until > p->at ? until - p->at : 0);
	struct mail_octets o;

	look(gap, &o);
	o.long_line = o.bare = false;
	if (!too_much(p, &o, MAIL_ENCODING_7BIT)) {
		add_piece(p, KEEP, p->at, gap.n);
		return MAIL_DOWNGRADE_DONE;
	}
	if (in_signed)
		return MAIL_DOWNGRADE_SIGNED;
	add_piece(p, CLEAN, p->at, gap.n);
	return MAIL_DOWNGRADE_DONE;
}

/* The lines that end its parts could not be told any more. */
static bool has_8bit_boundary(const struct mime_node *n)
{
	struct str type, subtype;
	struct mail_params params;
	struct buf value;
	bool yes;

	if (n->part.kind != MAIL_PART_MULTIPART || mail_ascii_ok(n->head.type_field))
		return false;
	params = mail_type_parse(n->head.type_field, &type, &subtype);
	buf_init(&value, 65536);
	yes = mail_param_find(&params, STR("boundary"), &value, NULL) && !mail_ascii_ok(buf_str(&value));
	buf_fini(&value);
	return yes;
}

static enum mail_downgrade_end plan_node(struct planner *p, size_t i)
{
	const struct mime_node *n = &p->tree.nodes.v[i];
	size_t up = n->part.parent;
	enum mail_downgrade_end end;
	enum piece body = KEEP;

	p->is_signed[i] = i && (p->is_signed[up] || str_istarts(p->tree.nodes.v[up].head.type_field, STR("multipart/signed")));
	if (has_8bit_boundary(n) && p->want->wire == MAIL_WIRE_7BIT)
		return MAIL_DOWNGRADE_ENCODING;
	end = i ? plan_gap(p, n->part.header_at, p->is_signed[up] || p->is_signed[i - 1]) : MAIL_DOWNGRADE_DONE;
	if (end == MAIL_DOWNGRADE_DONE && n->part.kind == MAIL_PART_LEAF)
		end = leaf_piece(p, i, &body);
	if (end == MAIL_DOWNGRADE_DONE)
		end = plan_header(p, i, body);
	p->at = n->part.body_at;
	if (end == MAIL_DOWNGRADE_DONE && n->part.kind == MAIL_PART_LEAF) {
		add_piece(p, body, n->part.body_at, n->part.body_n);
		p->at += n->part.body_n;
	}
	return end;
}

static enum mail_downgrade_end plan(struct planner *p)
{
	enum mail_downgrade_end end = MAIL_DOWNGRADE_DONE;

	for (size_t i = 0; i < p->tree.nodes.n && end == MAIL_DOWNGRADE_DONE; i++)
		end = plan_node(p, i);
	return end == MAIL_DOWNGRADE_DONE ? plan_gap(p, p->d->letter.n, false) : end;
}

enum mail_downgrade_end mail_downgrade_open(struct mail_downgrade *d, struct str letter, const struct mail_downgrade_want *want)
{
	struct planner p = { .d = d, .want = want };
	enum mail_downgrade_end end;

	*d = (struct mail_downgrade){ .letter = letter };
	buf_init(&d->texts, TEXTS_MAX);
	buf_init(&d->block, 4 * MAIL_DOWNGRADE_BLOCK);
	mime_tree_init(&p.tree, letter, &limits);
	p.is_signed = mem_array(p.tree.nodes.n, sizeof *p.is_signed);
	end = plan(&p);
	if (end == MAIL_DOWNGRADE_DONE && d->texts.full)
		end = MAIL_DOWNGRADE_FIELD;
	free(p.is_signed);
	mime_tree_fini(&p.tree);
	if (end != MAIL_DOWNGRADE_DONE)
		mail_downgrade_close(d);
	return end;
}

void mail_downgrade_close(struct mail_downgrade *d)
{
	vec_free(&d->pieces);
	buf_fini(&d->texts);
	buf_fini(&d->block);
}

/* ---- walking it */

static size_t encode(struct mail_downgrade *d, enum piece kind, struct str text)
{
	buf_reset(&d->block);
	switch (kind) {
	case CLEAN:
		return mail_downgrade_clean(text, d->done, &d->block);
	case BASE64:
		return mail_downgrade_base64(text, d->done, &d->block);
	case QP_AGAIN:
		return mail_downgrade_qp_again(text, d->done, &d->column, &d->block);
	case BASE64_AGAIN:
		return mail_downgrade_base64_again(text, d->done, &d->column, &d->block);
	default:
		return mail_downgrade_qp(text, d->done, kind == QP_BINARY, &d->column, &d->block);
	}
}

static void step(struct mail_downgrade *d)
{
	d->piece++;
	d->done = 0;
	d->column = 0;
}

bool mail_downgrade_next(struct mail_downgrade *d, struct str *bytes)
{
	while (d->piece < d->pieces.n) {
		const struct mail_downgrade_piece *p = &d->pieces.v[d->piece];
		struct str text = str_sub(p->kind == TEXT ? buf_str(&d->texts) : d->letter, p->at, p->size);

		if (p->kind == KEEP || p->kind == TEXT) {
			step(d);
			*bytes = text;
			return true;
		}
		d->done = encode(d, p->kind, text);
		if (d->done >= p->size)
			step(d);
		*bytes = buf_str(&d->block);
		if (bytes->n)
			return true;
	}
	return false;
}

void mail_downgrade_rewind(struct mail_downgrade *d)
{
	d->piece = 0;
	d->done = 0;
	d->column = 0;
}
