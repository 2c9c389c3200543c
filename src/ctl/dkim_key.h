/* ctl/dkim_key.h - keys that sign letters: made, kept as files, shown as DNS records (RFC 6376 3.6.1, RFC 8463). */
#ifndef SALLYPORT_CTL_DKIM_KEY_H
#define SALLYPORT_CTL_DKIM_KEY_H

#include "base/arena.h"
#include "base/buf.h"
#include "check/dkim_sign.h"

#define DKIM_KEYS_MAX 16 /* of a domain */

struct dkim_key {
	struct str selector;
	struct str record; /* "v=DKIM1; k=rsa; p=..." */
};

/* A new key as PEM (2048 bits for RSA), appended. */
void dkim_key_make(enum dkim_algorithm kind, struct buf *pem);
/* The record of a PEM private key. False: it is no key that DKIM knows. */
bool dkim_key_record(struct str pem, struct arena *a, struct str *record);
/* The keys of a domain, keys_dir/dkim/DOMAIN/SELECTOR.pem, by selector. How many; files that hold no key are left out and named in why. */
size_t dkim_keys_read(const char *keys_dir, struct str domain, struct arena *a, struct dkim_key out[DKIM_KEYS_MAX], struct buf *why);

#endif
