/*-------------------------------------------------------------------------
 *
 * apply.h
 *	  The applier: committed entries become effects, exactly once.
 *
 * applier.c	main loop: waits for entries, publishes progress, backs off
 * batch.c		one batch of entries, one transaction
 * kinds.c		what is done with each kind of entry (kinds.h)
 * command.c	commands
 * skip.c		decisions that a command is not executed
 * machine.c	calls the function that gets the commands; tells errors apart
 * session.c	settings and transactions; what a command must not leave behind
 *
 *-------------------------------------------------------------------------
 */
#ifndef RAFT_APPLY_H
#define RAFT_APPLY_H

#include "raft_pg.h"
#include "log/log.h"
#include "nodes/pg_list.h"
#include "tables/applied.h"
#include "tables/failures.h"
#include "utils/elog.h"

/* Argument types of the function that gets the commands: what raft_set_apply() appends. */
#define RAFT_APPLY_SIGNATURE	"(bigint, bytea)"

/* True in the process that applies commands: nothing can be proposed from there. */
extern bool raft_is_applier;

/* --- session.c --- */

/* Once, at the start of the process. */
extern void raft_session_force_settings(void);

/* A transaction: where none is open, and committed when the second returns. */
extern void raft_session_begin(void);
extern void raft_session_commit(void);

/* After an error, from whatever depth of it; not without HOLD_INTERRUPTS(). */
extern void raft_session_abort(void);

/* After a command: gives up advisory locks of the session. */
extern void raft_session_release_locks(void);

/* At the end of a transaction with commands: gives up all that outlives it. */
extern void raft_session_discard(void);

/* --- machine.c --- */

/*
 * False for errors that say something about this server at this moment, not
 * about the command: another node, or this one later, may well succeed.
 */
extern bool raft_error_is_deterministic(int sqlstate);

typedef struct RaftMachine RaftMachine;

/* A machine for the current transaction, whose commands go to this function. */
extern RaftMachine *raft_machine_create(const char *function);

/* Executes one command.  Raises whatever the function raises. */
extern void raft_machine_execute(RaftMachine *machine, RaftIndex index, const RaftEntry *entry);

/* --- skip.c --- */

/* SQLSTATE of a command that was skipped, as its recorded result. */
#define RAFT_ERRCODE_SKIPPED	ERRCODE_OPERATOR_INTERVENTION

/* The decisions that are known, in memory of this context. */
typedef struct RaftDecisions RaftDecisions;

extern RaftDecisions *raft_decisions_create(MemoryContext context);

/* Looks for those in committed entries up to last that are not applied; inside a transaction. */
extern void raft_decisions_look(RaftDecisions *decisions, RaftLogReader *reader,
								RaftIndex applied, RaftIndex last);

/*
 * The first command up to ready that an entry behind ready, up to last, would skip; 0 = none.
 * Whether it does is open.
 */
extern RaftIndex raft_decisions_first_open(RaftLogReader *reader, RaftIndex applied,
										   RaftIndex ready, RaftIndex last);

/* Has it looked that far? */
extern bool raft_decisions_complete(const RaftDecisions *decisions, RaftIndex last);

/* The entry by which the command at index is skipped; 0 = none. */
extern RaftIndex raft_decisions_find(const RaftDecisions *decisions, RaftIndex index);

/* Which command an entry of kind RAFT_ENTRY_SKIP is about. */
extern RaftIndex raft_skip_target(const RaftEntry *entry);

/* --- batch.c --- */

/* An entry of a batch and its result. */
typedef struct RaftBatchEntry
{
	RaftEntry	entry;			/* data points into the batch */
	RaftIndex	skipped_by;		/* the entry that wants it not to be executed; 0 = none */
	int			sqlstate;		/* 0 = applied without an error */
	char	   *message;
} RaftBatchEntry;

typedef struct RaftBatch
{
	RaftIndex	first;
	int			n;				/* entries read */
	int			n_applied;		/* the first n_applied of them are applied */
	int			n_failed;		/* of these, with an error as their result */
	int			n_commands;		/* of these, commands */
	Size		bytes;			/* of the log, in the entries applied */
	bool		stored;			/* the applied index was stored with them */
	RaftIndex	current;		/* the entry being applied; 0 = none of them */
	RaftBatchEntry *entries;
} RaftBatch;

/* What raft.applied says beside the index. */
typedef struct RaftApplyState
{
	uint64		failures;
	MemoryContext context;		/* where the name is kept */
	char	   *function;		/* in force; changed by entries of kind RAFT_ENTRY_SET_APPLY */
} RaftApplyState;

/* Reads entries from first up to last, as many as make a batch; inside a transaction. */
extern RaftBatch *raft_batch_read(RaftLogReader *reader, const RaftDecisions *decisions,
								  RaftIndex first, RaftIndex last);

/*
 * Applies the batch, or its first part; raft.applied says "stored".  On an error of
 * this server it is raised with the transaction still open; state is as before.
 */
extern void raft_batch_apply(RaftBatch *batch, RaftIndex stored, RaftApplyState *state);

#endif							/* RAFT_APPLY_H */
