/* imap/fetch.c - FETCH (RFC 3501 6.4.5, 7.4.2)
 * Purpose     pull rows from store, as many as an answer holds, and write each as one untagged FETCH.
 * Trust       items and sets are hostile; rows and indexes come from store, and indexes are checked when decoded.
 * Owns        one answer of store at a time (im->work) and one decoded index; a letter is never held whole, but for a header that
 *             fields are picked of.
 * Suspends    in calls to store and while output drains; the box may have news afterwards.
 * Invariants  I1 a literal that was announced is filled, or the stream ends.
 *             I2 a message that is gone is passed over (RFC 2180 4.1); its answer is never begun twice.
 */
#include "imap/imap.h"

#include "imap/fetch_parse.h"
#include "imap/section.h"
#include "mail/date.h"
#include "mail/header.h"

#include <string.h>

#define PIECE_MAX 131072	     /* bytes of a letter a call */
#define INDEX_MAX ((size_t)32 << 20) /* one decoded */
#define HEADER_SLACK 65536	     /* a header with the prefix before it */

struct fetching {
	struct imap *im;
	struct imap_fetch items;
	uint32_t want; /* WANT_* */
	bool picks;    /* some item picks fields of a header */
	struct arena *index_arena;  /* of a row */
	struct arena *header_arena; /* of an item that picks fields */
	const struct ipc_row *row;
	struct imap_message message;
	struct mail_index index;
	size_t n_streamed; /* bytes of this row's answer that have left im->out */
};

/* ---- bytes of a letter */

static SUSPENDS enum outcome read_piece(struct fetching *f, uint32_t at, uint32_t n, struct str *out, struct arena *a)
{
	struct imap *im = f->im;
	struct ipc_read_body m = { .handle = im->d->account.handle, .sel = im->box.sel, .uid = f->row->uid, .at = at };
	struct ipc_read_body_reply r = { 0 };
	enum outcome o;

	m.n = n < PIECE_MAX ? n : PIECE_MAX;
	o = ipc_read_body(im->d->account.store, &m, &r, a);
	*out = str_sub(r.bytes, 0, n);
	return o == OK && r.bytes.n == 0 ? FAILED : o;
}

/* What came along with the row, from at. */
static struct str inline_bytes(const struct fetching *f, uint32_t at, uint32_t n)
{
	return str_sub(f->row->body, at, n);
}

/* The bytes left to stream, a piece a time, in an arena that holds one. */
static SUSPENDS void stream_rest(struct fetching *f, uint32_t at, uint32_t n)
{
	struct imap *im = f->im;
	struct arena piece;

	arena_init(&piece, "imap piece of a letter", 8u << 20);
	while (n && stream_ok(&im->d->stream)) {
		struct str bytes;
		enum outcome o;

		arena_reset(&piece);
		o = read_piece(f, at, n, &bytes, &piece);
		if (o != OK) {
			stream_fail(&im->d->stream, STREAM_RESET); /* the literal cannot be taken back */
			break;
		}
		stream_deadline(&im->d->stream, im->d->conf->timeouts.imap_idle_ms);
		stream_write(&im->d->stream, bytes);
		at += (uint32_t)bytes.n;
		n -= (uint32_t)bytes.n;
	}
	arena_fini(&piece);
}

static void add_literal(struct imap *im, size_t n)
{
	buf_addz(&im->out, " {");
	buf_add_u64(&im->out, n);
	buf_addz(&im->out, "}\r\n");
}

static SUSPENDS void flush_row(struct fetching *f)
{
	f->n_streamed += f->im->out.n;
	imap_out_flush(f->im);
}

/* Much of it does not wait for the row's end: an answer may have many items. */
static SUSPENDS void add_bytes(struct fetching *f, struct str bytes)
{
	if (bytes.n > 4096) {
		flush_row(f);
		stream_write(&f->im->d->stream, bytes);
	} else {
		buf_add(&f->im->out, bytes);
	}
}

/* The bytes [at, at + n) as a literal. The first piece is had before anything is promised. */
static SUSPENDS enum outcome add_span(struct fetching *f, uint32_t at, uint32_t n)
{
	struct imap *im = f->im;
	struct str first = inline_bytes(f, at, n);
	enum outcome o = OK;

	if (first.n == 0 && n)
		o = read_piece(f, at, n, &first, f->index_arena);
	if (o == NO_SUCH) {
		buf_addz(&im->out, " NIL");
		return OK;
	}
	if (o != OK)
		return o;
	add_literal(im, n);
	add_bytes(f, first);
	if (n > first.n) {
		flush_row(f);
		stream_rest(f, at + (uint32_t)first.n, n - (uint32_t)first.n);
	}
	return OK;
}

