/*-------------------------------------------------------------------------
 *
 * node.c
 *	  The row of raft.node: the identity that raft_start() gave this database.
 *
 * Whoever may call the functions gets at the row through them, without any right
 * on the table.
 *
 *-------------------------------------------------------------------------
 */
#include "tables/node.h"

#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "storage/lmgr.h"
#include "tables/table.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

enum
{
	NODE_NAME,
	NODE_ID,
	NODE_GROUP,
	NODE_BOOTSTRAP,
	NODE_MEMBERS,
	NODE_CREATED_AT
};

void
raft_node_row_lock(void)
{
	table_close(raft_table_open(&raft_node_table, ShareRowExclusiveLock), NoLock);
}

static void
fill_row(const Datum *values, RaftNodeRow *row)
{
	row->node = TextDatumGetCString(values[NODE_NAME]);
	row->node_id = (RaftNodeId) DatumGetInt32(values[NODE_ID]);
	memcpy(row->group_id, DatumGetUUIDP(values[NODE_GROUP])->data, RAFT_GROUP_ID_BYTES);
	row->bootstrap = DatumGetByteaPCopy(values[NODE_BOOTSTRAP]);
}

/* As it is now, also after waiting for a lock. */
static bool
read_row(Relation relation, RaftNodeRow *row)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	TableScanDesc scan = raft_beginscan(relation, snapshot);
	HeapTuple	tuple = heap_getnext(scan, ForwardScanDirection);
	Datum		values[RAFT_TABLE_MAX_COLUMNS];
	bool		nulls[RAFT_TABLE_MAX_COLUMNS];
	bool		found = tuple != NULL;

	if (found)
	{
		raft_table_deform(&raft_node_table, relation, tuple, values, nulls);
		fill_row(values, row);
	}
	table_endscan(scan);
	UnregisterSnapshot(snapshot);
	return found;
}

bool
raft_node_row_read(RaftNodeRow *row)
{
	Relation	relation = raft_table_open(&raft_node_table, AccessShareLock);
	bool		found = read_row(relation, row);

	table_close(relation, AccessShareLock);
	return found;
}

bool
raft_node_row_read_dropped(Oid table, RaftNodeRow *row)
{
	Relation	relation = table_open(table, AccessShareLock);
	bool		found = raft_table_is_known(&raft_node_table, relation) && read_row(relation, row);

	table_close(relation, AccessShareLock);
	return found;
}

void
raft_node_row_insert(const RaftNodeRow *row, Datum members)
{
	Relation	relation = raft_table_open(&raft_node_table, RowExclusiveLock);
	Datum		values[RAFT_TABLE_MAX_COLUMNS];
	bool		nulls[RAFT_TABLE_MAX_COLUMNS] = {false};
	pg_uuid_t	group_id;

	memcpy(group_id.data, row->group_id, UUID_LEN);
	values[NODE_NAME] = CStringGetTextDatum(row->node);
	values[NODE_ID] = Int32GetDatum((int32) row->node_id);
	values[NODE_GROUP] = UUIDPGetDatum(&group_id);
	values[NODE_BOOTSTRAP] = PointerGetDatum(row->bootstrap);
	values[NODE_MEMBERS] = members;
	values[NODE_CREATED_AT] = TimestampTzGetDatum(GetCurrentTransactionStartTimestamp());
	raft_table_insert(relation, values, nulls);
	CommandCounterIncrement();	/* as after any statement */
	table_close(relation, NoLock);
}
