/*-------------------------------------------------------------------------
 *
 * plan_test.c
 *	  Plans on paper, and plans made smaller.
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "mutant_runs.h"
#include "shrink.h"

/* A plan of any steps, one of which knows nothing of the others. */
static void
draw_any_plan(Lab *lab, Plan *plan)
{
	const PlanVerb *const tables[] = {plan_verbs, fault_verbs};
	Rng		   *rng = &lab->rng_test;
	uint64_t	n = rng_below(rng, 100);

	plan_reset(plan, "any", rng_next(rng));
	plan->n = (uint32_t) rng_between(rng, 1, LAB_MAX_NODES);
	for (size_t i = 0; i < plan_n_knobs(); i++)
		plan->knobs[i] = rng_percent(rng, 50) ? rng_next(rng) : 0;
	for (uint64_t i = 0; i < n; i++)
	{
		const PlanVerb *table = tables[rng_below(rng, lengthof(tables))];
		const PlanVerb *verb = table;
		uint64_t	args[PLAN_MAX_ARGS] = {0};

		for (uint64_t k = rng_below(rng, 60); k > 0; k--)
			verb = verb[1].name != NULL ? verb + 1 : table;
		for (size_t a = 0; verb->args[a] != '\0'; a++)
			args[a] = verb->args[a] == 'n' ? rng_between(rng, 1, plan->n) : rng_next(rng);
		plan_add(plan, rng_below(rng, 10 * T), verb->name, args[0], args[1], args[2]);
	}
	plan_sort(plan);
	plan->end = rng_below(rng, 10 * T);
	plan->heals = rng_percent(rng, 50);
	for (RaftNodeId i = 1; plan->heals && i <= plan->n; i++)
	{
		plan->fate[i] = (PlanFate) rng_below(rng, PLAN_FATES);
		plan->friend[i] = plan->fate[i] == PLAN_ONE_FRIEND ? (RaftNodeId) rng_between(rng, 1, plan->n) : 0;
	}
}

static bool
same_plan(const Plan *a, const Plan *b)
{
	if (strcmp(a->test, b->test) != 0 || a->seed != b->seed || a->n != b->n ||
		a->n_steps != b->n_steps || a->end != b->end || a->heals != b->heals ||
		memcmp(a->knobs, b->knobs, sizeof(a->knobs)) != 0 ||
		memcmp(a->fate, b->fate, sizeof(a->fate)) != 0 ||
		memcmp(a->friend, b->friend, sizeof(a->friend)) != 0)
		return false;
	for (size_t i = 0; i < a->n_steps; i++)
		if (a->steps[i].at != b->steps[i].at || a->steps[i].verb != b->steps[i].verb ||
			memcmp(a->steps[i].args, b->steps[i].args, sizeof(a->steps[i].args)) != 0)
			return false;
	return true;
}

/* A plan that is printed and read back is the same plan. */
static void
plan_text(Lab *lab)
{
	static Plan plan,
				again;
	FILE	   *file = tmpfile();
	const char *error;
	bool		readable;

	lab_check(lab, file != NULL, "no temporary file");
	draw_any_plan(lab, &plan);
	plan_print(&plan, "", file);
	rewind(file);
	readable = plan_read(&again, file, &error);
	fclose(file);
	lab_check(lab, readable, "a printed plan is not readable: %s", error);
	lab_check(lab, same_plan(&plan, &again), "a plan comes back changed");
}

/* What is no plan is refused, with the line that is wrong. */
static void
plan_text_refused(Lab *lab)
{
	static const char *const wrong[] = {
		"at 5.000 levitate 1", "at 5 crash 1", "at 5.000 crash", "at 5.000 crash 9", "at 5.000 crash 0",
		"at 5.000 cut 1", "knob gravity 1", "knob compact", "then 1", "then 9 well", "then 1 glorious",
		"then 1 one-friend", "then 1 one-friend 9", "end", "servers 8", "seed x", "test", "?"
	};

	for (size_t i = 0; i < lengthof(wrong); i++)
	{
		static Plan plan;
		FILE	   *file = tmpfile();
		const char *error;
		bool		readable;

		lab_check(lab, file != NULL, "no temporary file");
		fprintf(file, "# a comment\n\nservers 3\n%s\nend 1.000\n", wrong[i]);
		rewind(file);
		readable = plan_read(&plan, file, &error);
		fclose(file);
		lab_check(lab, !readable && strcmp(error, wrong[i]) == 0, "\"%s\" is taken", wrong[i]);
	}
}

#ifdef RAFT_MUTANTS

/* A failing run is reduced to one that fails likewise, and that is small. */
static void
plan_shrinks(Lab *lab)
{
	static Plan inner_plan,
				plan;
	static Lab	inner = {.plan = &inner_plan};
	RaftMutant	before = raft_mutant;
	LabFailure	failure;
	uint64_t	seed = 1;
	bool		passed;

	raft_mutant = MUTANT_ACK_BEFORE_DURABLE;
	while (lab_run(&inner, &simulate_tests[0], seed) && seed < 50)
		seed++;
	failure = inner.failure;
	plan_copy(&plan, inner.plan);
	shrink_reduce(&inner, &plan);
	passed = lab_run_plan(&inner, &plan);
	raft_mutant = before;
	current_lab = lab;
	lab_check(lab, !passed && inner.failure.invariant == failure.invariant,
			  "invariant %d broke, after the reduction %d", failure.invariant, inner.failure.invariant);
	lab_check(lab, plan.n <= 3 && plan.n_steps <= 2 && plan.end < 2 * T,
			  "%u servers, %zu steps, %llu ms are left", plan.n, plan.n_steps,
			  (unsigned long long) (plan.end / MS));
}

#endif

const LabTest plan_tests[] = {
	{"plan_text", "unit", 0, 0, plan_text},
	{"plan_text_refused", "unit", 0, 1, plan_text_refused},
#ifdef RAFT_MUTANTS
	{"plan_shrinks", "unit", 0, 1, plan_shrinks},
#endif
	{0}
};
