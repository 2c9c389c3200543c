/* imap/binary.c - FETCH BINARY and BINARY.SIZE (RFC 3516; RFC 9051 6.4.5): a part without its transfer encoding
 * Purpose     the part index says where the part lies and how it is encoded; its bytes are decoded a piece at a time.
 * Trust       the letter is hostile: what its encoding does not allow is passed over, and nothing is parsed.
 * Owns        one piece and what it decodes to: a large part is read twice, for its size and for its bytes.
 * Suspends    in calls to store and while output drains.
 * Invariants  I1 both readings decode to the same (mail/transfer.h), so the literal that was announced is filled.
 */
#include "imap/fetching.h"

#include "mail/transfer.h"

/* A part while it is decoded. */
struct decoding {
	struct fetching *f;
	uint32_t at, n;	 /* of its encoded bytes, within the message */
	uint8_t encoding;
	uint64_t from, to; /* of the decoded bytes, what is wanted */
	uint64_t size;	   /* decoded so far */
	bool has_nul;	   /* within what is wanted */
	bool sends;
	struct arena piece;
	struct mail_transfer transfer;
	struct buf decoded; /* of the piece */
};

static const struct mail_part *part_of(const struct fetching *f, const struct imap_fetch_item *i)
{
	int part = f->message.index && i->n_path ? mail_index_find(f->message.index, i->path, i->n_path) : -1;

	return part < 0 ? NULL : &f->message.index->parts[part];
}

/* A multipart has no encoding of its own (RFC 2045 6.4), and the whole letter none either. */
static uint8_t encoding_of(const struct fetching *f, const struct imap_fetch_item *i)
{
	const struct mail_part *p = part_of(f, i);

	return p && p->kind != MAIL_PART_MULTIPART ? p->encoding : MAIL_ENCODING_8BIT;
}

bool fetching_can_decode(const struct fetching *f, const struct imap_fetch_item *i)
{
	return encoding_of(f, i) != MAIL_ENCODING_OTHER;
}

/* ---- decoding */

static SUSPENDS void decoded_piece(struct decoding *d)
{
	struct str s = buf_str(&d->decoded);
	uint64_t begin = d->size;
	size_t skip, take;

	d->size += s.n;
	if (d->size <= d->from || begin >= d->to)
		return;
	skip = begin < d->from ? (size_t)(d->from - begin) : 0;
	take = (size_t)((d->size < d->to ? d->size : d->to) - begin) - skip;
	s = str_sub(s, skip, take);
	d->has_nul |= str_find(s, 0) >= 0;
	if (d->sends)
		stream_write(&d->f->im->d->stream, s);
}

static SUSPENDS enum outcome run(struct decoding *d)
{
	struct imap *im = d->f->im;
	uint32_t at = d->at, left = d->n;
	enum outcome o = OK;

	d->size = 0;
	mail_transfer_init(&d->transfer, d->encoding);
	while (left && o == OK && stream_ok(&im->d->stream) && !(d->sends && d->size >= d->to)) {
		struct str bytes;

		arena_reset(&d->piece);
		o = fetching_read(d->f, at, left, &bytes, &d->piece);
		if (o != OK)
			break;
		stream_deadline(&im->d->stream, im->d->conf->timeouts.imap_idle_ms);
		buf_reset(&d->decoded);
		mail_transfer_add(&d->transfer, bytes, &d->decoded);
		at += (uint32_t)bytes.n;
		left -= (uint32_t)bytes.n;
		if (left == 0)
			mail_transfer_end(&d->transfer, &d->decoded);
		decoded_piece(d);
	}
	return o;
}

static SUSPENDS enum outcome send_twice_read(struct decoding *d)
{
	struct fetching *f = d->f;
	enum outcome o;

	fetching_flush(f);
	d->sends = true;
	o = run(d);
	if (o != OK)
		stream_fail(&f->im->d->stream, STREAM_RESET); /* the literal cannot be taken back */
	return OK;
}

/* The bytes of a part that is one piece are at hand already. */
static SUSPENDS enum outcome send_wanted(struct decoding *d, const struct imap_fetch_item *i)
{
	uint64_t size = d->size;
	uint32_t from = 0, n = size < UINT32_MAX ? (uint32_t)size : UINT32_MAX;
	bool whole = d->decoded.n == size;

	imap_section_cut(i, &from, &n);
	d->from = from;
	d->to = (uint64_t)from + n;
	fetching_add_literal(d->f, n, d->has_nul);
	if (!whole)
		return send_twice_read(d);
	fetching_add_bytes(d->f, str_sub(buf_str(&d->decoded), from, n));
	return OK;
}

static SUSPENDS enum outcome decode(struct decoding *d, const struct imap_fetch_item *i)
{
	struct buf *out = &d->f->im->out;
	enum outcome o;

	d->from = i->partial ? i->at : 0;
	d->to = i->partial ? d->from + i->n : UINT64_MAX;
	o = run(d);
	if (o == OK && i->kind == IMAP_FETCH_BINARY_SIZE) {
		buf_addc(out, ' ');
		buf_add_u64(out, d->size);
		return OK;
	}
	return o == OK ? send_wanted(d, i) : o;
}

/* ---- the items */

/* Bytes that need no decoding: only whether a NUL may be among them is asked, and the index knows. */
static SUSPENDS enum outcome add_plain(struct fetching *f, const struct imap_fetch_item *i, uint32_t at, uint32_t n)
{
	if (i->kind == IMAP_FETCH_BINARY_SIZE) {
		buf_addc(&f->im->out, ' ');
		buf_add_u64(&f->im->out, n);
		return OK;
	}
	imap_section_cut(i, &at, &n);
	return fetching_add_span(f, at, n, !f->message.index || f->message.index->has_nul);
}

static SUSPENDS enum outcome add_decoded(struct fetching *f, const struct imap_fetch_item *i, uint32_t at, uint32_t n)
{
	struct decoding *d = arena_new(f->header_arena, struct decoding);
	enum outcome o;

	*d = (struct decoding){ .f = f, .at = at, .n = n, .encoding = encoding_of(f, i) };
	arena_init(&d->piece, "imap piece of a letter", 8u << 20);
	buf_init(&d->decoded, FETCH_PIECE_MAX + 2 * MAIL_TRANSFER_HELD);
	o = decode(d, i);
	buf_fini(&d->decoded);
	arena_fini(&d->piece);
	arena_reset(f->header_arena);
	return o;
}

SUSPENDS enum outcome fetching_add_binary(struct fetching *f, const struct imap_fetch_item *i)
{
	uint8_t encoding = encoding_of(f, i);
	enum outcome o;
	uint32_t at, n;

	if (!imap_section_find(&f->message, i, &at, &n)) {
		buf_addz(&f->im->out, i->kind == IMAP_FETCH_BINARY_SIZE ? " 0" : " NIL");
		return OK;
	}
	if (encoding != MAIL_ENCODING_BASE64 && encoding != MAIL_ENCODING_QP)
		return add_plain(f, i, at, n);
	o = add_decoded(f, i, at, n);
	if (o == NO_SUCH) { /* gone meanwhile */
		buf_addz(&f->im->out, i->kind == IMAP_FETCH_BINARY_SIZE ? " 0" : " NIL");
		o = OK;
	}
	return o;
}