/* All of [at, at + n) in one place: a header. Beyond the limit on headers only its beginning. */
static SUSPENDS enum outcome gather(struct fetching *f, uint32_t at, uint32_t n, struct str *out)
{
	uint64_t max = f->im->d->conf->limits.header_size_max + HEADER_SLACK;
	struct str got;
	uint32_t have;
	char *p;

	n = n < max ? n : (uint32_t)max;
	*out = inline_bytes(f, at, n);
	if (out->n == n)
		return OK;
	p = arena_alloc(f->header_arena, n);
	for (have = 0; have < n; have += (uint32_t)got.n) {
		enum outcome o = read_piece(f, at + have, n - have, &got, f->header_arena);

		if (o != OK)
			return o;
		memcpy(p + have, got.p, got.n);
	}
	*out = str_of(p, n);
	return OK;
}

static SUSPENDS void add_picked(struct fetching *f, const struct imap_fetch_item *i, struct str header)
{
	struct buf picked;
	uint32_t from = 0, size;

	buf_init(&picked, header.n + 2);
	mail_header_pick(header, i->names, i->n_names, i->section == IMAP_SECTION_FIELDS_NOT, &picked);
	size = (uint32_t)picked.n;
	imap_section_cut(i, &from, &size);
	add_literal(f->im, size);
	add_bytes(f, str_sub(buf_str(&picked), from, size));
	buf_fini(&picked);
}

static SUSPENDS enum outcome add_fields(struct fetching *f, const struct imap_fetch_item *i, uint32_t at, uint32_t n)
{
	struct str header;
	enum outcome o = gather(f, at, n, &header);

	if (o == NO_SUCH) {
		buf_addz(&f->im->out, " NIL");
		o = OK;
	} else if (o == OK) {
		add_picked(f, i, header);
	}
	arena_reset(f->header_arena);
	return o;
}

static SUSPENDS enum outcome add_section(struct fetching *f, const struct imap_fetch_item *i)
{
	uint32_t at, n;

	if (!imap_section_find(&f->message, i, &at, &n)) {
		buf_addz(&f->im->out, " NIL");
		return OK;
	}
	if (i->section == IMAP_SECTION_FIELDS || i->section == IMAP_SECTION_FIELDS_NOT)
		return add_fields(f, i, at, n);
	imap_section_cut(i, &at, &n);
	return add_span(f, at, n);
}

/* ---- items without bytes of the letter */

#define NO_ENVELOPE "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)"

/* Without a readable index a letter is a text of so many bytes: valid, and true as far as it goes. */
static void add_no_structure(struct fetching *f)
{
	buf_addz(&f->im->out, "(\"TEXT\" \"PLAIN\" NIL NIL NIL \"8BIT\" ");
	buf_add_u64(&f->im->out, f->message.size > f->message.header_n ? f->message.size - f->message.header_n : 0);
	buf_addz(&f->im->out, " 0)");
}

static void add_structure(struct fetching *f, struct str text)
{
	if (text.n)
		buf_add(&f->im->out, text);
	else
		add_no_structure(f);
}

static SUSPENDS enum outcome add_item(struct fetching *f, const struct imap_fetch_item *i)
{
	struct buf *out = &f->im->out;

	buf_add(out, i->label);
	if (i->kind == IMAP_FETCH_SECTION)
		return add_section(f, i);
	buf_addc(out, ' ');
	switch ((enum imap_fetch_kind)i->kind) {
	case IMAP_FETCH_FLAGS:
		imap_add_flags(f->im, out, f->row->flags, f->row->keywords);
		break;
	case IMAP_FETCH_UID:
		buf_add_u64(out, f->row->uid);
		break;
	case IMAP_FETCH_INTERNALDATE:
		mail_imap_datetime_add(out, f->row->date_s);
		break;
	case IMAP_FETCH_SIZE:
		buf_add_u64(out, f->row->size);
		break;
	case IMAP_FETCH_ENVELOPE:
		buf_add(out, f->index.envelope.n ? f->index.envelope : STR(NO_ENVELOPE));
		break;
	case IMAP_FETCH_BODY:
		add_structure(f, f->index.body);
		break;
	default:
		add_structure(f, f->index.bodystructure);
		break;
	}
	return OK;
}

/* ---- rows */

static void open_row(struct fetching *f, const struct ipc_row *row)
{
	f->row = row;
	f->n_streamed = 0;
	f->message = (struct imap_message){ .size = row->size, .prefix_n = row->prefix_n, .header_n = row->header_n };
	if (!(f->want & WANT_INDEX))
		return;
	if (mail_index_decode(row->index, f->index_arena, &f->index) == OK)
		f->message.index = &f->index;
	else
		f->index = (struct mail_index){ 0 };
}

static SUSPENDS enum outcome add_row(struct fetching *f, const struct ipc_row *row)
{
	struct buf *out = &f->im->out;
	size_t from = out->n;

	open_row(f, row);
	buf_addz(out, "* ");
	buf_add_u64(out, row->seq);
	buf_addz(out, " FETCH (");
	for (size_t i = 0; i < f->items.n; i++) {
		enum outcome o;

		if (i)
			buf_addc(out, ' ');
		o = add_item(f, &f->items.items[i]);
		if (o != OK && f->n_streamed)
			stream_fail(&f->im->d->stream, STREAM_RESET); /* half an answer cannot be taken back */
		if (o != OK) {
			buf_cut(out, f->n_streamed ? 0 : from);
			return o;
		}
	}
	buf_addz(out, ")\r\n");
	imap_out_relieve(f->im);
	return OK;
}

