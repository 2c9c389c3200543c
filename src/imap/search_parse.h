/* imap/search_parse.h - search programs (RFC 3501 6.4.4, RFC 4731, RFC 5032, RFC 5182, RFC 7162) as the flat keys of ipc/words.h: pure. */
#ifndef SALLYPORT_IMAP_SEARCH_PARSE_H
#define SALLYPORT_IMAP_SEARCH_PARSE_H

#include "base/arena.h"
#include "base/cur.h"
#include "base/outcome.h"
#include "ipc_gen.h"

#define IMAP_SEARCH_DEPTH_MAX 32    /* parentheses, NOT and OR within each other */
#define IMAP_SEARCH_RANGES_MAX 1000 /* of a set in a key: as ipc.def */

enum { IMAP_RETURN_MIN = 1, IMAP_RETURN_MAX = 2, IMAP_RETURN_COUNT = 4, IMAP_RETURN_ALL = 8, IMAP_RETURN_SAVE = 16 };

struct imap_search {
	struct ipc_search_key *keys; /* prefix notation; the first is the AND of all */
	size_t n;
	bool extended;	  /* RETURN was given */
	unsigned results; /* IMAP_RETURN_* bits; ALL when nothing is said */
	bool modseq;	  /* MODSEQ is among the keys */
	bool charset;	  /* there is a CHARSET */
	bool bad_charset; /* CHARSET named something else than US-ASCII and UTF-8 */
};

/* Takes the rest of the command behind "SEARCH ". keys_max: at most IPC_SEARCH_KEYS_MAX is used of it. Sequence numbers stay as
 * written, with 0 for "*". BAD_SYNTAX, OVER_LIMIT (keys, depth, ranges or a long text), OK. */
enum outcome imap_search_parse(struct cur *c, struct arena *a, uint32_t keys_max, struct imap_search *out) MUST_USE;

#endif
