/*-------------------------------------------------------------------------
 *
 * main.c
 *	  Runs the tests: each for many seeds, or one seed with its timeline, or
 *	  each old bug against all of them.  options.c has the command line.
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "campaign.h"
#include "mutant_runs.h"
#include "options.h"
#include "plan.h"
#include "progress.h"
#include "replay.h"
#include "scripts.h"
#include "shrink.h"
#include "svg.h"

#define SHOWN_FAILURES	3		/* failing seeds printed per test */

Lab		   *current_lab;
void	   *panicked_host;
RaftLimits	raft_limits = {RAFT_MAX_PENDING, RAFT_MAX_HELD, RAFT_MAX_RUNS};

static Plan the_plan;
static Lab	the_lab = {.plan = &the_plan};

static const LabTest *suites[] = {
	NULL,						/* the scripts, when there are any */
	codec_tests, core_tests, membership_tests, plan_tests, linearize_tests, image_tests,
	lesson_core_tests, lesson_fault_tests, lesson_tests, unordered_tests,
	ladder_a_tests, ladder_b_tests, ladder_c_tests, formation_tests, simulate_tests, eventlog_tests
};

/* A broken invariant or check ends the run. */
void
lab_fail(Lab *lab, int invariant, const char *format,...)
{
	va_list		args;

	lab->failure.invariant = invariant;
	lab->failure.at = lab->now;
	va_start(args, format);
	vsnprintf(lab->failure.what, sizeof(lab->failure.what), format, args);
	va_end(args);
	lab_trace(lab, "FAILED: %s", lab->failure.what);
	longjmp(lab->failed, 1);
}

void
lab_end(Lab *lab, const char *why)
{
	lab_trace(lab, "test: ends, %s", why);
	longjmp(lab->failed, LAB_ENDED);
}

/* An assertion of the core failed. */
void
raft_host_panic(void *host, const char *file, int line, const char *what)
{
	const char *slash = strrchr(file, '/');

	panicked_host = host;
	if (host != NULL)
		lab_trace(current_lab, "n%u  is the one that stops", ((const Node *) host)->id);
	lab_fail(current_lab, 0, "the core stops: %s:%d: %s", slash ? slash + 1 : file, line, what);
}

/* Everything as it is before the first event of a run. */
static void
begin_run(Lab *lab, const char *test, uint64_t seed)
{
	run_memory_reset();
	lab->test = test;
	lab->seed = seed;
	lab->n = 0;
	lab->now = 0;
	lab->trace_hash = 0;
	lab->trace_lines = 0;
	memset(&lab->failure, 0, sizeof(lab->failure));
	plan_reset(lab->plan, test, seed);
	sched_reset(&lab->sched);
	history_reset(lab);
	rng_seed(&lab->rng_test, seed, test);
	rng_seed(&lab->rng_network, seed, "network");
	rng_seed(&lab->rng_disk, seed, "disk");
	rng_seed(&lab->rng_host, seed, "host");
	rng_seed(&lab->rng_clients, seed, "clients");
	rng_seed(&lab->rng_identity, seed, "identity");
	raft_limits = (RaftLimits) {RAFT_MAX_PENDING, RAFT_MAX_HELD, RAFT_MAX_RUNS};
	current_lab = lab;
}

/* One run.  Returns false when it failed; lab->failure says why. */
bool
lab_run(Lab *lab, const LabTest *test, uint64_t seed)
{
	bool volatile passed = false;
	bool		tracing = lab->tracing;

	begin_run(lab, test->name, seed);
	switch (setjmp(lab->failed))
	{
		case 0:
			if (test->servers > 0)
				cluster_init(lab, test->servers);
			test->run(lab);
			passed = true;
			break;
		case LAB_ENDED:
			passed = true;
			break;
	}
	lab->tracing = tracing;		/* a script needs its lines */
	lab->trace_to = NULL;
	return passed;
}

