/*-------------------------------------------------------------------------
 *
 * progress.c
 *	  Lines that tell how far a long run is, every few seconds.
 *
 *-------------------------------------------------------------------------
 */
#define _POSIX_C_SOURCE 200809L

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "progress.h"

static double interval = 10;
static double told;				/* when the last line was */

double
progress_clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}

void
progress_every(uint64_t seconds)
{
	interval = (double) seconds;
	told = progress_clock();
}

bool
progress_is_due(void)
{
	return progress_clock() - told >= interval;
}

void
progress_tell(const char *format,...)
{
	va_list		args;

	told = progress_clock();
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
}
