/*-------------------------------------------------------------------------
 *
 * scan.c
 *	  Reading raft.log with SQL: one row per entry, from the first to the last
 *	  index that the log has when the scan starts.
 *
 * Snapshots do not apply: what is in the log is shown, committed or not.
 * Entries that are compacted or cut off while the scan goes on are left out.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "datatype/timestamp.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "group/group.h"
#include "log/scan.h"

/* Columns of raft.log, in this order; later ones were added by hand. */
typedef enum LogColumn
{
	COLUMN_INDEX,
	COLUMN_TERM,
	COLUMN_KIND,
	COLUMN_NODE_ID,
	COLUMN_PROPOSED_AT,
	COLUMN_COMMAND
} LogColumn;

#define SCAN_BATCH_BYTES	(64 * 1024)

typedef struct RaftScanDesc
{
	TableScanDescData base;		/* must be first */
	RaftLogReader *reader;
	MemoryContext row;			/* of the values in the slot */

	bool		started;
	RaftIndex	first;			/* the range at the start; last < first when empty */
	RaftIndex	last;
	RaftIndex	current;		/* first - 1 = before, last + 1 = behind all */

	/* entries read ahead */
	StringInfoData batch;
	Size		batch_used;
	RaftIndex	batch_next;		/* index of the record at batch_used, 0 = none */
} RaftScanDesc;

RaftLogReader *
raft_log_reader_for(Relation rel)
{
	RaftGroup  *group = raft_group_find(MyDatabaseId);
	bool		ours = group != NULL && group->log_relation == RelationGetRelid(rel);

	return raft_log_reader_create(ours ? group->log : NULL, raft_rel_file(rel));
}

/* --- rows --- */

/*
 * An entry's row address: rows have one so that row locks of a join can find
 * them again.  Offsets begin at 1.
 */
#define ROWS_PER_BLOCK		1024

static void
set_tid(ItemPointer tid, RaftIndex index)
{
	ItemPointerSet(tid, (BlockNumber) ((index - 1) / ROWS_PER_BLOCK),
				   (OffsetNumber) ((index - 1) % ROWS_PER_BLOCK + 1));
}

/* 0 for an address that no row has. */
static RaftIndex
index_of_tid(ItemPointer tid)
{
	if (ItemPointerGetOffsetNumberNoCheck(tid) > ROWS_PER_BLOCK ||
		ItemPointerGetOffsetNumberNoCheck(tid) == 0)
		return 0;
	return (RaftIndex) ItemPointerGetBlockNumberNoCheck(tid) * ROWS_PER_BLOCK +
		ItemPointerGetOffsetNumberNoCheck(tid);
}

static Datum
command_datum(const RaftEntry *entry)
{
	bytea	   *command = palloc(VARHDRSZ + entry->size);

	SET_VARSIZE(command, VARHDRSZ + entry->size);
	memcpy(VARDATA(command), entry->data, entry->size);
	return PointerGetDatum(command);
}

/* Also of a kind that only a newer version knows. */
const char *
raft_log_kind_name(uint8 kind)
{
	const char *name = raft_entry_kind_name(kind);

	return name ? name : psprintf("unknown (%u)", kind);
}

/* Fills the slot; what it points to is allocated in the current context. */
static void
store_entry(Relation rel, TupleTableSlot *slot, RaftIndex index, const RaftEntry *entry)
{
	TupleDesc	desc = slot->tts_tupleDescriptor;

	ExecClearTuple(slot);
	for (int i = 0; i < desc->natts; i++)
	{
		slot->tts_isnull[i] = i > COLUMN_COMMAND || TupleDescAttr(desc, i)->attisdropped;
		slot->tts_values[i] = (Datum) 0;
		if (slot->tts_isnull[i])
			continue;
		switch ((LogColumn) i)
		{
			case COLUMN_INDEX:
				slot->tts_values[i] = Int64GetDatum((int64) index);
				break;
			case COLUMN_TERM:
				slot->tts_values[i] = Int64GetDatum((int64) entry->term);
				break;
			case COLUMN_KIND:
				slot->tts_values[i] = CStringGetTextDatum(raft_log_kind_name(entry->kind));
				break;
			case COLUMN_NODE_ID:
				slot->tts_values[i] = Int32GetDatum((int32) entry->origin.node);
				break;
			case COLUMN_PROPOSED_AT:
				slot->tts_values[i] = TimestampTzGetDatum(raft_log_timestamp(entry->clock));
				break;
			case COLUMN_COMMAND:
				if (entry->kind == RAFT_ENTRY_NOOP)
					slot->tts_isnull[i] = true;
				else
					slot->tts_values[i] = command_datum(entry);
				break;
		}
	}
	set_tid(&slot->tts_tid, index);
	slot->tts_tableOid = RelationGetRelid(rel);
	ExecStoreVirtualTuple(slot);
}

/* --- the scan --- */

/*
 * ALTER TABLE SET ACCESS METHOD and its like would read the log into another
 * file and put that into its place; no callback is asked whether it may.  They
 * hold the strongest lock, which nobody else needs to read the log.
 */
static void
refuse_rewrite(Relation rel)
{
	if (CheckRelationLockedByMe(rel, AccessExclusiveLock, false))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot read \"%s\" under an exclusive lock",
						RelationGetRelationName(rel)),
				 errdetail("The table is the log of a Raft group; statements that would rewrite it are refused.")));
}

