/*-------------------------------------------------------------------------
 *
 * stats.c
 *	  The rows of pg_stat_raft and pg_stat_raft_replication: copies of what
 *	  the workers publish, nothing computed from settings.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "api/api.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "net/inbox.h"
#include "net/peer.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(raft_sql_stat);
PG_FUNCTION_INFO_V1(raft_sql_stat_replication);

#define MAX_COLUMNS		40

/* A row under construction: columns are appended in the order of the view. */
typedef struct Row
{
	int			n;
	Datum		values[MAX_COLUMNS];
	bool		nulls[MAX_COLUMNS];
} Row;

static void
add(Row *row, Datum value, bool isnull)
{
	Assert(row->n < MAX_COLUMNS);
	row->values[row->n] = value;
	row->nulls[row->n] = isnull;
	row->n++;
}

static void
add_text(Row *row, const char *text)
{
	bool		isnull = text == NULL || text[0] == '\0';

	add(row, isnull ? (Datum) 0 : CStringGetTextDatum(text), isnull);
}

static void
add_number(Row *row, uint64 number)
{
	add(row, Int64GetDatum((int64) number), false);
}

/* 0 = never */
static void
add_time(Row *row, TimestampTz when)
{
	add(row, TimestampTzGetDatum(when), when == 0);
}

static void
put_row(FunctionCallInfo fcinfo, Row *row)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;

	if (row->n != result->setDesc->natts)
		elog(ERROR, "a row of %d columns does not fit a view of %d", row->n, result->setDesc->natts);
	tuplestore_putvalues(result->setResult, result->setDesc, row->values, row->nulls);
}

static const char *
member_name(const RaftGroupMember *members, int n, RaftNodeId id)
{
	for (int i = 0; i < n; i++)
	{
		if (members[i].id == id)
			return members[i].name;
	}
	return NULL;
}

/* --- pg_stat_raft --- */

static void
add_identity(Row *row, RaftGroup *group, const RaftStanding *standing)
{
	RaftNodeRow node;

	if (raft_node_row_read(&node))
	{
		add_text(row, node.node);
		add(row, Int32GetDatum((int32) node.node_id), false);
		add(row, raft_group_id_datum(node.group_id), false);
	}
	else
	{
		for (int i = 0; i < 3; i++)
			add(row, (Datum) 0, true);
	}
	add_text(row, raft_state_name(raft_group_get_state(group, NULL, NULL), standing));
}

static void
add_consensus(Row *row, RaftGroup *group, const RaftStanding *standing,
			  const RaftGroupStatus *status, const RaftApplierStatus *applier)
{
	RaftGroupMember *members;
	int			n = raft_group_get_members(group, &members);

	add_text(row, raft_role_name(status->role));
	add_time(row, status->role_since);
	add_number(row, status->term);
	add_text(row, member_name(members, n, status->vote));
	add_text(row, member_name(members, n, standing->leader));
	add_time(row, status->leader_contact);
	add(row, BoolGetDatum(standing->has_quorum), false);
	add_number(row, status->first);
	add_number(row, status->last);
	add_number(row, status->durable);
	add_number(row, status->commit);
	add_number(row, applier->visible);
	add_number(row, applier->durable);
	add_number(row, status->floor);
	add_number(row, status->log_bytes);
	add_number(row, status->log_capacity);
}

static void
add_counters(Row *row, const RaftGroupStatus *status, const RaftApplierStatus *applier)
{
	add_number(row, status->elections);
	add_number(row, status->leaderships);
	add_number(row, status->messages_in);
	add_number(row, status->messages_refused);
	add_number(row, status->bytes_in);
	add_number(row, status->proposals);
	add_number(row, status->proposals_refused);
	add_number(row, status->flushes);
	add_number(row, status->entries_appended);
	add_number(row, status->turns);
	add_number(row, applier->transactions);
	add_number(row, applier->commands);
	add_number(row, applier->failures);
	add_number(row, applier->retries);
	add_text(row, applier->last_error);
	add_time(row, applier->last_error_time);
}

