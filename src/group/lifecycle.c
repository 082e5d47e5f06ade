/*-------------------------------------------------------------------------
 *
 * lifecycle.c
 *	  Starting and stopping a group together with the transaction that wants
 *	  it, and the mark by which a restarted server finds its groups.
 *
 * raft_start() and raft_stop() write tables and the mark; the workers must see
 * the change exactly when it is committed, so what is to happen with them is
 * remembered here until the transaction ends.  A drop is different: the
 * workers have to be gone before the transaction can go on, and come back when
 * it aborts.
 *
 * The mark is a security label of the database, in the shared catalog
 * pg_shseclabel: the launcher, which is connected to no database, can read it,
 * DROP DATABASE removes it, and CREATE DATABASE ... TEMPLATE does not copy it.
 *
 *-------------------------------------------------------------------------
 */
#include "raft_pg.h"

#include "access/heapam.h"
#include "catalog/namespace.h"
#include "catalog/pg_database.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_shseclabel.h"
#include "commands/dbcommands.h"
#include "commands/extension.h"
#include "commands/seclabel.h"
#include "group/group.h"
#include "group/shared.h"
#include "group/workers.h"
#include "miscadmin.h"
#include "tables/node.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#define LABEL_PROVIDER	"raft_pg"
#define LABEL_AUTOSTART "autostart"

/* Wake up once in a while to send the signal again: a worker may have just come. */
#define STOP_RESIGNAL_MS	500

typedef enum ChangeKind
{
	CHANGE_START,
	CHANGE_STOP,
	CHANGE_DROP
} ChangeKind;

/* What the end of the current transaction decides. */
typedef struct Change
{
	ChangeKind	kind;
	Oid			database;
	SubTransactionId subid;		/* the innermost one that asked for it */
	RaftGroupState before;		/* CHANGE_DROP: state to return to */
} Change;

static List *changes = NIL;		/* of Change, in TopTransactionContext */

static void
remember_change(ChangeKind kind, Oid database, RaftGroupState before)
{
	MemoryContext oldcontext = MemoryContextSwitchTo(TopTransactionContext);
	Change	   *change = palloc(sizeof(Change));

	change->kind = kind;
	change->database = database;
	change->subid = GetCurrentSubTransactionId();
	change->before = before;
	changes = lappend(changes, change);
	MemoryContextSwitchTo(oldcontext);
}

/* --- at the end of a transaction --- */

/* Runs after the commit: it may not fail. */
static void
change_committed(const Change *change)
{
	RaftGroup  *group;

	if (change->kind == CHANGE_START)
	{
		if (!raft_group_take(change->database))
			ereport(WARNING,
					(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
					 errmsg("Raft group will not start until another one is stopped"),
					 errdetail("\"raft_pg.max_groups\" (%d) groups are running on this server.",
							   raft_max_groups)));
		return;
	}

	LWLockAcquire(raft_shared->lock, LW_EXCLUSIVE);
	group = raft_group_slot(change->database);
	if (group != NULL)
	{
		group->drop_pending = false;
		raft_group_stop(group);
	}
	LWLockRelease(raft_shared->lock);
}

static void
change_aborted(const Change *change)
{
	RaftGroup  *group;

	if (change->kind != CHANGE_DROP)
		return;

	LWLockAcquire(raft_shared->lock, LW_EXCLUSIVE);
	group = raft_group_slot(change->database);
	if (group != NULL)
	{
		group->drop_pending = false;
		if (change->before == RAFT_GROUP_FAILED)
			(void) raft_life_event(group, RAFT_LIFE_DROP_OF_FAILED_UNDONE);
		else if (change->before != RAFT_GROUP_STOPPING)
			(void) raft_life_event(group, RAFT_LIFE_DROP_UNDONE);
	}
	LWLockRelease(raft_shared->lock);
}

