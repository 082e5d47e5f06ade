/*-------------------------------------------------------------------------
 *
 * scripts.h
 *	  Races as text files: commands, "----", what the cores did.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAFT_TEST_SIM_SCRIPTS_H
#define RAFT_TEST_SIM_SCRIPTS_H

#include "lab.h"

#define SCRIPT_MAX_TEXT	(1 << 20)
#define SCRIPT_MAX_HELD	16

/* A message that was taken aside under a name. */
typedef struct ScriptHeld
{
	char		name[64];
	SimEvent	event;
} ScriptHeld;

/* How much of what happens is shown. */
typedef enum ScriptShows
{
	SCRIPT_ALL,
	SCRIPT_CHANGES,				/* of roles, terms and commit indexes */
	SCRIPT_NOTHING
} ScriptShows;

/* The script that runs. */
typedef struct Script
{
	Lab		   *lab;
	int			line;			/* of its file */
	ScriptShows shows;
	char		text[SCRIPT_MAX_TEXT];	/* the file as it should be */
	size_t		size;
	ScriptHeld	held[SCRIPT_MAX_HELD];
	size_t		n_held;
} Script;

extern Script script;

/* --- script_commands.c --- */
extern void script_command(const char *line);
extern void script_hear(Lab *lab, const char *line);

/* --- scripts.c --- */
extern void script_say(const char *format,...) __attribute__((format(printf, 1, 2)));

/*
 * One test per file *.txt of the folder, in group "script"; ends with a NULL name.
 * With rewrite, a test writes what happened into its file instead of comparing.
 */
extern const LabTest *scripts_load(const char *folder, bool rewrite);

#endif							/* RAFT_TEST_SIM_SCRIPTS_H */
