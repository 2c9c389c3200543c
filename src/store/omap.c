/* store/omap.c - an ordered map of byte strings in memory.
 * Purpose     O(log n) to find, O(page + n/page) to change: a page splits when it is full and goes when it is empty.
 * Invariants  I1 keys ascend within a page and over pages. I2 no page is empty.
 */
#include "store/omap.h"

#include "base/die.h"

#include <stdlib.h>
#include <string.h>

#define PAGE_ENTRIES 128

struct entry {
	uint32_t key_n, value_n;
	char data[];
};

struct omap_page {
	size_t n;
	struct entry *v[PAGE_ENTRIES];
};

static struct str entry_key(const struct entry *e)
{
	return str_of(e->data, e->key_n);
}

static struct str entry_value(const struct entry *e)
{
	return str_of(e->data + e->key_n, e->value_n);
}

static struct entry *entry_new(struct str key, struct str value)
{
	struct entry *e = mem_alloc(sizeof *e + key.n + value.n);

	e->key_n = (uint32_t)key.n;
	e->value_n = (uint32_t)value.n;
	if (key.n)
		memcpy(e->data, key.p, key.n);
	if (value.n)
		memcpy(e->data + key.n, value.p, value.n);
	return e;
}

void omap_fini(struct omap *m)
{
	for (size_t i = 0; i < m->n_pages; i++) {
		for (size_t j = 0; j < m->pages[i]->n; j++)
			free(m->pages[i]->v[j]);
		free(m->pages[i]);
	}
	free(m->pages);
	*m = (struct omap){ 0 };
}

static size_t page_seek(const struct omap_page *p, struct str key)
{
	size_t lo = 0, hi = p->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (str_cmp(entry_key(p->v[mid]), key) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* The first page whose last key is >= key; n_pages when none is. */
static size_t find_page(const struct omap *m, struct str key)
{
	size_t lo = 0, hi = m->n_pages;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		const struct omap_page *p = m->pages[mid];

		if (str_cmp(entry_key(p->v[p->n - 1]), key) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

struct omap_at omap_seek(const struct omap *m, struct str key)
{
	size_t page = find_page(m, key);

	return (struct omap_at){ page, page < m->n_pages ? page_seek(m->pages[page], key) : 0 };
}

bool omap_next(const struct omap *m, struct omap_at *at, struct str *key, struct str *value)
{
	const struct entry *e;

	if (at->page >= m->n_pages)
		return false;
	e = m->pages[at->page]->v[at->slot];
	*key = entry_key(e);
	*value = entry_value(e);
	if (++at->slot == m->pages[at->page]->n)
		*at = (struct omap_at){ at->page + 1, 0 };
	return true;
}

static struct entry **find(const struct omap *m, struct str key)
{
	struct omap_at at = omap_seek(m, key);

	if (at.page >= m->n_pages || !str_eq(entry_key(m->pages[at.page]->v[at.slot]), key))
		return NULL;
	return &m->pages[at.page]->v[at.slot];
}

bool omap_get(const struct omap *m, struct str key, struct str *value)
{
	struct entry **e = find(m, key);

	if (e)
		*value = entry_value(*e);
	return e;
}

static void page_insert(struct omap *m, size_t at)
{
	if (m->n_pages == m->cap_pages) {
		m->cap_pages = m->cap_pages ? m->cap_pages * 2 : 8;
		m->pages = mem_realloc(m->pages, mem_size(m->cap_pages, sizeof *m->pages));
	}
	memmove(m->pages + at + 1, m->pages + at, (m->n_pages - at) * sizeof *m->pages);
	m->pages[at] = mem_new(struct omap_page);
	m->n_pages++;
}

static void split(struct omap *m, size_t at)
{
	struct omap_page *left = m->pages[at], *right;

	page_insert(m, at + 1);
	right = m->pages[at + 1];
	right->n = left->n / 2;
	left->n -= right->n;
	memcpy(right->v, left->v + left->n, right->n * sizeof *right->v);
}

void omap_put(struct omap *m, struct str key, struct str value)
{
	struct entry **old = find(m, key), *e = entry_new(key, value);
	size_t page, slot;

	if (old) {
		free(*old);
		*old = e;
		return;
	}
	page = find_page(m, key);
	if (page == m->n_pages && page > 0)
		page--;
	if (m->n_pages == 0)
		page_insert(m, 0);
	if (m->pages[page]->n == PAGE_ENTRIES) {
		split(m, page);
		if (str_cmp(entry_key(m->pages[page + 1]->v[0]), key) < 0)
			page++;
	}
	slot = page_seek(m->pages[page], key);
	memmove(m->pages[page]->v + slot + 1, m->pages[page]->v + slot,
		(m->pages[page]->n - slot) * sizeof *m->pages[page]->v);
	m->pages[page]->v[slot] = e;
	m->pages[page]->n++;
	m->n++;
}

bool omap_del(struct omap *m, struct str key)
{
	struct omap_at at = omap_seek(m, key);
	struct omap_page *p = at.page < m->n_pages ? m->pages[at.page] : NULL;

	if (!p || !str_eq(entry_key(p->v[at.slot]), key))
		return false;
	free(p->v[at.slot]);
	memmove(p->v + at.slot, p->v + at.slot + 1, (p->n - at.slot - 1) * sizeof *p->v);
	m->n--;
	if (--p->n == 0) {
		free(p);
		m->n_pages--;
		memmove(m->pages + at.page, m->pages + at.page + 1, (m->n_pages - at.page) * sizeof *m->pages);
	}
	return true;
}

struct omap omap_copy(const struct omap *m)
{
	struct omap to = { 0 };
	struct omap_at at = { 0 };
	struct str key, value;

	while (omap_next(m, &at, &key, &value))
		omap_put(&to, key, value);
	return to;
}
