/*-------------------------------------------------------------------------
 *
 * kinds.h
 *	  What the applier does with each kind of entry.
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAFT_APPLY_KINDS_H
#define RAFT_APPLY_KINDS_H

#include "apply/apply.h"

/* A batch while it is applied. */
typedef struct RaftBatchRun
{
	RaftBatch  *batch;
	bool		careful;		/* a subtransaction around each command */
	RaftApplied applied;		/* at this point of the batch */
	RaftMachine *machine;		/* for applied.function; NULL until needed */
} RaftBatchRun;

typedef struct RaftKind
{
	uint8		kind;
	/* Does executing it leave something in the database?  NULL: never. */
	bool		(*has_effects) (const RaftBatchEntry *item, const RaftApplyState *state);
	/* When it was read: what other entries say of it.  NULL: nothing. */
	void		(*prepare) (RaftIndex index, RaftBatchEntry *item, const RaftDecisions *decisions);
	/* Within the batch's transaction.  NULL: committed is applied. */
	void		(*execute) (RaftBatchRun *run, RaftIndex index, RaftBatchEntry *item);
} RaftKind;

/* Never NULL: executing a kind that this version does not know is an error. */
extern const RaftKind *raft_kind_find(uint8 kind);

/* --- command.c --- */

extern bool raft_command_has_effects(const RaftBatchEntry *item, const RaftApplyState *state);
extern void raft_command_prepare(RaftIndex index, RaftBatchEntry *item, const RaftDecisions *decisions);
extern void raft_command_execute(RaftBatchRun *run, RaftIndex index, RaftBatchEntry *item);

/* --- skip.c --- */

extern void raft_skip_execute(RaftBatchRun *run, RaftIndex index, RaftBatchEntry *item);

#endif							/* RAFT_APPLY_KINDS_H */
