/* store/view.c - the column view of a mailbox and the numbers of a selection. See the header.
 * Invariants  I1 uids ascend. I2 dead holds exactly the rows with VIEW_DEAD, by index. I3 rows are added at the end only.
 */
#include "store/view.h"

#include "base/die.h"

#include <string.h>

#define PURGE_LEAST                                                                                                    \
	64 /* a purge moves every column: it waits until so many tombstones and an eighth of the rows can go */

void view_fini(struct view *v)
{
#define X(type, name) free(v->name);
	VIEW_COLUMNS(X)
#undef X
	vec_free(&v->dead);
	*v = (struct view){ 0 };
}

static void grow(struct view *v)
{
	die_unless(v->cap < UINT32_MAX / 4, "view: too many messages");
	v->cap = v->cap ? v->cap * 2 : 16;
#define X(type, name) v->name = mem_realloc(v->name, mem_size(v->cap, sizeof(type)));
	VIEW_COLUMNS(X)
#undef X
}

void view_add(struct view *v, uint32_t uid, const struct message_row *r)
{
	uint32_t i = v->n;

	die_unless(i == 0 || v->uid[i - 1] < uid, "view: uids must ascend");
	if (i == v->cap)
		grow(v);
	v->n++;
	v->uid[i] = uid;
	v->modseq[i] = r->modseq;
	v->keywords[i] = r->keywords;
	v->blob[i] = r->blob;
	v->email[i] = r->email;
	v->date_s[i] = r->date_s;
	v->saved_s[i] = r->saved_s;
	v->size[i] = r->size;
	v->header_n[i] = r->header_n;
	v->prefix_n[i] = (uint16_t)r->prefix_n;
	v->flags[i] = (uint8_t)(r->flags & 0x7f);
	if (r->modseq > v->modseq_max)
		v->modseq_max = r->modseq;
}

struct message_row view_row(const struct view *v, uint32_t at)
{
	return (struct message_row){ .blob = v->blob[at],
		.email = v->email[at],
		.size = v->size[at],
		.header_n = v->header_n[at],
		.prefix_n = v->prefix_n[at],
		.flags = v->flags[at] & 0x7f,
		.keywords = v->keywords[at],
		.modseq = v->modseq[at],
		.date_s = v->date_s[at],
		.saved_s = v->saved_s[at] };
}

