/*-------------------------------------------------------------------------
 *
 * mutant_runs.c
 *	  The mutation gate: each old bug is put back and must be found.
 *
 * For every mutant the tests run seed by seed: all tests with seed 1, then all
 * with seed 2, until each has had its say or the seeds are used up.  The table
 * names the first test of the ladder or of the random runs that found it and
 * what it broke there, and how many tests found it at all; a lesson written for
 * just this bug counts among those, but a bug is only well caught when a test
 * that does not know of it stumbles over it too.
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <string.h>

#include "mutant_runs.h"

#ifdef RAFT_MUTANTS

#define ENOUGH_TESTS	64

RaftMutant	raft_mutant = MUTANT_NONE;

/* The seeds within which each must be found by a test that is not a lesson. */
static const struct
{
	const char *name;
	uint64_t	seeds;
}			mutants[MUTANT_COUNT] = {
	[MUTANT_COMMIT_OLD_TERM] = {"COMMIT_OLD_TERM", 100},
	[MUTANT_VOTE_ANY_LOG] = {"VOTE_ANY_LOG", 10},
	[MUTANT_VOTE_TWICE] = {"VOTE_TWICE", 10},
	[MUTANT_TRUNCATE_ALWAYS] = {"TRUNCATE_ALWAYS", 10},
	[MUTANT_TRUNCATE_NEVER] = {"TRUNCATE_NEVER", 10},
	[MUTANT_ACK_LAST_INDEX] = {"ACK_LAST_INDEX", 10},
	[MUTANT_COMMIT_UNVERIFIED] = {"COMMIT_UNVERIFIED", 10},
	[MUTANT_ACK_BEFORE_DURABLE] = {"ACK_BEFORE_DURABLE", 10},
	[MUTANT_VOTE_BEFORE_DURABLE] = {"VOTE_BEFORE_DURABLE", 10},
	[MUTANT_SELF_COUNT_EARLY] = {"SELF_COUNT_EARLY", 10},
	[MUTANT_QUORUM_SHORT] = {"QUORUM_SHORT", 10},
	[MUTANT_BACKUP_BY_ONE] = {"BACKUP_BY_ONE", 10},
	[MUTANT_LATE_VOTE] = {"LATE_VOTE", 100},
};

bool
mutant_set(const char *name)
{
	for (int m = MUTANT_NONE + 1; m < MUTANT_COUNT; m++)
	{
		if (mutants[m].name != NULL && strcmp(mutants[m].name, name) == 0)
		{
			raft_mutant = (RaftMutant) m;
			return true;
		}
	}
	return false;
}

const char *
mutant_now(void)
{
	return raft_mutant == MUTANT_NONE ? NULL : mutants[raft_mutant].name;
}

typedef struct Finding
{
	const char *test;			/* NULL = not found */
	uint64_t	seed;
	LabFailure	failure;
} Finding;

static void
note(Finding *finding, const Lab *lab)
{
	if (finding->test == NULL)
		*finding = (Finding) {.test = lab->test, .seed = lab->seed, .failure = lab->failure};
}

/* True when the mutant is found within its seeds; prints its row. */
static bool
hunt(Lab *lab, const LabTest *const *suites, size_t n_suites, uint64_t max_seeds)
{
	Finding		by_lesson = {0};
	Finding		by_ladder = {0};
	const char *finders[ENOUGH_TESTS];
	size_t		n_finders = 0;
	uint64_t	seeds = mutants[raft_mutant].seeds < max_seeds ? mutants[raft_mutant].seeds : max_seeds;
	uint64_t	first_seeds = 0;

	for (uint64_t seed = 1; seed <= seeds && (by_ladder.test == NULL || seed <= first_seeds); seed++)
	{
		for (size_t s = 0; s < n_suites; s++)
		{
			for (const LabTest *test = suites[s]; test->name != NULL; test++)
			{
				bool		known = false;

				if (strcmp(test->group, "unit") == 0 ||
					(test->max_seeds != 0 && seed > test->max_seeds))
					continue;
				for (size_t i = 0; i < n_finders; i++)
					known = known || finders[i] == test->name;
				if (known || lab_run(lab, test, seed))
					continue;
				note(strcmp(test->group, "lesson") == 0 ? &by_lesson : &by_ladder, lab);
				if (n_finders < ENOUGH_TESTS)
					finders[n_finders++] = test->name;
			}
		}
		if (first_seeds == 0)
			first_seeds = 5;
	}
	printf("| %-19s | %-38s |", mutants[raft_mutant].name, by_lesson.test ? by_lesson.test : "-");
	if (by_ladder.test == NULL)
		printf(" not found in %llu seeds |", (unsigned long long) seeds);
	else
		printf(" %s, seed %llu: %s |", by_ladder.test, (unsigned long long) by_ladder.seed,
			   by_ladder.failure.invariant ? invariant_name(by_ladder.failure.invariant) :
			   by_ladder.failure.what);
	printf(" %zu tests |\n", n_finders);
	fflush(stdout);
	return by_ladder.test != NULL;
}

int
mutants_run(Lab *lab, const LabTest *const *suites, size_t n_suites, uint64_t max_seeds)
{
	int			passed = 0,
				failed = 0;

	printf("| %-19s | %-38s | found first by, and what broke there | found by |\n", "mutant", "lesson");
	printf("|---|---|---|---|\n");
	for (int m = MUTANT_NONE + 1; m < MUTANT_COUNT; m++)
	{
		raft_mutant = (RaftMutant) m;
		if (hunt(lab, suites, n_suites, max_seeds))
			passed++;
		else
			failed++;
	}
	raft_mutant = MUTANT_NONE;
	run_memory_reset();
	printf("%d passed, %d failed\n", passed, failed);
	return failed == 0 ? 0 : 1;
}

#else							/* !RAFT_MUTANTS */

bool
mutant_set(const char *name)
{
	(void) name;
	return false;
}

const char *
mutant_now(void)
{
	return NULL;
}

int
mutants_run(Lab *lab, const LabTest *const *suites, size_t n_suites, uint64_t max_seeds)
{
	(void) lab;
	(void) suites;
	(void) n_suites;
	(void) max_seeds;
	fputs("lab: this build has no mutants\n", stderr);
	return 2;
}

#endif							/* RAFT_MUTANTS */
