/*-------------------------------------------------------------------------
 *
 * options.c
 *	  The command line of the laboratory: lab [name=value ...]
 *
 *		group=	unit, lesson, A, B, C, simulate; ladder = all but unit; all
 *		test=	name of one test
 *		seeds=	how many seeds, from 1
 *		seed=	this seed only
 *		trace=1	print the timeline
 *		mutant=	put this bug back (builds with RAFT_MUTANTS)
 *		mutants=1	put each bug back, or the one of mutant=, and find it
 *		jobs=		run many seeds of a test in so many processes, and tell how fast
 *		first=	.. from this seed on
 *		progress=	seconds from one line to the next that tells how far it is
 *		shrink=folder	reduce the first failing run of a test, and keep its plan there
 *		plan=file	run this plan
 *		svg=file	draw the run, or what from= and to= (milliseconds) say of it
 *		replay=file	replay a server's recording; may be given several times
 *		scripts=folder	with the scripts of this folder
 *		rewrite=1	scripts: write what happens into their files
 *
 * What cannot be meant is refused: a run of no seeds would pass.
 *
 *-------------------------------------------------------------------------
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"

typedef enum OptionKind
{
	OPTION_TEXT,
	OPTION_NAME,				/* a text that is not empty */
	OPTION_FLAG,				/* 0 or 1 */
	OPTION_COUNT,				/* a number from 1 on */
	OPTION_NUMBER,				/* .. from 0 on */
	OPTION_MILLISECONDS
} OptionKind;

static const struct
{
	const char *name;
	OptionKind	kind;
	size_t		offset;
}			known[] = {
	{"group", OPTION_NAME, offsetof(Options, group)},
	{"test", OPTION_NAME, offsetof(Options, test)},
	{"seeds", OPTION_COUNT, offsetof(Options, seeds)},
	{"seed", OPTION_COUNT, offsetof(Options, seed)},
	{"trace", OPTION_FLAG, offsetof(Options, trace)},
	{"mutant", OPTION_TEXT, offsetof(Options, mutant)},
	{"mutants", OPTION_FLAG, offsetof(Options, mutants)},
	{"jobs", OPTION_COUNT, offsetof(Options, jobs)},
	{"first", OPTION_COUNT, offsetof(Options, first)},
	{"progress", OPTION_NUMBER, offsetof(Options, progress)},
	{"shrink", OPTION_TEXT, offsetof(Options, shrink)},
	{"plan", OPTION_TEXT, offsetof(Options, plan)},
	{"svg", OPTION_TEXT, offsetof(Options, svg)},
	{"from", OPTION_MILLISECONDS, offsetof(Options, from)},
	{"to", OPTION_MILLISECONDS, offsetof(Options, to)},
	{"scripts", OPTION_TEXT, offsetof(Options, scripts)},
	{"rewrite", OPTION_FLAG, offsetof(Options, rewrite)},
};

/* Nothing but digits, and not more than fit. */
static bool
parse_number(const char *text, uint64_t *number)
{
	char	   *end;

	if (text[0] < '0' || text[0] > '9')
		return false;
	errno = 0;
	*number = strtoull(text, &end, 10);
	return errno == 0 && *end == '\0' && *number <= UINT64_MAX / MS;
}

static bool
refuse(const char *name, const char *value, const char *wanted)
{
	fprintf(stderr, "lab: \"%s\" cannot be %s: it must be %s\n", value, name, wanted);
	return false;
}

static bool
set_option(OptionKind kind, const char *name, const char *value, void *field)
{
	uint64_t	number;

	switch (kind)
	{
		case OPTION_NAME:
			if (value[0] == '\0')
				return refuse(name, value, "a name");
			*(const char **) field = value;
			return true;
		case OPTION_TEXT:
			*(const char **) field = value;
			return true;
		case OPTION_FLAG:
			if (strcmp(value, "0") != 0 && strcmp(value, "1") != 0)
				return refuse(name, value, "0 or 1");
			*(bool *) field = value[0] == '1';
			return true;
		case OPTION_COUNT:
			if (!parse_number(value, &number) || number == 0)
				return refuse(name, value, "a number of at least 1");
			*(uint64_t *) field = number;
			return true;
		case OPTION_NUMBER:
		case OPTION_MILLISECONDS:
			if (!parse_number(value, &number))
				return refuse(name, value, "a number");
			*(uint64_t *) field = kind == OPTION_NUMBER ? number : number * MS;
			return true;
	}
	return false;
}

static bool
parse_argument(Options *options, const char *argument)
{
	const char *equals = strchr(argument, '=');
	size_t		length = equals != NULL ? (size_t) (equals - argument) : 0;

	if (equals != NULL && strncmp(argument, "replay", length) == 0 && length == strlen("replay"))
	{
		options->replays[options->n_replays++] = equals + 1;
		return true;
	}
	for (size_t i = 0; i < lengthof(known) && equals != NULL; i++)
		if (strncmp(known[i].name, argument, length) == 0 && known[i].name[length] == '\0')
			return set_option(known[i].kind, known[i].name, equals + 1,
							  (char *) options + known[i].offset);
	fprintf(stderr, "lab: unknown option \"%s\"\n", argument);
	return false;
}

/* False when something cannot be meant, which is said then. */
bool
options_parse(Options *options, int argc, char **argv)
{
	*options = (Options) {
		.group = "all", .test = "all", .seeds = 200, .first = 1, .progress = 10, .mutant = "",
		.shrink = "", .plan = "", .svg = "", .scripts = "",
		.replays = calloc((size_t) argc, sizeof(char *))
	};
	if (options->replays == NULL)
		abort();
	for (int i = 1; i < argc; i++)
		if (!parse_argument(options, argv[i]))
			return false;
	if ((options->from != 0 || options->to != 0) && options->svg[0] == '\0')
	{
		fprintf(stderr, "lab: from and to are of a picture, and none is drawn\n");
		return false;
	}
	if (options->to != 0 && options->to <= options->from)
	{
		fprintf(stderr, "lab: the picture would end at %llu ms, before it begins at %llu ms\n",
				(unsigned long long) (options->to / MS), (unsigned long long) (options->from / MS));
		return false;
	}
	if ((options->trace || options->svg[0] != '\0') && options->seed == 0)
		options->seed = 1;		/* a timeline is of one run */
	return true;
}
