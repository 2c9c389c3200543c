/* imap/search.c - SEARCH (RFC 3501 6.4.4, RFC 9051 6.4.4; RFC 4731, RFC 5032, RFC 5182)
 * Trust       the program is hostile; it is parsed and bounded here and run by store, which also keeps what is saved.
 * Suspends    in each page of what was found.
 * Invariants  I1 nothing found is kept here: ranges go out as they come, and what sums them up stands behind them.
 */
#include "imap/imap.h"

#include "imap/search_parse.h"

/* "*" and numbers beyond the last are no error here: a key that no message meets. */
static void resolve_stars(struct imap *im, struct imap_search *s)
{
	for (size_t i = 0; i < s->n; i++) {
		struct imap_set set = { (struct ipc_range *)s->keys[i].set, s->keys[i].n_set };

		if (s->keys[i].op != SEARCH_SEQ || im->box.messages == 0)
			continue;
		for (size_t r = 0; r < set.n; r++) {
			bool star = set.v[r].hi == 0;

			if (star)
				set.v[r].hi = im->box.messages;
			if (star && (set.v[r].lo == 0 || set.v[r].lo > im->box.messages))
				set.v[r].lo = im->box.messages;
		}
	}
}

/* The answer as it is made. */
struct answer {
	struct imap *im;
	const struct imap_search *search;
	bool extended;		/* ESEARCH */
	bool begun;
	struct ipc_range range; /* the last one found, which the next may go on; lo 0: none */
	bool listed;		/* some range was written */
	uint64_t count;
	uint32_t min, max;
	uint64_t modseq, min_modseq, max_modseq;
};

/* Begun with the first page, so that a failure before leaves none. SAVE alone has no answer (RFC 5182 2.1). */
static void begin(struct answer *a)
{
	struct buf *out = &a->im->out;

	if (a->begun || a->search->results == IMAP_RETURN_SAVE)
		return;
	a->begun = true;
	if (!a->extended) {
		buf_addz(out, "* SEARCH");
		return;
	}
	buf_addz(out, "* ESEARCH (TAG ");
	imap_add_quoted(out, a->im->tag);
	buf_addz(out, a->im->by_uid ? ") UID" : ")");
}

static SUSPENDS void add_numbers(struct imap *im, struct ipc_range r)
{
	for (uint64_t n = r.lo; n <= r.hi; n++) {
		buf_addc(&im->out, ' ');
		buf_add_u64(&im->out, n);
		imap_out_relieve(im);
	}
}

static SUSPENDS void add_range(struct answer *a)
{
	if (a->range.lo == 0 || !(a->search->results & IMAP_RETURN_ALL))
		return;
	if (a->extended) {
		buf_addz(&a->im->out, a->listed ? "," : " ALL ");
		imap_add_ranges(&a->im->out, &a->range, 1);
		imap_out_relieve(a->im);
	} else {
		add_numbers(a->im, a->range);
	}
	a->listed = true;
}

static SUSPENDS void add_found(struct answer *a, const struct ipc_search_reply *r)
{
	for (size_t i = 0; i < r->n_found; i++) {
		struct ipc_range found = r->found[i];

		if (a->count == 0)
			a->min = found.lo;
		a->max = found.hi;
		a->count += found.hi - found.lo + 1;
		if (a->range.lo && a->range.hi + 1 == found.lo) {
			a->range.hi = found.hi;
			continue;
		}
		add_range(a);
		a->range = found;
	}
	if (r->n_found == 0)
		return;
	a->min_modseq = a->min_modseq ? a->min_modseq : r->first_modseq;
	a->max_modseq = r->last_modseq;
	a->modseq = r->modseq > a->modseq ? r->modseq : a->modseq;
}

/* Of what is told, the highest (RFC 4731 3.2): MIN and MAX alone tell of one message each. */
static uint64_t modseq_of(const struct answer *a)
{
	unsigned results = a->search->results & (unsigned)~IMAP_RETURN_SAVE;

	if (results == IMAP_RETURN_MIN)
		return a->min_modseq;
	if (results == IMAP_RETURN_MAX)
		return a->max_modseq;
	if (results == (IMAP_RETURN_MIN | IMAP_RETURN_MAX))
		return a->min_modseq > a->max_modseq ? a->min_modseq : a->max_modseq;
	return a->modseq;
}

