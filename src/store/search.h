/* store/search.h - a search program on one message: three-valued, in three levels of cost.
 *
 * Level 0 reads columns, level 1 the decoded fields of the part index, level 2 is scan's answer about content. What a level cannot say is
 * UNKNOWN; a program whose value is known needs no further level.
 */
#ifndef SALLYPORT_STORE_SEARCH_H
#define SALLYPORT_STORE_SEARCH_H

#include "ipc_gen.h"
#include "mail/index.h"
#include "store/account.h"

enum truth { NO, YES, UNKNOWN };

struct search_node {
	const struct ipc_search_key *key;
	uint16_t end;	    /* the node behind this one's operands */
	uint64_t keyword;   /* bits */
	struct spans spans; /* of SEQ and UID */
	struct str folded;  /* text, for level 1 */
	uint8_t term;	    /* of level 2 */
};

struct search {
	struct search_node *nodes;
	size_t n, n_terms;
	bool wants_index, wants_match;
	int64_t now_s;
	struct arena *arena;
};

/* OK; BAD_SYNTAX: not one whole expression; OVER_LIMIT: more than 64 keys of content. Keys stay the caller's and are kept. */
enum outcome search_compile(
	struct search *s, const struct ipc_search_key *keys, size_t n, int64_t now_s, struct arena *a) MUST_USE;
/* What depends on the mailbox as it is: to be called again after each suspension. */
void search_bind(struct search *s, const struct seqmap *map, const struct selection *sel);
/* Fills values (n of them) by columns; returns the whole's. recent: the message is, to this session. */
enum truth search_columns(const struct search *s, const struct view *v, uint32_t at, bool recent, uint8_t *values);
/* Fills those that the index knows. */
enum truth search_index(const struct search *s, const struct mail_index *x, uint8_t *values);
enum truth search_matched(const struct search *s, uint64_t found, uint8_t *values);
/* The terms for scan, in the order of their bits. */
const struct ipc_match_term *search_terms(const struct search *s, struct arena *a);

#endif
