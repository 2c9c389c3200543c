/* audit/chain.h - the records of the audit log and the chain that makes a change to one of them visible.
 *
 * Each record's hash is SHA-256 over the hash of the one before and all its own fields; the first one's predecessor is 32 zero
 * bytes. Who changes, removes or inserts a record must change every hash behind it: a hash noted elsewhere (the server writes the
 * latest into its log once an hour) proves everything up to it. Pure.
 */
#ifndef SALLYPORT_AUDIT_CHAIN_H
#define SALLYPORT_AUDIT_CHAIN_H

#include "base/str.h"

#define AUDIT_HASH_SIZE 32

/* What kinds of records there are; numbers are on disk. */
enum audit_kind {
	AUDIT_START,	     /* the store was opened */
	AUDIT_LOGIN,
	AUDIT_LOGIN_REFUSED,
	AUDIT_COMMAND,	     /* an administrator's command, written before it is done */
	AUDIT_COMMAND_FAILED,
	AUDIT_OPENED,	     /* a command opened an account's mail: import, export */
	AUDIT_BAN,
	AUDIT_UNRECORDED,    /* so many refused logins of one second had no record of their own */
	AUDIT_KINDS
};
const char *audit_kind_name(unsigned kind); /* "login-refused"; "unknown" */

struct audit_record {
	uint64_t seq; /* from 1, without gaps */
	int64_t time_us;
	uint64_t account; /* 0: none, or not known */
	uint8_t kind;
	struct str who;	    /* the login that was tried; "uid 0" for a command */
	struct str service; /* by name; empty for commands */
	struct str ip;
	struct str text;
};

void audit_hash(const unsigned char before[AUDIT_HASH_SIZE], const struct audit_record *r, unsigned char out[AUDIT_HASH_SIZE]);

#endif
