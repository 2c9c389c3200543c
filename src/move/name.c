/* move/name.c - names of folders. See the header.
 * Trust       names come from directories and from servers; whatever they are, what is made of them stays below the directory it is for.
 */
#include "move/name.h"

#include "imap/utf7.h"
#include "ipc/words.h"
#include "mail/base64.h"
#include "mail/utf8.h"

#define LEVEL_MAX 4096

/* ---- from files to us */

/* What no mailbox's level may have: see store/names.h. */
static bool is_refused(struct str ch)
{
	unsigned char c = (unsigned char)ch.p[0], d = ch.n > 1 ? (unsigned char)ch.p[1] : 0;

	if (ch.n == 1)
		return c < 0x20 || c == 0x7f || c == '%' || c == '*' || c == HIERARCHY_SEPARATOR;
	if (ch.n == 2)
		return c == 0xc2 && d < 0xa0;
	return ch.n == 3 && c == 0xe2 && d == 0x80 && ((unsigned char)ch.p[2] == 0xa8 || (unsigned char)ch.p[2] == 0xa9);
}

static bool add_clean(struct str s, struct buf *out)
{
	bool same = s.n > 0;

	if (s.n == 0)
		buf_addc(out, '_');
	while (s.n) {
		size_t n = mail_utf8_size(s);
		bool bad = n == 0 || is_refused(str_sub(s, 0, n));

		n = n ? n : 1;
		same &= !bad;
		if (bad)
			buf_addc(out, '_');
		else
			buf_add(out, str_sub(s, 0, n));
		s = str_from(s, n);
	}
	return same;
}

/* With a mark and two hexadecimal digits for a byte. */
static void unescape(struct str s, char mark, struct buf *out)
{
	for (size_t i = 0; i < s.n; i++) {
		int hi = s.p[i] == mark && i + 2 < s.n ? mail_hex_digit(s.p[i + 1]) : -1;
		int lo = hi >= 0 ? mail_hex_digit(s.p[i + 2]) : -1;

		if (lo >= 0) {
			buf_addc(out, (char)(hi << 4 | lo));
			i += 2;
		} else {
			buf_addc(out, s.p[i]);
		}
	}
}

static bool wire_level_decode(struct str level, struct buf *out)
{
	struct buf text;
	bool same;

	buf_init(&text, LEVEL_MAX);
	same = add_clean(imap_utf7_decode(level, &text) ? buf_str(&text) : level, out);
	buf_fini(&text);
	return same;
}

bool level_decode(struct str level, struct buf *out)
{
	struct buf bytes;
	bool same;

	buf_init(&bytes, LEVEL_MAX);
	unescape(level, '\\', &bytes);
	same = wire_level_decode(buf_str(&bytes), out);
	buf_fini(&bytes);
	return same;
}

static bool decode_levels(struct str name, char sep, bool (*decode)(struct str level, struct buf *out), struct buf *out)
{
	struct str level;
	bool same = true, first = true;

	while (str_split(&name, sep, &level)) {
		if (!first)
			buf_addc(out, HIERARCHY_SEPARATOR);
		same &= decode(level, out);
		first = false;
	}
	return same;
}

bool wire_decode(struct str name, char sep, struct buf *out)
{
	return sep ? decode_levels(name, sep, wire_level_decode, out) : wire_level_decode(name, out);
}

bool folder_decode(struct str name, char sep, struct buf *out)
{
	return decode_levels(name, sep, level_decode, out);
}

bool file_level_decode(struct str level, struct buf *out)
{
	struct buf bytes;
	bool same;

	buf_init(&bytes, LEVEL_MAX);
	unescape(level, '%', &bytes);
	same = add_clean(buf_str(&bytes), out);
	buf_fini(&bytes);
	return same;
}

/* ---- from us to files */

void maildir_name_encode(struct str name, struct buf *out)
{
	struct buf wire;
	struct str rest = name, level;

	if (str_eq(name, STR("INBOX")))
		return;
	while (str_split(&rest, HIERARCHY_SEPARATOR, &level)) {
		buf_addc(out, '.');
		buf_init(&wire, LEVEL_MAX);
		imap_utf7_encode(level, &wire);
		for (size_t i = 0; i < wire.n; i++) {
			if (wire.p[i] == '.' || wire.p[i] == '/' || wire.p[i] == '\\' || (wire.p[i] == '~' && i == 0))
				buf_addf(out, "\\%02x", (unsigned char)wire.p[i]);
			else
				buf_addc(out, wire.p[i]);
		}
		buf_fini(&wire);
	}
}

static bool is_plain(unsigned char c, bool first)
{
	return c >= 0x20 && c != 0x7f && c != '/' && c != '\\' && c != ':' && c != '%' && !(first && c == '.');
}

void file_name_encode(struct str name, struct buf *out)
{
	struct str level;
	bool more = false;

	while (str_split(&name, HIERARCHY_SEPARATOR, &level)) {
		if (more)
			buf_addc(out, '/');
		more = true;
		for (size_t i = 0; i < level.n; i++) {
			if (is_plain((unsigned char)level.p[i], i == 0))
				buf_addc(out, level.p[i]);
			else
				buf_addf(out, "%%%02x", (unsigned char)level.p[i]);
		}
	}
}

/* ---- special uses */

static const struct {
	const char *name;
	uint32_t special;
} common[] = {
	{ "Drafts", MBOX_DRAFTS },
	{ "Draft", MBOX_DRAFTS },
	{ "Sent", MBOX_SENT },
	{ "Sent Items", MBOX_SENT },
	{ "Sent Messages", MBOX_SENT },
	{ "Sent Mail", MBOX_SENT },
	{ "sent-mail", MBOX_SENT },
	{ "Junk", MBOX_JUNK },
	{ "Junk E-mail", MBOX_JUNK },
	{ "Spam", MBOX_JUNK },
	{ "Trash", MBOX_TRASH },
	{ "Deleted Items", MBOX_TRASH },
	{ "Deleted Messages", MBOX_TRASH },
	{ "Archive", MBOX_ARCHIVE },
	{ "Archives", MBOX_ARCHIVE },
};

uint32_t name_special(struct str name)
{
	if (str_istarts(name, STR("INBOX/")))
		name = str_from(name, 6);
	for (size_t i = 0; i < sizeof common / sizeof *common; i++)
		if (str_ieq(name, str_z(common[i].name)))
			return common[i].special;
	return 0;
}
