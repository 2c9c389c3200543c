/* mail/match.h - what IMAP SEARCH asks of a letter's content (RFC 9051 6.4.4: HEADER, BODY, TEXT and what is made of them).
 *
 * Matching is for substrings, after MIME decoding, conversion to UTF-8 and folding (mail/fold.h). A value of a header
 * field is matched with its encoded words decoded and every run of white space one space.
 */
#ifndef SALLYPORT_MAIL_MATCH_H
#define SALLYPORT_MAIL_MATCH_H

#include "mail/fold.h"
#include "mail/index.h"

struct mail_match_term {
	enum {
		MAIL_MATCH_HEADER, /* in a value of the letter's fields named field; an empty needle: such a field exists */
		MAIL_MATCH_BODY, /* in the text parts, those of nested messages too */
		MAIL_MATCH_TEXT, /* the same, and in the header of every part, names included */
	} kind;
	struct str field;  /* for HEADER: its name, ASCII case folded */
	struct str needle; /* UTF-8, as the client sent it */
};

struct mail_match_limits {
	struct mail_index_limits walk; /* parts_max, depth_max, header_max */
	uint32_t part_max;	       /* bytes of one text part that are looked at, decoded; default 4 MiB */
};

extern const struct mail_match_limits mail_match_limits_default;

/* results[i] says whether term i holds; returns whether all do. One pass over the letter for all terms. */
bool mail_match(struct str letter, const struct mail_match_term *terms, size_t n, bool *results,
	const struct mail_match_limits *limits);

#endif
