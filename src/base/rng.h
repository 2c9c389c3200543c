/* base/rng.h - random bytes from the kernel, and a seeded generator for the simulator. */
#ifndef SALLYPORT_BASE_RNG_H
#define SALLYPORT_BASE_RNG_H

#include <stddef.h>
#include <stdint.h>

void rng_bytes(void *out, size_t n); /* getrandom(2); dies without it */
uint64_t rng_u64(void);

/* splitmix64: reproducible, not secret. */
uint64_t rng_step(uint64_t *state);

#endif
