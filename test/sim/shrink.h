/*-------------------------------------------------------------------------
 *
 * shrink.h
 *	  A failing run made as small as it goes.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAFT_TEST_SIM_SHRINK_H
#define RAFT_TEST_SIM_SHRINK_H

#include "plan.h"

/*
 * The test has just failed with this seed.  Reduces its plan, writes it into the
 * folder and prints how to run it again; for a test without a plan it names
 * the seed with the shortest failing run.
 */
extern void shrink_failure(Lab *lab, const LabTest *test, uint64_t seed, const char *folder);

/* Reduces a plan whose run on this lab has just failed; returns how many runs it took. */
extern uint64_t shrink_reduce(Lab *lab, Plan *plan);

/* Runs a plan from its text.  False when it failed; lab->failure says why. */
extern bool lab_run_plan(Lab *lab, const Plan *plan);

#endif							/* RAFT_TEST_SIM_SHRINK_H */
