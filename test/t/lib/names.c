/*-------------------------------------------------------------------------
 *
 * names.c
 *	  A name service for tests, loaded before the C library (LD_PRELOAD).
 *
 * The file $RAFT_TEST_NAMES has a line for each name: the name, how long the
 * answer takes in milliseconds, and the addresses, or "again" for a name service
 * that is down; nothing: there is no such name.  Other names go to the C
 * library.  Each lookup is noted in $RAFT_TEST_NAMES.log, with the kind of thread
 * that it has blocked.
 *
 *-------------------------------------------------------------------------
 */
#define _GNU_SOURCE

#include <dlfcn.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef int (*Resolver) (const char *, const char *, const struct addrinfo *, struct addrinfo **);

static pthread_t main_thread;

__attribute__((constructor)) static void
remember_main_thread(void)
{
	main_thread = pthread_self();
}

/* The name's line behind the name; false when the file does not have it. */
static int
find(const char *name, char *line, int size)
{
	const char *file = getenv("RAFT_TEST_NAMES");
	FILE	   *names = file ? fopen(file, "r") : NULL;
	size_t		length = strlen(name);
	int			found = 0;

	while (names != NULL && !found && fgets(line, size, names) != NULL)
		found = strncmp(line, name, length) == 0 && line[length] == ' ';
	if (names != NULL)
		fclose(names);
	if (found)
		memmove(line, line + length, strlen(line + length) + 1);
	return found;
}

static void
note(const char *name)
{
	char		path[1024];
	FILE	   *log;

	snprintf(path, sizeof(path), "%s.log", getenv("RAFT_TEST_NAMES"));
	log = fopen(path, "a");
	if (log == NULL)
		abort();
	fprintf(log, "%s %s\n", pthread_equal(pthread_self(), main_thread) ? "main" : "thread", name);
	fclose(log);
}

int
getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
			struct addrinfo **result)
{
	Resolver	resolver = (Resolver) dlsym(RTLD_NEXT, "getaddrinfo");
	struct addrinfo numeric = *hints;
	struct timespec delay = {0};
	struct addrinfo **end = result;
	char		line[1024];
	char	   *rest;
	char	   *word;
	long		ms;

	if (name == NULL || !find(name, line, sizeof(line)))
		return resolver(name, service, hints, result);
	note(name);

	ms = strtol(strtok_r(line, " \n", &rest), NULL, 10);
	delay.tv_sec = ms / 1000;
	delay.tv_nsec = ms % 1000 * 1000000;
	nanosleep(&delay, NULL);

	numeric.ai_flags |= AI_NUMERICHOST;
	*result = NULL;
	while ((word = strtok_r(NULL, " \n", &rest)) != NULL)
	{
		if (strcmp(word, "again") == 0)
			return EAI_AGAIN;
		if (resolver(word, service, &numeric, end) != 0)
			return EAI_FAIL;
		while (*end != NULL)
			end = &(*end)->ai_next;
	}
	return *result == NULL ? EAI_NONAME : 0;
}
