/* pop/lang.h - the languages that POP3 answers in (RFC 6856 3). Pure. */
#ifndef SALLYPORT_POP_LANG_H
#define SALLYPORT_POP_LANG_H

#include "base/str.h"

struct pop_language {
	struct str tag;	   /* RFC 5646 */
	const char *about; /* in the language itself */
	unsigned column;   /* of the table of texts */
};

extern const struct pop_language pop_languages[]; /* tag empty: the end. The first is the one before LANG */

/* What a basic language range (RFC 4647 2.1) names: the tag itself, one that begins with it, or one that it begins with; "*" names the
 * first. NULL: none. */
const struct pop_language *pop_language_find(struct str range);
/* An English text, or format, in the language; as it is where there is no translation. */
const char *pop_translate(const struct pop_language *l, const char *english);

#endif
