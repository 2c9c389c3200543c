/* net/tls.h - the server's side of TLS. The private key is not here: signatures come from a signer (role keys).
 *
 * OpenSSL runs on the scheduler's stack (sched_call), so a session's own stack stays small.
 */
#ifndef SALLYPORT_NET_TLS_H
#define SALLYPORT_NET_TLS_H

#include "base/buf.h"
#include "base/outcome.h"
#include "co/stream.h"
#include "conf/conf.h"

#define TLS_TICKET_KEY_SIZE 80

/* Makes a signature with the private key that belongs to the certificate. padding: RSA padding number of OpenSSL, 0 for EC.
 * May block, with a deadline of its own. */
struct tls_signer {
	enum outcome (*sign)(void *ctx, struct str key, int padding, struct str digest, struct buf *signature);
	void *ctx;
};

struct tls_server;
#define TLS_KEY_NAME_SIZE 65

/* A certificate and the names it is shown for. */
struct tls_identity {
	struct str chain; /* PEM, own certificate first */
	struct str key;   /* the name of its private key, for the signer */
	const struct str *names; /* lower case; "*.example.org" stands for one label and the rest */
	size_t n_names;
};

/* The first identity is shown to clients that ask for no name, or for one that no other has. ticket_key: TLS_TICKET_KEY_SIZE bytes that all edges of
 * a pool share, or empty: no resumption. NULL: a chain cannot be used; why (at least 256 bytes) says what is wrong. The signer must outlive
 * the server. */
struct tls_server *tls_server_new(const struct tls_identity *identities, size_t n, struct str ticket_key, enum conf_tls_version least,
	const struct tls_signer *signer, char why[256]);
/* What can be told of a chain: key gets the name of the private key that belongs to it (the SHA-256 of the public key, in hex), ends_s when the
 * first certificate of the chain to do so ends. False: it cannot be used; why says what is wrong. */
bool tls_chain_facts(struct str chain, char key[TLS_KEY_NAME_SIZE], int64_t *ends_s, char why[256]) MUST_USE;
void tls_server_put(struct tls_server *t); /* counted: sessions hold one each */
struct tls_server *tls_server_get(struct tls_server *t);

/* What one listener wants of a handshake. */
struct tls_wish {
	bool client_cert; /* ask for a certificate; any is taken, and so is none */
};

/* The handshake on a plain stream, under the stream's deadline. True: the stream is TLS from now on. False: it has failed and why says so. */
SUSPENDS bool tls_accept(struct stream *s, struct tls_server *t, const struct tls_wish *wish, char why[256]) MUST_USE;
/* "TLSv1.3 TLS_AES_256_GCM_SHA384" of a stream after tls_accept. */
void tls_describe(const struct stream *s, char *out, size_t size);
/* SHA-256 of the DER of the certificate that the client gave and has proved to hold the key of. False: it was not asked for, or gave none. */
bool tls_client_cert(const struct stream *s, unsigned char out[32]) MUST_USE;
/* door_channel_binding, of a stream after tls_accept. */
bool tls_channel_binding(const struct stream *s, const char *type, struct buf *out) MUST_USE;

/* For the role that holds private keys: a key read from PEM, and its signatures. */
struct tls_key;
struct tls_key *tls_key_new(struct str pem, char why[256]); /* EC or RSA of at least 2048 bits; NULL: why */
void tls_key_free(struct tls_key *k);
enum outcome tls_key_sign(struct tls_key *k, int padding, struct str digest, struct buf *signature) MUST_USE;
/* The private key and the chain's first certificate belong together. */
bool tls_key_fits(struct tls_key *k, struct str chain);

#endif
