/* store/directory.h - domains, accounts by address, aliases: who is deliverable here.
 *
 * Addresses are compared in one form (mail/idn.h): ASCII case folded, the local part too, domains as A-labels. Looking things up
 * reads committed rows only; changes are made one after another. An account's making and deleting span partitions: a w row says which is under way, and
 * directory_sweep finishes or undoes it after a crash.
 */
#ifndef SALLYPORT_STORE_DIRECTORY_H
#define SALLYPORT_STORE_DIRECTORY_H

#include "ipc_gen.h"
#include "store/partition.h"
#include "store/rows.h"

struct shard;

struct directory {
	struct partition part;
	struct shard *shard;
	bool locked;
	struct gate unlocked;
	struct VEC(uint64_t) restoring; /* accounts that a command is filling: what is unfinished of them is no crash's */
};

void directory_open(struct directory *d, struct shard *s);
SUSPENDS void directory_sweep(struct directory *d);
void directory_fini(struct directory *d);

struct target {
	uint64_t account; /* 0: an address elsewhere, that an alias leads to */
	struct str local, domain; /* as it was reached: folded, with its detail; elsewhere as the alias has it. In the arena */
};
struct targets {
	struct target v[IPC_RESOLVE_TARGETS_MAX];
	size_t n;
	bool cut; /* there were more */
};
/* The accounts behind an address, and where queue.forwarding is on the addresses elsewhere. OK; NO_SUCH user; DENIED: the domain is not ours. */
enum outcome directory_resolve(
	struct directory *d, const struct ipc_addr *address, struct arena *a, struct targets *out) MUST_USE;
bool directory_leads_to(struct directory *d, const struct ipc_addr *address, uint64_t account);
/* Live accounts only. */
enum outcome directory_account(struct directory *d, struct str address, uint64_t *account) MUST_USE;

SUSPENDS enum outcome directory_domain_add(struct directory *d, struct str name) MUST_USE;
SUSPENDS enum outcome directory_domain_delete(struct directory *d, struct str name) MUST_USE;
SUSPENDS enum outcome directory_account_add(
	struct directory *d, const struct ipc_account_add *q, uint64_t *account) MUST_USE;
/* now: nothing is kept of it. Else its rows stay until store.keep_expunged is over, for directory_account_undelete. */
SUSPENDS enum outcome directory_account_delete(struct directory *d, const struct ipc_addr *address, bool now) MUST_USE;
/* The account of that address that was deleted last. EXISTS: the address is taken; NO_SUCH: none is kept, or its domain is not ours. */
SUSPENDS enum outcome directory_account_undelete(struct directory *d, const struct ipc_addr *address) MUST_USE;
SUSPENDS enum outcome directory_alias_add(struct directory *d, const struct ipc_alias_add *q) MUST_USE;
SUSPENDS enum outcome directory_alias_delete(struct directory *d, const struct ipc_addr *address) MUST_USE;
/* The numbers of the last two runs of backup into a directory of that number. */
struct backup_mark {
	char newest[16], before[16];
};
SUSPENDS enum outcome directory_put_mark(
	struct directory *d, struct str dir, const struct backup_mark *mark) MUST_USE;

/* Restoring. An account is in the making until its end; when the command that fills it is gone, _forget lets directory_sweep undo it. */
bool directory_is_empty(struct directory *d); /* no domain, account, alias */
/* *account: the number wanted, 0 any; then the one it has. */
SUSPENDS enum outcome directory_restore_begin(
	struct directory *d, const struct ipc_addr *address, uint64_t *account) MUST_USE;
SUSPENDS enum outcome directory_restore_end(
	struct directory *d, const struct ipc_addr *address, uint64_t account) MUST_USE;
void directory_restore_forget(struct directory *d, uint64_t account);
/* A domain or an alias; rows of other kinds are passed over. */
SUSPENDS enum outcome directory_restore_row(struct directory *d, struct str key, struct str value) MUST_USE;
void directory_list(
	struct directory *d, const struct ipc_directory_list *q, struct arena *a, struct ipc_directory_list_reply *r);

/* Changes are made one after another. False: cancelled. unlock returns o. */
SUSPENDS bool directory_lock(struct directory *d) MUST_USE;
enum outcome directory_unlock(struct directory *d, enum outcome o) MUST_USE;

/* Keys, for what walks the directory: tag, domain, 0, local. */
void directory_key(struct buf *out, char tag, struct str domain, struct str local);
bool directory_get(struct directory *d, char tag, struct str domain, struct str local, struct buf *v);

#endif
