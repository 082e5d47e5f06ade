/*-------------------------------------------------------------------------
 *
 * applied.h
 *	  The table raft.applied: how far this node has executed the log.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAFT_APPLIED_H
#define RAFT_APPLIED_H

#include "raft_pg.h"

/* The one row of raft.applied. */
typedef struct RaftApplied
{
	RaftIndex	index;
	uint64		failures;		/* commands up to there whose result is an error */
	const char *function;		/* that gets the commands; NULL = none */
} RaftApplied;

/* Both inside a transaction. */
extern void raft_applied_read(RaftApplied *applied);

/* ERROR unless the row still says "before": somebody else has changed it. */
extern void raft_applied_store(RaftIndex before, const RaftApplied *applied);

#endif							/* RAFT_APPLIED_H */
