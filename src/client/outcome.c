/*-------------------------------------------------------------------------
 *
 * outcome.c
 *	  The outcome of a proposal as the error that a client sees.
 *
 * The SQLSTATE says what the client may do: 25006 go to the leader, 57P03,
 * 53400 and 40001 try again, 08007 find out first.  All but 08007 say for
 * certain whether the command will be applied.
 *
 * They speak of this one command.  A statement that had another one in the log before
 * does not let them out as they are: api/statement.c makes an 08007 of whatever ends it.
 *
 *-------------------------------------------------------------------------
 */
#include "raft_pg.h"

#include "client/outcome.h"
#include "group/group.h"
#include "miscadmin.h"
#include "net/inbox.h"

bool
raft_outcome_handed_over(RaftOutcome outcome)
{
	switch (outcome)
	{
		case RAFT_OUTCOME_PLACED:
		case RAFT_OUTCOME_APPLIED:
		case RAFT_OUTCOME_FAILED:
		case RAFT_OUTCOME_UNKNOWN:
			return true;
		default:
			return false;
	}
}

static void
report_not_leader(RaftGroup *group, RaftNodeId leader)
{
	char	   *name = raft_group_member_name(group, leader);

	ereport(ERROR,
			(errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
			 errmsg("this node is not the leader of its Raft group"),
			 name ? errdetail("The leader is node \"%s\".", name) :
			 errdetail("The leader is node %u.", leader),
			 errhint("Propose on the leader.")));
}

static void
report_stopped(RaftGroup *group)
{
	(void) raft_group_check_failed(group);
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("Raft was stopped in this database"),
			 errdetail("The command was not appended.")));
}

/* Members that this node has no stream to, and why: as far as it goes, the reason for no leader. */
static char *
describe_unreachable(RaftGroup *group)
{
	RaftGroupLinks *links = palloc(sizeof(RaftGroupLinks));
	StringInfoData text;

	raft_group_get_links(group, links);
	initStringInfo(&text);
	for (int i = 0; i < links->n; i++)
	{
		const RaftLinkStats *link = &links->of[i];
		char	   *name = raft_group_member_name(group, link->id);

		if (link->link == RAFT_LINK_STREAMING || name == NULL)
			continue;
		appendStringInfo(&text, "  Node \"%s\": %s.", name,
						 link->last_error[0] ? link->last_error : "not connected yet");
	}
	return text.data;
}

static bool
is_forming(RaftGroup *group)
{
	RaftGroupMember *members;
	int			n_members = raft_group_get_members(group, &members);

	for (int i = 0; i < n_members; i++)
	{
		if (members[i].flags != RAFT_MEMBER_LEARNER && members[i].log_id == 0)
			return true;
	}
	return false;
}

char *
raft_describe_awaited(RaftGroup *group)
{
	RaftGroupLinks *links;
	StringInfoData text;

	if (!is_forming(group))
		return NULL;
	links = palloc(sizeof(RaftGroupLinks));
	raft_group_get_links(group, links);
	initStringInfo(&text);
	for (int i = 0; i < links->n; i++)
	{
		const RaftLinkStats *link = &links->of[i];
		char	   *name = raft_group_member_name(group, link->id);
		bool		reached = link->link == RAFT_LINK_STREAMING;

		if ((reached && raft_inbox_connected(group->inboxes, link->id)) || name == NULL)
			continue;
		appendStringInfo(&text, "%snode \"%s\" ", text.len > 0 ? "; " : "", name);
		if (reached)
			appendStringInfoString(&text, "has not reached this node yet");
		else
			appendStringInfo(&text, "%s this node: %s", link->refused_since != 0 ? "refuses" : "is not reached by",
							 link->last_error[0] != '\0' ? link->last_error : "not connected yet");
	}
	return text.len > 0 ? text.data : NULL;
}

/*
 * Nobody took the command: because no leader is known, or because the worker that leads
 * here, or would know, does not get to it.
 */
static void
report_not_taken(RaftGroup *group)
{
	RaftStanding standing;
	char	   *awaited = raft_describe_awaited(group);

	raft_group_get_standing(group, &standing);
	if (standing.stale || (standing.is_leader && awaited == NULL))
		ereport(ERROR,
				(errcode(ERRCODE_CANNOT_CONNECT_NOW),
				 errmsg("the node worker of this server did not take the command in time"),
				 errdetail("The command was not appended.  The process with PID %d %s.",
						   (int) group->worker_pid[RAFT_WORKER_NODE],
						   standing.stale ? "stands still" : "leads the group, and is busy"),
				 errhint("See what that process waits for, and whether its disk is slow.")));
	if (awaited != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_CANNOT_CONNECT_NOW),
				 errmsg("no leader took the command in time"),
				 errdetail("The command was not appended.  The group is being formed: %s.",
						   awaited),
				 errhint("All members have to be running and reachable once; from then on a majority is enough.")));
	ereport(ERROR,
			(errcode(ERRCODE_CANNOT_CONNECT_NOW),
			 errmsg("no leader took the command in time"),
			 errdetail("The command was not appended.  No leader is known.%s",
					   describe_unreachable(group)),
			 errhint("A majority of the group's nodes has to be running and reachable.")));
}

