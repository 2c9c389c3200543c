/* auth/scram.h - SCRAM (RFC 5802, 7677): what is kept of a password, and the server's side of an exchange. Pure but for random nonces.
 *
 * An exchange here is not with a password but with a name: several secrets of an account (its password, its authorization codes) that
 * share salt and iterations are tried one after another against the same proof.
 */
#ifndef SALLYPORT_AUTH_SCRAM_H
#define SALLYPORT_AUTH_SCRAM_H

#include "base/buf.h"
#include "base/outcome.h"

enum scram_hash { SCRAM_SHA_1, SCRAM_SHA_256, SCRAM_HASHES };

#define SCRAM_DIGEST_MAX 32
#define SCRAM_SALT_MAX 64
#define SCRAM_SALT_SIZE 16
#define SCRAM_ITERATIONS_MIN 4096 /* RFC 5802 4 */
#define SCRAM_ITERATIONS_MAX 65536 /* Cyrus SASL's clients take no more */
#define SCRAM_MESSAGE_MAX 2048 /* of the client */
#define SCRAM_TEXT_MAX 512 /* of verifiers */

struct scram_salt {
	uint32_t iterations; /* 0: there is no verifier */
	unsigned n;
	unsigned char bytes[SCRAM_SALT_MAX];
};

struct scram_verifier {
	struct scram_salt salt;
	unsigned char stored[SCRAM_DIGEST_MAX], server[SCRAM_DIGEST_MAX];
};

size_t scram_digest_size(enum scram_hash h);
/* The password is prepared already. Its time grows with the iterations. */
void scram_make(enum scram_hash h, struct str password, const struct scram_salt *salt, struct scram_verifier *out);
/* Whether the password is the one of the verifier; as slow as scram_make. */
bool scram_matches(enum scram_hash h, struct str password, const struct scram_verifier *v);
/* Text: "SHA-256$iterations$salt$stored$server", in base64; verifiers of several hashes with a blank between. */
void scram_encode(enum scram_hash h, const struct scram_verifier *v, struct buf *out);
/* False: text has none of this hash. */
bool scram_decode(struct str text, enum scram_hash h, struct scram_verifier *out);

/* What this connection can be bound by; an empty view where it cannot. */
struct scram_bindings {
	struct str exporter, unique, end_point;
};

struct scram {
	enum scram_hash hash;
	bool plus;
	char server_nonce[40];
	struct buf user;
	struct buf nonce;	 /* client's, then ours */
	struct buf binding;	 /* gs2-header and channel binding data, as c= must say them */
	struct buf auth_message; /* grows with each message */
	unsigned char proof[SCRAM_DIGEST_MAX];
};
void scram_init(struct scram *x, enum scram_hash h, bool plus);
void scram_fini(struct scram *x);
/* client-first-message. announced_plus: the server offers -PLUS here, so a client that says it knows of none was deceived ("y"). BAD_SYNTAX: it does not
 * follow the grammar; DENIED: it does, and must not go on. x->user is whom it names. */
enum outcome scram_client_first(struct scram *x, struct str message, const struct scram_bindings *b, bool announced_plus) MUST_USE;
void scram_server_first(struct scram *x, const struct scram_salt *salt, struct buf *out);
enum outcome scram_client_final(struct scram *x, struct str message) MUST_USE;
/* True when the client's proof is by the verifier's password; then out gets the server-final-message. */
bool scram_proven(struct scram *x, const struct scram_verifier *v, struct buf *out);

#endif
