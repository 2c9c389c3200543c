/* mail/address.h - address lists of header fields (RFC 5322 3.4, 4.4), as found in the wild.
 *
 * Any bytes give a list: what cannot be an address is passed over, a mailbox without a domain has an empty one. One
 * walk is linear in the value and needs memory for one address.
 */
#ifndef SALLYPORT_MAIL_ADDRESS_H
#define SALLYPORT_MAIL_ADDRESS_H

#include "base/buf.h"
#include "base/cur.h"

enum mail_address_kind { MAIL_ADDRESS, MAIL_GROUP_START, MAIL_GROUP_END };

/* Views are valid until the next call on the list. */
struct mail_address {
	enum mail_address_kind kind;
	struct str
		name; /* display name without quotes and escapes, encoded words as found; a group's name; else a comment */
	struct str route;  /* obsolete source route, "@a,@b" */
	struct str local;  /* without quotes and escapes */
	struct str domain; /* as written, without white space; literals with their brackets */
};

struct mail_address_list {
	struct cur c;
	bool in_group;
	bool no_quote, no_comment; /* no further one ends: '"' and '(' stand for themselves */
	struct buf name, comment, route, local, domain;
	size_t run_at; /* where in name the last run of dotted words begins: it may be a local part */
	bool any;      /* something stood since the last comma */
};

void mail_address_list_init(struct mail_address_list *l, struct str value);
void mail_address_list_fini(struct mail_address_list *l);
/* False at the end. Every group start is followed by its group end. */
bool mail_address_next(struct mail_address_list *l, struct mail_address *out);

#endif
