/* auth/login_impl.h - what the files of the login service share, inside auth/ only. */
#ifndef SALLYPORT_AUTH_LOGIN_IMPL_H
#define SALLYPORT_AUTH_LOGIN_IMPL_H

#include "auth/guard.h"
#include "auth/hasher.h"
#include "auth/login.h"
#include "auth/scram.h"
#include "base/map.h"
#include "base/vec.h"
#include "ipc_gen.h"

#define LOGIN_KEY_SIZE 32

struct login {
	struct login_opts o;
	struct ipc_service service;
	struct hasher hasher;
	struct guard guard;
	unsigned char key[LOGIN_KEY_SIZE]; /* of digests, for this life */
	struct map verified;		   /* digest -> expiry in ms, as an allocated int64_t */
	unsigned char installation[LOGIN_KEY_SIZE]; /* of salts, for ever; store keeps it */
	bool has_installation;
	struct map exchanges; /* struct exchange by id */
	struct node by_age;   /* of them, the oldest first */
	uint64_t last_exchange;
	struct VEC(struct peer *) edges; /* that are told of bans */
	uint32_t scram_iterations; /* of passwords; 0: none are made */
	uint64_t n_ok, n_denied, n_remembered, n_banned;
};

/* Who logs in, as every mechanism knows it. */
struct login_try {
	struct peer *edge;
	uint8_t service;
	struct str ip;
};
struct login_grant {
	uint64_t handle, account;
	struct str address;
};
/* Lets in: OK; BAD_STATE: the account has changed since that version; DENIED; TRY_LATER. */
SUSPENDS enum outcome login_grant(struct login *l, const struct login_try *t, const struct ipc_credential_reply *c, uint32_t code, struct arena *a,
	struct login_grant *out) MUST_USE;
/* The credential of a login. DENIED: there is none; TRY_LATER. */
SUSPENDS enum outcome login_credential(struct login *l, struct str user, struct arena *a, struct ipc_credential_reply *c) MUST_USE;
/* The code may be used by this service, from there, now. */
bool login_code_usable(const struct ipc_code *k, const struct login_try *t);
/* Counts it, and has it recorded in the audit log. */
void login_ended(struct login *l, const struct login_try *t, struct str user, uint64_t account, enum outcome o);

/* The salt that verifiers of this login have, or would have if there were any. TRY_LATER: store does not answer. */
SUSPENDS enum outcome login_salt(struct login *l, struct str login, struct scram_salt *out) MUST_USE;
/* The salt of an account's codes and password, so that all of them can be tried in one exchange. with_password: the password's own counts, too. */
SUSPENDS enum outcome login_account_salt(struct login *l, struct str login, const struct ipc_credential_reply *c, enum scram_hash h, bool with_password,
	struct scram_salt *out) MUST_USE;
/* Verifiers of all hashes of a secret, as text; nothing when it cannot be prepared. */
SUSPENDS enum outcome login_scram(struct login *l, struct str login, const struct ipc_credential_reply *c, bool is_code, struct str secret,
	struct buf *out) MUST_USE;

/* The main password was right: what is kept of it is made anew where that is old. */
SUSPENDS void login_renew(struct login *l, struct str user, struct str secret, const struct ipc_credential_reply *c);

/* Handlers, in exchange.c and secret.c. */
SUSPENDS void login_on_sasl(void *ctx, struct ipc_call *call, const void *msg);
SUSPENDS void login_on_sasl_step(void *ctx, struct ipc_call *call, const void *msg);
void login_on_sasl_end(void *ctx, struct ipc_call *call, const void *msg);
SUSPENDS void login_on_hash_secret(void *ctx, struct ipc_call *call, const void *msg);
void exchanges_init(struct login *l);
void exchanges_fini(struct login *l);
void exchanges_of_gone(struct login *l, struct peer *edge);

#endif
