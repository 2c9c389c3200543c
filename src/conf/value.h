/* conf/value.h - values of settings, read and written, inside conf/ only. */
#ifndef SALLYPORT_CONF_VALUE_H
#define SALLYPORT_CONF_VALUE_H

#include "conf/schema.h"

#define CONF_WORDS_MAX 34 /* a name and more values than any setting takes */

struct conf_words {
	struct str v[CONF_WORDS_MAX];
	size_t n;
};

/* Reads the words (at least one) as a value of s into the struct at base. False: why has got the reason and advice.
 * Strings are copied to the arena. */
bool conf_value_parse(const struct conf_setting *s, const struct conf_words *words, struct arena *arena, void *base,
	struct buf *why);

/* Appends the value as it would be written; nothing for an empty string. */
void conf_value_show(const struct conf_setting *s, const void *base, struct buf *out);

/* Puts the default of s into the struct at base; settings without one are left as they are. */
void conf_value_default(const struct conf_setting *s, struct arena *arena, void *base);

bool conf_hostname_ok(struct str s); /* RFC 1123 2.1 */
void conf_size_show(uint64_t bytes, struct buf *out);     /* 50M */
void conf_duration_show(uint64_t ms, struct buf *out);    /* 5m */
void conf_bound_show(const struct conf_setting *s, uint64_t v, struct buf *out); /* as a value of its type */
void conf_quote(struct str s, struct buf *out);           /* in quotes where it needs them */
void conf_clean(struct str s, struct buf *out);           /* for a message: cut, and nothing unprintable */
const char *conf_type_name(const struct conf_setting *s); /* "size", "list of addresses" ... */

#endif
