/*-------------------------------------------------------------------------
 *
 * memory.c
 *	  Memory that lives as long as a run.
 *
 * A failing test leaves by longjmp from anywhere, so nothing in a run is freed
 * one by one.  Under AddressSanitizer each request is an allocation of its own,
 * so that a read one byte past a frame is seen; else they come from chunks that
 * are kept from run to run.
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lab.h"

#if defined(__SANITIZE_ADDRESS__)
#define ONE_BY_ONE 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ONE_BY_ONE 1
#endif
#endif
#ifndef ONE_BY_ONE
#define ONE_BY_ONE 0
#endif

#define CHUNK_BYTES		((size_t) 1 << 20)
#define MAX_RUN_BYTES	((size_t) 512 << 20)	/* a run that wants more goes round in circles */

typedef struct Chunk
{
	struct Chunk *next;
	size_t		size;
	size_t		used;
} Chunk;

static Chunk *chunks;			/* in use, the current one first */
static Chunk *spare;			/* of CHUNK_BYTES each, from earlier runs */
static size_t run_bytes;		/* given out to this run */

static Chunk *
new_chunk(size_t size)
{
	Chunk	   *chunk = malloc(sizeof(Chunk) + size);

	if (chunk == NULL)
	{
		fputs("out of memory\n", stderr);
		exit(2);
	}
	chunk->size = size;
	chunk->used = 0;
	return chunk;
}

void *
run_alloc(size_t size)
{
	size_t		rounded = ONE_BY_ONE ? size : (size + 15) & ~(size_t) 15;
	void	   *result;

	run_bytes += rounded;
	if (run_bytes > MAX_RUN_BYTES)
		lab_fail(current_lab, 19, "the run takes more than %zu MB of memory", MAX_RUN_BYTES >> 20);
	if (chunks == NULL || chunks->size - chunks->used < rounded || ONE_BY_ONE)
	{
		Chunk	   *chunk;

		if (!ONE_BY_ONE && rounded <= CHUNK_BYTES && spare != NULL)
		{
			chunk = spare;
			spare = chunk->next;
			chunk->used = 0;
		}
		else
			chunk = new_chunk(ONE_BY_ONE || rounded > CHUNK_BYTES ? rounded : CHUNK_BYTES);
		chunk->next = chunks;
		chunks = chunk;
	}
	result = (char *) (chunks + 1) + chunks->used;
	chunks->used += rounded;
	memset(result, 0, size);
	return result;
}

void *
run_copy(const void *data, size_t size)
{
	void	   *result = run_alloc(size);

	if (size > 0)
		memcpy(result, data, size);
	return result;
}

void
run_memory_reset(void)
{
	run_bytes = 0;
	while (chunks != NULL)
	{
		Chunk	   *chunk = chunks;

		chunks = chunk->next;
		if (chunk->size == CHUNK_BYTES && !ONE_BY_ONE)
		{
			chunk->next = spare;
			spare = chunk;
		}
		else
			free(chunk);
	}
}
