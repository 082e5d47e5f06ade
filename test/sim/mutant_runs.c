/*-------------------------------------------------------------------------
 *
 * mutant_runs.c
 *	  The mutation gate: each old bug is put back and must be found.
 *
 * For every mutant all tests run with seed 1, then all with seed 2, and so on:
 * for ten seeds, or, when nothing but a lesson has found it by then, up to the
 * number of seeds that is allowed for it.  A lesson written for just this bug is
 * not enough: a test that does not know of it has to stumble over it too.
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <string.h>

#include "mutant_runs.h"

#ifdef RAFT_MUTANTS

#define MAX_TESTS		100
#define SEEDS_AT_LEAST	10

RaftMutant	raft_mutant = MUTANT_NONE;

/* The seeds within which a test that is not a lesson must find each. */
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

_Static_assert(MUTANT_COUNT == 14, "every mutant has a name and a number of seeds");

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

/* The first seed with which a test found the mutant, and what broke. */
typedef struct Finding
{
	const LabTest *test;
	uint64_t	seed;
	LabFailure	failure;
} Finding;

typedef struct Hunt
{
	size_t		n;
	bool		by_stranger;	/* by a test that is not a lesson */
	Finding		findings[MAX_TESTS];
} Hunt;

static bool
is_lesson(const LabTest *test)
{
	return strcmp(test->group, "lesson") == 0 || strcmp(test->group, "script") == 0;
}

static bool
has_found(const Hunt *hunt, const LabTest *test)
{
	for (size_t i = 0; i < hunt->n; i++)
		if (hunt->findings[i].test == test)
			return true;
	return false;
}

/* All tests that have not found it yet, with one seed. */
static void
hunt_with_seed(Lab *lab, Hunt *hunt, const LabTest *const *suites, size_t n_suites, uint64_t seed)
{
	for (size_t s = 0; s < n_suites; s++)
	{
		for (const LabTest *test = suites[s]; test->name != NULL; test++)
		{
			if (strcmp(test->group, "unit") == 0 || has_found(hunt, test) ||
				(test->max_seeds != 0 && seed > test->max_seeds) ||
				lab_run(lab, test, seed) || hunt->n == MAX_TESTS)
				continue;
			hunt->findings[hunt->n++] = (Finding) {
				.test = test, .seed = seed, .failure = lab->failure
			};
			hunt->by_stranger = hunt->by_stranger || !is_lesson(test);
		}
	}
}

/* A row of the table in README.md. */
static void
print_row(const Hunt *hunt, uint64_t seeds)
{
	const char *comma = "";
	size_t		lessons = 0;

	printf("| %s | ", mutant_now());
	for (size_t i = 0; i < hunt->n; i++)
	{
		const Finding *finding = &hunt->findings[i];

		if (is_lesson(finding->test))
			lessons++;
		else
		{
			printf("%s%s %llu", comma, finding->test->name, (unsigned long long) finding->seed);
			if (comma[0] == '\0')
				printf(" (%s)", finding->failure.invariant ?
					   invariant_name(finding->failure.invariant) : finding->failure.what);
			comma = ", ";
		}
	}
	if (!hunt->by_stranger)
		printf("not found in %llu seeds", (unsigned long long) seeds);
	printf(" | %zu |\n", lessons);
	fflush(stdout);
}

/* True when the present mutant is found within its seeds. */
static bool
hunt_mutant(Lab *lab, const LabTest *const *suites, size_t n_suites)
{
	Hunt		hunt = {0};
	uint64_t	allowed = mutants[raft_mutant].seeds;

	for (uint64_t seed = 1; seed <= allowed && (seed <= SEEDS_AT_LEAST || !hunt.by_stranger); seed++)
		hunt_with_seed(lab, &hunt, suites, n_suites, seed);
	print_row(&hunt, allowed);
	return hunt.by_stranger;
}

int
mutants_run(Lab *lab, const LabTest *const *suites, size_t n_suites)
{
	int			passed = 0,
				failed = 0;

	printf("| mutant | found by, with its first seed (what broke) | lessons |\n|---|---|---|\n");
	for (int m = MUTANT_NONE + 1; m < MUTANT_COUNT; m++)
	{
		raft_mutant = (RaftMutant) m;
		if (hunt_mutant(lab, suites, n_suites))
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
mutants_run(Lab *lab, const LabTest *const *suites, size_t n_suites)
{
	(void) lab;
	(void) suites;
	(void) n_suites;
	fputs("lab: this build has no mutants\n", stderr);
	return 2;
}

#endif							/* RAFT_MUTANTS */
