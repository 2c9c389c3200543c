/* mail/mime_walk.c - the MIME tree of a letter (RFC 2045, 2046). See the header.
 * Purpose     one pass over the lines, with the open multiparts on a stack.
 * Trust       the letter is hostile.
 * Invariants  I1 a part's bytes lie within its parent's body (a header that a boundary cut short makes the parent's body reach
 *             as far). I2 a boundary line has the boundary, "--" or nothing, and then its end or white space and whatever (RFC
 *             2046 5.1.1 wants no exact match; a longer word would be another boundary). The longest open boundary that fits
 *             wins, of equals the innermost: so one may begin another, and nested parts may reuse one. I3 once a part too
 *             many would begin no line is a boundary any more: what is open takes the rest.
 */
#include "mail/mime_walk.h"

#include "mail/decode.h"
#include "mail/header.h"
#include "mail/param.h"

#define BOUNDARY_MAX 8192 /* bytes; RFC 2046 5.1.1 has 70 */

struct open_multipart {
	struct str boundary;
	uint32_t node;
};

struct walk {
	struct str letter;
	const struct mail_index_limits *limits;
	struct mime_tree *tree;
	struct VEC(struct open_multipart) open;
	bool frozen;	  /* a part too many began: no line is a boundary any more */
	size_t at;	  /* start of the next line */
	uint32_t lines;	  /* LFs before at */
	uint32_t current; /* the innermost part that is not at its end */
};

/* How a line that begins with "--" matches an open multipart. */
struct delimiter {
	ssize_t open; /* index into the stack; -1: it is none */
	bool close;
};

struct str mime_header_of(struct str letter, const struct mail_part *p, size_t size_max)
{
	return str_sub(letter, p->header_at, p->header_n < size_max ? p->header_n : size_max);
}

struct str mime_body_of(struct str letter, const struct mail_part *p)
{
	return str_sub(letter, p->body_at, p->body_n);
}

static struct str without_blanks_after(struct str s)
{
	while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t' || s.p[s.n - 1] == '\r' || s.p[s.n - 1] == '\n'))
		s.n--;
	return s;
}

/* Whether what stands behind "--" begins with the boundary as a word of its own; close: with "--" behind it. */
static bool fits(struct str line, struct str boundary, bool *close)
{
	struct str rest = str_from(line, boundary.n);

	if (!str_starts(line, boundary))
		return false;
	*close = str_starts(rest, STR("--"));
	if (*close)
		rest = str_from(rest, 2);
	return !rest.n || rest.p[0] == ' ' || rest.p[0] == '\t';
}

static struct delimiter delimiter_of(const struct walk *w, struct str line)
{
	struct delimiter d = { .open = -1 };
	size_t longest = 0;

	if (!w->open.n || w->frozen || !str_starts(line, STR("--")))
		return d;
	line = without_blanks_after(str_from(line, 2));
	for (size_t i = w->open.n; i > 0; i--) {
		struct str b = w->open.v[i - 1].boundary;
		bool close;

		if (b.n > longest && fits(line, b, &close)) {
			d = (struct delimiter){ .open = (ssize_t)i - 1, .close = close };
			longest = b.n;
		}
	}
	return d;
}

static struct str line_at(const struct walk *w)
{
	struct str rest = str_from(w->letter, w->at);
	ssize_t lf = str_find(rest, '\n');

	return lf < 0 ? rest : str_sub(rest, 0, (size_t)lf + 1);
}

static void pass_line(struct walk *w, struct str line)
{
	w->at += line.n;
	w->lines += line.n && line.p[line.n - 1] == '\n';
}

static bool is_empty_line(struct str line)
{
	return str_eq(line, STR("\n")) || str_eq(line, STR("\r\n"));
}

/* Moves over the header that begins here: to behind its empty line, or to the boundary or end that cuts it short. */
static void pass_header(struct walk *w)
{
	while (w->at < w->letter.n) {
		struct str line = line_at(w);

		if (delimiter_of(w, line).open >= 0)
			return;
		pass_line(w, line);
		if (is_empty_line(line))
			return;
	}
}

