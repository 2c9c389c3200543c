/* store/omap.h - an ordered map of byte strings in memory: a sorted list of sorted pages. For engine_mem. */
#ifndef SALLYPORT_STORE_OMAP_H
#define SALLYPORT_STORE_OMAP_H

#include "base/str.h"

struct omap_page;

struct omap {
	struct omap_page **pages;
	size_t n_pages, cap_pages, n;
};

struct omap_at {
	size_t page, slot;
};

void omap_fini(struct omap *m);
void omap_put(struct omap *m, struct str key, struct str value); /* copies both; replaces */
bool omap_del(struct omap *m, struct str key);
bool omap_get(const struct omap *m, struct str key, struct str *value); /* valid until the next change */
struct omap_at omap_seek(const struct omap *m, struct str key);		/* the first entry >= key */
/* The entry at *at, and moves on; false at the end. The map must not change meanwhile. */
bool omap_next(const struct omap *m, struct omap_at *at, struct str *key, struct str *value);
struct omap omap_copy(const struct omap *m);

#endif
