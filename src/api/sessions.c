/*-------------------------------------------------------------------------
 *
 * sessions.c
 *	  The rows of pg_stat_raft_sessions: who waits in Raft, and for what.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "api/api.h"
#include "client/slots.h"
#include "client/waiting.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

RAFT_SQL_FUNCTION(raft_sql_sessions);

#define SESSIONS_COLUMNS	5

/* Committed and on this node's disk: nothing but the applier is left to wait for. */
static const char *
waits_for_entry(RaftGroup *group, RaftIndex index)
{
	return index <= pg_atomic_read_u64(&group->ready) ? "applier" : "quorum";
}

/* Name of what is waited for; also gives index and term where they are known. */
static const char *
waited_for(RaftGroup *group, const RaftWaiting *waiting, RaftIndex *index, RaftTerm *term)
{
	*index = waiting->index;
	*term = 0;
	switch (waiting->what)
	{
		case RAFT_WAITING_NOT:
			break;
		case RAFT_WAITING_LEADER:
			return "leader";
		case RAFT_WAITING_QUEUE:
			return "queue";
		case RAFT_WAITING_COMMAND:
			if (raft_slot_place(group->slots, waiting->slot, index, term))
				return waits_for_entry(group, *index);
			return "place";
		case RAFT_WAITING_ENTRY:
			return waits_for_entry(group, *index);
	}
	return "?";
}

Datum
raft_sql_sessions(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	RaftGroup  *group;

	raft_require_preload();
	InitMaterializedSRF(fcinfo, 0);
	group = raft_group_find(MyDatabaseId);
	if (group == NULL)
		return (Datum) 0;

	for (int slot = 0; slot < MaxBackends; slot++)
	{
		RaftWaiting waiting;
		RaftIndex	index;
		RaftTerm	term;
		Datum		values[SESSIONS_COLUMNS];
		bool		nulls[SESSIONS_COLUMNS] = {false};

		if (!raft_waiting_get(slot, &waiting) || waiting.database != MyDatabaseId)
			continue;
		values[0] = Int32GetDatum(waiting.pid);
		values[1] = CStringGetTextDatum(waited_for(group, &waiting, &index, &term));
		values[2] = Int64GetDatum((int64) index);
		nulls[2] = index == 0;
		values[3] = Int64GetDatum((int64) term);
		nulls[3] = term == 0;
		values[4] = TimestampTzGetDatum(waiting.since);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}
