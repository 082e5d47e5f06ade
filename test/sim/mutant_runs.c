/*-------------------------------------------------------------------------
 *
 * mutant_runs.c
 *	  The mutation gate: each old bug is put back and must be found.
 *
 * The simulation looks for each, from its first seed on, and knows of none.  What
 * it cannot notice, since it is neither unsafe nor stops anything, a test of the
 * ladder must.  A lesson or a script that was written for just this bug does not
 * count; how many of them notice it is shown.
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <string.h>

#include "host_mutants.h"
#include "mutant_runs.h"
#include "progress.h"

#ifdef RAFT_MUTANTS

#define LADDER_SEEDS	20

RaftMutant	raft_mutant = MUTANT_NONE;

/* Each with its class in the list of bugs, and the seeds within which it must be found. */
typedef struct Mutant
{
	int			number;
	const char *name;
	const char *class;
	const char *what;
	uint64_t	seeds;
} Mutant;

#define CORE(name, class, seeds, what)	{MUTANT_##name, #name, class, what, seeds}
#define HOST(name, class, seeds, what)	{(int) HOST_MUTANT_##name, #name, class, what, seeds}

static const Mutant mutants[] = {
	CORE(VOTE_BEFORE_DURABLE, "1", 100, "a vote is sent before it is durable"),
	HOST(VOTE_APART, "2", 100, "the vote is written later than its term"),
	CORE(VOTE_CLEARED, "3", 100, "stepping down within a term clears the vote"),
	CORE(VOTE_TWICE, "3", 300, "a second vote in one term"),
	CORE(VOTE_FORGOTTEN, "4", 100, "a start does not remember the vote"),
	CORE(GRANT_TWICE, "5", 2000, "two grants of one voter count"),
	CORE(LATE_VOTE, "6", 2000, "a late vote counts in a newer campaign"),
	CORE(VOTE_ANY_LOG, "7", 100, "a vote without comparing logs"),
	CORE(VOTE_LONGER_LOG, "7", 1000, "the longer log wins, whatever its last term"),
	CORE(REQUEST_BEFORE_DURABLE, "9, 10", 100, "a campaign begins before the own vote is durable"),
	CORE(TIMER_ON_REFUSAL, "13", 1000, "a refused request restarts the timer"),
	CORE(NO_PREVOTE, "16", 1000, "a campaign without asking first"),
	CORE(NO_CHECK_QUORUM, "17", 1000, "a leader without a quorum goes on"),
	CORE(CONTACT_BY_ANYTHING, "17", 3000, "check quorum counts messages that are no answers"),
	CORE(SILENT_TO_OLD_TERM, "19", 10000, "a message of an old term is not answered"),
	CORE(NOT_STICKY, "21", 1000, "who hears its leader votes for others"),
	CORE(TRUNCATE_ALWAYS, "24", 100, "an append truncates where the logs agree"),
	CORE(TRUNCATE_NEVER, "24", 100, "conflicting entries stay"),
	CORE(COMMIT_UNVERIFIED, "25", 300, "commit beyond what the leader confirmed"),
	CORE(HEARTBEAT_UNCHECKED, "26", 1000, "a heartbeat skips the check of the previous entry"),
	CORE(ACK_LAST_INDEX, "27", 100, "the own last index is acknowledged"),
	CORE(ACK_BEFORE_DURABLE, "28", 100, "an acknowledgement before the write is durable"),
	CORE(ACK_NAMES_TERM, "28", 100, "an acknowledgement does not name the write it depends on"),
	CORE(COMMIT_OLD_TERM, "29", 100, "an old entry is committed by counting (figure 8)"),
	CORE(SELF_COUNT_EARLY, "30", 100, "the leader counts its own unsynced entries"),
	CORE(QUORUM_SHORT, "31", 100, "a quorum of even sizes is one short"),
	CORE(MATCH_FROM_NEXT, "33", 100, "what was sent counts as being there"),
	CORE(REJECTION_ACCEPTED, "35", 100, "a rejection is taken for success"),
	CORE(BACKUP_BY_ONE, "36", 100, "one entry is backed up per message"),
	CORE(WINDOW_STAYS_FULL, "37", 1000, "answers do not free the window"),
	CORE(PROBE_STUCK, "38", 1000, "a heartbeat's answer does not end probing"),
	CORE(VERIFIED_KEPT, "41", 300, "success for entries that a newer leader did not confirm"),
	CORE(DURABLE_KEPT, "42", 1000, "truncation leaves the durable mark (append ABA)"),
	CORE(ACK_IN_OTHER_ROLE, "44", 1000, "a write ends in another role than it began in"),
	CORE(FORMED_BY_MAJORITY, "83", 1000, "a majority decides before the logs are known"),
	CORE(OUTGOING_IGNORED, "84", 1000, "the outgoing half of a joint quorum is ignored"),
	CORE(ROOM_IGNORED, "80", 1000, "entries are sent to a peer without room for them"),
	CORE(COMPACTED_ONE_MORE, "45", 10000, "one entry too many is taken for compacted"),
	CORE(OLDER_OP_VOUCHES, "46", 1000, "with many writes under way one vouches for a later one"),
	HOST(LAZY_FSYNC, "46", 100, "durable is reported when the write begins"),
	HOST(FLUSH_COVERS_LATER, "46", 1000, "a flush vouches for what was written while it ran"),
	HOST(TORN_UNBOOTABLE, "47", 100, "a torn last record stops the start"),
	HOST(RESURRECT_TAIL, "48", 1000, "recovery goes on behind the tail"),
	HOST(APPLY_EARLY, "49", 100, "entries are applied before they are durable"),
	HOST(APPLIED_APART, "50", 100, "the applied index is not atomic with the data"),
	HOST(APPLIER_UNCLAMPED, "50", 1000, "the applier is believed, whatever the core knows"),
	HOST(FSYNC_RETRIED, "51", 100, "a failed flush is tried again and believed"),
	HOST(WIPED_REJOINS, "52", 6000, "a wiped node comes back as who it was"),
	HOST(COPY_UNMARKED, "52", 6000, "a copy of a disk does not know that it is one"),
	HOST(STARTS_UNCHECKED, "52", 6000, "nobody asks for the starts that a node remembers"),
	HOST(CORRUPT_CUT, "53", 1000, "a damaged record and what follows are dropped"),
	CORE(STUCK_DISK_LEADS, "54", 100, "a disk that is stuck costs no leadership"),
	HOST(STALLED_BY_DISK, "54", 1000, "the node waits for its disk"),
	HOST(SEND_CACHE_KEPT, "55", 3000, "what was sent last is sent again after a truncation"),
	HOST(TICK_FIRST, "56", 1000, "a deadline that has passed goes before messages that wait"),
	HOST(READ_AT_LEADER, "71", 1000, "who believes to lead answers reads by itself"),
	HOST(READ_AT_FOLLOWER, "75", 100, "anybody answers reads, as far as it has applied"),
	HOST(FAILED_EARLY, "76", 100, "no answer in time is called a failure"),
	HOST(RETRY_TWICE, "77", 100, "a retried command is applied again"),
	HOST(ANSWERS_CROSSED, "78", 1000, "the entry at my index is taken for mine"),
	HOST(UNSTEADY_APPLY, "79", 100, "what an apply does depends on the node"),
};

