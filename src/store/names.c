/* store/names.c - names of mailboxes. See the header. */
#include "store/names.h"

#include "ipc/words.h"

#define SEP HIERARCHY_SEPARATOR

/* Bytes of the well-formed UTF-8 character at p, or 0 (RFC 3629 4). */
static size_t utf8_size(const unsigned char *p, size_t n)
{
	size_t more = p[0] < 0x80		    ? 0
		      : p[0] >= 0xc2 && p[0] < 0xe0 ? 1
		      : p[0] >= 0xe0 && p[0] < 0xf0 ? 2
		      : p[0] >= 0xf0 && p[0] < 0xf5 ? 3
						    : 4;

	if (more == 4 || more >= n)
		return 0;
	for (size_t i = 1; i <= more; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90) ||
		(p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return more + 1;
}

/* Characters that no client could list or select again: controls (C0, C1, line and paragraph separators) and wildcards. */
static bool is_refused(const unsigned char *p, size_t n)
{
	if (n == 1)
		return p[0] < 0x20 || p[0] == 0x7f || p[0] == '%' || p[0] == '*';
	if (n == 2)
		return p[0] == 0xc2 && p[1] < 0xa0;
	return n == 3 && p[0] == 0xe2 && p[1] == 0x80 && (p[2] == 0xa8 || p[2] == 0xa9);
}

static bool is_text(struct str s)
{
	const unsigned char *p = (const unsigned char *)s.p;

	for (size_t i = 0; i < s.n;) {
		size_t n = utf8_size(p + i, s.n - i);

		if (n == 0 || is_refused(p + i, n))
			return false;
		i += n;
	}
	return true;
}

bool name_is_inbox(struct str name)
{
	return str_ieq(name, STR("INBOX"));
}

enum outcome name_clean(struct str name, uint32_t size_max, uint32_t depth_max, struct buf *out)
{
	struct str rest, level;
	uint32_t depth = 0;

	if (name.n > 1 && name.p[name.n - 1] == SEP)
		name.n--;
	if (name.n == 0 || name.p[name.n - 1] == SEP || !is_text(name))
		return BAD_SYNTAX;
	if (name.n > size_max)
		return OVER_LIMIT;
	for (rest = name; str_split(&rest, SEP, &level); depth++) {
		if (level.n == 0)
			return BAD_SYNTAX;
		if (depth > 0)
			buf_addc(out, SEP);
		buf_add(out, depth == 0 && name_is_inbox(level) ? STR("INBOX") : level);
	}
	if (out->full)
		return OVER_LIMIT;
	return depth > depth_max ? OVER_LIMIT : OK;
}

int name_cmp(struct str a, struct str b)
{
	size_t n = a.n < b.n ? a.n : b.n;

	for (size_t i = 0; i < n; i++) {
		int x = a.p[i] == SEP ? 0 : (unsigned char)a.p[i] + 1,
		    y = b.p[i] == SEP ? 0 : (unsigned char)b.p[i] + 1;

		if (x != y)
			return x - y;
	}
	return (a.n > b.n) - (a.n < b.n);
}

bool name_is_below(struct str name, struct str parent)
{
	return name.n > parent.n && str_starts(name, parent) && name.p[parent.n] == SEP;
}

struct str name_parent(struct str name)
{
	ssize_t at = str_rfind(name, SEP);

	return at < 0 ? STR("") : str_sub(name, 0, (size_t)at);
}
