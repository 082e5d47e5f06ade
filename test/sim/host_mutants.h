/*-------------------------------------------------------------------------
 *
 * host_mutants.h
 *	  Old bugs of a host, its disk, its state machine and its clients' sessions,
 *	  which the laboratory puts back like those of the core (core/mutants.h).
 *
 * The laboratory is the host here: what it must not do stands behind
 * HOST_MUTANT() in the places where a host would do it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAFT_TEST_SIM_HOST_MUTANTS_H
#define RAFT_TEST_SIM_HOST_MUTANTS_H

#include "lab.h"

typedef enum HostMutant
{
	HOST_MUTANT_FIRST = MUTANT_COUNT,	/* the core's come before */
	HOST_MUTANT_VOTE_APART = HOST_MUTANT_FIRST, /* 2: the vote is written later than its term */
	HOST_MUTANT_LAZY_FSYNC,		/* 46: durable is reported when the write has begun */
	HOST_MUTANT_FLUSH_COVERS_LATER, /* 46: a flush vouches for what was written while it ran */
	HOST_MUTANT_TORN_UNBOOTABLE,	/* 47: a torn last record stops the start */
	HOST_MUTANT_RESURRECT_TAIL, /* 48: recovery goes on behind the tail */
	HOST_MUTANT_APPLY_EARLY,	/* 49: applied before the log is durable */
	HOST_MUTANT_APPLIED_APART,	/* 50: the applied index is not atomic with the data */
	HOST_MUTANT_APPLIER_UNCLAMPED,	/* 50: the applier is believed, whatever the core knows */
	HOST_MUTANT_FSYNC_RETRIED,	/* 51: a failed flush is tried again and believed */
	HOST_MUTANT_WIPED_REJOINS,	/* 52: a wiped node comes back as who it was */
	HOST_MUTANT_COPY_UNMARKED,	/* 52: a copy of a disk does not know that it is one */
	HOST_MUTANT_STARTS_UNCHECKED,	/* 52: nobody asks for the starts that a node remembers */
	HOST_MUTANT_CORRUPT_CUT,	/* 53: a damaged record and what follows are dropped */
	HOST_MUTANT_STALLED_BY_DISK,	/* 54: the node waits for its flush */
	HOST_MUTANT_SEND_CACHE_KEPT,	/* 55: what was sent last is sent again after a truncation */
	HOST_MUTANT_TICK_FIRST,		/* 56: a deadline that has passed goes before messages that wait */
	HOST_MUTANT_READ_AT_LEADER, /* 71: who believes to lead answers reads by itself */
	HOST_MUTANT_READ_AT_FOLLOWER,	/* 75: anybody answers reads, as far as it has applied */
	HOST_MUTANT_FAILED_EARLY,	/* 76: no answer in time is called a failure */
	HOST_MUTANT_RETRY_TWICE,	/* 77: a retried command is applied again */
	HOST_MUTANT_ANSWERS_CROSSED,	/* 78: the entry at my index is taken for mine */
	HOST_MUTANT_UNSTEADY_APPLY, /* 79: what an apply does depends on the node */
	HOST_MUTANT_COUNT
} HostMutant;

#ifdef RAFT_MUTANTS
#define HOST_MUTANT(name)	((int) raft_mutant == (int) HOST_MUTANT_##name)
#else
#define HOST_MUTANT(name)	0
#endif

#endif							/* RAFT_TEST_SIM_HOST_MUTANTS_H */