static struct str *head_field(struct mime_head *h, struct str name)
{
	static const struct {
		char name[20];
		size_t offset;
	} fields[] = {
		{ "type", offsetof(struct mime_head, type_field) },
		{ "transfer-encoding", offsetof(struct mime_head, encoding_field) },
		{ "disposition", offsetof(struct mime_head, disposition) },
		{ "id", offsetof(struct mime_head, id) },
		{ "description", offsetof(struct mime_head, description) },
		{ "md5", offsetof(struct mime_head, md5) },
		{ "language", offsetof(struct mime_head, language) },
		{ "location", offsetof(struct mime_head, location) },
	};

	if (!str_istarts(name, STR("Content-")))
		return NULL;
	name = str_from(name, 8);
	for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
		if (str_ieq(name, str_z(fields[i].name)))
			return (struct str *)(void *)((char *)h + fields[i].offset);
	return NULL;
}

/* RFC 2045 5.2: what cannot be read is text/plain. A type without a subtype is common enough to be guessed at. */
static void settle_type(struct mime_head *h, bool in_digest)
{
	if (!h->type_field.p && in_digest) { /* RFC 2046 5.1.5 */
		h->type = STR("message");
		h->subtype = STR("rfc822");
		return;
	}
	mail_type_parse(h->type_field, &h->type, &h->subtype);
	if (str_ieq(h->type, STR("multipart")) && !h->subtype.n)
		h->subtype = STR("mixed");
	if (!h->type.n || !h->subtype.n) {
		h->type = STR("text");
		h->subtype = STR("plain");
	}
}

static void read_head(struct str header, bool in_digest, struct mime_head *h)
{
	struct mail_header walk = mail_header_of(header);
	struct mail_field f;

	while (mail_header_next(&walk, &f)) {
		struct str *to = head_field(h, f.name);

		if (to && !to->p)
			*to = str_trim(f.value);
	}
	settle_type(h, in_digest);
}

static bool is_message(const struct mime_head *h)
{
	return str_ieq(h->type, STR("message")) &&
	       (str_ieq(h->subtype, STR("rfc822")) || str_ieq(h->subtype, STR("global")));
}

/* Puts the boundary on the stack; false when the field has none that can be one. */
static bool open_multipart(struct walk *w, uint32_t node)
{
	struct str type, subtype;
	struct mail_params p = mail_type_parse(w->tree->nodes.v[node].head.type_field, &type, &subtype);
	struct buf value;
	bool ok;

	buf_init(&value, BOUNDARY_MAX);
	ok = mail_param_find(&p, STR("boundary"), &value, NULL) && !value.full;
	if (ok) {
		struct str b = without_blanks_after(buf_str(&value));

		ok = b.n > 0;
		if (ok)
			*vec_push(&w->open) =
				(struct open_multipart){ .boundary = str_of(mem_dup(b.p, b.n), b.n), .node = node };
	}
	buf_fini(&value);
	return ok;
}

static void close_multiparts(struct walk *w, size_t keep)
{
	while (w->open.n > keep)
		free((char *)(uintptr_t)w->open.v[--w->open.n].boundary.p);
}

/* What a part's children would be, for a reader of the structure: a leaf that says multipart or message is none. */
static void make_leaf(struct mime_head *h, bool limited)
{
	h->type = limited ? STR("application") : STR("text");
	h->subtype = limited ? STR("octet-stream") : STR("plain");
}

static void settle_kind(struct walk *w, uint32_t i)
{
	struct mime_node *n = &w->tree->nodes.v[i];
	bool message = is_message(&n->head), multipart = str_ieq(n->head.type, STR("multipart"));
	bool limited = n->part.depth >= w->limits->depth_max || w->tree->nodes.n >= w->limits->parts_max;

	if (!message && !multipart)
		return;
	if (limited) {
		w->tree->cut = true;
		make_leaf(&n->head, true);
	} else if (message) {
		n->part.kind = MAIL_PART_MESSAGE;
	} else if (open_multipart(w, i)) {
		n->part.kind = MAIL_PART_MULTIPART;
	} else {
		make_leaf(&n->head, false);
	}
}

static bool is_encoded(const struct mail_part *p)
{
	return p->encoding == MAIL_ENCODING_BASE64 || p->encoding == MAIL_ENCODING_QP;
}

