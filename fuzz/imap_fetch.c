/* fuzz/imap_fetch.c - what FETCH asks, sequence sets and flag lists: bounded, and labels that read back as the same item. */
#include "base/die.h"
#include "imap/fetch_parse.h"
#include "imap/parse.h"
#include "imap/section.h"
#include "imap/set.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_item(const struct imap_fetch_item *i, struct arena *a)
{
	struct imap_message m = { .size = 1000, .prefix_n = 10, .header_n = 100 };
	struct cur c = cur_of(i->label);
	struct imap_fetch again;
	uint32_t at, n;

	die_unless(i->label.n > 0, "an item without a name");
	if (imap_section_find(&m, i, &at, &n)) {
		imap_section_cut(i, &at, &n);
		die_unless((uint64_t)at + n <= m.size, "a section out of the message");
	}
	if (i->kind < IMAP_FETCH_SECTION || i->partial || i->label.p[0] != 'B')
		return;
	for (size_t k = 0; k < i->n_names; k++)
		if (str_find(i->names[k], '\r') >= 0 || str_find(i->names[k], '\n') >= 0 ||
			str_find(i->names[k], 0) >= 0)
			return; /* shown as '?' */
	imap_fetch_parse(&c, a, &again);
	die_unless(cur_done(&c) && again.n == 1 && str_eq(again.items[0].label, i->label),
		"a label that reads as something else");
	die_unless(again.items[0].kind == i->kind && again.items[0].section == i->section && again.items[0].n_path == i->n_path, "another section");
}

static void check_set(struct str s, struct arena *a)
{
	struct cur c = cur_of(s);
	struct imap_set set = { 0 };

	if (imap_set_parse(&c, a, 100, &set) != OK)
		return;
	die_unless(!set.saved || set.n == 0, "what was saved, and more");
	for (size_t i = 0; i < set.n; i++) {
		die_unless(
			set.v[i].hi == 0 ? i + 1 == set.n : set.v[i].lo > 0 && set.v[i].lo <= set.v[i].hi, "a range");
		die_unless(i == 0 || set.v[i].hi == 0 || set.v[i].lo > set.v[i - 1].hi, "the order of ranges");
	}
	if (imap_set_resolve(&set, 50))
		for (size_t i = 0; i < set.n; i++)
			die_unless(set.v[i].lo >= 1 && set.v[i].lo <= set.v[i].hi && set.v[i].hi <= 50,
				"a resolved range");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str s = str_of(data, size);
	struct cur c = cur_of(s);
	struct imap_fetch f;
	struct arena a;

	arena_init(&a, "fuzz", (size_t)64 << 20);
	imap_fetch_parse(&c, &a, &f);
	die_unless(f.n <= IMAP_FETCH_ITEMS_MAX, "items");
	for (size_t i = 0; cur_done(&c) && i < f.n; i++)
		check_item(&f.items[i], &a);
	check_set(s, &a);
	c = cur_of(s);
	imap_flag_list(&c, &arena_new(&a, struct imap_append)->flags);
	arena_fini(&a);
	return 0;
}
