/* imap/list_parse.h - the arguments of LIST and of STATUS (RFC 3501 6.3.8, RFC 5258, RFC 5819, RFC 6154 5): pure. */
#ifndef SALLYPORT_IMAP_LIST_PARSE_H
#define SALLYPORT_IMAP_LIST_PARSE_H

#include "base/arena.h"
#include "base/cur.h"
#include "base/outcome.h"

enum imap_list_select { /* selection options */
	IMAP_LIST_SUBSCRIBED = 1,
	IMAP_LIST_SPECIAL_USE = 2,
	IMAP_LIST_REMOTE = 4,
	IMAP_LIST_RECURSIVEMATCH = 8,
	IMAP_LIST_CRITERIA = IMAP_LIST_SUBSCRIBED | IMAP_LIST_SPECIAL_USE,
};

enum imap_list_return {
	IMAP_RETURN_SUBSCRIBED = 1,
	IMAP_RETURN_CHILDREN = 2,
	IMAP_RETURN_SPECIAL_USE = 4,
	IMAP_RETURN_STATUS = 8,
};

#define IMAP_STATUS_ITEMS(X)                                                                                           \
	X(MESSAGES)                                                                                                    \
	X(RECENT)                                                                                                      \
	X(UIDNEXT)                                                                                                     \
	X(UIDVALIDITY)                                                                                                 \
	X(UNSEEN)                                                                                                      \
	X(DELETED)                                                                                                     \
	X(SIZE)                                                                                                        \
	X(HIGHESTMODSEQ)                                                                                               \
	X(APPENDLIMIT)                                                                                                 \
	X(DELETED_STORAGE)
enum imap_status_item {
#define X(name) IMAP_STATUS_##name,
	IMAP_STATUS_ITEMS(X)
#undef X
	IMAP_STATUS_COUNT
};
extern const char *const imap_status_names[IMAP_STATUS_COUNT];

struct imap_list {
	bool extended; /* the command has more than RFC 3501 knows */
	unsigned select, returns;
	unsigned status; /* bits 1 << enum imap_status_item */
	struct str reference;
	struct str *patterns; /* as on the wire */
	size_t n_patterns;
};

/* "(" status-att *(SP status-att) ")": bits. Fails the cursor. */
unsigned imap_status_items(struct cur *c);
/* To the end. BAD_SYNTAX, also for options that do not go together; OVER_LIMIT: more patterns than that. */
enum outcome imap_list_parse(struct cur *c, struct arena *a, size_t patterns_max, struct imap_list *out) MUST_USE;

#endif
