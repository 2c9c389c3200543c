/* relay/scram_client.h - the client's side of SCRAM-SHA-256 (RFC 5802, 7677), without channel binding. Pure but for the nonce, which is given. */
#ifndef SALLYPORT_RELAY_SCRAM_CLIENT_H
#define SALLYPORT_RELAY_SCRAM_CLIENT_H

#include "base/buf.h"

#define SCRAM_CLIENT_NONCE_MAX 64
#define SCRAM_CLIENT_ITERATIONS_MIN 4096 /* RFC 7677 4: a server that asks for fewer wants the password */
#define SCRAM_CLIENT_ITERATIONS_MAX 300000 /* a server that demands more is not logged in at: its exchange would stop all others */

struct scram_client {
	struct buf first_bare; /* client-first-message-bare */
	char nonce[SCRAM_CLIENT_NONCE_MAX + 1];
	unsigned char server_signature[32];
};
/* nonce: printable ASCII without commas. */
void client_scram_init(struct scram_client *x, struct str nonce);
void client_scram_fini(struct scram_client *x); /* wipes */
/* client-first-message. The name and the password below are prepared (SASLprep) already. */
void client_scram_first(struct scram_client *x, struct str user, struct buf *out);
/* client-final-message, for the server's first. False: what it said is no SCRAM, or its demands are out of bounds; why says so. Takes as long as the
 * server's iterations. */
bool client_scram_final(struct scram_client *x, struct str password, struct str server_first, struct buf *out, const char **why)
	__attribute__((warn_unused_result));
/* The server has shown that it knows the password too. */
bool client_scram_verify(const struct scram_client *x, struct str server_final) __attribute__((warn_unused_result));

#endif
