/* imap/pattern.c - LIST patterns. See the header.
 * Trust       the pattern is hostile: two remembered places suffice, there is no recursion. A "%" that was passed never has to
 *             take more once a later "%" or "*" was reached: the later one takes it as well, or the level has ended.
 */
#include "imap/pattern.h"

#include "ipc/words.h"

static const struct str inbox = { "INBOX", 5 };

/* Length of the part of the name that matches in any case. */
static size_t folded_size(struct str name)
{
	bool first = str_starts(name, inbox) && (name.n == inbox.n || name.p[inbox.n] == HIERARCHY_SEPARATOR);

	return first ? inbox.n : 0;
}

struct place {
	size_t pattern, name; /* behind the wildcard; the next byte it may take */
	bool set;
};

static bool take_more(struct place *w, struct str name, bool any, size_t *p, size_t *n)
{
	if (!w->set || w->name == name.n || (!any && name.p[w->name] == HIERARCHY_SEPARATOR))
		return false;
	*n = ++w->name;
	*p = w->pattern;
	return true;
}

bool imap_pattern_match(struct str pattern, struct str name)
{
	struct place level = { 0 }, any = { 0 };
	size_t p = 0, n = 0, folded = folded_size(name);

	for (;;) {
		char c = p < pattern.n ? pattern.p[p] : 0;

		if (p < pattern.n && (c == '*' || c == '%')) {
			struct place here = { .pattern = ++p, .name = n, .set = true };

			level = c == '%' ? here : (struct place){ 0 };
			any = c == '*' ? here : any;
			continue;
		}
		if (p == pattern.n && n == name.n)
			return true;
		if (p < pattern.n && n < name.n && (c == name.p[n] || (n < folded && ascii_upper(c) == name.p[n]))) {
			p++;
			n++;
			continue;
		}
		if (take_more(&level, name, false, &p, &n))
			continue;
		level.set = false;
		if (!take_more(&any, name, true, &p, &n))
			return false;
	}
}
