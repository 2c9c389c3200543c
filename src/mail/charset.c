/* mail/charset.c - charsets of mail, by ICU, to UTF-8. See mail/decode.h.
 * Trust       bytes and names are hostile.
 * Invariants  I1 what is added is well-formed UTF-8.
 */
#include "mail/decode.h"

#include "mail/utf8.h"

#include <string.h>
#include <unicode/ucnv.h>
#include <unicode/utf16.h>
#include <unicode/utf8.h>

#define CHARSET_NAME_MAX 40
#define REPLACEMENT STR("\xef\xbf\xbd")

static void add_utf8_replacing(struct str s, struct buf *out)
{
	for (;;) {
		size_t n = mail_utf8_prefix(s);

		if (!mail_utf8_add(out, str_sub(s, 0, n)) || n == s.n || !mail_utf8_add(out, REPLACEMENT))
			return;
		s = str_from(s, n + 1);
	}
}

/* Names that mean something wider or other in mail than ICU makes of them. */
static const struct alias {
	char name[20], icu[14];
} aliases[] = {
	{ "gb2312", "gb18030" },
	{ "gbk", "gb18030" },
	{ "x-gbk", "gb18030" },
	{ "gb_2312-80", "gb18030" },
	{ "ks_c_5601-1987", "windows-949" },
	{ "ks_c_5601-1989", "windows-949" },
	{ "cp949", "windows-949" },
	{ "euc-kr", "windows-949" },
	{ "iso-8859-1", "windows-1252" },
	{ "iso8859-1", "windows-1252" },
	{ "latin1", "windows-1252" },
	{ "iso-8859-8-i", "iso-8859-8" },
	{ "iso-8859-8-e", "iso-8859-8" },
	{ "iso-8859-6-i", "iso-8859-6" },
	{ "shift_jis", "windows-31j" },
	{ "x-sjis", "windows-31j" },
	{ "x-euc-jp", "euc-jp" },
	{ "big5", "windows-950" },
	{ "cp1252", "windows-1252" },
};

/* Charsets in which bytes below 0x80 may mean something else than ASCII. */
static bool is_stateful(const char *name)
{
	static const char prefixes[][10] = { "utf-16", "utf-32", "utf-7", "utf7", "utf16", "utf32", "iso-2022",
		"iso2022", "hz", "ucs", "iso-10646", "ibm", "cp037", "ebcdic", "scsu", "bocu", "unicode", "x-", "csiso",
		"csuni", "cp5", "cp8", "cp1", "imap" };

	for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
		size_t n = strnlen(prefixes[i], sizeof prefixes[i]);

		if (strncmp(name, prefixes[i], n) == 0)
			return strncmp(name, "cp125", 5) != 0;
	}
	return false;
}

/* The name in lower case, or "" when it cannot be one; a language behind '*' is dropped (RFC 2231 5). */
static void clean_name(struct str charset, char out[CHARSET_NAME_MAX])
{
	size_t n = 0;

	charset = str_trim(charset);
	for (size_t i = 0; i < charset.n && charset.p[i] != '*'; i++) {
		char c = ascii_lower(charset.p[i]);

		if (c == '"' || c == '\'')
			continue;
		if (n + 1 == CHARSET_NAME_MAX ||
			!(ascii_is_alnum(c) || c == '-' || c == '_' || c == '.' || c == ':' || c == '+')) {
			n = 0;
			break;
		}
		out[n++] = c;
	}
	out[n] = 0;
}

static bool is_utf8_name(const char *name)
{
	return strcmp(name, "utf-8") == 0 || strcmp(name, "utf8") == 0;
}

static bool is_guessed(const char *name)
{
	static const char names[][16] = { "", "us-ascii", "ascii", "unknown-8bit", "x-unknown", "unknown", "8bit",
		"7bit", "default", "_autodetect" };

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

static UConverter *open_converter(const char *name)
{
	UErrorCode err = U_ZERO_ERROR;
	UConverter *cnv;

	for (size_t i = 0; i < sizeof aliases / sizeof aliases[0]; i++)
		if (strcmp(name, aliases[i].name) == 0)
			name = aliases[i].icu;
	cnv = ucnv_open(name, &err);
	return U_FAILURE(err) ? NULL : cnv;
}

/* Adds UTF-16 as UTF-8; a high surrogate at the end waits in *high. NUL stays. False when out is full. */
static bool add_utf16(const UChar *u, int32_t n, UChar *high, struct buf *out)
{
	for (int32_t i = 0; i < n; i++) {
		UChar32 c = u[i];
		char t[4];
		size_t k = 0;

		if (*high && U16_IS_TRAIL(c))
			c = U16_GET_SUPPLEMENTARY(*high, c);
		*high = 0;
		if (U16_IS_LEAD(c)) {
			*high = (UChar)c;
			continue;
		}
		if (U_IS_SURROGATE(c))
			c = 0xfffd;
		U8_APPEND_UNSAFE(t, k, c);
		if (!mail_utf8_add(out, str_of(t, k)))
			return false;
	}
	return true;
}

static void convert(UConverter *cnv, struct str bytes, struct buf *out)
{
	const char *p = bytes.p, *end = bytes.p + bytes.n;
	UErrorCode err;
	UChar high = 0;

	do {
		UChar u[128], *to = u;

		err = U_ZERO_ERROR;
		ucnv_toUnicode(cnv, &to, u + 128, &p, end, NULL, true, &err);
		if (!add_utf16(u, (int32_t)(to - u), &high, out))
			return;
	} while (err == U_BUFFER_OVERFLOW_ERROR);
}

void mail_charset_decode(struct str bytes, struct str charset, struct buf *out)
{
	char name[CHARSET_NAME_MAX];
	UConverter *cnv;

	if (!bytes.n)
		return;
	clean_name(charset, name);
	if (is_utf8_name(name)) {
		add_utf8_replacing(bytes, out);
		return;
	}
	if ((!is_stateful(name) && mail_ascii_ok(bytes)) || (is_guessed(name) && mail_utf8_ok(bytes))) {
		mail_utf8_add(out, bytes);
		return;
	}
	cnv = is_guessed(name) ? NULL : open_converter(name);
	if (!cnv && mail_utf8_ok(bytes)) {
		mail_utf8_add(out, bytes);
		return;
	}
	if (!cnv)
		cnv = open_converter("windows-1252");
	if (!cnv) { /* ICU without its data */
		add_utf8_replacing(bytes, out);
		return;
	}
	convert(cnv, bytes, out);
	ucnv_close(cnv);
}
