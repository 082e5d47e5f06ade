/*-------------------------------------------------------------------------
 *
 * table.c
 *	  The extension's own tables: their shapes, and how they are written.
 *
 *-------------------------------------------------------------------------
 */
#include "tables/table.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

RAFT_SQL_FUNCTION(raft_refuse_change);

static const RaftColumn node_columns[] = {
	{"node", TEXTOID, false},
	{"node_id", INT4OID, false},
	{"group_id", UUIDOID, false},
	{"bootstrap", BYTEAOID, false},
	{"members", JSONBOID, false},
	{"created_at", TIMESTAMPTZOID, false},
};

static const RaftColumn applied_columns[] = {
	{"applied_index", INT8OID, false},
	{"failures", INT8OID, false},
	{"apply_function", TEXTOID, true},
};

static const RaftColumn failures_columns[] = {
	{"index", INT8OID, false},
	{"number", INT8OID, false},
	{"term", INT8OID, false},
	{"sqlstate", TEXTOID, false},
	{"message", TEXTOID, false},
	{"failed_at", TIMESTAMPTZOID, false},
};

static const RaftColumn peers_columns[] = {
	{"node_id", INT4OID, false},
	{"log_id", INT8OID, false},
	{"first_seen", TIMESTAMPTZOID, false},
	{"incarnation", INT8OID, false},
	{"boot_count", INT8OID, false},
	{"start_seen", TIMESTAMPTZOID, false},
	{"acknowledged", INT8OID, false},
	{"term", INT8OID, false},
};

static const RaftColumn resets_columns[] = {
	{"incarnation", INT8OID, false},
	{"reset_at", TIMESTAMPTZOID, false},
	{"reset_by", NAMEOID, false},
};

static const RaftColumn skips_columns[] = {
	{"index", INT8OID, false},
	{"decided_at", INT8OID, false},
	{"executed", BOOLOID, false},
	{"noted_at", TIMESTAMPTZOID, false},
};

const RaftTable raft_node_table = {
	"node", RAFT_DELETE_NOBODY, lengthof(node_columns), node_columns
};
const RaftTable raft_applied_table = {
	"applied", RAFT_DELETE_NOBODY, lengthof(applied_columns), applied_columns
};
const RaftTable raft_failures_table = {
	"failures", RAFT_DELETE_ANYBODY, lengthof(failures_columns), failures_columns
};
const RaftTable raft_peers_table = {
	"peers", RAFT_DELETE_SUPERUSER, lengthof(peers_columns), peers_columns
};
const RaftTable raft_resets_table = {
	"resets", RAFT_DELETE_NOBODY, lengthof(resets_columns), resets_columns
};

const RaftTable raft_skips_table = {
	"skips", RAFT_DELETE_NOBODY, lengthof(skips_columns), skips_columns
};

static const RaftTable *const all_tables[] = {
	&raft_node_table, &raft_applied_table, &raft_failures_table,
	&raft_peers_table, &raft_resets_table, &raft_skips_table,
};

const RaftTable *
raft_table_find(Oid relation)
{
	Oid			schema = get_rel_namespace(relation);
	const char *name;

	if (!OidIsValid(schema) || schema != get_namespace_oid(RAFT_SCHEMA, true))
		return NULL;
	name = get_rel_name(relation);
	for (int i = 0; name != NULL && i < (int) lengthof(all_tables); i++)
	{
		if (strcmp(all_tables[i]->name, name) == 0)
			return all_tables[i];
	}
	return NULL;
}

/* --- shape --- */

/* What is wrong with a column; NULL = nothing. */
static char *
column_misfit(const RaftColumn *known, Form_pg_attribute column)
{
	if (column->attisdropped)
		return psprintf("Column \"%s\" has been dropped.", known->name);
	if (strcmp(NameStr(column->attname), known->name) != 0)
		return psprintf("Column \"%s\" stands where \"%s\" is expected.",
						NameStr(column->attname), known->name);
	if (column->atttypid != known->type)
		return psprintf("Column \"%s\" is of type %s instead of %s.", known->name,
						format_type_be(column->atttypid), format_type_be(known->type));
	if (!column->attnotnull && !known->nullable)
		return psprintf("Column \"%s\" may be null.", known->name);
	return NULL;
}

/* What is wrong with a table; NULL = nothing. */
static char *
table_misfit(const RaftTable *table, Relation relation, bool exactly)
{
	TupleDesc	descriptor = RelationGetDescr(relation);
	char	   *misfit = NULL;

	Assert(table->n_columns <= RAFT_TABLE_MAX_COLUMNS);
	if (relation->rd_rel->relkind != RELKIND_RELATION || relation->rd_rel->relam != HEAP_TABLE_AM_OID)
		return pstrdup("It is not an ordinary table.");
	if (relation->rd_rel->relpersistence != RELPERSISTENCE_PERMANENT)
		return pstrdup("It would not survive a crash.");
	if (descriptor->natts < table->n_columns || (exactly && descriptor->natts > table->n_columns))
		return psprintf("It has %d columns instead of %d.", descriptor->natts, table->n_columns);
	for (int i = 0; i < table->n_columns && misfit == NULL; i++)
		misfit = column_misfit(&table->columns[i], TupleDescAttr(descriptor, i));
	return misfit;
}