TableScanDesc
raft_scan_begin(Relation rel, Snapshot snapshot, int nkeys, struct ScanKeyData *key,
				ParallelTableScanDesc pscan, uint32 flags)
{
	RaftScanDesc *scan = palloc0(sizeof(RaftScanDesc));

	if (nkeys != 0)
		elog(ERROR, "scan keys are not supported for \"%s\"", RelationGetRelationName(rel));
	refuse_rewrite(rel);

	RelationIncrementReferenceCount(rel);
	scan->base.rs_rd = rel;
	scan->base.rs_snapshot = snapshot;
	scan->base.rs_flags = flags;
	scan->base.rs_parallel = pscan;
	scan->reader = raft_log_reader_for(rel);
	scan->row = AllocSetContextCreate(CurrentMemoryContext, "raft log row",
									  ALLOCSET_DEFAULT_SIZES);
	initStringInfo(&scan->batch);
	return &scan->base;
}

void
raft_scan_end(TableScanDesc sscan)
{
	RaftScanDesc *scan = (RaftScanDesc *) sscan;

	RelationDecrementReferenceCount(sscan->rs_rd);
	if (sscan->rs_flags & SO_TEMP_SNAPSHOT)
		UnregisterSnapshot(sscan->rs_snapshot);
	MemoryContextDelete(scan->row);
	pfree(scan->batch.data);
	raft_log_reader_free(scan->reader);
	pfree(scan);
}

void
raft_scan_rescan(TableScanDesc sscan, struct ScanKeyData *key, bool set_params,
				 bool allow_strat, bool allow_sync, bool allow_pagemode)
{
	RaftScanDesc *scan = (RaftScanDesc *) sscan;

	scan->started = false;
	scan->batch_next = 0;
}

/*
 * Takes the range.  Of the processes of a parallel scan the first one to come
 * here reads everything: the log is no place to divide work.
 */
static void
start_scan(RaftScanDesc *scan, ScanDirection direction)
{
	bool		ours = true;

	if (scan->base.rs_parallel != NULL)
	{
		ParallelBlockTableScanDesc parallel = (ParallelBlockTableScanDesc) scan->base.rs_parallel;

		ours = pg_atomic_fetch_add_u64(&parallel->phs_nallocated, 1) == 0;
	}
	if (ours)
		raft_log_reader_range(scan->reader, &scan->first, &scan->last, NULL);
	else
	{
		scan->first = 1;
		scan->last = 0;
	}
	scan->current = ScanDirectionIsForward(direction) ? scan->first - 1 : scan->last + 1;
	scan->started = true;
}

/* Has the record of this index read; false when it is not in the log any more. */
static bool
load_batch(RaftScanDesc *scan, RaftIndex index, bool forward)
{
	if (scan->batch_next == index && scan->batch_used < (Size) scan->batch.len)
		return true;

	resetStringInfo(&scan->batch);
	scan->batch_used = 0;
	scan->batch_next = 0;
	if (raft_log_read(scan->reader, index, forward ? scan->last : index,
					  SCAN_BATCH_BYTES, &scan->batch) == 0)
		return false;
	scan->batch_next = index;
	return true;
}

/*
 * The next index to show, or 0 at the end.  Passes over what was compacted
 * since the scan started.
 */
static RaftIndex
next_index(RaftScanDesc *scan, bool forward)
{
	RaftIndex	index = forward ? scan->current + 1 : scan->current - 1;

	while (index >= scan->first && index <= scan->last)
	{
		RaftIndex	first;
		RaftIndex	last;

		CHECK_FOR_INTERRUPTS();
		if (load_batch(scan, index, forward))
			return index;

		raft_log_reader_range(scan->reader, &first, &last, NULL);
		if (forward && index < first)
			index = first;
		else if (!forward && index > last)
			index = last;
		else
			break;
	}
	return 0;
}

bool
raft_scan_getnextslot(TableScanDesc sscan, ScanDirection direction, TupleTableSlot *slot)
{
	RaftScanDesc *scan = (RaftScanDesc *) sscan;
	bool		forward = ScanDirectionIsForward(direction);
	MemoryContext caller;
	RaftEntry	entry;
	RaftIndex	index;
	RaftIndex	found;
	uint32		length;

	ExecClearTuple(slot);
	if (!scan->started)
		start_scan(scan, direction);

	index = next_index(scan, forward);
	if (index == 0)
	{
		scan->current = forward ? scan->last + 1 : scan->first - 1;
		return false;
	}
	if (raft_record_decode((uint8 *) scan->batch.data + scan->batch_used,
						   scan->batch.len - scan->batch_used, MaxAllocSize,
						   &found, &entry, &length) != RAFT_DECODE_OK || found != index)
		raft_log_report_damage(index, NULL);
	scan->batch_used += length;
	scan->batch_next = index + 1;
	scan->current = index;

	MemoryContextReset(scan->row);
	caller = MemoryContextSwitchTo(scan->row);
	store_entry(sscan->rs_rd, slot, index, &entry);
	MemoryContextSwitchTo(caller);
	return true;
}

bool
raft_fetch_row(Relation rel, ItemPointer tid, Snapshot snapshot, TupleTableSlot *slot)
{
	RaftLogReader *reader = raft_log_reader_for(rel);
	RaftIndex	index = index_of_tid(tid);
	RaftIndex	found;
	RaftEntry	entry;
	uint32		length;
	StringInfoData record;
	bool		there;

	initStringInfo(&record);
	there = raft_log_read(reader, index, index, 0, &record) == index &&
		raft_record_decode((uint8 *) record.data, record.len, MaxAllocSize,
						   &found, &entry, &length) == RAFT_DECODE_OK;
	if (there)
	{
		store_entry(rel, slot, index, &entry);
		ExecMaterializeSlot(slot);
	}
	pfree(record.data);
	raft_log_reader_free(reader);
	return there;
}
