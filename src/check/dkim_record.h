/* check/dkim_record.h - the DNS record of a key that signs letters (RFC 6376 3.6.1, RFC 8463 4). Pure. */
#ifndef SALLYPORT_CHECK_DKIM_RECORD_H
#define SALLYPORT_CHECK_DKIM_RECORD_H

#include "base/buf.h"

#define DKIM_RECORD_MAX 4000 /* bytes of one that is read, its strings joined */

struct dkim_record {
	struct str k;	    /* key type; "rsa" when it is not given */
	struct str h, s;    /* lists, as found; empty: any */
	struct buf p;	    /* the key's bytes; empty: revoked */
	bool testing;	    /* t=y */
	bool strict;	    /* t=s: i= and d= are of the same domain */
};

/* False: it is no key record (3.6.1: v= other than DKIM1, no p=, what is no tag list). Views are of the text; p is freed by
 * dkim_record_fini in either case. */
bool dkim_record_parse(struct str text, struct dkim_record *out) __attribute__((warn_unused_result));
void dkim_record_fini(struct dkim_record *r);

/* Whether what DNS has lets others check what a key signs. ours: the record that we would publish. */
enum dkim_fit {
	DKIM_FITS,
	DKIM_FITS_TESTING, /* t=y */
	DKIM_ABSENT,	   /* no text, or none that is a key record */
	DKIM_OTHER_KEY,
	DKIM_REVOKED,
	DKIM_NOT_FOR_MAIL, /* h= leaves out sha256, or s= mail */
	DKIM_SEVERAL,	   /* which of them counts is not defined (3.6.2.2) */
};
enum dkim_fit dkim_record_fit(const struct str *texts, size_t n, struct str ours);
const char *dkim_fit_name(enum dkim_fit f); /* for people */

#endif
