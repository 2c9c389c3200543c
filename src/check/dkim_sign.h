/* check/dkim_sign.h - DKIM signatures of a letter up to what the private key does (RFC 6376, RFC 8463). Pure. */
#ifndef SALLYPORT_CHECK_DKIM_SIGN_H
#define SALLYPORT_CHECK_DKIM_SIGN_H

#include "base/arena.h"
#include "base/buf.h"

#define DKIM_FIELDS_MAX 64    /* of a letter that are signed; one that has more is not */
#define DKIM_FIELD_MAX 4096   /* bytes of a field without its signature */
#define DKIM_DIGEST_SIZE 32

enum dkim_algorithm { DKIM_RSA_SHA256, DKIM_ED25519_SHA256, DKIM_ALGORITHM_COUNT };

struct dkim_signer {
	struct str domain, selector; /* d= in A-labels, s= */
	enum dkim_algorithm algorithm;
};

struct dkim_work {
	struct str letter;
	const struct dkim_signer *signers;
	size_t n_signers;
	int64_t signed_s, expires_s; /* t=; x=, 0: none */
};

struct dkim_unsigned {
	struct str field; /* "DKIM-Signature: ... b=", folded, no line end */
	unsigned char digest[DKIM_DIGEST_SIZE]; /* what the key signs */
};

/* One for each signer. The body is read once. False: the letter has no From field (5.4), or too many fields; nothing was made. */
bool dkim_prepare(const struct dkim_work *w, struct arena *a, struct dkim_unsigned *out);

/* Adds the field with its signature, and a line end. */
void dkim_finish(struct str field, struct str signature, struct buf *out);

#endif
