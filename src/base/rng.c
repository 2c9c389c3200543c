/* base/rng.c - random bytes. See the header. */
#include "base/rng.h"

#include "base/die.h"

#include <errno.h>
#include <sys/random.h>

void rng_bytes(void *out, size_t n)
{
	char *p = out;

	while (n) {
		ssize_t r = getrandom(p, n > 256 ? 256 : n, 0);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			die_errno("getrandom");
		p += r;
		n -= (size_t)r;
	}
}

uint64_t rng_u64(void)
{
	uint64_t v;

	rng_bytes(&v, sizeof v);
	return v;
}

uint64_t rng_step(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15ULL);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}
