/* fuzz/imap_search.c - search programs: what is accepted is a well-formed prefix program within its bounds. */
#include "base/die.h"
#include "imap/search_parse.h"
#include "ipc/words.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct imap_search *s)
{
	int64_t missing = 1;

	for (size_t i = 0; i < s->n; i++) {
		const struct ipc_search_key *k = &s->keys[i];

		die_unless(missing > 0, "a key behind the end");
		die_unless(k->op < SEARCH_OP_COUNT && k->text.n <= IPC_SEARCH_KEY_TEXT_MAX &&
				   k->field.n <= IPC_SEARCH_KEY_FIELD_MAX && k->n_set <= IPC_SEARCH_KEY_SET_MAX,
			"a key out of its bounds");
		die_unless(k->op != SEARCH_AND || k->number > 0, "an empty list");
		missing += k->op == SEARCH_AND ? k->number - 1 : k->op == SEARCH_OR ? 1 : k->op == SEARCH_NOT ? 0 : -1;
	}
	die_unless(missing == 0, "a key without its operands");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cur c = cur_of(str_of(data, size));
	struct imap_search s;
	struct arena a;

	arena_init(&a, "fuzz", (size_t)64 << 20);
	if (imap_search_parse(&c, &a, 20, &s) == OK && !s.bad_charset)
		check(&s);
	die_unless(s.n <= 20, "more keys than allowed");
	arena_fini(&a);
	return 0;
}
