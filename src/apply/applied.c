/*-------------------------------------------------------------------------
 *
 * applied.c
 *	  The tables raft.applied and raft.failures.
 *
 * raft.applied has one row, changed in the transaction that holds the effects
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
#include "apply/apply.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "storage/bufmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#define APPLIED_COLUMNS			2
#define APPLIED_INDEX			1
#define APPLIED_FUNCTION		2

/* Where the row was last seen: saves the scan while nobody else changes the table. */
static ItemPointerData applied_tid;
static Oid	applied_tid_relation = InvalidOid;

static Relation
open_applied(LOCKMODE mode)
{
	Oid			relation;

	relation = get_relname_relid("applied", get_namespace_oid(RAFT_SCHEMA, false));
	if (!OidIsValid(relation))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("table \"%s.applied\" does not exist", RAFT_SCHEMA)));
	return table_open(relation, mode);
}

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
	heap_page_prune_opt(relation, buffer);
	ReleaseBuffer(buffer);
	return copy;
}

static HeapTuple
scan_applied(Relation relation, Snapshot snapshot)
{
	TableScanDesc scan = table_beginscan(relation, snapshot, 0, NULL);
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
raft_applied_read(RaftIndex *index, char **function)
{
	Relation	relation = open_applied(AccessShareLock);
	Snapshot	snapshot = RegisterSnapshot(GetTransactionSnapshot());
	HeapTuple	tuple = get_applied(relation, snapshot);
	Datum		values[APPLIED_COLUMNS];
	bool		nulls[APPLIED_COLUMNS];

	heap_deform_tuple(tuple, RelationGetDescr(relation), values, nulls);
	*index = (RaftIndex) DatumGetInt64(values[APPLIED_INDEX - 1]);
	*function = nulls[APPLIED_FUNCTION - 1] ? NULL :
		TextDatumGetCString(values[APPLIED_FUNCTION - 1]);
	UnregisterSnapshot(snapshot);
	table_close(relation, AccessShareLock);
}

void
raft_applied_store(RaftIndex before, RaftIndex index, const char *function)
{
	Relation	relation = open_applied(RowExclusiveLock);

	/* kept over the update: a table that may have toasted values needs one */
	Snapshot	snapshot = RegisterSnapshot(GetTransactionSnapshot());
	HeapTuple	old = get_applied(relation, snapshot);
	HeapTuple	new;
	Datum		values[APPLIED_COLUMNS];
	bool		nulls[APPLIED_COLUMNS];
	bool		replace[APPLIED_COLUMNS] = {true, true};

	heap_deform_tuple(old, RelationGetDescr(relation), values, nulls);
	if ((RaftIndex) DatumGetInt64(values[APPLIED_INDEX - 1]) != before)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("table \"%s.applied\" says index %llu where %llu was stored", RAFT_SCHEMA,
						(unsigned long long) DatumGetInt64(values[APPLIED_INDEX - 1]),
						(unsigned long long) before),
				 errdetail("Somebody else has changed it.")));

	nulls[APPLIED_FUNCTION - 1] = function == NULL;
	values[APPLIED_INDEX - 1] = Int64GetDatum((int64) index);
	values[APPLIED_FUNCTION - 1] = function == NULL ? (Datum) 0 : CStringGetTextDatum(function);

	new = heap_modify_tuple(old, RelationGetDescr(relation), values, nulls, replace);

	/* Made for catalogs, but nothing in it is: it updates a heap and its indexes. */
	CatalogTupleUpdate(relation, &old->t_self, new);
	applied_tid = new->t_self;
	applied_tid_relation = RelationGetRelid(relation);

	heap_freetuple(old);
	heap_freetuple(new);
	UnregisterSnapshot(snapshot);
	table_close(relation, NoLock);
}

void
raft_failure_store(RaftIndex index, RaftTerm term, int sqlstate, const char *message)
{
	Oid			types[] = {INT8OID, INT8OID, TEXTOID, TEXTOID, TIMESTAMPTZOID};
	Datum		values[lengthof(types)];

	values[0] = Int64GetDatum((int64) index);
	values[1] = Int64GetDatum((int64) term);
	values[2] = CStringGetTextDatum(unpack_sql_state(sqlstate));
	values[3] = CStringGetTextDatum(message);
	values[4] = TimestampTzGetDatum(GetCurrentTimestamp());

	/* The command's own snapshot went with its subtransaction. */
	PushActiveSnapshot(GetTransactionSnapshot());
	PushActiveSnapshot(GetTransactionSnapshot());
	SPI_connect();
	if (SPI_execute_with_args("INSERT INTO " RAFT_SCHEMA ".failures"
							  " (index, term, sqlstate, message, failed_at)"
							  " VALUES ($1, $2, $3, $4, $5)",
							  lengthof(types), types, values, NULL, false, 0) != SPI_OK_INSERT)
		elog(ERROR, "could not record the failure of entry %llu", (unsigned long long) index);
	SPI_finish();
	PopActiveSnapshot();
	PopActiveSnapshot();
}
