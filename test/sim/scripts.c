/*-------------------------------------------------------------------------
 *
 * scripts.c
 *	  Races as text files: nothing happens but what the script says.
 *
 * The servers, their disks, the network and the invariants are those of every
 * other test; but their events stay in the queue until a command takes them out,
 * in an order that chance would take long to find.  A file is a sequence of
 *
 *		# why
 *
 *		command (script_commands.c)
 *		----
 *		what happened, one line each
 *
 * and is compared as a whole; "make scripts REWRITE=1" writes what happened into
 * the files, for review by diff.
 *
 *-------------------------------------------------------------------------
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scripts.h"

#define MAX_SCRIPTS		100
#define MAX_NAME		64

Script		script;

static char folder[500];
static bool rewriting;
static LabTest tests[MAX_SCRIPTS + 1];
static char names[MAX_SCRIPTS][MAX_NAME];

/* Adds to the file as it should be. */
void
script_say(const char *format,...)
{
	va_list		args;

	va_start(args, format);
	script.size += (size_t) vsnprintf(script.text + script.size, sizeof(script.text) - script.size,
									  format, args);
	va_end(args);
	lab_check(script.lab, script.size < sizeof(script.text), "the script says too much");
}

static char *
read_file(Lab *lab, const char *path)
{
	FILE	   *in = fopen(path, "r");
	char	   *text = run_alloc(SCRIPT_MAX_TEXT);
	size_t		size;

	lab_check(lab, in != NULL, "\"%s\" cannot be read", path);
	size = fread(text, 1, SCRIPT_MAX_TEXT - 1, in);
	fclose(in);
	lab_check(lab, size < SCRIPT_MAX_TEXT - 1, "\"%s\" is too long", path);
	return text;
}

/* The next line without its end; NULL behind the last. */
static char *
next_line(char **text)
{
	char	   *line = *text;
	char	   *end = strchr(line, '\n');

	if (*line == '\0')
		return NULL;
	script.line++;
	*text = end ? end + 1 : line + strlen(line);
	if (end)
		*end = '\0';
	return line;
}

/* Executes the script; script.text gets the file as it should be. */
static void
run_text(char *text)
{
	char	   *line;
	bool		in_output = false;

	while ((line = next_line(&text)) != NULL)
	{
		if (in_output)
		{
			/* what the file says happened; what did happen is written already */
			in_output = line[0] != '\0';
			if (!in_output)
				script_say("\n");
			continue;
		}
		if (strcmp(line, "----") == 0)
			in_output = true;
		else
		{
			script_say("%s\n", line);
			if (line[0] == '\0' || line[0] == '#')
				continue;
			script_say("----\n");
			script_command(line);
		}
	}
}

/* The first line in which two texts differ. */
static void
compare(Lab *lab, const char *is, const char *was)
{
	int			line = 1;

	while (*is != '\0' && *is == *was)
	{
		line += *is == '\n';
		is++;
		was++;
	}
	if (*is == *was)
		return;
	while (line > 1 && is[-1] != '\n')
	{
		is--;
		was--;
	}
	lab_fail(lab, 0, "line %d: \"%.*s\" was expected, \"%.*s\" happened", line,
			 (int) strcspn(was, "\n"), was, (int) strcspn(is, "\n"), is);
}

static void
run_script(Lab *lab)
{
	char		path[600];
	char	   *was;
	FILE	   *out;

	snprintf(path, sizeof(path), "%s/%s.txt", folder, lab->test);
	was = read_file(lab, path);
	script.lab = lab;
	script.line = 0;
	script.shows = SCRIPT_ALL;
	script.size = 0;
	script.n_held = 0;
	lab->tracing = true;
	lab->trace_to = script_hear;
	run_text(run_copy(was, strlen(was) + 1));
	if (!rewriting)
	{
		compare(lab, script.text, was);
		return;
	}
	out = fopen(path, "w");
	lab_check(lab, out != NULL, "\"%s\" cannot be written", path);
	fputs(script.text, out);
	fclose(out);
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

const LabTest *
scripts_load(const char *from, bool rewrite)
{
	DIR		   *dir = from[0] != '\0' ? opendir(from) : NULL;
	struct dirent *file;
	size_t		n = 0;

	rewriting = rewrite;
	snprintf(folder, sizeof(folder), "%s", from);
	while (dir != NULL && n < MAX_SCRIPTS && (file = readdir(dir)) != NULL)
	{
		size_t		size = strlen(file->d_name);

		if (size > 4 && size < MAX_NAME && strcmp(file->d_name + size - 4, ".txt") == 0)
			snprintf(names[n++], MAX_NAME, "%.*s", (int) size - 4, file->d_name);
	}
	if (dir != NULL)
		closedir(dir);
	qsort(names, n, sizeof(names[0]), by_name);
	for (size_t i = 0; i < n; i++)
		tests[i] = (LabTest) {.name = names[i], .group = "script", .max_seeds = 1, .run = run_script};
	tests[n] = (LabTest) {0};
	return tests;
}
