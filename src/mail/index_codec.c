/* mail/index_codec.c - the part index as bytes, for store to keep beside the message row. See mail/index.h.
 * Purpose     version 1: little-endian integers, strings with their length before them, parts of 25 bytes.
 * Trust       the bytes come from store, but are checked as if they did not: edges compute with what is in them.
 */
#include "base/cur.h"
#include "mail/index.h"

#define VERSION 1
#define PART_SIZE 25

enum { FLAG_8BIT = 1, FLAG_NUL = 2, FLAG_BARE = 4, FLAG_CUT = 8 };

static void add_le(struct buf *out, uint64_t v, size_t n)
{
	char t[8];

	for (size_t i = 0; i < n; i++)
		t[i] = (char)(v >> (8 * i));
	buf_add(out, str_of(t, n));
}

static void add_str(struct buf *out, struct str s)
{
	add_le(out, s.n, 4);
	buf_add(out, s);
}

static void add_part(struct buf *out, const struct mail_part *p)
{
	add_le(out, p->header_at, 4);
	add_le(out, p->header_n, 4);
	add_le(out, p->body_at, 4);
	add_le(out, p->body_n, 4);
	add_le(out, p->body_lines, 4);
	add_le(out, p->parent, 2);
	add_le(out, p->depth, 1);
	add_le(out, p->kind, 1);
	add_le(out, p->encoding, 1);
}

/* The strings in their order, for both ways. */
#define STRINGS(x)                                                                                                     \
	{                                                                                                              \
		&(x)->envelope, &(x)->body, &(x)->bodystructure, &(x)->subject, &(x)->from, &(x)->to, &(x)->cc,        \
			&(x)->bcc, &(x)->message_id, &(x)->in_reply_to, &(x)->references                               \
	}
#define N_STRINGS 11

void mail_index_encode(const struct mail_index *x, struct buf *out)
{
	const struct str *strings[N_STRINGS] = STRINGS(x);

	add_le(out, VERSION, 1);
	add_le(out, x->size, 4);
	add_le(out, x->lines, 4);
	add_le(out,
		(x->has_8bit ? FLAG_8BIT : 0) | (x->has_nul ? FLAG_NUL : 0) | (x->has_bare ? FLAG_BARE : 0) |
			(x->cut ? FLAG_CUT : 0),
		1);
	add_le(out, (uint64_t)x->date_s, 8);
	add_le(out, (uint32_t)x->date_zone_min, 4);
	for (size_t i = 0; i < N_STRINGS; i++)
		add_str(out, *strings[i]);
	add_le(out, x->n_parts, 2);
	for (size_t i = 0; i < x->n_parts; i++)
		add_part(out, &x->parts[i]);
}

static struct mail_part take_part(struct cur *c)
{
	struct mail_part p = { .header_at = cur_le32(c) };

	p.header_n = cur_le32(c);
	p.body_at = cur_le32(c);
	p.body_n = cur_le32(c);
	p.body_lines = cur_le32(c);
	p.parent = cur_le16(c);
	p.depth = cur_le8(c);
	p.kind = cur_le8(c);
	p.encoding = cur_le8(c);
	return p;
}

static bool extent_ok(const struct mail_part *p, uint32_t size)
{
	return p->header_at <= size && p->header_n <= size - p->header_at && p->body_at == p->header_at + p->header_n &&
	       p->body_n <= size - p->body_at && p->body_lines <= p->body_n;
}

/* A parent comes before its children and is no leaf; a message has one child, right behind it. */
static bool place_ok(const struct mail_part *parts, size_t i)
{
	const struct mail_part *p = &parts[i], *up;

	if (i == 0)
		return p->parent == 0 && p->depth == 0;
	if (p->parent >= i)
		return false;
	up = &parts[p->parent];
	if (p->depth != up->depth + 1 || up->kind == MAIL_PART_LEAF)
		return false;
	return (up->kind == MAIL_PART_MESSAGE || parts[i - 1].kind == MAIL_PART_MESSAGE) ? p->parent == i - 1 : true;
}

static bool part_ok(const struct mail_part *parts, size_t i, uint32_t size)
{
	const struct mail_part *p = &parts[i];

	return p->kind <= MAIL_PART_MESSAGE && p->encoding <= MAIL_ENCODING_OTHER && extent_ok(p, size) &&
	       place_ok(parts, i);
}

static void take_parts(struct cur *c, struct arena *a, struct mail_index *out)
{
	struct mail_part *parts;

	out->n_parts = cur_le16(c);
	if (out->n_parts == 0 || cur_left(c) != (size_t)out->n_parts * PART_SIZE) {
		cur_fail(c);
		return;
	}
	parts = arena_array(a, out->n_parts, sizeof *parts);
	for (size_t i = 0; i < out->n_parts; i++) {
		parts[i] = take_part(c);
		if (!part_ok(parts, i, out->size))
			cur_fail(c);
	}
	if (parts[out->n_parts - 1].kind == MAIL_PART_MESSAGE) /* without its child */
		cur_fail(c);
	out->parts = parts;
}

enum outcome mail_index_decode(struct str bytes, struct arena *a, struct mail_index *out)
{
	struct str *strings[N_STRINGS] = STRINGS(out);
	struct cur c = cur_of(bytes);
	uint8_t flags;

	*out = (struct mail_index){ 0 };
	if (cur_le8(&c) != VERSION)
		return FAILED;
	out->size = cur_le32(&c);
	out->lines = cur_le32(&c);
	flags = cur_le8(&c);
	out->has_8bit = flags & FLAG_8BIT;
	out->has_nul = flags & FLAG_NUL;
	out->has_bare = flags & FLAG_BARE;
	out->cut = flags & FLAG_CUT;
	out->date_s = (int64_t)cur_le64(&c);
	out->date_zone_min = (int32_t)cur_le32(&c);
	for (size_t i = 0; i < N_STRINGS; i++)
		*strings[i] = cur_bytes(&c, cur_le32(&c));
	take_parts(&c, a, out);
	return cur_done(&c) ? OK : FAILED;
}
