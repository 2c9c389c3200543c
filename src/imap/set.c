/* imap/set.c - sequence sets. See the header.
 * Trust       the bytes are hostile; n log n in their number.
 */
#include "imap/set.h"

#include <stdlib.h>

/* "*" is 0. */
static uint32_t number(struct cur *c)
{
	uint32_t n;

	if (cur_try(c, '*'))
		return 0;
	n = cur_u32(c);
	if (n == 0)
		cur_fail(c);
	return n;
}

static struct ipc_range range(struct cur *c)
{
	struct ipc_range r = { .lo = number(c) };

	r.hi = cur_try(c, ':') ? number(c) : r.lo;
	if ((r.lo > r.hi && r.hi != 0) || r.lo == 0)
		r = (struct ipc_range){ .lo = r.hi, .hi = r.lo };
	return r;
}

static int by_lo(const void *a, const void *b)
{
	const struct ipc_range *x = a, *y = b;

	return x->lo < y->lo ? -1 : x->lo > y->lo;
}

/* Sorts and joins what touches. */
static size_t normalize(struct ipc_range *v, size_t n)
{
	size_t m = 0;

	qsort(v, n, sizeof *v, by_lo);
	for (size_t i = 0; i < n; i++) {
		if (m && (v[i].lo <= v[m - 1].hi || v[i].lo == v[m - 1].hi + 1)) {
			if (v[i].hi > v[m - 1].hi)
				v[m - 1].hi = v[i].hi;
		} else {
			v[m++] = v[i];
		}
	}
	return m;
}

static size_t count(const struct cur *c)
{
	struct str s = cur_rest(c);
	size_t n = 1;

	for (size_t i = 0; i < s.n && (ascii_is_digit(s.p[i]) || s.p[i] == ':' || s.p[i] == '*' || s.p[i] == ','); i++)
		n += s.p[i] == ',';
	return n;
}

enum outcome imap_set_parse(struct cur *c, struct arena *a, uint32_t ranges_max, struct imap_set *out)
{
	size_t n = 0, max = count(c);
	struct ipc_range star = { 0 };
	bool has_star = false;

	out->saved = cur_try(c, '$');
	if (out->saved)
		return OK;
	if (max > ranges_max)
		return OVER_LIMIT;
	out->v = arena_array(a, max, sizeof *out->v);
	do {
		struct ipc_range r = range(c);

		if (!cur_ok(c))
			return BAD_SYNTAX;
		if (r.hi)
			out->v[n++] = r;
		else if (!has_star || star.lo == 0 || (r.lo && r.lo < star.lo))
			star = r; /* the union of n:* and m:* is the one that begins lower, however high "*" is */
		has_star |= r.hi == 0;
	} while (cur_try(c, ','));
	out->n = normalize(out->v, n);
	if (has_star)
		out->v[out->n++] = star;
	return OK;
}

bool imap_set_resolve(struct imap_set *set, uint32_t messages)
{
	for (size_t i = 0; i < set->n; i++) {
		struct ipc_range *r = &set->v[i];

		if (messages == 0 || r->lo > messages || r->hi > messages)
			return false;
		if (r->lo == 0)
			r->lo = messages;
		if (r->hi == 0)
			r->hi = messages;
	}
	set->n = normalize(set->v, set->n);
	return true;
}
