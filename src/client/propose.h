/*-------------------------------------------------------------------------
 *
 * propose.h
 *	  A backend proposes a command and waits for what comes of it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAFT_PROPOSE_H
#define RAFT_PROPOSE_H

#include "client/outcome.h"
#include "client/slots.h"

/*
 * Hands one command to the node worker and waits (latch, interrupts honoured).
 * timeout_ms: for the whole call, 0 = for ever.  The caller must not hold a snapshot while
 * waiting.  Waits for a leader to be known, and for a group that is starting.
 *
 * An ERROR leaves this function only when the command certainly is in no log.  One that
 * comes later, a cancel above all, is in result->interrupted: raft_proposal_check()
 * makes an 08007 of it.
 */
extern void raft_propose(RaftGroup *group, uint8 kind, const char *data, Size size,
						 RaftWaitMode mode, long timeout_ms, RaftProposalResult *result);

#endif							/* RAFT_PROPOSE_H */
