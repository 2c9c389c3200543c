/* ctl/json.c - JSON objects written for programs. See the header. */
#include "ctl/json.h"

#include "ctl/text.h"
#include "mail/utf8.h"

/* Beyond ASCII, what many programs take for the end of a line: U+0085, U+2028, U+2029. 0: none begins here. */
static unsigned line_end(struct str s)
{
	if (str_starts(s, STR("\xc2\x85")))
		return 0x85;
	return str_starts(s, STR("\xe2\x80\xa8")) ? 0x2028 : str_starts(s, STR("\xe2\x80\xa9")) ? 0x2029 : 0;
}

void json_add(struct buf *out, struct str s)
{
	bool utf8 = mail_utf8_ok(s);

	buf_addc(out, '"');
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		unsigned end = c >= 0x80 && utf8 ? line_end(str_from(s, i)) : 0;

		if (c == '"' || c == '\\')
			buf_addf(out, "\\%c", c);
		else if (c < 0x20 || c == 0x7f)
			buf_addf(out, "\\u%04x", c);
		else if (end)
			buf_addf(out, "\\u%04x", end);
		else
			buf_addc(out, c < 0x80 || utf8 ? (char)c : '?');
		i += end ? (end > 0xff) + 1 : 0;
	}
	buf_addc(out, '"');
}

/* Values end in quotes, digits, letters and closing brackets: behind an opening one nothing has come yet. */
static void member(struct buf *out, const char *key)
{
	char last = '{';

	if (out->n)
		last = out->p[out->n - 1];
	if (last != '{' && last != '[' && last != '\n')
		buf_addc(out, ',');
	if (key)
		buf_addf(out, "\"%s\":", key);
}

void json_open(struct buf *out, const char *key, char bracket)
{
	member(out, key);
	buf_addc(out, bracket);
}

void json_close(struct buf *out, char bracket)
{
	buf_addc(out, bracket);
}

void json_str(struct buf *out, const char *key, struct str s)
{
	member(out, key);
	json_add(out, s);
}

void json_num(struct buf *out, const char *key, uint64_t n)
{
	member(out, key);
	buf_add_u64(out, n);
}

void json_bool(struct buf *out, const char *key, bool b)
{
	member(out, key);
	buf_addz(out, b ? "true" : "false");
}

void json_time(struct buf *out, const char *key, int64_t s)
{
	member(out, key);
	if (!s) {
		buf_addz(out, "null");
		return;
	}
	buf_addc(out, '"');
	text_time(out, s);
	buf_addc(out, '"');
}