static SUSPENDS enum outcome add_rows(struct fetching *f, const struct ipc_fetch_reply *r)
{
	enum outcome o = OK;

	for (size_t i = 0; i < r->n_rows && o == OK && stream_ok(&f->im->d->stream); i++) {
		o = add_row(f, &r->rows[i]);
		arena_reset(f->index_arena);
	}
	return o;
}

/* News that the rows speak of comes before them. The rows live on in their own arena. */
static SUSPENDS enum outcome catch_up(struct imap *im, const struct ipc_fetch_reply *r)
{
	return imap_box_knows(im, r->rows, r->n_rows) ? OK : imap_sync(im, false);
}

static SUSPENDS enum outcome pull(struct fetching *f, const struct imap_set *set)
{
	struct imap *im = f->im;
	struct ipc_fetch m = { .handle = im->d->account.handle,
		.sel = im->box.sel,
		.by_uid = im->by_uid,
		.set = set->v,
		.n_set = set->n,
		.want = f->want };
	struct ipc_fetch_reply r = { 0 };
	struct arena rows;
	enum outcome o;

	arena_init(&rows, "imap rows", (size_t)8 << 20);
	do {
		arena_reset(&rows);
		stream_deadline(&im->d->stream, im->d->conf->timeouts.imap_idle_ms);
		o = ipc_fetch(im->d->account.store, &m, &r, &rows);
		if (o == OK)
			o = catch_up(im, &r);
		if (o == OK)
			o = add_rows(f, &r);
		if (o == OK && r.n_rows)
			m.after = r.rows[r.n_rows - 1].uid;
	} while (o == OK && r.more && r.n_rows && stream_ok(&im->d->stream));
	arena_fini(&rows);
	return o;
}

/* ---- the command */

static void section_wants(struct fetching *f, const struct imap_fetch_item *i)
{
	bool fields = i->section == IMAP_SECTION_FIELDS || i->section == IMAP_SECTION_FIELDS_NOT;

	if (!imap_section_is_plain(i))
		f->want |= WANT_INDEX;
	if (i->n_path == 0 && (fields || i->section == IMAP_SECTION_HEADER))
		f->want |= WANT_HEADER;
	else if (i->n_path == 0 && !i->partial) /* of a partial only the piece is read */
		f->want |= WANT_BODY;
}

static void find_wants(struct fetching *f)
{
	for (size_t n = 0; n < f->items.n; n++) {
		const struct imap_fetch_item *i = &f->items.items[n];

		if (i->kind == IMAP_FETCH_SECTION)
			section_wants(f, i);
		else if (i->kind >= IMAP_FETCH_ENVELOPE)
			f->want |= WANT_INDEX;
	}
	if (f->want & WANT_BODY)
		f->want &= ~(uint32_t)WANT_HEADER;
}

/* Reading a body marks the message, which the answer then says (RFC 3501 6.4.5). One call for the whole set. */
static SUSPENDS enum outcome set_seen(struct fetching *f, const struct imap_set *set)
{
	struct imap *im = f->im;
	struct ipc_set_flags m = { .handle = im->d->account.handle,
		.sel = im->box.sel,
		.by_uid = im->by_uid,
		.set = set->v,
		.n_set = set->n,
		.mode = 1,
		.silent = 1,
		.flags = MSG_SEEN };
	struct ipc_set_flags_reply r = { 0 };
	bool sets = false;
	enum outcome o;

	for (size_t i = 0; i < f->items.n; i++)
		sets |= f->items.items[i].sets_seen;
	if (!sets || im->box.readonly)
		return OK;
	o = ipc_set_flags(im->d->account.store, &m, &r, &im->work);
	if (o == OK && r.n_changed)
		imap_fetch_add_first(&f->items, IMAP_FETCH_FLAGS);
	return o == REVOKED ? o : OK; /* where nothing can be written, reading goes on */
}

SUSPENDS enum outcome imap_fetch(struct imap *im, struct cur *args)
{
	uint64_t header_max = im->d->conf->limits.header_size_max + HEADER_SLACK;
	struct arena index_arena, header_arena;
	struct fetching f = { .im = im, .index_arena = &index_arena, .header_arena = &header_arena };
	struct imap_set set = { 0 };
	enum outcome o = imap_set_argument(im, args, &set);

	imap_need_sp(args);
	imap_fetch_parse(args, &im->cmd, &f.items);
	if (o != OK)
		return o;
	if (!cur_done(args))
		return BAD_SYNTAX;
	if (im->by_uid)
		imap_fetch_add_first(&f.items, IMAP_FETCH_UID);
	find_wants(&f);
	o = set_seen(&f, &set);
	arena_init(&index_arena, "imap part index", INDEX_MAX);
	arena_init(&header_arena, "imap header", 2 * (size_t)header_max + INDEX_MAX); /* its pieces, and it */
	if (o == OK)
		o = pull(&f, &set);
	arena_fini(&header_arena);
	arena_fini(&index_arena);
	return o;
}