/* Reads the header of a part that begins here. A message that is transfer-encoded, which RFC 2046 5.2.1 forbids, has a child
 * without a header: its fields cannot be seen without decoding. */
static void begin_part(struct walk *w, uint32_t parent)
{
	struct mime_node *n = vec_push(&w->tree->nodes), *up = &w->tree->nodes.v[parent];
	uint32_t i = (uint32_t)w->tree->nodes.n - 1;
	bool in_digest = i && up->part.kind == MAIL_PART_MULTIPART && str_ieq(up->head.subtype, STR("digest"));

	n->part.header_at = (uint32_t)w->at;
	n->part.parent = (uint16_t)parent;
	n->part.depth = (uint8_t)(i ? up->part.depth + 1 : 0);
	if (!i || up->part.kind != MAIL_PART_MESSAGE || !is_encoded(&up->part))
		pass_header(w);
	n->part.header_n = (uint32_t)w->at - n->part.header_at;
	n->part.body_at = (uint32_t)w->at;
	n->lines_before = w->lines;
	read_head(mime_header_of(w->letter, &n->part, w->limits->header_max), in_digest, &n->head);
	n->part.encoding = (uint8_t)mail_encoding_parse(n->head.encoding_field);
	settle_kind(w, i);
	w->current = i;
}

/* A part, and in a message its child. */
static void begin_parts(struct walk *w, uint32_t parent)
{
	begin_part(w, parent);
	while (w->tree->nodes.v[w->current].part.kind == MAIL_PART_MESSAGE)
		begin_part(w, w->current);
}

/* Ends the current part and those around it up to below until. end: behind the last byte, lines: LFs before it. */
static void end_parts(struct walk *w, uint32_t until, bool all, uint32_t end, uint32_t lines)
{
	for (;;) {
		struct mime_node *n = &w->tree->nodes.v[w->current];

		if (!all && w->current == until)
			return;
		if (end < n->part.body_at) { /* a boundary right behind the header */
			end = n->part.body_at;
			lines = n->lines_before;
		}
		n->part.body_n = end - n->part.body_at;
		n->part.body_lines = lines - n->lines_before;
		if (w->current == 0)
			return;
		w->current = n->part.parent;
	}
}

/* Size of the line end before at: it belongs to the boundary (RFC 2046 5.1.1). */
static uint32_t line_end_before(struct str letter, size_t at)
{
	if (at >= 2 && letter.p[at - 1] == '\n' && letter.p[at - 2] == '\r')
		return 2;
	return at >= 1 && letter.p[at - 1] == '\n' ? 1 : 0;
}

static void take_delimiter(struct walk *w, struct delimiter d, struct str line)
{
	uint32_t node = w->open.v[d.open].node, eol = line_end_before(w->letter, w->at);

	if (!d.close && w->tree->nodes.n >= w->limits->parts_max) {
		w->frozen = w->tree->cut = true;
		return;
	}
	end_parts(w, node, false, (uint32_t)w->at - eol, w->lines - (eol > 0));
	close_multiparts(w, (size_t)d.open + !d.close);
	pass_line(w, line);
	if (!d.close)
		begin_parts(w, node);
}

static uint32_t count_lines(struct str s)
{
	uint32_t n = 0;

	for (ssize_t lf; (lf = str_find(s, '\n')) >= 0; n++)
		s = str_from(s, (size_t)lf + 1);
	return n;
}

void mime_tree_init(struct mime_tree *t, struct str letter, const struct mail_index_limits *limits)
{
	struct walk w = { .letter = str_sub(letter, 0, UINT32_MAX), .limits = limits, .tree = t };

	*t = (struct mime_tree){ 0 };
	begin_parts(&w, 0);
	while (w.at < w.letter.n && w.open.n && !w.frozen) {
		struct str line = line_at(&w);
		struct delimiter d = delimiter_of(&w, line);

		if (d.open < 0)
			pass_line(&w, line);
		else
			take_delimiter(&w, d, line);
	}
	w.lines += count_lines(str_from(w.letter, w.at));
	end_parts(&w, 0, true, (uint32_t)w.letter.n, w.lines);
	t->lines = w.lines;
	close_multiparts(&w, 0);
	vec_free(&w.open);
}

void mime_tree_fini(struct mime_tree *t)
{
	vec_free(&t->nodes);
}
