/* store/deliver.h - letters into accounts: deliveries (once each), appends. */
#ifndef SALLYPORT_STORE_DELIVER_H
#define SALLYPORT_STORE_DELIVER_H

#include "store/message.h"
#include "store/sent.h"

struct letter {
	struct str mailbox; /* empty: INBOX */
	uint32_t flags;
	const struct str *keywords;
	size_t n_keywords;
	int64_t date_s;
	struct str prefix, index;
	const struct body *body; /* a new letter; NULL: blob is there already */
	uint64_t blob;
	uint32_t size, header_n; /* of the letter without prefix, with blob */
	bool over_quota;	 /* was acknowledged already: comes in whatever the quota says */
	bool moved_in;		 /* by a command, as it was elsewhere: its id is kept for ever; it is not recent; keywords that cannot be kept are left out */
	uint32_t uid;		 /* moved_in: the wanted one, 0: any */
	struct str uidl;	 /* moved_in: or empty */
	uint32_t special;	 /* instead of mailbox: the one of this special use, made when it is missing */
	const struct sent *sent; /* a letter that was sent, which may be there already; NULL: a letter like any other */
};

struct placed {
	uint32_t uid, uidvalidity;
	uint64_t serial;   /* wait for it */
	uint32_t left_out; /* keywords */
	bool joined;	   /* it was there already */
};

/* Stages a letter; the account is pinned by the caller. delivery: an id that makes it happen once, or empty. OK; NO_SUCH mailbox; OVER_LIMIT (size,
 * keywords, uids); OVER_QUOTA; TRY_LATER. */
SUSPENDS enum outcome letter_stage(
	struct account *a, struct str delivery, const struct letter *l, struct placed *out) MUST_USE;
/* Its two steps. The mailbox of a name, empty for INBOX, settled: letters may be placed until the next suspension. OK; NO_SUCH; TRY_LATER. */
SUSPENDS enum outcome letter_mailbox(struct account *a, struct str name, struct mailbox **out) MUST_USE;
/* Into the forming batch; sets uid and uidvalidity. OK, also with a blob and keywords that are there for certain; OVER_LIMIT: keywords;
 * TRY_LATER: its body cannot be read. */
enum outcome letter_place(struct account *a, struct mailbox *m, const struct letter *l, struct placed *out) MUST_USE;

#endif
