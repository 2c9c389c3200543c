/* store/sent.h - one copy of what a user sent, though two come: the server's at submission, and the one that the client appends.
 *
 * A letter is known by its Message-ID and by its body; what a server adds to the header is not looked at. Whichever comes second within the
 * time sent_window, to the mailbox of special use Sent, is answered with the first's uid, and its flags are added to the first's. A client that
 * appends a letter twice without having submitted it gets two.
 *
 * Some clients take Bcc out before they submit, and leave it in what they append: the only place that tells whom else it went to. Such a copy
 * takes the place of one without Bcc, with a uid of its own, for what a uid stands for never changes.
 */
#ifndef SALLYPORT_STORE_SENT_H
#define SALLYPORT_STORE_SENT_H

#include "store/account.h"

enum sent_by { SENT_BY_SUBMISSION = 1, SENT_BY_CLIENT = 2 };

struct sent {
	struct sent_key key;
	uint8_t by; /* enum sent_by */
	bool bcc;   /* it tells of hidden recipients */
};

/* Fills key and bcc. False: it has no Message-ID, or cannot be looked at. Such a letter is never the same as another. */
SUSPENDS bool sent_look(struct account *a, struct str index, const struct body *body, struct sent *out);
/* The message of this mailbox that the letter would be the second copy of. False: none. *maybe: its view must be loaded to tell. */
bool sent_find(struct account *a, struct mailbox *m, const struct sent *s, struct sent_row *first, bool *maybe);
/* Remembers the letter, with the forming batch; the caller stages it. */
void sent_put(struct account *a, struct mailbox *m, const struct sent *s, uint32_t uid);
bool sent_is_staged(const struct account *a, struct str key); /* a row y of it, behind the time */
void sent_forget_durable(struct account *a); /* of what is staged */

#endif
