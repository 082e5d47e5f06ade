/*-------------------------------------------------------------------------
 *
 * limits.h
 *	  How much of its bounded room a core uses: all of it.
 *
 * With -DRAFT_DRAWN_LIMITS the laboratory draws less for each run, so that what
 * happens when there is no more is no rare thing.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAFT_CORE_LIMITS_H
#define RAFT_CORE_LIMITS_H

#include "raft.h"

#ifdef RAFT_DRAWN_LIMITS
typedef struct RaftLimits
{
	uint32_t	pending;		/* 1..RAFT_MAX_PENDING */
	uint32_t	held;			/* 1..RAFT_MAX_HELD */
	uint32_t	runs;			/* 2..RAFT_MAX_RUNS */
} RaftLimits;

extern RaftLimits raft_limits;
#define RAFT_LIMIT_PENDING	(raft_limits.pending)
#define RAFT_LIMIT_HELD		(raft_limits.held)
#define RAFT_LIMIT_RUNS		(raft_limits.runs)
#else
#define RAFT_LIMIT_PENDING	RAFT_MAX_PENDING
#define RAFT_LIMIT_HELD		RAFT_MAX_HELD
#define RAFT_LIMIT_RUNS		RAFT_MAX_RUNS
#endif

#endif							/* RAFT_CORE_LIMITS_H */
