/*-------------------------------------------------------------------------
 *
 * guard.c
 *	  The extension's own objects stay as its script has made them.
 *
 * The workers find the tables by their names and read rows by their shape; a
 * renamed table, a column more or a trigger would make them fail, or act for
 * somebody else.  So what SQL can do to members of the extension is refused
 * here, once it is done and before it is committed, with these exceptions:
 * GRANT, REVOKE, COMMENT and a new owner, the extension's own scripts, and
 * pg_upgrade.
 *
 * Nor are its tables written or locked by others: the workers would wait.
 *
 * VACUUM FULL and REPACK would put a copy of raft.log in its place, and have to
 * go on with the other tables of the database.
 *
 *-------------------------------------------------------------------------
 */
#include "raft_pg.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_policy.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_rewrite.h"
#include "catalog/pg_trigger.h"
#include "commands/defrem.h"
#include "commands/extension.h"
#include "commands/vacuum.h"
#include "executor/executor.h"
#include "guard.h"
#include "log/log.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "rewrite/rewriteHandler.h"
#include "tables/table.h"
#include "tcop/utility.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

static ExecutorCheckPerms_hook_type prev_check_perms_hook = NULL;
static ProcessUtility_hook_type prev_process_utility_hook = NULL;

static bool query_locks_member(Node *node, void *views);

/* --- alterations --- */

static bool
is_member(Oid class_id, Oid object_id)
{
	Oid			extension = get_extension_oid(RAFT_EXTENSION, true);

	return OidIsValid(extension) && getExtensionOfObject(class_id, object_id) == extension;
}

/*
 * An object as the current command has made it.  The caller frees the copy; NULL when
 * there is none.
 */
static HeapTuple
altered_tuple(Oid class_id, Oid object_id)
{
	Relation	catalog = table_open(class_id, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, get_object_attnum_oid(class_id), BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(object_id));
	scan = systable_beginscan(catalog, get_object_oid_index(class_id), true,
							  SnapshotSelf, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		tuple = heap_copytuple(tuple);
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return tuple;
}

/* Has the current command given the object another owner? */
static bool
owner_changed(Oid class_id, Oid object_id)
{
	AttrNumber	owner = get_object_attnum_owner(class_id);
	int			cache = get_object_catcache_oid(class_id);
	HeapTuple	before;
	HeapTuple	after;
	Datum		old_owner;
	Datum		new_owner;
	bool		changed = false;
	bool		isnull;

	if (owner == InvalidAttrNumber || cache < 0)
		return false;

	before = SearchSysCache1(cache, ObjectIdGetDatum(object_id));
	after = altered_tuple(class_id, object_id);
	if (HeapTupleIsValid(before) && HeapTupleIsValid(after))
	{
		Relation	catalog = table_open(class_id, AccessShareLock);

		old_owner = heap_getattr(before, owner, RelationGetDescr(catalog), &isnull);
		new_owner = heap_getattr(after, owner, RelationGetDescr(catalog), &isnull);
		changed = DatumGetObjectId(old_owner) != DatumGetObjectId(new_owner);
		table_close(catalog, AccessShareLock);
	}
	if (HeapTupleIsValid(before))
		ReleaseSysCache(before);
	return changed;
}

/*
 * ALTER EXTENSION ... ADD and DROP leave the extension's row alone, in contrast to
 * UPDATE.
 */
static bool
members_changed(Oid extension)
{
	HeapTuple	tuple = altered_tuple(ExtensionRelationId, extension);

	return HeapTupleIsValid(tuple) &&
		!TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(tuple->t_data));
}

static void
refuse_alteration(Oid class_id, Oid object_id)
{
	ObjectAddress address;

	ObjectAddressSet(address, class_id, object_id);
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("cannot alter %s", getObjectDescription(&address, false)),
			 errdetail("It belongs to extension %s, whose workers rely on it.", RAFT_EXTENSION),
			 errhint("GRANT, REVOKE, COMMENT and a change of the owner are possible.")));
}

