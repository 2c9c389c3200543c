/* mail/path.h - SMTP paths, host names, and addresses as lookup keys (RFC 5321 4.1.2, RFC 6531 3.3). */
#ifndef SALLYPORT_MAIL_PATH_H
#define SALLYPORT_MAIL_PATH_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/cur.h"
#include "base/outcome.h"

enum {
	MAIL_PATH_NULL = 1,	  /* "<>" is allowed (MAIL FROM) */
	MAIL_PATH_POSTMASTER = 2, /* "<postmaster>" without a domain is allowed (RCPT TO) */
	MAIL_PATH_UTF8 = 4,	  /* non-ASCII local parts and domains are allowed (SMTPUTF8) */
};

struct mail_path {
	struct str local;  /* without quotes and escapes */
	struct str domain; /* as written; an address literal with its brackets; empty for <> and <postmaster> */
	bool null;	   /* "<>" */
	bool literal;	   /* domain is an address literal */
	bool utf8;	   /* some byte above 0x7f */
};

struct mail_path_limits {
	uint32_t local_max;  /* bytes as written, quotes included; default 64 (RFC 5321 4.5.3.1.1) */
	uint32_t domain_max; /* default 255 (4.5.3.1.2) */
	uint32_t path_max;   /* with angle brackets and source route; default 256 (4.5.3.1.3) */
};

extern const struct mail_path_limits mail_path_limits_default;

/* Takes a path from "<" to ">" off the cursor; a source route is checked and ignored. BAD_SYNTAX or OVER_LIMIT: out is
 * unusable and the cursor is bad. Views point into the input or, for a quoted local part, into the arena. */
enum outcome mail_path_parse(struct cur *c, unsigned flags, const struct mail_path_limits *limits, struct arena *a,
	struct mail_path *out) __attribute__((warn_unused_result));

/* The same for a bare mailbox, "local@domain" without angle brackets, the whole of s. */
enum outcome mail_mailbox_parse(struct str s, unsigned flags, const struct mail_path_limits *limits, struct arena *a,
	struct mail_path *out) __attribute__((warn_unused_result));

/* Adds local@domain, the local part quoted where its bytes ask for it; no angle brackets. Nothing for an empty address. */
void mail_mailbox_add(struct buf *out, struct str local, struct str domain);

/* A host name of letters, digits and inner hyphens: labels of 1 to 63, at most 253 bytes, no final dot (RFC 1123 2.1). */
bool mail_domain_ok(struct str s);
/* "[1.2.3.4]" or "[IPv6:...]" (RFC 5321 4.1.3). */
bool mail_literal_ok(struct str s);

/* The key an address is looked up by: "local@domain", ASCII letters of both lowered; without '@' when domain is empty. */
struct str mail_address_key(struct str local, struct str domain, struct arena *a);
/* The parts of such a key or of any unquoted address, cut at the last '@'; false when there is none. */
bool mail_address_cut(struct str address, struct str *local, struct str *domain);
/* "user+detail" cut at the first of the separators. False, user all of local and detail empty, when there is none or
 * nothing stands before it. */
bool mail_subaddress_cut(struct str local, struct str separators, struct str *user, struct str *detail);

#endif
