/*-------------------------------------------------------------------------
 *
 * progress.h
 *	  Lines that tell how far a long run is.
 *
 * The only clock of the laboratory that is not virtual: progress and speed are told
 * by it, and no run knows of it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAFT_TEST_SIM_PROGRESS_H
#define RAFT_TEST_SIM_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

extern void progress_every(uint64_t seconds);	/* 0 = whenever there is something to tell */
extern double progress_clock(void);
extern bool progress_is_due(void);
extern void progress_tell(const char *format,...) __attribute__((format(printf, 1, 2)));

#endif							/* RAFT_TEST_SIM_PROGRESS_H */
