/*-------------------------------------------------------------------------
 *
 * host_mutants.h
 *	  Old bugs of the host that a test can put back, to prove that the tests find
 *	  them, as core/mutants.h has those of the algorithm.
 *
 * They exist only in a build with RAFT_STOP_POINTS (stop_point.h).  A mutant is there
 * while the directory of the stop points holds a file of its name that says "mutant".
 * test/mutants names the test that must fail with each ("make mutants").
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAFT_HOST_MUTANTS_H
#define RAFT_HOST_MUTANTS_H

#include "stop_point.h"

typedef enum RaftHostMutant
{
	RAFT_MUTANT_APPLY_EARLY,	/* entries are applied before they are committed */
	RAFT_MUTANT_DURABLE_BEFORE_FLUSH,	/* a write is reported durable before WAL is flushed */
	RAFT_MUTANT_INBOX_OVERFILLED,	/* a ring takes 8 bytes more than it has */
	RAFT_MUTANT_INBOX_PUT_WHEN_LOST,	/* a stream goes on after the end of its epoch */
	RAFT_MUTANT_INBOX_RING_REUSED,	/* a ring is handed on with frames in it */
	RAFT_MUTANT_INBOX_SKIP_UNCHECKED,	/* the rest of a ring is skipped, free or not */
	RAFT_MUTANT_LOG_BOUNDARY_PASSED,	/* a record that begins a page is not its first one */
	RAFT_MUTANT_LOG_CONFIG_KEPT,	/* a configuration that was cut off is still one of the log's */
	RAFT_MUTANT_LOG_CONFIG_UNCHECKED,	/* the base configuration's checksum is not compared */
	RAFT_MUTANT_LOG_EMPTY_TRUSTED,	/* a log that has lost its block 0 is made anew */
	RAFT_MUTANT_LOG_FREE_PART_PAGE, /* the dropped part of the first page is free */
	RAFT_MUTANT_LOG_GENERATION_KEPT,	/* readers do not hear of a truncation */
	RAFT_MUTANT_LOG_HINT_KEPT,	/* where a read ended is known beyond a truncation */
	RAFT_MUTANT_LOG_READ_UNCHECKED, /* a reader does not compare checksums */
	RAFT_MUTANT_LOG_RING_LOW_KEPT,	/* bytes in shared memory are overwritten unannounced */
	RAFT_MUTANT_LOG_SLOTS_LOW_KEPT, /* positions likewise */
	RAFT_MUTANT_LOG_VOTE_KEPT,	/* a vote is kept into a term without one */
	RAFT_MUTANT_SEND_CACHE_KEPT,	/* what was sent last is sent again after a truncation */
	RAFT_MUTANT_TICK_FIRST		/* a deadline that has passed goes before messages that wait */
} RaftHostMutant;

#ifdef RAFT_STOP_POINTS
#define RAFT_HOST_MUTANT(name)	((void) RAFT_MUTANT_##name, raft_mutant(#name))
#else
#define RAFT_HOST_MUTANT(name)	false
#endif

#endif							/* RAFT_HOST_MUTANTS_H */
