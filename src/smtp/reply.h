/* smtp/reply.h - every reply the server gives, by name: code (RFC 5321 4.2), enhanced status (RFC 3463, 5248), text.
 *
 * Commands name a reply; the numbers stand in the table of reply.c alone. What another role answered to a step of a
 * transaction becomes a reply by smtp_reply_of, the protocol's table of outcomes.
 */
#ifndef SALLYPORT_SMTP_REPLY_H
#define SALLYPORT_SMTP_REPLY_H

#include "base/outcome.h"
#include "base/str.h"

enum smtp_reply {
	SMTP_FINE, /* nothing against it: no reply yet */
	SMTP_BYE,
	SMTP_OK,
	SMTP_SENDER_OK,
	SMTP_RCPT_OK,
	SMTP_LETTER_OK, /* the text is the trace id */
	SMTP_CHUNK_OK,
	SMTP_CANNOT_VERIFY,
	SMTP_FLUSHING,
	SMTP_HELP_TEXT,
	SMTP_START_TLS,
	SMTP_GO_AHEAD,
	SMTP_LOGGED_IN,

	SMTP_STOPPING,
	SMTP_TIMEOUT,
	SMTP_MANY_ERRORS,
	SMTP_MANY_COMMANDS,
	SMTP_MANY_LETTERS,
	SMTP_LOGIN_ENDED,
	SMTP_IS_HTTP,

	SMTP_LATER,
	SMTP_LETTER_RATE,
	SMTP_NO_ROOM,
	SMTP_UNANSWERED,
	SMTP_MANY_RCPTS,
	SMTP_MANY_DOMAINS,
	SMTP_RCPT_FULL,
	SMTP_LOGIN_LATER,
	SMTP_LOGIN_RATE,

	SMTP_FLUSH_LATER,
	SMTP_FLUSH_NOT_HERE,

	SMTP_UNKNOWN,
	SMTP_LINE_LONG,
	SMTP_LINE_BARE,
	SMTP_LINE_CONTROL,
	SMTP_SYNTAX,
	SMTP_NO_ARGS,
	SMTP_NEEDS_ARG,
	SMTP_BAD_NAME,
	SMTP_BAD_SENDER,
	SMTP_BAD_RCPT,
	SMTP_SENDER_UTF8,
	SMTP_RCPT_UTF8,
	SMTP_BAD_PARAM,
	SMTP_HOLD_LONG,
	SMTP_BAD_BASE64,
	SMTP_AUTH_LINE_LONG,
	SMTP_AUTH_CANCELLED,
	SMTP_NOT_HERE,
	SMTP_NO_TLS,
	SMTP_SAY_HELO,
	SMTP_SAY_LHLO,
	SMTP_IS_LMTP,
	SMTP_SAY_MAIL,
	SMTP_IN_LETTER,
	SMTP_NEEDS_BDAT,
	SMTP_CHUNKS_FAILED,
	SMTP_TLS_ALREADY,
	SMTP_TLS_PIPELINED,
	SMTP_AUTH_ALREADY,
	SMTP_AUTH_NOT_HERE,
	SMTP_AUTH_UNKNOWN,
	SMTP_NEEDS_LOGIN,
	SMTP_NEEDS_TLS,
	SMTP_AUTH_NEEDS_TLS,
	SMTP_LOGIN_WRONG,
	SMTP_PARAM_UNKNOWN,
	SMTP_TOO_BIG,
	SMTP_HEADER_BIG,
	SMTP_NOT_OWNER,
	SMTP_NO_SUCH_RCPT,
	SMTP_NO_RELAY,
	SMTP_SUPPRESSED,
	SMTP_NO_RCPTS,
	SMTP_NO_RCPTS_LMTP,
	SMTP_EARLY_TALK,
	SMTP_LETTER_BARE,
	SMTP_LETTER_NUL,
	SMTP_LETTER_LINE,
	SMTP_LETTER_LOOP,
	SMTP_LETTER_REFUSED,
	SMTP_LETTER_FAILED,
	SMTP_REPLY_COUNT
};

struct smtp_reply_text {
	unsigned code;
	const char *status; /* NULL: none, as in 3yz and greetings (RFC 2034 4) */
	const char *text;
};
const struct smtp_reply_text *smtp_reply_text(enum smtp_reply r);

/* Which step of a transaction the outcome ends. */
enum smtp_step { SMTP_STEP_LOGIN, SMTP_STEP_SENDER, SMTP_STEP_RCPT, SMTP_STEP_LETTER, SMTP_STEP_FLUSH, SMTP_STEP_COUNT };
enum smtp_reply smtp_reply_of(enum smtp_step step, enum outcome o);

#endif
