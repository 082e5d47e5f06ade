/*-------------------------------------------------------------------------
 *
 * clock.c
 *	  A wall clock for tests that can be set, loaded before the C library
 *	  (LD_PRELOAD).
 *
 * The file $RAFT_TEST_CLOCK holds a signed 64-bit number in the machine's byte
 * order: the microseconds by which the wall clock is wrong, for all processes
 * at once.  The monotonic clock is left alone, as nothing can set that.
 *
 *-------------------------------------------------------------------------
 */
#define _GNU_SOURCE

#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

typedef int (*ClockGettime) (clockid_t, struct timespec *);

static volatile int64_t *wrong_by;
static ClockGettime real_clock_gettime;

__attribute__((constructor)) static void
open_clock(void)
{
	const char *path = getenv("RAFT_TEST_CLOCK");
	int			file = path ? open(path, O_RDONLY) : -1;
	void	   *memory = mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, file, 0);

	if (memory == MAP_FAILED)
		abort();
	close(file);
	real_clock_gettime = (ClockGettime) dlsym(RTLD_NEXT, "clock_gettime");
	wrong_by = memory;
}

int
clock_gettime(clockid_t clock, struct timespec *now)
{
	int			result;
	int64_t		us;

	/* somebody may ask before the constructor has run */
	if (real_clock_gettime == NULL)
		real_clock_gettime = (ClockGettime) dlsym(RTLD_NEXT, "clock_gettime");
	result = real_clock_gettime(clock, now);
	if (clock == CLOCK_REALTIME && result == 0 && wrong_by != NULL)
	{
		us = now->tv_sec * INT64_C(1000000) + now->tv_nsec / 1000 + *wrong_by;
		now->tv_sec = us / 1000000;
		now->tv_nsec = us % 1000000 * 1000;
	}
	return result;
}

int
gettimeofday(struct timeval *now, void *zone)
{
	struct timespec precise;

	(void) zone;
	if (clock_gettime(CLOCK_REALTIME, &precise) != 0)
		return -1;
	now->tv_sec = precise.tv_sec;
	now->tv_usec = precise.tv_nsec / 1000;
	return 0;
}
