/*-------------------------------------------------------------------------
 *
 * replay.c
 *	  Runs files through the targets, without a fuzzer: the corpus, as a test.
 *
 *		replay file ...
 *
 * Each file has a process of its own, so that the next one is tried whatever
 * this one does.
 *
 *-------------------------------------------------------------------------
 */
#define _POSIX_C_SOURCE 200809L

#include <sys/wait.h>
#include <unistd.h>

#include "fuzz.h"

#define MAX_INPUT	(1 << 20)

static void
run_file(const char *name)
{
	uint8_t    *data = malloc(MAX_INPUT);
	FILE	   *file = fopen(name, "rb");
	size_t		size;

	fuzz_check(data != NULL);
	if (file == NULL)
	{
		perror(name);
		exit(2);
	}
	size = fread(data, 1, MAX_INPUT, file);
	fclose(file);
	fuzz_one(data, size);
	free(data);
}

int
main(int argc, char **argv)
{
	int			passed = 0;
	int			failed = 0;

	for (int i = 1; i < argc; i++)
	{
		int			status = 1;
		pid_t		child = fork();

		if (child == 0)
		{
			run_file(argv[i]);
			exit(0);
		}
		if (child > 0 && waitpid(child, &status, 0) == child && status == 0)
			passed++;
		else
		{
			printf("failed: %s\n", argv[i]);
			failed++;
		}
	}
	printf("%d passed, %d failed\n", passed, failed);
	return failed == 0 && passed > 0 ? 0 : 1;
}
