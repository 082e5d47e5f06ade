/*-------------------------------------------------------------------------
 *
 * frontier.c
 *	  What breadth-first search keeps outside of memory: the worlds of a level,
 *	  and how each world was reached.
 *
 * Both are written and read in order, so that they live in files without a name.
 *
 *-------------------------------------------------------------------------
 */
#define _XOPEN_SOURCE 700		/* mkstemp */

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "explore.h"

#define FILE_BUFFER	(1 << 20)

static _Noreturn void
fail(const char *what)
{
	perror(what);
	exit(2);
}

/* A file that is gone when it is closed. */
static FILE *
scratch_file(void)
{
	const char *directory = getenv("TMPDIR");
	char		name[1024];
	int			fd;
	FILE	   *file;

	snprintf(name, sizeof(name), "%s/explore.XXXXXX", directory != NULL ? directory : "/tmp");
	fd = mkstemp(name);
	if (fd < 0)
		fail(name);
	unlink(name);
	file = fdopen(fd, "w+b");
	if (file == NULL || setvbuf(file, NULL, _IOFBF, FILE_BUFFER) != 0)
		fail(name);
	return file;
}

/* -------------------------------------------------------------- levels */

struct Level
{
	FILE	   *file;
};

typedef struct LevelRecord
{
	uint64_t	number;
	uint32_t	node[N_NODES];
	uint32_t	history;
	uint8_t		crashes[N_NODES];
	uint8_t		timeouts[N_NODES];
	uint16_t	n_net;
	uint32_t	net[MAX_NET];
} LevelRecord;

Level *
level_create(void)
{
	Level	   *level = malloc(sizeof(*level));

	if (level == NULL)
		fail("level");
	level->file = scratch_file();
	return level;
}

void
level_put(Level *level, const World *world, uint64_t number)
{
	LevelRecord record = {.number = number, .history = world->history, .n_net = (uint16_t) world->n_net};
	size_t		size = offsetof(LevelRecord, net) + world->n_net * sizeof(uint32_t);

	memcpy(record.node, world->node + 1, sizeof(record.node));
	memcpy(record.crashes, world->crashes + 1, sizeof(record.crashes));
	memcpy(record.timeouts, world->timeouts + 1, sizeof(record.timeouts));
	memcpy(record.net, world->net, world->n_net * sizeof(uint32_t));
	if (fwrite(&record, size, 1, level->file) != 1)
		fail("level");
}

/* From now on the level is read. */
void
level_rewind(Level *level)
{
	if (fflush(level->file) != 0 || fseek(level->file, 0, SEEK_SET) != 0)
		fail("level");
}

bool
level_get(Level *level, World *world, uint64_t *number)
{
	LevelRecord record;

	if (fread(&record, offsetof(LevelRecord, net), 1, level->file) != 1)
		return false;
	if (record.n_net > 0 && fread(record.net, sizeof(uint32_t), record.n_net, level->file) != record.n_net)
		fail("level");
	*number = record.number;
	world->history = record.history;
	world->n_net = record.n_net;
	memcpy(world->node + 1, record.node, sizeof(record.node));
	memcpy(world->crashes + 1, record.crashes, sizeof(record.crashes));
	memcpy(world->timeouts + 1, record.timeouts, sizeof(record.timeouts));
	memcpy(world->net, record.net, record.n_net * sizeof(uint32_t));
	return true;
}

void
level_close(Level *level)
{
	fclose(level->file);
	free(level);
}

/* --------------------------------------------------------------- paths */

/* Of world number n, at place n: its parent, and the choice that led from there. */
static FILE *paths;
static uint64_t n_paths = 0;

void
path_init(void)
{
	paths = scratch_file();
}

void
path_put(uint64_t number, uint64_t parent, Choice choice)
{
	uint64_t	record = parent << 24 | (uint64_t) choice.kind << 16 |
		(uint64_t) choice.node << 12 | (uint64_t) choice.lapsed << 8 | choice.at;

	if (number != n_paths++ || fwrite(&record, sizeof(record), 1, paths) != 1)
		fail("paths");
}

/*
 * The choices from world 0 to this one; max is more than there are levels.
 */
uint32_t
path_get(uint64_t number, Choice *choices, uint32_t max)
{
	uint32_t	n = 0;

	for (; number != 0 && n < max; n++)
	{
		uint64_t	record;

		if (fseek(paths, (long) (number * sizeof(record)), SEEK_SET) != 0 ||
			fread(&record, sizeof(record), 1, paths) != 1)
			fail("paths");
		number = record >> 24;
		choices[n] = (Choice) {
			.kind = (uint8_t) (record >> 16), .node = (uint8_t) (record >> 12 & 15),
			.lapsed = (record >> 8 & 1) != 0, .at = (uint8_t) record
		};
	}
	for (uint32_t i = 0; i < n / 2; i++)
	{
		Choice		swapped = choices[i];

		choices[i] = choices[n - 1 - i];
		choices[n - 1 - i] = swapped;
	}
	return n;
}