/*
 * The functions that write keep up indexes as those of catalogs are, which have no
 * expressions and no predicates.  Read from the catalog: REINDEX may hold the index itself.
 */
static char *
index_misfit(Relation relation)
{
	List	   *indexes = RelationGetIndexList(relation);
	ListCell   *cell;
	char	   *misfit = NULL;

	foreach(cell, indexes)
	{
		HeapTuple	index = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(lfirst_oid(cell)));

		if (!HeapTupleIsValid(index))
			continue;			/* just dropped */
		if (!heap_attisnull(index, Anum_pg_index_indexprs, NULL) ||
			!heap_attisnull(index, Anum_pg_index_indpred, NULL) ||
			((Form_pg_index) GETSTRUCT(index))->indisexclusion)
			misfit = psprintf("Somebody has added index \"%s\".", get_rel_name(lfirst_oid(cell)));
		ReleaseSysCache(index);
	}
	list_free(indexes);
	return misfit;
}

static Relation
open_table(const RaftTable *table, LOCKMODE mode, bool exactly)
{
	Oid			oid = get_relname_relid(table->name, get_namespace_oid(RAFT_SCHEMA, false));
	Relation	relation;
	char	   *misfit;

	if (!OidIsValid(oid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("table \"%s.%s\" does not exist", RAFT_SCHEMA, table->name)));
	relation = table_open(oid, mode);
	misfit = table_misfit(table, relation, exactly);
	if (misfit == NULL && exactly)
		misfit = index_misfit(relation);
	if (misfit != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"%s.%s\" does not match this version of raft_pg",
						RAFT_SCHEMA, table->name),
				 errdetail_internal("%s", misfit),
				 errhint("Library and extension must be of the same version: see ALTER EXTENSION raft_pg UPDATE. The library is replaced by a restart of the server.")));
	return relation;
}

Relation
raft_table_open(const RaftTable *table, LOCKMODE mode)
{
	return open_table(table, mode, mode != AccessShareLock);
}

bool
raft_table_is_known(const RaftTable *table, Relation relation)
{
	return table_misfit(table, relation, false) == NULL;
}

/* A stronger lock would let whoever holds a table keep the node from starting. */
void
raft_tables_check(void)
{
	for (int i = 0; i < (int) lengthof(all_tables); i++)
		table_close(open_table(all_tables[i], AccessShareLock, true), AccessShareLock);
}

/* --- tuples --- */

void
raft_table_deform(const RaftTable *table, Relation relation, HeapTuple tuple,
				  Datum *values, bool *nulls)
{
	for (int i = 0; i < table->n_columns; i++)
		values[i] = heap_getattr(tuple, i + 1, RelationGetDescr(relation), &nulls[i]);
}

bool
raft_table_contains(const RaftTable *table, int column, int64 value)
{
	Relation	relation = raft_table_open(table, AccessShareLock);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	TableScanDesc scan = raft_beginscan(relation, snapshot);
	HeapTuple	tuple;
	bool		found = false;

	while (!found && (tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
	{
		Datum		values[RAFT_TABLE_MAX_COLUMNS];
		bool		nulls[RAFT_TABLE_MAX_COLUMNS];

		raft_table_deform(table, relation, tuple, values, nulls);
		found = !nulls[column] && DatumGetInt64(values[column]) == value;
	}
	table_endscan(scan);
	UnregisterSnapshot(snapshot);
	table_close(relation, AccessShareLock);
	return found;
}

/* Made for catalogs, but nothing in these two is: they change a heap and its indexes. */
void
raft_table_insert(Relation relation, Datum *values, bool *nulls)
{
	HeapTuple	tuple = heap_form_tuple(RelationGetDescr(relation), values, nulls);

	CatalogTupleInsert(relation, tuple);
	heap_freetuple(tuple);
}

ItemPointerData
raft_table_update(Relation relation, HeapTuple old, Datum *values, bool *nulls)
{
	HeapTuple	tuple = heap_form_tuple(RelationGetDescr(relation), values, nulls);
	ItemPointerData tid;

	CatalogTupleUpdate(relation, &old->t_self, tuple);
	tid = tuple->t_self;
	heap_freetuple(tuple);
	return tid;
}

/* --- others --- */

void
raft_table_refuse_change(const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("table \"%s.%s\" is written by raft_pg alone", RAFT_SCHEMA, name),
			 errdetail("What this node has acknowledged and applied depends on it.")));
	pg_unreachable();
}

/*
 * Trigger of each table before whatever is not allowed to SQL, whoever it comes from: these tables
 * are what exactly once and the identity of a node rest on.  With an argument, a superuser may.
 */
Datum
raft_refuse_change(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("raft.refuse_change() was not called as a trigger")));
	if (trigger->tg_trigger->tgnargs > 0 && superuser())
		return PointerGetDatum(NULL);
	raft_table_refuse_change(RelationGetRelationName(trigger->tg_relation));
}