_Static_assert(lengthof(mutants) == (size_t) HOST_MUTANT_COUNT - 1, "every mutant is looked for");

static const Mutant *
present(void)
{
	for (size_t i = 0; i < lengthof(mutants); i++)
		if (mutants[i].number == (int) raft_mutant)
			return &mutants[i];
	return NULL;
}

bool
mutant_set(const char *name)
{
	for (size_t i = 0; i < lengthof(mutants); i++)
	{
		if (strcmp(mutants[i].name, name) == 0)
		{
			raft_mutant = (RaftMutant) mutants[i].number;
			return true;
		}
	}
	return false;
}

const char *
mutant_now(void)
{
	const Mutant *mutant = present();

	return mutant == NULL ? NULL : mutant->name;
}

/* The first run that noticed. */
typedef struct Finding
{
	const LabTest *test;		/* NULL = nobody did */
	uint64_t	seed;
	LabFailure	failure;
} Finding;

static bool
is_group(const LabTest *test, const char *groups)
{
	return strstr(groups, test->group) != NULL;
}

/* All tests of some groups, with one seed after the other, until one notices. */
static Finding
hunt(Lab *lab, const LabTest *const *suites, size_t n_suites, const char *groups, uint64_t seeds)
{
	for (uint64_t seed = 1; seed <= seeds; seed++)
	{
		if (progress_is_due())
			progress_tell("%s: not in %llu of %llu seeds", mutant_now(), (unsigned long long) (seed - 1),
						  (unsigned long long) seeds);
		for (size_t s = 0; s < n_suites; s++)
			for (const LabTest *test = suites[s]; test->name != NULL; test++)
				if (is_group(test, groups) && (test->max_seeds == 0 || seed <= test->max_seeds) &&
					!lab_run(lab, test, seed))
					return (Finding) {.test = test, .seed = seed, .failure = lab->failure};
	}
	return (Finding) {0};
}

/* How many of the tests that were written for single bugs notice this one. */
static int
count_lessons(Lab *lab, const LabTest *const *suites, size_t n_suites)
{
	int			n = 0;

	for (size_t s = 0; s < n_suites; s++)
		for (const LabTest *test = suites[s]; test->name != NULL; test++)
			n += is_group(test, "lesson script") && !lab_run(lab, test, 1);
	return n;
}

/* A row of the table in README.md. */
static void
print_row(const Mutant *mutant, const Finding *finding, int lessons)
{
	printf("| %s | %s | %s | ", mutant->class, mutant->name, mutant->what);
	if (finding->test == NULL)
		printf("not found in %llu seeds | | ", (unsigned long long) mutant->seeds);
	else
		printf("%s %llu | %s | ", finding->test->name, (unsigned long long) finding->seed,
			   finding->failure.invariant ? invariant_name(finding->failure.invariant) :
			   finding->failure.what);
	printf("%llu | %d |\n", (unsigned long long) mutant->seeds, lessons);
	fflush(stdout);
}

int
mutants_run(Lab *lab, const LabTest *const *suites, size_t n_suites)
{
	int			only = (int) raft_mutant;	/* MUTANT_NONE = all */
	int			passed = 0,
				failed = 0;

	printf("| class | mutant | bug | first found by, seed | what broke | within seeds | lessons |\n"
		   "|---|---|---|---|---|---|---|\n");
	for (size_t i = 0; i < lengthof(mutants); i++)
	{
		Finding		finding;

		if (only != MUTANT_NONE && mutants[i].number != only)
			continue;
		raft_mutant = (RaftMutant) mutants[i].number;
		finding = hunt(lab, suites, n_suites, "simulate", mutants[i].seeds);
		if (finding.test == NULL)
			finding = hunt(lab, suites, n_suites, "A B C", LADDER_SEEDS);
		print_row(&mutants[i], &finding, count_lessons(lab, suites, n_suites));
		passed += finding.test != NULL;
		failed += finding.test == NULL;
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
