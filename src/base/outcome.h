/* base/outcome.h - how an operation ended, for every answer between parts that is not a bug.
 *
 * One table per protocol turns an outcome into its reply code, enhanced status and text; handlers never spell them.
 */
#ifndef SALLYPORT_BASE_OUTCOME_H
#define SALLYPORT_BASE_OUTCOME_H

enum outcome {
	OK,         /* done, and durable where it had to be */
	BAD_SYNTAX, /* the request does not follow its grammar */
	BAD_STATE,  /* right request, wrong moment */
	NO_SUCH,    /* what it names does not exist */
	EXISTS,     /* what it would make is there already */
	DENIED,     /* not allowed to this asker, or wrong credentials */
	OVER_LIMIT, /* a named limit (size, count, rate) would be passed */
	OVER_QUOTA, /* the account's quota would be passed: not before something is removed */
	IN_USE,     /* somebody else holds it now, as a POP3 maildrop */
	REVOKED,    /* the handle is of an earlier life of store or was taken back: log in again */
	TRY_LATER,  /* not done, as far as is known; the same request may succeed later */
	NO_ROOM,    /* the disk, or the memory for letters, is full for now */
	UNANSWERED, /* no answer came to a request that was sent: it was carried out, or it was not */
	FAILED,     /* cannot be done, and trying again will not help */
	OUTCOME_COUNT
};

#define MUST_USE __attribute__((warn_unused_result))

const char *outcome_name(enum outcome o); /* "ok", "no-such" ...: for logs and commands */

#endif
