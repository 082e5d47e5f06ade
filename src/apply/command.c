/*-------------------------------------------------------------------------
 *
 * command.c
 *	  Entries of kind RAFT_ENTRY_COMMAND: executed by the function that
 *	  raft_set_apply() named, or skipped by a decision of the group.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "apply/kinds.h"
#include "tables/skips.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

bool
raft_command_has_effects(const RaftBatchEntry *item, const RaftApplyState *state)
{
	return item->skipped_by != 0 || state->function != NULL;
}

void
raft_command_prepare(RaftIndex index, RaftBatchEntry *item, const RaftDecisions *decisions)
{
	item->skipped_by = raft_decisions_find(decisions, index);
}

/* The item's error is its result: counted, and recorded. */
static void
record_failure(RaftBatchRun *run, RaftIndex index, const RaftBatchEntry *item)
{
	run->applied.failures++;
	raft_failure_store(index, run->applied.failures, item->entry.term,
					   item->sqlstate, item->message);
	run->batch->n_failed++;
}

/* The same words on every node, whatever the command would have done there. */
static void
skip_command(RaftBatchRun *run, RaftIndex index, RaftBatchEntry *item)
{
	item->sqlstate = RAFT_ERRCODE_SKIPPED;
	item->message = psprintf("the command was skipped by the decision of the group at index %llu",
							 (unsigned long long) item->skipped_by);
	record_failure(run, index, item);
	raft_skips_add(index, item->skipped_by, false);
}

/* Executes a command whose error is its result: rolls its effects back and records it. */
static void
execute_carefully(RaftBatchRun *run, RaftIndex index, RaftBatchEntry *item)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		raft_machine_execute(run->machine, index, &item->entry);
		ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
	}
	PG_CATCH();
	{
		ErrorData  *error;

		if (!raft_error_is_deterministic(geterrcode()))
			PG_RE_THROW();

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;

		/* The call was left half way; the next command gets a fresh one. */
		run->machine = NULL;
		item->sqlstate = error->sqlerrcode;
		item->message = error->message ? error->message : pstrdup("missing error text");
		record_failure(run, index, item);
	}
	PG_END_TRY();
}

void
raft_command_execute(RaftBatchRun *run, RaftIndex index, RaftBatchEntry *item)
{
	if (item->skipped_by != 0)
	{
		skip_command(run, index, item);
		return;
	}
	if (run->applied.function == NULL)
		return;					/* nobody wants it: committed is applied */

	/* Outside of the subtransaction: a missing function is not the command's fault. */
	if (run->machine == NULL)
		run->machine = raft_machine_create(run->applied.function);
	if (run->careful)
		execute_carefully(run, index, item);
	else
		raft_machine_execute(run->machine, index, &item->entry);
}
