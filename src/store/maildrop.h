/* store/maildrop.h - what a POP session sees: the messages of some mailboxes as one numbered list, by the rules of its login.
 *
 * The rules are the account's, or those of the authorization code that the login used. They name the mailboxes (INBOX when none),
 * the first day, and what deleting means. A message is listed once, however many of the mailboxes hold it. The list is a snapshot:
 * numbers mean the same for as long as it is open. One session at a time has the maildrop of a set of rules; IMAP works meanwhile.
 *
 * Deleting by POP_DELE_KEEP leaves the message where it is and hides it from these rules' maildrop from then on (rows k): a program
 * that deletes what it has fetched does not get it twice, all others still see it.
 */
#ifndef SALLYPORT_STORE_MAILDROP_H
#define SALLYPORT_STORE_MAILDROP_H

#include "store/service.h"

struct drop_message {
	uint64_t email;
	uint32_t uid, size;
	uint8_t folder;
	bool own_uidl; /* the id that was given to it is another message's, too: its own is shown */
};

/* The same letter in another mailbox of the maildrop, or in the same one again. */
struct drop_copy {
	uint32_t at; /* index of the message that is listed */
	uint32_t uid;
	uint8_t folder;
};

struct maildrop {
	struct node in_account;
	uint32_t owner; /* of the rules: id of an authorization code; 0: the account */
	uint8_t dele;	/* enum pop_dele */
	int64_t since_s;
	bool busy; /* a request that changes it is under way */
	struct VEC(struct mailbox *) folders; /* pinned */
	struct VEC(struct drop_message) messages;
	struct VEC(struct drop_copy) copies; /* by at */
};

/* Opens the maildrop of the session's handle; one that it has open is closed first. folder: that one of the rules' mailboxes alone
 * (POP2's FOLD), or empty. IN_USE: another session has it; OVER_LIMIT: the last login was too short ago; FAILED: too many messages, or
 * a mailbox is damaged; NO_SUCH: the rules do not name that folder; BAD_STATE: the request before is still under way. */
SUSPENDS enum outcome maildrop_open(struct session *x, struct str folder, bool login) MUST_USE;
void maildrop_free(struct maildrop *d); /* NULL is allowed */

/* Deletes messages as the rules say; indexes ascend. Those that are gone already are passed over. */
SUSPENDS enum outcome maildrop_remove(struct session *x, const uint32_t *at, size_t n) MUST_USE;

#endif
