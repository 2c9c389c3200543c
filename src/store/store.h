/* store/store.h - the store as its role wires it: open, serve, close.
 *
 * The role opens an engine (engine_rocks_load, engine_mem_open), opens the store on it within a task of its scheduler, and gives
 * store_service() to every peer_open. All of it belongs to that scheduler's thread.
 */
#ifndef SALLYPORT_STORE_STORE_H
#define SALLYPORT_STORE_STORE_H

#include "ipc/counters.h"
#include "ipc/peer.h"
#include "store/engine.h"

/* From the configuration's settings of the same names. */
struct store_limits {
	uint64_t message_size_max;
	uint32_t mailbox_name_size_max; /* UTF-8 bytes */
	uint32_t mailbox_depth_max;
	uint32_t mailboxes_max;
	uint32_t keywords_max; /* at most 64 */
	uint32_t saved_ranges_max; /* of a search result that is kept */
	uint64_t quota_bytes;  /* of accounts without their own; 0: none */
	uint64_t quota_messages;
	uint8_t quota_warnings[8]; /* per cent, ascending; 0 ends them */
	uint32_t codes_max; /* authorization codes of an account, at most CODES_MAX; 0: that many */
	int64_t sent_window_ms; /* between the copies of a letter that was sent */
	uint32_t pop_messages_max; /* of a POP maildrop; 0: any */
	int64_t pop_login_delay_ms; /* 0: none */
	uint64_t disk_reserve; /* bytes that stay free */
	int64_t keep_expunged_ms;
	int64_t keep_audit_ms; /* 0: for ever */
	int64_t keep_history_ms; /* of letters that left; 0: none is kept */
	uint32_t suppress_after; /* failures of an address that end the sending to it; 0: never */
	int64_t suppress_ms;
	bool forwarding; /* aliases may lead to addresses elsewhere */
	int64_t command_ms; /* timeouts.command */
	struct str hostname;       /* postmaster there is the first domain's (RFC 5321 4.5.1); kept */
	uint64_t cache_size; /* bytes of accounts and views in memory; 0: 256 MiB */
};

struct store_opts {
	struct sched *sched;
	struct log *log;
	struct engine *engine; /* closed by store_close */
	struct store_limits limits;
	struct link *const *scan; /* for search in content; kept */
	size_t n_scan;
	uint64_t body_budget; /* bytes of letters that may be on their way to scan */
	bool keep_garbage;    /* the caller collects with store_collect (tests) */
};

struct store;

/* In a task. Finishes what a crash left half done. NULL: *why says the reason (a row that everything rests on is damaged). */
SUSPENDS struct store *store_open(const struct store_opts *o, struct buf *why);
/* In a task, when no handler is running any more: waits for commits under way, writes what was left for later, closes the engine. */
SUSPENDS void store_close(struct store *s);
const struct ipc_service *store_service(struct store *s);
void store_count(struct store *s, struct counters *out);
void store_set_limits(struct store *s, struct store_limits limits); /* from now on */

/* One round of the garbage collector: bodies without references whose candidate is older than keep_expunged. Returns how many went. */
SUSPENDS size_t store_collect(struct store *s);

#endif
