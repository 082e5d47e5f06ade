/*-------------------------------------------------------------------------
 *
 * mutant_runs.h
 *	  Old bugs put back into the core, one at a time.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAFT_TEST_SIM_MUTANT_RUNS_H
#define RAFT_TEST_SIM_MUTANT_RUNS_H

#include "campaign.h"

/* False when there is no such mutant, or none at all in this build. */
extern bool mutant_set(const char *name);

/* Name of the one that is put back; NULL when the core is as it should be. */
extern const char *mutant_now(void);

/* Puts each back, or the one that is set alone, and looks for it; an exit status. */
extern int	mutants_run(Lab *lab, const LabTest *const *suites, size_t n_suites);

#endif							/* RAFT_TEST_SIM_MUTANT_RUNS_H */
