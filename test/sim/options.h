/*-------------------------------------------------------------------------
 *
 * options.h
 *	  The command line of the laboratory.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAFT_TEST_SIM_OPTIONS_H
#define RAFT_TEST_SIM_OPTIONS_H

#include "lab.h"

typedef struct Options
{
	const char *group;
	const char *test;
	uint64_t	seeds;
	uint64_t	seed;			/* 0 = many */
	bool		trace;
	const char *mutant;			/* empty = none */
	bool		mutants;
	uint64_t	jobs;			/* 0 = no campaign */
	uint64_t	first;			/* seed of a campaign */
	uint64_t	progress;		/* seconds between two lines that tell how far it is; 0 = after each run */
	const char *shrink;			/* folder for reduced plans; empty = as it failed */
	const char *plan;			/* file; empty = none */
	const char *svg;			/* file for a picture; empty = none */
	RaftTime	from;			/* stretch of it */
	RaftTime	to;
	const char *scripts;		/* folder; empty = none */
	bool		rewrite;
	const char **replays;		/* recordings */
	int			n_replays;
} Options;

extern bool options_parse(Options *options, int argc, char **argv);

#endif							/* RAFT_TEST_SIM_OPTIONS_H */
