/* mail/index.c - the part index of a letter. See the header.
 * Purpose     put together what the walk, the envelope, the structure and the decoders say.
 * Trust       the letter is hostile.
 */
#include "mail/index.h"

#include "mail/date.h"
#include "mail/decode.h"
#include "mail/envelope.h"
#include "mail/header.h"
#include "mail/mime_walk.h"
#include "mail/structure.h"
#include "mail/utf8.h"

#include <string.h>

const struct mail_index_limits mail_index_limits_default = {
	.parts_max = 1000,
	.depth_max = 50,
	.header_max = 262144,
	.text_max = 65536,
	.field_max = 4096,
};

/* Sixteen bytes at a time, by the compiler's own vectors. A comparison gives -1 where it holds. */
typedef signed char lanes __attribute__((vector_size(16)));

struct facts {
	size_t n_cr, n_lf, n_crlf, n_nul;
	bool high;
};

static lanes lanes_at(const char *p)
{
	lanes v;

	memcpy(&v, p, sizeof v);
	return v;
}

static size_t lanes_sum(lanes v)
{
	size_t sum = 0;

	for (int i = 0; i < 16; i++)
		sum += (unsigned char)v[i];
	return sum;
}

/* At most 255 steps, for which a lane can count. s has a byte before its first. */
static void add_facts(struct facts *f, const char *p, size_t steps)
{
	lanes cr = { 0 }, lf = { 0 }, crlf = { 0 }, nul = { 0 }, high = { 0 };

	for (size_t i = 0; i < steps; i++, p += 16) {
		lanes v = lanes_at(p), before = lanes_at(p - 1), is_lf = v == '\n';

		cr -= v == '\r';
		lf -= is_lf;
		crlf -= is_lf & (before == '\r');
		nul -= v == 0;
		high |= v < 0;
	}
	f->n_cr += lanes_sum(cr);
	f->n_lf += lanes_sum(lf);
	f->n_crlf += lanes_sum(crlf);
	f->n_nul += lanes_sum(nul);
	f->high |= lanes_sum(high) > 0;
}

static void add_byte_facts(struct facts *f, struct str s, size_t at)
{
	char c = s.p[at];

	f->n_cr += c == '\r';
	f->n_lf += c == '\n';
	f->n_crlf += c == '\n' && at && s.p[at - 1] == '\r';
	f->n_nul += c == 0;
	f->high |= (c & 0x80) != 0;
}

static struct facts facts_of(struct str s)
{
	struct facts f = { 0 };
	size_t at = 0;

	if (s.n)
		add_byte_facts(&f, s, at++);
	while (s.n - at >= 16) {
		size_t steps = (s.n - at) / 16;

		steps = steps > 255 ? 255 : steps;
		add_facts(&f, s.p + at, steps);
		at += steps * 16;
	}
	for (; at < s.n; at++)
		add_byte_facts(&f, s, at);
	return f;
}

/* Takes the next "<...>" off rest, without white space; false when there is none. */
static bool take_msg_id(struct str *rest, struct buf *id)
{
	ssize_t open = str_find(*rest, '<'), close;
	struct str s;

	buf_reset(id);
	if (open < 0 || (close = str_find(str_from(*rest, (size_t)open), '>')) < 0)
		return false;
	s = str_sub(*rest, (size_t)open, (size_t)close + 1);
	*rest = str_from(*rest, (size_t)open + s.n);
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] > ' ')
			buf_addc(id, s.p[i]);
	return true;
}

/* Message ids are compared and shown as text: UTF-8 (RFC 6532 3.3) or nothing. */
static bool msg_id_ok(struct str id, size_t size_max)
{
	return id.n > 2 && id.n <= size_max && mail_utf8_ok(id);
}

static struct str first_msg_id(struct str value, size_t size_max, struct arena *a)
{
	struct str rest = value, found = { 0 };
	struct buf id;

	buf_init(&id, value.n + 1);
	while (!found.n && take_msg_id(&rest, &id))
		if (msg_id_ok(buf_str(&id), size_max))
			found = arena_dup(a, buf_str(&id));
	buf_fini(&id);
	return found;
}

/* Drops whole ids behind the first until all is at most size_max: threads need the root and the nearest. */
static struct str shorten_msg_ids(struct str all, size_t size_max, struct arena *a)
{
	ssize_t first = str_find(all, ' ');
	size_t from;
	ssize_t space;

	if (all.n <= size_max || first < 0)
		return arena_dup(a, str_sub(all, 0, size_max));
	from = all.n - (size_max - (size_t)first); /* at the space that would stand before the last ids */
	space = str_find(str_from(all, from), ' ');
	if (space < 0)
		return arena_dup(a, str_sub(all, 0, (size_t)first));
	return arena_fmt(
		a, "%.*s%.*s", STR_ARG(str_sub(all, 0, (size_t)first)), STR_ARG(str_from(all, from + (size_t)space)));
}

static struct str all_msg_ids(struct str value, size_t size_max, struct arena *a)
{
	struct str rest = value, out;
	struct buf id, all;

	buf_init(&id, value.n + 1);
	buf_init(&all, value.n * 2 + 1);
	while (take_msg_id(&rest, &id))
		if (msg_id_ok(buf_str(&id), size_max)) {
			if (all.n)
				buf_addc(&all, ' ');
			buf_add(&all, buf_str(&id));
		}
	out = shorten_msg_ids(buf_str(&all), size_max, a);
	buf_fini(&id);
	buf_fini(&all);
	return out;
}

