/* unit/store/test_view.c - sequence numbers against a naive model, under random additions, expunges, reports and purges. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/rng.h"
#include "store/view.h"

#include <string.h>

#define MODEL_MAX 6000

/* What a session believes: the uids it was told of and not told to be gone, in order. */
struct model {
	uint32_t uid[MODEL_MAX];
	size_t n;
	uint64_t seen;
	uint32_t known;
};

struct world {
	struct view view;
	struct model sessions[3];
	uint32_t uidnext;
	uint64_t modseq, rng;
	struct arena a;
};

static size_t below(struct world *w, size_t n)
{
	return (size_t)(rng_step(&w->rng) % n);
}

static void add(struct world *w)
{
	struct message_row r = { .modseq = ++w->modseq, .size = w->uidnext, .blob = w->uidnext };

	w->uidnext += 1 + (uint32_t)below(w, 3);
	view_add(&w->view, w->uidnext++, &r);
}

static void expunge(struct world *w)
{
	uint32_t at[50], n = 0;

	for (uint32_t i = 0; i < w->view.n && n < 50; i++)
		if (!(w->view.flags[i] & VIEW_DEAD) && below(w, 8) == 0)
			at[n++] = i;
	if (n == 0)
		return;
	view_kill(&w->view, at, n, w->modseq + 1);
	w->modseq += n;
}

static void model_remove(struct model *m, uint32_t uid)
{
	for (size_t i = 0; i < m->n; i++)
		if (m->uid[i] == uid) {
			memmove(m->uid + i, m->uid + i + 1, (m->n - i - 1) * sizeof *m->uid);
			m->n--;
			return;
		}
}

/* The session hears of everything. */
static void report(struct world *w, struct model *m)
{
	const struct view *v = &w->view;

	for (size_t i = 0; i < v->dead.n; i++)
		if (v->dead.v[i].modseq > m->seen)
			model_remove(m, v->uid[v->dead.v[i].at]);
	for (uint32_t i = view_lower(v, m->known); i < v->n; i++)
		if (!(v->flags[i] & VIEW_DEAD))
			m->uid[m->n++] = v->uid[i];
	m->seen = v->dead_modseq_max;
	m->known = w->uidnext;
}

static void purge(struct world *w)
{
	uint64_t upto = UINT64_MAX;

	for (size_t i = 0; i < 3; i++)
		if (w->sessions[i].seen < upto)
			upto = w->sessions[i].seen;
	view_purge(&w->view, upto);
}

static void check_dead(const struct view *v)
{
	size_t k = 0;

	for (uint32_t i = 0; i < v->n; i++) {
		if (i)
			assert_true(v->uid[i - 1] < v->uid[i]);
		if (!(v->flags[i] & VIEW_DEAD))
			continue;
		assert_true(k < v->dead.n);
		assert_int_equal(v->dead.v[k++].at, i);
	}
	assert_int_equal(k, v->dead.n);
}

static void check_session(struct world *w, const struct model *m)
{
	struct seqmap map = seqmap_make(&w->view, m->seen, m->known, &w->a);
	uint32_t at;

	assert_int_equal(seqmap_count(&map), m->n);
	for (uint32_t seq = 1; seq <= m->n; seq++) {
		assert_int_equal(w->view.uid[seqmap_at(&map, seq)], m->uid[seq - 1]);
		assert_true(view_find(&w->view, m->uid[seq - 1], &at));
		assert_int_equal(seqmap_seq(&map, at), seq);
		assert_true(seqmap_has(&map, at));
		assert_int_equal(seqmap_between(&map, 0, at), seq - 1);
		assert_int_equal(seqmap_between(&map, at, map.limit), m->n - seq + 1);
	}
	for (uint32_t i = map.limit; i < w->view.n; i++)
		assert_int_equal(seqmap_seq(&map, i), 0);
}

static size_t count_spans(const struct seqmap *map, const struct spans *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++)
		for (uint32_t at = s->v[i].lo; at < s->v[i].hi; at++)
			n += seqmap_has(map, at);
	return n;
}

