/*-------------------------------------------------------------------------
 *
 * proposals.h
 *	  Commands on their way from a backend to the node worker, and their
 *	  outcomes on the way back.
 *
 * Each backend has one slot (it waits for one proposal at a time).  The command
 * itself goes through a byte queue of the group, so that the worker takes all that is
 * there in one turn and appends it as one batch.
 *
 * A slot is settled by
 *	- the node worker: placed (index, term), refused, log full, stopped;
 *	- the applier: applied (or failed) when the entry with the slot's origin was
 *	  applied; superseded when a no-op of a higher term was applied first: every
 *	  entry of a lower term that is to be in the log has been applied by then;
 *	  unknown when an error of the applier has come between the commit and this.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAFT_PROPOSALS_H
#define RAFT_PROPOSALS_H

#include "group/group.h"

typedef enum RaftWaitMode
{
	RAFT_WAIT_PLACED,			/* return once it stands in the leader's log */
	RAFT_WAIT_APPLIED			/* return once it was applied here */
} RaftWaitMode;

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

/* --- backends --- */

/*
 * Hands one command to the node worker and waits (latch, interrupts honoured).
 * timeout_ms: for the whole call, 0 = for ever.  The caller must not hold a snapshot while
 * waiting.  Waits for a leader to be known, and for a group that is starting.
 *
 * An ERROR leaves this function only when the command certainly is in no log.  One that
 * comes later, a cancel above all, is in result->interrupted: raft_proposal_check()
 * makes an 08007 of it.
 */
extern void raft_propose(RaftGroup *group, RaftEntryKind kind, const char *data, Size size,
						 RaftWaitMode mode, long timeout_ms, RaftProposalResult *result);

/*
 * ERROR with the right SQLSTATE, detail and hint for any outcome but PLACED and APPLIED,
 * and for these when the wait was interrupted.
 */
extern void raft_proposal_check(RaftGroup *group, const RaftProposalResult *result);

/* Where the command stands that the backend of this number waits for; false: nowhere yet. */
extern bool raft_proposal_place(RaftGroup *group, int slot, RaftIndex *index, RaftTerm *term);

/* --- shared memory --- */
extern Size raft_proposals_shmem_size(void);
extern void raft_proposals_shmem_init(void *memory);

/* --- node worker --- */

/* A proposal taken from the queue; data is valid until raft_proposals_done(). */
typedef struct RaftTaken
{
	RaftOrigin	origin;			/* slot and serial */
	uint8		kind;
	uint32		size;
	const uint8 *data;
} RaftTaken;

/* Takes up to max queued proposals of at most max_bytes together (at least one); returns how many. */
extern int	raft_proposals_take(RaftGroup *group, RaftTaken *taken, int max, Size max_bytes);

/* Frees the queue up to the last one taken and wakes writers that wait for room. */
extern void raft_proposals_done(RaftGroup *group);

extern void raft_proposal_placed(RaftGroup *group, const RaftOrigin *origin,
								 RaftIndex index, RaftTerm term);
extern void raft_proposal_refused(RaftGroup *group, const RaftOrigin *origin,
								  RaftOutcome outcome, RaftNodeId leader);

/* Everybody who waits gets UNKNOWN (placed) or STOPPED (not yet): the worker ends. */
extern void raft_proposals_abandon(RaftGroup *group);

/* --- applier --- */

/* The entry with this origin was applied; sqlstate 0 = without an error. */
extern void raft_proposal_applied(RaftGroup *group, const RaftOrigin *origin,
								  RaftIndex index, RaftTerm term,
								  int sqlstate, const char *message);

/*
 * Up to this index entries were applied whose proposers may not have been told, and what
 * came of each is forgotten: who still waits for one gets UNKNOWN.
 */
extern void raft_proposals_applied_unseen(RaftGroup *group, RaftIndex applied);

/*
 * A no-op of this term was applied: slots placed in a lower term are superseded.  But
 * none up to "unseen", the last index given above: those may have been applied.
 */
extern void raft_proposals_supersede(RaftGroup *group, RaftTerm term, RaftIndex unseen);

#endif							/* RAFT_PROPOSALS_H */
