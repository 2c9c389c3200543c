/* imap/names.c - names of mailboxes on the wire and here (RFC 3501 5.1, RFC 9051 5.1, RFC 6855 3)
 * Purpose     inside a name is composed UTF-8 with INBOX in capitals; on the wire it is modified UTF-7, or UTF-8 once the client
 *             has said that it speaks that.
 * Trust       names are hostile.
 * Invariants  I1 two spellings of one name become one, so that none hides another (RFC 5198 3).
 */
#include "imap/imap.h"

#include "imap/utf7.h"
#include "mail/nfc.h"
#include "mail/utf8.h"

#define NAME_MAX_SIZE IPC_MAILBOX_NAME_MAX

/* INBOX is known in any case, also as the first level of others. */
static void fold_inbox(struct buf *name)
{
	struct str s = buf_str(name);

	if (!str_istarts(s, STR("INBOX")) || (s.n > 5 && s.p[5] != HIERARCHY_SEPARATOR))
		return;
	for (size_t i = 0; i < 5; i++)
		name->p[i] = ascii_upper(name->p[i]);
}

struct composing {
	struct str text;
	struct buf *out;
	bool good;
};

static void compose(void *arg)
{
	struct composing *c = arg;

	c->good = mail_nfc(c->text, c->out);
}

static bool decode(struct imap *im, struct str wire, struct buf *out)
{
	struct composing c = { .out = out };
	struct buf plain;
	bool good;

	buf_init(&plain, NAME_MAX_SIZE);
	if (!imap_names_utf8(im))
		good = imap_utf7_decode(wire, &plain);
	else if ((good = wire.n <= NAME_MAX_SIZE && mail_utf8_ok(wire)))
		buf_add(&plain, wire);
	c.text = buf_str(&plain);
	if (good && mail_ascii_ok(c.text)) {
		buf_add(out, c.text);
	} else if (good) {
		sched_call(im->d->sched, compose, &c);
		good = c.good;
	}
	buf_fini(&plain);
	return good;
}

static enum outcome take(struct imap *im, struct str wire, bool name, struct str *out)
{
	struct buf b;
	bool good;

	*out = (struct str){ 0 };
	buf_init(&b, NAME_MAX_SIZE);
	good = decode(im, wire, &b);
	if (good && name)
		fold_inbox(&b);
	if (good)
		*out = arena_dup(&im->cmd, buf_str(&b));
	buf_fini(&b);
	return good ? OK : DENIED;
}

enum outcome imap_mailbox_name(struct imap *im, struct str wire, struct str *name)
{
	return take(im, wire, true, name);
}

enum outcome imap_mailbox_pattern(struct imap *im, struct str wire, struct str *pattern)
{
	return take(im, wire, false, pattern);
}

enum outcome imap_mailbox(struct imap *im, struct cur *c, struct str *name)
{
	struct str wire = imap_astring(c, &im->cmd);

	*name = (struct str){ 0 };
	return cur_ok(c) ? imap_mailbox_name(im, wire, name) : BAD_SYNTAX;
}

void imap_add_mailbox(struct imap *im, struct buf *out, struct str name)
{
	struct buf wire;

	if (imap_names_utf8(im)) {
		imap_add_quoted(out, name);
		return;
	}
	buf_init(&wire, 6 * NAME_MAX_SIZE);
	imap_utf7_encode(name, &wire);
	imap_add_quoted(out, buf_str(&wire));
	buf_fini(&wire);
}