static void
at_transaction_end(XactEvent event, void *arg)
{
	ListCell   *cell;

	if (changes == NIL)
		return;

	switch (event)
	{
		case XACT_EVENT_COMMIT:
			foreach(cell, changes)
				change_committed(lfirst(cell));
			break;

		case XACT_EVENT_ABORT:
			foreach(cell, changes)
				change_aborted(lfirst(cell));
			break;

		case XACT_EVENT_PRE_PREPARE:
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("cannot PREPARE a transaction that started, stopped or dropped a Raft group")));
			break;

		default:
			return;
	}

	changes = NIL;				/* the memory goes with the transaction */
	raft_launcher_wake();
}

static void
at_subtransaction_end(SubXactEvent event, SubTransactionId subid,
					  SubTransactionId parent_subid, void *arg)
{
	ListCell   *cell;

	if (changes == NIL)
		return;

	if (event == SUBXACT_EVENT_COMMIT_SUB)
	{
		foreach(cell, changes)
		{
			Change	   *change = lfirst(cell);

			if (change->subid == subid)
				change->subid = parent_subid;
		}
	}
	else if (event == SUBXACT_EVENT_ABORT_SUB)
	{
		foreach(cell, changes)
		{
			Change	   *change = lfirst(cell);

			if (change->subid == subid)
			{
				change_aborted(change);
				changes = foreach_delete_current(changes, cell);
			}
		}
		raft_launcher_wake();
	}
}

/* --- raft_start(), raft_stop() --- */

static bool
slot_exists(Oid database)
{
	bool		exists;

	LWLockAcquire(raft_shared->lock, LW_SHARED);
	exists = (raft_group_slot(database) != NULL);
	LWLockRelease(raft_shared->lock);
	return exists;
}

static bool
slot_available(Oid database)
{
	bool		available;

	LWLockAcquire(raft_shared->lock, LW_SHARED);
	available = (raft_group_slot(database) != NULL);
	for (int i = 0; i < raft_shared->n_groups && !available; i++)
		available = (raft_shared->groups[i].state == RAFT_GROUP_FREE);
	LWLockRelease(raft_shared->lock);
	return available;
}

void
raft_group_start_at_commit(void)
{
	raft_require_preload();

	if (!slot_available(MyDatabaseId))
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("too many Raft groups on this server"),
				 errhint("Increase \"raft_pg.max_groups\" (currently %d) and restart the server.",
						 raft_max_groups)));
	remember_change(CHANGE_START, MyDatabaseId, RAFT_GROUP_FREE);
}

void
raft_group_stop_at_commit(void)
{
	raft_require_preload();
	remember_change(CHANGE_STOP, MyDatabaseId, RAFT_GROUP_FREE);
}

/* --- drops --- */

static bool
workers_gone(RaftGroup *group)
{
	bool		gone;

	SpinLockAcquire(&group->mutex);
	gone = true;
	for (int kind = 0; kind < RAFT_WORKER_KINDS; kind++)
		gone &= group->worker_pid[kind] == 0;
	SpinLockRelease(&group->mutex);
	return gone;
}

void
raft_group_stop_for_drop(Oid database)
{
	RaftGroup  *group;

	if (raft_shared == NULL)
		return;

	LWLockAcquire(raft_shared->lock, LW_EXCLUSIVE);
	group = raft_group_slot(database);
	if (group == NULL || group->drop_pending)
	{
		LWLockRelease(raft_shared->lock);
		return;
	}
	/* first what an abort has to undo, then the deed */
	remember_change(CHANGE_DROP, database, group->state);
	group->drop_pending = true;
	raft_group_stop(group);
	LWLockRelease(raft_shared->lock);

	/* the streams from peers, connections to this database too, end with the node worker */
	ConditionVariablePrepareToSleep(&group->state_cv);
	while (!workers_gone(group))
	{
		static uint32 wait_event = 0;

		if (wait_event == 0)
			wait_event = raft_wait_event_new("RaftStopWorkers");
		if (ConditionVariableTimedSleep(&group->state_cv, STOP_RESIGNAL_MS, wait_event))
			(void) raft_group_terminate_workers(group);
	}
	ConditionVariableCancelSleep();
}

