/* store/message.h - changes of messages, staged: the view and counters at once, rows into the account's forming batch.
 *
 * None of these suspends; the caller has settled the mailbox (mailbox_settle) and stages and waits itself.
 */
#ifndef SALLYPORT_STORE_MESSAGE_H
#define SALLYPORT_STORE_MESSAGE_H

#include "store/account.h"

struct new_message {
	struct message_row row; /* modseq is given here; email too when it is 0 */
	struct str prefix, index;
};
/* Returns the uid, 0 when there are no more. References the body. */
uint32_t message_add(struct account *a, struct mailbox *m, const struct new_message *n);
/* Rows at ascending indexes of the loaded view, none of them dead, are expunged. What was deleted can be undeleted; what was moved is elsewhere. */
enum expunge_why { EXPUNGE_DELETED, EXPUNGE_MOVED };
void messages_expunge(struct account *a, struct mailbox *m, const uint32_t *at, uint32_t n, enum expunge_why why);
/* Flags and keywords become these. */
void message_set(struct account *a, struct mailbox *m, uint32_t at, uint32_t flags, uint64_t keywords);
/* A mailbox goes with all its messages, whose view is loaded. Its sessions' next requests are refused. */
void mailbox_delete(struct account *a, struct mailbox *m);

/* Header bytes of a letter, from its index, or by looking when it has none. */
uint32_t letter_header_size(struct str index, struct str letter, struct arena *a);

#endif
