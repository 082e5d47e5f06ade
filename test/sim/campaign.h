/*-------------------------------------------------------------------------
 *
 * campaign.h
 *	  One test with very many seeds, on several processors.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAFT_TEST_SIM_CAMPAIGN_H
#define RAFT_TEST_SIM_CAMPAIGN_H

#include "lab.h"

/*
 * Seeds first .. first + seeds - 1 by so many processes; an exit status.  The first
 * failure of each process is reduced, and its plan kept in the folder shrink, unless
 * that is empty.
 */
extern int	campaign_run(Lab *lab, const LabTest *test, uint64_t first, uint64_t seeds,
						 uint32_t jobs, const char *shrink);

/* --- main.c --- */
extern bool lab_run(Lab *lab, const LabTest *test, uint64_t seed);
extern bool lab_same_trace_twice(Lab *lab, const LabTest *test, uint64_t seed);
extern void lab_report_failure(Lab *lab, const LabTest *test, uint64_t seed, const char *shrink);

#endif							/* RAFT_TEST_SIM_CAMPAIGN_H */
