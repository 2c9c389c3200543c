/* imap/set.h - sequence sets (RFC 3501 9 sequence-set): pure. */
#ifndef SALLYPORT_IMAP_SET_H
#define SALLYPORT_IMAP_SET_H

#include "base/arena.h"
#include "base/cur.h"
#include "base/outcome.h"
#include "ipc_gen.h"

/* Ascending, disjoint ranges with lo <= hi; behind them at most one that ends in "*", as {lo, 0}, or {0, 0} for "*" alone. */
struct imap_set {
	struct ipc_range *v;
	size_t n;
	bool saved; /* "$": what the last search saved (RFC 9051 6.4.4.1); v is empty */
};

/* Takes a set of at most ranges_max ranges as written. OVER_LIMIT when there are more (the cursor then stands within it); BAD_SYNTAX
 * also fails the cursor. */
enum outcome imap_set_parse(struct cur *c, struct arena *a, uint32_t ranges_max, struct imap_set *out) MUST_USE;

/* For sets of sequence numbers: "*" becomes the number of messages. False when a number is above it, or for "*" in an empty
 * mailbox (RFC 3501 9: the command is then bad). */
bool imap_set_resolve(struct imap_set *set, uint32_t messages) MUST_USE;

#endif