/* What was created belongs to this relation; InvalidOid when to none. */
static Oid
relation_of_new(Oid class_id, Oid object_id)
{
	HeapTuple	tuple;

	if (class_id != TriggerRelationId && class_id != RewriteRelationId &&
		class_id != PolicyRelationId && class_id != ConstraintRelationId)
		return InvalidOid;

	tuple = altered_tuple(class_id, object_id);
	if (!HeapTupleIsValid(tuple))
		return InvalidOid;
	switch (class_id)
	{
		case TriggerRelationId:
			return ((Form_pg_trigger) GETSTRUCT(tuple))->tgrelid;
		case RewriteRelationId:
			return ((Form_pg_rewrite) GETSTRUCT(tuple))->ev_class;
		case PolicyRelationId:
			return ((Form_pg_policy) GETSTRUCT(tuple))->polrelid;
		default:
			return ((Form_pg_constraint) GETSTRUCT(tuple))->conrelid;
	}
}

static void
check_created(Oid class_id, Oid object_id, int sub_id, const ObjectAccessPostCreate *create)
{
	Oid			relation;

	/* a column, or what hangs on a table; a foreign key that leads here is no matter */
	if (class_id == RelationRelationId && sub_id != 0)
		relation = object_id;
	else if (create == NULL || !create->is_internal)
		relation = relation_of_new(class_id, object_id);
	else
		return;

	if (OidIsValid(relation) && is_member(RelationRelationId, relation))
		refuse_alteration(RelationRelationId, relation);
}

static void
check_altered(Oid class_id, Oid object_id, const ObjectAccessPostAlter *alter)
{
	/* VACUUM FULL and its like, which leave a table as it was */
	if (alter != NULL && alter->is_internal)
		return;

	if (class_id == ExtensionRelationId)
	{
		if (object_id == get_extension_oid(RAFT_EXTENSION, true) && members_changed(object_id))
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("cannot add objects to extension %s or take them from it", RAFT_EXTENSION)));
	}
	else if (class_id == TriggerRelationId || class_id == RewriteRelationId)
	{
		Oid			relation = relation_of_new(class_id, object_id);

		if (OidIsValid(relation) && is_member(RelationRelationId, relation))
			refuse_alteration(RelationRelationId, relation);
	}
	else if (is_member(class_id, object_id) && !owner_changed(class_id, object_id))
		refuse_alteration(class_id, object_id);
}

void
raft_guard_object_access(ObjectAccessType access, Oid class_id, Oid object_id, int sub_id,
						 const void *arg)
{
	if (creating_extension || IsBinaryUpgrade || !IsTransactionState() ||
		!OidIsValid(MyDatabaseId))
		return;

	if (access == OAT_POST_CREATE)
		check_created(class_id, object_id, sub_id, arg);
	else if (access == OAT_POST_ALTER)
		check_altered(class_id, object_id, arg);
	else if (access == OAT_DROP && class_id == RelationRelationId && sub_id != 0 &&
			 is_member(class_id, object_id))
		refuse_alteration(class_id, object_id);
}

/* --- rows and locks --- */

static bool
is_change(const RaftPermissions *wanted, const RaftTable *table)
{
	AclMode		changes = wanted->requiredPerms & (ACL_INSERT | ACL_UPDATE | ACL_DELETE);

	if (table->deleter == RAFT_DELETE_ANYBODY ||
		(table->deleter == RAFT_DELETE_SUPERUSER && superuser()))
		changes &= ~ACL_DELETE;
	return changes != 0;
}

/* A locked row counts as changed: FOR UPDATE and FOR SHARE ask for the right to update. */
static bool
check_perms(RAFT_CHECK_PERMS_PARAMS)
{
	ListCell   *cell;

	if (prev_check_perms_hook && !prev_check_perms_hook(RAFT_CHECK_PERMS_ARGS))
		return false;
	if (creating_extension || IsBinaryUpgrade)
		return true;

	foreach(cell, permissions)
	{
		const RaftPermissions *wanted = (const RaftPermissions *) lfirst(cell);
		const RaftTable *table;

		if (!OidIsValid(wanted->relid) ||
			(wanted->requiredPerms & (ACL_INSERT | ACL_UPDATE | ACL_DELETE)) == 0)
			continue;
		table = raft_table_find(wanted->relid);
		if (table == NULL || !is_change(wanted, table))
			continue;
		if (!complain)
			return false;
		raft_table_refuse_change(table->name);
	}
	return true;
}

