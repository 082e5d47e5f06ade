/*-------------------------------------------------------------------------
 *
 * model_test.c
 *	  src/group/published.c on a machine that orders nothing by itself: no reader
 *	  gets a torn copy, whatever the processes' order and wherever a writer dies;
 *	  and without any one of its barriers, or the second look, one does.
 *
 *	  Ends with "N passed, N failed".
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <stdlib.h>

#include "memory.h"
#include "group/published.h"

#define WORDS		3			/* of the block */
#define VERSIONS	6			/* that a writer publishes */
#define READERS		2
#define READS		5
#define SEEDS		20000

static RaftPublished block;
static uint64 written;			/* the newest value that a writer began with */
static bool torn;
static bool backwards;
static int	readers_left;

static void
writer(void *arg)
{
	uint64		data[WORDS];

	for (int i = 0; i < VERSIONS; i++)
	{
		written++;
		for (int k = 0; k < WORDS; k++)
			data[k] = written;
		raft_publish(&block, data);
	}
}

static void
reader(void *arg)
{
	uint64		data[WORDS];
	uint64		before = 0;

	for (int i = 0; i < READS; i++)
	{
		raft_published_read(&block, data);
		for (int k = 1; k < WORDS; k++)
			torn |= data[k] != data[0];
		backwards |= data[0] < before;
		before = data[0];
	}
	readers_left--;
}

/* One run; false when a reader has not come to its end though the writers have. */
static bool
run(uint64 seed, ModelFault fault)
{
	int			writers;
	int			process[1 + READERS];
	long		steps = 0;

	model_begin(seed, fault);
	raft_published_init(&block, model_shared, WORDS * sizeof(uint64));
	model_set_looked_at(&block.begun);
	written = 0;
	torn = backwards = false;
	readers_left = READERS;
	writers = 1 + (int) model_draw(3);

	process[0] = model_process(writer, NULL, false, -1);
	for (int i = 1; i <= READERS; i++)
		process[i] = model_process(reader, NULL, true, -1);

	while (readers_left > 0)
	{
		if (++steps > 100000)
			return false;

		/* a writer that dies is never stepped again; the next one takes over */
		if (writers > 1 && model_draw(12) == 0)
		{
			writers--;
			process[0] = model_process(writer, NULL, false, process[0]);
		}
		(void) model_step(process[model_draw(1 + READERS)]);
	}
	return true;
}

static const char *const property[N_FAULTS] = {
	[FAULT_WRITER_FIRST_BARRIER] = "without the writer's first barrier a copy is torn",
	[FAULT_WRITER_SECOND_BARRIER] = "without the writer's second barrier a copy is torn",
	[FAULT_READER_FIRST_BARRIER] = "without the reader's first barrier a copy is torn",
	[FAULT_READER_SECOND_BARRIER] = "without the reader's second barrier a copy is torn",
	[FAULT_READER_LOOKS_NOT] = "without the reader's second look a copy is torn",
};

static int	passed;
static int	failed;

static void
verdict(bool good, const char *name)
{
	if (good)
		passed++;
	else
	{
		failed++;
		printf("failed: %s\n", name);
	}
}

int
main(void)
{
	bool		whole = true;
	bool		forwards = true;
	bool		ends = true;

	for (uint64 seed = 0; seed < SEEDS; seed++)
	{
		ends &= run(seed, FAULT_NONE);
		whole &= !torn;
		forwards &= !backwards;
	}
	verdict(whole, "no copy is torn");
	verdict(forwards, "a reader never gets an older version than before");
	verdict(ends, "every read ends, wherever a writer died");

	for (ModelFault fault = FAULT_NONE + 1; fault < N_FAULTS; fault++)
	{
		bool		found = false;

		for (uint64 seed = 0; seed < SEEDS && !found; seed++)
		{
			(void) run(seed, fault);
			found = torn;
		}
		verdict(found, property[fault]);
	}
	printf("%d passed, %d failed\n", passed, failed);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
