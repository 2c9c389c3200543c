/* imap/fetch.c - FETCH (RFC 3501 6.4.5, 7.4.2; RFC 7162 3.1.4)
 * Purpose     pull rows from store, as many as an answer holds, and write each as one untagged FETCH.
 * Trust       items and sets are hostile; rows and indexes come from store, and indexes are checked when decoded.
 * Owns        one answer of store at a time (im->work) and one decoded index; a letter is never held whole, but for a header that
 *             fields are picked of.
 * Suspends    in calls to store and while output drains; the box may have news afterwards.
 * Invariants  I1 a literal that was announced is filled, or the stream ends.
 *             I2 a message that is gone is passed over (RFC 2180 4.1); its answer is never begun twice.
 */
#include "imap/fetching.h"

#include "mail/date.h"
#include "mail/header.h"

#include <string.h>

#define INDEX_MAX ((size_t)32 << 20) /* one decoded */
#define HEADER_SLACK 65536	     /* a header with the prefix before it */

/* ---- bytes of a letter */

static SUSPENDS enum outcome read_piece(struct fetching *f, uint32_t at, uint32_t n, struct str *out, struct arena *a)
{
	struct imap *im = f->im;
	struct ipc_read_body m = { .handle = im->d->account.handle, .sel = im->box.sel, .uid = f->row->uid, .at = at };
	struct ipc_read_body_reply r = { 0 };
	enum outcome o;

	m.n = n < FETCH_PIECE_MAX ? n : FETCH_PIECE_MAX;
	o = ipc_read_body(im->d->account.store, &m, &r, a);
	*out = str_sub(r.bytes, 0, n);
	return o == OK && r.bytes.n == 0 ? FAILED : o;
}

/* What came along with the row, from at. */
static struct str inline_bytes(const struct fetching *f, uint32_t at, uint32_t n)
{
	return str_sub(f->row->body, at, n);
}

