/* imap/reply.c - from outcomes to replies: the one table of tagged replies and their codes (RFC 3501 7.1, RFC 5530)
 * Suspends    in the flushes.
 */
#include "imap/imap.h"

#include "net/sasl.h"

#include "base/die.h"

#include <stdarg.h>

#define OUT_ENOUGH 16384

struct reply {
	const char *kind, *code, *text;
};

static const struct reply replies[OUTCOME_COUNT] = {
	[OK] = { "OK", NULL, "completed" },
	[BAD_SYNTAX] = { "BAD", NULL, "These are not the arguments of the command" },
	[BAD_STATE] = { "BAD", "CLIENTBUG", "This is not the moment for the command" },
	[NO_SUCH] = { "NO", "NONEXISTENT", "There is no such mailbox" },
	[EXISTS] = { "NO", "ALREADYEXISTS", "There is a mailbox of that name" },
	[DENIED] = { "NO", "CANNOT", "This cannot be done with that mailbox" },
	[OVER_LIMIT] = { "NO", "LIMIT", "A limit of this server would be passed" },
	[OVER_QUOTA] = { "NO", "OVERQUOTA", "The account's quota would be passed" },
	[IN_USE] = { "NO", "INUSE", "Another session holds it" },
	[REVOKED] = { "NO", "UNAVAILABLE", "The login has ended" },
	[TRY_LATER] = { "NO", "UNAVAILABLE", "Not now; try again later" },
	[NO_ROOM] = { "NO", "LIMIT", "There is no room for more mail now; try again later" },
	[UNANSWERED] = { "NO", "UNAVAILABLE", "Not now; try again later" },
	[FAILED] = { "NO", "SERVERBUG", "This failed, and trying again will not help" },
};

/* Where a kind of command means something else by an outcome. */
static const struct {
	unsigned flag; /* of the command */
	enum outcome outcome;
	struct reply reply;
} special[] = {
	{ IMAP_MAKES, NO_SUCH, { "NO", "TRYCREATE", "There is no such mailbox; it may be created" } },
	{ IMAP_LOGS_IN, DENIED, { "NO", "AUTHENTICATIONFAILED", "Name or password is wrong" } },
	{ IMAP_LOGS_IN, OVER_LIMIT, { "NO", "LIMIT", "Too many failed logins from your address; wait" } },
	{ IMAP_LOGS_IN, TRY_LATER, { "NO", "UNAVAILABLE", "Logging in does not work now; try again later" } },
};

static struct reply reply_of(unsigned flags, enum outcome o)
{
	for (size_t i = 0; i < sizeof special / sizeof *special; i++)
		if (special[i].flag & flags && special[i].outcome == o)
			return special[i].reply;
	return replies[o];
}

SUSPENDS void imap_out_flush(struct imap *im)
{
	die_unless(!im->out.full, "an imap answer is larger than its buffer");
	stream_write(&im->d->stream, buf_str(&im->out));
	buf_reset(&im->out);
}

SUSPENDS void imap_out_relieve(struct imap *im)
{
	if (im->out.n >= OUT_ENOUGH)
		imap_out_flush(im);
}

void imap_out_fmt(struct imap *im, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(&im->out, fmt, ap);
	va_end(ap);
}

enum outcome imap_fail(struct imap *im, enum outcome o, struct str code, struct str text)
{
	im->code = code;
	im->text = text;
	return o;
}

void imap_reply(struct imap *im, enum outcome o)
{
	struct reply r = reply_of(im->command ? im->command->flags : 0, o);
	struct str code = im->text.n || im->code.n ? im->code : str_z(r.code);

	/* After NO a client would append, copy or move once more. */
	if (o == UNANSWERED && im->command && im->command->flags & (IMAP_MAKES | IMAP_WRITES)) {
		im->bye = "[UNAVAILABLE] It is not known whether the command was carried out";
		return;
	}
	buf_add(&im->out, im->tag);
	buf_addc(&im->out, ' ');
	buf_addz(&im->out, r.kind);
	if (code.n) {
		buf_addz(&im->out, " [");
		buf_add(&im->out, code);
		buf_addc(&im->out, ']');
	}
	buf_addc(&im->out, ' ');
	if (o == OK && im->command && !im->text.n) {
		buf_addz(&im->out, im->by_uid ? "UID " : "");
		buf_addz(&im->out, im->command->name);
		buf_addc(&im->out, ' ');
	}
	buf_add(&im->out, im->text.n ? im->text : str_z(r.text));
	buf_addz(&im->out, "\r\n");
	im->n_bad += o == BAD_SYNTAX || o == BAD_STATE;
	if (o == REVOKED)
		im->bye = "[UNAVAILABLE] The login has ended; log in again";
}

/* Before a login only what may be used then, or decides how to log in; ENABLE and IDLE for clients that never ask again. */
#define EVER "IMAP4rev1 IMAP4rev2 LITERAL+ SASL-IR ID ENABLE IDLE"
#define LOGGED_IN                                                                                                      \
	" NAMESPACE CHILDREN UNSELECT UIDPLUS MOVE LIST-EXTENDED LIST-STATUS SPECIAL-USE CREATE-SPECIAL-USE WITHIN"   \
	" CONDSTORE ESEARCH SEARCHRES BINARY MULTIAPPEND UTF8=ACCEPT QUOTA QUOTA=RES-STORAGE QUOTA=RES-MESSAGE STATUS=SIZE APPENDLIMIT="

void imap_add_capabilities(struct imap *im, struct buf *out)
{
	buf_addz(out, "CAPABILITY " EVER);
	if (im->d->account.handle) {
		buf_addz(out, LOGGED_IN);
		buf_add_u64(out, im->d->conf->limits.message_size_max);
	}
	if (im->d->account.handle)
		return;
	if (door_can_tls(im->d))
		buf_addz(out, " STARTTLS");
	if (door_may_login(im->d))
		sasl_announce(im->d, " AUTH=", out);
	else
		buf_addz(out, " LOGINDISABLED");
}
