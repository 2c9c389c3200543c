/* store/account.h - an account as its shard holds it: counters, mailboxes, views, and what is staged. */
#ifndef SALLYPORT_STORE_ACCOUNT_H
#define SALLYPORT_STORE_ACCOUNT_H

#include "store/partition.h"
#include "store/shard.h"
#include "store/view.h"

struct mailbox {
	uint32_t id;
	struct account *account;
	struct str name; /* heap */
	uint32_t uidvalidity, uidnext, special, watermark;
	uint32_t messages, unseen, deleted, recent;
	uint64_t size, modseq;
	uint32_t n_keywords;
	struct str keywords[KEYWORDS_MAX]; /* heap */
	struct view *view;		   /* NULL: not loaded */
	bool loading;
	struct gate loaded;
	unsigned pins; /* selections and tasks that hold it across a suspension */
	unsigned n_selections;
	bool dirty; /* its row goes with the next batch */
	bool gone;  /* deleted; freed with the last pin */
};

/* A delivery that is staged and not durable yet. */
struct delivering {
	char id[32];
	uint8_t n;
	uint32_t uid;
	uint64_t serial;
};

/* What tells a letter that was sent from others (store/sent.h), and one that is staged and not durable yet. */
struct sent_key {
	uint64_t id, body; /* hashes */
};
struct sent_staged {
	struct sent_key key;
	struct sent_row row;
	uint64_t serial;
};

struct account {
	struct partition part; /* first */
	struct shard *shard;
	uint64_t id;
	struct str address; /* heap */
	struct head_row head;
	uint64_t quota_bytes, quota_messages;	/* 0: none */
	uint8_t quota_warned;			/* per cent that its owner was told of */
	struct VEC(struct mailbox *) mailboxes; /* by name, parents before children */
	struct VEC(struct str) subscriptions;	/* sorted; heap */
	struct VEC(struct mailbox *) changed;	/* touched by the forming batch: pinned */
	struct VEC(struct mailbox *) under_way; /* by the one that went: pinned */
	struct VEC(struct delivering) delivering;
	struct VEC(struct sent_staged) sent; /* store/sent.h */
	struct node selections, maildrops;
	uint64_t uidl_anchor; /* store/uidl.h; 0: none yet */
	bool has_uidls;	      /* some message has an id that was given to it */
	int64_t oldest_sent_s, oldest_mark_s, oldest_expunged_s; /* INT64_MAX: none */
	struct node lru;
	unsigned pins, n_handles;
	size_t memory;	/* as counted in shard->memory */
	bool unwritten; /* something waits for the next batch that none has asked for */
	bool closed;	/* deleted */
};

/* The account, loaded when it was not. NO_SUCH; TRY_LATER (its last commit is being repaired); FAILED: a damaged row. Pins it: whoever
 * gets it puts it back. */
enum outcome account_get(struct shard *s, uint64_t id, struct account **out) MUST_USE;
void account_put(struct account *a);
void account_pin(struct account *a);
void account_touch(struct account *a); /* counts its memory again, and makes room when there is too much */
void accounts_free(struct shard *s);   /* all; nothing is pinned */
/* Drops it from the table; later requests read rows again. Its handles are revoked. */
void account_drop(struct account *a);
/* Rows of a new account, into a batch of its partition. */
struct new_account {
	struct str address, hash, scram;
	uint64_t quota_bytes, quota_messages;
	int64_t now_s;
};
void account_rows(const struct new_account *n, struct engine_batch *b);

static inline struct engine_batch *account_batch(struct account *a)
{
	return partition_batch(&a->part);
}
/* The mailbox's row goes with the next batch, and its sessions hear of it. */
void account_change(struct account *a, struct mailbox *m);
static inline uint64_t account_stage(struct account *a)
{
	a->unwritten = false;
	return partition_stage(&a->part);
}
static inline SUSPENDS bool account_wait(struct account *a, uint64_t serial)
{
	return partition_wait(&a->part, serial);
}
/* A row that may wait for the next batch: losing it in a crash is harmless. */
void account_change_lazily(struct account *a, struct mailbox *m);
bool account_over_quota(const struct account *a, uint64_t bytes, uint64_t messages); /* that many more would pass it */

/* The first mailbox of a special use; else the one of its usual name; else a new one. OVER_LIMIT: the account has too many. */
struct mailbox *mailbox_of_use(const struct account *a, uint32_t special); /* without making one: NULL */
enum outcome mailbox_special(struct account *a, uint32_t special, struct mailbox **out) MUST_USE;
struct mailbox *mailbox_new(struct account *a, struct str name);
/* A new one in the account, its row staged with the next batch. The name is clean and not taken, and the limits allow it. */
struct mailbox *mailbox_make(struct account *a, struct str name, uint32_t special);
void mailbox_to_row(const struct mailbox *m, struct mailbox_row *r); /* views into m */
struct mailbox *mailbox_find(const struct account *a, struct str name);
size_t mailbox_place(const struct account *a, struct str name); /* where it is, or would be */
void mailbox_insert(struct account *a, struct mailbox *m);
void mailbox_remove(struct account *a, struct mailbox *m); /* from the table; freed with its last pin */
void mailbox_pin(struct mailbox *m);
void mailbox_unpin(struct mailbox *m);
/* Waits until no load of its view is under way; then its rows may be changed. False: the account died. */
SUSPENDS bool mailbox_settle(struct mailbox *m) MUST_USE;
/* The view, loaded when it was not; NULL: the account died or the mailbox was deleted meanwhile. Pins for itself. */
SUSPENDS struct view *mailbox_view(struct mailbox *m);
/* Bits of the named keywords; with make, unknown ones are added while the limit allows. OVER_LIMIT, else OK. Without make unknown ones are left out. */
enum outcome mailbox_keywords(struct mailbox *m, const struct str *names, size_t n, bool make, uint64_t *bits) MUST_USE;
/* Tombstones that every selection has reported are forgotten. */
void mailbox_purge(struct mailbox *m);

#endif