static void check_sets(struct world *w, const struct model *m)
{
	struct seqmap map = seqmap_make(&w->view, m->seen, m->known, &w->a);
	struct ipc_range set[3];
	bool by_uid = below(w, 2);
	uint32_t max = by_uid ? w->uidnext + 5 : (uint32_t)m->n + 5;
	struct spans s;
	size_t n = 0;

	for (int i = 0; i < 3; i++)
		set[i] = (struct ipc_range){ (uint32_t)below(w, max + 1), (uint32_t)below(w, max + 1) };
	s = seqmap_resolve(&map, by_uid, set, 3, &w->a);
	for (size_t i = 0; i < m->n; i++) {
		uint32_t number = by_uid ? m->uid[i] : (uint32_t)i + 1,
			 last = by_uid ? m->uid[m->n - 1] : (uint32_t)m->n;
		bool in = false;

		for (int k = 0; k < 3; k++) {
			uint32_t lo = set[k].lo ? set[k].lo : last, hi = set[k].hi ? set[k].hi : last;

			in |= number >= (lo < hi ? lo : hi) && number <= (lo < hi ? hi : lo);
		}
		n += in;
	}
	assert_int_equal(count_spans(&map, &s), n);
}

static void step(struct world *w)
{
	switch (below(w, 6)) {
	case 0:
	case 1:
		for (size_t n = below(w, 40); n > 0 && w->view.n < MODEL_MAX - 50; n--)
			add(w);
		break;
	case 2:
		expunge(w);
		break;
	case 3:
	case 4:
		report(w, &w->sessions[below(w, 3)]);
		break;
	default:
		purge(w);
		break;
	}
	check_dead(&w->view);
	for (int i = 0; i < 3; i++) {
		check_session(w, &w->sessions[i]);
		check_sets(w, &w->sessions[i]);
	}
	arena_reset(&w->a);
}

static void numbers_follow_the_model(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct world *w = mem_new(struct world);

		w->rng = seed;
		w->uidnext = 1;
		arena_init(&w->a, "test", (size_t)64 << 20);
		for (int i = 0; i < 120; i++)
			step(w);
		view_fini(&w->view);
		arena_fini(&w->a);
		free(w);
	}
}

static void purges_only_when_worth_it(void **state)
{
	struct view v = { 0 };
	uint32_t at[100];

	(void)state;
	for (uint32_t i = 0; i < 200; i++)
		view_add(&v, i + 1, &(struct message_row){ .size = i });
	for (uint32_t i = 0; i < 63; i++)
		at[i] = i * 2;
	view_kill(&v, at, 63, 10);
	view_purge(&v, UINT64_MAX);
	assert_int_equal(v.n, 200);
	at[0] = 150;
	view_kill(&v, at, 1, 100);
	view_purge(&v, 99);
	assert_int_equal(v.n, 200);
	view_purge(&v, 100);
	assert_int_equal(v.n, 136);
	assert_int_equal(v.dead.n, 0);
	assert_int_equal(v.uid[0], 2);
	assert_int_equal(v.size[0], 1);
	view_fini(&v);
}

static void an_empty_mailbox_has_no_star(void **state)
{
	struct view v = { 0 };
	struct arena a;
	struct seqmap map;
	struct ipc_range all = { 1, 0 };

	(void)state;
	arena_init(&a, "test", 1 << 20);
	map = seqmap_make(&v, 0, 1, &a);
	assert_int_equal(seqmap_resolve(&map, true, &all, 1, &a).n, 0);
	assert_int_equal(seqmap_resolve(&map, false, &all, 1, &a).n, 0);
	view_add(&v, 7, &(struct message_row){ 0 });
	map = seqmap_make(&v, 0, 8, &a);
	all = (struct ipc_range){ 559, 0 }; /* RFC 9051 9: the last one, though 559 is above it */
	assert_int_equal(seqmap_resolve(&map, true, &all, 1, &a).n, 1);
	all = (struct ipc_range){ 559, 600 };
	assert_int_equal(seqmap_resolve(&map, true, &all, 1, &a).n, 0);
	all = (struct ipc_range){ 1, UINT32_MAX };
	assert_int_equal(seqmap_resolve(&map, true, &all, 1, &a).n, 1);
	arena_fini(&a);
	view_fini(&v);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(numbers_follow_the_model),
		cmocka_unit_test(purges_only_when_worth_it), cmocka_unit_test(an_empty_mailbox_has_no_star) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
