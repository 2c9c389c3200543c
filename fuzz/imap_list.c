/* fuzz/imap_list.c - the arguments of LIST; what was understood is within its limits, and each pattern is tried on some names. */
#include "base/die.h"
#include "imap/list_parse.h"
#include "imap/pattern.h"

#include <stdint.h>

#define PATTERNS_MAX 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_all(const struct imap_list *x)
{
	static const char *const names[] = { "INBOX", "INBOX/a", "a/b/c", "aaaaaaaaaaaaaaaaaaaa/aaaaaaaaaaaaaaaaaaab" };

	for (size_t i = 0; i < x->n_patterns; i++) {
		struct str p = x->patterns[i];

		for (size_t k = 0; k < sizeof names / sizeof *names; k++)
			(void)imap_pattern_match(p, str_z(names[k]));
		if (str_find(p, '*') < 0 && str_find(p, '%') < 0 && p.n <= IMAP_PATTERN_MAX)
			die_unless(imap_pattern_match(p, p), "a name does not match itself");
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cur c = cur_of(str_of(data, size));
	struct imap_list x;
	struct arena a;

	arena_init(&a, "fuzz", (size_t)64 << 20);
	if (imap_list_parse(&c, &a, PATTERNS_MAX, &x) == OK) {
		die_unless(x.n_patterns >= 1 && x.n_patterns <= PATTERNS_MAX, "patterns out of bounds");
		die_unless(!(x.select & IMAP_LIST_RECURSIVEMATCH) || x.select & IMAP_LIST_CRITERIA, "RECURSIVEMATCH of nothing");
		die_unless(!x.status == !(x.returns & IMAP_RETURN_STATUS), "STATUS without items");
		try_all(&x);
	}
	arena_fini(&a);
	return 0;
}
