/*-------------------------------------------------------------------------
 *
 * search.c
 *	  Breadth first: all worlds that n choices lead to, then n + 1.
 *
 * A violation is thus found with the fewest choices that lead to one.
 *
 *-------------------------------------------------------------------------
 */
#define _POSIX_C_SOURCE 200809L /* clock_gettime */

#include <string.h>
#include <time.h>

#include "explore.h"

#define MAX_DEPTH	200

typedef struct Search
{
	const World *start;
	Level	   *level;			/* being expanded */
	Level	   *next;
	uint64_t	n_worlds;		/* distinct, all levels */
	uint64_t	n_transitions;
	uint64_t	n_pruned;
	double		begun;
	double		told;			/* when progress was, since then */
	double		max_seconds;
	size_t		max_bytes;
	const char *violation;
	Choice		path[MAX_DEPTH + 1];
	uint32_t	n_path;
} Search;

/* Of the processor's time: a busy machine changes nothing in how deep a search goes. */
static double
seconds_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double) t.tv_sec + (double) t.tv_nsec / 1e9;
}

static bool
is_over(const Search *search)
{
	return seconds_now() - search->begun > search->max_seconds || visited_is_full() ||
		visited_bytes() + store_bytes() > search->max_bytes;
}

static void
found(Search *search, uint64_t parent, Choice choice, const char *violation)
{
	search->violation = violation;
	search->n_path = path_get(parent, search->path, MAX_DEPTH);
	search->path[search->n_path++] = choice;
}

/* Everything that one choice leads to.  False when something is violated. */
static bool
expand(Search *search, const World *world, uint64_t number)
{
	static World successors[MAX_CHOICES];
	static Choice choices[MAX_CHOICES];
	uint32_t	n_choices = world_choices(world, choices);
	uint32_t	n = 0;

	for (uint32_t i = 0; i < n_choices; i++)
	{
		const char *violation = NULL;
		uint64_t	sums[N_PERMS];

		search->n_transitions++;
		switch (world_apply(world, choices[i], &successors[n], &violation))
		{
			case VERDICT_NEW:
				visited_prefetch(visited_key(&successors[n], sums));
				choices[n++] = choices[i];
				break;
			case VERDICT_IDLE:
				break;
			case VERDICT_PRUNED:
				search->n_pruned++;
				break;
			case VERDICT_VIOLATION:
				found(search, number, choices[i], violation);
				return false;
		}
	}
	for (uint32_t i = 0; i < n; i++)
	{
		const char *violation;

		if (!visited_add(&successors[i]))
			continue;
		violation = invariants_world(&successors[i]);
		if (violation != NULL)
		{
			found(search, number, choices[i], violation);
			return false;
		}
		path_put(search->n_worlds, number, choices[i]);
		level_put(search->next, &successors[i], search->n_worlds++);
	}
	return true;
}

/* A level may take minutes: says now and then how far it is. */
static void
tell_progress(Search *search, uint64_t done, uint64_t n_level)
{
	double		now = seconds_now() - search->begun;

	if (now - search->told < PROGRESS_SECONDS)
		return;
	search->told = now;
	printf("# %llu of the %llu worlds of this depth are expanded, %.0f s\n", ULL(done), ULL(n_level), now);
	fflush(stdout);
}

/* Expands a level.  Returns how many of its worlds were expanded. */
static uint64_t
expand_level(Search *search, uint64_t n_level)
{
	World		world;
	uint64_t	number;
	uint64_t	done = 0;

	memset(&world, 0, sizeof(world));
	level_rewind(search->level);
	search->next = level_create();
	visited_next_level();
	while (search->violation == NULL && level_get(search->level, &world, &number))
	{
		if (done % 1024 == 0)
		{
			if (is_over(search))
				break;
			tell_progress(search, done, n_level);
		}
		/* a later one of the same level may cover it */
		if (visited_stands(&world) && !expand(search, &world, number))
			break;
		done++;
	}
	return done;
}

static void
report_depth(const Search *search, unsigned depth, uint64_t n_new)
{
	printf("| %5u | %12llu | %13llu | %13llu | %13llu | %11u | %8u | %7.1f | %5.0f |\n", depth, ULL(n_new),
		   ULL(search->n_worlds), ULL(visited_n_keys()), ULL(search->n_transitions), store_n_nodes(),
		   store_n_envelopes(),
		   seconds_now() - search->begun,
		   (double) (visited_bytes() + store_bytes()) / (1024 * 1024));
	fflush(stdout);
}

static void
report_violation(const Search *search)
{
	printf("\n# violated: %s\n# after %u choices, %llu distinct worlds, %.1f s:\n\n", search->violation,
		   search->n_path, ULL(search->n_worlds), seconds_now() - search->begun);
	script_show(*search->start, search->path, search->n_path);
}

/*
 * Returns the exit status: 1 when something is violated.
 */
int
search_run(const World *start, unsigned max_depth, double max_seconds, size_t max_bytes)
{
	static Search search;
	uint64_t	n_level = 1;
	unsigned	depth = 0;
	uint64_t	expanded = 0;

	search.start = start;
	search.begun = seconds_now();
	search.max_seconds = max_seconds;
	search.max_bytes = max_bytes;
	visited_init(max_bytes);
	path_init();
	visited_add(start);
	path_put(0, 0, (Choice) {0});
	search.next = level_create();
	level_put(search.next, start, search.n_worlds++);

	printf("| depth | new worlds   | all worlds    | without net   | transitions   | node states | messages | seconds | MB    |\n");
	printf("|---|---|---|---|---|---|---|---|---|\n");
	report_depth(&search, 0, 1);
	while (n_level > 0 && depth < max_depth && depth < MAX_DEPTH)
	{
		uint64_t	before = search.n_worlds;

		if (search.level != NULL)
			level_close(search.level);
		search.level = search.next;
		expanded = expand_level(&search, n_level);
		if (search.violation != NULL)
		{
			report_violation(&search);
			return 1;
		}
		depth++;
		report_depth(&search, depth, search.n_worlds - before);
		if (expanded < n_level)
		{
			printf("stopped by the %s: %llu of the %llu worlds of depth %u were expanded\n",
				   seconds_now() - search.begun > max_seconds ? "time" : "memory",
				   ULL(expanded), ULL(n_level), depth - 1);
			depth--;
			break;
		}
		n_level = search.n_worlds - before;
	}
	printf("%llu distinct worlds, every one to depth %u%s, no violation; %llu choices left the bounds\n",
		   ULL(search.n_worlds), depth, n_level == 0 ? ", which is all there is" : "",
		   ULL(search.n_pruned));
	return 0;
}
