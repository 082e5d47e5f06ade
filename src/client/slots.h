/*-------------------------------------------------------------------------
 *
 * slots.h
 *	  How far the command is that a backend has proposed, and its outcome.
 *
 * Each backend has one slot: it waits for one command at a time.
 *
 *	  backend								node worker
 *	  FREE -> QUEUED --------- take ------> TAKEN
 *	    ^       |								|-- refused ---------> SETTLED
 *	    |   withdraw							'-- placed -> PLACED
 *	    |       v								                |-- applied (applier) --> SETTLED
 *	    '----- FREE								                '-- superseded ---------> SETTLED
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
#ifndef RAFT_SLOTS_H
#define RAFT_SLOTS_H

#include "client/outcome.h"

typedef struct RaftSlots RaftSlots;

typedef enum RaftWaitMode
{
	RAFT_WAIT_PLACED,			/* settled once it stands in the leader's log */
	RAFT_WAIT_APPLIED			/* settled once it was applied here */
} RaftWaitMode;

extern Size raft_slots_shmem_size(void);
extern void raft_slots_shmem_init(void *memory);

/* --- backends: each has the slot of its number --- */

/*
 * This backend is about to queue a command; its latch is set when the slot is settled.
 * Returns the command's serial.  The end of the process, in whatever way, withdraws what
 * is still queued.
 */
extern uint64 raft_slot_enter(RaftSlots *slots, RaftWaitMode mode);

extern bool raft_slot_is_settled(RaftSlots *slots);

/*
 * Takes this backend out of its slot.  What it still waited for ends here: withdrawn
 * when the node worker has not taken it, else its outcome is unknown.
 */
extern void raft_slot_leave(RaftSlots *slots, RaftOutcome if_withdrawn, RaftProposalResult *result);

/* Where the command stands that the backend of this number waits for; false: nowhere yet. */
extern bool raft_slot_place(RaftSlots *slots, int number, RaftIndex *index, RaftTerm *term);

/* --- node worker --- */

/* The node worker starts: serials go on from its boot count. */
extern void raft_slots_start(RaftSlots *slots, uint64 boot_count);

/* The node worker has this command; false when it was withdrawn. */
extern bool raft_slot_take(RaftSlots *slots, uint32 number, uint64 serial);

extern void raft_slot_placed(RaftSlots *slots, const RaftOrigin *origin, RaftIndex index, RaftTerm term);
extern void raft_slot_refused(RaftSlots *slots, const RaftOrigin *origin,
							  RaftOutcome outcome, RaftNodeId leader);

/* Everybody who waits gets UNKNOWN (taken, placed) or STOPPED (not yet): the worker has ended. */
extern void raft_slots_abandon(RaftSlots *slots);

/* --- applier --- */

/* The entry with this origin was applied; sqlstate 0 = without an error. */
extern void raft_slot_applied(RaftSlots *slots, const RaftOrigin *origin, RaftIndex index, RaftTerm term,
							  int sqlstate, const char *message);

/*
 * Up to this index entries were applied whose proposers may not have been told, and what
 * came of each is forgotten: who still waits for one gets UNKNOWN.
 */
extern void raft_slots_applied_unseen(RaftSlots *slots, RaftIndex applied);

/*
 * A no-op of this term was applied: slots placed in a lower term are superseded.  But
 * none up to "unseen", the last index given above: those may have been applied.
 */
extern void raft_slots_supersede(RaftSlots *slots, RaftTerm term, RaftIndex unseen);

#endif							/* RAFT_SLOTS_H */