/* LOCK TABLE of a view locks what it reads from, and so on. */
static bool
locks_member(Oid relation, List **views)
{
	Relation	view;
	bool		found;

	if (is_member(RelationRelationId, relation))
		return true;
	if (get_rel_relkind(relation) != RELKIND_VIEW || list_member_oid(*views, relation))
		return false;
	*views = lappend_oid(*views, relation);
	view = table_open(relation, AccessShareLock);
	found = query_locks_member((Node *) get_view_query(view), views);
	table_close(view, AccessShareLock);
	return found;
}

static bool
query_locks_member(Node *node, void *views)
{
	ListCell   *cell;

	if (node == NULL)
		return false;
	if (!IsA(node, Query))
		return expression_tree_walker(node, query_locks_member, views);
	foreach(cell, ((Query *) node)->rtable)
	{
		RangeTblEntry *entry = lfirst_node(RangeTblEntry, cell);

		if (entry->rtekind == RTE_RELATION && locks_member(entry->relid, views))
			return true;
	}
	return query_tree_walker((Query *) node, query_locks_member, views, QTW_IGNORE_JOINALIASES);
}

/* Reading takes an ACCESS SHARE lock, too, and pg_dump does so by LOCK TABLE. */
static void
check_lock(const LockStmt *statement)
{
	List	   *views = NIL;
	ListCell   *cell;

	if (statement->mode == AccessShareLock || !OidIsValid(get_extension_oid(RAFT_EXTENSION, true)))
		return;
	foreach(cell, statement->relations)
	{
		RangeVar   *table = lfirst_node(RangeVar, cell);
		Oid			relation = RangeVarGetRelid(table, NoLock, true);

		if (OidIsValid(relation) && locks_member(relation, &views))
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					 errmsg("cannot lock relation \"%s\"", table->relname),
					 errdetail("The workers of extension %s would wait for the lock.", RAFT_EXTENSION),
					 errhint("ACCESS SHARE MODE is possible.")));
	}
}

/* --- statements --- */

/*
 * Not all of ALTER TABLE tells the object access hook.  Which table would the statement alter in
 * another way than by giving it an owner?
 */
static RangeVar *
altered_table(Node *statement)
{
	if (IsA(statement, RenameStmt))
		return ((RenameStmt *) statement)->relation;
	if (IsA(statement, AlterTableStmt))
	{
		ListCell   *cell;

		foreach(cell, ((AlterTableStmt *) statement)->cmds)
		{
			if (lfirst_node(AlterTableCmd, cell)->subtype != AT_ChangeOwner)
				return ((AlterTableStmt *) statement)->relation;
		}
	}
	return NULL;
}

static void
check_statement(Node *statement)
{
	RangeVar   *table = altered_table(statement);
	Oid			relation;

	if (creating_extension || IsBinaryUpgrade)
		return;
	if (IsA(statement, LockStmt))
		check_lock((LockStmt *) statement);
	if (table == NULL)
		return;
	relation = RangeVarGetRelid(table, NoLock, true);
	if (OidIsValid(relation) && is_member(RelationRelationId, relation))
		refuse_alteration(RelationRelationId, relation);
}

/* --- VACUUM FULL and REPACK --- */

static bool
is_vacuum_full(const VacuumStmt *statement)
{
	ListCell   *cell;
	bool		full = false;

	if (!statement->is_vacuumcmd)
		return false;
	foreach(cell, statement->options)
	{
		DefElem    *option = lfirst_node(DefElem, cell);

		if (strcmp(option->defname, "full") == 0)
			full = defGetBoolean(option);
	}
	return full;
}

/* Every table of the database but the log; whoever may not vacuum one gets no warning for it. */
static List *
all_tables_without(Oid log)
{
	Relation	catalog = table_open(RelationRelationId, AccessShareLock);
	TableScanDesc scan = table_beginscan_catalog(catalog, 0, NULL);
	List	   *tables = NIL;
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = heap_getnext(scan, ForwardScanDirection)))
	{
		Form_pg_class form = (Form_pg_class) GETSTRUCT(tuple);

		if (form->oid != log &&
			(form->relkind == RELKIND_RELATION || form->relkind == RELKIND_MATVIEW) &&
			(form->relpersistence != RELPERSISTENCE_TEMP ||
			 isTempOrTempToastNamespace(form->relnamespace)) &&
			raft_may_vacuum(form->oid, form))
			tables = lappend(tables, makeVacuumRelation(NULL, form->oid, NIL));
	}
	table_endscan(scan);
	table_close(catalog, AccessShareLock);
	return tables;
}

