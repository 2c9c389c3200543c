/* smtp/reply.c - the table of replies and the table of outcomes. See the header.
 * Invariants  I1 a success reply to MAIL, RCPT or DATA comes of OK alone.
 *             I2 an outcome without a row of its own is answered "try again later".
 */
#include "smtp/reply.h"

#include "base/die.h"

/* clang-format off */
static const struct smtp_reply_text replies[SMTP_REPLY_COUNT] = {
	[SMTP_BYE]            = { 221, "2.0.0", "Bye" },
	[SMTP_OK]             = { 250, "2.0.0", "Ok" },
	[SMTP_SENDER_OK]      = { 250, "2.1.0", "Sender ok" },
	[SMTP_RCPT_OK]        = { 250, "2.1.5", "Recipient ok" },
	[SMTP_LETTER_OK]      = { 250, "2.0.0", "" },
	[SMTP_CHUNK_OK]       = { 250, "2.0.0", "Chunk received" },
	[SMTP_CANNOT_VERIFY]  = { 252, "2.5.2", "Addresses are not verified here, but mail to them is tried" },
	[SMTP_FLUSHING]       = { 250, "2.0.0", "Letters for that domain are sent now, if any wait" },
	[SMTP_HELP_TEXT]      = { 214, "2.0.0", "EHLO HELO MAIL RCPT DATA BDAT RSET NOOP QUIT VRFY EXPN HELP STARTTLS AUTH ETRN: see RFC 5321" },
	[SMTP_START_TLS]      = { 220, "2.0.0", "Ready to start TLS" },
	[SMTP_GO_AHEAD]       = { 354, NULL,    "Go ahead; end with <CRLF>.<CRLF>" },
	[SMTP_LOGGED_IN]      = { 235, "2.7.0", "Logged in" },

	[SMTP_STOPPING]       = { 421, "4.3.2", "The server is restarting; come again" },
	[SMTP_TIMEOUT]        = { 421, "4.4.2", "No command in time" },
	[SMTP_MANY_ERRORS]    = { 421, "4.7.0", "Too many errors" },
	[SMTP_MANY_COMMANDS]  = { 421, "4.7.0", "Too many commands in a session" },
	[SMTP_MANY_LETTERS]   = { 421, "4.7.0", "Too many letters in a session; connect again" },
	[SMTP_LOGIN_ENDED]    = { 421, "4.7.0", "Your login has ended; connect again" },
	[SMTP_IS_HTTP]        = { 421, "4.7.0", "This is a mail server" },

	[SMTP_LATER]          = { 451, "4.3.0", "Not possible now; try again later" },
	[SMTP_LETTER_RATE]    = { 451, "4.7.1", "Too many letters from your address; try again later" },
	[SMTP_NO_ROOM]        = { 452, "4.3.1", "No room for more mail now; try again later" },
	[SMTP_UNANSWERED]     = { 451, "4.3.0", "Nobody knows whether the letter was kept" }, /* never said: the connection ends */
	[SMTP_MANY_RCPTS]     = { 452, "4.5.3", "Too many recipients; send the letter to the others again" },
	[SMTP_MANY_DOMAINS]   = { 452, "4.5.3", "Recipients in too many domains; send the letter to the others again" },
	[SMTP_RCPT_FULL]      = { 452, "4.2.2", "The mailbox is full" },
	[SMTP_LOGIN_LATER]    = { 454, "4.7.0", "Login is not possible now; try again later" },
	[SMTP_LOGIN_RATE]     = { 454, "4.7.0", "Too many failed logins; wait" },
	[SMTP_FLUSH_LATER]    = { 458, "4.3.0", "Not possible now; try again later" },
	[SMTP_FLUSH_NOT_HERE] = { 459, "4.7.1", "No letters are kept here for that domain" },

	[SMTP_UNKNOWN]        = { 500, "5.5.1", "No such command" },
	[SMTP_LINE_LONG]      = { 500, "5.5.2", "The line is too long" },
	[SMTP_LINE_BARE]      = { 500, "5.5.2", "A CR or LF stands alone; lines end with CRLF" },
	[SMTP_LINE_CONTROL]   = { 500, "5.5.2", "The line holds a control character" },
	[SMTP_SYNTAX]         = { 501, "5.5.2", "The syntax is wrong" },
	[SMTP_NO_ARGS]        = { 501, "5.5.4", "The command takes no argument" },
	[SMTP_NEEDS_ARG]      = { 501, "5.5.4", "The command needs an argument" },
	[SMTP_BAD_NAME]       = { 501, "5.5.4", "The argument is neither a domain nor an address literal" },
	[SMTP_BAD_SENDER]     = { 501, "5.1.7", "The sender's address is malformed" },
	[SMTP_BAD_RCPT]       = { 501, "5.1.3", "The recipient's address is malformed" },
	[SMTP_SENDER_UTF8]    = { 553, "5.6.7", "The sender's address is not ASCII; say SMTPUTF8" },
	[SMTP_RCPT_UTF8]      = { 553, "5.6.7", "The recipient's address is not ASCII; say SMTPUTF8 in MAIL" },
	[SMTP_BAD_PARAM]      = { 501, "5.5.4", "A parameter has a wrong value" },
	[SMTP_HOLD_LONG]      = { 501, "5.5.4", "The letter would be held longer than this server does" },
	[SMTP_BAD_BASE64]     = { 501, "5.5.2", "The response is malformed" },
	[SMTP_AUTH_LINE_LONG] = { 500, "5.5.6", "The response is too long" },
	[SMTP_AUTH_CANCELLED] = { 501, "5.7.0", "The login was cancelled" },
	[SMTP_NOT_HERE]       = { 502, "5.5.1", "The command is not available here" },
	[SMTP_NO_TLS]         = { 502, "5.5.1", "TLS is not available here" },
	[SMTP_SAY_HELO]       = { 503, "5.5.1", "Say EHLO first" },
	[SMTP_SAY_LHLO]       = { 503, "5.5.1", "Say LHLO first" },
	[SMTP_IS_LMTP]        = { 500, "5.5.1", "This is LMTP; say LHLO" },
	[SMTP_SAY_MAIL]       = { 503, "5.5.1", "Say MAIL first" },
	[SMTP_IN_LETTER]      = { 503, "5.5.1", "Not in the middle of a letter" },
	[SMTP_NEEDS_BDAT]     = { 503, "5.5.1", "A BINARYMIME letter is sent with BDAT" },
	[SMTP_CHUNKS_FAILED]  = { 503, "5.5.1", "The letter has failed already; say RSET" },
	[SMTP_TLS_ALREADY]    = { 503, "5.5.1", "TLS is on already" },
	[SMTP_TLS_PIPELINED]  = { 503, "5.5.1", "Nothing may follow STARTTLS before its reply" },
	[SMTP_AUTH_ALREADY]   = { 503, "5.5.1", "You are logged in already" },
	[SMTP_AUTH_NOT_HERE]  = { 503, "5.5.1", "No logins here; use the submission service" },
	[SMTP_AUTH_UNKNOWN]   = { 504, "5.5.4", "Unknown mechanism" },
	[SMTP_NEEDS_LOGIN]    = { 530, "5.7.0", "Log in first" },
	[SMTP_NEEDS_TLS]      = { 530, "5.7.0", "Start TLS and log in first" },
	[SMTP_AUTH_NEEDS_TLS] = { 538, "5.7.11", "Start TLS before you log in" },
	[SMTP_LOGIN_WRONG]    = { 535, "5.7.8", "Wrong name or password" },
	[SMTP_PARAM_UNKNOWN]  = { 555, "5.5.4", "Unknown parameter" },
	[SMTP_TOO_BIG]        = { 552, "5.3.4", "The letter is larger than this server takes" },
	[SMTP_HEADER_BIG]     = { 552, "5.3.4", "The header is larger than this server takes" },
	[SMTP_NOT_OWNER]      = { 553, "5.7.1", "This sender's address is not yours" },
	[SMTP_NO_SUCH_RCPT]   = { 550, "5.1.1", "No such mailbox here" },
	[SMTP_NO_RELAY]       = { 550, "5.7.1", "Relaying denied" },
	[SMTP_SUPPRESSED]     = { 550, "5.1.1", "Your letters to this address were refused for good several times; it is on your suppression list" },
	[SMTP_NO_RCPTS]       = { 554, "5.5.1", "No valid recipients" },
	[SMTP_NO_RCPTS_LMTP]  = { 503, "5.5.1", "No valid recipients" },
	[SMTP_EARLY_TALK]     = { 554, "5.5.1", "You spoke before the greeting" },
	[SMTP_LETTER_BARE]    = { 554, "5.6.11", "The letter holds a CR or LF that stands alone" },
	[SMTP_LETTER_NUL]     = { 554, "5.6.0", "The letter holds a NUL byte" },
	[SMTP_LETTER_LINE]    = { 554, "5.6.0", "A line of the letter is too long" },
	[SMTP_LETTER_LOOP]    = { 554, "5.4.6", "The letter is in a loop: it was here before, or has too many Received fields" },
	[SMTP_LETTER_REFUSED] = { 550, "5.7.1", "The letter is refused" },
	[SMTP_LETTER_FAILED]  = { 554, "5.6.0", "The letter cannot be taken" },
};

