/*-------------------------------------------------------------------------
 *
 * shrink.c
 *	  Reduces a failing run: fewer servers, fewer faults, a calmer world,
 *	  shorter, while it fails with the same invariant.
 *
 * Delta debugging over the plan of the run: a candidate is the best plan with
 * something taken away, and becomes the best one when it fails in the same way.
 * Taking a step away changes what chance does to everything after it, so each
 * candidate is tried with several seeds.  What lies behind the moment of the
 * failure is cut off every time.  It ends when nothing more can be taken away,
 * or after a bounded number of events: a smaller failure is worth a minute, not
 * an hour.
 *
 * A test that is a script has no plan: of a few hundred seeds the one whose
 * failing run is shortest is named.
 *
 *-------------------------------------------------------------------------
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "mutant_runs.h"
#include "shrink.h"

#define START_TIME			(1 * MS)	/* of a run: plans count from here */
#define EVENT_BUDGET		UINT64_C(30000000)
#define FEW_SEEDS			4		/* for each candidate at first .. */
#define MANY_SEEDS			32		/* .. and when no other comes through */
#define LUCKY_SEEDS			50
#define SHOWN_STEPS			20
#define SCRIPT_SEEDS		200

typedef struct Shrink
{
	Lab		   *lab;
	LabFailure	failure;		/* of the whole run: candidates must fail like this */
	Plan		best;
	Plan		candidate;
	uint64_t	seeds;			/* tried with each candidate */
	uint64_t	runs;
	uint64_t	events;
} Shrink;

/* Kept from one failure to the next for their memory. */
static Shrink shrink;

/*
 * The same invariant, or, for a check that has no number, the same words: what
 * differs is which server, which index, which term.
 */
static bool
same_failure(const LabFailure *a, const LabFailure *b)
{
	const char *p = a->what;
	const char *q = b->what;

	if (a->invariant != b->invariant)
		return false;
	if (a->invariant != 0)
		return true;
	for (;;)
	{
		while (isdigit((unsigned char) *p))
			p++;
		while (isdigit((unsigned char) *q))
			q++;
		if (*p != *q)
			return false;
		if (*p == '\0')
			return true;
		p++;
		q++;
	}
}

/* Nothing after the failure matters. */
static void
cut_behind_failure(Plan *plan, const LabFailure *failure)
{
	RaftTime	at = failure->at - START_TIME;

	if (at > plan->end)
		return;					/* it failed when all was healed */
	plan->heals = false;
	plan->end = at;
	while (plan->n_steps > 0 && plan->steps[plan->n_steps - 1].at > at)
		plan->n_steps--;
}

/* True when the candidate fails, and as it should. */
static bool
candidate_fails(Shrink *s)
{
	bool		passed = lab_run_plan(s->lab, &s->candidate);

	s->runs++;
	s->events += s->lab->sched.handled;
	return !passed && same_failure(&s->lab->failure, &s->failure);
}

static void
take_candidate(Shrink *s)
{
	cut_behind_failure(&s->candidate, &s->lab->failure);
	plan_copy(&s->best, &s->candidate);
}

/* Takes the candidate when it fails with one of a few seeds. */
static bool
try_candidate(Shrink *s)
{
	uint64_t	seed = s->best.seed;

	for (uint64_t i = 0; i < s->seeds && s->events < EVENT_BUDGET; i++)
	{
		s->candidate.seed = seed + i;
		if (candidate_fails(s))
		{
			take_candidate(s);
			return true;
		}
	}
	return false;
}

/* ------------------------------------------------------ smaller things */

/* Takes stretches of steps away: halves first, single ones last. */
static bool
fewer_steps(Shrink *s)
{
	bool		progress = false;

	for (size_t size = (s->best.n_steps + 1) / 2; size > 0; size /= 2)
	{
		for (size_t first = 0; first < s->best.n_steps;)
		{
			size_t		end = first + size < s->best.n_steps ? first + size : s->best.n_steps;

			plan_copy(&s->candidate, &s->best);
			memmove(s->candidate.steps + first, s->candidate.steps + end,
					(s->candidate.n_steps - end) * sizeof(PlanStep));
			s->candidate.n_steps -= end - first;
			if (try_candidate(s))
				progress = true;
			else
				first = end;
		}
	}
	return progress;
}

/* A set of servers, a bit for each, without one of them. */
static uint64_t
set_without(uint64_t set, RaftNodeId gone)
{
	uint64_t	below = set & ((UINT64_C(1) << gone) - 1);

	return below | (set >> (gone + 1)) << gone;
}