SUSPENDS enum outcome fetching_read(struct fetching *f, uint32_t at, uint32_t n, struct str *out, struct arena *a)
{
	*out = str_sub(inline_bytes(f, at, n), 0, FETCH_PIECE_MAX);
	return out->n || n == 0 ? OK : read_piece(f, at, n, out, a);
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

void fetching_add_literal(struct fetching *f, size_t n, bool eight)
{
	buf_addz(&f->im->out, eight ? " ~{" : " {");
	buf_add_u64(&f->im->out, n);
	buf_addz(&f->im->out, "}\r\n");
}

SUSPENDS void fetching_flush(struct fetching *f)
{
	f->n_streamed += f->im->out.n;
	imap_out_flush(f->im);
}

/* Much of it does not wait for the row's end: an answer may have many items. */
SUSPENDS void fetching_add_bytes(struct fetching *f, struct str bytes)
{
	if (bytes.n > 4096) {
		fetching_flush(f);
		stream_write(&f->im->d->stream, bytes);
	} else {
		buf_add(&f->im->out, bytes);
	}
}

/* The first piece is had before anything is promised. */
SUSPENDS enum outcome fetching_add_span(struct fetching *f, uint32_t at, uint32_t n, bool eight)
{
	struct str first = inline_bytes(f, at, n);
	enum outcome o = OK;

	if (first.n == 0 && n)
		o = read_piece(f, at, n, &first, f->index_arena);
	if (o == NO_SUCH) {
		buf_addz(&f->im->out, " NIL");
		return OK;
	}
	if (o != OK)
		return o;
	fetching_add_literal(f, n, eight);
	fetching_add_bytes(f, first);
	if (n > first.n) {
		fetching_flush(f);
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
	fetching_add_literal(f, size, false);
	fetching_add_bytes(f, str_sub(buf_str(&picked), from, size));
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
	return fetching_add_span(f, at, n, false);
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

	if (i->kind == IMAP_FETCH_MODSEQ) {
		imap_add_modseq(out, f->row->modseq);
		return OK;
	}
	buf_add(out, i->label);
	if (i->kind == IMAP_FETCH_SECTION)
		return add_section(f, i);
	if (i->kind >= IMAP_FETCH_BINARY)
		return fetching_add_binary(f, i);
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

static bool can_decode_all(const struct fetching *f)
{
	for (size_t i = 0; i < f->items.n; i++)
		if (f->items.items[i].kind >= IMAP_FETCH_BINARY && !fetching_can_decode(f, &f->items.items[i]))
			return false;
	return true;
}

static SUSPENDS enum outcome add_items(struct fetching *f)
{
	struct buf *out = &f->im->out;
	size_t from = out->n;

	imap_out_fmt(f->im, "* %u FETCH (", f->row->seq);
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

static SUSPENDS enum outcome add_row(void *arg, const struct ipc_row *row)
{
	struct fetching *f = arg;
	enum outcome o = OK;

	open_row(f, row);
	if (can_decode_all(f))
		o = add_items(f);
	else
		f->unknown_encoding = true;
	arena_reset(f->index_arena);
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
		if (i->kind == IMAP_FETCH_BINARY && i->n_path == 0 && !i->partial)
			f->want |= WANT_BODY;
	}
	if (f->want & WANT_BODY)
		f->want &= ~(uint32_t)WANT_HEADER;
}

static bool sets_seen(const struct fetching *f)
{
	for (size_t i = 0; i < f->items.n; i++)
		if (f->items.items[i].sets_seen)
			return !f->im->box.readonly;
	return false;
}

/* Reading a body marks the message, which the answer then says (RFC 3501 6.4.5). One call for the whole set. */
static SUSPENDS enum outcome set_seen(struct fetching *f, const struct ipc_fetch *rows)
{
	struct imap *im = f->im;
	struct ipc_set_flags m = { .handle = rows->handle,
		.sel = rows->sel,
		.by_uid = rows->by_uid,
		.saved = rows->saved,
		.set = rows->set,
		.n_set = rows->n_set,
		.mode = 1,
		.silent = 1,
		.flags = MSG_SEEN };
	struct ipc_set_flags_reply r = { 0 };
	enum outcome o;

	if (!sets_seen(f))
		return OK;
	o = ipc_set_flags_within(im->d->account.store, &m, &r, &im->work, IMAP_LONG_CALL_MS);
	if (o == OK && r.n_changed) {
		imap_fetch_add_first(&f->items, IMAP_FETCH_FLAGS);
		if (im->condstore)
			imap_fetch_add_first(&f->items, IMAP_FETCH_MODSEQ);
	}
	return o == REVOKED ? o : OK; /* where nothing can be written, reading goes on */
}

/* ---- CHANGEDSINCE where reading marks: marking changes a message, so those to be read are found before */

#define MARKED_MAX 1000 /* at once */

struct finding {
	struct ipc_range *uids;
	size_t n;
	uint32_t after;
};

static enum outcome find_row(void *arg, const struct ipc_row *row)
{
	struct finding *x = arg;

	x->uids[x->n++] = (struct ipc_range){ row->uid, row->uid };
	x->after = row->uid;
	return x->n == MARKED_MAX ? EXISTS : OK; /* EXISTS: enough for now */
}

static SUSPENDS enum outcome pull_marking(struct fetching *f, struct ipc_fetch *m)
{
	struct finding x = { .uids = arena_array(&f->im->cmd, MARKED_MAX, sizeof *x.uids) };
	enum outcome found, o;

	do {
		struct ipc_fetch rows = { .handle = m->handle, .sel = m->sel, .by_uid = 1, .set = x.uids, .want = f->want };

		x.n = 0;
		m->after = x.after;
		found = imap_each_row(f->im, m, find_row, &x);
		rows.n_set = x.n;
		o = found == OK || found == EXISTS ? set_seen(f, &rows) : found;
		if (o == OK && x.n)
			o = imap_each_row(f->im, &rows, add_row, f);
	} while (o == OK && found == EXISTS);
	return o;
}

static SUSPENDS enum outcome pull(struct fetching *f, const struct imap_set *set)
{
	struct ipc_fetch m = imap_rows_of(f->im, set);
	enum outcome o;

	m.changed_since = f->items.changed_since;
	if (m.changed_since && sets_seen(f))
		return pull_marking(f, &m);
	m.want = f->want;
	o = set_seen(f, &m);
	return o == OK ? imap_each_row(f->im, &m, add_row, f) : o;
}

/* ---- the command */

static void find_items(struct fetching *f)
{
	struct imap *im = f->im;

	if (f->items.changed || imap_fetch_has(&f->items, IMAP_FETCH_MODSEQ)) {
		imap_condstore_enable(im);
		imap_fetch_add_first(&f->items, IMAP_FETCH_MODSEQ);
	}
	if (im->by_uid)
		imap_fetch_add_first(&f->items, IMAP_FETCH_UID);
	find_wants(f);
}

static SUSPENDS enum outcome run(struct fetching *f, const struct imap_set *set)
{
	uint64_t header_max = f->im->d->conf->limits.header_size_max + HEADER_SLACK;
	struct arena index_arena, header_arena;
	enum outcome o;

	arena_init(&index_arena, "imap part index", INDEX_MAX);
	arena_init(&header_arena, "imap header", 2 * (size_t)header_max + INDEX_MAX); /* its pieces, and it */
	f->index_arena = &index_arena;
	f->header_arena = &header_arena;
	o = pull(f, set);
	arena_fini(&header_arena);
	arena_fini(&index_arena);
	return o;
}

SUSPENDS enum outcome imap_fetch(struct imap *im, struct cur *args)
{
	struct fetching f = { .im = im };
	struct imap_set set = { 0 };
	enum outcome o = imap_set_argument(im, args, &set);

	imap_need_sp(args);
	imap_fetch_parse(args, &im->cmd, &f.items);
	if (o != OK)
		return o;
	if (!cur_done(args))
		return BAD_SYNTAX;
	find_items(&f);
	o = run(&f, &set);
	if (o == OK && f.unknown_encoding)
		return imap_fail(im, FAILED, STR("UNKNOWN-CTE"), STR("A part has a transfer encoding that is not known here"));
	return o;
}