static const enum smtp_reply outcomes[SMTP_STEP_COUNT][OUTCOME_COUNT] = {
	[SMTP_STEP_LOGIN] = {
		[OK] = SMTP_LOGGED_IN, [BAD_SYNTAX] = SMTP_BAD_BASE64, [NO_SUCH] = SMTP_LOGIN_WRONG, [DENIED] = SMTP_LOGIN_WRONG,
		[OVER_LIMIT] = SMTP_LOGIN_RATE, [REVOKED] = SMTP_LOGIN_ENDED, [TRY_LATER] = SMTP_LOGIN_LATER,
		[FAILED] = SMTP_LOGIN_LATER, [BAD_STATE] = SMTP_LOGIN_LATER, [EXISTS] = SMTP_LOGIN_LATER, [IN_USE] = SMTP_LOGIN_LATER,
	},
	[SMTP_STEP_SENDER] = {
		[OK] = SMTP_SENDER_OK, [BAD_SYNTAX] = SMTP_BAD_SENDER, [NO_SUCH] = SMTP_NOT_OWNER, [DENIED] = SMTP_NOT_OWNER,
		[REVOKED] = SMTP_LOGIN_ENDED,
	},
	[SMTP_STEP_RCPT] = {
		[OK] = SMTP_RCPT_OK, [BAD_SYNTAX] = SMTP_BAD_RCPT, [NO_SUCH] = SMTP_NO_SUCH_RCPT, [DENIED] = SMTP_NO_RELAY,
		[OVER_LIMIT] = SMTP_RCPT_FULL, [OVER_QUOTA] = SMTP_RCPT_FULL, [REVOKED] = SMTP_LOGIN_ENDED,
		[NO_ROOM] = SMTP_NO_ROOM, [FAILED] = SMTP_SUPPRESSED,
	},
	[SMTP_STEP_LETTER] = {
		[OK] = SMTP_LETTER_OK, [NO_SUCH] = SMTP_NO_SUCH_RCPT, [DENIED] = SMTP_LETTER_REFUSED, [OVER_LIMIT] = SMTP_RCPT_FULL,
		[BAD_SYNTAX] = SMTP_LETTER_FAILED, [REVOKED] = SMTP_LOGIN_ENDED, [FAILED] = SMTP_LETTER_FAILED,
		[NO_ROOM] = SMTP_NO_ROOM, [OVER_QUOTA] = SMTP_RCPT_FULL, [UNANSWERED] = SMTP_UNANSWERED, [EXISTS] = SMTP_LETTER_LOOP,
	},
	[SMTP_STEP_FLUSH] = {
		[OK] = SMTP_FLUSHING, [NO_SUCH] = SMTP_FLUSH_NOT_HERE, [DENIED] = SMTP_FLUSH_NOT_HERE, [TRY_LATER] = SMTP_FLUSH_LATER,
		[UNANSWERED] = SMTP_FLUSH_LATER,
	},
};
/* clang-format on */

const struct smtp_reply_text *smtp_reply_text(enum smtp_reply r)
{
	die_unless(r > SMTP_FINE && r < SMTP_REPLY_COUNT, "no such reply");
	return &replies[r];
}

enum smtp_reply smtp_reply_of(enum smtp_step step, enum outcome o)
{
	enum smtp_reply r = (unsigned)o < OUTCOME_COUNT ? outcomes[step][o] : SMTP_FINE;

	return r ? r : SMTP_LATER;
}
