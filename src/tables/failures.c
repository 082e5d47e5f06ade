/*-------------------------------------------------------------------------
 *
 * failures.c
 *	  The table raft.failures: commands whose result is an error, the newest
 *	  "raft_pg.max_failures" of them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "executor/tuptable.h"
#include "mb/pg_wchar.h"
#include "storage/bufmgr.h"
#include "tables/failures.h"
#include "tables/table.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

enum
{
	FAILURE_INDEX,
	FAILURE_NUMBER,
	FAILURE_TERM,
	FAILURE_SQLSTATE,
	FAILURE_MESSAGE,
	FAILURE_TIME
};

/* Of an error message, bytes that raft.failures keeps. */
#define MAX_MESSAGE_BYTES		4096

/* A row that somebody is just deleting is left to him. */
static void
delete_failure(Relation relation, Snapshot snapshot, TupleTableSlot *slot, ItemPointer tid)
{
	TM_FailureData failure;

	if (table_tuple_lock(relation, tid, snapshot, slot, GetCurrentCommandId(true), LockTupleExclusive,
						 LockWaitSkip, 0, &failure) == TM_Ok)
		CatalogTupleDelete(relation, tid);
}

/*
 * Deletes the oldest rows, those with numbers up to "last".  The numbers are the same
 * on every node, so with equal settings every node keeps the same rows.
 */
static void
prune_failures(Relation relation, uint64 last)
{
	Oid			key = raft_primary_key(relation);
	Relation	index;
	Snapshot	snapshot;
	TupleTableSlot *slot;
	SysScanDesc scan;
	HeapTuple	tuple;

	if (!OidIsValid(key))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"%s.failures\" has no primary key", RAFT_SCHEMA)));
	index = index_open(key, RowExclusiveLock);
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	slot = table_slot_create(relation, NULL);
	scan = systable_beginscan_ordered(relation, index, snapshot, 0, NULL);
	while ((tuple = systable_getnext_ordered(scan, ForwardScanDirection)) != NULL)
	{
		Datum		values[RAFT_TABLE_MAX_COLUMNS];
		bool		nulls[RAFT_TABLE_MAX_COLUMNS];

		raft_table_deform(&raft_failures_table, relation, tuple, values, nulls);
		if ((uint64) DatumGetInt64(values[FAILURE_NUMBER]) > last)
			break;
		delete_failure(relation, snapshot, slot, &tuple->t_self);
	}
	systable_endscan_ordered(scan);
	ExecDropSingleTupleTableSlot(slot);
	UnregisterSnapshot(snapshot);
	index_close(index, RowExclusiveLock);
}

/* The beginning of a message, up to a whole character. */
static text *
clipped_message(const char *message)
{
	int			length = pg_mbcliplen(message, strlen(message), MAX_MESSAGE_BYTES);

	return cstring_to_text_with_len(message, length);
}

void
raft_failure_store(RaftIndex index, uint64 number, RaftTerm term, int sqlstate, const char *message)
{
	Relation	relation = raft_table_open(&raft_failures_table, RowExclusiveLock);
	Datum		values[RAFT_TABLE_MAX_COLUMNS];
	bool		nulls[RAFT_TABLE_MAX_COLUMNS] = {false};

	/* The command's own snapshot went with its subtransaction. */
	PushActiveSnapshot(GetTransactionSnapshot());
	values[FAILURE_INDEX] = Int64GetDatum((int64) index);
	values[FAILURE_NUMBER] = Int64GetDatum((int64) number);
	values[FAILURE_TERM] = Int64GetDatum((int64) term);
	values[FAILURE_SQLSTATE] = CStringGetTextDatum(unpack_sql_state(sqlstate));
	values[FAILURE_MESSAGE] = PointerGetDatum(clipped_message(message));
	values[FAILURE_TIME] = TimestampTzGetDatum(GetCurrentTimestamp());
	raft_table_insert(relation, values, nulls);
	CommandCounterIncrement();
	if (number > (uint64) raft_max_failures)
		prune_failures(relation, number - raft_max_failures);
	PopActiveSnapshot();
	table_close(relation, NoLock);
}
