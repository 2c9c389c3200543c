/* store/audit.h - the audit log: a partition of its own, records in the order of their numbers, each chained to the one before.
 *
 * Rows:  e seq    audit_row and its hash        i account seq   no value: what an account may see of itself
 *        n        the last number and hash      o               number and hash of the last record that was pruned
 */
#ifndef SALLYPORT_STORE_AUDIT_H
#define SALLYPORT_STORE_AUDIT_H

#include "audit/chain.h"
#include "store/shard.h"

#define PARTITION_AUDIT ((uint64_t)3 << 56)
#define AUDIT_REFUSED_A_SECOND 100 /* refused logins with a record of their own: guessers must not fill the disk */

/* What happened; number, time and hash are given here. text at most 600 bytes, who 320; longer ones are cut. */
struct audit_event {
	uint8_t kind;
	uint64_t account;
	struct str who, service, ip, text;
};

bool audit_open(struct shard *s) MUST_USE; /* false: its head does not decode */
void audit_fini(struct shard *s);
bool audit_busy(const struct shard *s);
/* The record goes with the next commit. Nobody waits for it. */
void audit_note(struct shard *s, const struct audit_event *e);
/* The same; OK once it is durable. TRY_LATER: it is not written, and what it tells of must not be done. */
SUSPENDS enum outcome audit_write(struct shard *s, const struct audit_event *e) MUST_USE;
/* Removes records older than before_us, a bounded number at a time; call it again while it returns true. The last one stays. */
bool audit_prune(struct shard *s, int64_t before_us);
/* The last record's number and hash, for the log. */
uint64_t audit_head(const struct shard *s, unsigned char hash[AUDIT_HASH_SIZE]);

/* Records after a number, those of one account (0: all), into r; views are in the arena. */
struct ipc_audit_list;
struct ipc_audit_list_reply;
void audit_list(struct shard *s, const struct ipc_audit_list *q, struct arena *a, struct ipc_audit_list_reply *r);

#endif
