/*-------------------------------------------------------------------------
 *
 * rng.c
 *	  Random numbers that a seed decides.
 *
 * Each purpose has a stream of its own (network, disk, the test, ...), so that
 * one more draw in one place does not change what the others see.  The
 * generator is splitmix64: small, with full period, and good enough for faults.
 *
 *-------------------------------------------------------------------------
 */
#include "lab.h"

void
rng_seed(Rng *rng, uint64_t seed, const char *stream)
{
	uint64_t	hash = UINT64_C(14695981039346656037);

	for (const char *p = stream; *p; p++)
		hash = (hash ^ (uint8_t) *p) * UINT64_C(1099511628211);
	rng->state = hash ^ (seed * UINT64_C(0x9E3779B97F4A7C15));
	(void) rng_next(rng);
}

uint64_t
rng_next(Rng *rng)
{
	uint64_t	z = (rng->state += UINT64_C(0x9E3779B97F4A7C15));

	z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
	return z ^ (z >> 31);
}

uint64_t
rng_below(Rng *rng, uint64_t bound)
{
	return bound == 0 ? 0 : rng_next(rng) % bound;
}

uint64_t
rng_between(Rng *rng, uint64_t low, uint64_t high)
{
	return low + rng_below(rng, high - low + 1);
}

bool
rng_percent(Rng *rng, uint32_t percent)
{
	return rng_below(rng, 100) < percent;
}
