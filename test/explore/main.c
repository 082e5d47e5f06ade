/*-------------------------------------------------------------------------
 *
 * main.c
 *	  The command line of the exploration.
 *
 *		explore [name=value ...]
 *
 * See README.md for what the names mean.
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>
#include <string.h>

#include "explore.h"

Bounds		bounds = {
	.commands = 2, .crashes = 1, .timeouts = 2, .drops = 0, .duplicates = 0, .batch = 1, .inflight = 2,
	.again = true, .covering = true
};

RaftMutant	raft_mutant = MUTANT_NONE;

/* Old bugs that three nodes with a fixed configuration can show. */
static const struct
{
	const char *name;
	RaftMutant	mutant;
}			mutants[] = {
	{"", MUTANT_NONE},
	{"COMMIT_OLD_TERM", MUTANT_COMMIT_OLD_TERM},
	{"VOTE_ANY_LOG", MUTANT_VOTE_ANY_LOG},
	{"VOTE_TWICE", MUTANT_VOTE_TWICE},
	{"TRUNCATE_ALWAYS", MUTANT_TRUNCATE_ALWAYS},
	{"TRUNCATE_NEVER", MUTANT_TRUNCATE_NEVER},
	{"ACK_LAST_INDEX", MUTANT_ACK_LAST_INDEX},
	{"COMMIT_UNVERIFIED", MUTANT_COMMIT_UNVERIFIED},
	{"ACK_BEFORE_DURABLE", MUTANT_ACK_BEFORE_DURABLE},
	{"VOTE_BEFORE_DURABLE", MUTANT_VOTE_BEFORE_DURABLE},
	{"SELF_COUNT_EARLY", MUTANT_SELF_COUNT_EARLY},
	{"LATE_VOTE", MUTANT_LATE_VOTE},
};

static struct
{
	unsigned	depth;
	unsigned	megabytes;
	unsigned	agree;			/* seconds of trials instead of a search */
	unsigned	seed;
	double		seconds;
	const char *start;
	const char *replay;
}			options = {.depth = 1000, .megabytes = 3000, .seconds = 1e9, .seed = 1};

static bool
set_mutant(const char *value)
{
	for (size_t i = 0; i < sizeof(mutants) / sizeof(mutants[0]); i++)
		if (strcmp(mutants[i].name, value) == 0)
		{
			raft_mutant = mutants[i].mutant;
			return true;
		}
	return false;
}

/* A number with its bounds. */
static bool
set_number(unsigned *out, const char *value, unsigned min, unsigned max)
{
	char	   *end;
	unsigned long number = strtoul(value, &end, 10);

	*out = (unsigned) number;
	return *value >= '0' && *value <= '9' && *end == '\0' && number >= min && number <= max;
}

static bool
set_option(const char *name, const char *value)
{
	static const struct
	{
		const char *name;
		unsigned   *out;
		unsigned	min;
		unsigned	max;
	}			numbers[] = {
		{"depth", &options.depth, 1, 1000},
		{"megabytes", &options.megabytes, 1, 1 << 20},
		{"agree", &options.agree, 1, 1 << 20},
		{"seed", &options.seed, 0, UINT32_MAX},
		{"commands", &bounds.commands, 0, 4},
		{"crashes", &bounds.crashes, 0, 8},
		{"timeouts", &bounds.timeouts, 0, 4},
		{"drops", &bounds.drops, 0, 200},
		{"duplicates", &bounds.duplicates, 0, 200},
		{"batch", &bounds.batch, 1, MAX_LOG},
		{"inflight", &bounds.inflight, 1, RAFT_MAX_INFLIGHT},
	};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (strcmp(numbers[i].name, name) == 0)
			return set_number(numbers[i].out, value, numbers[i].min, numbers[i].max);
	if (strcmp(name, "seconds") == 0)
	{
		char	   *end;

		options.seconds = strtod(value, &end);
		return *end == '\0' && options.seconds > 0;
	}
	if (strcmp(name, "mutant") == 0)
		return set_mutant(value);
	if (strcmp(name, "start") == 0)
		options.start = *value == '\0' ? NULL : value;
	else if (strcmp(name, "replay") == 0)
		options.replay = *value == '\0' ? NULL : value;
	else if (strcmp(name, "writes") == 0 && strcmp(value, "async") == 0)
		bounds.instant = false;
	else if (strcmp(name, "writes") == 0 && strcmp(value, "instant") == 0)
		bounds.instant = true;
	else if (strcmp(name, "network") == 0 && strcmp(value, "again") == 0)
		bounds.again = true;
	else if (strcmp(name, "network") == 0 && strcmp(value, "once") == 0)
		bounds.again = false;
	else if (strcmp(name, "covering") == 0 && strcmp(value, "on") == 0)
		bounds.covering = true;
	else if (strcmp(name, "covering") == 0 && strcmp(value, "off") == 0)
		bounds.covering = false;
	else if (strcmp(name, "check") == 0 && strcmp(value, "all") == 0)
		bounds.outcome = false;
	else if (strcmp(name, "check") == 0 && strcmp(value, "outcome") == 0)
		bounds.outcome = true;
	else
		return false;
	return true;
}

static void
set_left(World *world, unsigned crashes, unsigned timeouts)
{
	for (RaftNodeId id = 1; id <= N_NODES; id++)
	{
		world->crashes[id] = (uint8_t) crashes;
		world->timeouts[id] = (uint8_t) timeouts;
	}
}

int
main(int argc, char **argv)
{
	World		world;

	for (int i = 1; i < argc; i++)
	{
		char	   *equals = strchr(argv[i], '=');

		if (equals != NULL)
			*equals = '\0';
		if (equals == NULL || !set_option(argv[i], equals + 1))
		{
			fprintf(stderr, "explore: do not understand \"%s%s%s\"\n", argv[i], equals ? "=" : "",
					equals ? equals + 1 : "");
			return 2;
		}
	}
	if (options.agree > 0)
		return agree_run(options.seed, options.agree);

	world_init(&world);
	if (options.start != NULL)
	{
		bool		instant = bounds.instant;

		/* a start takes what it needs; the bounds are for what follows */
		set_left(&world, 15, 15);
		bounds.instant = true;
		if (!script_play(options.start, &world, false))
			return 2;
		bounds.instant = instant;
		set_left(&world, bounds.crashes, bounds.timeouts);
	}
	printf("# three nodes; %u commands in a run; per node %u crashes, %u timeouts; %u drops, %u duplicates; "
		   "writes %s; %u entries in a message, %u appends under way; check %s%s\n\n",
		   bounds.commands, bounds.crashes, bounds.timeouts, bounds.drops, bounds.duplicates,
		   bounds.instant ? "instant" : "async", bounds.batch, bounds.inflight,
		   bounds.outcome ? "outcome" : "all", raft_mutant == MUTANT_NONE ? "" : "; with an old bug put back");
	if (options.replay != NULL)
		return script_play(options.replay, &world, true) ? 0 : 1;
	return search_run(&world, options.depth, options.seconds, (size_t) options.megabytes << 20);
}
