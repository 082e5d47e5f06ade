/*-------------------------------------------------------------------------
 *
 * skip.c
 *	  Committed decisions that a command is not to be executed (raft_skip()).
 *
 * Such a decision stands behind the command, so the applier looks ahead for it,
 * in the committed part of the log, before it executes anything there.  The node worker
 * says how far there can be one (group->skips_end), so the log is read twice only where one is.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "apply/kinds.h"
#include "miscadmin.h"
#include "tables/skips.h"
#include "utils/memutils.h"

/* Read at a time. */
#define PIECE_BYTES				(1024 * 1024)

typedef struct Decision
{
	RaftIndex	index;			/* the command */
	RaftIndex	decided_at;
} Decision;

struct RaftDecisions
{
	MemoryContext context;
	RaftIndex	seen;			/* they are known up to here */
	List	   *list;			/* of Decision, in the order of the log */
};

RaftDecisions *
raft_decisions_create(MemoryContext context)
{
	RaftDecisions *decisions = MemoryContextAllocZero(context, sizeof(RaftDecisions));

	decisions->context = context;
	return decisions;
}

RaftIndex
raft_skip_target(const RaftEntry *entry)
{
	char		digits[24];
	char	   *end = digits;
	uint64		index = 0;

	if (entry->size > 0 && entry->size < sizeof(digits))
	{
		memcpy(digits, entry->data, entry->size);
		digits[entry->size] = '\0';
		index = strtou64(digits, &end, 10);
	}
	if (index == 0 || *end != '\0')
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("an entry of the log skips a command without a valid index")));
	return (RaftIndex) index;
}

static void
keep(RaftDecisions *decisions, RaftIndex index, RaftIndex decided_at)
{
	MemoryContext old_context = MemoryContextSwitchTo(decisions->context);
	Decision   *decision = palloc(sizeof(Decision));

	decision->index = index;
	decision->decided_at = decided_at;
	decisions->list = lappend(decisions->list, decision);
	MemoryContextSwitchTo(old_context);
}

/* Up to last, or less far; where it ended is decisions->seen.  False: nothing is there. */
static bool
look_at_piece(RaftDecisions *decisions, RaftLogReader *reader, RaftIndex last)
{
	RaftIndex	first = decisions->seen + 1;
	StringInfoData records;
	RaftIndex	end;
	const uint8 *record;

	initStringInfo(&records);
	end = raft_log_read(reader, first, last, PIECE_BYTES, &records);
	if (end < first)
		return false;
	record = (const uint8 *) records.data;
	for (RaftIndex index = first; index <= end; index++)
	{
		RaftEntry	entry;
		RaftIndex	found;
		uint32		length = raft_record_length(record);

		if (raft_record_kind(record) == RAFT_ENTRY_SKIP)
		{
			if (raft_record_decode(record, length, length, &found, &entry, &length) != RAFT_DECODE_OK)
				ereport(ERROR,
						(errcode(ERRCODE_DATA_CORRUPTED),
						 errmsg("entry %llu of the log is damaged", (unsigned long long) index)));
			keep(decisions, raft_skip_target(&entry), index);
		}
		decisions->seen = index;
		record += length;
	}
	pfree(records.data);
	return true;
}

void
raft_decisions_look(RaftDecisions *decisions, RaftLogReader *reader, RaftIndex applied,
					RaftIndex last)
{
	decisions->seen = Max(decisions->seen, applied);
	while (decisions->list != NIL &&
		   ((Decision *) linitial(decisions->list))->decided_at <= applied)
	{
		pfree(linitial(decisions->list));
		decisions->list = list_delete_first(decisions->list);
	}
	while (decisions->seen < last)
	{
		if (!look_at_piece(decisions, reader, last))
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("entry %llu is not in the log of this node",
							(unsigned long long) (decisions->seen + 1))));
		CHECK_FOR_INTERRUPTS();
	}
}

/*
 * What stands behind the committed entries may be committed all the same: a node that starts
 * anew learns of that bit by bit.  It may even have skipped the command before it
 * crashed, and must not execute it now.
 */
RaftIndex
raft_decisions_first_open(RaftLogReader *reader, RaftIndex applied, RaftIndex ready, RaftIndex last)
{
	RaftDecisions open = {.context = CurrentMemoryContext,.seen = ready};
	RaftIndex	first = 0;
	ListCell   *cell;

	while (open.seen < last && look_at_piece(&open, reader, last))
		CHECK_FOR_INTERRUPTS();
	foreach(cell, open.list)
	{
		RaftIndex	index = ((const Decision *) lfirst(cell))->index;

		if (index > applied && index <= ready && (first == 0 || index < first))
			first = index;
	}
	return first;
}

bool
raft_decisions_complete(const RaftDecisions *decisions, RaftIndex last)
{
	return decisions->seen >= last;
}

/* The first one counts: every node that knows another knows it, too. */
RaftIndex
raft_decisions_find(const RaftDecisions *decisions, RaftIndex index)
{
	ListCell   *cell;

	foreach(cell, decisions->list)
	{
		const Decision *decision = lfirst(cell);

		if (decision->index == index)
			return decision->decided_at;
	}
	return 0;
}

/* An ERROR unless this node has skipped what the entry skips. */
void
raft_skip_execute(RaftBatchRun *run, RaftIndex index, RaftBatchEntry *item)
{
	RaftIndex	target = raft_skip_target(&item->entry);

	if (!raft_skips_contain(target))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("entry %llu skips the command at index %llu, which this node has executed",
						(unsigned long long) index, (unsigned long long) target),
				 errdetail("Other members have not executed it, so their tables differ from those of this node."),
				 errhint("Take its effects back by hand, then vouch for that with raft_skip_undone(%llu).",
						 (unsigned long long) target)));
}