/* The plan without a server; those behind it move up.  False when nothing is left. */
static bool
remove_server(Plan *plan, RaftNodeId gone)
{
	size_t		kept = 0;

	for (size_t i = 0; i < plan->n_steps; i++)
	{
		PlanStep	step = plan->steps[i];
		bool		concerned = false;

		for (size_t a = 0; step.verb->args[a] != '\0'; a++)
		{
			if (step.verb->args[a] == 'n')
			{
				concerned = concerned || step.args[a] == gone;
				step.args[a] -= step.args[a] > gone;
			}
			else if (step.verb->args[a] == 's')
				step.args[a] = set_without(step.args[a], gone);
		}
		if (!concerned)
			plan->steps[kept++] = step;
	}
	plan->n_steps = kept;
	for (RaftNodeId i = gone; i < plan->n; i++)
	{
		plan->fate[i] = plan->fate[i + 1];
		plan->friend[i] = plan->friend[i + 1];
	}
	plan->n--;
	for (RaftNodeId i = 1; i <= plan->n; i++)
	{
		/* in a group of three, two friends are a quorum of their own */
		if (plan->fate[i] == PLAN_ONE_FRIEND && (plan->friend[i] == gone || plan->n <= 3))
			plan->fate[i] = PLAN_CUT_OFF;
		plan->friend[i] -= plan->friend[i] > gone;
	}
	return plan->n > 0 && (!plan->heals || plan_well(plan) > plan->n / 2);
}

static bool
fewer_servers(Shrink *s)
{
	bool		progress = false;

	for (RaftNodeId gone = s->best.n; gone >= 1; gone--)
	{
		plan_copy(&s->candidate, &s->best);
		if (remove_server(&s->candidate, gone) && try_candidate(s))
			progress = true;
	}
	return progress;
}

/* Knobs at rest, and servers that are well in the end. */
static bool
calmer_world(Shrink *s)
{
	bool		progress = false;

	for (size_t knob = 0; knob < plan_n_knobs(); knob++)
	{
		plan_copy(&s->candidate, &s->best);
		if (plan_calm_knob(&s->candidate, knob) && try_candidate(s))
			progress = true;
	}
	for (RaftNodeId i = 1; i <= s->best.n; i++)
	{
		plan_copy(&s->candidate, &s->best);
		s->candidate.fate[i] = PLAN_WELL;
		if (s->best.fate[i] != PLAN_WELL && try_candidate(s))
			progress = true;
	}
	return progress;
}

/* Smaller numbers in the steps: nothing at all, or half. */
static bool
smaller_numbers(Shrink *s)
{
	bool		progress = false;

	for (size_t i = 0; i < s->best.n_steps; i++)
	{
		for (size_t a = 0; i < s->best.n_steps && s->best.steps[i].verb->args[a] != '\0'; a++)
		{
			char		kind = s->best.steps[i].verb->args[a];
			uint64_t	least = kind == 'c';

			if (kind == 'n' || kind == 's')
				continue;
			while (i < s->best.n_steps && s->best.steps[i].args[a] > least)
			{
				uint64_t	now = s->best.steps[i].args[a];

				plan_copy(&s->candidate, &s->best);
				s->candidate.steps[i].args[a] = least;
				if (!try_candidate(s))
				{
					plan_copy(&s->candidate, &s->best);
					s->candidate.steps[i].args[a] = now / 2;
					if (now / 2 <= least || !try_candidate(s))
						break;
				}
				progress = true;
			}
		}
	}
	return progress;
}

/* Less time between a step, or the end, and what comes before it. */
static bool
shorter_waits(Shrink *s)
{
	bool		progress = false;

	for (size_t i = 0; i <= s->best.n_steps; i++)
	{
		RaftTime	before = i == 0 ? 0 : s->best.steps[i - 1].at;
		RaftTime	at = i < s->best.n_steps ? s->best.steps[i].at : s->best.end;

		for (RaftTime less = at - before; less >= 10 * MS && i <= s->best.n_steps; less /= 2)
		{
			plan_copy(&s->candidate, &s->best);
			for (size_t k = i; k < s->candidate.n_steps; k++)
				s->candidate.steps[k].at -= less;
			s->candidate.end -= less;
			if (!try_candidate(s))
				continue;
			progress = true;
			break;
		}
	}
	return progress;
}

/* The same plan with another seed, when it fails sooner. */
static bool
luckier_seed(Shrink *s)
{
	bool		progress = false;
	uint64_t	seed = s->best.seed;

	for (uint64_t i = 1; i <= LUCKY_SEEDS && s->events < EVENT_BUDGET; i++)
	{
		plan_copy(&s->candidate, &s->best);
		s->candidate.seed = seed + i;
		if (candidate_fails(s) && s->lab->failure.at < START_TIME + s->best.end * 9 / 10)
		{
			take_candidate(s);
			progress = true;
		}
	}
	return progress;
}

