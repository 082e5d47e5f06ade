/*-------------------------------------------------------------------------
 *
 * node_row.c
 *	  The row of raft.node: the identity that raft_start() gave this database.
 *
 * Whoever may call the functions gets at the row through them, without any right
 * on the table: it is read directly, and written as the table's owner.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "api/api.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/uuid.h"

#define NODE_NAME		1
#define NODE_ID			2
#define NODE_GROUP		3
#define NODE_BOOTSTRAP	4
#define NODE_MEMBERS	5

static Oid
node_table(void)
{
	Oid			relation;

	relation = get_relname_relid("node", get_namespace_oid(RAFT_SCHEMA, false));
	if (!OidIsValid(relation))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("table \"%s.node\" does not exist", RAFT_SCHEMA)));
	return relation;
}

void
raft_node_row_lock(void)
{
	LockRelationOid(node_table(), ShareRowExclusiveLock);
}

static void
fill_row(TupleTableSlot *slot, RaftNodeRow *row)
{
	slot_getallattrs(slot);
	row->node = TextDatumGetCString(slot->tts_values[NODE_NAME - 1]);
	row->node_id = (RaftNodeId) DatumGetInt32(slot->tts_values[NODE_ID - 1]);
	memcpy(row->group_id, DatumGetUUIDP(slot->tts_values[NODE_GROUP - 1])->data,
		   RAFT_GROUP_ID_BYTES);
	row->bootstrap = DatumGetByteaPCopy(slot->tts_values[NODE_BOOTSTRAP - 1]);
}

bool
raft_node_row_read(RaftNodeRow *row)
{
	Relation	relation = table_open(node_table(), AccessShareLock);
	TupleTableSlot *slot = table_slot_create(relation, NULL);

	/* The newest state, also after waiting for a lock. */
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	TableScanDesc scan = table_beginscan(relation, snapshot, 0, NULL);
	bool		found = table_scan_getnextslot(scan, ForwardScanDirection, slot);

	if (found)
		fill_row(slot, row);
	table_endscan(scan);
	UnregisterSnapshot(snapshot);
	ExecDropSingleTupleTableSlot(slot);
	table_close(relation, AccessShareLock);
	return found;
}

static Oid
table_owner(Oid relation_oid)
{
	Relation	relation = table_open(relation_oid, AccessShareLock);
	Oid			owner = relation->rd_rel->relowner;

	table_close(relation, AccessShareLock);
	return owner;
}

void
raft_node_row_insert(const RaftNodeRow *row, Datum members)
{
	Oid			types[] = {TEXTOID, INT4OID, UUIDOID, BYTEAOID, JSONBOID};
	Datum		values[lengthof(types)];
	Oid			user;
	int			security;

	values[NODE_NAME - 1] = CStringGetTextDatum(row->node);
	values[NODE_ID - 1] = Int32GetDatum((int32) row->node_id);
	values[NODE_GROUP - 1] = raft_group_id_datum(row->group_id);
	values[NODE_BOOTSTRAP - 1] = PointerGetDatum(row->bootstrap);
	values[NODE_MEMBERS - 1] = members;

	GetUserIdAndSecContext(&user, &security);
	SetUserIdAndSecContext(table_owner(node_table()), security | SECURITY_LOCAL_USERID_CHANGE);
	SPI_connect();
	if (SPI_execute_with_args("INSERT INTO " RAFT_SCHEMA ".node"
							  " (node, node_id, group_id, bootstrap, members)"
							  " VALUES ($1, $2, $3, $4, $5)",
							  lengthof(types), types, values, NULL, false, 0) != SPI_OK_INSERT)
		elog(ERROR, "could not store the identity of this node");
	SPI_finish();
	SetUserIdAndSecContext(user, security);
}