/* The run of a plan, drawn, reduced or read from a file. */
bool
lab_run_plan(Lab *lab, const Plan *plan)
{
	bool volatile passed = false;

	begin_run(lab, plan->test, plan->seed);
	plan_copy(lab->plan, plan);
	switch (setjmp(lab->failed))
	{
		case 0:
			plan_run(lab, lab->plan);
			passed = true;
			break;
		case LAB_ENDED:
			passed = true;
			break;
	}
	return passed;
}

static void
print_what(const Lab *lab)
{
	const LabFailure *failure = &lab->failure;

	printf("  seed %llu at %.3f ms: ", (unsigned long long) lab->seed,
		   (double) failure->at / 1000.0);
	if (failure->invariant != 0)
		printf("invariant %d (%s): ", failure->invariant, invariant_name(failure->invariant));
	printf("%s\n", failure->what);
}

/* Says what failed, and how to see it again; reduces it when that is wanted. */
void
lab_report_failure(Lab *lab, const LabTest *test, uint64_t seed, const char *shrink)
{
	print_what(lab);
	printf("    replay: make ladder TEST=%s SEED=%llu TRACE=1%s%s\n", test->name,
		   (unsigned long long) seed, mutant_now() ? " MUTANT=" : "",
		   mutant_now() ? mutant_now() : "");
	if (shrink[0] != '\0')
		shrink_failure(lab, test, seed, shrink);
}

/*
 * Invariant 20: the first seed of a test runs twice with its lines hashed, and
 * leaves the same number of lines and the same hash.
 */
bool
lab_same_trace_twice(Lab *lab, const LabTest *test, uint64_t seed)
{
	uint64_t	hash,
				lines;

	lab->tracing = true;
	lab_run(lab, test, seed);
	hash = lab->trace_hash;
	lines = lab->trace_lines;
	lab_run(lab, test, seed);
	lab->tracing = false;
	if (hash == lab->trace_hash && lines == lab->trace_lines)
		return true;
	lab->failure.invariant = 20;
	snprintf(lab->failure.what, sizeof(lab->failure.what), "two runs left two traces");
	return false;
}

/* All seeds of a test; prints its line. */
static bool
run_seeds(Lab *lab, const LabTest *test, const Options *options)
{
	uint64_t	seeds = test->max_seeds != 0 && test->max_seeds < options->seeds ? test->max_seeds : options->seeds;
	uint64_t	failed = 0,
				events = 0;
	RaftTime	time = 0;
	bool		deterministic = lab_same_trace_twice(lab, test, 1);

	if (!deterministic)
		lab_report_failure(lab, test, 1, "");
	for (uint64_t seed = 1; seed <= seeds; seed++)
	{
		bool		run_passed = lab_run(lab, test, seed);

		events += lab->sched.handled;
		time += lab->now;
		if (!run_passed && ++failed <= SHOWN_FAILURES)
			lab_report_failure(lab, test, seed, failed == 1 ? options->shrink : "");
		if (progress_is_due())
			progress_tell("%s: %llu of %llu seeds, %llu failed", test->name, (unsigned long long) seed,
						  (unsigned long long) seeds, (unsigned long long) failed);
	}
	printf("%-7s %-46s %6llu seeds  %6llu passed  %4llu failed  %9.1f s  %10llu events\n",
		   test->group, test->name, (unsigned long long) seeds,
		   (unsigned long long) (seeds - failed), (unsigned long long) failed,
		   (double) time / (double) T, (unsigned long long) events);
	fflush(stdout);
	return failed == 0 && deterministic;
}

/* One run is to be seen: as lines, as a picture. */
static void
begin_watching(Lab *lab, const Options *options)
{
	lab->drawing = options->svg[0] != '\0';
	lab->tracing = options->trace || lab->drawing;
	lab->trace_print = options->trace;
	svg_reset();
}

/* False when the picture cannot be written. */
static bool
end_watching(Lab *lab, const Options *options)
{
	char		title[200];
	bool		written = true;

	if (lab->drawing)
	{
		snprintf(title, sizeof(title), "%s, seed %llu%s%s", lab->test, (unsigned long long) lab->seed,
				 mutant_now() ? ", with the old bug " : "", mutant_now() ? mutant_now() : "");
		written = svg_write(lab, options->svg, title, options->from, options->to);
		if (!written)
			fprintf(stderr, "lab: \"%s\" cannot be written\n", options->svg);
	}
	lab->drawing = false;
	lab->tracing = false;
	lab->trace_print = false;
	return written;
}

