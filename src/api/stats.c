/*-------------------------------------------------------------------------
 *
 * stats.c
 *	  The rows of pg_stat_raft and pg_stat_raft_replication: copies of what
 *	  the workers publish, less what they had counted at the last
 *	  raft_stat_reset().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "api/api.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "group/blockers.h"
#include "log/log.h"
#include "miscadmin.h"
#include "net/inbox.h"
#include "net/peer.h"
#include "net/refusals.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

RAFT_SQL_FUNCTION(raft_sql_stat);
RAFT_SQL_FUNCTION(raft_sql_stat_replication);
RAFT_SQL_FUNCTION(raft_sql_stat_reset);

#define MAX_COLUMNS		64

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
	if (row->n >= MAX_COLUMNS)
		elog(ERROR, "a row has more than %d columns", MAX_COLUMNS);
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

/* --- raft_stat_reset() --- */

/* The counters are the workers' own, so they stay, and what they are now is remembered. */
Datum
raft_sql_stat_reset(PG_FUNCTION_ARGS)
{
	RaftGroup  *group = raft_group_require();
	RaftGroupStatus *status = palloc(sizeof(RaftGroupStatus));
	RaftGroupLinks *links = palloc(sizeof(RaftGroupLinks));
	RaftApplierStatus applier;
	RaftStatsBaseline now = {.reset = GetCurrentTimestamp()};

	raft_group_get_status(group, status);
	raft_group_get_links(group, links);
	raft_group_get_applier(group, &applier);
	now.started = status->started;
	now.elections = status->elections;
	now.leaderships = status->leaderships;
	now.messages_in = status->messages_in;
	now.messages_refused = status->messages_refused;
	now.bytes_in = status->bytes_in;
	now.proposals = status->proposals;
	now.proposals_refused = status->proposals_refused;
	now.flushes = status->flushes;
	now.entries_appended = status->entries_appended;
	now.turns = status->turns;
	now.transactions = applier.transactions;
	now.commands = applier.commands;
	now.failures = applier.failures;
	now.retries = applier.retries;
	for (int i = 0; i < links->n; i++)
	{
		now.links[i].id = links->of[i].id;
		now.links[i].sent_messages = links->of[i].sent_messages;
		now.links[i].sent_bytes = links->of[i].sent_bytes;
		now.links[i].dropped_messages = links->of[i].dropped_messages;
		now.links[i].connects = links->of[i].connects;
	}
	raft_group_set_baseline(group, &now);
	PG_RETURN_VOID();
}

/* A connection that was made anew, for a member that was removed and came back, counts from 0. */
static void
subtract_link(RaftLinkStats *link, const RaftStatsBaseline *baseline)
{
	for (int i = 0; i < RAFT_MAX_MEMBERS; i++)
	{
		if (baseline->links[i].id != link->id ||
			baseline->links[i].sent_messages > link->sent_messages)
			continue;
		link->sent_messages -= baseline->links[i].sent_messages;
		link->sent_bytes -= baseline->links[i].sent_bytes;
		link->dropped_messages -= baseline->links[i].dropped_messages;
		link->connects -= baseline->links[i].connects;
		return;
	}
}

static void
subtract_baseline(RaftGroupStatus *status, RaftApplierStatus *applier,
				  const RaftStatsBaseline *baseline)
{
	applier->transactions -= baseline->transactions;
	applier->commands -= baseline->commands;
	applier->failures -= baseline->failures;
	applier->retries -= baseline->retries;

	if (baseline->started != status->started)
		return;					/* the node worker has started anew since */
	status->elections -= baseline->elections;
	status->leaderships -= baseline->leaderships;
	status->messages_in -= baseline->messages_in;
	status->messages_refused -= baseline->messages_refused;
	status->bytes_in -= baseline->bytes_in;
	status->proposals -= baseline->proposals;
	status->proposals_refused -= baseline->proposals_refused;
	status->flushes -= baseline->flushes;
	status->entries_appended -= baseline->entries_appended;
	status->turns -= baseline->turns;
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
	add_text(row, member_name(members, n, status->held.by));
	add(row, Int64GetDatum((int64) status->held.from), status->held.from == 0);
	add_time(row, status->held.since);
}

/* The lock that the applier waits for at this moment. */
static void
add_lock_wait(Row *row, RaftGroup *group)
{
	RaftLockWait wait;
	Datum	   *pids;

	if (!raft_applier_waits(group, &wait))
	{
		for (int i = 0; i < 3; i++)
			add(row, (Datum) 0, true);
		return;
	}
	pids = palloc(sizeof(Datum) * wait.n);
	for (int i = 0; i < wait.n; i++)
		pids[i] = Int32GetDatum(wait.pids[i]);
	add_text(row, raft_lock_object(group, &wait));
	add(row, PointerGetDatum(construct_array(pids, wait.n, INT4OID, sizeof(int32), true, TYPALIGN_INT)),
		false);
	add_time(row, wait.since);
}

static void
add_counters(Row *row, RaftGroup *group, const RaftGroupStatus *status,
			 const RaftApplierStatus *applier, TimestampTz reset)
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
	add(row, Int64GetDatum((int64) applier->error_index), applier->error_index == 0);
	add_lock_wait(row, group);
	add_time(row, status->started);
	add_time(row, reset);
}

