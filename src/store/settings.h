/* store/settings.h - an account's credential, switches, authorization codes and pinned certificates.
 *
 * Reading takes committed rows. Every change goes under the directory's lock, raises the credential's version in the same commit, and
 * ends the handles that would not be granted any more.
 */
#ifndef SALLYPORT_STORE_SETTINGS_H
#define SALLYPORT_STORE_SETTINGS_H

#include "store/account.h"
#include "store/directory.h"
#include "store/rows.h"

/* Views in the arena. An account without the row has the defaults. False: the row is damaged. */
bool settings_get(struct account *a, struct arena *ar, struct settings_row *out) MUST_USE;
/* False: there is no such code. */
bool code_get(struct account *a, uint32_t id, struct arena *ar, struct code_row *out) MUST_USE;
/* The rules for what a POP session sees: of the code when it has its own, else of the account. code 0: none. */
void pop_rules_of(struct account *a, uint32_t code, struct arena *ar, struct pop_rules *out);

/* The same of an account that need not be loaded. */
enum outcome credential_read(struct engine_port *p, uint64_t account, struct arena *ar, struct credential_row *out) MUST_USE;
enum outcome settings_read(struct engine_port *p, uint64_t account, struct arena *ar, struct settings_row *out) MUST_USE;
/* Every code, in the order of ids, with its last use (last_s 0: never used). */
struct code_entry {
	uint32_t id;
	struct code_row row;
	struct code_use_row use;
};
struct code_entries {
	struct VEC(struct code_entry *) v; /* in the arena; vec_free is the caller's */
	bool damaged;
};
void codes_read(struct engine_port *p, uint64_t account, struct arena *ar, struct code_entries *out);
/* "10.0.0.0/8,192.0.2.1/32" in the arena. */
struct str networks_text(const struct code_row *r, struct arena *ar);

SUSPENDS enum outcome account_set_password(struct directory *d, const struct ipc_account_password *q) MUST_USE;
/* BAD_STATE: it is of another version now. The version stays: the password does. */
SUSPENDS enum outcome account_rehash(struct directory *d, const struct ipc_rehash *q) MUST_USE;
SUSPENDS enum outcome account_set(struct directory *d, const struct ipc_account_set *q) MUST_USE;
SUSPENDS enum outcome code_add(struct directory *d, const struct ipc_code_add *q, uint32_t *id) MUST_USE;
SUSPENDS enum outcome code_delete(struct directory *d, const struct ipc_code_delete *q) MUST_USE;
SUSPENDS enum outcome pin_add(struct directory *d, const struct ipc_pin_add *q) MUST_USE;
SUSPENDS enum outcome pin_delete(struct directory *d, const struct ipc_pin_delete *q) MUST_USE;
/* The account that has pinned it. NO_SUCH: nobody's, or several accounts'. */
enum outcome pin_owner(struct directory *d, struct str fingerprint, uint64_t *account) MUST_USE;
bool pin_exists(struct engine_port *p, uint64_t account, struct str fingerprint);
/* The installation's own secret, made when it is asked for first. */
SUSPENDS enum outcome installation_secret(struct directory *d, struct arena *ar, struct str *out) MUST_USE;
/* Notes that the code was used, at most once a minute; written with the account's next commit. */
void code_used(struct account *a, uint32_t id, struct str ip, uint8_t service);

#endif
