/* fuzz/relay_sts.c - an MTA-STS policy, and the record beside it: what parses is shown, and parses to the same again. */
#include "base/die.h"
#include "relay/sts_parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str input = str_of(data, size), id;
	struct sts_policy p, again;
	struct arena arena;
	struct buf shown;

	arena_init(&arena, "fuzz", (size_t)16 << 20);
	buf_init(&shown, STS_SHOWN_MAX);
	if (sts_id_find(&input, 1, &id))
		die_unless(id.n > 0 && id.n <= STS_ID_MAX, "an id beyond its bound");
	if (sts_policy_parse(input, &arena, &p)) {
		sts_policy_show(&p, &shown);
		die_unless(!shown.full && sts_policy_parse(buf_str(&shown), &arena, &again), "a policy that does not parse again");
		die_unless(again.mode == p.mode && again.max_age_s == p.max_age_s && again.n_mx == p.n_mx, "another policy");
		die_unless(!sts_policy_covers(&p, STR("")), "a host without a name is covered");
	}
	buf_fini(&shown);
	arena_fini(&arena);
	return 0;
}