Datum
raft_sql_stat(PG_FUNCTION_ARGS)
{
	RaftGroup  *group;
	RaftGroupStatus *status = palloc(sizeof(RaftGroupStatus));
	RaftApplierStatus applier;
	RaftStanding standing;
	Row			row = {0};

	raft_require_preload();
	InitMaterializedSRF(fcinfo, 0);
	group = raft_group_find(MyDatabaseId);
	if (group == NULL)
		return (Datum) 0;

	raft_group_get_standing(group, &standing);
	raft_group_get_status(group, status);
	raft_group_get_applier(group, &applier);
	add_identity(&row, group, &standing);
	add_consensus(&row, group, &standing, status, &applier);
	add_number(&row, group->boot_count);
	add_counters(&row, status, &applier);
	put_row(fcinfo, &row);
	return (Datum) 0;
}

/* --- pg_stat_raft_replication --- */

static const RaftPeerStats *
find_link(const RaftGroupStatus *status, RaftNodeId id)
{
	for (int i = 0; i < RAFT_MAX_MEMBERS; i++)
	{
		if (status->links[i].id == id)
			return &status->links[i];
	}
	return NULL;
}

static const RaftPeerStatus *
find_progress(const RaftGroupStatus *status, RaftNodeId id)
{
	for (int i = 0; i < status->n_peers; i++)
	{
		if (status->peers[i].id == id)
			return &status->peers[i];
	}
	return NULL;
}

/* The core's clock as a timestamp; 0 = never. */
static TimestampTz
core_time(RaftTime when)
{
	RaftTime	now = raft_now();

	if (when == 0)
		return 0;
	return GetCurrentTimestamp() - (TimestampTz) (now > when ? now - when : 0);
}

/* What only the leader knows about a peer. */
static void
add_progress(Row *row, const RaftGroupStatus *status, const RaftPeerStatus *peer)
{
	if (status->role != RAFT_LEADER || peer == NULL)
	{
		for (int i = 0; i < 6; i++)
			add(row, (Datum) 0, true);
		return;
	}
	add_text(row, peer->state == RAFT_PROBE ? "probe" : "replicate");
	add_number(row, peer->match);
	add_number(row, peer->next);
	add(row, Int32GetDatum((int32) peer->inflight), false);
	add_number(row, status->last > peer->match ? status->last - peer->match : 0);
	add_time(row, core_time(peer->contact));
}

static void
add_link(Row *row, const RaftPeerStats *link)
{
	if (link == NULL)
	{
		for (int i = 0; i < 7; i++)
			add(row, (Datum) 0, true);
		return;
	}
	add_number(row, link->sent_messages);
	add_number(row, link->sent_bytes);
	add_number(row, link->dropped_messages);
	add_number(row, link->connects);
	add_time(row, link->last_connect);
	add_text(row, link->last_error);
	add_time(row, link->last_error_time);
}

Datum
raft_sql_stat_replication(PG_FUNCTION_ARGS)
{
	RaftGroup  *group;
	RaftGroupStatus *status = palloc(sizeof(RaftGroupStatus));
	RaftGroupMember *members;
	RaftNodeId	self;
	int			n;

	raft_require_preload();
	InitMaterializedSRF(fcinfo, 0);
	group = raft_group_find(MyDatabaseId);
	if (group == NULL || raft_group_get_state(group, NULL, NULL) != RAFT_GROUP_RUNNING)
		return (Datum) 0;

	raft_group_get_status(group, status);
	self = group->node_id;
	n = raft_group_get_members(group, &members);
	for (int i = 0; i < n; i++)
	{
		const RaftGroupMember *member = &members[i];
		const RaftPeerStats *link = find_link(status, member->id);
		Row			row = {0};

		if (member->id == self)
			continue;
		add_text(&row, member->name);
		add(&row, Int32GetDatum((int32) member->id), false);
		add_text(&row, raft_member_role_name(member->flags));
		add_text(&row, link == NULL ? NULL : raft_link_name(link->link));
		add_progress(&row, status, find_progress(status, member->id));
		add_link(&row, link);
		add(&row, BoolGetDatum(raft_inbox_connected(group->inboxes, member->id)), false);
		put_row(fcinfo, &row);
	}
	return (Datum) 0;
}
