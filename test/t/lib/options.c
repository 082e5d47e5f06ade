/*-------------------------------------------------------------------------
 *
 * options.c
 *	  A libpq of a later version for tests, loaded before the real one (LD_PRELOAD).
 *
 * PQconninfoParse() also takes options that the real libpq does not have, and marks
 * them as a later version does, or may do.
 *
 *-------------------------------------------------------------------------
 */
#define _GNU_SOURCE

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "libpq-fe.h"

#define N_LATER		(sizeof(later) / sizeof(later[0]))

static const struct
{
	const char *keyword;
	const char *dispchar;
}			later[] = {
	{"oauth_client_secret", "*"},
	{"scram_client_key", "D"},
	{"scram_server_key", "D"},
	{"sslkeylogfile", "D"},
	{"coming_secret", "*"},
	{"coming_debug_option", "D"},
	{"coming_option", ""},
};

static int
count(const PQconninfoOption *options)
{
	int			n = 0;

	while (options[n].keyword != NULL)
		n++;
	return n;
}

static int
has_option(const PQconninfoOption *options, const char *keyword)
{
	for (; options->keyword != NULL; options++)
	{
		if (strcmp(options->keyword, keyword) == 0)
			return 1;
	}
	return 0;
}

/* Takes " keyword=value" out of the text; the value, which has no quotes, or NULL. */
static char *
take_out(char *text, const char *keyword)
{
	size_t		length = strlen(keyword);

	for (char *at = strchr(text, ' '); at != NULL; at = strchr(at + 1, ' '))
	{
		char	   *value = at + 1 + length + 1;
		size_t		size;
		char	   *copy;

		if (strncmp(at + 1, keyword, length) != 0 || at[1 + length] != '=')
			continue;
		size = strcspn(value, " ");
		copy = strndup(value, size);
		memmove(at, value + size, strlen(value + size) + 1);
		return copy;
	}
	return NULL;
}

PQconninfoOption *
PQconninfoParse(const char *conninfo, char **error)
{
	PQconninfoOption *(*parse) (const char *, char **) =
		(PQconninfoOption *(*) (const char *, char **)) dlsym(RTLD_NEXT, "PQconninfoParse");
	PQconninfoOption *known = PQconndefaults();
	char	   *text = strdup(conninfo);
	char	   *value[N_LATER] = {0};
	PQconninfoOption *options;
	int			n;

	for (size_t i = 0; i < N_LATER; i++)
	{
		if (!has_option(known, later[i].keyword))
			value[i] = take_out(text, later[i].keyword);
	}
	options = parse(text, error);
	free(text);
	if (options == NULL)
		return NULL;

	n = count(options);
	options = realloc(options, (n + N_LATER + 1) * sizeof(PQconninfoOption));
	memset(options + n, 0, (N_LATER + 1) * sizeof(PQconninfoOption));
	for (size_t i = 0; i < N_LATER; i++)
	{
		if (has_option(known, later[i].keyword))
			continue;
		options[n].keyword = (char *) later[i].keyword;
		options[n].dispchar = (char *) later[i].dispchar;
		options[n].label = (char *) later[i].keyword;
		options[n].val = value[i];
		n++;
	}
	PQconninfoFree(known);
	return options;
}
