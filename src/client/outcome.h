/*-------------------------------------------------------------------------
 *
 * outcome.h
 *	  What came of a command that a backend has proposed.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAFT_OUTCOME_H
#define RAFT_OUTCOME_H

#include "group/group.h"

typedef enum RaftOutcome
{
	RAFT_OUTCOME_PENDING,
	RAFT_OUTCOME_PLACED,
	RAFT_OUTCOME_APPLIED,
	RAFT_OUTCOME_FAILED,		/* applied; the command's recorded result is an error */
	RAFT_OUTCOME_NOT_LEADER,	/* not appended; leader is known */
	RAFT_OUTCOME_NO_LEADER,		/* not appended; no leader was known until the timeout */
	RAFT_OUTCOME_SUPERSEDED,	/* another entry took its place: it will never be applied */
	RAFT_OUTCOME_LOG_FULL,		/* not appended */
	RAFT_OUTCOME_UNKNOWN,		/* placed, and the timeout passed or the group stopped: may still be applied */
	RAFT_OUTCOME_STOPPED		/* not appended; the group stopped or failed */
} RaftOutcome;

typedef struct RaftProposalResult
{
	RaftOutcome outcome;
	RaftIndex	index;			/* 0 when not placed */
	RaftTerm	term;
	RaftNodeId	leader;			/* NOT_LEADER */
	int			sqlstate;		/* FAILED */
	char	   *interrupted;	/* palloc'd: the error that ended the wait; NULL = none did */
	char		message[256];	/* FAILED: primary message of the command's error; stays last */
} RaftProposalResult;

/* May the command be in the log now, or get there later? */
extern bool raft_outcome_handed_over(RaftOutcome outcome);

/*
 * ERROR with the right SQLSTATE, detail and hint for any outcome but PLACED and APPLIED,
 * and for these when the wait was interrupted.
 */
extern void raft_proposal_check(RaftGroup *group, const RaftProposalResult *result);

/*
 * While the group is being formed: members that this node has no stream from or to, and why
 * not, palloc'd.  NULL when there are none, or the group is formed.
 */
extern char *raft_describe_awaited(RaftGroup *group);

#endif							/* RAFT_OUTCOME_H */
