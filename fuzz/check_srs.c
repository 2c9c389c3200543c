/* fuzz/check_srs.c - local parts of hostile senders, rewritten and back; what was not made here is never taken for it. */
#include "base/die.h"
#include "check/srs.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW ((int64_t)20000 * 86400)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str in = str_of(data, size < 64 ? size : 64), local, domain, out;
	struct srs_key key;
	struct arena a;

	srs_key_of(STR("secret"), &key);
	if (in.n && memchr(in.p, 0, in.n)) /* no path has it */
		return 0;
	arena_init(&a, "fuzz", 1 << 20);
	die_unless(srs_reverse(&key, in, NOW, &a, &local, &domain) != SRS_VALID, "a hash that was guessed");
	if (in.n && srs_forward(&key, in, STR("x.test"), NOW, &a, &out)) {
		die_unless(out.n <= SRS_LOCAL_MAX, "too long");
		die_unless(srs_reverse(&key, out, NOW, &a, &local, &domain) == SRS_VALID && local.n && domain.n, "no way back");
		if (!str_istarts(in, STR("SRS")))
			die_unless(str_eq(local, in) && str_eq(domain, STR("x.test")), "the way back leads elsewhere");
	}
	arena_fini(&a);
	return 0;
}
