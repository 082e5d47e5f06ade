/*-------------------------------------------------------------------------
 *
 * applied.c
 *	  The table raft.applied: how far this node has executed the log.
 *
 * It has one row, changed in the transaction that holds the effects
 * of the commands: that is what makes them happen exactly once.  It is updated
 * directly, which costs a quarter of an UPDATE through SPI; it therefore has no index.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "storage/bufmgr.h"
#include "tables/applied.h"
#include "tables/table.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

enum
{
	APPLIED_INDEX,
	APPLIED_FAILURES,
	APPLIED_FUNCTION
};

/* Where the row was last seen: saves the scan while nobody else changes the table. */
static ItemPointerData applied_tid;
static Oid	applied_tid_relation = InvalidOid;

/* The row by its last known address; the caller frees the copy.  NULL: not there any more. */
static HeapTuple
fetch_applied(Relation relation, Snapshot snapshot)
{
	HeapTupleData tuple;
	Buffer		buffer;
	HeapTuple	copy;

	if (applied_tid_relation != RelationGetRelid(relation))
		return NULL;

	/* The table may have been rewritten and be shorter now. */
	if (ItemPointerGetBlockNumber(&applied_tid) >= RelationGetNumberOfBlocks(relation))
		return NULL;

	tuple.t_self = applied_tid;
	if (!heap_fetch(relation, snapshot, &tuple, &buffer, false))
		return NULL;
	copy = heap_copytuple(&tuple);

	/* A fetch by address does not prune; without it the page would fill up. */
	raft_prune_page(relation, buffer);
	ReleaseBuffer(buffer);
	return copy;
}

static HeapTuple
scan_applied(Relation relation, Snapshot snapshot)
{
	TableScanDesc scan = raft_beginscan(relation, snapshot);
	HeapTuple	tuple = heap_getnext(scan, ForwardScanDirection);

	if (tuple == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("table \"%s.applied\" has no row", RAFT_SCHEMA)));
	tuple = heap_copytuple(tuple);
	table_endscan(scan);
	return tuple;
}

static HeapTuple
get_applied(Relation relation, Snapshot snapshot)
{
	HeapTuple	tuple = fetch_applied(relation, snapshot);

	return tuple != NULL ? tuple : scan_applied(relation, snapshot);
}

void
raft_applied_read(RaftApplied *applied)
{
	Relation	relation = raft_table_open(&raft_applied_table, AccessShareLock);
	Snapshot	snapshot = RegisterSnapshot(GetTransactionSnapshot());
	HeapTuple	tuple = get_applied(relation, snapshot);
	Datum		values[RAFT_TABLE_MAX_COLUMNS];
	bool		nulls[RAFT_TABLE_MAX_COLUMNS];

	raft_table_deform(&raft_applied_table, relation, tuple, values, nulls);
	applied->index = (RaftIndex) DatumGetInt64(values[APPLIED_INDEX]);
	applied->failures = (uint64) DatumGetInt64(values[APPLIED_FAILURES]);
	applied->function = nulls[APPLIED_FUNCTION] ? NULL :
		TextDatumGetCString(values[APPLIED_FUNCTION]);
	UnregisterSnapshot(snapshot);
	table_close(relation, AccessShareLock);
}

static void
check_before(RaftIndex stored, RaftIndex before)
{
	if (stored != before)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("table \"%s.applied\" contains index %llu instead of %llu", RAFT_SCHEMA,
						(unsigned long long) stored, (unsigned long long) before),
				 errdetail("It was changed by somebody else.")));
}

void
raft_applied_store(RaftIndex before, const RaftApplied *applied)
{
	Relation	relation = raft_table_open(&raft_applied_table, RowExclusiveLock);

	/* kept over the update: a table that may have toasted values needs one */
	Snapshot	snapshot = RegisterSnapshot(GetTransactionSnapshot());
	HeapTuple	old = get_applied(relation, snapshot);
	Datum		values[RAFT_TABLE_MAX_COLUMNS];
	bool		nulls[RAFT_TABLE_MAX_COLUMNS];

	raft_table_deform(&raft_applied_table, relation, old, values, nulls);
	check_before((RaftIndex) DatumGetInt64(values[APPLIED_INDEX]), before);

	values[APPLIED_INDEX] = Int64GetDatum((int64) applied->index);
	values[APPLIED_FAILURES] = Int64GetDatum((int64) applied->failures);
	nulls[APPLIED_FUNCTION] = applied->function == NULL;
	if (applied->function != NULL)
		values[APPLIED_FUNCTION] = CStringGetTextDatum(applied->function);
	applied_tid = raft_table_update(relation, old, values, nulls);
	applied_tid_relation = RelationGetRelid(relation);

	heap_freetuple(old);
	UnregisterSnapshot(snapshot);
	table_close(relation, NoLock);
}