static List *
named_tables_without(List *named, Oid log)
{
	List	   *tables = NIL;
	ListCell   *cell;

	foreach(cell, named)
	{
		VacuumRelation *table = lfirst_node(VacuumRelation, cell);

		if (table->relation != NULL &&
			RangeVarGetRelid(table->relation, NoLock, true) == log)
			ereport(WARNING,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("skipping \"%s\" --- cannot rewrite the log of a Raft group",
							table->relation->relname)));
		else
			tables = lappend(tables, table);
	}
	return tables;
}

/*
 * REPACK of all tables does what VACUUM FULL does, which can be told to do it for a list
 * of tables.  NULL with options that PostgreSQL refuses for more than one table.
 */
static VacuumStmt *
repack_as_vacuum(List *options)
{
	VacuumStmt *vacuum = makeNode(VacuumStmt);
	ListCell   *cell;

	vacuum->is_vacuumcmd = true;
	vacuum->options = list_make1(makeDefElem("full", NULL, -1));
	foreach(cell, options)
	{
		DefElem    *option = lfirst_node(DefElem, cell);

		if (strcmp(option->defname, "verbose") == 0)
			vacuum->options = lappend(vacuum->options, option);
		else if ((strcmp(option->defname, "analyze") != 0 &&
				  strcmp(option->defname, "analyse") != 0 &&
				  strcmp(option->defname, "concurrently") != 0) ||
				 defGetBoolean(option))
			return NULL;
	}
	return vacuum;
}

/*
 * What the statement does if it rewrites the tables of the whole database, or those
 * that it names; else NULL.
 */
static VacuumStmt *
rewrite_of_tables(Node *statement)
{
	List	   *repack_options;

	if (raft_is_repack_of_all(statement, &repack_options))
		return repack_as_vacuum(repack_options);
	if (IsA(statement, VacuumStmt) && is_vacuum_full((VacuumStmt *) statement))
		return (VacuumStmt *) statement;
	return NULL;
}

/* The statement without the log; NULL when nothing is left of it. */
static PlannedStmt *
spare_the_log(PlannedStmt *planned, VacuumStmt *rewrite, Oid log, bool is_top_level)
{
	if (!IsA(planned->utilityStmt, VacuumStmt))
		PreventInTransactionBlock(is_top_level, "REPACK");

	rewrite = copyObject(rewrite);
	rewrite->rels = rewrite->rels == NIL ? all_tables_without(log) :
		named_tables_without(rewrite->rels, log);
	planned = copyObject(planned);
	planned->utilityStmt = (Node *) rewrite;
	return rewrite->rels == NIL ? NULL : planned;
}

static void
process_utility(PlannedStmt *planned, const char *query_string, bool read_only_tree,
				ProcessUtilityContext context, ParamListInfo params, QueryEnvironment *environment,
				DestReceiver *dest, QueryCompletion *completion)
{
	VacuumStmt *rewrite = rewrite_of_tables(planned->utilityStmt);

	check_statement(planned->utilityStmt);
	if (rewrite != NULL && IsTransactionState() &&
		OidIsValid(get_extension_oid(RAFT_EXTENSION, true)))
	{
		Oid			log = raft_log_find_relation();

		if (OidIsValid(log))
			planned = spare_the_log(planned, rewrite, log, context == PROCESS_UTILITY_TOPLEVEL);
		if (planned == NULL)
			return;
	}

	if (prev_process_utility_hook)
		prev_process_utility_hook(planned, query_string, read_only_tree, context, params,
								  environment, dest, completion);
	else
		standard_ProcessUtility(planned, query_string, read_only_tree, context, params,
								environment, dest, completion);
}

void
raft_guard_init(void)
{
	prev_check_perms_hook = ExecutorCheckPerms_hook;
	ExecutorCheckPerms_hook = check_perms;
	prev_process_utility_hook = ProcessUtility_hook;
	ProcessUtility_hook = process_utility;
}
