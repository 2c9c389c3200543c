/* store/deleted.h - what was expunged, kept for undelete until store.keep_expunged is over.
 *
 * An expunged message's row becomes a Z row; its parts and its reference stay as they are, so its body stays too. A deleted mailbox
 * leaves a W row with its name and keywords. Y rows find both by age. A move deletes nothing, so nothing is kept of its source.
 */
#ifndef SALLYPORT_STORE_DELETED_H
#define SALLYPORT_STORE_DELETED_H

#include "store/message.h"

/* The M row was deleted in the forming batch: its Z and Y rows are put into it. */
void deleted_keep(struct account *a, struct mailbox *m, uint32_t uid, const struct message_row *r);
void deleted_keep_mailbox(struct account *a, const struct mailbox *m);
/* Is there a Z row of that message with that body? */
bool deleted_holds(struct shard *s, uint64_t account, uint32_t mailbox, uint32_t uid, uint64_t blob);
/* One bounded step over what was deleted before a time: its rows go, and its bodies become garbage candidates. */
SUSPENDS void deleted_step(struct shard *s, int64_t before_s, bool *more);

struct deleted_filter {
	struct str mailbox; /* the name it has or had; empty: all */
	int64_t since_s;    /* deleted from then on */
	uint64_t after;	    /* mailbox << 32 | uid of the last one seen */
};
/* A message of the list, valid during the call. */
struct deleted_found {
	uint64_t at; /* mailbox << 32 | uid */
	struct str mailbox;
	const struct deleted_row *row;
	struct str index;
};
/* False: this one was not taken, and the walk ends. */
typedef bool deleted_each(void *arg, const struct deleted_found *f);
/* At most max of them. True: there may be more behind f->after, which has moved. */
bool deleted_list(struct account *a, struct deleted_filter *f, size_t max, deleted_each *each, void *arg);
/* A bounded number goes back into its mailboxes, durable at the end; *n of them, f->after moves, *more: call again. A mailbox that is gone
 * comes back as "Undeleted/NAME". OVER_LIMIT: the quota or the number of mailboxes is reached. */
SUSPENDS enum outcome deleted_restore(struct account *a, struct deleted_filter *f, uint32_t *n, bool *more) MUST_USE;

#endif