static SUSPENDS void end(struct answer *a)
{
	struct imap *im = a->im;
	unsigned results = a->search->results;

	if (!a->begun)
		return;
	add_range(a);
	if (results & IMAP_RETURN_MIN && a->count)
		imap_out_fmt(im, " MIN %u", a->min);
	if (results & IMAP_RETURN_MAX && a->count)
		imap_out_fmt(im, " MAX %u", a->max);
	if (results & IMAP_RETURN_COUNT)
		imap_out_fmt(im, " COUNT %llu", (unsigned long long)a->count);
	if (a->search->modseq && a->count)
		imap_out_fmt(im, a->extended ? " MODSEQ %llu" : " (MODSEQ %llu)", (unsigned long long)modseq_of(a));
	buf_addz(&im->out, "\r\n");
}

/* As ipc.def lays it out. */
static size_t record_size(const struct imap_search *s)
{
	size_t n = IPC_SEARCH_FIXED;

	for (size_t i = 0; i < s->n; i++) {
		const struct ipc_search_key *k = &s->keys[i];

		n += IPC_SEARCH_KEY_FIXED + k->field.n + k->text.n + k->n_set * IPC_RANGE_FIXED;
	}
	return n;
}

static SUSPENDS enum outcome run(struct answer *a, struct ipc_search *m)
{
	struct imap *im = a->im;
	struct ipc_search_reply r = { 0 };
	enum outcome o;

	do {
		arena_reset(&im->work);
		o = ipc_search(im->d->account.store, m, &r, &im->work);
		if (o != OK)
			break;
		begin(a);
		add_found(a, &r);
		m->after = r.next;
		if (a->search->results == IMAP_RETURN_MIN && a->count)
			break;
	} while (r.more && stream_ok(&im->d->stream));
	end(a);
	return o;
}

/* ---- what is saved for "$" */

/* MIN and MAX narrow what is saved, unless all are asked for or counted (RFC 5182 2.4). */
static uint8_t save_of(unsigned results)
{
	uint8_t save = 0;

	if (!(results & IMAP_RETURN_SAVE))
		return 0;
	if (results & (IMAP_RETURN_ALL | IMAP_RETURN_COUNT))
		return SAVE_ALL;
	save |= results & IMAP_RETURN_MIN ? SAVE_MIN : 0;
	save |= results & IMAP_RETURN_MAX ? SAVE_MAX : 0;
	return save ? save : SAVE_ALL;
}

/* A search that would have saved and was refused leaves nothing saved (RFC 5182 2.1): one that finds nothing is run in its place. */
static SUSPENDS enum outcome refuse(struct imap *im, struct ipc_search *m, enum outcome o)
{
	static const struct ipc_search_key nothing[] = { { .op = SEARCH_NOT }, { .op = SEARCH_ALL } };
	struct ipc_search_reply r;

	m->keys = nothing;
	m->n_keys = 2;
	while (m->save && ipc_search(im->d->account.store, m, &r, &im->work) == OK && r.more)
		m->after = r.next;
	return o;
}

SUSPENDS enum outcome imap_search(struct imap *im, struct cur *args)
{
	struct imap_search s;
	enum outcome o = imap_search_parse(args, &im->cmd, im->d->conf->limits.imap_search_keys_max, &s);
	struct answer a = { .im = im, .search = &s, .extended = s.extended || im->rev2 };
	struct ipc_search m = { .handle = im->d->account.handle,
		.sel = im->box.sel,
		.by_uid = im->by_uid,
		.save = save_of(s.results),
		.keys = s.keys,
		.n_keys = s.n };

	if (o == OK && s.charset && im->utf8) /* RFC 6855 3 */
		return imap_fail(im, BAD_SYNTAX, STR(""), STR("With UTF8=ACCEPT everything is UTF-8: no CHARSET"));
	if (o == OK && s.bad_charset)
		return refuse(im, &m, imap_fail(im, FAILED, STR("BADCHARSET (US-ASCII UTF-8)"), STR("That charset is not known here")));
	if (o == OVER_LIMIT || (o == OK && record_size(&s) > IPC_RECORD_MAX))
		return refuse(im, &m, imap_fail(im, OVER_LIMIT, STR("LIMIT"), STR("The search is too large or too deep")));
	if (o != OK)
		return o;
	if (s.modseq)
		imap_condstore_enable(im);
	resolve_stars(im, &s);
	o = run(&a, &m);
	if (o == NO_ROOM)
		return imap_fail(im, NO_ROOM, STR("NOTSAVED"), STR("What was found has too many ranges to be saved"));
	return o;
}
