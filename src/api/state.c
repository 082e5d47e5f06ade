/*-------------------------------------------------------------------------
 *
 * state.c
 *	  raft_state(), raft_is_leader(), raft_leader() and the rows of raft.members.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "api/api.h"
#include "funcapi.h"
#include "group/blockers.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"
#include "utils/uuid.h"

RAFT_SQL_FUNCTION(raft_sql_state);
RAFT_SQL_FUNCTION(raft_sql_is_leader);
RAFT_SQL_FUNCTION(raft_sql_leader);
RAFT_SQL_FUNCTION(raft_sql_members);

#define STATE_COLUMNS		10
#define MEMBERS_COLUMNS		6

Datum
raft_group_id_datum(const uint8 group_id[RAFT_GROUP_ID_BYTES])
{
	pg_uuid_t  *uuid = palloc(sizeof(pg_uuid_t));

	StaticAssertStmt(UUID_LEN == RAFT_GROUP_ID_BYTES, "a group id is a UUID");
	memcpy(uuid->data, group_id, UUID_LEN);
	return UUIDPGetDatum(uuid);
}

const char *
raft_member_role_name(uint8 flags)
{
	return (flags & (RAFT_MEMBER_VOTER | RAFT_MEMBER_OUTGOING)) != 0 ? "voter" : "learner";
}

const char *
raft_state_name(RaftGroupState state, const RaftStanding *standing)
{
	if (state == RAFT_GROUP_RUNNING && standing->stale)
		return "stale";
	return raft_group_state_name(state);
}

/* Peers whose servers refuse this node's stream, and why; NULL when none does. */
static char *
refusals_text(RaftGroup *group)
{
	RaftGroupLinks *links = palloc(sizeof(RaftGroupLinks));
	StringInfoData text;

	raft_group_get_links(group, links);
	initStringInfo(&text);
	for (int i = 0; i < links->n; i++)
	{
		const RaftLinkStats *link = &links->of[i];
		char	   *name = raft_group_member_name(group, link->id);

		if (link->refused_since == 0 || name == NULL)
			continue;
		appendStringInfo(&text, "%snode \"%s\" refuses this node: %s",
						 text.len > 0 ? "; " : "", name, link->last_error);
	}
	return text.len > 0 ? text.data : NULL;
}

/* What keeps a group that runs from working as it should; NULL = nothing. */
static char *
trouble_text(RaftGroup *group, const RaftStanding *standing, const RaftGroupStatus *status)
{
	RaftApplierStatus applier;
	RaftLockWait wait;
	char	   *refusals = refusals_text(group);
	char	   *awaited = raft_describe_awaited(group);

	if (standing->stale)
		return pstrdup("the node worker stands still: figures and role are its last");
	if (awaited != NULL)
		return psprintf("the group is being formed: %s", awaited);
	if (refusals != NULL)
		return refusals;
	raft_group_get_applier(group, &applier);
	if (status->log_trouble != RAFT_LOG_HAS_ROOM)
		return pstrdup(raft_log_trouble_text(status->log_trouble));
	if (applier.last_error[0] != '\0')
		return psprintf("the applier cannot go on: %s", applier.last_error);
	if (raft_applier_is_late(group) && raft_applier_waits(group, &wait))
		return raft_lock_wait_text(group, &wait);
	return NULL;
}

/* Columns of a group that runs or is to run. */
static void
fill_state(RaftGroup *group, Datum *values, bool *nulls)
{
	RaftGroupStatus status;
	char		error[512];
	char		hint[256];
	RaftGroupState state = raft_group_get_state(group, error, hint);
	RaftStanding standing;
	char	   *leader_name = NULL;
	char	   *trouble;

	raft_group_get_standing(group, &standing);
	if (standing.leader != 0)
		leader_name = raft_group_member_name(group, standing.leader);

	values[8] = CStringGetTextDatum(raft_state_name(state, &standing));
	nulls[9] = error[0] == '\0';
	if (!nulls[9])
		values[9] = CStringGetTextDatum(error);
	if (state != RAFT_GROUP_RUNNING)
		return;

	raft_group_get_status(group, &status);
	trouble = trouble_text(group, &standing, &status);
	if (nulls[9] && trouble != NULL)
	{
		nulls[9] = false;
		values[9] = CStringGetTextDatum(trouble);
	}
	values[1] = CStringGetTextDatum(raft_role_name(status.role));
	values[2] = Int64GetDatum((int64) status.term);
	if (leader_name != NULL)
		values[3] = CStringGetTextDatum(leader_name);
	values[4] = Int64GetDatum((int64) status.commit);
	values[5] = Int64GetDatum((int64) pg_atomic_read_u64(&group->visible));
	values[6] = Int64GetDatum((int64) status.last);
	values[7] = BoolGetDatum(standing.has_quorum);
	memset(&nulls[1], false, 7);
	nulls[3] = leader_name == NULL;
}

