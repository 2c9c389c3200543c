/* tlsrpt/tlsrpt.h - TLS reports (RFC 8460): where a domain wants them, writing one, reading one. Pure; JSON by jansson, gzip by zlib. */
#ifndef SALLYPORT_TLSRPT_TLSRPT_H
#define SALLYPORT_TLSRPT_TLSRPT_H

#include "base/arena.h"
#include "base/buf.h"
#include "ipc/words.h"
#include "ipc_gen.h"

#define TLSRPT_URIS_MAX 8		   /* of a record; more are not sent to */
#define TLSRPT_JSON_MAX ((size_t)8 << 20)  /* of a report, packed or not; RFC 8460 5.3 lets a receiver choose */
#define TLSRPT_DEPTH_MAX 20		   /* of the nesting of what is read; a report has 6 */

struct tlsrpt_uri {
	bool https;
	struct str address; /* mailto: without what follows '?' */
	struct str host, path;
	uint16_t port;
};
/* Where reports go, by the TXT records of _smtp._tls.DOMAIN (RFC 8460 3). 0: nowhere; other schemes are passed over. Views are in the arena. */
size_t tlsrpt_record_find(const struct str *texts, size_t n, struct arena *a, struct tlsrpt_uri out[TLSRPT_URIS_MAX]);
/* One address of rua=. False: it is none that can be used. */
bool tlsrpt_uri_parse(struct str s, struct arena *a, struct tlsrpt_uri *out);

const char *tlsrpt_result_name(enum tlsrpt_result r); /* "certificate-expired"; "" for success */
const char *tlsrpt_policy_name(enum tlsrpt_policy p); /* "sts" */

struct tlsrpt_head {
	struct str organization, contact, id;
	uint32_t day; /* since 1970 */
};
/* Appends the report as JSON; counts are all of one domain. False: it does not fit out. */
bool tlsrpt_write(const struct tlsrpt_head *h, const struct ipc_tls_count *counts, size_t n, struct buf *out) MUST_USE;

bool tlsrpt_gzip(struct str bytes, struct buf *out) MUST_USE;
/* False: it is not whole, or larger than out may be. */
bool tlsrpt_gunzip(struct str bytes, struct buf *out) MUST_USE;

struct tlsrpt_letter {
	struct str from, to, hostname, domain, id; /* domain: whom it is about */
	struct str file_name;
	int64_t now_s;
	struct str packed; /* the report, gzipped */
};
/* The mail that carries it (RFC 8460 5.3), whole, with CRLF. */
void tlsrpt_letter_write(const struct tlsrpt_letter *l, struct buf *out);

/* What a report says, as lines for people and programs: fields with a tab between. bytes: JSON, the same gzipped, or a letter that carries one. Control
 * characters of it are shown as '?'. False: why says what is wrong. */
bool tlsrpt_show(struct str bytes, struct arena *a, struct buf *out, const char **why) MUST_USE;

#endif