static bool
run_one_seed(Lab *lab, const LabTest *test, const Options *options)
{
	bool		passed,
				written;

	begin_watching(lab, options);
	passed = lab_run(lab, test, options->seed);
	written = end_watching(lab, options);
	printf("%-7s %-46s seed %llu %s, %.3f s, %llu events\n", test->group, test->name,
		   (unsigned long long) options->seed, passed ? "passed" : "failed",
		   (double) lab->now / (double) T, (unsigned long long) lab->sched.handled);
	if (!passed)
		lab_report_failure(lab, test, options->seed, options->shrink);
	return passed && written;
}

/* A plan from a file, as shrinking leaves it; an exit status. */
static int
run_plan_file(Lab *lab, const Options *options)
{
	static Plan plan;
	FILE	   *in = fopen(options->plan, "r");
	const char *error;
	bool		passed,
				written;

	if (in == NULL || !plan_read(&plan, in, &error))
	{
		fprintf(stderr, "lab: no plan in \"%s\": %s\n", options->plan, in ? error : "no such file");
		return 2;
	}
	fclose(in);
	begin_watching(lab, options);
	passed = lab_run_plan(lab, &plan);
	written = end_watching(lab, options);
	if (!passed)
		print_what(lab);
	printf("plan    %-46s seed %llu %s, %.3f s, %llu events\n", plan.test,
		   (unsigned long long) plan.seed, passed ? "passed" : "failed",
		   (double) lab->now / (double) T, (unsigned long long) lab->sched.handled);
	run_memory_reset();
	return passed && written ? 0 : 1;
}

static bool
selected(const LabTest *test, const Options *options)
{
	bool		unit = strcmp(test->group, "unit") == 0;

	if (strcmp(options->test, "all") != 0)
		return strcmp(test->name, options->test) == 0;
	if (strcmp(options->group, "all") == 0)
		return true;
	if (strcmp(options->group, "ladder") == 0)
		return !unit;
	return strcmp(test->group, options->group) == 0;
}

int
main(int argc, char **argv)
{
	static Options options;
	Lab		   *lab = &the_lab;
	int			passed = 0,
				failed = 0;

	if (!options_parse(&options, argc, argv))
		return 2;
	progress_every(options.progress);
	suites[0] = scripts_load(options.scripts, options.rewrite);
	if (options.mutant[0] != '\0' && !mutant_set(options.mutant))
	{
		fprintf(stderr, "lab: there is no mutant \"%s\" in this build\n", options.mutant);
		return 2;
	}
	if (options.mutants)
		return mutants_run(lab, suites, lengthof(suites));
	if (options.plan[0] != '\0')
		return run_plan_file(lab, &options);
	if (options.n_replays > 0)
		return replay_files(lab, options.replays, options.n_replays, options.trace);
	for (size_t s = 0; s < lengthof(suites); s++)
	{
		for (const LabTest *test = suites[s]; test->name != NULL; test++)
		{
			bool		ok;

			if (!selected(test, &options))
				continue;
			if (options.jobs != 0)
				return campaign_run(lab, test, options.first, options.seeds, (uint32_t) options.jobs,
									options.shrink);
			ok = options.seed != 0 ? run_one_seed(lab, test, &options) :
				run_seeds(lab, test, &options);
			passed += ok;
			failed += !ok;
		}
	}
	run_memory_reset();
	printf("%d passed, %d failed\n", passed, failed);
	if (passed + failed == 0 && strcmp(options.test, "all") != 0)
		fprintf(stderr, "lab: no test is called \"%s\"\n", options.test);
	else if (passed + failed == 0)
		fprintf(stderr, "lab: no test is in group \"%s\"\n", options.group);
	return failed == 0 && passed > 0 ? 0 : 1;
}