/* Who is to blame for a full log. */
static char *
describe_held(RaftGroup *group)
{
	RaftGroupStatus *status = palloc(sizeof(RaftGroupStatus));

	raft_group_get_status(group, status);
	return raft_group_describe_held(group, &status->held);
}

/*
 * The command was handed over, and the wait for its result has ended.  It is known to be
 * committed when this node is still in the term in which it has placed the command: it
 * alone leads that term, so nothing can have taken the command's place.
 */
static void
report_open(RaftGroup *group, const RaftProposalResult *result)
{
	unsigned long long index = result->index;
	unsigned long long term = result->term;
	bool		committed = index != 0 && pg_atomic_read_u64(&group->ready) >= index &&
		pg_atomic_read_u64(&group->term) == term && group->database == MyDatabaseId;
	bool		applied = result->outcome == RAFT_OUTCOME_APPLIED ||
		result->outcome == RAFT_OUTCOME_FAILED ||
		(committed && pg_atomic_read_u64(&group->visible) >= index);
	char	   *reason = result->interrupted ?
		psprintf("The wait for it ended with \"%s\".  ", result->interrupted) : "";
	RaftApplierStatus applier;

	if (applied)
		ereport(ERROR,
				(errcode(ERRCODE_TRANSACTION_RESOLUTION_UNKNOWN),
				 errmsg("the command was applied, but its result is lost"),
				 errdetail("%sIt was applied at index %llu of term %llu.", reason, index, term),
				 errhint("Do not propose it again.")));
	if (committed)
	{
		raft_group_get_applier(group, &applier);
		ereport(ERROR,
				(errcode(ERRCODE_TRANSACTION_RESOLUTION_UNKNOWN),
				 errmsg("the command is committed, but its result is not known yet"),
				 applier.last_error[0] == '\0' ?
				 errdetail("%sIt is committed at index %llu of term %llu and will be applied on every node.",
						   reason, index, term) :
				 errdetail("%sIt is committed at index %llu of term %llu; the applier of this node cannot go on: %s",
						   reason, index, term, applier.last_error),
				 applier.last_error[0] == '\0' ?
				 errhint("Do not propose it again.  raft_wait(index, term) waits until it is applied.") :
				 errhint("It is applied once the cause is gone, which \"pg_stat_raft\".\"apply_error\" shows.  raft_wait(index, term) waits for that.")));
	}
	ereport(ERROR,
			(errcode(ERRCODE_TRANSACTION_RESOLUTION_UNKNOWN),
			 errmsg("the outcome of the command is unknown"),
			 index == 0 ?
			 errdetail("%sIt was handed to the leader; it may or may not be applied later.", reason) :
			 errdetail("%sIt stands at index %llu of term %llu in the leader's log; it may or may not be applied later.",
					   reason, index, term),
			 index == 0 ? 0 :
			 errhint("raft_wait(index, term) tells whether it was applied.")));
}

void
raft_proposal_check(RaftGroup *group, const RaftProposalResult *result)
{
	if (result->interrupted != NULL)
		report_open(group, result);

	switch (result->outcome)
	{
		case RAFT_OUTCOME_PLACED:
		case RAFT_OUTCOME_APPLIED:
			return;

		case RAFT_OUTCOME_NOT_LEADER:
			report_not_leader(group, result->leader);
			break;

		case RAFT_OUTCOME_STOPPED:
			report_stopped(group);
			break;

		case RAFT_OUTCOME_FAILED:
			ereport(ERROR,
					(errcode(result->sqlstate),
					 errmsg_internal("%s", result->message),
					 errdetail("The command was committed at index %llu; this error is its result on every node that has the same tables and functions.",
							   (unsigned long long) result->index)));
			break;

		case RAFT_OUTCOME_NO_LEADER:
			report_not_taken(group);
			break;

		case RAFT_OUTCOME_SUPERSEDED:
			ereport(ERROR,
					(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
					 errmsg("the command lost its place in the log to another leader"),
					 errdetail("The command at index %llu of term %llu will never be applied.",
							   (unsigned long long) result->index,
							   (unsigned long long) result->term),
					 errhint("The command can be proposed again.")));
			break;

		case RAFT_OUTCOME_LOG_FULL:
			ereport(ERROR,
					(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
					 errmsg("the Raft log is full"),
					 errdetail("The command was not appended. %s", describe_held(group)),
					 errhint("Bring that member back, or remove what keeps it from going on. Entries are dropped once every member has them.")));
			break;

		case RAFT_OUTCOME_PENDING:
		case RAFT_OUTCOME_UNKNOWN:
			report_open(group, result);
			break;
	}
}