/* raft.node is dropped, with the extension: what that means for a member of a group. */
static void
warn_of_lost_identity(Oid table)
{
	RaftNodeRow row;
	RaftConfig	members;

	if (raft_node_row_read_dropped(table, &row) &&
		raft_config_decode((uint8 *) VARDATA(row.bootstrap), VARSIZE(row.bootstrap) - VARHDRSZ,
						   &members, NULL) == RAFT_DECODE_OK &&
		members.n_members > 1)
		ereport(WARNING,
				(errmsg("Raft node \"%s\" is discarded with its log", row.node),
				 errdetail("It cannot come back under this name: the other members know it by the log that is dropped."),
				 errhint("raft_stop() stops a node and keeps it.")));
}

void
raft_lifecycle_log_dropped(void)
{
	if (raft_shared == NULL)
		return;

	raft_group_stop_for_drop(MyDatabaseId);
	raft_autostart_clear(MyDatabaseId);
}

void
raft_lifecycle_object_dropped(Oid class_id, Oid object_id)
{
	if (raft_shared == NULL)
		return;

	/* dropping the current database is about to fail by itself */
	if (class_id == DatabaseRelationId && object_id != MyDatabaseId)
		raft_group_stop_for_drop(object_id);
	else if (class_id == ExtensionRelationId &&
			 object_id == get_extension_oid(RAFT_EXTENSION, true))
		raft_lifecycle_log_dropped();
	else if (class_id == RelationRelationId &&
			 object_id == get_relname_relid("node", get_namespace_oid(RAFT_SCHEMA, true)))
		warn_of_lost_identity(object_id);
}

/* --- the mark --- */

static void
set_label(Oid database, const char *label)
{
	ObjectAddress address;

	ObjectAddressSet(address, DatabaseRelationId, database);
	SetSecurityLabel(&address, LABEL_PROVIDER, label);
}

void
raft_autostart_set(Oid database)
{
	set_label(database, LABEL_AUTOSTART);
}

void
raft_autostart_clear(Oid database)
{
	set_label(database, NULL);
}

/*
 * SECURITY LABEL FOR raft_pg.  pg_dump writes the mark of a database that it is
 * to create again: that one statement passes, and means nothing without the
 * row in raft.node.  Everything else is somebody looking for raft_start().
 */
static void
check_relabel(const ObjectAddress *object, const char *label)
{
	if (object->classId == DatabaseRelationId && label != NULL &&
		strcmp(label, LABEL_AUTOSTART) == 0)
		return;

	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("security labels of provider \"%s\" cannot be set by hand", LABEL_PROVIDER),
			 errhint("Use raft_start() and raft_stop().")));
}

void
raft_autostart_scan(void)
{
	Relation	rel = table_open(SharedSecLabelRelationId, AccessShareLock);
	Snapshot	snapshot = RegisterSnapshot(GetCatalogSnapshot(SharedSecLabelRelationId));
	TableScanDesc scan = raft_beginscan(rel, snapshot);
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = heap_getnext(scan, ForwardScanDirection)))
	{
		Form_pg_shseclabel form = (Form_pg_shseclabel) GETSTRUCT(tuple);
		bool		isnull;
		Datum		provider;

		if (form->classoid != DatabaseRelationId)
			continue;
		provider = heap_getattr(tuple, Anum_pg_shseclabel_provider,
								RelationGetDescr(rel), &isnull);
		if (isnull || strcmp(TextDatumGetCString(provider), LABEL_PROVIDER) != 0)
			continue;

		/* a slot that exists is in the hands of those who set its state */
		if (slot_exists(form->objoid) || get_database_name(form->objoid) == NULL)
			continue;
		if (!raft_group_take(form->objoid))
			ereport(LOG,
					(errmsg("could not start the Raft group of database %u: \"raft_pg.max_groups\" (%d) groups are running",
							form->objoid, raft_max_groups)));
	}

	table_endscan(scan);
	UnregisterSnapshot(snapshot);
	table_close(rel, AccessShareLock);
}

/* --- registration, in the postmaster --- */

void
raft_lifecycle_init(void)
{
	RegisterXactCallback(at_transaction_end, NULL);
	RegisterSubXactCallback(at_subtransaction_end, NULL);
	register_label_provider(LABEL_PROVIDER, check_relabel);
}
