/* check/dkim_private.h - private keys that sign letters (RFC 6376 3.3, RFC 8463 3). */
#ifndef SALLYPORT_CHECK_DKIM_PRIVATE_H
#define SALLYPORT_CHECK_DKIM_PRIVATE_H

#include "base/buf.h"
#include "base/outcome.h"
#include "check/dkim_sign.h"

#define DKIM_SIGNATURE_MAX 512 /* bytes: RSA of 4096 bits */

struct dkim_private;
/* Of PEM: RSA of 1024 to 4096 bits, or Ed25519. NULL: it is none, and why says so. */
struct dkim_private *dkim_private_new(struct str pem, char why[256]);
void dkim_private_free(struct dkim_private *k); /* NULL: nothing */
enum dkim_algorithm dkim_private_algorithm(const struct dkim_private *k);
/* The record of its public half: "v=DKIM1; k=rsa; p=..." */
void dkim_private_record(const struct dkim_private *k, struct buf *out);
/* Adds the signature of a digest. FAILED: the digest has not DKIM_DIGEST_SIZE bytes. */
enum outcome dkim_private_sign(struct dkim_private *k, struct str digest, struct buf *signature) MUST_USE;

#endif