Datum
raft_sql_stat(PG_FUNCTION_ARGS)
{
	RaftGroup  *group;
	RaftGroupStatus *status = palloc(sizeof(RaftGroupStatus));
	RaftApplierStatus applier;
	RaftStatsBaseline baseline;
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
	raft_group_get_baseline(group, &baseline);
	subtract_baseline(status, &applier, &baseline);
	add_identity(&row, group, &standing);
	add_consensus(&row, group, &standing, status, &applier);
	add_number(&row, group->boot_count);
	add_counters(&row, group, status, &applier, baseline.reset);
	put_row(fcinfo, &row);
	return (Datum) 0;
}

/* --- pg_stat_raft_replication --- */

static const RaftLinkStats *
find_link(const RaftGroupLinks *links, RaftNodeId id)
{
	for (int i = 0; i < links->n; i++)
	{
		if (links->of[i].id == id)
			return &links->of[i];
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

/* How old the entry is that the peer lacks; nothing when it lacks none, or it is gone. */
static void
add_lag_time(Row *row, RaftGroup *group, const RaftGroupStatus *status, RaftIndex match)
{
	Interval   *age = palloc0(sizeof(Interval));
	TimestampTz proposed = 0;

	if (match < status->last)
	{
		proposed = raft_log_entry_time(group->log, group->log_file, match + 1);
		if (proposed != 0)
			age->time = Max(GetCurrentTimestamp() - proposed, 0);
	}
	add(row, IntervalPGetDatum(age), match < status->last && proposed == 0);
}

/*
 * What only the leader knows about a peer.  Where its log agrees is not known before it
 * has confirmed something to this leader: a dead one never does, and lacks what it lacks,
 * not the whole log.
 */
static void
add_progress(Row *row, RaftGroup *group, const RaftGroupStatus *status,
			 const RaftPeerStatus *peer)
{
	bool		unknown;

	if (status->role != RAFT_LEADER || peer == NULL)
	{
		for (int i = 0; i < 8; i++)
			add(row, (Datum) 0, true);
		return;
	}
	unknown = peer->match == 0;
	add_text(row, peer->state == RAFT_PROBE ? "probe" : "replicate");
	add(row, Int64GetDatum((int64) peer->match), unknown);
	add_number(row, peer->next);
	add(row, Int32GetDatum((int32) peer->inflight), false);
	add(row, Int64GetDatum((int64) (status->last - Min(peer->match, status->last))), unknown);
	if (unknown)
		add(row, (Datum) 0, true);
	else
		add_lag_time(row, group, status, peer->match);
	add_time(row, core_time(peer->contact));
	add_text(row, peer->lost ? "it has lost entries that it had confirmed" : NULL);
}

static void
add_link(Row *row, const RaftLinkStats *link)
{
	bool		open;

	if (link == NULL)
	{
		for (int i = 0; i < 9; i++)
			add(row, (Datum) 0, true);
		return;
	}
	open = link->link == RAFT_LINK_STREAMING;
	add_number(row, link->sent_messages);
	add_number(row, link->sent_bytes);
	add_number(row, link->dropped_messages);
	add_number(row, link->connects);
	add_time(row, link->last_connect);
	add_text(row, open ? NULL : link->last_error);
	add_time(row, open ? 0 : link->last_error_time);
	add_time(row, link->refused_since);
	add_time(row, link->next_attempt);
}

static void
add_incoming(Row *row, RaftGroup *group, RaftNodeId id)
{
	RaftStreamRefusal refusal;
	bool		refused = raft_refusals_get(id, &refusal);

	add(row, BoolGetDatum(raft_inbox_connected(group->inboxes, id)), false);
	add_text(row, refused ? refusal.reason : NULL);
	add_time(row, refused ? refusal.last : 0);
}

Datum
raft_sql_stat_replication(PG_FUNCTION_ARGS)
{
	RaftGroup  *group;
	RaftGroupStatus *status = palloc(sizeof(RaftGroupStatus));
	RaftGroupLinks *links = palloc(sizeof(RaftGroupLinks));
	RaftStatsBaseline baseline;
	RaftGroupMember *members;
	RaftNodeId	self;
	int			n;

	raft_require_preload();
	InitMaterializedSRF(fcinfo, 0);
	group = raft_group_find(MyDatabaseId);
	if (group == NULL || raft_group_get_state(group, NULL, NULL) != RAFT_GROUP_RUNNING)
		return (Datum) 0;

	raft_group_get_status(group, status);
	raft_group_get_links(group, links);
	raft_group_get_baseline(group, &baseline);
	if (baseline.started == status->started)
	{
		for (int i = 0; i < links->n; i++)
			subtract_link(&links->of[i], &baseline);
	}
	self = group->node_id;
	n = raft_group_get_members(group, &members);
	for (int i = 0; i < n; i++)
	{
		const RaftGroupMember *member = &members[i];
		const RaftLinkStats *link = find_link(links, member->id);
		Row			row = {0};

		if (member->id == self)
			continue;
		add_text(&row, member->name);
		add(&row, Int32GetDatum((int32) member->id), false);
		add_text(&row, raft_member_role_name(member->flags));
		add_text(&row, link == NULL ? NULL : raft_link_name(link->link));
		add_progress(&row, group, status, find_progress(status, member->id));
		add_link(&row, link);
		add_incoming(&row, group, member->id);
		put_row(fcinfo, &row);
	}
	return (Datum) 0;
}
