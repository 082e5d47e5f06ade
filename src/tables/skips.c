/*-------------------------------------------------------------------------
 *
 * skips.c
 *	  The table raft.skips: commands that the group has decided not to execute.
 *
 * A row says that such a command has no effects in this database: because it was not
 * executed, or because a superuser has taken them back and vouches for it.
 *
 *-------------------------------------------------------------------------
 */
#include "raft_pg.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "tables/skips.h"
#include "tables/table.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/* Columns of raft.skips (raft_skips_table). */
enum
{
	SKIP_INDEX,
	SKIP_DECIDED_AT,
	SKIP_EXECUTED,
	SKIP_NOTED_AT,
	SKIP_COLUMNS
};

void
raft_skips_add(RaftIndex index, RaftIndex decided_at, bool executed)
{
	Relation	relation = raft_table_open(&raft_skips_table, RowExclusiveLock);
	Datum		values[SKIP_COLUMNS];
	bool		nulls[SKIP_COLUMNS] = {false};

	values[SKIP_INDEX] = Int64GetDatum((int64) index);
	values[SKIP_DECIDED_AT] = Int64GetDatum((int64) decided_at);
	values[SKIP_EXECUTED] = BoolGetDatum(executed);
	values[SKIP_NOTED_AT] = TimestampTzGetDatum(GetCurrentTimestamp());
	raft_table_insert(relation, values, nulls);
	CommandCounterIncrement();	/* the entry that decided it may follow in the same transaction */
	table_close(relation, NoLock);
}

bool
raft_skips_contain(RaftIndex index)
{
	Relation	relation = raft_table_open(&raft_skips_table, AccessShareLock);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	TableScanDesc scan = raft_beginscan(relation, snapshot);
	HeapTuple	tuple;
	bool		found = false;

	while (!found && (tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
	{
		Datum		values[SKIP_COLUMNS];
		bool		nulls[SKIP_COLUMNS];

		raft_table_deform(&raft_skips_table, relation, tuple, values, nulls);
		found = (RaftIndex) DatumGetInt64(values[SKIP_INDEX]) == index;
	}
	table_endscan(scan);
	UnregisterSnapshot(snapshot);
	table_close(relation, AccessShareLock);
	return found;
}
