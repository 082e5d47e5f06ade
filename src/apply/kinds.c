/*-------------------------------------------------------------------------
 *
 * kinds.c
 *	  What the applier does with each kind of entry: one row per kind.
 *
 * An entry of a kind without a row comes from a newer version.  It may change anything,
 * so nothing behind it is applied before the library on this server knows it; the node
 * votes, replicates and serves its log meanwhile.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "apply/kinds.h"
#include "stop_point.h"

static bool
always(const RaftBatchEntry *item, const RaftApplyState *state)
{
	return true;
}

static void
execute_set_apply(RaftBatchRun *run, RaftIndex index, RaftBatchEntry *item)
{
	run->applied.function = item->entry.size == 0 ? NULL :
		pnstrdup((const char *) item->entry.data, item->entry.size);
	run->machine = NULL;
}

static void
refuse_unknown(RaftBatchRun *run, RaftIndex index, RaftBatchEntry *item)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("entry %llu is of kind %u, which this version of raft_pg does not know",
					(unsigned long long) index, item->entry.kind),
			 errdetail("A member with a newer version has proposed it.  This node applies nothing from there on."),
			 errhint("Update the raft_pg library on this server and restart it.")));
}

static const RaftKind kinds[] = {
	/* kind					has_effects					prepare					execute */
	{RAFT_ENTRY_NOOP, NULL, NULL, NULL},
	{RAFT_ENTRY_CONFIG, NULL, NULL, NULL},
	{RAFT_ENTRY_COMMAND, raft_command_has_effects, raft_command_prepare, raft_command_execute},
	{RAFT_ENTRY_SET_APPLY, always, NULL, execute_set_apply},
	{RAFT_ENTRY_SKIP, always, NULL, raft_skip_execute}
};

static const RaftKind unknown = {0, always, NULL, refuse_unknown};

const RaftKind *
raft_kind_find(uint8 kind)
{
	for (size_t i = 0; i < lengthof(kinds); i++)
		if (kinds[i].kind == kind && !(kind == RAFT_ENTRY_SET_APPLY && raft_mutant("set_apply_unknown")))
			return &kinds[i];
	return &unknown;
}
