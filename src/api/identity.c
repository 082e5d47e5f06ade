/*-------------------------------------------------------------------------
 *
 * identity.c
 *	  raft_reset_identity(): a superuser vouches for this copy of the log.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xlog.h"
#include "api/api.h"
#include "catalog/namespace.h"
#include "log/log.h"
#include "miscadmin.h"
#include "tables/node.h"
#include "tables/resets.h"
#include "tcop/utility.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

RAFT_SQL_FUNCTION(raft_sql_reset_identity);

/* A node that runs has nothing to be vouched for. */
static void
check_not_running(void)
{
	RaftGroup  *group = raft_group_find(MyDatabaseId);
	RaftGroupState state = group ? raft_group_get_state(group, NULL, NULL) : RAFT_GROUP_FREE;

	if (state != RAFT_GROUP_FREE && state != RAFT_GROUP_FAILED)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the identity of a running node cannot be reset"),
				 errdetail("The group of this database is in state \"%s\".",
						   raft_group_state_name(state)),
				 errhint("This is for a copy that raft_start() has refused.")));
}

static uint64
last_incarnation(void)
{
	Relation	log = table_open(get_relname_relid("log", get_namespace_oid(RAFT_SCHEMA, false)),
								 AccessShareLock);
	uint64		incarnation = raft_log_last_incarnation(raft_rel_file(log));

	table_close(log, AccessShareLock);
	return incarnation;
}

Datum
raft_sql_reset_identity(PG_FUNCTION_ARGS)
{
	RaftNodeRow row;
	uint64		incarnation;

	raft_require_preload();
	PreventCommandDuringRecovery("raft_reset_identity()");
	PreventCommandIfReadOnly("raft_reset_identity()");
	if (!superuser())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be superuser to reset the identity of a Raft node")));

	raft_node_row_lock();
	check_not_running();
	incarnation = raft_node_row_read(&row) ? last_incarnation() : 0;
	if (incarnation == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("this database has no Raft log")));
	raft_resets_add(incarnation);
	PG_RETURN_VOID();
}
