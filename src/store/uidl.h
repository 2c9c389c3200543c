/* store/uidl.h - unique ids of messages for POP3 (RFC 1939 7), which stay with a message wherever it is moved.
 *
 * A message's own id is "anchor.email", both hexadecimal: the account's anchor is a random number made once (row l), the email
 * id is never given twice and goes with copies. A row L gives another, as a server that the letter came from had.
 */
#ifndef SALLYPORT_STORE_UIDL_H
#define SALLYPORT_STORE_UIDL_H

#include "store/account.h"

/* Sees to it that the account has an anchor; stages one. */
void uidl_anchor(struct account *a);
/* Appends the email's id as far as it is durable: the one given, or its own (given false: always). The account has an anchor. */
void uidl_add(struct account *a, uint64_t email, bool given, struct buf *out);

/* The ids that were given, in order of emails, read in steps. */
struct uidl_given {
	uint64_t email, hash;
};
struct uidl_list {
	struct VEC(struct uidl_given) v;
	uint64_t next; /* where the next step begins */
};
bool uidl_list_step(struct account *a, struct uidl_list *l); /* false: that was the last */
const struct uidl_given *uidl_list_find(const struct uidl_list *l, uint64_t email);

#endif
