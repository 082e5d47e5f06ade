/*-------------------------------------------------------------------------
 *
 * batch.c
 *	  One batch of entries, one transaction.
 *
 * A batch is first applied without subtransactions, because commands that fail are
 * rare.  When one does fail, everything is rolled back and applied again with a
 * subtransaction around each command, so that the others keep their
 * effects and the failure becomes the recorded result of its command.
 *
 * Errors of this server (raft_error_is_deterministic) end the batch in either
 * way: nothing of it has happened, and the caller tries again later.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "apply/kinds.h"
#include "miscadmin.h"
#include "portability/instr_time.h"
#include "storage/proc.h"
#include "utils/memutils.h"

#define MAX_ENTRIES				512
#define MAX_BYTES				(256 * 1024)

/* Subtransactions in one transaction: what fits the cache that snapshots rely on. */
#define MAX_CAREFUL_COMMANDS	PGPROC_MAX_CACHED_SUBXIDS

/* A transaction is not prolonged after this: proposers wait for its commit. */
#define MAX_MILLISECONDS		50

RaftBatch *
raft_batch_read(RaftLogReader *reader, const RaftDecisions *decisions,
				RaftIndex first, RaftIndex last)
{
	RaftBatch  *batch = palloc0(sizeof(RaftBatch));
	StringInfoData records;
	RaftIndex	end;
	Size		offset = 0;

	initStringInfo(&records);
	last = Min(last, first + MAX_ENTRIES - 1);
	end = raft_log_read(reader, first, last, MAX_BYTES, &records);
	if (end < first)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("entry %llu is no longer in the log of this node",
						(unsigned long long) first),
				 errdetail("The next entry to apply must not be compacted before it is applied.")));

	batch->first = first;
	batch->n = (int) (end - first + 1);
	batch->entries = palloc0(sizeof(RaftBatchEntry) * batch->n);
	for (int i = 0; i < batch->n; i++)
	{
		RaftDecodeResult result;
		const RaftKind *kind;
		RaftIndex	index;
		uint32		length;

		result = raft_record_decode((const uint8 *) records.data + offset,
									records.len - offset, records.len - offset,
									&index, &batch->entries[i].entry, &length);
		if (result != RAFT_DECODE_OK || index != first + i)
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("entry %llu of the log is damaged", (unsigned long long) (first + i)),
					 errdetail_internal("%s", result != RAFT_DECODE_OK ? raft_decode_message(result) :
										"It carries another index.")));
		kind = raft_kind_find(batch->entries[i].entry.kind);
		if (kind->prepare)
			kind->prepare(index, &batch->entries[i], decisions);
		offset += length;
	}
	batch->bytes = offset;
	return batch;
}

static void
entry_context_callback(void *arg)
{
	errcontext("applying entry %llu of the log", *(unsigned long long *) arg);
}

static void
apply_entry(RaftBatchRun *run, RaftIndex index, RaftBatchEntry *item)
{
	const RaftKind *kind = raft_kind_find(item->entry.kind);
	unsigned long long context_index = index;
	ErrorContextCallback callback;

	callback.callback = entry_context_callback;
	callback.arg = &context_index;
	callback.previous = error_context_stack;
	error_context_stack = &callback;
	run->batch->current = index;

	run->batch->n_commands += item->entry.kind == RAFT_ENTRY_COMMAND;
	if (kind->execute)
		kind->execute(run, index, item);

	run->batch->current = 0;
	error_context_stack = callback.previous;
}

/* True when applying the batch leaves something in the database. */
static bool
batch_has_effects(const RaftBatch *batch, const RaftApplyState *state)
{
	for (int i = 0; i < batch->n; i++)
	{
		const RaftBatchEntry *item = &batch->entries[i];
		const RaftKind *kind = raft_kind_find(item->entry.kind);

		if (kind->has_effects && kind->has_effects(item, state))
			return true;
	}
	return false;
}

static void
remember_function(RaftApplyState *state, char *function)
{
	if (function == state->function)
		return;
	if (state->function)
		pfree(state->function);
	state->function = function;
}

/* One transaction with the effects of the first entries and the applied index. */
static void
apply_in_transaction(RaftBatch *batch, RaftIndex stored, RaftApplyState *state, bool careful)
{
	MemoryContext batch_context = CurrentMemoryContext;
	RaftBatchRun run = {.batch = batch, .careful = careful};
	instr_time	start;
	instr_time	elapsed;
	char	   *function;
	int			i = 0;

	batch->n_applied = batch->n_failed = batch->n_commands = 0;
	batch->current = 0;
	run.applied.failures = state->failures;
	run.applied.function = state->function;

	SetCurrentStatementStartTimestamp();
	raft_session_begin();
	MemoryContextSwitchTo(batch_context);

	INSTR_TIME_SET_CURRENT(start);
	while (i < batch->n)
	{
		apply_entry(&run, batch->first + i, &batch->entries[i]);
		i++;

		CHECK_FOR_INTERRUPTS();
		INSTR_TIME_SET_CURRENT(elapsed);
		INSTR_TIME_SUBTRACT(elapsed, start);
		if (INSTR_TIME_GET_MILLISEC(elapsed) >= MAX_MILLISECONDS ||
			(careful && run.batch->n_commands >= MAX_CAREFUL_COMMANDS))
			break;
	}
	raft_session_discard();
	run.applied.index = batch->first + i - 1;
	raft_applied_store(stored, &run.applied);

	/* what may fail comes before the commit: an error after it would apply the batch again */
	function = state->function;
	if (run.applied.function != function)
		function = run.applied.function ?
			MemoryContextStrdup(state->context, run.applied.function) : NULL;
	raft_session_commit();
	MemoryContextSwitchTo(batch_context);

	batch->n_applied = i;
	batch->stored = true;
	state->failures = run.applied.failures;
	remember_function(state, function);
}

/* Returns false when a command failed by its own fault: everything is rolled back. */
static bool
try_without_subtransactions(RaftBatch *batch, RaftIndex stored, RaftApplyState *state)
{
	MemoryContext batch_context = CurrentMemoryContext;
	volatile bool applied = true;

	PG_TRY();
	{
		apply_in_transaction(batch, stored, state, false);
	}
	PG_CATCH();
	{
		if (!raft_error_is_deterministic(geterrcode()))
			PG_RE_THROW();
		HOLD_INTERRUPTS();
		MemoryContextSwitchTo(batch_context);
		FlushErrorState();
		raft_session_abort();
		MemoryContextSwitchTo(batch_context);
		RESUME_INTERRUPTS();
		applied = false;
	}
	PG_END_TRY();
	return applied;
}

void
raft_batch_apply(RaftBatch *batch, RaftIndex stored, RaftApplyState *state)
{
	if (batch_has_effects(batch, state))
	{
		Size		bytes = 0;

		if (!try_without_subtransactions(batch, stored, state))
			apply_in_transaction(batch, stored, state, true);
		for (int i = 0; i < batch->n_applied; i++)
			bytes += RAFT_RECORD_HEADER + batch->entries[i].entry.size;
		batch->bytes = bytes;
		return;
	}

	for (int i = 0; i < batch->n; i++)
		batch->n_commands += batch->entries[i].entry.kind == RAFT_ENTRY_COMMAND;
	batch->n_applied = batch->n;
}