Datum
raft_sql_state(PG_FUNCTION_ARGS)
{
	RaftGroup  *group;
	RaftNodeRow row;
	TupleDesc	descriptor;
	Datum		values[STATE_COLUMNS];
	bool		nulls[STATE_COLUMNS];

	raft_require_preload();
	if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");

	memset(nulls, true, sizeof(nulls));
	nulls[8] = false;
	if (raft_node_row_read(&row))
	{
		nulls[0] = false;
		values[0] = CStringGetTextDatum(row.node);
	}

	group = raft_group_find(MyDatabaseId);
	if (group != NULL)
		fill_state(group, values, nulls);
	else
		values[8] = CStringGetTextDatum(nulls[0] ? "not started" : "stopped");
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor), values, nulls)));
}

Datum
raft_sql_is_leader(PG_FUNCTION_ARGS)
{
	RaftGroup  *group;
	RaftStanding standing = {0};

	raft_require_preload();
	group = raft_group_find(MyDatabaseId);
	if (group != NULL)
		raft_group_get_standing(group, &standing);
	PG_RETURN_BOOL(standing.is_leader);
}

Datum
raft_sql_leader(PG_FUNCTION_ARGS)
{
	RaftGroup  *group;
	RaftStanding standing = {0};
	char	   *name = NULL;

	raft_require_preload();
	group = raft_group_find(MyDatabaseId);
	if (group != NULL)
		raft_group_get_standing(group, &standing);
	if (standing.leader != 0)
		name = raft_group_member_name(group, standing.leader);
	if (name == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(name));
}

/* --- raft.members --- */

/* Members of the first configuration, as raft_start() stored it. */
static int
stored_members(const RaftNodeRow *row, RaftGroupMember **members)
{
	return raft_group_decode_members((const uint8 *) VARDATA(row->bootstrap),
									 VARSIZE(row->bootstrap) - VARHDRSZ, members);
}

int
raft_members_now(const RaftNodeRow *row, RaftGroupMember **members)
{
	RaftGroup  *group = raft_group_find(MyDatabaseId);
	int			n = group == NULL ? 0 : raft_group_get_members(group, members);

	return n > 0 ? n : stored_members(row, members);
}

Datum
raft_sql_members(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	RaftGroup  *group;
	RaftGroupMember *members;
	RaftNodeRow row;
	RaftStanding standing = {0};
	int			n;

	raft_require_preload();
	InitMaterializedSRF(fcinfo, 0);
	if (!raft_node_row_read(&row))
		return (Datum) 0;

	group = raft_group_find(MyDatabaseId);
	if (group != NULL)
		raft_group_get_standing(group, &standing);
	n = raft_members_now(&row, &members);

	for (int i = 0; i < n; i++)
	{
		Datum		values[MEMBERS_COLUMNS];
		bool		nulls[MEMBERS_COLUMNS] = {false};

		values[0] = CStringGetTextDatum(members[i].name);
		values[1] = Int32GetDatum((int32) members[i].id);
		values[2] = CStringGetTextDatum(raft_member_role_name(members[i].flags));
		values[3] = CStringGetTextDatum(members[i].conninfo);
		nulls[3] = members[i].conninfo[0] == '\0';
		values[4] = BoolGetDatum(members[i].id == row.node_id);
		values[5] = BoolGetDatum(members[i].id == standing.leader);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}