uint32_t view_lower(const struct view *v, uint32_t uid)
{
	uint32_t lo = 0, hi = v->n;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (v->uid[mid] < uid)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

bool view_find(const struct view *v, uint32_t uid, uint32_t *at)
{
	*at = view_lower(v, uid);
	return *at < v->n && v->uid[*at] == uid;
}

void view_kill(struct view *v, const uint32_t *at, uint32_t n, uint64_t first)
{
	size_t i = v->dead.n, j = n, k = v->dead.n + n;

	if (v->dead.n == 0)
		v->dead_modseq_min = first;
	for (uint32_t x = 0; x < n; x++) {
		vec_push(&v->dead);
		v->flags[at[x]] |= VIEW_DEAD;
	}
	/* Merges from the end: both lists ascend. */
	while (j > 0) {
		if (i > 0 && v->dead.v[i - 1].at > at[j - 1]) {
			v->dead.v[--k] = v->dead.v[i - 1];
			i--;
		} else {
			v->dead.v[--k] = (struct tombstone){ at[j - 1], first + j - 1 };
			j--;
		}
	}
	if (n)
		v->dead_modseq_max = first + n - 1;
}

/* Moves a column's rows together over the removed indexes. */
static void squeeze(void *column, size_t width, const uint32_t *gone, size_t n_gone, uint32_t n)
{
	char *p = column;
	uint32_t to = gone[0];

	for (size_t i = 0; i < n_gone; i++) {
		uint32_t from = gone[i] + 1, end = i + 1 < n_gone ? gone[i + 1] : n;

		memmove(p + (size_t)to * width, p + (size_t)from * width, (size_t)(end - from) * width);
		to += end - from;
	}
}

static void drop(struct view *v, const uint32_t *gone, size_t n_gone, uint64_t upto)
{
	size_t kept = 0, passed = 0;
	uint64_t lowest = UINT64_MAX;

#define X(type, name) squeeze(v->name, sizeof(type), gone, n_gone, v->n);
	VIEW_COLUMNS(X)
#undef X
	for (size_t i = 0; i < v->dead.n; i++) {
		struct tombstone t = v->dead.v[i];

		if (t.modseq <= upto) {
			passed++;
			continue;
		}
		t.at -= (uint32_t)passed;
		lowest = t.modseq < lowest ? t.modseq : lowest;
		v->dead.v[kept++] = t;
	}
	v->dead.n = kept;
	v->dead_modseq_min = lowest;
	v->n -= (uint32_t)n_gone;
}

void view_purge(struct view *v, uint64_t upto)
{
	uint32_t *gone;
	size_t n = 0;

	if (v->dead.n < PURGE_LEAST || v->dead.n < v->n / 8)
		return;
	gone = mem_array(v->dead.n, sizeof *gone);
	for (size_t i = 0; i < v->dead.n; i++)
		if (v->dead.v[i].modseq <= upto)
			gone[n++] = v->dead.v[i].at;
	if (n >= PURGE_LEAST && n >= v->n / 8)
		drop(v, gone, n, upto);
	free(gone);
}

size_t view_memory(const struct view *v)
{
	size_t row = 0;

#define X(type, name) row += sizeof(type);
	VIEW_COLUMNS(X)
#undef X
	return sizeof *v + row * v->cap + v->dead.cap * sizeof *v->dead.v;
}

/* ---- numbers */

struct seqmap seqmap_make(const struct view *v, uint64_t seen, uint32_t known, struct arena *a)
{
	struct seqmap m = { .view = v, .limit = view_lower(v, known) };
	uint32_t *gone;

	if (v->dead.n == 0 || seen < v->dead_modseq_min)
		return m;
	gone = arena_array(a, v->dead.n, sizeof *gone);
	for (size_t i = 0; i < v->dead.n; i++)
		if (v->dead.v[i].modseq <= seen && v->dead.v[i].at < m.limit)
			gone[m.n_gone++] = v->dead.v[i].at;
	m.gone = gone;
	return m;
}

uint32_t seqmap_count(const struct seqmap *m)
{
	return m->limit - m->n_gone;
}

/* How many reported tombstones stand before the row. */
static uint32_t gone_before(const struct seqmap *m, uint32_t at)
{
	uint32_t lo = 0, hi = m->n_gone;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (m->gone[mid] < at)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

uint32_t seqmap_seq(const struct seqmap *m, uint32_t at)
{
	uint32_t k;

	if (at >= m->limit)
		return 0;
	k = gone_before(m, at);
	return k < m->n_gone && m->gone[k] == at ? 0 : at - k + 1;
}

uint32_t seqmap_between(const struct seqmap *m, uint32_t lo, uint32_t hi)
{
	return hi - lo - (gone_before(m, hi) - gone_before(m, lo));
}

uint32_t seqmap_at(const struct seqmap *m, uint32_t seq)
{
	uint32_t lo = 0, hi = m->n_gone;

	/* gone[k] - k never falls: the rows that stand before the k-th tombstone and are messages. */
	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (m->gone[mid] - mid <= seq - 1)
			lo = mid + 1;
		else
			hi = mid;
	}
	return seq - 1 + lo;
}

/* ---- sets */

static int span_cmp(const void *a, const void *b)
{
	const struct span *x = a, *y = b;

	return (x->lo > y->lo) - (x->lo < y->lo);
}

static void join(struct spans *s)
{
	size_t n = 0;

	qsort(s->v, s->n, sizeof *s->v, span_cmp);
	for (size_t i = 0; i < s->n; i++) {
		if (n > 0 && s->v[i].lo <= s->v[n - 1].hi) {
			if (s->v[i].hi > s->v[n - 1].hi)
				s->v[n - 1].hi = s->v[i].hi;
		} else {
			s->v[n++] = s->v[i];
		}
	}
	s->n = n;
}

static struct span resolve_uids(const struct seqmap *m, uint32_t lo, uint32_t hi)
{
	struct span s = { view_lower(m->view, lo), hi == UINT32_MAX ? m->limit : view_lower(m->view, hi + 1) };

	if (s.hi > m->limit)
		s.hi = m->limit;
	return s;
}

static struct span resolve_seqs(const struct seqmap *m, uint32_t lo, uint32_t hi)
{
	uint32_t count = seqmap_count(m);

	if (lo > count)
		return (struct span){ 0, 0 };
	return (struct span){ seqmap_at(m, lo), seqmap_at(m, hi < count ? hi : count) + 1 };
}

struct spans seqmap_resolve(const struct seqmap *m, bool by_uid, const struct ipc_range *set, size_t n, struct arena *a)
{
	struct spans s = { .v = arena_array(a, n ? n : 1, sizeof *s.v) };
	uint32_t count = seqmap_count(m);
	uint32_t last = count == 0 ? 0 : by_uid ? m->view->uid[seqmap_at(m, count)] : count;

	for (size_t i = 0; count > 0 && i < n; i++) {
		uint32_t lo = set[i].lo ? set[i].lo : last, hi = set[i].hi ? set[i].hi : last;
		struct span x;

		if (lo > hi) {
			uint32_t t = lo;

			lo = hi;
			hi = t;
		}
		x = by_uid ? resolve_uids(m, lo, hi) : resolve_seqs(m, lo, hi);
		if (x.lo < x.hi)
			s.v[s.n++] = x;
	}
	join(&s);
	return s;
}

struct spans spans_all(const struct seqmap *m, struct arena *a)
{
	struct spans s = { arena_new(a, struct span), m->limit > 0 };

	s.v[0] = (struct span){ 0, m->limit };
	return s;
}
