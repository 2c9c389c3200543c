/* test/unit/imap/test_pattern.c - LIST patterns, against examples and against a plain definition. */
#include "unit.h"

#include "base/rng.h"
#include "imap/pattern.h"

#include <string.h>

static void examples(void **state)
{
	static const struct {
		const char *pattern, *name;
		bool match;
	} cases[] = {
		{ "*", "a/b/c", true },
		{ "%", "a", true },
		{ "%", "a/b", false },
		{ "%/%", "a/b", true },
		{ "a/%", "a/b/c", false },
		{ "a/*", "a/b/c", true },
		{ "a*", "a", true },
		{ "*c", "a/b/c", true },
		{ "%c", "a/b/c", false },
		{ "*%c", "a/b/c", true },
		{ "a", "a", true },
		{ "a", "A", false },
		{ "", "", true },
		{ "", "a", false },
		{ "a%", "a", true },
		{ "%a%b", "xaxb", true },
		{ "inbox", "INBOX", true },
		{ "InB%", "INBOX", true },
		{ "inbox/%", "INBOX/x", true },
		{ "inbox", "INBOXES", false },
		{ "inboxes", "INBOXES", false },
		{ "inbox/X", "INBOX/x", false },
		{ "*x", "INBOX", true },
		{ "%%%", "abc", true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		if (imap_pattern_match(str_z(cases[i].pattern), str_z(cases[i].name)) != cases[i].match)
			fail_msg("%s %s", cases[i].pattern, cases[i].name);
}

static bool plain(const char *p, const char *n)
{
	if (!*p)
		return !*n;
	if (*p == '*' || *p == '%')
		return plain(p + 1, n) || (*n && (*p == '*' || *n != '/') && plain(p, n + 1));
	return *n == *p && plain(p + 1, n + 1);
}

static void random_word(char *out, size_t n, const char *letters, uint64_t *seed)
{
	size_t size = rng_step(seed) % n;

	for (size_t i = 0; i < size; i++)
		out[i] = letters[rng_step(seed) % strlen(letters)];
	out[size] = 0;
}

static void definition(void **state)
{
	uint64_t seed = 7;
	char p[10], n[12];

	(void)state;
	for (int i = 0; i < 300000; i++) {
		random_word(p, sizeof p, "ab/*%%*", &seed);
		random_word(n, sizeof n, "ab/", &seed);
		if (imap_pattern_match(str_z(p), str_z(n)) != plain(p, n))
			fail_msg("%s %s", p, n);
	}
}

static void hostile(void **state)
{
	struct buf p, n;

	(void)state;
	buf_init(&p, 10000);
	buf_init(&n, 10000);
	for (int i = 0; i < 500; i++) {
		buf_addz(&p, i % 2 ? "*a" : "%a");
		buf_addz(&n, "aa");
	}
	buf_addz(&p, "b");
	assert_false(imap_pattern_match(buf_str(&p), buf_str(&n)));
	buf_fini(&p);
	buf_fini(&n);
}

static void longest(void **state)
{
	struct buf p;

	(void)state;
	buf_init(&p, IMAP_PATTERN_MAX + 1);
	for (int i = 0; i < IMAP_PATTERN_MAX - 1; i++)
		buf_addc(&p, '*');
	buf_addc(&p, 'x');
	assert_true(imap_pattern_match(buf_str(&p), STR("a/x")));
	assert_false(imap_pattern_match(buf_str(&p), STR("a/y")));
	buf_addc(&p, '*');
	assert_false(imap_pattern_match(buf_str(&p), STR("a/x")));
	buf_fini(&p);
}

RUN(TEST(longest), TEST(examples), TEST(definition), TEST(hostile))
