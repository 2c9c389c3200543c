/* imap/pattern.c - LIST patterns. See the header.
 * Trust       the pattern is hostile. Instead of trying and going back, all the places of the pattern that the name so far can have
 *             led to are kept, as bits: each byte of the name moves them once.
 */
#include "imap/pattern.h"

#include "base/cur.h"
#include "ipc/words.h"

#define WORDS (IMAP_PATTERN_MAX / 64 + 1)

static const struct str inbox = { "INBOX", 5 };

/* Length of the part of the name that matches in any case. */
static size_t folded_size(struct str name)
{
	bool first = str_starts(name, inbox) && (name.n == inbox.n || name.p[inbox.n] == HIERARCHY_SEPARATOR);

	return first ? inbox.n : 0;
}

struct places {
	uint64_t bits[WORDS];
	bool any;
};

/* A wildcard may also stand for nothing. */
static void reach(struct places *s, struct str pattern, size_t at)
{
	for (;; at++) {
		s->bits[at / 64] |= (uint64_t)1 << at % 64;
		s->any = true;
		if (at == pattern.n || (pattern.p[at] != '*' && pattern.p[at] != '%'))
			return;
	}
}

static bool is_reached(const struct places *s, size_t at)
{
	return s->bits[at / 64] >> at % 64 & 1;
}

/* One place of the pattern takes a byte of the name. */
static void step_one(struct places *to, struct str pattern, size_t at, char ch, bool fold)
{
	char p = at < pattern.n ? pattern.p[at] : 0;

	if (at == pattern.n)
		return;
	if (p == '*' || p == '%') {
		if (p == '*' || ch != HIERARCHY_SEPARATOR)
			reach(to, pattern, at);
	} else if (p == ch || (fold && ascii_upper(p) == ch)) {
		reach(to, pattern, at + 1);
	}
}

static void step(struct places *s, struct str pattern, char ch, bool fold)
{
	struct places next = { 0 };

	for (size_t w = 0; w <= pattern.n / 64; w++)
		for (uint64_t bits = s->bits[w]; bits; bits &= bits - 1)
			step_one(&next, pattern, w * 64 + (size_t)__builtin_ctzll(bits), ch, fold);
	*s = next;
}

bool imap_pattern_match(struct str pattern, struct str name)
{
	size_t folded = folded_size(name);
	struct places s = { 0 };

	if (pattern.n > IMAP_PATTERN_MAX)
		return false;
	reach(&s, pattern, 0);
	for (size_t i = 0; i < name.n && s.any; i++)
		step(&s, pattern, name.p[i], i < folded);
	return s.any && is_reached(&s, pattern.n);
}