/* The fields that are kept decoded. */
struct decoded {
	struct buf subject, from, to, cc, bcc;
};

static void take_field(struct decoded *d, const struct mail_field *f, const struct mail_index_limits *l,
	struct arena *a, struct mail_index *x)
{
	struct {
		struct str name;
		struct buf *text;
		bool many;
	} texts[] = {
		{ STR("Subject"), &d->subject, false },
		{ STR("From"), &d->from, true },
		{ STR("To"), &d->to, true },
		{ STR("Cc"), &d->cc, true },
		{ STR("Bcc"), &d->bcc, true },
	};

	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		if (str_ieq(f->name, texts[i].name)) {
			struct buf *to = texts[i].text;

			if (to->n && !texts[i].many)
				return;
			if (to->n)
				buf_add(to, STR(", "));
			mail_header_decode(f->value, to);
			return;
		}
	if (str_ieq(f->name, STR("Date")) && x->date_s == INT64_MIN) {
		int zone = 0;

		if (mail_date_parse(f->value, &x->date_s, &zone))
			x->date_zone_min = zone;
	} else if (str_ieq(f->name, STR("Message-ID")) && !x->message_id.n) {
		x->message_id = first_msg_id(f->value, l->field_max, a);
	} else if (str_ieq(f->name, STR("In-Reply-To")) && !x->in_reply_to.n) {
		x->in_reply_to = first_msg_id(f->value, l->field_max, a);
	} else if (str_ieq(f->name, STR("References")) && !x->references.n) {
		x->references = all_msg_ids(f->value, l->field_max, a);
	}
}

static struct str give(struct buf *text, struct arena *a)
{
	struct str s = arena_dup(a, buf_str(text));

	buf_fini(text);
	return s;
}

static void take_fields(struct str header, const struct mail_index_limits *l, struct arena *a, struct mail_index *x)
{
	struct mail_header h = mail_header_of(header);
	struct mail_field f;
	struct decoded d;

	buf_init(&d.subject, l->field_max);
	buf_init(&d.from, l->field_max);
	buf_init(&d.to, l->field_max);
	buf_init(&d.cc, l->field_max);
	buf_init(&d.bcc, l->field_max);
	while (mail_header_next(&h, &f))
		take_field(&d, &f, l, a, x);
	x->subject = give(&d.subject, a);
	x->from = give(&d.from, a);
	x->to = give(&d.to, a);
	x->cc = give(&d.cc, a);
	x->bcc = give(&d.bcc, a);
}

static void take_parts(const struct mime_tree *t, struct arena *a, struct mail_index *x)
{
	struct mail_part *parts = arena_array(a, t->nodes.n, sizeof *parts);

	for (size_t i = 0; i < t->nodes.n; i++)
		parts[i] = t->nodes.v[i].part;
	x->parts = parts;
	x->n_parts = (uint16_t)t->nodes.n;
}

static void render(struct str letter, const struct mime_tree *t, const struct mail_index_limits *l, struct arena *a,
	struct mail_index *x)
{
	struct mail_structure s;
	struct buf text;

	buf_init(&text, (size_t)l->text_max + 200);
	mail_envelope_add(mime_header_of(letter, &t->nodes.v[0].part, l->header_max), l->text_max, &text);
	x->envelope = arena_dup(a, buf_str(&text));
	mail_structure_init(&s, letter, t, l);
	buf_reset(&text);
	mail_structure_add(&s, false, &text);
	x->body = arena_dup(a, buf_str(&text));
	buf_reset(&text);
	mail_structure_add(&s, true, &text);
	x->bodystructure = arena_dup(a, buf_str(&text));
	mail_structure_fini(&s);
	buf_fini(&text);
}

void mail_index_make(struct str letter, const struct mail_index_limits *l, struct arena *a, struct mail_index *out)
{
	struct facts f;
	struct mime_tree t;

	letter = str_sub(letter, 0, UINT32_MAX);
	f = facts_of(letter);
	mime_tree_init(&t, letter, l);
	*out = (struct mail_index){
		.size = (uint32_t)letter.n,
		.lines = t.lines,
		.has_8bit = f.high,
		.has_nul = f.n_nul > 0,
		.has_bare = f.n_cr != f.n_crlf || f.n_lf != f.n_crlf,
		.cut = t.cut,
		.date_s = INT64_MIN,
	};
	take_parts(&t, a, out);
	take_fields(mime_header_of(letter, &t.nodes.v[0].part, l->header_max), l, a, out);
	render(letter, &t, l, a, out);
	mime_tree_fini(&t);
}

/* The n-th child of a part, or -1. */
static int child_of(const struct mail_index *x, int parent, uint32_t n)
{
	for (int i = parent + 1; n && i < x->n_parts; i++)
		if (x->parts[i].parent == parent && --n == 0)
			return i;
	return -1;
}

int mail_index_find(const struct mail_index *x, const uint32_t *path, size_t n_path)
{
	bool letter = true; /* at is a letter, this one or one within: it has a part 1 even when it is no multipart */
	int at = 0;

	for (size_t i = 0; i < n_path && at >= 0; i++) {
		if (!letter && x->parts[at].kind == MAIL_PART_MESSAGE) {
			at = child_of(x, at, 1);
			letter = true;
		}
		if (at >= 0 && x->parts[at].kind == MAIL_PART_MULTIPART)
			at = child_of(x, at, path[i]);
		else if (!letter || path[i] != 1)
			at = -1;
		letter = false;
	}
	return at;
}
