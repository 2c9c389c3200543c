/* check/srs.h - the sender rewriting scheme: a forwarded letter leaves in our name, and what is said of it finds its way back.
 *
 * "SRS0=HASH=DAY=DOMAIN=LOCAL@ALIAS-DOMAIN" stands for LOCAL@DOMAIN; "SRS1=HASH=FIRST==REST@ALIAS-DOMAIN" for "SRS0=REST@FIRST", of a letter that
 * another server has forwarded before. HASH is six characters of an HMAC-SHA-256 over the rest, DAY is two of a day number modulo 1024. Case is not
 * looked at in either: servers on the way may have changed it. Pure, but for the HMAC, which takes a microsecond.
 */
#ifndef SALLYPORT_CHECK_SRS_H
#define SALLYPORT_CHECK_SRS_H

#include "base/arena.h"

#define SRS_KEY_SIZE 32
#define SRS_AGE_MAX_DAYS 21   /* beyond which nothing comes back: the 5 days of a queue, three times, and some */
#define SRS_LOCAL_MAX 64      /* RFC 5321 4.5.3.1.1 */

struct srs_key {
	unsigned char bytes[SRS_KEY_SIZE];
};
/* The key that an installation's secret gives. */
void srs_key_of(struct str secret, struct srs_key *out);

/* The local part in our domain that stands for this sender, in the arena. False: it would be longer than a local part may be; the sender then stays as it
 * is. Neither part is empty. */
bool srs_forward(const struct srs_key *k, struct str local, struct str domain, int64_t now_s, struct arena *a, struct str *out);

enum srs_result {
	SRS_NONE,  /* no address of this scheme */
	SRS_VALID,
	SRS_FALSE, /* not made by us */
	SRS_OLD,
};
/* Whom a local part of ours stands for; out in the arena, filled when VALID. */
enum srs_result srs_reverse(const struct srs_key *k, struct str local, int64_t now_s, struct arena *a, struct str *out_local, struct str *out_domain);

#endif