/* -------------------------------------------------------------- reports */

static void
print_size(const char *what, const Plan *plan)
{
	printf("    %s: %u servers, %zu steps, %.3f s\n", what, plan->n, plan->n_steps,
		   (double) plan->end / (double) T);
}

static void
write_plan(const Plan *plan, const LabFailure *failure, uint64_t seed, const char *folder)
{
	char		path[500];
	FILE	   *out;

	snprintf(path, sizeof(path), "%s/%s-%llu.plan", folder, plan->test, (unsigned long long) seed);
	out = fopen(path, "w");
	if (out == NULL)
	{
		printf("    \"%s\" cannot be written\n", path);
		return;
	}
	fprintf(out, "# %s\n", failure->what);
	if (mutant_now() != NULL)
		fprintf(out, "# MUTANT=%s\n", mutant_now());
	plan_print(plan, "", out);
	fclose(out);
	if (plan->n_steps <= SHOWN_STEPS)
		plan_print(plan, "      ", stdout);
	printf("    replay: make ladder PLAN=%s TRACE=1%s%s\n", path, mutant_now() ? " MUTANT=" : "",
		   mutant_now() ? mutant_now() : "");
}

/*
 * The plan's run has just failed: reduces the plan as far as it goes.  Returns
 * the number of runs that this took.
 */
uint64_t
shrink_reduce(Lab *lab, Plan *plan)
{
	Shrink	   *s = &shrink;

	s->lab = lab;
	s->failure = lab->failure;
	s->runs = 0;
	s->events = 0;
	plan_copy(&s->best, plan);
	if (s->best.n_steps > 0 && s->best.end < s->best.steps[s->best.n_steps - 1].at)
		s->best.end = s->best.steps[s->best.n_steps - 1].at;
	cut_behind_failure(&s->best, &lab->failure);
	for (s->seeds = FEW_SEEDS; s->seeds <= MANY_SEEDS && s->events < EVENT_BUDGET;)
	{
		bool		progress = fewer_steps(s);

		progress |= fewer_servers(s);
		progress |= calmer_world(s);
		progress |= shorter_waits(s);
		progress |= smaller_numbers(s);
		progress |= luckier_seed(s);
		if (!progress)
			s->seeds *= 2;
	}
	plan_copy(plan, &s->best);
	return s->runs;
}

static void
shrink_plan(Lab *lab, uint64_t seed, const char *folder)
{
	static Plan plan;
	uint64_t	runs;

	plan_copy(&plan, lab->plan);
	print_size("the whole run", &plan);
	runs = shrink_reduce(lab, &plan);
	print_size("reduced", &plan);
	printf("    after %llu runs%s\n", (unsigned long long) runs,
		   shrink.events < EVENT_BUDGET ? "" : ": no more are allowed");
	lab_run_plan(lab, &plan);
	if (lab->failure.invariant != 0)
		printf("    invariant %d (%s): ", lab->failure.invariant, invariant_name(lab->failure.invariant));
	else
		printf("    ");
	printf("at %.3f ms: %s\n", (double) lab->failure.at / 1000.0, lab->failure.what);
	write_plan(&plan, &lab->failure, seed, folder);
}

/* A script can only be had shorter with the luck of another seed. */
static void
shortest_seed(Lab *lab, const LabTest *test, uint64_t seed)
{
	LabFailure	failure = lab->failure;
	uint64_t	best = seed;
	uint64_t	least = lab->sched.handled;

	for (uint64_t i = 1; i <= SCRIPT_SEEDS; i++)
	{
		if (lab_run(lab, test, i) || !same_failure(&lab->failure, &failure) ||
			lab->sched.handled >= least)
			continue;
		best = i;
		least = lab->sched.handled;
	}
	printf("    shortest of %d seeds: make ladder TEST=%s SEED=%llu TRACE=1%s%s (%llu events)\n",
		   SCRIPT_SEEDS, test->name, (unsigned long long) best, mutant_now() ? " MUTANT=" : "",
		   mutant_now() ? mutant_now() : "", (unsigned long long) least);
}

void
shrink_failure(Lab *lab, const LabTest *test, uint64_t seed, const char *folder)
{
	bool		tracing = lab->tracing;

	lab->tracing = false;
	if (lab->plan->n > 0)
		shrink_plan(lab, seed, folder);
	else
		shortest_seed(lab, test, seed);
	lab->tracing = tracing;
	fflush(stdout);
}
