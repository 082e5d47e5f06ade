/*-------------------------------------------------------------------------
 *
 * plan.h
 *	  What will happen to the group in a run: drawn from the seed before it
 *	  begins, printed, read back, reduced, executed.
 *
 * A plan holds everything that a random test does to its servers: how many there
 * are, how the world behaves (the knobs), and steps, each at a time of its own.
 * Chance inside of the run (delays, losses, what a crash keeps) comes from the
 * plan's seed.  So a plan and its seed are the run, and a part of the plan is a
 * smaller run: every step can be executed in every state, whatever was left out
 * before it.
 *
 * A test with a plan draws it into lab->plan and runs it:
 *	- the world: plan_world(), then lab->settings and lab->network as it likes,
 *	  then plan_take_knobs();
 *	- the steps: plan_add(), by the name of a verb (plan_run.c);
 *	- the time at which the faults end, and what becomes of each server then;
 *	- plan_run().
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAFT_TEST_SIM_PLAN_H
#define RAFT_TEST_SIM_PLAN_H

#include <stdio.h>

#include "lab.h"

#define PLAN_MAX_ARGS	3
#define PLAN_MAX_KNOBS	64

/*
 * Something to be done.  Its arguments, one letter each:
 *	n	a server
 *	s	a set of servers, a bit for each
 *	t	a time
 *	c	a count, at least 1
 *	z	a number that may be 0
 */
typedef struct PlanVerb
{
	const char *name;
	const char *args;
	void		(*run) (Lab *lab, const uint64_t *args);
} PlanVerb;

extern const PlanVerb plan_verbs[]; /* plan_run.c; ends with a NULL name */
extern const PlanVerb fault_verbs[];	/* plan_faults.c; likewise */

typedef struct PlanStep
{
	RaftTime	at;				/* since the servers started */
	const PlanVerb *verb;
	uint64_t	args[PLAN_MAX_ARGS];
} PlanStep;

/* What becomes of a server when the faults end. */
typedef enum PlanFate
{
	PLAN_WELL,
	PLAN_DOWN,
	PLAN_CUT_OFF,
	PLAN_DEAF,
	PLAN_MUTE,
	PLAN_ONE_FRIEND,			/* linked with one of those that are well */
	/* those below are linked with all that are well */
	PLAN_PAUSED,
	PLAN_CRASHING,				/* again and again */
	PLAN_COMES_AND_GOES,		/* its links do */
	PLAN_STUCK_DISK,
	PLAN_STARVED,				/* its ticks come up to a second late */
	PLAN_NO_APPLIER
} PlanFate;
#define PLAN_FATES	(PLAN_NO_APPLIER + 1)

struct Plan
{
	char		test[64];
	uint64_t	seed;
	uint32_t	n;				/* servers; 0 = this run has no plan */
	uint64_t	knobs[PLAN_MAX_KNOBS];
	PlanStep   *steps;			/* ascending by time */
	size_t		n_steps;
	size_t		capacity;
	RaftTime	end;			/* of the faults */
	bool		heals;			/* then who is well must lead, commit, agree */
	PlanFate	fate[LAB_MAX_NODES + 1];
	RaftNodeId	friend[LAB_MAX_NODES + 1];
};

/* --- plan.c --- */
extern void plan_reset(Plan *plan, const char *test, uint64_t seed);
extern void plan_copy(Plan *to, const Plan *from);
extern void plan_world(Lab *lab, Plan *plan, uint32_t n);
extern void plan_add(Plan *plan, RaftTime at, const char *verb, uint64_t a, uint64_t b, uint64_t c);
extern void plan_sort(Plan *plan);
extern void plan_take_knobs(Plan *plan, const Lab *lab);
extern void plan_give_knobs(const Plan *plan, Lab *lab);
extern size_t plan_n_knobs(void);
extern bool plan_calm_knob(Plan *plan, size_t knob);
extern uint32_t plan_well(const Plan *plan);
extern void plan_print(const Plan *plan, const char *indent, FILE *out);
extern bool plan_read(Plan *plan, FILE *in, const char **error);

/* --- plan_run.c --- */
extern void plan_run(Lab *lab, const Plan *plan);

/* --- liveness.c --- */
extern void liveness_phase(Lab *lab, const Plan *plan);
extern void plan_flap(Lab *lab, const SimEvent *event);

#endif							/* RAFT_TEST_SIM_PLAN_H */
