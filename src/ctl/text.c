/* ctl/text.c - others' texts and times. See the header. */
#include "ctl/text.h"

#include "mail/utf8.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* U+0080 to U+009F; and those that end lines or turn the direction of writing: U+2028 to U+202E, U+2066 to U+2069. */
static bool steers(struct str c)
{
	unsigned char last = (unsigned char)c.p[c.n - 1];

	if (c.n == 2)
		return c.p[0] == '\xc2' && last < 0xa0;
	if (c.n != 3 || c.p[0] != '\xe2')
		return false;
	return (c.p[1] == '\x80' && last >= 0xa8 && last <= 0xae) || (c.p[1] == '\x81' && last >= 0xa6 && last <= 0xa9);
}

/* The character at i: its bytes, and whether it may be shown. */
static struct str character(struct str s, size_t i, size_t well_formed, bool *plain)
{
	unsigned char c = (unsigned char)s.p[i];
	size_t n = c < 0x80 || i >= well_formed ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
	struct str out = str_sub(s, i, n);

	*plain = c < 0x80 ? c >= 0x20 && c != 0x7f && c != '\\' : n > 1 && !steers(out);
	return out;
}

void text_add(struct buf *out, struct str s)
{
	size_t well_formed = mail_utf8_prefix(s);

	for (size_t i = 0; i < s.n;) {
		bool plain;
		struct str c = character(s, i, well_formed, &plain);

		i += c.n;
		if (plain)
			buf_add(out, c);
		for (size_t k = 0; !plain && k < c.n; k++)
			buf_addf(out, "\\x%02x", (unsigned char)c.p[k]);
	}
}

void text_time(struct buf *out, int64_t s)
{
	time_t t = (time_t)s;
	struct tm tm;
	char text[40];

	if (gmtime_r(&t, &tm) && strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm))
		buf_addz(out, text);
	else
		buf_addz(out, "-");
}

void text_time_or_dash(struct buf *out, int64_t s)
{
	if (s)
		text_time(out, s);
	else
		buf_addc(out, '-');
}

static bool parse_ago(const char *word, int64_t *out)
{
	static const struct {
		char unit;
		int64_t s;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 }, { 'w', 604800 } };
	size_t n = strlen(word);
	uint32_t count;

	for (size_t i = 0; n > 1 && i < sizeof units / sizeof *units; i++)
		if (word[n - 1] == units[i].unit && str_to_u32(str_of(word, n - 1), &count)) {
			*out = time(NULL) - (int64_t)count * units[i].s;
			return true;
		}
	return false;
}

bool text_parse_time(const char *option, const char *word, int64_t *out)
{
	static const char *const forms[] = { "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d" };

	for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
		struct tm t = { .tm_isdst = -1 };
		const char *end = strptime(word, forms[i], &t);

		if (!end || *end)
			continue;
		*out = i == 0 ? timegm(&t) : mktime(&t);
		return true;
	}
	if (parse_ago(word, out))
		return true;
	fprintf(stderr, "sallyport: %s %s: say a date (2026-11-22), a time (2026-11-22T10:00:00) or how long ago (3h, 2d)\n", option, word);
	return false;
}
