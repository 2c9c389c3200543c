/* store/handle.h - what an edge may present instead of a login: numbers bound to one edge's one connection, and their selections.
 * A command's channel holds such numbers too (open_account); they end with it.
 *
 * shard 8 bits | life 16 | generation 20 | index 20. A handle of another life, or one whose slot has moved on, is REVOKED; one
 * that was never given, or to another edge, is DENIED and costs the peer its channel.
 */
#ifndef SALLYPORT_STORE_HANDLE_H
#define SALLYPORT_STORE_HANDLE_H

#include "base/list.h"
#include "base/outcome.h"
#include "base/vec.h"
#include "ipc/peer.h"
#include "ipc_gen.h"

struct account;
struct mailbox;
struct maildrop;
struct shard;

#define HANDLES_MAX (1u << 20)
#define SELECTIONS_MAX 16 /* a handle */

struct uid_range {
	uint32_t lo, hi;
};
struct modseq_range {
	uint64_t lo, hi;
};

struct saved_uids VEC(struct ipc_range); /* ascending; a range ends at messages that there were */

struct selection {
	uint32_t number;
	struct handle *handle;
	struct mailbox *mailbox; /* pinned */
	struct node in_handle, in_account;
	bool readonly;
	bool armed;	     /* no changed was cast since the last sync */
	uint64_t seen_flags; /* rows of higher modseq are news */
	uint64_t seen_dead;  /* tombstones of higher modseq are news */
	uint32_t known;	     /* uids below it were told */
	uint32_t keywords_told;
	uint64_t pass_upto; /* of a pass over the rows that tells of flags: modseqs up to it are told at its end; 0: no pass */
	uint32_t pass_uid, pass_end; /* where it goes on, and ends */
	struct saved_uids saved, saving; /* what the last search with `save` found; what the one that runs has found */
	uint32_t saved_seq;		 /* number of the last message in saving */
	struct VEC(struct uid_range) recent;	/* ascending */
	struct VEC(struct modseq_range) silent; /* above seen_flags: changes that it made and wants no word of */
};

/* Whose a handle is: one process of a role, or one command. */
struct holder {
	enum role role; /* ROLE_EDGE_USER or ROLE_CTL */
	uint16_t index;
	uint32_t life;
};

struct handle {
	uint64_t number;
	uint32_t generation;
	struct holder holder;
	struct account *account; /* NULL: the slot is free */
	uint32_t code;		 /* that opened it; 0: the main password or a certificate */
	int64_t expires_s;	 /* as the code does; 0: never */
	uint8_t service;	 /* enum service */
	struct peer *peer;	 /* an edge's, to be told of news: once it has called; NULL before, and when it is gone */
	struct node selections;
	uint32_t last_selection;
	struct maildrop *drop; /* a POP session's; NULL: none is open */
	struct held *held; /* messages that are to go in together (store/append.h); or NULL */
};

struct edge_seen {
	uint32_t gone_life; /* the newest life whose channel is gone */
	struct peer *peer;  /* of the life that said it is there; NULL: none */
};

struct handles {
	uint16_t life;
	struct VEC(struct handle *) slots;
	struct VEC(uint32_t) free;
	struct VEC(struct edge_seen) edges; /* by index */
	size_t n;
};

void handles_init(struct handles *h, uint16_t life);
void handles_fini(struct handles *h);
static inline struct holder holder_edge(uint16_t edge, uint32_t life)
{
	return (struct holder){ ROLE_EDGE_USER, edge, life };
}
struct holder holder_of(const struct peer *p);
/* What opened it. */
struct handle_facts {
	uint32_t code;
	int64_t expires_s;
	uint8_t service;
};
/* Gives a handle on the account; TRY_LATER: there are too many, DENIED: that edge is gone already. f: NULL for commands. */
enum outcome handle_grant(struct shard *s, struct holder who, const struct handle_facts *f, struct account *a,
	uint64_t *number) MUST_USE;
enum outcome handle_find(struct shard *s, uint64_t number, struct holder who, struct handle **out) MUST_USE;
void handle_release(struct shard *s, struct handle *h);
void handle_revoke(struct shard *s, struct handle *h); /* tells the edge, too */
void handles_revoke_account(struct shard *s, struct account *a);
/* Those of the account that edges hold and the function picks. */
void handles_revoke_some(struct shard *s, struct account *a, bool (*picks)(const struct handle *h, uint32_t arg), uint32_t arg);
/* The edge is there, to be told of its handles that end. */
void handles_edge_present(struct shard *s, struct peer *p);
/* All handles of an edge of that life or one before, or of that command, end. */
void handles_holder_gone(struct shard *s, struct holder who);

struct selection *selection_new(struct handle *h, struct mailbox *m);
struct selection *selection_find(struct handle *h, uint32_t number);
void selection_free(struct selection *x);
bool selection_has_news(const struct selection *x, uint64_t modseq); /* of flags, in a row of that modseq */

#endif
