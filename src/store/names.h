/* store/names.h - names of mailboxes: UTF-8, '/' between levels, INBOX in any case. Pure. */
#ifndef SALLYPORT_STORE_NAMES_H
#define SALLYPORT_STORE_NAMES_H

#include "base/buf.h"
#include "base/outcome.h"

/* The name as it is kept: INBOX (alone or as first level) in capitals, one '/' at the end dropped. OK; BAD_SYNTAX: empty, an empty
 * level, not UTF-8, a control character or one of "%*" ; OVER_LIMIT: longer or deeper than allowed. */
enum outcome name_clean(struct str name, uint32_t size_max, uint32_t depth_max, struct buf *out) MUST_USE;
bool name_is_inbox(struct str name);
/* Names in order, levels by level: what is below a name follows it directly. */
int name_cmp(struct str a, struct str b);
bool name_is_below(struct str name, struct str parent);
/* The level above, or the empty view. */
struct str name_parent(struct str name);

#endif
