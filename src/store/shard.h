/* store/shard.h - all state of one shard: its accounts, handles, lane. Everything here belongs to one scheduler's thread. */
#ifndef SALLYPORT_STORE_SHARD_H
#define SALLYPORT_STORE_SHARD_H

#include "base/map.h"
#include "store/rows.h"
#include "store/handle.h"
#include "store/partition.h"
#include "store/store.h"

/* What a failed commit may have left behind in an owner's name, to be put in order before the owner's state is read again. */
struct repair {
	struct node node;
	uint64_t owner;
	bool under_way;
	struct VEC(struct key) refs; /* R keys */
	struct VEC(uint64_t) blobs;
	struct shard *shard;
};

struct lane {
	struct partition part;
	uint64_t next;		   /* id */
	struct VEC(uint64_t) busy; /* ids that are being delivered */
	bool open;
	int64_t hurried_ms;	   /* when somebody last committed whom a client waits for */
	uint32_t life;		 /* counts its failed commits */
	struct map rows;	 /* staged and not durable (store/lane.h), by key */
	struct node staged;	 /* the same, in the order of their serials */
	uint32_t post_life;	 /* of the post that reads the queue: an earlier one puts nothing in any more */
	struct key expired;	 /* finished letters up to here are gone from history (store/outgoing_history.c) */
};

struct audit {
	struct partition part;
	uint64_t last, durable; /* numbers of records */
	unsigned char hash[32]; /* of the last one */
	bool open;
	int64_t second; /* that n_refused counts in */
	unsigned n_refused;
	uint64_t n_unrecorded;
};

struct shard_stats {
	uint64_t n_delivered, n_appended, n_moved_in, n_duplicates, n_sent_copies, n_sent_joined, n_views_loaded, n_views_dropped, n_accounts_loaded,
		n_failed_commits;
};

/* When each set of POP rules was last logged in to (store/maildrop.c), by account and owner. */
struct pop_logins {
	struct map last; /* sched_now_ms + 1, as the pointer */
	int64_t pruned_ms;
};

struct shard {
	struct store *store;
	uint8_t number;
	struct sched *sched;
	struct log *log;
	struct engine_port *port;
	const struct store_limits *limits;
	struct map accounts; /* id → struct account; MAP_KEY */
	struct node lru;     /* of struct account, the longest unused first */
	size_t memory;	     /* of accounts and views, as of their last count */
	struct handles handles;
	struct lane lane;
	struct audit audit;
	struct pop_logins pop_logins;
	struct node repairs;
	struct shard_stats stats;
	struct gate closing_gate;
	bool closing;
	unsigned n_tasks; /* janitor and searches' helpers */
};

int64_t shard_now_s(struct shard *s);
uint64_t shard_blob_id(struct shard *s);
/* Letters may come in: the disk has room beyond its reserve. */
bool shard_has_room(struct shard *s);
/* A commit of the owner failed: what it named is checked, and put in order, before owner may be used again. */
void shard_repair(struct shard *s, uint64_t owner, const struct engine_batch *a, const struct engine_batch *b);
bool shard_repairing(struct shard *s, uint64_t owner);
void shard_repair_step(struct shard *s); /* starts the commits of repairs that wait */

#endif
