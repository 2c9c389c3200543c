/* imap/search.c - SEARCH (RFC 3501 6.4.4, RFC 5032)
 * Trust       the program is hostile; it is parsed and bounded here and run by store.
 * Suspends    in each page of what was found.
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

static SUSPENDS void add_found(struct imap *im, const struct ipc_search_reply *r)
{
	for (size_t i = 0; i < r->n_found; i++) {
		uint32_t hi = r->found[i].hi;

		for (uint64_t n = r->found[i].lo; n <= hi; n++) {
			buf_addc(&im->out, ' ');
			buf_add_u64(&im->out, n);
			imap_out_relieve(im);
		}
	}
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

/* The line is begun with the first answer, so that a failure before leaves none. */
static SUSPENDS enum outcome run(struct imap *im, struct ipc_search *m)
{
	struct ipc_search_reply r = { 0 };
	bool begun = false;
	enum outcome o;

	do {
		arena_reset(&im->work);
		o = ipc_search(im->d->account.store, m, &r, &im->work);
		if (o != OK)
			break;
		if (!begun)
			buf_addz(&im->out, "* SEARCH");
		begun = true;
		add_found(im, &r);
		m->after = r.next;
	} while (r.more && stream_ok(&im->d->stream));
	if (begun)
		buf_addz(&im->out, "\r\n");
	return o;
}

SUSPENDS enum outcome imap_search(struct imap *im, struct cur *args)
{
	struct imap_search s;
	enum outcome o = imap_search_parse(args, &im->cmd, im->d->conf->limits.imap_search_keys_max, &s);
	struct ipc_search m = { .handle = im->d->account.handle, .sel = im->box.sel, .by_uid = im->by_uid };

	if (o == OK && s.bad_charset)
		return imap_fail(im, FAILED, STR("BADCHARSET (US-ASCII UTF-8)"), STR("That charset is not known here"));
	m.keys = s.keys;
	m.n_keys = s.n;
	if (o == OVER_LIMIT || (o == OK && record_size(&s) > IPC_RECORD_MAX))
		return imap_fail(im, OVER_LIMIT, STR("LIMIT"), STR("The search is too large or too deep"));
	if (o != OK)
		return o;
	resolve_stars(im, &s);
	return run(im, &m);
}
